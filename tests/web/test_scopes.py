"""Each token for n8n opens its own addresses, and no other one."""

import hashlib
import hmac
import itertools
import json
import re
import time

import pytest
from flask.testing import FlaskClient

from recovery.model.scopes import SCOPES
from recovery.store.tables import EventRow
from tests.web.conftest import API_TOKEN, make_config
from webhook_server.api import ROUTES
from webhook_server.app import create_app

TOKENS = {scope.name: f"{scope.name}-token-of-the-tests" for scope in SCOPES}
READINGS = [{"component": "orders-api", "healthy": True}]
WEBHOOKS = {
    "/webhooks/n8n-error": {"workflow": {"id": "1", "name": "Try"}, "execution": {"id": "1", "mode": "trigger"}},
    "/webhooks/n8n-error/default": {"workflow": {"id": "1"}, "execution": {"id": "2", "mode": "trigger"}},
    "/webhooks/probe": READINGS,
    "/webhooks/generic": READINGS,
    "/webhooks/heartbeat/nightly": {},
    "/webhooks/heartbeat/nightly/start": {},
}
API = [(route.method, "/api/v1" + route.path) for route in ROUTES]
ADDRESSES = [("POST", path) for path in WEBHOOKS] + [("GET", "/webhooks/heartbeat/nightly"), *API]
OWN = {
    "signals": {pair for pair in ADDRESSES if pair[1].startswith("/webhooks/")},
    "probes": {("GET", "/api/v1/probes"), ("POST", "/webhooks/probe")},
    "report": {pair for pair in ADDRESSES if pair[1].startswith("/api/v1/reports/")},
    "replay": {pair for pair in ADDRESSES if pair[1].startswith("/api/v1/replays")},
}
HEADERS = {
    "X-Medic-Token": lambda token: {"X-Medic-Token": token},
    "Authorization": lambda token: {"Authorization": f"Bearer {token}"},
}


@pytest.fixture
def caller(app, tmp_path) -> FlaskClient:
    """A caller of an app that has all tokens, without any of them."""
    given = {f"{name}_token": token for name, token in TOKENS.items()}
    return create_app(make_config(tmp_path, **given)).test_client()


def ask(caller: FlaskClient, method: str, path: str, headers: dict[str, str]):
    concrete = re.sub(r"<\w+_id>", "1", path.replace("<path:name>", "orders-api"))
    body = json.dumps(WEBHOOKS.get(path, {})) if method == "POST" else None
    return caller.open(concrete, method=method, data=body, headers=headers, content_type="application/json")


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("name", TOKENS)
def test_every_token_opens_its_own_addresses_and_no_other(caller, name, header):
    for address in ADDRESSES:
        answer = ask(caller, *address, HEADERS[header](TOKENS[name]))
        if address in OWN[name]:
            past_the_door = (200, 202, 400, 404) if name == "replay" else (200, 202)  # there is no replay here
            assert answer.status_code in past_the_door, (address, answer.text)
            continue
        assert answer.status_code == 403 and answer.content_type == "application/problem+json", address
        assert f"`{name}` token" in answer.json["detail"] and TOKENS[name] not in answer.text


def test_the_table_above_knows_addresses_of_every_kind():
    assert len(OWN["signals"]) == 7 and len(OWN["probes"]) == 2 and len(OWN["report"]) >= 1
    assert len(API) > 12 and not OWN["signals"] & set(API)


@pytest.mark.parametrize("name", TOKENS)
def test_a_token_that_is_nearly_right_opens_nothing(caller, name):
    nearly = (f"{TOKENS[name]}x", TOKENS[name][:-1], TOKENS[name].upper(), " ")
    for address, wrong in itertools.product(ADDRESSES, nearly):
        assert ask(caller, *address, {"Authorization": f"Bearer {wrong}"}).status_code in (401, 429)


@pytest.mark.parametrize("name", TOKENS)
@pytest.mark.parametrize("path", ["/", "/override", "/incidents/1"])
def test_no_token_opens_a_page(caller, name, path):
    assert ask(caller, "GET", path, HEADERS["Authorization"](TOKENS[name])).status_code == 302


