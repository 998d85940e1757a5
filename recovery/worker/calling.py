"""Tells people: one row in the outbox per channel that policy picks."""

from datetime import datetime
from typing import Any

from recovery.decide import alerting
from recovery.decide.incidents import is_about_n8n
from recovery.model import AlertKind, IncidentState, Severity
from recovery.store import alerts, events, executions, incidents, recoveries
from recovery.store.tables import AlertRow, IncidentRow
from recovery.worker.context import Context


def tell(ctx: Context, incident: IncidentRow, kind: AlertKind, because: str, now: datetime, link: str = "") -> None:
    """Owe people a message about an incident, once per episode and kind (and per call for needs_human).

    `link`: where they can act; by default where they see the incident.
    """
    call = f".{incident.asked + 1}" if kind is AlertKind.NEEDS_HUMAN else ""
    if kind is AlertKind.RECOVERED and incident.asked:
        call = f".{incident.asked}"  # who was called again in the same episode hears of its end again
    about_n8n = is_about_n8n(incident.component, incident.site)
    route = alerting.route(Severity(incident.severity), about_n8n, ctx.channels)
    facts = _facts(ctx, incident, kind, because) if route.channels else {}
    facts |= {"link": link} if link and facts else {}
    for name in route.channels:
        key = f"{incident.id}.{incident.episode}.{kind}{call}.{name}"
        alerts.add_alert(key, incident.id, kind, name, incident.severity, {**facts, "key": key}, now)
    outcome = ", ".join(route.channels) or "nobody told: only the pages tell"
    events.add_event(now, "alert", incident.id, f"{kind}: {outcome}", route.because, incident.id)
    if kind is AlertKind.NEEDS_HUMAN:
        incidents.set_incident(incident.id, asked=incident.asked + 1, told_at=now)
        incident.asked, incident.told_at = incident.asked + 1, now


def tell_anew(ctx: Context, alert: AlertRow, now: datetime) -> str:
    """Owe a message, whose channel is configured no more, over those that are; their names."""
    about_n8n = is_about_n8n(alert.facts.get("component", ""), alert.facts.get("site", ""))
    route = alerting.route(Severity(alert.severity), about_n8n, ctx.channels)
    for name in route.channels:
        key = f"{alert.key.removesuffix(alert.channel)}{name}"
        alerts.add_alert(key, alert.incident_id, alert.kind, name, alert.severity, {**alert.facts, "key": key}, now)
    return ", ".join(route.channels)


def call_person(
    ctx: Context, incident: IncidentRow, because: str, now: datetime, quiet: bool = False, link: str = ""
) -> None:
    """The incident needs a person; `quiet`: one was called already, and nothing new is known."""
    incidents.move_incident(incident, IncidentState.NEEDS_HUMAN, because, now)
    if not quiet:
        tell(ctx, incident, AlertKind.NEEDS_HUMAN, because, now, link)


def _facts(ctx: Context, incident: IncidentRow, kind: AlertKind, because: str) -> dict[str, Any]:
    """Frozen now: the message tells how things stood when it became due."""
    counted = executions.count_chains(incident.id)
    return {
        "kind": str(kind),
        "incident_id": incident.id,
        "component": incident.component,
        "failure_type": incident.failure_type,
        "severity": incident.severity,
        "site": incident.site,
        "opened_at": incident.episode_at.isoformat(),
        "resolved_at": incident.resolved_at.isoformat() if incident.resolved_at else None,
        "message": incident.cause,
        "attempts": recoveries.count_attempts(incident.id),
        "executions": sum(count for state, count in counted.items() if state != "asking"),
        "asks": counted["asking"],
        "because": because,
        "dry_run": ctx.dry_run,
        "advice": incident.advice,
        "link": ctx.link(incident.id),
        "language": ctx.language,
    }
