"""Steps: one action or one check each, claimed and fenced."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import peewee as pw

from recovery.model import ExecutionState, RecoveryState, StepKind, StepState
from recovery.store import bulk, database, requests
from recovery.store.events import add_event
from recovery.store.executions import RESTS
from recovery.store.tables import EventRow, ExecutionRow, OrderRow, RecoveryRow, StepRow

MOST_MEMORIES = 50
LOST_AND_REPEATED = "its worker was lost while it ran; it is safe to repeat"


def add_step(
    recovery: RecoveryRow, kind: StepKind, name: str, because: str, now: datetime, state: StepState, **more: Any
) -> StepRow:
    """The recovery's next step. Its number is unique within the recovery, so of two planners one loses.

    Numbers go on from one recovery of an incident to its next: a yes that names a step is never for a later one.

    Raises:
        The driver's IntegrityError: another planner was faster.
    """
    standing = {"recovery_id": recovery.id, "stage": recovery.stage, "attempt": recovery.attempt}
    told = {"kind": kind, "name": name, "state": state, "because": because, "queued_at": now, **more}
    number = next_number(recovery.id)
    return _add({"number": number, "incident_id": recovery.incident_id, **standing, **told}, now)


def add_step_by_hand(
    order: OrderRow, kind: StepKind, name: str, because: str, now: datetime, incident_id: int | None, **more: Any
) -> StepRow:
    """The next step of an order to run an action, queued. It belongs to no recovery, and to no stage.

    Args:
        incident_id: the incident that is open on its component; None where none is.
    """
    mine = StepRow.select(pw.fn.MAX(StepRow.number)).where(StepRow.order_id == order.id)
    standing = {"order_id": order.id, "incident_id": incident_id, "stage": 0, "attempt": 0}
    told = {"kind": kind, "name": name, "state": StepState.QUEUED, "because": because, "queued_at": now, **more}
    return _add({"number": (mine.scalar() or 0) + 1, "component": order.component, **standing, **told}, now, order.who)


def _add(values: dict[str, Any], now: datetime, who: str = "medic") -> StepRow:
    row = bulk.create(StepRow, **values)
    add_event(now, "step", _called(row), row.state, row.because, row.incident_id, who=who)
    return row


def _called(row: StepRow) -> str:
    owner = row.recovery_id if row.order_id is None else f"order {row.order_id}"
    return f"{owner}.{row.number} {row.name}"


def find_steps_by_hand(order_id: int) -> list[StepRow]:
    """The steps of an order to run an action, in their order."""
    return bulk.find_rows(StepRow, "order_id = ?", order_id, more="ORDER BY number")


def next_number(recovery_id: int) -> int:
    """The number of a recovery's next step: from 1, and on from those of the incident's recoveries before it."""
    mine = "incident_id = (SELECT incident_id FROM recoveries WHERE id = ?)"
    not_by_hand = "recovery_id IS NOT NULL"  # one by hand has an order's number
    newest = bulk.select(f"SELECT MAX(number) FROM steps WHERE {mine} AND {not_by_hand}", recovery_id)  # noqa: S608
    return int(newest[0][0] or 0) + 1


def find_steps_from(recovery_id: int, first: int) -> list[StepRow]:
    """The steps of a recovery from that number on."""
    return bulk.find_rows(StepRow, "recovery_id = ? AND number >= ?", recovery_id, first, more="ORDER BY number")


def find_step_before(row: StepRow) -> StepRow | None:
    """What came just before a step in its attempt; None where it is the first."""
    attempt = (StepRow.stage == row.stage) & (StepRow.attempt == row.attempt) & (StepRow.number < row.number)
    mine = StepRow.select().where(StepRow.recovery_id == row.recovery_id, attempt)
    return mine.order_by(StepRow.number.desc()).first()


def find_present_steps(recovery_ids: Iterable[int]) -> dict[int, list[StepRow]]:
    """The steps of the present attempt of each of the recoveries, {recovery id: steps in their order}."""
    found: dict[int, list[StepRow]] = {one: [] for one in recovery_ids}
    if found:
        first = "(SELECT first_step FROM recoveries WHERE recoveries.id = steps.recovery_id)"
        where = f"recovery_id IN ? AND number >= {first}"
        for row in bulk.find_rows(StepRow, where, list(found), more="ORDER BY recovery_id, number"):
            found[row.recovery_id].append(row)
    return found


def claim_steps(
    now: datetime, lease_until: datetime, worker: str, limit: int, but_of: Sequence[str] = ()
) -> list[StepRow]:
    """Claim queued steps that are due, but for those of some components."""
    due = StepRow.select().where(StepRow.run_at <= now)
    query = (due.where(StepRow.component.not_in(list(but_of))) if but_of else due).order_by(StepRow.run_at).limit(limit)
    claimed = []
    for row in database.skip_locked(query):
        row.fence += 1
        row.lease_until, row.worker, row.run_at, row.state = lease_until, worker, None, StepState.RUNNING
        StepRow.update(
            fence=row.fence, lease_until=lease_until, worker=worker, run_at=None, state=StepState.RUNNING
        ).where(StepRow.id == row.id).execute()
        claimed.append(row)
    return claimed


def start_step(row: StepRow, now: datetime, lease_until: datetime, dry: bool = False) -> bool:
    """Written just before the effect, which holds the step from now on; False where somebody took it over.

    `dry`: it only tells what it would do, although it was planned to be done.
    """
    is_dry = row.dry or dry
    if not _update_held(row, {"started_at": now, "lease_until": lease_until, "dry": is_dry}):
        return False
    row.started_at, row.dry = now, is_dry
    return True


def note_process(row: StepRow, group: int, started: float) -> bool:
    """Which process group the step's command is, so that it can be found after a kill."""
    return _update_held(row, {"process_group": group, "process_started": started})


