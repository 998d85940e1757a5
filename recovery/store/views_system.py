"""What pages, health and metrics read of the whole system. Read only."""

from datetime import datetime
from typing import Any

import peewee as pw

from recovery.model import AlertState, Health
from recovery.store.tables import (
    AlertRow,
    ComponentRow,
    ExecutionRow,
    IncidentRow,
    RecoveryRow,
    SignalRow,
    SiteRow,
    WorkerRow,
)
from recovery.store.views import tuples_of

FRESH_SECONDS = 30.0


def _count_by_state(table: Any, *conditions: Any) -> dict[str, int]:
    query = table.select(table.state, pw.fn.COUNT(table.id)).group_by(table.state)
    counted = tuples_of(query.where(*conditions) if conditions else query)
    return {state: int(number) for state, number in counted}


def count_incidents() -> dict[str, int]:
    """Incidents by state."""
    return _count_by_state(IncidentRow)


def count_executions() -> dict[str, int]:
    """Chains of broken executions by state."""
    return _count_by_state(ExecutionRow)


def count_asking() -> int:
    """Runs that a person must decide about."""
    return ExecutionRow.select().where(ExecutionRow.asks).count()


def count_recoveries() -> dict[str, int]:
    """Recoveries by state."""
    return _count_by_state(RecoveryRow)


def count_alerts(since: datetime | None = None) -> dict[str, int]:
    """Alerts by state, those made at or after `since`."""
    return _count_by_state(AlertRow, *([] if since is None else [AlertRow.created_at >= since]))


def count_untriaged() -> int:
    """Signals that the worker has not read yet."""
    return SignalRow.select().where(SignalRow.triaged_at.is_null()).count()


def find_workers() -> list[WorkerRow]:
    """Worker processes, the freshest heartbeat first."""
    return list(WorkerRow.select().where(WorkerRow.part == "worker").order_by(WorkerRow.beat_at.desc()))


def find_freshest_worker() -> WorkerRow | None:
    """The worker whose heartbeat is the freshest, or None where none ever reported."""
    return WorkerRow.select().where(WorkerRow.part == "worker").order_by(WorkerRow.beat_at.desc()).first()


def worker_trouble(now: datetime) -> str:
    """What is wrong with the worker, in words; "" where its heartbeat is fresh."""
    worker = find_freshest_worker()
    if worker is None:
        return "no worker has ever reported; start one with `medic serve` or `medic worker`"
    age = (now - worker.beat_at).total_seconds()
    return "" if age < FRESH_SECONDS else f"the last heartbeat came {age:.0f} seconds ago"


def find_sites() -> dict[str, SiteRow]:
    """What is known of each n8n, by name."""
    return {row.name: row for row in SiteRow.select().order_by(SiteRow.name)}


def find_components() -> list[ComponentRow]:
    """Components, those that do not work first, then by name."""
    first = pw.Case(ComponentRow.health, [(Health.HEALTHY, 2), (Health.UNKNOWN, 1)], 0)
    return list(ComponentRow.select().order_by(first, ComponentRow.name))


def find_unsent_alerts(limit: int) -> list[AlertRow]:
    """Alerts that could not be delivered: given up, or tried in vain and tried again; newest first."""
    stuck = (AlertRow.state == AlertState.FAILED) | ((AlertRow.state == AlertState.QUEUED) & (AlertRow.tries > 0))
    return list(AlertRow.select().where(stuck).order_by(AlertRow.id.desc()).limit(limit))
