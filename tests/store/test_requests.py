"""Requests to agents: asked once for a step, taken once, answered once."""

from datetime import UTC, datetime, timedelta

import pytest

from recovery.clock import from_micros
from recovery.model import Asked, StepKind, StepState
from recovery.store import acted, database, due, recoveries, requests, steps
from recovery.store.tables import RequestRow, StepRow
from tests.store.rows import add_incident

pytestmark = pytest.mark.usefixtures("store")

NOW = datetime(2026, 11, 24, 3, tzinfo=UTC)
ORDERS = Asked("web1", "orders", 60.0)


def a_step(host: str = "web1") -> StepRow:
    incident = add_incident()
    recovery = recoveries.add_recovery(incident.id, {"stages": []}, "x", NOW, NOW)
    with database.write():
        step = steps.add_step(
            recovery, StepKind.ACTION, "restart_by_agent", "x", NOW, StepState.QUEUED, run_at=NOW, host=host,
            component="orders",
        )  # fmt: skip
        (claimed,) = steps.claim_steps(NOW, NOW + timedelta(seconds=30), "w", 1)
        assert (
            claimed.id == step.id
            and steps.start_step(claimed, NOW, NOW + timedelta(seconds=30))
            and steps.hand_over(claimed)
        )
        requests.ask(claimed, ORDERS, NOW)
    return claimed


def the_request() -> RequestRow:
    return RequestRow.select().get()


def test_a_step_asks_once_however_often_it_is_begun() -> None:
    step = a_step()
    with database.write():
        requests.ask(step, ORDERS, NOW + timedelta(seconds=1))
    assert RequestRow.select().count() == 1
    assert due.read_agenda()["requests"] == NOW


def test_who_held_the_step_until_then_holds_it_no_longer() -> None:
    """A lease that is renewed just as the step is handed over would have it taken for lost."""
    step = a_step()
    assert not steps.keep_step(step, NOW + timedelta(seconds=30))
    assert steps.find_lost_steps(NOW + timedelta(hours=1)) == []


def test_it_holds_its_host_while_it_waits() -> None:
    a_step()
    assert acted.find_restarting("web1", NOW) == "restart_by_agent of orders"
    assert acted.find_acting("orders", NOW) == "restart_by_agent"


def test_it_is_taken_once_under_one_mark_by_the_agent_that_is_asked() -> None:
    a_step()
    assert requests.take("web2", "a", NOW) is None
    first = requests.take("web1", "a", NOW)
    assert first and requests.take("web1", "b", NOW) is None
    again = requests.take("web1", "a", NOW)
    assert again and again.id == first.id
    assert requests.take("web1", "a", NOW + timedelta(seconds=60)) is None, "it is too late"


def test_what_is_taken_cannot_be_withdrawn_and_what_is_withdrawn_cannot_be_taken() -> None:
    step = a_step()
    requests.take("web1", "a", NOW)
    with database.write():
        assert not requests.withdraw(the_request()) and requests.withdraw_untaken(step.recovery_id) == []
    RequestRow.update(state="asked", mark=None, taken_at=None).execute()
    with database.write():
        assert requests.withdraw_untaken(step.recovery_id) == [step.id]
    assert requests.take("web1", "a", NOW) is None and "requests" not in due.read_agenda()


def test_a_cancelled_recovery_gives_up_the_step_of_what_nobody_took() -> None:
    step = a_step()
    with database.write():
        steps.give_up_steps(step.recovery_id, "cancelled", NOW)
    assert steps.find_step(step.id).state == "skipped" and the_request().state == "withdrawn"


def test_an_answer_is_stored_once_and_is_due_at_once() -> None:
    a_step()
    number = the_request().id
    with pytest.raises(requests.NotTheirs, match="it was not taken"):
        requests.answer("web1", number, "a", {"how": "ended"}, NOW)
    requests.take("web1", "a", NOW)
    with pytest.raises(requests.NotTheirs, match="by another agent"):
        requests.answer("web1", number, "b", {"how": "ended"}, NOW)
    for agent, request_id in (("web2", number), ("web1", number + 1)):
        with pytest.raises(requests.NoSuchRequest):
            requests.answer(agent, request_id, "a", {"how": "ended"}, NOW)
    requests.answer(
        "web1", number, "a", {"how": "ended", "code": 0, "output": "x" * 9_000 + " api_key=hunter2 \x00\ud800"}, NOW
    )
    requests.answer("web1", number, "a", {"how": "ended", "code": 1}, NOW)
    kept = the_request()
    assert kept.answer["code"] == 0 and "hunter2" not in kept.answer["output"] and len(kept.answer["output"]) <= 4_000
    assert due.read_agenda()["requests"] == from_micros(0)
    with database.write():
        assert [row.id for row in requests.find_due(NOW)] == [number]
        requests.look_later(kept, NOW + timedelta(hours=1))
        assert not requests.lose(kept), "an answer that came is never lost"
        assert [row.id for row in requests.find_due(NOW)] == [number]
        requests.end(kept)
    assert "requests" not in due.read_agenda() and requests.take("web1", "a", NOW) is None


def test_an_agent_is_known_by_its_last_word() -> None:
    assert requests.find_agent("web1") is None
    requests.note_agent("web1", ["a"], NOW)
    requests.note_agent("web1", ["a"], NOW + timedelta(seconds=1))
    known = requests.find_agent("web1")
    assert known and known.seen_at == NOW, "so soon it is not worth a write"
    requests.note_agent("web1", ["a", "b"], NOW + timedelta(seconds=2))
    known = requests.find_agent("web1")
    assert known and known.offers == ["a", "b"] and known.seen_at == NOW + timedelta(seconds=2)
    requests.note_agent("web1", ["a", "b"], NOW - timedelta(hours=1))
    known = requests.find_agent("web1")
    assert known and known.seen_at == NOW - timedelta(hours=1), "a clock that was set back"
