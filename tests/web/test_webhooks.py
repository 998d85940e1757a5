"""Taking signals in: who may send, what is refused and how, and that a 202 means it is on the disk."""

import hashlib
import hmac
import json
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from recovery.store import database
from recovery.store.tables import SignalRow
from tests.story.engine import item

TOKEN = {"X-Medic-Token": "webhook-token"}
FIXTURES = Path(__file__).parent.parent / "fixtures"


class Settings:
    """What the web part needs of the configuration."""

    def __init__(self, url: str, folder: Path):
        self.database_url, self.data_dir = url, folder
        self.bind, self.public_url = "127.0.0.1:8808", "http://127.0.0.1:8808"
        self.webhook_token, self.api_token = "webhook-token", "api-token"
        self.admin_password, self.session_key = "password", "key"
        self.signals_token = self.probes_token = self.report_token = self.replay_token = ""
        self.dry_run, self.n8n, self.components, self.sources = False, (), (), ()

        class Alerts:
            language, channels = "en", ()

        self.alerts = Alerts()


@pytest.fixture
def client(store: str, tmp_path: Path) -> Any:
    from webhook_server import webhooks
    from webhook_server.app import create_app

    webhooks._writers.clear()
    app = create_app(Settings(store, tmp_path))
    yield app.test_client()
    webhooks._writers.clear()
    database.open_database(store)


def rows() -> list[SignalRow]:
    return list(SignalRow.select().order_by(SignalRow.id))


def test_a_202_means_that_the_signal_is_stored(client: Any) -> None:
    answer = client.post("/webhooks/n8n-error", json=item("7"), headers=TOKEN)
    assert answer.status_code == 202
    told = answer.get_json()["signals"]
    assert told == [{"id": rows()[0].id, "duplicate": False}]
    assert rows()[0].key == "n8n:default:execution:7"


def test_the_same_execution_counts_once(client: Any) -> None:
    first = client.post("/webhooks/n8n-error", json=item("7"), headers=TOKEN).get_json()["signals"][0]
    again = client.post("/webhooks/n8n-error", json=item("7"), headers=TOKEN)
    assert again.status_code == 202 and again.get_json()["signals"] == [{"id": first["id"], "duplicate": True}]
    assert len(rows()) == 1


def test_the_same_delivery_counts_once_though_it_names_no_execution(client: Any) -> None:
    probe = {"component": "orders", "healthy": False}
    for duplicate in (False, True):
        answer = client.post("/webhooks/probe", json=probe, headers={**TOKEN, "X-Medic-Delivery": "d-1"})
        assert answer.get_json()["signals"][0]["duplicate"] is duplicate
    assert len(rows()) == 1


def test_a_list_of_probes_is_stored_whole_and_in_order(client: Any) -> None:
    probes = [{"component": f"c{number}", "healthy": True} for number in range(5)]
    answer = client.post("/webhooks/probe", json=probes, headers=TOKEN)
    assert [one["duplicate"] for one in answer.get_json()["signals"]] == [False] * 5
    assert [row.body["component"] for row in rows()] == [f"c{number}" for number in range(5)]


def test_a_probe_counts_once_per_component_and_observed_at(client: Any) -> None:
    probe = {"component": "orders", "healthy": False, "observed_at": "2026-11-24T03:00:00Z"}
    same = {**probe, "observed_at": "2026-11-24T04:00:00+01:00"}
    client.post("/webhooks/probe", json=[probe, same], headers=TOKEN)
    client.post("/webhooks/probe", json=probe, headers=TOKEN)
    assert len(rows()) == 1


def test_probes_without_observed_at_are_new_readings_each(client: Any) -> None:
    for _ in range(2):
        client.post("/webhooks/probe", json={"component": "orders", "healthy": False}, headers=TOKEN)
    assert len(rows()) == 2


