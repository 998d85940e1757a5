"""Other monitors and heartbeats over HTTP: one way in for all, and never a 5xx, whatever is sent."""

import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from recovery.store.tables import SignalRow
from tests.web.conftest import make_config
from webhook_server import webhooks
from webhook_server.app import create_app

TOKEN = "webhook-token-of-the-tests"
FIXTURES = Path(__file__).parent.parent / "fixtures"
SOURCES = [
    {
        "name": "mymon",
        "component": "host.name",
        "healthy": {"path": "state", "equals": ["OK", "UP"]},
        "message": "output",
        "severity": "level",
        "observed_at": "time",
    }
]
MONITORS = ("alertmanager", "grafana", "uptime-kuma", "gatus", "healthchecks", "generic", "generic/mymon")
SENT = [
    (folder.name.replace("_", "-") + ("/mymon" if folder.name == "generic" else ""), path)
    for folder in sorted(FIXTURES.iterdir())
    if folder.is_dir()
    for path in sorted(folder.glob("*.json"))
]


@pytest.fixture
def sender(store: str, tmp_path: Path) -> Any:
    """A monitor that has the token."""
    webhooks._writers.clear()
    client = create_app(make_config(tmp_path, database_url=store, sources=SOURCES)).test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
    yield client
    webhooks._writers.clear()


def rows() -> list[SignalRow]:
    return list(SignalRow.select().order_by(SignalRow.id))


def send(sender: FlaskClient, path: str, body: Any, **headers: str) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return sender.post(f"/webhooks/{path}", data=data, content_type="application/json", headers=headers)


@pytest.mark.parametrize(("path", "file"), SENT, ids=[f"{file.parent.name}/{file.stem}" for _, file in SENT])
def test_what_a_monitor_really_sends_is_stored_before_it_is_answered(sender: Any, path: str, file: Path) -> None:
    answer = send(sender, path, file.read_bytes())
    assert answer.status_code == 202
    assert [one["id"] for one in answer.get_json()["signals"]] == [row.id for row in rows()]
    assert {row.kind for row in rows()} <= {"reading"} and {row.source for row in rows()} <= {path.replace("/", ":")}


HOSTILE: list[tuple[str, bytes]] = [
    ("nothing", b""),
    ("no JSON", b"{"),
    ("null", b"null"),
    ("a number", b"7"),
    ("a huge number", b"9" * 5_000),
    ("a text", b'"x"'),
    ("an empty object", b"{}"),
    ("an empty list", b"[]"),
    ("a list of numbers", b"[1, 2]"),
    ("not UTF-8", b'{"a": "\xff\xfe"}'),
    ("deep lists", b"[" * 100_000 + b"]" * 100_000),
    ("deep objects", b'{"alerts":' * 50_000 + b"1" + b"}" * 50_000),
    ("too many alerts", json.dumps({"alerts": [{}] * 1_001}).encode()),
    ("the wrong types", b'{"alerts": {}, "heartbeat": [], "state": {}, "status": [], "component": 1, "host": []}'),
    ("a status that is a list", b'{"alerts": [{"status": []}], "heartbeat": {"status": []}, "state": []}'),
    ("names of NUL", b'{"component": "\\u0000", "state": "RESOLVED", "name": "\\u0000", "status": "up"}'),
]


@pytest.mark.parametrize("path", MONITORS)
def test_what_no_monitor_sends_gets_a_clear_problem(sender: Any, path: str) -> None:
    for name, body in HOSTILE:
        answer = send(sender, path, body)
        assert answer.status_code == 400 and answer.content_type == "application/problem+json", name
        assert len(answer.get_json()["detail"]) > 10 and rows() == [], name


