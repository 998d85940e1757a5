"""What pages and the API read of incidents and what belongs to them. Read only."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import peewee as pw

from recovery.model import ExecutionState, IncidentState, RecoveryState, Severity
from recovery.store import database
from recovery.store.tables import (
    AlertRow,
    ComponentRow,
    EventRow,
    ExecutionRow,
    IncidentRow,
    MaintenanceRow,
    OrderRow,
    RecoveryRow,
    ReplayRow,
    SignalRow,
    SilenceRow,
    StepRow,
    Table,
)

LARGEST_ID = 2**63 - 1
UNDER_WAY = (ExecutionState.RETRYING, ExecutionState.WAITING)


class Unreachable(Exception):
    """The database does not answer."""


@contextmanager
def reachable() -> Iterator[None]:
    """Turns the engine's own "I am not there" into Unreachable, and drops the broken connection.

    Raises:
        Unreachable: the database does not answer.
    """
    try:
        yield
    except (pw.OperationalError, pw.InterfaceError) as trouble:
        drop_connection()
        raise Unreachable(str(trouble)) from trouble


def drop_connection() -> None:
    """Close this thread's connection, so that the next use opens a fresh one."""
    try:
        database.close_database()
    except (pw.DatabaseError, pw.InterfaceError):
        pass


def is_unreachable(trouble: BaseException) -> bool:
    """Whether an error means that the database does not answer."""
    return isinstance(trouble, Unreachable | pw.OperationalError | pw.InterfaceError)


def tuples_of(query: Any) -> list[tuple[Any, ...]]:
    """The rows of a select as plain tuples."""
    return list(query.tuples())


@dataclass(frozen=True, slots=True)
class Page:
    """One page of rows, newest first; `next_id` is where the next page begins, None at the end."""

    rows: list[Any]
    next_id: int | None


WORDS: dict[str, tuple[type[Table], str]] = {
    "incidents": (IncidentRow, "opened_at"),
    "executions": (ExecutionRow, "failed_at"),
    "alerts": (AlertRow, "created_at"),
    "events": (EventRow, "at"),
    "components": (ComponentRow, "seen_at"),
    "maintenance": (MaintenanceRow, "starts_at"),
    "replays": (ReplayRow, "asked_at"),
    "silences": (SilenceRow, "starts_at"),
}


def page_of(word: str, limit: int, below_id: int | None = None, since: datetime | None = None, **equal: Any) -> Page:
    """One page of incidents, executions, alerts, events, components, maintenance or replays.

    Fields:
        below_id: where the page begins: only rows with smaller ids.
        since: opened, failed, made, written, last seen or asked for then or later.
        equal: column names and the values they must have; None means any.
    """
    table, time_column = WORDS[word]
    wanted = [getattr(table, name) == value for name, value in equal.items() if value is not None]
    if below_id is not None:
        wanted.append(table.id < below_id)
    if since is not None:
        wanted.append(getattr(table, time_column) >= since)
    query: Any = table.select().where(*wanted) if wanted else table.select()
    rows = list(query.order_by(table.id.desc()).limit(limit + 1))
    return Page(rows[:limit], rows[limit - 1].id if len(rows) > limit else None)


def find_incident(incident_id: int) -> IncidentRow | None:
    """One incident, or None."""
    return IncidentRow.get_or_none(IncidentRow.id == incident_id)


def find_recoveries(incident_ids: list[int]) -> dict[int, RecoveryRow]:
    """The newest recovery of each of these incidents, by incident."""
    mine = RecoveryRow.select().where(RecoveryRow.incident_id.in_(incident_ids)).order_by(RecoveryRow.id)
    return {row.incident_id: row for row in mine}


def find_steps(incident_id: int, limit: int) -> list[StepRow]:
    """The newest steps of an incident, over all its recoveries, oldest first."""
    newest = StepRow.select().where(StepRow.incident_id == incident_id).order_by(StepRow.id.desc()).limit(limit)
    return list(newest)[::-1]


