"""Carries out what people ordered, or says why not. One function per order."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import NamedTuple

from recovery.decide.planner import CANARY
from recovery.decide.playbooks import mended, playbook_of
from recovery.decide.wording import count_of
from recovery.model import IncidentState, OrderWhat, RecoveryState, StepKind, StepState, thaw
from recovery.store import components, database, executions, incidents, orders, recoveries, steps
from recovery.store.tables import IncidentRow, OrderRow, RecoveryRow, StepRow
from recovery.worker import answering, by_hand, looking
from recovery.worker.context import Context
from recovery.worker.guarding import guarded
from recovery.worker.holding import let_go
from recovery.worker.learning import as_taken

MOST = 100
ACTIVE = (RecoveryState.RUNNING, RecoveryState.WAITING)


class Refused(Exception):
    """The order makes no sense any more; the message says why."""


class Case(NamedTuple):
    """An order with what it is about."""

    ctx: Context
    order: OrderRow
    incident: IncidentRow
    recovery: RecoveryRow | None
    now: datetime

    @property
    def who(self) -> str:
        """Who asked."""
        return self.order.who

    def active(self) -> RecoveryRow:
        """The recovery, where the order needs one."""
        if self.recovery is None:
            raise Refused("no recovery is under way")
        return self.recovery


def carry_out_orders(ctx: Context, now: datetime) -> None:
    """Carry out every order that nobody has taken yet, each in a transaction of its own."""
    for order in orders.find_untaken(MOST):
        with database.decide():
            if orders.hold_order(order):
                with guarded(f"order {order.id}", partial(_refuse, order, now), database.TROUBLE):
                    _carry_out(ctx, order, now)


def _refuse(order: OrderRow, now: datetime, why: str) -> None:
    orders.finish_order(order, "refused", why, now)


def _carry_out(ctx: Context, order: OrderRow, now: datetime) -> None:
    if order.incident_id is None:
        orders.finish_order(order, *by_hand.begin(ctx, order, now), now)
        return
    incident = incidents.find_incident(order.incident_id)
    case = Case(ctx, order, incident, recoveries.find_active(incident.id), now)
    run = ORDERS.get(OrderWhat(order.what))
    try:
        if run is None:
            raise Refused(f"{order.what} is not available")
        if incident.state == IncidentState.RESOLVED and order.what != OrderWhat.ACKNOWLEDGE:
            raise Refused("the incident is resolved already")
        because = run(case)
    except Refused as refusal:
        orders.finish_order(order, "refused", str(refusal), now)
    else:
        orders.finish_order(order, "done", because, now)


def _retry_now(case: Case) -> str:
    """The next attempt at once; where all attempts are used up, or a person was called, a new recovery."""
    recovery, now = case.recovery, case.now
    if recovery and recovery.state in (*ACTIVE, RecoveryState.PAUSED):
        because = f"{case.who} asked for the next attempt now"
        changes = {"state": RecoveryState.RUNNING, "next_at": now, "wake_at": now}
        recoveries.set_recovery(recovery, because, now, case.who, **changes)
        return "the next attempt begins now"
    incident = case.incident
    playbook = playbook_of(incident.component, incident.failure_type, incident.severity, case.ctx.policy)
    playbook = as_taken(playbook, incident)
    # A person says that it is worth trying: what failed for a permanent cause may be retried too.
    again = mended(playbook, keep_actions=playbook.acts)
    components.close_breaker(incident.component, now)
    looking.begin_recovery(case.ctx, incident, recovery, again, f"{case.who} asked to retry now", now)
    return "a new recovery begins now"


def _pause(case: Case) -> str:
    recovery = case.active()
    if recovery.state not in ACTIVE:
        raise Refused(f"the recovery is {recovery.state}")
    executions.hold_back(case.incident.id)
    steps.skip_resting_canaries(case.incident.id, f"{case.who} paused it before it began", case.now, case.who)
    changes = {"state": RecoveryState.PAUSED, "wake_at": None}
    recoveries.set_recovery(recovery, f"{case.who} paused it", case.now, case.who, **changes)
    return "paused: what is under way ends, nothing new begins"


def _resume(case: Case) -> str:
    recovery = case.active()
    if recovery.state != RecoveryState.PAUSED:
        raise Refused(f"the recovery is {recovery.state}")
    let_go(recovery, f"{case.who} resumed it", case.now, case.who)
    return "resumed"


def _skip_stage(case: Case) -> str:
    recovery = case.active()
    if case.order.stage is not None and case.order.stage != recovery.stage:
        raise Refused(f"the recovery is in stage {recovery.stage} by now, not {case.order.stage}")
    if recovery.state not in ACTIVE:
        raise Refused(f"the recovery is {recovery.state}")
    if recovery.stage >= len(thaw(recovery.playbook).stages):
        raise Refused("it is the last stage")
    executions.hold_back(case.incident.id)
    steps.give_up_steps(recovery.id, f"{case.who} skipped stage {recovery.stage}", case.now, case.who)
    because = f"{case.who} skipped stage {recovery.stage}: stage {recovery.stage + 1} begins now"
    recoveries.set_recovery(
        recovery, because, case.now, case.who, state=RecoveryState.RUNNING, stage=recovery.stage + 1, attempt=1,
        replaying=False, setback=None, first_step=steps.next_number(recovery.id), next_at=case.now, wake_at=case.now,
    )  # fmt: skip
    return because


def _cancel(case: Case) -> str:
    recovery = case.active()
    because = f"{case.who} cancelled the recovery"
    executions.hold_back(case.incident.id)
    executions.end_permits(case.incident.id)
    recoveries.end_recovery(recovery, RecoveryState.CANCELLED, because, case.now, case.who)
    # The person who cancels knows already: nobody else is woken for it.
    incidents.move_incident(
        case.incident, IncidentState.NEEDS_HUMAN, because, case.now, case.who, told_at=case.incident.told_at or case.now
    )
    return "cancelled: nothing more is done by itself until the component is healthy again"


def _resolve(case: Case) -> str:
    because = f"{case.who} resolved it"
    left = executions.leave_waiting(case.incident.id, because, case.now, case.who)
    executions.end_permits(case.incident.id)
    components.mute_component(case.incident.component)
    if case.recovery:
        recoveries.end_recovery(case.recovery, RecoveryState.CANCELLED, because, case.now, case.who)
    looking.resolve(case.ctx, case.incident, None, because, case.now, case.who)
    stay = "is left as it is" if left == 1 else "are left as they are"
    return f"resolved; {count_of(left)} {stay}" if left else "resolved"


def _acknowledge(case: Case) -> str:
    return answering.acknowledge(case.incident, case.who, case.now)


def _snooze(case: Case) -> str:
    until = case.order.until
    if until is None or until <= case.now:
        raise Refused("the time that it was to be snoozed for is over")
    return answering.snooze(case.incident, case.who, until, case.now)


def _escalate(case: Case) -> str:
    done = answering.escalate(case.ctx, case.incident, case.who, case.now)
    if not done:
        raise Refused("people were told within the last minute")
    return done


def _approve(case: Case) -> str:
    """A person knows that the ambiguous runs may run again."""
    recovery, step = _awaiting(case)
    if step.name != CANARY:
        return _let_run(case, recovery, step)
    steps.finish_canary(step, StepState.SUCCEEDED, f"{case.who} approved it", case.now)
    freed = executions.permit_asking(case.incident.id, case.who, case.now)
    changes = {"state": RecoveryState.RUNNING, "first_step": steps.next_number(recovery.id), "wake_at": case.now}
    because = f"{case.who} allowed {count_of(freed, 'run')} to be retried"
    recoveries.set_recovery(recovery, because, case.now, case.who, **changes)
    incidents.move_incident(case.incident, IncidentState.RECOVERING, because, case.now, case.who)
    return f"{count_of(freed, 'run')} may be retried"


def _reject(case: Case) -> str:
    recovery, step = _awaiting(case)
    steps.skip_step(step, f"{case.who} rejected it", case.now, case.who)
    if step.name != CANARY:
        because = f"{case.who} said no to {step.name}"
        recoveries.end_recovery(recovery, RecoveryState.FAILED, because, case.now, case.who)
        return because
    left = executions.leave_asking(case.incident.id, case.who, case.now)
    because = f"{case.who} left {left} runs as they are"
    others = executions.count_chains(case.incident.id).get("waiting", 0)
    state = RecoveryState.FAILED if others else RecoveryState.SUCCEEDED
    recoveries.end_recovery(recovery, state, because, case.now, case.who)
    if others:  # they still fail, as far as anybody knows
        return f"{because}; {count_of(others)} still waiting"
    incidents.sign_incidents({case.incident.id: case.now}, case.now)
    return because


def _let_run(case: Case, recovery: RecoveryRow, step: StepRow) -> str:
    """The very action that was asked for is run."""
    because = f"{case.who} said yes to {step.name}"
    steps.release_step(step, because, case.now, case.who)
    changes = {"state": RecoveryState.RUNNING, "next_at": None, "wake_at": None}
    recoveries.set_recovery(recovery, because, case.now, case.who, **changes)
    incidents.move_incident(case.incident, IncidentState.RECOVERING, because, case.now, case.who)
    return because


def _awaiting(case: Case) -> tuple[RecoveryRow, StepRow]:
    recovery = case.active()
    if recovery.state != RecoveryState.AWAITING_APPROVAL:
        raise Refused(f"nothing waits for a decision: the recovery is {recovery.state}")
    waiting = [step for step in steps.find_steps_from(recovery.id, recovery.first_step) if _awaits(step)]
    if not waiting or (case.order.step is not None and waiting[-1].number != case.order.step):
        raise Refused("the step it names is no longer the one that waits for a decision")
    return recovery, waiting[-1]


def _awaits(step: StepRow) -> bool:
    return step.kind == StepKind.ACTION and step.state == StepState.QUEUED and step.run_at is None


ORDERS: dict[OrderWhat, Callable[[Case], str]] = {
    OrderWhat.RETRY_NOW: _retry_now,
    OrderWhat.PAUSE: _pause,
    OrderWhat.RESUME: _resume,
    OrderWhat.SKIP_STAGE: _skip_stage,
    OrderWhat.CANCEL: _cancel,
    OrderWhat.RESOLVE: _resolve,
    OrderWhat.ACKNOWLEDGE: _acknowledge,
    OrderWhat.SNOOZE: _snooze,
    OrderWhat.ESCALATE: _escalate,
    OrderWhat.APPROVE: _approve,
    OrderWhat.REJECT: _reject,
}
