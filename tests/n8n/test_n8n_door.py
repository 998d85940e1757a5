"""The door to n8n where n8n, or what stands in its place, is difficult."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from recovery.clock import utc_now
from recovery.model import N8nError
from recovery.outside import n8n as door_module
from recovery.outside import n8n_session
from recovery.outside.n8n import N8n
from recovery.outside.trust import trust_at_large
from tests.n8n import workflows as w
from tests.n8n.real import free_port
from tests.standins.n8n import StandInN8n
from tests.standins.service import RESET, Answer, Service, hang

KEY = "n8n_api_SECRET_of_the_key"


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as service:
        yield service


@pytest.fixture
def standin() -> Iterator[StandInN8n]:
    with StandInN8n() as standin:
        yield standin


def door_to(url: str, seconds: float = 2.0, key: str = KEY) -> N8n:
    return N8n("main", url, key, timeout_seconds=seconds)


def failing(standin: StandInN8n, service: Service) -> str:
    service.behave("/orders", 503)
    workflow_id = standin.create_workflow(w.workflow("W", w.webhook("h"), w.http("F", f"{service.url}/orders")))
    standin.activate(workflow_id, "h")
    standin.call("h", {})
    return str(standin.ended(workflow_id)[0]["id"])


def refused_by(ask: Any) -> N8nError:
    with pytest.raises(N8nError) as caught:
        ask()
    assert KEY not in str(caught.value) and KEY not in repr(caught.value.__context__ or "")
    return caught.value


DEEP = b"[" * 200_000


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>log in</html>",
        b"[]",
        b"null",
        b"7",
        b'"text"',
        b"\xff\xfe\x00",
        DEEP,
        b'{"data": {}}',
        b'{"data": [1, null]}',
        b"{}",
    ],
)
def test_an_answer_that_is_not_n8ns_is_said_to_be_none(service: Service, raw: bytes) -> None:
    service.behave("/api/v1/executions", Answer(raw=raw))
    error = refused_by(door_to(service.url).executions)
    assert (error.kind, error.permanent) == ("status", False)
    assert "is this address n8n's" in str(error)


@pytest.mark.parametrize("raw", [b"<html></html>", b"[]", b"null", DEEP])
def test_neither_an_execution_nor_a_workflow_nor_a_retry_is_made_of_nonsense(service: Service, raw: bytes) -> None:
    for path in ("executions/1", "workflows/1", "executions/1/retry"):
        service.behave(f"/api/v1/{path}", Answer(raw=raw))
    door = door_to(service.url)
    for ask in (lambda: door.execution("1"), lambda: door.workflow("1"), lambda: door.retry("1")):
        assert refused_by(ask).kind == "status"


def test_an_older_n8n_that_cannot_list_by_time_or_status_is_read_all_the_same(
    standin: StandInN8n, service: Service
) -> None:
    failing(standin, service)
    workflow_id = str(standin.executions()[0]["workflowId"])
    standin.add_old_failures(workflow_id, 3)
    standin.add_old_failures(workflow_id, 1, age_seconds=0)
    hour_ago, day_ago = ((utc_now() - timedelta(hours=hours)).isoformat() for hours in (1, 24.5))
    asked = [{}, {"started_after": hour_ago}, {"started_before": hour_ago, "started_after": day_ago}]
    asked += [{"status": "error", "started_after": hour_ago, "limit": 1}]
    newer = [door_to(standin.url, key=standin.api_key).executions(**one)[0] for one in asked]
    assert [len(rows) for rows in newer] == [5, 2, 3, 1]
    standin.is_older = True
    door = door_to(standin.url, key=standin.api_key)
    assert [door.executions(**one)[0] for one in asked] == newer
    assert door.executions("new") == door.executions("crashed", started_after=hour_ago) == ([], "")
    page, cursor = door.executions(started_after=hour_ago, limit=2)
    assert len(page) == 1 and cursor == "", "behind one that is older nothing is wanted"
    with pytest.raises(N8nError, match="did not take the request"):
        door.executions(cursor="nonsense")


def test_a_404_that_is_not_n8ns_own_does_not_mean_gone(service: Service) -> None:
    for answer in (Answer(404, raw=b"<html>nginx</html>"), Answer(404, {"message": "not found"})):
        service.behave("/api/v1/executions/1", answer)
        assert refused_by(lambda: door_to(service.url).execution("1")).kind == "status"


def test_an_answer_that_never_ends_is_cut(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door_module, "LARGEST_ANSWER_BYTES", 100_000)
    service.behave("/api/v1/executions", Answer(raw=b" " * 200_000))
    assert "sent more than" in str(refused_by(door_to(service.url).executions))


def test_an_answer_that_drips_is_given_up(service: Service) -> None:
    with dripping() as url:
        began = time.monotonic()
        error = refused_by(lambda: door_to(url, 0.5).executions())
        assert (error.kind, time.monotonic() - began < 2) == ("timeout", True)


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nX: y\r\n"])
def test_headers_that_drip_are_given_up(head: bytes) -> None:
    for ask, said in ((lambda door: refused_by(door.executions).kind, "timeout"), (lambda door: door.retry("7"), None)):
        with dripping(head) as url:
            began = time.monotonic()
            assert ask(door_to(url, 0.5)) == said
            assert time.monotonic() - began < 2
    with dripping(head) as url:
        assert "did not answer within 0.5 s" in door_to(url, 0.5).ready()


def test_headers_that_drip_over_tls_are_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setattr(n8n_session, "trust_at_large", trust_at_large.__wrapped__)
    with dripping(b"HTTP/1.1 200 OK\r\nX-Slow: ", server) as url:
        began = time.monotonic()
        error = refused_by(door_to(url.replace("http:", "https:"), 0.5).executions)
        assert (error.kind, time.monotonic() - began < 2) == ("timeout", True)


def test_an_authority_of_ones_own_is_trusted_where_the_machine_trusts_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(n8n_session, "trust_at_large", trust_at_large.__wrapped__)  # read anew each time
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    body = b'{"data": [], "nextCursor": null}'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
    answer = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    for _ in range(2):
        with dripping(answer, server) as url:
            error = refused_by(door_to(url.replace("http:", "https:")).executions)
            assert error.kind == "tls" and "SSL_CERT_FILE" in str(error)
        with dripping(answer, server) as url, monkeypatch.context() as patch:
            patch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
            assert door_to(url.replace("http:", "https:")).executions() == ([], "")


class dripping:
    """A server that sends one byte of a huge answer every 50 ms, after what is given."""

    def __init__(
        self, head: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", tls: ssl.SSLContext | None = None
    ):
        self._head, self._tls = head, tls

    def __enter__(self) -> str:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _serve(self) -> None:
        try:
            peer = self._listener.accept()[0]
            peer = self._tls.wrap_socket(peer, server_side=True) if self._tls else peer
            peer.recv(65_536)
            peer.sendall(self._head)
            while not self._over.wait(0.05):
                peer.sendall(b" ")
        except OSError:
            pass

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._listener.close()


def test_every_way_of_not_answering_has_its_kind(service: Service) -> None:
    service.behave("/api/v1/executions", RESET)
    assert refused_by(door_to(service.url).executions).kind == "reset"
    service.behave("/api/v1/executions", hang(3))
    assert refused_by(door_to(service.url, 0.2).executions).kind == "timeout"
    assert refused_by(door_to(f"http://127.0.0.1:{free_port()}").executions).kind == "refused"
    assert refused_by(door_to("http://n8n.invalid").executions).kind == "dns"
    assert refused_by(door_to(service.url.replace("http:", "https:")).executions).kind == "tls"
    assert refused_by(door_to("nonsense").executions).kind == "network"
    assert refused_by(door_to("http://[nonsense").executions).kind == "network"


@pytest.mark.parametrize(
    ("status", "kind", "permanent"),
    [
        (400, "client", True),
        (401, "auth", True),
        (403, "forbidden", True),
        (409, "conflict", True),
        (429, "rate_limited", False),
        (500, "status", False),
        (502, "status", False),
        (302, "status", False),
        (418, "status", False),
    ],
)
def test_every_status_has_its_kind(service: Service, status: int, kind: str, permanent: bool) -> None:
    service.behave("/api/v1/executions/1/retry", Answer(status, {"message": "no"}))
    error = refused_by(lambda: door_to(service.url).retry("1"))
    assert (error.kind, error.permanent) == (kind, permanent)


@pytest.mark.parametrize(
    ("text", "seconds"), [("7", 7.0), ("999999", 3600.0), ("soon", None), ("-1", None), ("²", None)]
)
def test_a_rate_limit_says_how_long_to_wait(service: Service, text: str, seconds: float | None) -> None:
    header = text.encode().decode("latin-1")
    service.behave("/api/v1/executions", Answer(429, headers={"Retry-After": header}))
    assert refused_by(door_to(service.url).executions).retry_after_seconds == seconds


def test_an_n8n_without_retries_is_too_old(standin: StandInN8n, service: Service) -> None:
    failed = failing(standin, service)
    standin.can_retry = False
    error = refused_by(lambda: door_to(standin.url, key=standin.api_key).retry(failed))
    assert (error.kind, error.permanent) == ("too_old", True)
    standin.can_retry = True
    assert refused_by(lambda: door_to(standin.url, key=standin.api_key).retry("77777")).kind == "not_found"


@pytest.mark.parametrize("status", [504, 524])
def test_a_proxy_that_gave_up_leaves_the_retry_running(service: Service, status: int) -> None:
    service.behave("/api/v1/executions/1/retry", Answer(status))
    assert door_to(service.url).retry("1") is None


def test_a_retry_that_may_have_begun_is_told_from_one_that_cannot_have(service: Service) -> None:
    service.behave("/api/v1/executions/1/retry", RESET, Answer(500), Answer(401))
    kinds = [refused_by(lambda: door_to(service.url).retry("1")).kind for _ in range(3)]
    assert kinds == ["reset", "status", "auth"]
    nobody = door_to(f"http://127.0.0.1:{free_port()}")
    assert refused_by(lambda: nobody.retry("1")).kind == "refused"
    assert len(service.calls("/api/v1/executions/1/retry")) == 3  # and never asked twice by itself


@pytest.mark.parametrize("bad", ["..", "../workflows", "1/retry", "1?x=1", "", "1 2", "é", "a" * 65, "1\n"])
def test_an_id_that_n8n_never_gave_is_not_asked_for(service: Service, bad: str) -> None:
    door = door_to(service.url)
    assert door.execution(bad) is None
    assert door.workflow(bad) is None
    assert refused_by(lambda: door.retry(bad)).kind == "not_found"
    assert service.calls() == []


def test_a_redirect_is_not_followed_so_that_the_key_stays_here(service: Service) -> None:
    with Service() as other:
        service.behave("/api/v1/executions", Answer(302, headers={"Location": f"{other.url}/api/v1/executions"}))
        refused_by(door_to(service.url).executions)
        assert other.calls() == []


@pytest.mark.parametrize("key", ["", "  ", "a\nb", "schlüssel", "a\x00b"])
def test_a_key_that_cannot_be_one_is_never_sent(service: Service, key: str) -> None:
    error = refused_by(door_to(service.url, key=key).executions)
    assert (error.kind, error.permanent, service.calls()) == ("auth", True, [])


def test_the_key_goes_only_to_the_api_and_is_never_shown(service: Service) -> None:
    service.behave("/api/v1/executions", Answer(body={"data": [], "nextCursor": None}))
    door = door_to(service.url, key=f" {KEY}\n")
    assert door.executions() == ([], "")
    assert door.ready() == ""
    sent = {call.path: call.headers.get("x-n8n-api-key") for call in service.calls()}
    assert sent == {"/api/v1/executions": KEY, "/healthz/readiness": None}
    assert KEY not in repr(door) and "hunter2" not in repr(door_to("http://user:hunter2@n8n.example.com"))


def test_what_is_not_ready_is_said_in_words(service: Service) -> None:
    service.behave("/healthz/readiness", 503)
    assert door_to(service.url).ready().endswith("is not ready: it answered 503")
    assert "the connection was refused" in door_to(f"http://127.0.0.1:{free_port()}").ready()


def test_an_older_n8n_gives_ids_as_numbers_and_we_read_text(service: Service) -> None:
    old = {"id": 7, "workflowId": 3, "retryOf": None, "retrySuccessId": 9, "finished": False}
    service.behave("/api/v1/executions", Answer(body={"data": [old], "nextCursor": None}))
    found = door_to(service.url).executions()[0][0]
    assert found == {"id": "7", "workflowId": "3", "retryOf": None, "retrySuccessId": "9", "finished": False}


def test_a_page_asks_for_no_more_than_n8n_gives(service: Service) -> None:
    service.behave("/api/v1/executions", Answer(body={"data": []}))
    door_to(service.url).executions("error", "w1", "2026-01-01T00:00:00Z", "next", 10_000)
    assert json.dumps(service.calls()[0].query) == json.dumps(
        {
            "status": "error",
            "workflowId": "w1",
            "startedAfter": "2026-01-01T00:00:00Z",
            "cursor": "next",
            "limit": "250",
        }
    )


def test_an_n8n_without_the_routes_of_credentials_is_too_old(service: Service) -> None:
    service.behave("/api/v1/credentials", Answer(405, {"message": "GET method not allowed"}))
    service.behave("/api/v1/credentials/c1/test", Answer(404, {"message": "not found"}))
    door = door_to(service.url)
    for ask in (door.credentials, lambda: door.test_credential("c1")):
        error = refused_by(ask)
        assert (error.kind, error.permanent) == ("too_old", True) and "update n8n" in str(error)


@pytest.mark.parametrize("body", [7, {"data": 7}, {"data": None}, {}])
def test_no_list_of_credentials_or_workflows_is_made_of_nonsense(service: Service, body: Any) -> None:
    service.behave("/api/v1/credentials", Answer(body=body))
    service.behave("/api/v1/workflows", Answer(body=body))
    door = door_to(service.url)
    assert refused_by(door.credentials).kind == "status"
    assert refused_by(door.published_workflows).kind == "status"


def test_odd_rows_and_cursors_of_credentials_are_passed_over(service: Service) -> None:
    rows = [None, 7, {"id": 7}, {"id": "c1", "name": None}]
    service.behave("/api/v1/credentials", Answer(body={"data": rows, "nextCursor": {"a": 1}}))
    assert door_to(service.url).credentials() == [{"id": "c1", "name": None}]


@pytest.mark.parametrize("bad", ["..", "../workflows", "", "a b", "a" * 65])
def test_a_credential_that_n8n_never_gave_is_not_tested(service: Service, bad: str) -> None:
    assert door_to(service.url).test_credential(bad) is None and service.calls() == []


def test_a_test_of_a_credential_that_says_nothing_proves_nothing(service: Service) -> None:
    service.behave("/api/v1/credentials/c1/test", Answer(body={"status": "Perhaps"}))
    assert refused_by(lambda: door_to(service.url).test_credential("c1")).kind == "status"


METRICS = b"""# HELP shop_version_info n8n version info.
shop_nodejs_version_info{version="v24.19.0",major="24",minor="19",patch="0"} 1
shop_version_info{version="v2.40.7",major="2",minor="40",patch="7"} 1
shop_scaling_mode_queue_jobs_waiting 12
shop_cache_hits_total{kind="x"} 3
shop_odd NaN
other_number 4
"""


def test_numbers_are_read_whatever_their_prefix(service: Service) -> None:
    service.behave("/metrics", Answer(raw=METRICS, headers={"Content-Type": "text/plain; version=0.0.4"}))
    numbers = door_to(service.url).numbers()
    assert numbers.version == "2.40.7"
    assert numbers.values == {"scaling_mode_queue_jobs_waiting": 12.0}
    assert "x-n8n-api-key" not in service.calls()[0].headers


@pytest.mark.parametrize(
    "answer",
    [
        Answer(404, raw=b"Cannot GET /metrics", headers={"Content-Type": "text/plain"}),
        Answer(200, raw=b"<html>", headers={"Content-Type": "text/html"}),
        Answer(200, raw=METRICS, headers={"Content-Type": "application/json"}),
        Answer(200, raw=b"queue_jobs_waiting 5\n", headers={"Content-Type": "text/plain"}),
        Answer(200, raw=b"n8n_version_info{version= 1\n\xff\x00", headers={"Content-Type": "text/plain"}),
        Answer(200, raw=b"a b c d e f\n" * 50, headers={"Content-Type": "text/plain"}),
        Answer(302, headers={"Location": "/signin"}),
    ],
)
def test_metrics_that_are_off_or_not_n8ns_tell_nothing(service: Service, answer: Answer) -> None:
    service.behave("/metrics", answer)
    numbers = door_to(service.url).numbers()
    assert (numbers.version, numbers.values) == ("", {})


def test_many_threads_share_one_door(standin: StandInN8n, service: Service) -> None:
    failed, found = failing(standin, service), []
    door = door_to(standin.url, key=standin.api_key)
    threads = [threading.Thread(target=lambda: found.append(door.execution(failed))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert [one["id"] for one in found] == [failed] * 20


def test_what_lacks_the_tag_that_was_asked_for_is_left_out(standin: StandInN8n) -> None:
    """An older n8n, or a database that takes small letters for capital ones, may list more."""
    rows = [
        {"id": "a", "tags": [{"name": "Medic:Ignore"}]},
        {"id": "b"},
        {"id": "c", "tags": [{"name": "medic:ignore"}]},
    ]
    standin.misbehave(Answer(200, {"data": rows, "nextCursor": None}))
    found = door_to(standin.url, key=standin.api_key).tagged_workflows("medic:ignore")
    assert [one["id"] for one in found] == ["c"]
