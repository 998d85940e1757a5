"""The page of alerts, silences, the figures of channels and the reports: on the page and in the API."""

from datetime import timedelta

import pytest

from recovery.model import AlertState, IncidentState, Severity
from recovery.store import channels, silences
from recovery.store.database import write
from recovery.store.tables import SilenceRow
from tests.web.conftest import API_TOKEN, form_token
from tests.web.seed import add_alert, add_incident


@pytest.fixture
def api(app):
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {API_TOKEN}"
    return client


def test_a_silence_is_made_listed_and_ended_over_the_api(either_api, now):
    body = {"component": ["orders"], "label": {"team": "shop"}, "ends_at": (now + timedelta(hours=1)).isoformat()}
    made = either_api.post("/api/v1/silences", json={**body, "note": "moving it"})
    assert made.status_code == 201, made.text
    row = made.get_json()
    assert (row["matcher"]["component"], row["matcher"]["label"], row["who"]) == (["orders"], {"team": "shop"}, "api")
    assert [one["id"] for one in either_api.get("/api/v1/silences").get_json()["data"]] == [row["id"]]
    assert either_api.delete(f"/api/v1/silences/{row['id']}").status_code == 200
    assert either_api.delete(f"/api/v1/silences/{row['id']}").status_code == 404
    assert silences.find_open(now + timedelta(seconds=5)) == []


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({}, "ends_at"),
        ({"ends_at": "2999-01-01", "component": ["a"]}, "within a year"),
        ({"ends_at": "2001-01-01", "component": ["a"]}, "in the future"),
        ({"ends_at": "+1h", "component": ["a"]}, "must read like"),
        ({"component": []}, "ends_at"),
        ({"severity": ["awful"]}, "there is no 'awful'"),
        ({"failure_type": ["api_eror"]}, "did you mean 'api_error'?"),
        ({"component": ["a\0b"]}, "NUL"),
        ({"component": "orders"}, "component"),
        ({"label": {"a": 7}}, "label"),
        ({"who": "root"}, "unknown"),
    ],
)
def test_a_silence_that_makes_no_sense_is_refused_with_the_reason(api, now, body, why):
    body = {"ends_at": (now + timedelta(hours=1)).isoformat(), **body} if why != "ends_at" else body
    answer = api.post("/api/v1/silences", json=body)
    assert answer.status_code == 400 and why in answer.get_json()["detail"], answer.text
    assert SilenceRow.select().count() == 0


def test_a_silence_of_everything_is_refused(api, now):
    answer = api.post("/api/v1/silences", json={"ends_at": (now + timedelta(hours=1)).isoformat()})
    assert answer.status_code == 400 and "a silence of all is none" in answer.get_json()["detail"]


def test_a_person_silences_on_the_page_with_an_author_and_ends_it(admin, now):
    token = form_token(admin, "/alerts")
    fields = {"csrf_token": token, "severity": "high", "minutes": "30", "note": "<b>moving</b>"}
    shown = admin.post("/silences", data=fields, follow_redirects=True).text
    row = SilenceRow.get()
    assert (row.who, row.matcher["severity"], row.note) == ("admin", ["high"], "<b>moving</b>")
    assert timedelta(minutes=29) < row.ends_at - now < timedelta(minutes=31)
    assert "&lt;b&gt;moving" in shown and "<b>moving" not in shown
    admin.post(f"/silences/{row.id}/end", data={"csrf_token": token})
    assert silences.find_not_over(now + timedelta(seconds=5), 9) == []


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"minutes": "60"},
        {"component": "a", "minutes": "0"},
        {"component": "a", "minutes": "9" * 40},
        {"component": "a", "minutes": "٣"},
        {"component": "a\0", "minutes": "5"},
        {"severity": "awful", "minutes": "5"},
        {"component": "a"},
    ],
)
def test_a_forged_silence_does_nothing_and_never_crashes(admin, fields):
    token = form_token(admin, "/alerts")
    assert admin.post("/silences", data={"csrf_token": token, **fields}, follow_redirects=True).status_code == 200
    assert SilenceRow.select().count() == 0


def test_strangers_see_and_silence_nothing(visitor):
    assert visitor.get("/alerts").status_code == 302
    assert visitor.post("/silences", data={"component": "a", "minutes": "5"}).status_code in (302, 400)
    assert visitor.get("/api/v1/alerts/channels").status_code == 401
    assert SilenceRow.select().count() == 0


def test_the_page_shows_channels_that_fail_and_what_was_told(admin, api, now):
    incident = add_incident(now, component="orders <api>")
    add_alert(incident, "team", now, released_at=now, delivered_at=now + timedelta(seconds=3), tries=2)
    add_alert(incident, "mail", now, state=AlertState.HELD, held_until=now + timedelta(minutes=5), facts={})
    with write():
        channels.note_failure("mail", "connection refused", now)
    for language in ("en", "ko"):
        shown = admin.get(f"/alerts?lang={language}").text
        assert "connection refused" in shown and "50.0 %" in shown
    [mail, team] = api.get("/api/v1/alerts/channels").get_json()["data"]
    assert (mail["name"], mail["messages"], mail["failing_since"] is not None) == ("mail", 0, True)
    assert (team["name"], team["tries"], team["share"], team["p95_seconds"]) == ("team", 2, 0.5, 3.0)
    assert api.get("/api/v1/alerts").get_json()["data"][0]["held_until"] is not None


def test_the_reports_count_a_day_and_a_week(either_api, now):
    done = {"state": IncidentState.RESOLVED, "open_key": None, "resolved_at": now}
    add_incident(now, component="healed", **done)
    add_incident(now, component="called", asked=1, state=IncidentState.NEEDS_HUMAN, advice="renew the credential")
    add_incident(now, component="leaf", severity=Severity.LOW)
    add_incident(now, component="old", opened_at=now - timedelta(days=3), **done)
    day = either_api.get("/api/v1/reports/daily").get_json()
    assert (day["period"], day["failed"], day["healed"], day["needs_human"]) == ("daily", 3, 1, 1)
    assert day["healed_share"] == 0.3333 and day["by_type"] == [
        {"failure_type": "api_timeout", "count": 3, "healed": 1}
    ]
    assert {(one["component"], one["what"]) for one in day["items"]} == {
        ("healed", "healed_quietly"),
        ("leaf", "opened"),
    }
    assert [(one["component"], one["state"]) for one in day["failing"]] == [("called", "needs_human")]
    assert (day["found"], day["findings"]) == (0, [])
    assert day["advice"] == ["called: renew the credential"]
    assert either_api.get("/api/v1/reports/weekly").get_json()["failed"] == 4
    empty = either_api.get("/api/v1/reports/daily?until=2001-01-01").get_json()
    assert (empty["failed"], empty["healed_share"], empty["top"]) == (0, None, [])
    assert either_api.get("/api/v1/reports/daily?until=0001-01-01T00:00:00Z").status_code == 400
