"""Orders: what people ask for. The web writes them, the worker carries them out."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from recovery.model import CANARY, IncidentState, OrderWhat, RecoveryState, StepState
from recovery.redact import redact
from recovery.store import wake
from recovery.store.database import skip_locked, write
from recovery.store.events import add_event
from recovery.store.tables import CallRow, IncidentRow, OrderRow, RecoveryRow, StepRow

DECISIONS = (OrderWhat.APPROVE, OrderWhat.REJECT)
PAUSABLE = (RecoveryState.RUNNING, RecoveryState.WAITING)
WHY_NOT_PAUSABLE: dict[str, str] = {
    RecoveryState.PAUSED: "the recovery is paused already",
    RecoveryState.HELD: "the recovery is held back already",
    RecoveryState.AWAITING_APPROVAL: "the recovery waits for a decision",
}


WHY_NOT_ACTIVE = {**WHY_NOT_PAUSABLE, RecoveryState.PAUSED: "the recovery is paused: resume it first"}


class NotFound(LookupError):
    """There is no such incident."""


class StaleOrder(Exception):
    """The step or stage that an order names is no longer the current one.

    Fields:
        current: what is current now: the stage, the newest step, or the step that waits for a decision; None where
            there is none.
    """

    def __init__(self, why: str, current: int | None):
        super().__init__(why)
        self.current = current


class OrderRefused(Exception):
    """The order makes no sense in the present state; the text says why."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What an order is judged by.

    Fields:
        incident: the incident it is for.
        recovery: its newest recovery; None where none was started.
        newest_step: the highest step number of that recovery; 0 where it has none.
        awaiting: number of the step that waits for a decision; None where none does. The decision is for all
            runs of the incident that ask.
    """

    incident: IncidentRow
    recovery: RecoveryRow | None
    newest_step: int
    awaiting: int | None

    @property
    def under_way(self) -> RecoveryRow | None:
        """The recovery, where it has not ended."""
        return self.recovery if self.recovery and self.recovery.ended_at is None else None


@dataclass(frozen=True, slots=True)
class ByHand:
    """An action that a person wants run.

    Fields:
        component, action: on what, and how the person calls it.
        args: all its arguments, as what it would do was told of them.
        given: those of them that are in place of the configured ones.
        dry: it is only told what it would do.
    """

    component: str
    action: str
    args: dict[str, Any] = field(repr=False)
    given: dict[str, Any] = field(default_factory=dict, repr=False)
    dry: bool = False


def find_standing(incident_id: int) -> Standing:
    """Where an incident stands, as far as orders care.

    Raises:
        NotFound: there is no such incident.
    """
    incident = IncidentRow.get_or_none(IncidentRow.id == incident_id)
    if incident is None:
        raise NotFound(f"there is no incident {incident_id}")
    recovery = (
        RecoveryRow.select().where(RecoveryRow.incident_id == incident_id).order_by(RecoveryRow.id.desc()).first()
    )
    newest = _newest_step(recovery)
    return Standing(incident, recovery, newest, _find_awaiting(recovery))


def _newest_step(recovery: RecoveryRow | None) -> int:
    if recovery is None:
        return 0
    steps = StepRow.select(StepRow.number).where(StepRow.recovery_id == recovery.id)
    newest = steps.order_by(StepRow.number.desc()).first()
    return newest.number if newest else 0


def _find_awaiting(recovery: RecoveryRow | None) -> int | None:
    """The step that was planned and waits to be released by a person: queued, and never due by itself."""
    if recovery is None or recovery.state != RecoveryState.AWAITING_APPROVAL:
        return None
    held = StepRow.select().where(
        StepRow.recovery_id == recovery.id,
        StepRow.number >= recovery.first_step,
        StepRow.state == StepState.QUEUED,
        StepRow.run_at.is_null(),
    )
    newest = held.order_by(StepRow.number.desc()).first()
    return newest.number if newest and not _is_decided(recovery, newest) else None


def _is_decided(recovery: RecoveryRow, step: StepRow) -> bool:
    """Whether somebody has decided about it already, and no worker has heard of that: each is decided once."""
    mine = (OrderRow.incident_id == recovery.incident_id) & (OrderRow.step == step.number)
    return OrderRow.select().where(mine, OrderRow.what.in_(list(DECISIONS)), OrderRow.taken_at.is_null()).exists()


def why_refused(what: OrderWhat, standing: Standing) -> str:
    """Why an order makes no sense now, in words; "" where it does."""
    if what is OrderWhat.ACKNOWLEDGE:
        return ""
    if what is OrderWhat.RUN_ACTION:
        return "an action is run on a component, not on an incident"
    if standing.incident.state == IncidentState.RESOLVED:
        return "the incident is resolved; only acknowledge makes sense"
    if what in DECISIONS:
        return "" if standing.awaiting is not None else "nothing waits for a decision"
    if what in (OrderWhat.RETRY_NOW, OrderWhat.RESOLVE, OrderWhat.SNOOZE, OrderWhat.ESCALATE):
        return ""
    return _why_recovery_refuses(what, standing.under_way)


def _why_recovery_refuses(what: OrderWhat, recovery: RecoveryRow | None) -> str:
    if recovery is None:
        return "no recovery is under way"
    if what is OrderWhat.RESUME and recovery.state != RecoveryState.PAUSED:
        return "the recovery is not paused"
    if what is OrderWhat.PAUSE and recovery.state not in PAUSABLE:
        return WHY_NOT_PAUSABLE.get(recovery.state, f"the recovery is {recovery.state}")
    if what is OrderWhat.SKIP_STAGE and recovery.state not in PAUSABLE:
        return WHY_NOT_ACTIVE.get(recovery.state, f"the recovery is {recovery.state}")
    if what is OrderWhat.SKIP_STAGE and recovery.stage >= len(recovery.playbook.get("stages", ())):
        return "it is the last stage"
    return ""


def add_order(
    incident_id: int,
    what: OrderWhat,
    who: str,
    now: datetime,
    step: int | None = None,
    stage: int | None = None,
    note: str = "",
    until: datetime | None = None,
) -> OrderRow:
    """Write down what a person asks for, with an audit line, and wake the worker.

    Args:
        until: of a snooze.

    Raises:
        NotFound: there is no such incident.
        StaleOrder: the step or stage it names is no longer the current one.
        OrderRefused: it makes no sense in the present state.
    """
    with write():
        standing = find_standing(incident_id)
        _refuse_stale(what, standing, step, stage)
        if why := why_refused(what, standing):
            raise OrderRefused(why)
        if what in DECISIONS and step is None:
            step = (
                standing.awaiting
            )  # a yes is for what was asked when it was given, and for nothing that is asked later
        order = OrderRow.create(
            incident_id=incident_id, what=what, step=step, stage=stage, until=until, note=note, who=who, asked_at=now,
            action=_decided(what, standing),
        )  # fmt: skip
        _write_history(order, now, before="", after="asked", because=note or f"{who} asked for {what}")
    wake.wake_worker()
    return order


def _decided(what: OrderWhat, standing: Standing) -> str:
    """The action that a decision is about; "" where it is about executions, or no decision."""
    if what not in (OrderWhat.APPROVE, OrderWhat.REJECT) or not standing.recovery:
        return ""
    mine = (StepRow.recovery_id == standing.recovery.id) & (StepRow.number == standing.awaiting)
    row = StepRow.get_or_none(mine)
    return row.name if row and row.name != CANARY else ""


def add_order_by_hand(asked: ByHand, who: str, now: datetime, note: str = "") -> OrderRow:
    """Write down that a person wants an action run, with an audit line, and wake the worker.

    Raises:
        OrderRefused: an argument that was given is a secret, which no row may hold.
    """
    if secret := [name for name, value in asked.given.items() if redact({name: value}) != {name: value}]:
        raise OrderRefused(
            f"{', '.join(secret)} may hold a secret, which is never stored: write the action into the configuration"
        )
    with write():
        order = OrderRow.create(
            what=OrderWhat.RUN_ACTION, component=asked.component, action=asked.action, given=asked.given,
            shown=redact(asked.args), dry=asked.dry, note=note, who=who, asked_at=now,
        )  # fmt: skip
        wants = "to be told what it would do" if asked.dry else "to have it run"
        because = note or f"{who} asked {wants}: {asked.action} on {asked.component}"
        _write_history(order, now, before="", after="asked", because=because)
    wake.wake_worker()
    return order


def find_order(order_id: int) -> OrderRow | None:
    """One order, or None."""
    return OrderRow.get_or_none(OrderRow.id == order_id)


def tell_order(order_id: int, because: str) -> None:
    """What came of an order by now."""
    OrderRow.update(because=because).where(OrderRow.id == order_id).execute()


def _refuse_stale(what: OrderWhat, standing: Standing, step: int | None, stage: int | None) -> None:
    deciding = what in DECISIONS
    if step is not None and deciding and step != standing.awaiting:
        raise StaleOrder(f"step {step} does not wait for a decision (any more)", standing.awaiting)
    if step is not None and not deciding and step != standing.newest_step:
        raise StaleOrder(f"step {step} is not the current one", standing.newest_step)
    current_stage = standing.recovery.stage if standing.recovery else None
    if stage is not None and stage != current_stage:
        raise StaleOrder(f"stage {stage} is not the current one", current_stage)


def _write_history(order: OrderRow, now: datetime, before: str, after: str, because: str) -> None:
    add_event(now, "order", order.id, f"{order.what} {after}", because, order.incident_id, before, order.who)


def find_untaken(limit: int) -> list[OrderRow]:
    """Orders that the worker has not looked at, oldest first."""
    return list(OrderRow.select().where(OrderRow.taken_at.is_null()).order_by(OrderRow.id).limit(limit))


def was_ordered(incident_id: int, since: datetime) -> bool:
    """Whether a person has had an incident's executions retried since then."""
    goes_on = OrderRow.what.in_((OrderWhat.RETRY_NOW, OrderWhat.APPROVE)) & (OrderRow.outcome == "done")
    return OrderRow.select().where(OrderRow.incident_id == incident_id, OrderRow.taken_at >= since, goes_on).exists()


