"""Tells people that an incident has become worse: its severity rose, or a second stage could not heal it."""

from datetime import datetime

from recovery.model import AlertKind, Cause, IncidentState, Severity
from recovery.store import events, incidents
from recovery.store.tables import IncidentRow
from recovery.worker import calling
from recovery.worker.context import Context

WORSENED = AlertKind.WORSENED
TELLING_STAGE = 2  # the first may be bad luck, and after the last one a person is called anyway
BY_SEVERITY = list(Severity)


def note_severity(ctx: Context, row: IncidentRow | None, cause: Cause, now: datetime) -> None:
    """A failure joined an incident: where it is worse than that was, so is the incident."""
    if row is not None:
        raise_severity(ctx, row, cause.severity, cause.because, now)


def raise_severity(ctx: Context, row: IncidentRow, severity: Severity, why: str, now: datetime) -> None:
    """An incident is at least as severe as this, unless it is resolved; one that was is left as it is."""
    if row.state == IncidentState.RESOLVED:
        return
    if BY_SEVERITY.index(severity) >= BY_SEVERITY.index(Severity(row.severity)):
        return
    because = f"its severity rose from {row.severity} to {severity}: {why}"
    incidents.set_incident(row.id, severity=severity)
    row.severity = severity
    events.add_event(now, "incident", row.id, row.state, because, row.id, row.state)
    if row.state != IncidentState.OPEN:  # of one that is open nobody was told yet
        calling.tell(ctx, row, WORSENED, because, now, mark=f".{severity}")


def note_stage(ctx: Context, row: IncidentRow, stage: int, because: str, now: datetime) -> None:
    """A stage of its recovery has ended in vain, and another one follows."""
    if stage == TELLING_STAGE and row.told_at is None:
        calling.tell(ctx, row, WORSENED, f"stage {stage} did not heal it: {because}", now, mark=f".stage{stage}")
