"""Replays over the API: ordered, listed, looked at, cancelled; `tests/story/test_replays.py` shows what they do."""

import pytest
from flask.testing import FlaskClient

from recovery.model import ExecutionState, ReplayState
from recovery.store import replays
from recovery.store.tables import EventRow, ReplayRow
from tests.store.rows import add_chain
from tests.web.conftest import make_config
from webhook_server.app import create_app

URL = "/api/v1/replays"
ORDER = {"workflow": "orders", "since": "2026-01-31T08:00:00+09:00", "until": "2026-01-31T03:00:00Z"}


def test_an_order_is_written_down_and_taken_with_202(either_api: FlaskClient) -> None:
    answer = either_api.post(URL, json={**ORDER, "ambiguous": "leave", "limit": 3})
    assert answer.status_code == 202
    shown = answer.get_json()
    assert (shown["state"], shown["counts"], shown["because"]) == ("reading", {}, "n8n is read first")
    assert (shown["since"], shown["workflow"], shown["dry_run"]) == ("2026-01-30T23:00:00Z", "orders", False)
    row = ReplayRow.get()
    assert (row.site, row.who, row.most, row.ambiguous) == ("default", "api", 3, "leave")
    assert row.yes_at and row.run_at, "who sends it has said yes already, and the worker is to look at it"
    assert [event.who for event in EventRow.select().where(EventRow.subject == "replay")] == ["api"]


def test_a_dry_run_has_no_yes(api: FlaskClient) -> None:
    assert api.post(URL, json={"all": True, "since": "2026-01-31", "dry_run": True}).status_code == 202
    assert ReplayRow.get().dry and ReplayRow.get().yes_at is None


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "since: Field required"),
        ({"since": "2026-01-31"}, "say one of `workflow_id`, `workflow`, `tag` and `all`"),
        ({**ORDER, "all": True}, "say one of"),
        ({**ORDER, "workflow_id": "w1"}, "say one of"),
        ({**ORDER, "workflow": ""}, "workflow"),
        ({**ORDER, "workflow": "a\0b"}, "NUL"),
        ({**ORDER, "workflow": "x" * 300}, "workflow"),
        ({**ORDER, "until": "2026-01-01"}, "since: must be before `until`"),
        ({**ORDER, "since": "yesterday"}, "since: a time must read like"),
        ({**ORDER, "ambiguous": "rety"}, "did you mean 'retry'?"),
        ({**ORDER, "n8n": "defautl"}, "did you mean 'default'?"),
        ({**ORDER, "limit": 0}, "limit"),
        ({**ORDER, "limit": "5"}, "limit"),
        ({**ORDER, "dry_run": "yes"}, "dry_run"),
        ({**ORDER, "dryrun": True}, "dryrun: unknown; did you mean 'dry_run'?"),
        ([], "must be a JSON object"),
    ],
)
def test_what_makes_no_sense_is_a_problem_and_orders_nothing(api: FlaskClient, body: object, says: str) -> None:
    answer = api.post(URL, json=body)
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")
    assert says in answer.get_json(force=True)["detail"]
    assert ReplayRow.select().count() == 0


def test_without_an_n8n_there_is_nothing_to_ask(tmp_path, store: str) -> None:
    client = create_app(make_config(tmp_path, database_url=store, n8n=[])).test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = "Bearer api-token-of-the-tests"
    assert client.post(URL, json=ORDER).status_code == 409


def test_it_is_listed_and_shown_with_what_was_left(either_api: FlaskClient, now) -> None:
    first = either_api.post(URL, json=ORDER).get_json()["id"]
    listed = [{"execution_id": "9", "workflow_id": "w1", "workflow": "orders", "because": "it may have happened"}]
    counts = {"total": {"failed": 3, "replay": 2, "ambiguous": 1}, "workflows": [], "why": [], "listed": listed}
    replays.set_replay(ReplayRow.get(), "on its way", now, counts=counts, state=ReplayState.RUNNING)
    add_chain("1", incident_id=None, state=ExecutionState.RECOVERED, replay_id=first)
    add_chain("2", incident_id=None, state=ExecutionState.FAILED, replay_id=first, because="answered 503")
    second = either_api.post(URL, json={**ORDER, "dry_run": True}).get_json()["id"]
    rows = either_api.get(URL, query_string={"limit": 1}).get_json()
    assert [row["id"] for row in rows["data"]] == [second] and rows["nextCursor"]
    assert [row["id"] for row in either_api.get(f"{URL}?state=running").get_json()["data"]] == [first]
    shown = either_api.get(f"{URL}/{first}").get_json()
    assert shown["counts"]["ambiguous"] == 1
    assert shown["progress"] == {
        "total": 2, "recovered": 1, "failed": 1, "left_alone": 0, "retrying": 0, "waiting": 0,
    }  # fmt: skip
    assert [(one["execution_id"], one["state"]) for one in shown["left"]] == [("2", "failed"), ("9", "left_alone")]


def test_it_is_cancelled_once(api: FlaskClient, now) -> None:
    number = api.post(URL, json=ORDER).get_json()["id"]
    assert api.post(f"{URL}/{number}/cancel").status_code == 202
    assert ReplayRow.get().cancelled_by == "api" and ReplayRow.get().state == ReplayState.READING, "the worker ends it"
    replays.end_replay(ReplayRow.get(), ReplayState.CANCELLED, "api cancelled it", now)
    over = api.post(f"{URL}/{number}/cancel")
    assert over.status_code == 409 and "api cancelled it" in over.get_json(force=True)["detail"]


@pytest.mark.parametrize("number", ["0", "x", "99999999999999999999", "7"])
def test_one_that_is_not_there(api: FlaskClient, number: str) -> None:
    assert api.get(f"{URL}/{number}").status_code in (400, 404)
    assert api.post(f"{URL}/{number}/cancel").status_code in (400, 404)


def test_only_the_operator_is_let_in(api: FlaskClient) -> None:
    for token in ("webhook-token-of-the-tests", "wrong"):
        assert api.post(URL, json=ORDER, headers={"Authorization": f"Bearer {token}"}).status_code == 401
    assert ReplayRow.select().count() == 0


def test_the_description_names_the_scope_of_a_token(api: FlaskClient) -> None:
    paths = api.get("/api/v1/openapi.json").get_json()["paths"]
    assert "scope `replay`" in paths["/api/v1/replays"]["post"]["description"]
    assert "409" in paths["/api/v1/replays/{replay_id}/cancel"]["post"]["responses"]
    assert "description" not in paths["/api/v1/incidents"]["get"]
