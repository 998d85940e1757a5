"""The page behind the link of a call for a person: to open it does nothing; one answer, for that call, for its time."""

from datetime import datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from recovery.model import IncidentState
from recovery.model.links import Answer, read_answer, sign_answer
from recovery.store import calls, incidents
from recovery.store.database import write
from recovery.store.tables import IncidentRow, OrderRow
from tests.web.conftest import form_token
from tests.web.seed import add_incident

KEY = "session-key-of-the-tests"


@pytest.fixture
def incident(app: Flask, now: datetime) -> IncidentRow:
    row = add_incident(now, state=IncidentState.NEEDS_HUMAN, asked=1, told_at=now, cause="<b>refused</b>")
    with write():
        calls.begin_call(row.id, now - timedelta(seconds=5), "no action is known", "")
    return row


@pytest.fixture
def stranger(app: Flask) -> FlaskClient:
    return app.test_client()


def link_of(row: IncidentRow, until: datetime, episode: int = 1, call: int = 1) -> str:
    return f"/answer/{sign_answer(KEY, Answer(row.id, episode, call, until))}"


def press(client: FlaskClient, link: str, what: str, token: str) -> str:
    return client.post(link, data={"csrf_token": token, "what": what}, follow_redirects=True).text


def ordered() -> list[str]:
    return [row.what for row in OrderRow.select().order_by(OrderRow.id)]


def test_to_open_the_link_does_nothing_in_either_language(stranger, incident, now):
    for language in ("en", "ko"):
        shown = stranger.get(f"{link_of(incident, now + timedelta(days=1))}?lang={language}")
        assert shown.status_code == 200 and "&lt;b&gt;refused" in shown.text and 'value="acknowledge"' in shown.text
        assert shown.headers["Cache-Control"] == "no-store"
    assert ordered() == []


@pytest.mark.parametrize("what", ["acknowledge", "snooze", "escalate"])
def test_a_button_gives_one_order_and_the_link_is_used_up(stranger, incident, now, what):
    link = link_of(incident, now + timedelta(days=1))
    token = form_token(stranger, link)
    assert "It is with the worker." in press(stranger, link, what, token)
    assert "nothing was done" in press(stranger, link, "escalate", token)
    assert ordered() == [what] and OrderRow.get().who == "the link of a message"
    assert (OrderRow.get().until is not None) == (what == "snooze")
    assert 'value="acknowledge"' not in stranger.get(link).text


def test_a_link_of_an_earlier_call_or_episode_answers_nothing(stranger, incident, now):
    token = form_token(stranger, link_of(incident, now + timedelta(days=1)))
    for old in (link_of(incident, now + timedelta(days=1), call=0), link_of(incident, now + timedelta(days=1), 2)):
        assert "nothing was done" in press(stranger, old, "acknowledge", token)
    assert ordered() == []


def test_what_is_resolved_or_acknowledged_by_then_needs_no_answer(stranger, incident, now):
    link = link_of(incident, now + timedelta(days=1))
    token = form_token(stranger, link)
    with write():
        incidents.set_incident(incident.id, acknowledged_at=now, acknowledged_by="kim")
    assert "acknowledged by kim" in stranger.get(link).text
    press(stranger, link, "acknowledge", token)
    assert ordered() == []


def test_forged_old_and_endless_links_lead_nowhere(stranger, incident, now):
    good = link_of(incident, now + timedelta(days=1))
    forged = f"/answer/{sign_answer('another key', Answer(incident.id, 1, 1, now + timedelta(days=1)))}"
    over = link_of(incident, now - timedelta(seconds=1))
    changed = good[:-2] + ("a" if good[-2] != "a" else "b") + good[-1]  # of the last sign some bits mean nothing
    for link in (forged, over, changed, f"/answer/{'x' * 5_000}"):
        assert stranger.get(link).status_code == 404
    token = form_token(stranger, good)
    assert stranger.post(good, data={"csrf_token": token, "what": "resolve"}).status_code == 404
    assert stranger.post(good, data={"what": "acknowledge"}).status_code == 400, "no form of ours"
    assert ordered() == []


@pytest.mark.parametrize("named", ['["a"]', "[1,1,1]", "[1,1,1,1e999]", "[1,1,1,99999999999999999999]", "{}", "null"])
def test_what_is_signed_and_is_no_answer_is_none(named, now):
    import json

    from itsdangerous import URLSafeSerializer

    token = URLSafeSerializer(KEY, salt="an answer to a call").dumps(json.loads(named))
    assert read_answer(KEY, str(token), now) is None and read_answer("", "x", now) is None