def keep_step(row: StepRow, lease_until: datetime) -> bool:
    """Hold a claimed step longer; False where somebody took it over, or it is left to whom it asked."""
    return _update_held(row, {"lease_until": lease_until}, StepRow.lease_until.is_null(False))


def hand_over(row: StepRow) -> bool:
    """A claimed step is left to whom it asked: it is held until their answer. False where somebody took it over."""
    return _update_held(row, {"lease_until": None})


def find_step(step_id: int) -> StepRow:
    """The step of that id."""
    return StepRow.get_by_id(step_id)


def note_late(row: StepRow, words: str, now: datetime) -> None:
    """What was told of a step that had ended already: it changes nothing any more."""
    _tell(row, StepState(row.state), f"too late: {words}", now)


def finish_step(
    row: StepRow,
    state: StepState,
    now: datetime,
    result: str | None = None,
    error: str | None = None,
    memory: dict[str, Any] | None = None,
) -> bool:
    """Record what a claimed step did; False where somebody took it over: then the result is dropped."""
    told = {"result": result, "error": error, "memory": memory}
    values = {"state": state, "finished_at": now, "lease_until": None, **told}
    if not _update_held(row, values):
        return False
    _tell(row, state, error or result or "", now)
    return True


def finish_canary(row: StepRow, state: StepState, why: str, now: datetime) -> None:
    """Record what became of the execution that a canary step stands for."""
    told = {"error": why} if state is StepState.FAILED else {"result": why}
    StepRow.update(state=state, finished_at=now, **told).where(StepRow.id == row.id).execute()
    _tell(row, state, why, now)
    row.state, row.finished_at = state, now
    row.result, row.error = told.get("result"), told.get("error")


def release_step(row: StepRow, why: str, now: datetime, who: str) -> None:
    """A step that waited for a person's yes may be run."""
    StepRow.update(run_at=now, because=why).where(StepRow.id == row.id, StepRow.state == StepState.QUEUED).execute()
    _tell(row, StepState.QUEUED, why, now, who)


def skip_step(row: StepRow, why: str, now: datetime, who: str = "medic") -> None:
    """Give up a step that has not begun, or that a person takes away."""
    StepRow.update(
        state=StepState.SKIPPED, finished_at=now, result=why, run_at=None, lease_until=None, fence=StepRow.fence + 1
    ).where(StepRow.id == row.id).execute()
    _tell(row, StepState.SKIPPED, why, now, who)


def last_memory(component: str, name: str, args: dict[str, Any] | None = None) -> dict[str, Any]:
    """What an action (of these arguments) remembered when it last ended on a component; {} without."""
    mine = (StepRow.component == component) & (StepRow.name == name) & StepRow.memory.is_null(False)
    ended = StepRow.select().where(mine, StepRow.finished_at.is_null(False))
    newest = ended.order_by(StepRow.finished_at.desc(), StepRow.id.desc()).limit(MOST_MEMORIES)
    return next((dict(row.memory) for row in newest if args in (None, row.args)), {})


