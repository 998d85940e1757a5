"""What a report for people reads of incidents, over a half-open range [since, until). Read only."""

from datetime import datetime
from typing import Any

import peewee as pw

from recovery.model import IncidentState, Severity
from recovery.store.bundles import WORST_FIRST
from recovery.store.tables import IncidentRow, ThreadRow

NOT_CALLED = IncidentRow.asked == 0


def _opened(since: datetime, until: datetime) -> Any:
    return (IncidentRow.opened_at >= since) & (IncidentRow.opened_at < until)


def count_by_type(since: datetime, until: datetime) -> list[dict[str, Any]]:
    """How many failed, and how many of them were healed without a person, by failure type; most first."""
    number, alone = pw.fn.COUNT(IncidentRow.id), (IncidentRow.state == IncidentState.RESOLVED) & NOT_CALLED
    healed = pw.fn.SUM(pw.Case(None, [(alone, 1)], 0))
    query = IncidentRow.select(IncidentRow.failure_type, number, healed).where(_opened(since, until))
    query = query.group_by(IncidentRow.failure_type).order_by(number.desc(), IncidentRow.failure_type)
    return [
        {"failure_type": name, "count": int(count), "healed": int(well or 0)} for name, count, well in query.tuples()
    ]


def count_called(since: datetime, until: datetime) -> int:
    """For how many a person was called."""
    return IncidentRow.select().where(_opened(since, until), IncidentRow.asked > 0).count()


def find_needing(limit: int) -> list[dict[str, Any]]:
    """What needs a person now, whenever it opened: the worst first, and of these the oldest."""
    query = IncidentRow.select().where(IncidentRow.state == IncidentState.NEEDS_HUMAN)
    rows = query.order_by(pw.Case(None, WORST_FIRST, 9), IncidentRow.id).limit(limit)
    return [
        {
            "component": row.component,
            "severity": row.severity,
            "state": row.state,
            "at": row.episode_at.isoformat(),
            "message": row.cause,
            "acknowledged_by": row.acknowledged_by or "",
            "incident_id": row.id,
        }
        for row in rows
    ]


def count_advice(since: datetime, until: datetime, limit: int) -> list[tuple[str, str, int]]:
    """Component, advice, and how many incidents had it; most first."""
    number = pw.fn.COUNT(IncidentRow.id)
    query = IncidentRow.select(IncidentRow.component, IncidentRow.advice, number)
    query = query.where(_opened(since, until), IncidentRow.advice != "")
    query = query.group_by(IncidentRow.component, IncidentRow.advice)
    found = query.order_by(number.desc(), IncidentRow.component).limit(limit).tuples()
    return [(component, advice, int(count)) for component, advice, count in found]


def find_quiet(since: datetime, until: datetime, limit: int) -> list[dict[str, Any]]:
    """What nobody had a message of its own about: of low severity, or healed before anybody was told."""
    told = ThreadRow.select(pw.SQL("1")).where(
        ThreadRow.incident_id == IncidentRow.id, ThreadRow.told_at.is_null(False)
    )
    query = IncidentRow.select().where(
        _opened(since, until),
        NOT_CALLED,
        (IncidentRow.severity == Severity.LOW) | ((IncidentRow.state == IncidentState.RESOLVED) & ~pw.fn.EXISTS(told)),
    )
    return [
        {
            "component": row.component,
            "severity": row.severity,
            "what": "healed_quietly" if row.state == IncidentState.RESOLVED else "opened",
            "at": (row.resolved_at or row.opened_at).isoformat(),
            "message": row.cause,
            "incident_id": row.id,
        }
        for row in query.order_by(IncidentRow.id).limit(limit)
    ]
