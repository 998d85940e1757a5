"""Orders: what is written, and what is refused. On both database engines."""

from datetime import timedelta

import pytest

from recovery.model import ExecutionState, IncidentState, OrderWhat, RecoveryState
from recovery.store import orders, wake
from recovery.store.database import write
from recovery.store.tables import EventRow, OrderRow, RecoveryRow
from tests.web.seed import HELD, add_execution, add_incident, add_recovery, add_step

pytestmark = pytest.mark.usefixtures("store")


def test_an_order_is_written_with_a_line_of_history_and_wakes_the_worker_after_the_commit(now, monkeypatch):
    seen_at_wake = []
    monkeypatch.setattr(wake, "wake_worker", lambda: seen_at_wake.append(OrderRow.select().count()))
    incident = add_incident(now)
    order = orders.add_order(incident.id, OrderWhat.RETRY_NOW, "kim", now, note="the provider is back")
    event = EventRow.get()
    assert (event.subject, event.subject_id, event.who) == ("order", str(order.id), "kim")
    assert (event.incident_id, event.after, event.because) == (incident.id, "retry_now asked", "the provider is back")
    assert (order.asked_at, order.taken_at) == (now, None)
    assert seen_at_wake == [1]


def test_an_order_for_no_incident_is_not_found_and_writes_nothing(now):
    with pytest.raises(orders.NotFound):
        orders.add_order(12, OrderWhat.PAUSE, "kim", now)
    assert OrderRow.select().count() == EventRow.select().count() == 0


def test_an_order_that_names_an_earlier_stage_is_stale_and_says_which_is_current(now):
    incident = add_incident(now)
    add_recovery(incident, now, stage=2)
    with pytest.raises(orders.StaleOrder) as stale:
        orders.add_order(incident.id, OrderWhat.SKIP_STAGE, "kim", now, stage=1)
    assert stale.value.current == 2
    assert OrderRow.select().count() == 0
    assert orders.add_order(incident.id, OrderWhat.SKIP_STAGE, "kim", now, stage=2).stage == 2


def test_a_stage_is_stale_where_no_recovery_was_ever_started(now):
    with pytest.raises(orders.StaleOrder):
        orders.add_order(add_incident(now).id, OrderWhat.SKIP_STAGE, "kim", now, stage=1)


def add_question(now):
    """An incident whose recovery waits for a decision about its third step."""
    incident = add_incident(now, state=IncidentState.NEEDS_HUMAN)
    recovery = add_recovery(incident, now, state=RecoveryState.AWAITING_APPROVAL, first_step=2)
    run = add_execution(incident, "7", now, state=ExecutionState.LEFT_ALONE, asks=True)
    add_step(recovery, 1, now, **HELD)  # of an earlier attempt
    add_step(recovery, 2, now)
    add_step(recovery, 3, now, chain_id=run.id, **HELD)
    return incident, recovery


def test_a_decision_must_name_the_step_that_waits_for_it(now):
    incident, _ = add_question(now)
    for step in (1, 2, 4):
        with pytest.raises(orders.StaleOrder) as stale:
            orders.add_order(incident.id, OrderWhat.APPROVE, "kim", now, step=step)
        assert stale.value.current == 3
    assert orders.add_order(incident.id, OrderWhat.APPROVE, "kim", now, step=3).step == 3


def test_a_decision_is_taken_once_even_before_a_worker_hears_of_it(now):
    incident, _ = add_question(now)
    first = orders.add_order(incident.id, OrderWhat.APPROVE, "kim", now, step=3)
    for what in (OrderWhat.APPROVE, OrderWhat.REJECT):
        with pytest.raises(orders.StaleOrder):
            orders.add_order(incident.id, what, "lee", now, step=3)
    with write():
        orders.finish_order(first, "refused", "as where it makes no sense", now)
    assert orders.add_order(incident.id, OrderWhat.REJECT, "lee", now, step=3).step == 3


def test_a_decision_is_stale_once_it_was_taken(now):
    incident, recovery = add_question(now)
    with write():
        RecoveryRow.update(state=RecoveryState.RUNNING).where(RecoveryRow.id == recovery.id).execute()
    with pytest.raises(orders.StaleOrder) as stale:
        orders.add_order(incident.id, OrderWhat.APPROVE, "kim", now, step=3)
    assert stale.value.current is None


def test_the_last_stage_cannot_be_skipped(now):
    incident = add_incident(now)
    add_recovery(incident, now, stage=3)
    with pytest.raises(orders.OrderRefused, match="it is the last stage"):
        orders.add_order(incident.id, OrderWhat.SKIP_STAGE, "kim", now, stage=3)


