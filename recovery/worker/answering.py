"""What people answer to a call: they know of it, they want to hear of it later, or somebody else must."""

from datetime import datetime

from recovery.model import IncidentState
from recovery.store import calls, incidents
from recovery.store.tables import IncidentRow
from recovery.worker import calling, reminding
from recovery.worker.context import Context


def acknowledge(incident: IncidentRow, who: str, now: datetime) -> str:
    """Somebody knows of it: nobody is reminded of it, and nobody else is called."""
    incidents.set_incident(incident.id, acknowledged_at=now, acknowledged_by=who)
    calls.rest(incident.id)
    reminding.fold_reminders(incident.id, f"{who} acknowledged it", now)
    return "acknowledged"


def snooze(incident: IncidentRow, who: str, until: datetime, now: datetime) -> str:
    """Nobody is told of it before then. If it still needs a person then, people are told again."""
    calls.snooze(incident.id, until, now)
    reminding.fold_reminders(incident.id, f"{who} snoozed it", now)
    return f"snoozed until {until:%Y-%m-%d %H:%M} (UTC): nobody is told of it before then"


def escalate(ctx: Context, incident: IncidentRow, who: str, now: datetime) -> str:
    """A person is called; where one was already, the next step of the escalation is taken."""
    because = f"{who} called for a person"
    if incident.state == IncidentState.NEEDS_HUMAN and incident.told_at:
        return reminding.escalate(ctx, incident, because, now)
    calling.call_person(ctx, incident, because, now)
    return "people are called"
