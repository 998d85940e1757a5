"""The HTTP door against real servers: any status is an answer, everything else is a DoorError that says why."""

import datetime
import gzip
import ipaddress
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from recovery.model import DoorError
from recovery.outside.http import Http
from tests.plugins.servers import Site, answer, drip, free_port, raw_server, reset, silent

SOON = 0.4


def failing(url, http=None, **more):
    begin = time.monotonic()
    with pytest.raises(DoorError) as problem:
        (http or Http()).request("GET", url, **{"timeout_seconds": SOON, **more})
    assert time.monotonic() - begin < SOON + 1.5
    return problem.value


@pytest.mark.parametrize("status", [200, 204, 404, 500, 503])
def test_any_status_is_an_answer(site, status):
    site.answers["/x"] = (status, {"X-Seen": "Yes"}, b"" if status == 204 else "h\u00e9llo".encode())
    got = Http().request("GET", site.url + "/x")
    assert (got.status, got.headers["x-seen"]) == (status, "Yes")
    assert got.text == ("" if status == 204 else "h\u00e9llo")
    assert 0 < got.latency_ms < 5000


def test_what_is_sent_arrives(site):
    site.answers["/hook"] = (200, {}, b"ok")
    Http().request("POST", site.url + "/hook", json={"a": 1}, headers={"X-Medic-Token": "t"})
    Http().request("PUT", site.url + "/hook", data=b"raw")
    assert site.asked[0][0] == "POST"
    assert site.asked[0][3] == b'{"a": 1}'
    assert site.asked[0][2]["x-medic-token"] == "t"
    assert site.asked[1][3] == b"raw"


def test_no_more_than_64_kib_of_a_body_is_read():
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 50_000

    def pour(stream: socket.socket) -> None:
        while True:
            stream.sendall(b"y" * 65_536)

    with raw_server(answer(endless, pour)) as port:
        got = Http().request("GET", f"http://127.0.0.1:{port}/", timeout_seconds=5)
    assert len(got.text) == 65_536


def test_a_body_that_unpacks_to_much_is_cut(site):
    site.answers["/bomb"] = (200, {"Content-Encoding": "gzip"}, gzip.compress(b"0" * 50_000_000))
    assert len(Http().request("GET", site.url + "/bomb").text) == 65_536


def test_an_unknown_encoding_and_broken_text_are_read_anyhow(site):
    site.answers["/x"] = (200, {"Content-Type": "text/plain; charset=klingon"}, b"caf\xff\xc3\xa9")
    assert Http().request("GET", site.url + "/x").text == "caf\ufffd\u00e9"


def test_a_server_that_never_answers_is_a_timeout():
    with raw_server(silent) as port:
        problem = failing(f"http://127.0.0.1:{port}/")
    assert problem.kind == "timeout"
    assert "within 0.4 s" in str(problem)


def test_what_is_no_http_is_known_at_once():
    with raw_server(answer(b"220 mail.example.com ESMTP\r\n", silent)) as port:
        problem = failing(f"http://127.0.0.1:{port}/")
    assert problem.kind == "reset" and "does not answer in HTTP" in str(problem)


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 "])
def test_bytes_that_drip_in_do_not_hold_the_deadline_up(start):
    with raw_server(drip(start, 0.05)) as port:
        assert failing(f"http://127.0.0.1:{port}/").kind == "timeout"


