"""Actions by hand: the forms of the override page, and their part of the API, with whatever is sent to them."""

import json
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from recovery.clock import utc_now
from recovery.store.database import close_database, open_database
from recovery.store.tables import OrderRow, WorkerRow
from tests.web.conftest import API_TOKEN, form_token, log_in, make_config
from webhook_server.app import create_app
from webhook_server.wording import call_order

SECRET = "s3cret-s3cret"
RESTART = {"kind": "run_command", "command": ["systemctl", "restart", "<orders>"], "env": {"API_TOKEN": SECRET}}
LOGIN = {"kind": "run_command", "command": ["login", f"--password={SECRET}"]}


@pytest.fixture
def acting_app(tmp_path: Path):
    """An app with a component on which something may be run, and a worker that lives."""
    config = make_config(tmp_path, components=[{"name": "orders", "actions": {"restart": RESTART, "login": LOGIN}}])
    open_database(config.database_url)
    WorkerRow.create(name="w", started_at=utc_now(), beat_at=utc_now())
    yield create_app(config)
    close_database()


@pytest.fixture
def admin(acting_app: Flask) -> FlaskClient:
    client = acting_app.test_client()
    log_in(client)
    return client


@pytest.fixture
def caller(acting_app: Flask) -> FlaskClient:
    client = acting_app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {API_TOKEN}"
    return client


def send(client: FlaskClient, **data: str):
    return client.post("/actions", data={"csrf_token": form_token(client, "/override"), **data}, follow_redirects=True)


def test_the_page_tells_what_each_action_would_do_without_a_secret_and_does_nothing(admin: FlaskClient) -> None:
    page = admin.get("/override").text
    assert "run `systemctl restart &#39;&lt;orders&gt;&#39;`, for at most 60 s" in page
    assert "login" in page and SECRET not in page
    assert OrderRow.select().count() == 0


def test_a_button_gives_the_order_and_the_page_says_what_it_was(admin: FlaskClient) -> None:
    page = send(admin, component="orders", action="restart", note="it hangs", run="1").text
    order = OrderRow.get()
    assert (order.what, order.component, order.action, order.dry, order.who) == (
        "run_action", "orders", "restart", False, "admin",
    )  # fmt: skip
    assert order.note == "it hangs" and order.incident_id is None and SECRET not in json.dumps(order.shown)
    assert "It is with the worker." in page and "Run restart on orders by hand" in page


def test_the_other_button_only_asks_what_it_would_do(admin: FlaskClient) -> None:
    page = send(admin, component="orders", action="restart", tell="1").text
    assert OrderRow.get().dry is True and "Tell what restart would do on orders" in page


def test_a_get_or_a_form_without_its_token_or_login_never_acts(acting_app: Flask, admin: FlaskClient) -> None:
    data = {"component": "orders", "action": "restart", "run": "1"}
    assert admin.get("/actions", query_string=data).status_code == 405
    assert admin.post("/actions", data=data).status_code == 400
    visitor = acting_app.test_client()
    assert visitor.post("/actions", data={**data, "csrf_token": form_token(visitor)}).status_code in (302, 401)
    assert OrderRow.select().count() == 0


@pytest.mark.parametrize(
    "data",
    [
        {"component": "orders", "action": "run_command"},
        {"component": "orders", "action": "reboot_host"},
        {"component": "other", "action": "restart"},
        {"component": "", "action": ""},
        {"component": "orders", "action": "restart", "note": "x" * 501},
        {"component": "orders\0x", "action": "rm -rf /"},
        {},
    ],
)
def test_only_what_is_configured_is_run_from_the_page(admin: FlaskClient, data: dict[str, str]) -> None:
    page = send(admin, **data, run="1")
    assert page.status_code == 200 and "not understood" in page.text and OrderRow.select().count() == 0