@pytest.mark.parametrize("name", sorted(path.name for path in FIXTURES.glob("n8n-error*.json")))
def test_what_a_real_n8n_sends_is_taken_in_without_its_secrets(client: Any, name: str) -> None:
    payload = json.loads((FIXTURES / name).read_text())
    assert client.post("/webhooks/n8n-error", json=payload, headers=TOKEN).status_code == 202
    stored = json.dumps(rows()[0].body)
    assert "SECRET123" not in stored and payload["execution"]["id"] in stored


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Medic-Token": "webhook-token"},
        {"Authorization": "Bearer webhook-token"},
        {"authorization": "bearer  webhook-token "},
    ],
)
def test_the_token_may_come_in_either_header(client: Any, headers: dict[str, str]) -> None:
    assert client.post("/webhooks/n8n-error", json=item("1"), headers=headers).status_code == 202


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Medic-Token": ""},
        {"X-Medic-Token": "webhook-toke"},
        {"X-Medic-Token": "api-token"},
        {"Authorization": "Basic webhook-token"},
        {"X-Medic-Signature": "t=1,v1=00"},
        {"X-Medic-Signature": "garbage"},
        {"X-Medic-Signature": "t=²,v1=00"},
        {"X-Medic-Token": "ключ"},
    ],
)
def test_without_the_right_token_or_signature_nothing_is_taken(client: Any, headers: dict[str, str]) -> None:
    encoded = {key: value.encode().decode("latin-1") for key, value in headers.items()}
    answer = client.post("/webhooks/n8n-error", json=item("1"), headers=encoded)
    assert answer.status_code == 401 and answer.content_type == "application/problem+json"
    assert rows() == []


