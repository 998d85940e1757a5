"""The checks against real servers; `recovery.checks.http` and `recovery.checks.tcp`."""

import socket
from datetime import timedelta
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from recovery.checks import REGISTRY
from recovery.clock import utc_now
from recovery.model import FailureType, HttpAnswer
from recovery.outside.http import Http
from tests.plugins.plugins import BACKGROUND, run_plugin
from tests.plugins.servers import answer, free_port, raw_server, reset, silent


class Doors:
    http = Http(background=BACKGROUND)


def look(kind, **args):
    plugin = REGISTRY.find(kind)
    return run_plugin(plugin, plugin.args.model_validate(args), Doors())


def test_a_good_answer_is_healthy(site):
    site.answers["/health"] = (200, {}, b'{"status": "ok"}')
    reading = look("http", url=site.url + "/health", expect_text='"ok"')
    assert (reading.healthy, reading.status_code, reading.failure_type) == (True, 200, None)
    assert reading.because == "answered 200"
    assert reading.latency_ms > 0
    assert reading.component == ""


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_a_bad_status_is_an_error_of_the_api(site, status):
    site.answers["/health"] = (status, {}, b"no")
    reading = look("http", url=site.url + "/health")
    assert (reading.healthy, reading.failure_type, reading.status_code) == (False, FailureType.API_ERROR, status)
    assert reading.because == f"answered {status}, expected 200-399"


def test_a_missing_text_is_an_error_of_the_api(site):
    site.answers["/health"] = (200, {}, b"starting")
    reading = look("http", url=site.url + "/health", expect_text="ready")
    assert reading.failure_type == FailureType.API_ERROR
    assert reading.because == "answered 200, but without the text 'ready'"


@pytest.mark.parametrize(
    ("expected", "status", "healthy"),
    [
        (200, 200, True),
        (200, 201, False),
        ("2xx", 299, True),
        ("2XX", 300, False),
        ("200-204", 204, True),
        ("200-204", 205, False),
        ([200, 401], 401, True),
        (["2xx", "503"], 503, True),
        (["2xx", "503"], 500, False),
        ("500", 500, True),
    ],
)
def test_the_expected_status_is_what_the_configuration_says(site, expected, status, healthy):
    site.answers["/health"] = (status, {}, b"")
    assert look("http", url=site.url + "/health", expect_status=expected).healthy is healthy


def test_head_asks_for_no_text(site):
    site.answers["/health"] = (200, {}, b"text")
    assert look("http", url=site.url + "/health", method="HEAD").healthy
    assert site.asked[0][0] == "HEAD"


def test_a_redirect_is_followed(site):
    site.answers["/old"] = (302, {"Location": "/new"}, b"")
    site.answers["/new"] = (503, {}, b"")
    assert look("http", url=site.url + "/old").status_code == 503


def test_a_redirect_to_another_host_is_judged_as_the_answer_that_it_is(site):
    site.answers["/login"] = (302, {"Location": site.url.replace("127.0.0.1", "localhost") + "/page"}, b"")
    site.answers["/page"] = (200, {}, b"please log in")
    assert look("http", url=site.url + "/login").status_code == 302
    reading = look("http", url=site.url + "/login", expect_status=200)
    assert (reading.healthy, reading.because) == (False, "answered 302, expected 200")


def test_an_endless_redirect_is_an_error_of_the_api(site):
    site.answers["/a"] = (302, {"Location": "/a"}, b"")
    reading = look("http", url=site.url + "/a")
    assert (reading.healthy, reading.failure_type) == (False, FailureType.API_ERROR)


def test_no_answer_in_time_is_a_timeout():
    with raw_server(silent) as port:
        reading = look("http", url=f"http://127.0.0.1:{port}/", timeout="200ms")
    assert (reading.healthy, reading.failure_type) == (False, FailureType.API_TIMEOUT)
    assert reading.because == f"no answer from 127.0.0.1:{port} within 0.2 s"


def test_no_server_and_a_breaking_one_are_unresponsive():
    assert look("http", url=f"http://127.0.0.1:{free_port()}/").failure_type == FailureType.SERVER_UNRESPONSIVE
    assert look("http", url="http://no.such.invalid/").failure_type == FailureType.SERVER_UNRESPONSIVE
    with raw_server(reset) as port:
        assert look("http", url=f"http://127.0.0.1:{port}/").failure_type == FailureType.SERVER_UNRESPONSIVE
    with raw_server(answer(b"HTTP/1.1 200 OK\r\n\r\n")) as port:
        reading = look("http", url=f"https://127.0.0.1:{port}/")
        assert reading.failure_type == FailureType.SERVER_UNRESPONSIVE
        assert "TLS" in reading.because


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "orders.example.com"},
        {"url": "ftp://orders.example.com"},
        {"url": "http://"},
        {"url": "http://h:99999/"},
        {"url": "http://[::1/"},
        {"url": "http://a b/"},
        {"url": ""},
        {"timeout": "0s"},
        {"timeout": "2d"},
        {"timeout": "soon"},
        {"method": "DELETE"},
        {"expect_status": 99},
        {"expect_status": "6xx"},
        {"expect_status": "300-200"},
        {"expect_status": []},
        {"expect_status": True},
        {"expect_status": [None]},
        {"expect_status": "200,201" * 10_000},
        {"expect_text": "x", "method": "HEAD"},
        {"verify_tls": "no"},
    ],
)
def test_wrong_arguments_of_the_http_check_are_refused(wrong):
    with pytest.raises(ValidationError):
        REGISTRY.find("http").args.model_validate({"url": "http://127.0.0.1/"} | wrong)