def test_without_a_living_worker_nothing_is_ordered(admin: FlaskClient, caller: FlaskClient) -> None:
    WorkerRow.update(beat_at=0).execute()
    assert "only a worker runs actions" in send(admin, component="orders", action="restart", run="1").text
    answer = caller.post("/api/v1/components/orders/actions", json={"action": "restart"})
    assert answer.status_code == 409 and "none lives" in answer.json["detail"]
    assert OrderRow.select().count() == 0


def test_the_api_takes_an_order_and_tells_of_it(caller: FlaskClient) -> None:
    body = {"action": "restart", "args": {"timeout": "5s"}, "dry_run": True, "note": "why"}
    answer = caller.post("/api/v1/components/orders/actions", json=body)
    assert answer.status_code == 202, answer.text
    shown = answer.json
    assert (shown["what"], shown["component"], shown["action"], shown["dry"]) == (
        "run_action",
        "orders",
        "restart",
        True,
    )
    assert SECRET not in answer.text and shown["incident_id"] is None
    again = caller.get(f"/api/v1/orders/{shown['id']}")
    assert again.status_code == 200 and again.json == {**shown, "steps": []}
    assert caller.get("/api/v1/orders/99").status_code == 404 and caller.get("/api/v1/orders/x").status_code == 400


@pytest.mark.parametrize(
    ("name", "body", "status", "problem"),
    [
        ("other", {"action": "restart"}, 404, "no component named 'other'"),
        ("orders", {"action": "restrat"}, 400, 'did you mean "restart"?'),
        ("orders", {}, 400, "action: Field required"),
        ("orders", {"action": "restart", "args": {"timeot": 1}}, 400, "timeot: there is no such key"),
        ("orders", {"action": "restart", "args": {"timeout": "soon"}}, 400, "timeout: "),
        ("orders", {"action": "restart", "args": []}, 400, "args: "),
        ("orders", {"action": "restart", "args": {"env": {"API_TOKEN": SECRET}}}, 400, "env may hold a secret"),
        ("orders", {"action": "restart", "dry_run": "no"}, 400, "dry_run: "),
        ("orders", {"action": "restart", "note": "x" * 501}, 400, "note: "),
        ("orders", {"action": "restart", "who": "root"}, 400, "who: unknown"),
        ("orders", {"action": "a\0b"}, 400, "action: "),
        ("orders", {"action": "x" * 201}, 400, "action: "),
    ],
)
def test_what_the_api_cannot_take_is_told_and_nothing_is_ordered(
    caller: FlaskClient, name: str, body: dict, status: int, problem: str
) -> None:
    answer = caller.post(f"/api/v1/components/{name}/actions", json=body)
    assert answer.status_code == status and problem in answer.json["detail"], answer.text
    assert SECRET not in answer.text and OrderRow.select().count() == 0


def test_the_api_wants_its_token_and_json_and_knows_no_get(acting_app: Flask, caller: FlaskClient) -> None:
    where = "/api/v1/components/orders/actions"
    assert acting_app.test_client().post(where, json={"action": "restart"}).status_code == 401
    assert caller.post(where, data="action=restart").status_code == 415
    assert caller.get(where).status_code == 405
    assert OrderRow.select().count() == 0


def test_an_order_to_an_incident_cannot_be_to_run_an_action(caller: FlaskClient) -> None:
    answer = caller.post("/api/v1/incidents/1/orders", json={"what": "run_action"})
    assert answer.status_code == 400 and "/api/v1/components/{name}/actions" in answer.json["detail"]


def test_the_description_lists_both_addresses(caller: FlaskClient) -> None:
    paths = caller.get("/api/v1/openapi.json").json["paths"]
    assert "post" in paths["/api/v1/components/{name}/actions"] and "get" in paths["/api/v1/orders/{order_id}"]


def test_a_decision_about_an_action_is_called_by_it_and_one_about_executions_is_not(acting_app: Flask) -> None:
    with acting_app.test_request_context():
        told = [
            call_order(OrderRow(what=what, action=action))
            for what, action in [("approve", "reboot_host"), ("reject", "reboot_host"), ("approve", ""), ("reject", "")]
        ]
    assert told == ["Yes to reboot_host", "No to reboot_host", "Run again", "Leave alone"]