def signed(body: bytes, stamp: int, key: str = "webhook-token", extra: str = "") -> dict[str, str]:
    mark = hmac.new(key.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Medic-Signature": f"t={stamp},{extra}v1={mark}", "Content-Type": "application/json"}


BODY = json.dumps({"component": "orders", "healthy": False}).encode()


@pytest.mark.parametrize(
    ("name", "age", "key", "extra", "status"),
    [
        ("valid", 0, "webhook-token", "", 202),
        ("several signatures", 0, "webhook-token", "v1=00,", 202),
        ("wrong secret", 0, "other", "", 401),
        ("old", 301, "webhook-token", "", 401),
        ("of the future", -301, "webhook-token", "", 401),
        ("nearly old", 290, "webhook-token", "", 202),
    ],
)
def test_a_signature_suffices_within_five_minutes(
    client: Any, name: str, age: int, key: str, extra: str, status: int
) -> None:
    headers = signed(BODY, int(time.time()) - age, key, extra)
    assert client.post("/webhooks/probe", data=BODY, headers=headers).status_code == status


def test_a_signature_in_capital_letters_is_the_same(client: Any) -> None:
    headers = signed(BODY, int(time.time()))
    stamp, _, mark = headers["X-Medic-Signature"].partition("v1=")
    loud = headers | {"X-Medic-Signature": f"{stamp}v1={mark.upper()}"}
    told = [
        client.post("/webhooks/probe", data=BODY, headers=each).get_json()["signals"][0] for each in (loud, headers)
    ]
    assert [one["duplicate"] for one in told] == [False, True]


def test_a_tampered_body_does_not_match_its_signature(client: Any) -> None:
    headers = signed(BODY, int(time.time()))
    assert client.post("/webhooks/probe", data=BODY.replace(b"false", b"true "), headers=headers).status_code == 401


def test_an_address_with_a_slash_too_many_is_heard_and_a_wrong_one_is_told_in_json(client: Any) -> None:
    def send(path: str) -> Any:
        headers = {**TOKEN, "Content-Type": "application/json"}
        return client.post("/", data=BODY, headers=headers, environ_overrides={"PATH_INFO": path})

    for path in ("//webhooks/probe", "///webhooks/probe", "/webhooks//probe"):
        assert send(path).status_code == 202, path
    for path in ("//webhooks/prob", "//api/v1/incident", "///agent/nothing"):
        answer = send(path)
        assert answer.status_code in (401, 404) and answer.content_type == "application/problem+json", path


def test_the_same_signed_delivery_counts_once(client: Any) -> None:
    headers = signed(BODY, int(time.time()))
    told = [client.post("/webhooks/probe", data=BODY, headers=headers).get_json()["signals"][0] for _ in range(2)]
    assert [one["duplicate"] for one in told] == [False, True] and len(rows()) == 1


def test_a_signed_call_counts_once_whatever_delivery_id_it_is_sent_again_with(client: Any) -> None:
    headers = signed(BODY, int(time.time()))
    for name in ("x1", "x2"):
        assert (
            client.post("/webhooks/probe", data=BODY, headers={**headers, "X-Medic-Delivery": name}).status_code == 202
        )
    assert len(rows()) == 1


def test_a_delivery_that_is_signed_anew_counts_once(client: Any) -> None:
    for age in (0, 1):
        headers = signed(BODY, int(time.time()) - age) | {"X-Medic-Delivery": "d1"}
        assert client.post("/webhooks/probe", data=BODY, headers=headers).status_code == 202
    assert len(rows()) == 1


HOSTILE: list[tuple[str, Any, int]] = [
    ("nothing", b"", 400),
    ("no JSON", b"{", 400),
    ("not an object", b"[]", 400),
    ("a number", b"7", 400),
    ("null", b"null", 400),
    ("not UTF-8", b'{"a": "\xff\xfe\xfa"}', 400),
    ("deep", b"[" * 100_000 + b"]" * 100_000, 400),
    ("a huge number", b'{"execution": {"id": ' + b"9" * 5_000 + b'}, "workflow": {"id": "w"}}', 400),
    ("neither execution nor trigger", b'{"workflow": {"id": "w"}}', 400),
    ("no execution id", b'{"execution": {}, "workflow": {"id": "w"}}', 400),
    ("an execution id that is an object", b'{"execution": {"id": {}}, "workflow": {"id": "w"}}', 400),
    ("an empty execution id", b'{"execution": {"id": " "}, "workflow": {"id": "w"}}', 400),
    ("a long execution id", b'{"execution": {"id": "' + b"x" * 300 + b'"}, "workflow": {"id": "w"}}', 400),
    ("a NUL in the id", b'{"execution": {"id": "a\\u0000b"}, "workflow": {"id": "w"}}', 400),
    ("no workflow", b'{"execution": {"id": "1"}}', 400),
    ("too large", b'{"a": "' + b"x" * 1_100_000 + b'"}', 413),
]


@pytest.mark.parametrize(("name", "body", "status"), HOSTILE, ids=[case[0] for case in HOSTILE])
def test_bad_bodies_get_a_clear_problem_and_nothing_is_stored(client: Any, name: str, body: bytes, status: int) -> None:
    answer = client.post("/webhooks/n8n-error", data=body, headers=TOKEN, content_type="application/json")
    assert answer.status_code == status and answer.content_type == "application/problem+json"
    assert len(answer.get_json()["detail"]) > 10
    assert rows() == []


MEBIBYTE = b'{"component": "orders", "healthy": true}'.ljust(1024 * 1024)


@pytest.mark.parametrize(("body", "status"), [(MEBIBYTE, 202), (MEBIBYTE + b" ", 413)], ids=["1 MiB", "a byte more"])
def test_a_body_in_chunks_may_be_no_longer_than_another(client: Any, body: bytes, status: int) -> None:
    whole = client.post("/webhooks/probe", data=body, headers=TOKEN, content_type="application/json")
    chunks = {"wsgi.input": BytesIO(body), "wsgi.input_terminated": True, "CONTENT_LENGTH": ""}
    headers = {**TOKEN, "Transfer-Encoding": "chunked", "Content-Type": "application/json"}
    answer = client.post("/webhooks/probe", headers=headers, environ_overrides=chunks)
    assert (whole.status_code, answer.status_code) == (status, status)
    assert len(rows()) == (2 if status == 202 else 0)


ODD: list[tuple[str, Any]] = [
    ("no error at all", {"execution": {"id": "1"}, "workflow": {"id": "w"}}),
    ("no message", {"execution": {"id": "1", "error": {"name": "X"}}, "workflow": {"id": "w"}}),
    ("wrong types everywhere", {"execution": {"id": 1, "error": [1], "mode": {}}, "workflow": {"id": 2, "name": []}}),
    ("unknown fields", {"execution": {"id": "1", "new": {"a": 1}}, "workflow": {"id": "w"}, "more": True}),
    ("NUL in text", {"execution": {"id": "1", "error": {"message": "a\x00b"}}, "workflow": {"id": "w\x00"[:1]}}),
    ("the trigger shape", {"trigger": {"error": {"message": "boom"}, "mode": "trigger"}, "workflow": {"id": "w"}}),
    ("a trigger beside an empty execution", {"execution": {}, "trigger": {"error": {}}, "workflow": {"id": "w"}}),
    ("odd names", {"execution": {"id": "1"}, "workflow": {"id": "w", "name": "워크플로 🚨 \u202e"}}),
    ("a silly timestamp", {"execution": {"id": "1", "error": {"timestamp": 1e300}}, "workflow": {"id": "w"}}),
    ("an address that is none", {"execution": {"id": "1", "error": {"node": {"parameters": {"url": "http://[::1"}}}},
                                 "workflow": {"id": "w"}}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "payload"), ODD, ids=[case[0] for case in ODD])
def test_odd_payloads_are_kept_and_become_incidents(client: Any, name: str, payload: Any, fake_clock: Any) -> None:
    from tests.story.engine import Engine

    assert client.post("/webhooks/n8n-error", json=payload, headers=TOKEN).status_code == 202
    database.open_database(database.database_url())
    engine = Engine(fake_clock)
    engine.tick()
    assert len(engine.incidents()) == 1


def test_lone_surrogates_are_stored_too(client: Any, fake_clock: Any) -> None:
    from tests.story.engine import Engine

    body = b'{"execution": {"id": "1", "error": {"message": "\\ud800"}}, "workflow": {"id": "w", "name": "\\udfff"}}'
    answer = client.post("/webhooks/n8n-error", data=body, headers=TOKEN, content_type="application/json")
    assert answer.status_code == 202
    engine = Engine(fake_clock)
    engine.tick()
    assert len(engine.incidents()) == 1


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"])
def test_other_media_types_are_refused(client: Any, kind: str) -> None:
    answer = client.post("/webhooks/probe", data=BODY, headers=TOKEN, content_type=kind)
    assert answer.status_code == 415


PROBES: list[tuple[str, Any, str]] = [
    ("no component", {"healthy": True}, "component"),
    ("healthy is text", {"component": "a", "healthy": "yes"}, "healthy"),
    ("an unknown severity", {"component": "a", "healthy": True, "severity": "awful"}, "severity"),
    ("a severity that is a list", {"component": "a", "healthy": True, "severity": []}, "severity"),
    ("no time", {"component": "a", "healthy": True, "observed_at": "yesterday"}, "observed_at"),
    ("an empty list", [], "empty"),
    ("a list of numbers", [1], "[0]"),
    ("the second is wrong", [{"component": "a", "healthy": True}, {"component": "b"}], "[1].healthy"),
    ("too many", [{"component": "a", "healthy": True}] * 1_001, "1000"),
]


@pytest.mark.parametrize(("name", "payload", "told"), PROBES, ids=[case[0] for case in PROBES])
def test_a_wrong_probe_says_which_and_how_and_nothing_of_its_list_is_stored(
    client: Any, name: str, payload: Any, told: str
) -> None:
    answer = client.post("/webhooks/probe", json=payload, headers=TOKEN)
    assert answer.status_code == 400 and told in answer.get_json()["detail"]
    assert rows() == []


def test_an_n8n_that_is_not_configured_is_named(client: Any) -> None:
    answer = client.post("/webhooks/n8n-error/other", json=item("1"), headers=TOKEN)
    assert answer.status_code == 404 and "other" in answer.get_json()["detail"]


def test_a_get_is_answered_with_what_is_allowed(client: Any) -> None:
    assert client.get("/webhooks/n8n-error", headers=TOKEN).status_code == 405
