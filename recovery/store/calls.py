"""How far the call for a person has come, for each incident that needed one; and snoozes."""

from datetime import datetime
from typing import Any

from recovery.store import bulk, database
from recovery.store.tables import CallRow, IncidentRow


def begin_call(incident_id: int, now: datetime, because: str, link: str, **more: Any) -> CallRow:
    """A person is called (anew): the escalation begins. A snooze goes on."""
    values = {"called_at": now, "told_at": now, "steps": 0, "reminders": 0, "because": because, "link": link, **more}
    known = find_call(incident_id)
    if known is None:
        return bulk.create(CallRow, incident_id=incident_id, **values)
    set_call(known, **values)
    return known


def find_call(incident_id: int) -> CallRow | None:
    """The call for an incident."""
    return bulk.find_row(CallRow, "incident_id = ?", incident_id)


def set_call(row: CallRow, **changes: Any) -> None:
    """Note how far it has come."""
    bulk.set_row(CallRow, row.id, changes)
    for name, value in changes.items():
        setattr(row, name, value)


def find_due(now: datetime, limit: int = 200) -> list[CallRow]:
    """Calls for which somebody is told again now."""
    query = CallRow.select().where(CallRow.due_at <= now).order_by(CallRow.due_at).limit(limit)
    return list(database.skip_locked(query))


def rest(incident_id: int) -> None:
    """Somebody has answered: nobody is told again."""
    CallRow.update(due_at=None, snoozed_until=None).where(CallRow.incident_id == incident_id).execute()


def snooze(incident_id: int, until: datetime, now: datetime) -> None:
    """Nobody is told of it before then; somebody is told again then, if it still needs a person."""
    values = {"snoozed_until": until, "due_at": until}
    known = find_call(incident_id)
    if known is None:
        bulk.create(CallRow, incident_id=incident_id, called_at=now, told_at=now, **values)
    else:
        set_call(known, **values)


def hasten_from(until: datetime, now: datetime) -> None:
    """A silence that was to end then has ended now: those whom it kept from being told are looked at."""
    open_ones = IncidentRow.select(IncidentRow.id).where(IncidentRow.open_key.is_null(False))
    CallRow.update(due_at=now).where(CallRow.due_at == until, CallRow.incident_id.in_(open_ones)).execute()
