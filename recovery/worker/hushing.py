"""Whether nobody is told of an incident just now, because a person said so: a silence, or a snooze."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from recovery.model import FailureType, Match, Severity
from recovery.store import calls, silences
from recovery.store.tables import IncidentRow, SilenceRow
from recovery.worker.context import Context


class Hush(NamedTuple):
    """Why nobody is told, and until when."""

    because: str
    until: datetime


def why_hushed(ctx: Context, incident: IncidentRow, now: datetime) -> Hush | None:
    """Why nobody is told of an incident now; None where people are."""
    labels = ctx.policy.component(incident.component).labels
    for row in _open_silences(ctx, now):
        if match_of(row.matcher).fits(incident.component, incident.failure_type, incident.severity, labels):
            because = (
                f"silenced by {row.who} until {row.ends_at:%Y-%m-%d %H:%M} (UTC){f': {row.note}' if row.note else ''}"
            )
            return Hush(because, row.ends_at)
    call = calls.find_call(incident.id)
    if call and call.snoozed_until and call.snoozed_until > now:
        return Hush(f"snoozed until {call.snoozed_until:%Y-%m-%d %H:%M} (UTC)", call.snoozed_until)
    return None


def _open_silences(ctx: Context, now: datetime) -> Sequence[SilenceRow]:
    """Read once a stage: its many incidents are told of with the same `now`, in one transaction."""
    if ctx.silences is None or ctx.silences[0] != now:
        ctx.silences = (now, silences.find_open(now))
    return ctx.silences[1]


def match_of(matcher: dict[str, Any]) -> Match:
    """Which incidents a silence is for."""
    return Match(
        tuple(map(str, matcher.get("component") or ())),
        tuple(map(FailureType, matcher.get("failure_type") or ())),
        tuple(map(Severity, matcher.get("severity") or ())),
        {str(name): str(value) for name, value in (matcher.get("label") or {}).items()},
    )