HALF = '"a\\u0000b\\ud800"'  # a NUL and half a character
ODD: list[tuple[str, str, str]] = [
    ("alertmanager", "NUL and half characters",
     f'{{"alerts": [{{"status": "firing", "labels": {{"alertname": {HALF}}}, "annotations": {{"summary": {HALF}}}, '
     f'"startsAt": {HALF}, "fingerprint": {HALF}}}]}}'),
    ("alertmanager", "odd times",
     '{"alerts": [{"status": "resolved", "labels": {"alertname": "a"}, "startsAt": 1e300, "endsAt": [], '
     '"fingerprint": 7}]}'),
    ("alertmanager", "deep labels",
     '{"alerts": [{"status": "firing", "labels": {"alertname": "a", "x": ' + "[" * 400 + "]" * 400 + "}}]}"),
    ("alertmanager", "a thousand",
     json.dumps({"alerts": [{"status": "firing", "labels": {"alertname": f"{n}", "job": "j", "instance": "i"}}
                            for n in range(1_000)]})),
    ("grafana", "odd tags", f'{{"ruleName": {HALF}, "state": "no_data", "tags": [1], "ruleId": {{}}}}'),
    ("uptime-kuma", "an odd time",
     '{"heartbeat": {"status": "0", "time": "yesterday", "ping": 1e300, "msg": {}}, '
     f'"monitor": {{"name": {HALF}, "id": []}}}}'),
    ("gatus", "line breaks", f'{{"component": {HALF}, "state": "triggered", "errors": "one\ntwo\\u0000", "group": 7}}'),
    ("healthchecks", "no time", '{"name": "a", "status": "UP", "now": "$NOW", "code": {}, "tags": []}'),
    ("generic", "the shape of a probe", '{"component": "a", "healthy": true, "certain": true}'),
    ("generic/mymon", "what is needed", f'{{"host": {{"name": {HALF}}}, "state": [], "time": "", "level": {{}}}}'),
]  # fmt: skip


@pytest.mark.parametrize(("path", "name", "body"), ODD, ids=[f"{case[0]}: {case[1]}" for case in ODD])
def test_odd_messages_are_kept_and_can_be_triaged(
    sender: Any, path: str, name: str, body: str, fake_clock: Any
) -> None:
    from tests.story.engine import Engine

    answer = send(sender, path, body.encode())
    assert answer.status_code == 202 and len(answer.get_json()["signals"]) == len(rows()) > 0
    engine = Engine(fake_clock)
    for _ in range(3):
        engine.tick()
    assert all(row.triaged_at for row in rows())


def test_down_opens_an_incident_at_once_and_resolved_ends_it(sender: Any, fake_clock: Any) -> None:
    from tests.story.engine import Engine

    engine = Engine(fake_clock)
    for name, state in (("firing", "open"), ("resolved", "resolved")):
        assert send(sender, "alertmanager", (FIXTURES / f"alertmanager/{name}.json").read_bytes()).status_code == 202
        for _ in range(30):
            engine.tick()
            fake_clock.advance(2)
        found = engine.incidents()
        assert len(found) == 1 and (found[0].state == "resolved") is (state == "resolved")


@pytest.mark.parametrize("path", [*MONITORS, "heartbeat/backup", "heartbeat/backup/fail"])
def test_nobody_without_the_token_is_heard(sender: Any, path: str) -> None:
    answer = send(sender, path, {"component": "a", "healthy": True}, Authorization="Bearer wrong")
    assert answer.status_code == 401 and rows() == []


def test_a_repeated_message_counts_once(sender: Any, fake_clock: Any) -> None:
    from tests.story.engine import Engine

    engine = Engine(fake_clock)
    body = (FIXTURES / "alertmanager/firing.json").read_bytes()
    for _ in range(3):
        send(sender, "alertmanager", body)
        engine.tick()
    assert [row.signal_count for row in engine.incidents()] == [1]
    resolved = (FIXTURES / "alertmanager/resolved.json").read_bytes()
    told = [send(sender, "alertmanager", resolved).get_json()["signals"][0]["duplicate"] for _ in range(2)]
    assert told == [False, True]


def test_an_alert_that_goes_on_is_told_of_again_though_another_good_word_closed_its_incident(
    sender: Any, fake_clock: Any
) -> None:
    from tests.story.engine import Engine

    engine = Engine(fake_clock)
    body = json.dumps({"alerts": [{"status": "firing", "labels": {"alertname": "DiskFull", "service": "db"},
                                   "fingerprint": "f", "startsAt": "2026-11-24T10:00:00Z"}]})  # fmt: skip
    send(sender, "alertmanager", body.encode())
    engine.probe("db", True)
    engine.run(60, 5)
    assert engine.incident("db").state == "resolved"
    engine.run(14_400, 600)
    send(sender, "alertmanager", body.encode())
    engine.tick()
    assert engine.incident("db").state != "resolved"


