"""The numbers of a report, each by one query over a half-open range [since, until). Read only."""

from datetime import datetime
from typing import Any

import peewee as pw

from recovery.model import ExecutionState, IncidentState, RecoveryState, StepKind, StepState
from recovery.store.tables import AlertRow, ExecutionRow, IncidentRow, RecoveryRow, StepRow
from recovery.store.views import tuples_of

MICROS = 1_000_000
ENDED = (RecoveryState.SUCCEEDED, RecoveryState.FAILED, RecoveryState.CANCELLED)


def _within(field: Any, since: datetime, until: datetime) -> Any:
    return (field >= since) & (field < until)


def _tally(condition: Any) -> pw.Function:
    return pw.fn.COALESCE(pw.fn.SUM(pw.Case(None, [(condition, 1)], 0)), 0)


def count_failures(column: str, since: datetime, until: datetime) -> list[tuple[str, int, int]]:
    """Incidents opened in the range by a column, most first.

    Each is the column's value, the number of incidents, and the signals that they gathered.
    """
    field = getattr(IncidentRow, column)
    number = pw.fn.COUNT(IncidentRow.id)
    query = IncidentRow.select(field, number, pw.fn.SUM(IncidentRow.signal_count))
    query = query.where(_within(IncidentRow.opened_at, since, until)).group_by(field)
    found = tuples_of(query.order_by(number.desc(), field))
    return [(value, int(incidents), int(signals)) for value, incidents, signals in found]


def count_opened(since: datetime, until: datetime) -> int:
    """Incidents opened in the range."""
    return IncidentRow.select().where(_within(IncidentRow.opened_at, since, until)).count()


def count_unresolved() -> dict[str, int]:
    """Incidents that are not resolved now, by state."""
    query = IncidentRow.select(IncidentRow.state, pw.fn.COUNT(IncidentRow.id))
    unresolved = query.where(IncidentRow.state != IncidentState.RESOLVED)
    return {state: int(number) for state, number in tuples_of(unresolved.group_by(IncidentRow.state))}


def measure_times_to_recover(since: datetime, until: datetime) -> tuple[int, float | None, float | None]:
    """Of incidents resolved in the range: how many, and mean and median seconds from opening to resolving."""
    took = IncidentRow.resolved_at - IncidentRow.opened_at
    resolved = _within(IncidentRow.resolved_at, since, until)
    totals = IncidentRow.select(pw.fn.COUNT(IncidentRow.id), pw.fn.SUM(took)).where(resolved)
    number, total = tuples_of(totals)[0]
    if not number:
        return 0, None, None
    middle = IncidentRow.select(took.alias("took")).where(resolved).order_by(took)
    found = [float(row[0]) for row in tuples_of(middle.limit(2 - number % 2).offset((number - 1) // 2))]
    return int(number), float(total) / number / MICROS, sum(found) / len(found) / MICROS


def count_recoveries_by_stage(since: datetime, until: datetime) -> list[tuple[int, str, int]]:
    """Recoveries that ended in the range: the stage they ended in, the state they ended in, and how many."""
    row = RecoveryRow
    query = row.select(row.stage, row.state, pw.fn.COUNT(row.id))
    query = query.where(_within(row.ended_at, since, until), row.state.in_(ENDED))
    return [(stage, state, int(number)) for stage, state, number in tuples_of(query.group_by(row.stage, row.state))]


def count_actions(since: datetime, until: datetime) -> list[tuple[str, int, int, int]]:
    """Actions that finished in the range, most first: name, runs, how many succeeded, how many failed."""
    row, runs = StepRow, pw.fn.COUNT(StepRow.id)
    good, bad = _tally(row.state == StepState.SUCCEEDED), _tally(row.state == StepState.FAILED)
    query = row.select(row.name, runs, good, bad).where(
        row.kind == StepKind.ACTION, row.state != StepState.SKIPPED, _within(row.finished_at, since, until)
    )
    found = tuples_of(query.group_by(row.name).order_by(runs.desc(), row.name))
    return [(name, int(n), int(worked), int(failed)) for name, n, worked, failed in found]


def count_executions(since: datetime, until: datetime) -> dict[str, int]:
    """Chains of executions that failed in the range, and what became of them so far."""
    row = ExecutionRow
    names = ("broken", "replayed", "recovered", "left_alone", "need_decision", "still_waiting")
    query = row.select(
        pw.fn.COUNT(row.id),
        _tally(row.retries > 0),
        _tally(row.state == ExecutionState.RECOVERED),
        _tally(row.state == ExecutionState.LEFT_ALONE),
        _tally(row.asks),
        _tally(row.state.in_([ExecutionState.WAITING, ExecutionState.RETRYING])),
    )
    counted = tuples_of(query.where(_within(row.failed_at, since, until)))[0]
    return dict(zip(names, map(int, counted), strict=True))


def count_alerts(since: datetime, until: datetime) -> dict[str, int]:
    """Alerts made in the range, by state."""
    query = AlertRow.select(AlertRow.state, pw.fn.COUNT(AlertRow.id))
    within = query.where(_within(AlertRow.created_at, since, until))
    return {state: int(number) for state, number in tuples_of(within.group_by(AlertRow.state))}