def test_a_body_that_stops_half_way_is_a_timeout():
    with raw_server(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", silent)) as port:
        assert failing(f"http://127.0.0.1:{port}/").kind == "timeout"


def test_a_body_cut_short_is_no_answer():
    with raw_server(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")) as port:
        assert failing(f"http://127.0.0.1:{port}/").kind == "reset"


def test_a_connection_that_is_never_taken_is_a_timeout():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        assert failing(f"http://127.0.0.1:{port}/").kind == "timeout"
        with pytest.raises(DoorError) as problem:
            Http().connect("127.0.0.1", port, SOON)
        assert problem.value.kind == "timeout"
        for filler in fillers:
            filler.close()


def test_a_reset_is_told_from_a_refusal():
    with raw_server(reset) as port:
        assert failing(f"http://127.0.0.1:{port}/").kind == "reset"
    assert failing(f"http://127.0.0.1:{free_port()}/").kind == "refused"


def test_a_connection_closed_without_a_word_is_a_reset():
    with raw_server(answer(b"")) as port:
        assert failing(f"http://127.0.0.1:{port}/").kind == "reset"


@pytest.mark.parametrize("noise", [b"\x00\x01\x02\r\n\r\n", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 abc OK\r\n\r\n"])
def test_what_is_not_http_is_no_answer(noise):
    with raw_server(answer(noise)) as port:
        assert failing(f"http://127.0.0.1:{port}/").kind in ("reset", "network")


def test_a_name_that_does_not_exist_is_said():
    problem = failing("http://does-not-exist.invalid/", timeout_seconds=5)
    assert problem.kind == "dns"
    assert "does-not-exist.invalid" in str(problem)


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/", "http://", "nonsense", "http://[::1", "http://x y/", "http://h:99999/", ""]
)
def test_an_address_that_cannot_be_asked_is_permanent(url):
    problem = failing(url)
    assert (problem.kind, problem.permanent) == ("client", True)


def test_a_redirect_loop_ends(site):
    site.answers["/a"] = (302, {"Location": "/b"}, b"")
    site.answers["/b"] = (302, {"Location": "/a"}, b"")
    problem = failing(site.url + "/a")
    assert problem.kind == "client"
    assert len(site.asked) == 6


def test_what_a_redirect_leads_to_is_named_where_it_fails(site):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    site.answers["/a"] = (302, {"Location": f"http://127.0.0.1:{port}/b"}, b"")
    assert str(failing(site.url + "/a")) == f"127.0.0.1:{port} refuses the connection"


def test_a_redirect_is_followed_and_its_body_is_not_read(site):
    site.answers["/old"] = (301, {"Location": "/new"}, b"x" * 10_000_000)
    site.answers["/new"] = (200, {}, b"here")
    assert Http().request("GET", site.url + "/old").text == "here"
    assert Http().request("GET", site.url + "/old", follow=False).status == 301


def test_a_header_does_not_follow_a_redirect_to_another_place(site):
    here, other = site.url, Site()
    site.answers["/other"] = (307, {"Location": other.url + "/end"}, b"")
    other.answers["/end"] = (200, {}, b"ok")
    site.answers["/same"] = (307, {"Location": "/end"}, b"")
    site.answers["/end"] = (200, {}, b"ok")
    Http().request("POST", here + "/other", data=b"body", headers={"Authorization": "Bearer abc"})
    assert "authorization" not in other.asked[-1][2]
    other.close()
    Http().request("POST", here + "/same", data=b"body", headers={"Authorization": "Bearer abc"})
    assert site.asked[-1][2]["authorization"] == "Bearer abc"
    assert site.asked[-1][3] == b"body"


@pytest.mark.parametrize(
    "target", ["http://localhost:{port}/end", "//localhost:{port}/end", "file:///etc/passwd", "http://[::1"]
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_the_answer_and_nobody_there_is_asked(site, target, status):
    """A service that somebody took over must not send us to what only this machine reaches."""
    site.answers["/out"] = (status, {"Location": target.format(port=site.url.rpartition(":")[2])}, b"moved")
    site.answers["/end"] = (200, {}, b"internal")
    answer = Http().request("GET", site.url + "/out")
    assert (answer.status, answer.text) == (status, "moved")
    assert [path for _, path, _, _ in site.asked] == ["/out"]


def test_cookies_are_not_kept_from_one_look_to_the_next(site):
    site.answers["/x"] = (200, {"Set-Cookie": "a=b"}, b"")
    door = Http()
    door.request("GET", site.url + "/x")
    door.request("GET", site.url + "/x")
    assert "cookie" not in site.asked[1][2]


def test_a_proxy_in_the_environment_is_not_used(site, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    site.answers["/x"] = (200, {}, b"ok")
    assert Http().request("GET", site.url + "/x").status == 200


def test_an_error_never_shows_the_secrets_of_an_address():
    problem = failing(f"http://bob:hunter2@127.0.0.1:{free_port()}/hook?token=abc123")
    assert "hunter2" not in str(problem)
    assert "abc123" not in str(problem)


def test_no_socket_stays_open_after_a_question(site):
    site.answers["/x"] = (200, {}, b"ok")
    door = Http()
    door.request("GET", site.url + "/x")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        door.request("GET", site.url + "/x")
        failing(f"http://127.0.0.1:{free_port()}/", door)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 2


def test_threads_ask_side_by_side(site):
    site.answers["/x"] = (200, {}, b"ok")
    door = Http()
    seen = []
    threads = [
        threading.Thread(target=lambda: seen.append(door.request("GET", site.url + "/x").status)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [200] * 8


def _expired_certificate(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    long_ago = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(long_ago)
        .not_valid_after(long_ago + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "expired.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


@pytest.fixture
def authority(tmp_path):
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    return made, str(tmp_path / "ca.pem")


def _context(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if isinstance(certificate, trustme.LeafCert):
        certificate.configure_cert(context)
    else:
        context.load_cert_chain(certificate)
    return context


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_a_trusted_certificate_is_taken_and_another_name_is_not(authority):
    ca, path = authority
    with raw_server(answer(OK), _context(ca.issue_cert("127.0.0.1"))) as port:
        assert Http(path).request("GET", f"https://127.0.0.1:{port}/").text == "ok"
        assert failing(f"https://127.0.0.1:{port}/").kind == "tls"
    with raw_server(answer(OK), _context(ca.issue_cert("other.example.com"))) as port:
        assert failing(f"https://127.0.0.1:{port}/", Http(path)).kind == "tls"


@pytest.mark.filterwarnings("ignore:Unverified HTTPS")
def test_an_expired_certificate_is_said_and_can_be_allowed(tmp_path):
    certificate = _expired_certificate(tmp_path)
    with raw_server(answer(OK), _context(certificate)) as port:
        problem = failing(f"https://127.0.0.1:{port}/", Http(str(certificate)))
        assert problem.kind == "tls"
        assert "expired" in str(problem)
        got = Http().request("GET", f"https://127.0.0.1:{port}/", verify=False)
        assert got.text == "ok"


def test_a_tls_handshake_that_never_ends_is_a_timeout():
    with raw_server(silent) as port:
        assert failing(f"https://127.0.0.1:{port}/").kind == "timeout"


def test_a_connection_is_measured(site):
    assert 0 < Http().connect("127.0.0.1", site.port, 2.0) < 2000


@pytest.mark.parametrize(
    ("host", "port", "kind"),
    [
        ("127.0.0.1", None, "refused"),
        ("no.such.invalid", 80, "dns"),
        ("127.0.0.1", 70_000, "client"),
        ("a" * 400, 80, "client"),
    ],
)
def test_a_connection_that_fails_says_why(host, port, kind):
    with pytest.raises(DoorError) as problem:
        Http().connect(host, port or free_port(), 2.0)
    assert problem.value.kind == kind