def find_events(incident_id: int, limit: int) -> list[EventRow]:
    """The newest lines of an incident's history, newest first."""
    mine = EventRow.select().where(EventRow.incident_id == incident_id)
    return list(mine.order_by(EventRow.id.desc()).limit(limit))


def find_executions(incident_id: int, limit: int) -> list[ExecutionRow]:
    """Broken chains of an incident: those that ask a person first, then oldest failure first."""
    mine = ExecutionRow.select().where(ExecutionRow.incident_id == incident_id)
    return list(mine.order_by(ExecutionRow.asks.desc(), ExecutionRow.failed_at, ExecutionRow.id).limit(limit))


def count_executions(incident_ids: list[int]) -> dict[int, dict[str, int]]:
    """How many chains of each of these incidents are in which state: incident -> state -> number."""
    counted = (
        ExecutionRow.select(ExecutionRow.incident_id, ExecutionRow.state, pw.fn.COUNT(ExecutionRow.id))
        .where(ExecutionRow.incident_id.in_(incident_ids))
        .group_by(ExecutionRow.incident_id, ExecutionRow.state)
    )
    found: dict[int, dict[str, int]] = {}
    for incident_id, state, number in tuples_of(counted):
        found.setdefault(incident_id, {})[state] = number
    return found


def find_alerts(incident_id: int, limit: int) -> list[AlertRow]:
    """The newest alerts of an incident, newest first."""
    mine = AlertRow.select().where(AlertRow.incident_id == incident_id)
    return list(mine.order_by(AlertRow.id.desc()).limit(limit))


def find_orders(limit: int, incident_id: int | None = None) -> list[OrderRow]:
    """The newest orders, of one incident or of all, newest first."""
    query = OrderRow.select() if incident_id is None else OrderRow.select().where(OrderRow.incident_id == incident_id)
    return list(query.order_by(OrderRow.id.desc()).limit(limit))


def count_signals(incident_id: int) -> int:
    """How many signals of an incident are still kept."""
    return SignalRow.select().where(SignalRow.incident_id == incident_id).count()


def find_unresolved(limit: int) -> list[IncidentRow]:
    """Unresolved incidents: those that need a person first, then the worst, then the newest."""
    first = pw.Case(None, [(IncidentRow.state == IncidentState.NEEDS_HUMAN, 0)], 1)
    worst = pw.Case(IncidentRow.severity, [(severity, rank) for rank, severity in enumerate(Severity)], len(Severity))
    states = (IncidentState.OPEN, IncidentState.RECOVERING, IncidentState.NEEDS_HUMAN)
    found = IncidentRow.select().where(IncidentRow.state.in_(states))
    return list(found.order_by(first, worst, IncidentRow.id.desc()).limit(limit))


def find_resolved(limit: int) -> list[IncidentRow]:
    """The incidents that were resolved last."""
    over = IncidentRow.select().where(IncidentRow.state == IncidentState.RESOLVED)
    return list(over.order_by(IncidentRow.resolved_at.desc()).limit(limit))


def find_asking(limit: int) -> list[ExecutionRow]:
    """Runs that a person must decide about now, oldest failure first."""
    waits = RecoveryRow.state == RecoveryState.AWAITING_APPROVAL
    asked = RecoveryRow.select(RecoveryRow.active_key).where(RecoveryRow.active_key.is_null(False), waits)
    asking = ExecutionRow.select().where(ExecutionRow.asks, ExecutionRow.incident_id.in_(asked))
    return list(asking.order_by(ExecutionRow.failed_at).limit(limit))


def find_waiting(limit: int) -> list[ExecutionRow]:
    """Broken chains that wait or are being retried, oldest failure first."""
    states = [ExecutionState.WAITING, ExecutionState.RETRYING]
    return list(
        ExecutionRow.select().where(ExecutionRow.state.in_(states)).order_by(ExecutionRow.failed_at).limit(limit)
    )