def test_a_delivery_counts_once_though_its_messages_have_no_time(sender: Any) -> None:
    body = (FIXTURES / "gatus/triggered.json").read_bytes()
    told = [
        send(sender, "gatus", body, **{"X-Medic-Delivery": "d"}).get_json()["signals"][0]["duplicate"] for _ in range(2)
    ]
    assert told == [False, True]


def test_an_unknown_source_is_named(sender: Any) -> None:
    answer = send(sender, "generic/other", {})
    assert answer.status_code == 404 and "mymon" in answer.get_json()["detail"]
    assert send(sender, "generic/other", {}, Authorization="").status_code == 401
    assert send(sender, "nagios", {}).status_code == 404
    assert sender.get("/webhooks/alertmanager").status_code == 405


def test_a_missing_path_is_named(sender: Any) -> None:
    answer = send(sender, "generic/mymon", {"host": {}, "state": "OK"})
    assert answer.status_code == 400 and "host.name" in answer.get_json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "what"),
    [
        ("GET", "backup", "success"),
        ("POST", "backup", "success"),
        ("POST", "backup/start", "start"),
        ("GET", "backup/fail", "fail"),
        ("POST", "backup/log", "log"),
    ],
)
def test_a_heartbeat_is_stored(sender: Any, method: str, path: str, what: str) -> None:
    answer = sender.open(f"/webhooks/heartbeat/{path}", method=method)
    assert answer.status_code == 202 and [one["id"] for one in answer.get_json()["signals"]] == [rows()[0].id]
    assert (rows()[0].source, rows()[0].body["component"], rows()[0].body["heartbeat"]) == ("heartbeat", "backup", what)


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "application/x-www-form-urlencoded", ""])
def test_the_log_of_a_heartbeat_may_be_anything_and_keeps_no_secret(sender: Any, kind: str) -> None:
    log = b"\xff\x00 password=hunter22 \xf0\x9f\x9a\xa8 " + b"x" * 5_000
    answer = sender.post("/webhooks/heartbeat/backup/fail", data=log, content_type=kind)
    message = rows()[0].body["message"]
    assert answer.status_code == 202 and "🚨" in message and "hunter22" not in message and len(message) <= 2_100


@pytest.mark.parametrize("name", ["a%00b", "x" * 201, "%20", "x" * 4_000])
def test_a_heartbeat_of_a_name_that_is_none_is_refused(sender: Any, name: str) -> None:
    answer = sender.get(f"/webhooks/heartbeat/{name}")
    assert answer.status_code == 400 and "name" in answer.get_json()["detail"] and rows() == []


def test_a_heartbeat_of_an_odd_name_breaks_nothing(sender: Any) -> None:
    for name in ("%ff%fe", "nightly%20backup", "%EC%9E%91%EC%97%85", "..", "a%2Fb", "a/other"):
        assert sender.get(f"/webhooks/heartbeat/{name}").status_code in (202, 404), name
    assert "nightly backup" in [row.body["component"] for row in rows()]


def test_too_long_a_log_is_refused(sender: Any) -> None:
    assert sender.post("/webhooks/heartbeat/backup", data=b"x" * 1_100_000).status_code == 413


def test_a_heartbeat_by_head_counts_and_is_answered_without_a_body(sender: Any) -> None:
    def ask() -> tuple[str, list[bytes]]:
        answer = sender.head("/webhooks/heartbeat/backup", buffered=False)
        return answer.status, list(answer.iter_encoded())

    assert ask() == ("202 ACCEPTED", []) and len(rows()) == 1


def test_two_jobs_that_sign_an_empty_heartbeat_in_the_same_second_are_two(sender: Any) -> None:
    stamp = int(time.time())
    mark = hmac.new(TOKEN.encode(), f"{stamp}.".encode(), hashlib.sha256).hexdigest()
    headers = {"X-Medic-Signature": f"t={stamp},v1={mark}", "Authorization": ""}
    for name in ("a", "b", "a"):
        assert sender.post(f"/webhooks/heartbeat/{name}", headers=headers).status_code == 202
    assert [row.body["component"] for row in rows()] == ["a", "b"]
