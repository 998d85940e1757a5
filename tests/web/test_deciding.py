"""The page behind a message's signed link: to open it does nothing, it works once, for its step, and for its time."""

from datetime import datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from recovery.model import OrderWhat, RecoveryState
from recovery.model.links import Decision, read_decision, sign_decision
from recovery.store.database import write
from recovery.store.tables import OrderRow, RecoveryRow, StepRow
from tests.web.conftest import form_token
from tests.web.seed import HELD, add_incident, add_recovery, add_step

KEY = "session-key-of-the-tests"


@pytest.fixture
def step(app: Flask, now: datetime) -> StepRow:
    incident = add_incident(now)
    recovery = add_recovery(incident, now, state=RecoveryState.AWAITING_APPROVAL)
    held = {**HELD, "because": "the check confirmed the failure: <b>refused</b>"}
    return add_step(recovery, 2, now, name="reboot_host", **held)


@pytest.fixture
def stranger(app: Flask) -> FlaskClient:
    """Somebody who has only the message."""
    return app.test_client()


def link_of(step: StepRow, until: datetime, **changes: int) -> str:
    named = {"incident_id": step.incident_id, "recovery_id": step.recovery_id, "step": step.number, **changes}
    return f"/decide/{sign_decision(KEY, Decision(**named, until=until))}"


def press(client: FlaskClient, link: str, what: str, token: str) -> str:
    return client.post(link, data={"csrf_token": token, "what": what}, follow_redirects=True).text


def ordered() -> list[tuple[str, int]]:
    return [(row.what, row.step) for row in OrderRow.select().order_by(OrderRow.id)]


def test_to_open_the_link_does_nothing_and_tells_what_waits(stranger: FlaskClient, step: StepRow, now: datetime):
    link = link_of(step, now + timedelta(minutes=30))
    for _ in range(3):
        shown = stranger.get(link)
    assert shown.status_code == 200
    assert "reboot_host waits for your yes" in shown.text
    assert "&lt;b&gt;refused" in shown.text
    assert shown.headers["Cache-Control"] == "no-store"
    assert ordered() == []


@pytest.mark.parametrize("what", ["approve", "reject"])
def test_a_button_gives_the_order_for_the_very_step_once(
    stranger: FlaskClient, step: StepRow, now: datetime, what: str
):
    link = link_of(step, now + timedelta(minutes=30))
    token = form_token(stranger, link)
    assert "It is with the worker." in press(stranger, link, what, token)
    assert ordered() == [(what, 2)]
    assert OrderRow.get().who == "the link of a message"
    for again in ("approve", "reject"):  # while no worker has taken it
        assert "Things have moved on" in press(stranger, link, again, token)
    assert ordered() == [(what, 2)]
    with write():
        StepRow.update(run_at=now).where(StepRow.id == step.id).execute()  # as the worker does
        RecoveryRow.update(state=RecoveryState.RUNNING).execute()
    assert "Things have moved on" in press(stranger, link, what, token)
    assert len(ordered()) == 1


def test_a_later_recovery_with_a_step_of_that_number_is_not_meant(stranger: FlaskClient, step: StepRow, now: datetime):
    link = link_of(step, now + timedelta(minutes=30), recovery_id=step.recovery_id + 1)
    shown = stranger.get(link).text
    assert "Nothing waits for your decision here any more." in shown
    assert "Yes, do it" not in shown
    token = form_token(stranger, link_of(step, now + timedelta(minutes=30)))
    assert "Things have moved on" in press(stranger, link, "approve", token)
    assert ordered() == []


@pytest.mark.parametrize("broken", ["late", "forged", "other key", "other words", "long", "empty"])
def test_a_link_that_is_not_good_gives_nothing_away(stranger: FlaskClient, step: StepRow, now: datetime, broken: str):
    good = link_of(step, now + timedelta(minutes=30))
    decision = Decision(step.incident_id, step.recovery_id, 2, now + timedelta(minutes=30))
    token = form_token(stranger, good)
    link = {
        "late": link_of(step, now - timedelta(seconds=1)),
        "forged": good[:-3] + "abc",
        "other key": f"/decide/{sign_decision('another key', decision)}",
        "other words": "/decide/WzEsMiwzXQ.x",
        "long": f"/decide/{'a' * 5000}",
        "empty": "/decide/.",
    }[broken]
    for answer in (stranger.get(link), stranger.post(link, data={"csrf_token": token, "what": "approve"})):
        assert answer.status_code == 404
        assert "reboot_host" not in answer.text
    assert ordered() == []


@pytest.mark.parametrize("what", ["resolve", "retry_now", "", "APPROVE"])
def test_the_link_is_good_for_a_yes_or_a_no_alone(stranger: FlaskClient, step: StepRow, now: datetime, what: str):
    link = link_of(step, now + timedelta(minutes=30))
    assert "Nothing to decide here" in press(stranger, link, what, form_token(stranger, link))
    assert ordered() == []


def test_without_the_pages_own_form_nothing_is_ordered(stranger: FlaskClient, step: StepRow, now: datetime):
    answer = stranger.post(link_of(step, now + timedelta(minutes=30)), data={"what": "approve"})
    assert answer.status_code == 400
    assert ordered() == []


def test_a_link_is_never_signed_or_read_without_a_key(now: datetime):
    decision = Decision(1, 2, 3, now)
    with pytest.raises(ValueError, match="without a key"):
        sign_decision("", decision)
    assert read_decision("", sign_decision("x", decision), now - timedelta(hours=1)) is None


def test_the_page_of_the_incident_asks_in_the_same_words(admin: FlaskClient, step: StepRow):
    shown = admin.get(f"/incidents/{step.incident_id}").text
    assert "Yes, do it" in shown
    assert "Run again" not in shown
    assert OrderWhat.APPROVE in shown
