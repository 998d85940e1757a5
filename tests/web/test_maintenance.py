"""Maintenance over the API and on the page; `tests/story/test_holding.py` shows what it does."""

from datetime import timedelta

import pytest

from recovery.store.tables import EventRow, MaintenanceRow
from tests.web.conftest import form_token

URL = "/api/v1/maintenance"


def test_it_is_begun_listed_and_ended_over_the_api(api, now):
    body = {"components": ["orders-api"], "ends_at": (now + timedelta(hours=1)).isoformat(), "note": "new disk"}
    begun = api.post(URL, json=body)
    assert begun.status_code == 201 and begun.get_json()["who"] == "api"
    number = begun.get_json()["id"]
    [listed] = api.get(URL).get_json()["data"]
    assert (listed["id"], listed["components"], listed["note"]) == (number, ["orders-api"], "new disk")
    assert api.delete(f"{URL}/{number}").status_code == 200
    assert api.delete(f"{URL}/{number}").status_code == 404
    assert [row.who for row in EventRow.select().where(EventRow.subject == "maintenance")] == ["api", "api"]


@pytest.mark.parametrize(
    "body",
    [
        {}, {"components": []}, {"components": [""]}, {"components": "orders"}, {"components": ["a\0b"]},
        {"components": ["x" * 300]}, {"components": ["x"], "ends_at": "yesterday"},
        {"components": ["x"], "ends_at": "2001-01-01T00:00:00Z"}, {"components": ["x"], "oddity": 1}, [],
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_a_problem_and_begins_nothing(api, body):
    answer = api.post(URL, json=body)
    assert answer.status_code == 400 and answer.content_type == "application/problem+json"
    assert MaintenanceRow.select().count() == 0


@pytest.mark.parametrize("number", ["0", "x", "99999999999999999999", "7"])
def test_there_is_nothing_to_end(api, number):
    assert api.delete(f"{URL}/{number}").status_code in (400, 404)


def press(admin, address: str, **fields: str):
    return admin.post(address, data={"csrf_token": form_token(admin, "/override"), **fields}, follow_redirects=True)


def test_everything_is_paused_and_goes_on_with_two_buttons(admin):
    shown = press(admin, "/maintenance", component="*", minutes="", note="<b>night</b>").text
    assert "Everything is paused" in shown and "&lt;b&gt;night" in shown and "<b>night" not in shown
    assert "Everything is paused" in admin.get("/").text, "the first page says so too"
    row = MaintenanceRow.get()
    assert (row.components, row.ends_at, row.who) == (["*"], None, "admin")
    assert "Everything is paused" not in press(admin, f"/maintenance/{row.id}/end").text
    assert "over already" in press(admin, f"/maintenance/{row.id}/end").text


@pytest.mark.parametrize("minutes", ["-1", "x", "0", "9" * 30, "٣", "1.5"])
def test_odd_minutes_begin_nothing(admin, minutes):
    assert "not understood" in press(admin, "/maintenance", component="*", minutes=minutes).text
    assert MaintenanceRow.select().count() == 0


def test_nobody_begins_it_without_a_login_or_without_a_form_of_ours(visitor, admin):
    assert visitor.post("/maintenance", data={"component": "*"}).status_code in (302, 400)
    assert admin.post("/maintenance", data={"component": "*"}).status_code == 400
    assert MaintenanceRow.select().count() == 0
