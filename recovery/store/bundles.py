"""What a channel is told together: storms, digests, and what its budget held back."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import peewee as pw

from recovery.model import AlertKind, IncidentState, Severity
from recovery.store import bulk
from recovery.store.tables import AlertRow, BundleRow, IncidentRow, LineRow

WORST_FIRST = [(IncidentRow.severity == severity, place) for place, severity in enumerate(Severity)]


def find_open(kind: AlertKind, channel: str) -> BundleRow | None:
    """The bundle of that kind that is still gathering on a channel."""
    return bulk.find_row(BundleRow, "open_key = ?", f"{kind}.{channel}")


def open_bundle(kind: AlertKind, channel: str, now: datetime) -> tuple[BundleRow, bool]:
    """The open bundle of that kind on a channel, and whether it was begun now."""
    known = find_open(kind, channel)
    if known:
        return known, False
    row = bulk.create(BundleRow, kind=str(kind), channel=channel, open_key=f"{kind}.{channel}", began_at=now)
    return row, True


def find_bundle(bundle_id: int | None) -> BundleRow | None:
    """The bundle of that id."""
    return bulk.find_row(BundleRow, "id = ?", bundle_id) if bundle_id is not None else None


def set_bundle(row: BundleRow, **changes: Any) -> None:
    """Note what was told of it; `open_key=None` ends it."""
    bulk.set_row(BundleRow, row.id, changes)
    for name, value in changes.items():
        setattr(row, name, value)


def remember(bundle_id: int, memory: Any) -> None:
    """Keep what the channel wants to be handed with the next message about it."""
    bulk.set_row(BundleRow, bundle_id, {"memory": memory})


def add_line(bundle: BundleRow, mark: str, about: Any, what: str, at: datetime, message: str) -> None:
    """One thing to tell of: the last word on each `mark` stands.

    Args:
        about: what has an incident's id, component and severity.
    """
    values = {"what": what, "at": at, "message": message, "severity": about.severity}
    fixed = {"bundle_id": bundle.id, "mark": mark, "incident_id": about.id, "component": about.component}
    known = find_line(bundle.id, mark)
    if known:
        bulk.set_row(LineRow, known.id, values)
    else:
        bulk.create(LineRow, **fixed, **values)


def find_line(bundle_id: int, mark: str) -> LineRow | None:
    """What a bundle tells of that."""
    return bulk.find_row(LineRow, "bundle_id = ? AND mark = ?", bundle_id, mark)


def find_lines(bundle_id: int, limit: int) -> list[LineRow]:
    """What a bundle tells, oldest first."""
    return bulk.find_rows(LineRow, "bundle_id = ?", bundle_id, more=f"ORDER BY at, id LIMIT {int(limit)}")


def count_lines(bundle_id: int) -> int:
    """How much it tells."""
    return LineRow.select().where(LineRow.bundle_id == bundle_id).count()


def count_states(bundle_id: int) -> dict[str, int]:
    """The incidents that it tells of, by their state now."""
    query = (
        IncidentRow.select(IncidentRow.state, pw.fn.COUNT(IncidentRow.id.distinct()))
        .join(LineRow, on=(LineRow.incident_id == IncidentRow.id))
        .where(LineRow.bundle_id == bundle_id)
        .group_by(IncidentRow.state)
    )
    return {state: int(number) for state, number in query.tuples()}


def is_answered(bundle_id: int, since: datetime) -> bool:
    """Whether somebody has acknowledged or snoozed one of its incidents since then."""
    sql = (
        "SELECT 1 FROM lines JOIN incidents ON incidents.id = lines.incident_id LEFT JOIN calls ON"
        " calls.incident_id = incidents.id WHERE bundle_id = ? AND (acknowledged_at >= ? OR snoozed_until > ?) LIMIT 1"
    )
    return bool(bulk.select(sql, bundle_id, since, since))


def is_all(bundle_id: int, what: str) -> bool:
    """Whether it tells nothing else."""
    return not LineRow.select().where(LineRow.bundle_id == bundle_id, LineRow.what != what).exists()


def find_states(bundle_id: int) -> dict[int, str]:
    """Each incident that it tells of, with its state now."""
    sql = "SELECT id, state FROM incidents WHERE id IN (SELECT incident_id FROM lines WHERE bundle_id = ?)"
    return dict(bulk.select(sql, bundle_id))


def find_failing(bundle_id: int, limit: int) -> list[IncidentRow]:
    """The incidents of a storm that are not resolved: those that need a person first, then the worst."""
    first = pw.Case(None, [(IncidentRow.state == IncidentState.NEEDS_HUMAN, 0)], 1)
    query = IncidentRow.select().join(LineRow, on=(LineRow.incident_id == IncidentRow.id))
    failing = query.where(LineRow.bundle_id == bundle_id, IncidentRow.open_key.is_null(False))
    return list(failing.order_by(first, pw.Case(None, WORST_FIRST, 9), IncidentRow.id).limit(limit))


def find_keys(bundle_id: int) -> list[str]:
    """The messages that are told of together."""
    return [mark for (mark,) in bulk.select("SELECT mark FROM lines WHERE bundle_id = ?", bundle_id)]


def fold_all(keys: Iterable[str], state: str, because: str) -> None:
    """They are told of by another message."""
    for part in bulk.in_parts(keys):
        AlertRow.update(state=state, because=because, held_until=None).where(AlertRow.key.in_(part)).execute()