def test_a_server_that_takes_connections_is_healthy(site):
    reading = look("tcp", host="127.0.0.1", port=site.port)
    assert (reading.healthy, reading.because) == (True, "took the connection")
    assert reading.latency_ms > 0


def test_a_connection_over_ipv6_is_taken():
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        for host in ("::1", "[::1]"):
            assert look("tcp", host=host, port=listener.getsockname()[1]).healthy


def test_a_refused_connection_is_unresponsive():
    reading = look("tcp", host="127.0.0.1", port=free_port())
    assert (reading.healthy, reading.failure_type) == (False, FailureType.SERVER_UNRESPONSIVE)
    assert "refuses" in reading.because


def test_a_connection_that_is_not_taken_in_time_is_a_timeout():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        reading = look("tcp", host="127.0.0.1", port=port, timeout=0.2)
        for filler in fillers:
            filler.close()
    assert (reading.healthy, reading.failure_type) == (False, FailureType.API_TIMEOUT)


@pytest.mark.parametrize(
    "wrong",
    [
        {"host": ""},
        {"host": "http://db"},
        {"host": "db:5432"},
        {"host": "a b"},
        {"host": "u@db"},
        {"host": "a" * 300},
        {"port": 0},
        {"port": 65_536},
        {"port": "5432"},
        {"port": True},
        {"timeout": -1},
    ],
)
def test_wrong_arguments_of_the_tcp_check_are_refused(wrong):
    with pytest.raises(ValidationError):
        REGISTRY.find("tcp").args.model_validate({"host": "127.0.0.1", "port": 1} | wrong)


@pytest.mark.parametrize(
    ("expected", "body", "said"),
    [
        ({"status": "ok"}, b'{"status": "ok"}', ""),
        ({"db.0.up": True}, b'{"db": [{"up": true}]}', ""),
        ({"db.0.up": True}, b'{"db": [{"up": 1}]}', "with '1' at db.0.up, expected 'True'"),
        ({"status": "ok"}, b'{"status": "down"}', "with 'down' at status, expected 'ok'"),
        ({"a.b.c": 1}, b'{"a": [7]}', "with 'None' at a.b.c"),
        ({"status": "ok"}, b"<html>", "without JSON"),
        ({"status": "ok"}, b"[" * 60_000, "without JSON"),
    ],
)
def test_a_value_of_the_json_is_looked_at(site, expected, body, said):
    site.answers["/health"] = (200, {}, body)
    reading = look("http", url=site.url + "/health", expect_json=expected)
    assert reading.healthy == (not said) and said in reading.because
    assert said == "" or reading.failure_type == FailureType.API_ERROR


def test_what_is_slow_most_of_the_time_is_a_failure_and_one_slow_answer_is_none(site):
    plugin, memory = REGISTRY.find("http"), None
    args = plugin.args.model_validate({"url": site.url + "/health", "slow": "300ms", "window": 10})
    seen = []
    for took in (0.1, 0.1, 0.1, 0.1, 2.0, 0.1, 2.0, *[0.1] * 10):
        doors = SimpleNamespace(http=Slow(took))
        reading = run_plugin(plugin, args, doors, memory)
        memory = reading.memory
        seen.append(reading.healthy)
    assert seen == [True] * 6 + [False] * 10 + [True], "until the last slow answer has left the window"
    assert len(memory["latencies"]) == 10
    assert run_plugin(plugin, args, SimpleNamespace(http=Slow(5.0)), {"latencies": "odd"}).healthy, "too few to judge"


class Slow:
    """An HTTP door that says how long it took."""

    def __init__(self, seconds, **more):
        self.seconds, self.more = seconds, more

    async def ask(self, *args, **more):
        return HttpAnswer(200, "ok", self.seconds * 1000, **self.more)


@pytest.mark.parametrize(("days", "healthy"), [(40, True), (13, False), (-1, False)])
def test_a_certificate_that_is_about_to_end_calls_a_person(days, healthy):
    plugin = REGISTRY.find("certificate")
    args = plugin.args.model_validate({"url": "https://orders.example.com/"})
    doors = SimpleNamespace(http=Slow(0.1, certificate_ends=utc_now() + timedelta(days=days, minutes=1)))
    reading = run_plugin(plugin, args, doors)
    assert (reading.healthy, reading.permanent) == (healthy, not healthy)
    assert f"in {days} days" in reading.because
    assert healthy or reading.failure_type == FailureType.CREDENTIAL_EXPIRED


def test_a_server_without_tls_shows_no_certificate():
    plugin = REGISTRY.find("certificate")
    args = plugin.args.model_validate({"url": "https://orders.example.com/"})
    assert run_plugin(plugin, args, SimpleNamespace(http=Slow(0.1))).because == "the server shows no certificate"
    for wrong in ("http://x.example.com/", "orders.example.com", "https://"):
        with pytest.raises(ValidationError):
            plugin.args.model_validate({"url": wrong})