def is_put_off(incident_id: int, name: str, since: datetime) -> bool:
    """Whether the last question to a person about an incident, asked since then, made room for a new recovery.

    `name`: of the steps that stand for an execution, or ask about some.
    """
    is_question = (StepRow.name == name) & StepRow.chain_id.is_null() & (StepRow.state != StepState.QUEUED)
    asked = StepRow.select().where(StepRow.incident_id == incident_id, StepRow.queued_at >= since, is_question)
    last = asked.order_by(StepRow.id.desc()).first()
    if last is None or last.state != StepState.SKIPPED:
        return False
    return RecoveryRow.get_by_id(last.recovery_id).state == RecoveryState.CANCELLED


def give_up_steps(recovery_id: int, why: str, now: datetime, who: str = "medic") -> None:
    """Give up what has not begun, and what stands for an execution; a command that runs is let run to its end.

    So is what an agent has taken.
    """
    stands_for_other = StepRow.chain_id.is_null(False) | StepRow.id.in_(requests.withdraw_untaken(recovery_id))
    waits = (StepRow.state == StepState.QUEUED) | ((StepRow.state == StepState.RUNNING) & stands_for_other)
    for row in list(StepRow.select().where(StepRow.recovery_id == recovery_id, waits)):
        skip_step(row, why, now, who)


def skip_resting_canaries(incident_id: int, why: str, now: datetime, who: str = "medic") -> None:
    """Give up the steps that stand for executions which were held back before they began: they used no attempt."""
    resting = ExecutionRow.select(ExecutionRow.id).where(
        ExecutionRow.incident_id == incident_id, ExecutionRow.state == ExecutionState.WAITING, RESTS
    )
    running = (StepRow.incident_id == incident_id) & (StepRow.state == StepState.RUNNING)
    for row in list(StepRow.select().where(running, StepRow.chain_id.in_(resting))):
        skip_step(row, why, now, who)


def find_lost_steps(now: datetime, limit: int = 100) -> list[StepRow]:
    """Claimed steps whose worker did not come back in time."""
    return list(database.skip_locked(StepRow.select().where(StepRow.lease_until <= now).limit(limit)))


def requeue_step(row: StepRow, why: str, now: datetime, at: datetime | None = None) -> None:
    """A step that may run again, from `at` on: its worker was lost, or it came to nothing."""
    values = {
        "state": StepState.QUEUED,
        "run_at": at or now,
        "lease_until": None,
        "started_at": None,
        "process_group": None,
    }
    if _take_over(row, values):
        _tell(row, StepState.QUEUED, why, now)


def put_off_step(row: StepRow, why: str, now: datetime, at: datetime) -> None:
    """A claimed step that may not begin yet is due again then; history tells of it once for each reason."""
    values = {"state": StepState.QUEUED, "run_at": at, "lease_until": None}
    if _take_over(row, values) and _last_word(row) != why:
        _tell(row, StepState.QUEUED, why, now)


def _last_word(row: StepRow) -> str:
    mine = _history_of(row).order_by(EventRow.id.desc()).first()
    return mine.because if mine else ""


def _history_of(row: StepRow) -> Any:
    subject = (EventRow.subject == "step") & (EventRow.subject_id == _called(row))
    return EventRow.select().where(EventRow.incident_id == row.incident_id, subject)


def count_lost(row: StepRow) -> int:
    """How often a step's worker was lost while it ran."""
    return _history_of(row).where(EventRow.because == LOST_AND_REPEATED).count()


def lose_step(row: StepRow, why: str, now: datetime) -> None:
    """A lost step of which nobody knows whether it happened, and that must not run again."""
    values = {"state": StepState.UNKNOWN, "finished_at": now, "error": why, "lease_until": None}
    if _take_over(row, values):
        _tell(row, StepState.UNKNOWN, why, now)


def _take_over(row: StepRow, values: dict[str, Any]) -> bool:
    """False where its holder came back, or another worker was faster: the step is left to them.

    A holder that was only slow may have begun it since it was read: then it is not lost.
    """
    held = (StepRow.id == row.id) & (StepRow.fence == row.fence) & (StepRow.state == StepState.RUNNING)
    begun = StepRow.started_at.is_null() if row.started_at is None else StepRow.started_at == row.started_at
    condition = held & begun
    return StepRow.update(fence=StepRow.fence + 1, **values).where(condition).execute() == 1


def _update_held(row: StepRow, values: dict[str, Any], *also: Any) -> bool:
    condition = (StepRow.id == row.id) & (StepRow.fence == row.fence) & (StepRow.state == StepState.RUNNING)
    return StepRow.update(**values).where(condition, *also).execute() == 1


def _tell(row: StepRow, state: StepState, because: str, now: datetime, who: str = "medic") -> None:
    add_event(now, "step", _called(row), state, because, row.incident_id, row.state, who)