SENSELESS = [
    (OrderWhat.RESUME, IncidentState.RECOVERING, RecoveryState.RUNNING, "not paused"),
    (OrderWhat.PAUSE, IncidentState.RECOVERING, RecoveryState.PAUSED, "paused already"),
    (OrderWhat.PAUSE, IncidentState.RECOVERING, RecoveryState.HELD, "held back already"),
    (OrderWhat.PAUSE, IncidentState.NEEDS_HUMAN, RecoveryState.AWAITING_APPROVAL, "waits for a decision"),
    (OrderWhat.PAUSE, IncidentState.NEEDS_HUMAN, None, "no recovery is under way"),
    (OrderWhat.CANCEL, IncidentState.NEEDS_HUMAN, None, "no recovery is under way"),
    (OrderWhat.RETRY_NOW, IncidentState.RESOLVED, None, "is resolved"),
    (OrderWhat.RESOLVE, IncidentState.RESOLVED, None, "is resolved"),
    (OrderWhat.APPROVE, IncidentState.RECOVERING, None, "nothing waits"),
    (OrderWhat.SNOOZE, IncidentState.RESOLVED, None, "resolved"),
    (OrderWhat.ESCALATE, IncidentState.RESOLVED, None, "resolved"),
]


def test_an_order_that_makes_no_sense_is_refused_with_the_reason(now):
    for what, incident_state, recovery, why in SENSELESS:
        incident = add_incident(now, state=incident_state)
        if recovery:
            add_recovery(incident, now, state=recovery)
        with pytest.raises(orders.OrderRefused, match=why):
            orders.add_order(incident.id, what, "kim", now)
    assert OrderRow.select().count() == 0


def test_a_recovery_that_ended_can_no_longer_be_paused(now):
    incident = add_incident(now, state=IncidentState.NEEDS_HUMAN)
    add_recovery(incident, now, state=RecoveryState.FAILED, active_key=None, ended_at=now)
    with pytest.raises(orders.OrderRefused, match="no recovery is under way"):
        orders.add_order(incident.id, OrderWhat.PAUSE, "kim", now)


def test_a_resolved_incident_can_still_be_acknowledged(now):
    incident = add_incident(now, state=IncidentState.RESOLVED, open_key=None)
    assert orders.add_order(incident.id, OrderWhat.ACKNOWLEDGE, "kim", now).id


def test_the_worker_finds_untaken_orders_oldest_first_and_finishes_each_once(now):
    incident = add_incident(now)
    first = orders.add_order(incident.id, OrderWhat.RETRY_NOW, "kim", now)
    second = orders.add_order(incident.id, OrderWhat.RESOLVE, "lee", now)
    assert [order.id for order in orders.find_untaken(10)] == [first.id, second.id]
    later = now + timedelta(seconds=1)
    assert orders.finish_order(first, "done", "the attempt begins now", later)
    assert [order.id for order in orders.find_untaken(10)] == [second.id]
    assert not orders.finish_order(first, "refused", "too late", later)
    kept = OrderRow.get_by_id(first.id)
    assert (kept.outcome, kept.because, kept.taken_at) == ("done", "the attempt begins now", later)
    event = EventRow.select().order_by(EventRow.id.desc()).get()
    assert (event.before, event.after, event.who) == ("asked", "retry_now done", "kim")


def test_an_order_whose_transaction_fails_leaves_nothing(now, monkeypatch):
    incident = add_incident(now)
    monkeypatch.setattr(orders, "_write_history", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        orders.add_order(incident.id, OrderWhat.RETRY_NOW, "kim", now)
    with write():
        assert OrderRow.select().count() == 0


def test_a_decision_about_an_action_keeps_which_one_it_was(now):
    incident = add_incident(now, state=IncidentState.NEEDS_HUMAN)
    recovery = add_recovery(incident, now, state=RecoveryState.AWAITING_APPROVAL)
    add_step(recovery, 1, now, **(HELD | {"name": "reboot_host"}))
    assert orders.add_order(incident.id, OrderWhat.APPROVE, "kim", now, step=1).action == "reboot_host"
    asking = add_incident(now, state=IncidentState.NEEDS_HUMAN)
    held = add_recovery(asking, now, state=RecoveryState.AWAITING_APPROVAL)
    add_step(held, 1, now, **(HELD | {"name": "retry_executions"}))
    assert orders.add_order(asking.id, OrderWhat.APPROVE, "kim", now, step=1).action == ""