@pytest.mark.parametrize(
    "path",
    [
        "/webhooks/probe/../n8n-error",
        "/webhooks/probe/",
        "/webhooks/Probe",
        "/webhooks/probe%0a",
        "/api/v1/probes/../incidents",
        "/api/v1//probes/../incidents",
        "/api/v1/reports/../incidents",
    ],
)
def test_no_spelling_of_an_address_widens_a_scope(caller, path):
    for token in TOKENS.values():
        if "probe" not in path or token != TOKENS["signals"]:
            assert caller.get(path, headers={"X-Medic-Token": token}).status_code in (308, 403, 404, 405)
            answer = caller.post(path, json=READINGS, headers={"X-Medic-Token": token})
            assert answer.status_code in (308, 403, 404, 405), answer.text


def test_the_metrics_of_elsewhere_want_the_operators_token(caller):
    for token in TOKENS.values():
        answer = caller.get(
            "/metrics", headers={"Authorization": f"Bearer {token}"}, environ_base={"REMOTE_ADDR": "192.0.2.1"}
        )
        assert answer.status_code == 403


def test_a_scoped_token_elsewhere_counts_as_no_failed_login(caller):
    for _ in range(30):
        answer = ask(caller, "GET", "/api/v1/incidents", HEADERS["Authorization"](TOKENS["report"]))
    assert answer.status_code == 403
    assert ask(caller, "GET", "/api/v1/incidents", {"Authorization": "Bearer wrong"}).status_code == 401


def test_a_token_or_a_signature_is_enough_whatever_the_other_is(caller):
    def sent(path: str, token: str, key: str) -> int:
        body, stamp = json.dumps(READINGS), int(time.time())
        mark = hmac.new(key.encode(), f"{stamp}.{body}".encode(), hashlib.sha256).hexdigest()
        headers = {"X-Medic-Token": token, "X-Medic-Signature": f"t={stamp},v1={mark}"}
        return caller.post(path, data=body, headers=headers, content_type="application/json").status_code

    right, wrong = "webhook-token-of-the-tests", "another key"
    assert sent("/webhooks/probe", TOKENS["probes"], wrong) == 202
    assert sent("/webhooks/generic", TOKENS["probes"], right) == 202
    assert sent("/webhooks/generic", "no token", right) == 202
    assert sent("/webhooks/generic", TOKENS["probes"], wrong) == 401
    assert sent("/webhooks/generic", TOKENS["report"], wrong) == 401


def test_the_operators_token_is_shown_in_either_header(caller):
    for header in HEADERS.values():
        assert ask(caller, "GET", "/api/v1/incidents", header(API_TOKEN)).status_code == 200


def test_a_token_that_is_not_set_opens_nothing(app, tmp_path):
    caller = create_app(make_config(tmp_path)).test_client()
    for address in ADDRESSES:
        for header in ({"X-Medic-Token": ""}, {"Authorization": "Bearer "}):
            assert ask(caller, *address, header).status_code == 401


@pytest.mark.parametrize(
    ("named", "token", "told"),
    [
        ({"who": "kim@example.com"}, TOKENS["replay"], "kim@example.com (by the replay token)"),
        ({}, TOKENS["replay"], "the replay token"),
        ({"who": "\u202e\u200b"}, TOKENS["replay"], "the replay token"),
        ({"who": "a nightly job"}, API_TOKEN, "a nightly job (by api)"),
    ],
)
def test_history_names_the_person_and_the_token_of_a_replay(caller, named, token, told):
    headers = HEADERS["Authorization"](token)
    order = {"all": True, "since": "2026-01-31", **named}
    number = caller.post("/api/v1/replays", json=order, headers=headers).get_json()["id"]
    assert caller.get(f"/api/v1/replays/{number}", headers=headers).get_json()["who"] == told
    assert EventRow.get(EventRow.subject == "replay").because == f"{told} asked for it"
