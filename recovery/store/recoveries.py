"""Recoveries: one active per incident."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import peewee as pw

from recovery.model import RecoveryState, StepKind
from recovery.store import bulk, database, steps
from recovery.store.events import add_event
from recovery.store.tables import RecoveryRow, StepRow

ENDED = (RecoveryState.SUCCEEDED, RecoveryState.FAILED, RecoveryState.CANCELLED)


def add_recovery(
    incident_id: int, playbook: dict[str, Any], because: str, first_at: datetime, now: datetime
) -> RecoveryRow:
    """A new recovery with its own copy of the playbook; its first attempt begins at `first_at`."""
    row = bulk.create(
        RecoveryRow,
        incident_id=incident_id,
        active_key=incident_id,
        state=RecoveryState.RUNNING if first_at <= now else RecoveryState.WAITING,
        playbook=playbook,
        next_at=first_at,
        wake_at=first_at,
        because=because,
        started_at=now,
    )
    add_event(now, "recovery", row.id, row.state, because, incident_id)
    return row


def find_recovery(recovery_id: int) -> RecoveryRow:
    """The recovery of that id."""
    return RecoveryRow.get_by_id(recovery_id)


def find_active(incident_id: int) -> RecoveryRow | None:
    """The recovery of an incident that has not ended."""
    return bulk.find_row(RecoveryRow, "active_key = ?", incident_id)


def find_all_active(incident_ids: Iterable[int]) -> dict[int, RecoveryRow]:
    """The same of many incidents, {incident id: recovery}."""
    wanted = list(incident_ids)
    rows = bulk.find_rows(RecoveryRow, "active_key IN ?", wanted) if wanted else []
    return {row.incident_id: row for row in rows}


def find_due_recoveries(now: datetime, limit: int = 200) -> list[RecoveryRow]:
    """Recoveries that the planner is to look at now."""
    query = RecoveryRow.select().where(RecoveryRow.wake_at <= now).order_by(RecoveryRow.wake_at).limit(limit)
    return list(database.skip_locked(query))


def set_recovery(row: RecoveryRow, because: str, now: datetime, who: str = "medic", **changes: Any) -> None:
    """Change a recovery; a change of its state, stage or attempt is written into history."""
    before = _standing(row)
    changes = {"because": because, **changes}
    bulk.set_row(RecoveryRow, row.id, changes)
    for name, value in changes.items():
        setattr(row, name, value)
    if _standing(row) != before:
        add_event(now, "recovery", row.id, _standing(row), because, row.incident_id, before, who)


def _standing(row: RecoveryRow) -> str:
    return f"{row.state}, stage {row.stage}, attempt {row.attempt}"


def end_recovery(row: RecoveryRow, state: RecoveryState, because: str, now: datetime, who: str = "medic") -> None:
    """It is over, one way or another."""
    ended = {"active_key": None, "wake_at": None, "next_at": None, "ended_at": now, "replaying": False}
    set_recovery(row, because, now, who, state=state, **ended)
    steps.give_up_steps(row.id, f"its recovery ended: {because}", now, who)


def wake_recoveries(incident_ids: list[int], now: datetime) -> None:
    """Have the planner look at the active recoveries of incidents; one that waits for its time keeps it."""
    if incident_ids:
        later = RecoveryRow.wake_at.is_null() | (RecoveryRow.wake_at > now)
        RecoveryRow.update(wake_at=now).where(RecoveryRow.active_key.in_(incident_ids), later).execute()


def wake_held(now: datetime) -> None:
    """What is held, or under way, is looked at: what held it may have begun or ended."""
    under_way = RecoveryRow.state.in_((RecoveryState.HELD, RecoveryState.RUNNING, RecoveryState.WAITING))
    RecoveryRow.update(wake_at=now).where(RecoveryRow.active_key.is_null(False), under_way).execute()


def set_aside(recovery_id: int, until: datetime) -> None:
    """Leave it alone until then, so that it holds up no other; one that has ended rests for good."""
    is_this = RecoveryRow.id == recovery_id
    RecoveryRow.update(wake_at=until).where(is_this, RecoveryRow.active_key.is_null(False)).execute()
    RecoveryRow.update(wake_at=None).where(is_this, RecoveryRow.active_key.is_null()).execute()


def hurry_recoveries(incident_ids: list[int], because: str, now: datetime) -> None:
    """Their component has just become healthy: an attempt that waits for its time begins now."""
    where = "active_key IN ? AND state = ?"
    for row in bulk.find_rows(RecoveryRow, where, incident_ids, RecoveryState.WAITING) if incident_ids else ():
        set_recovery(row, because, now, state=RecoveryState.RUNNING, next_at=now, wake_at=now)


def note_setback(incident_id: int, because: str, now: datetime) -> None:
    """An execution failed again: a replay under way must stop."""
    RecoveryRow.update(setback=because, wake_at=now).where(RecoveryRow.active_key == incident_id).execute()


def count_begun(incident_id: int, since: datetime) -> int:
    """How many recoveries of the incident began since then."""
    return RecoveryRow.select().where(RecoveryRow.incident_id == incident_id, RecoveryRow.started_at >= since).count()


def find_newest(incident_id: int) -> RecoveryRow | None:
    """The incident's newest recovery, whether it has ended or not; None without any."""
    found = bulk.find_rows(RecoveryRow, "incident_id = ?", incident_id, more="ORDER BY id DESC LIMIT 1")
    return found[0] if found else None


def count_attempts(incident_id: int) -> int:
    """How many attempts the incident's recoveries have made, over all of them."""
    made = pw.fn.COALESCE(pw.fn.SUM(RecoveryRow.attempts_made), 0)
    return int(RecoveryRow.select(made).where(RecoveryRow.incident_id == incident_id).scalar())


def find_tried(incident_id: int) -> list[tuple[str, int]]:
    """Which actions were really run for the incident, and how often; in the order in which they were first tried."""
    row = StepRow
    query = row.select(row.name, pw.fn.COUNT(row.id)).where(
        row.incident_id == incident_id, row.kind == StepKind.ACTION, row.started_at.is_null(False), ~row.dry
    )
    return [(name, int(times)) for name, times in query.group_by(row.name).order_by(pw.fn.MIN(row.id)).tuples()]