def was_answered(incident: IncidentRow) -> bool:
    """Whether somebody has answered the last call for a person, though the worker may not have seen it yet."""
    answers = OrderRow.what.in_((OrderWhat.ACKNOWLEDGE, OrderWhat.SNOOZE, OrderWhat.ESCALATE))
    call = CallRow.get_or_none(CallRow.incident_id == incident.id)
    since = call.called_at if call else incident.episode_at
    if incident.acknowledged_at and incident.acknowledged_at >= since:
        return True
    mine = OrderRow.select().where(OrderRow.incident_id == incident.id, OrderRow.asked_at >= since, answers)
    return mine.where(OrderRow.outcome.is_null() | (OrderRow.outcome == "done")).exists()


def hold_order(order: OrderRow) -> bool:
    """Whether it is for this worker to carry out, to the end of the transaction: no other one has, or is about to."""
    mine = OrderRow.select(OrderRow.id).where(OrderRow.id == order.id, OrderRow.taken_at.is_null())
    return bool(list(skip_locked(mine)))


def finish_order(order: OrderRow, outcome: str, because: str, now: datetime) -> bool:
    """Record once that an order was carried out ("done") or not ("refused"), and why.

    Returns False where it was finished before.
    """
    with write():
        untaken = OrderRow.update(taken_at=now, outcome=outcome, because=because).where(
            OrderRow.id == order.id, OrderRow.taken_at.is_null()
        )
        if not untaken.execute():
            return False
        _write_history(order, now, before="asked", after=outcome, because=because)
    order.taken_at, order.outcome, order.because = now, outcome, because
    return True
