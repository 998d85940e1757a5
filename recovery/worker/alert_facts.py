"""What a message tells, as values: frozen when it becomes due, so that it tells how things stood then."""

from datetime import datetime, timedelta
from typing import Any

from recovery.decide.incidents import is_about_n8n
from recovery.decide.telling import Subject
from recovery.model import AlertKind, IncidentState, Severity
from recovery.model.links import Answer
from recovery.store import bundles, executions, recoveries
from recovery.store.tables import BundleRow, IncidentRow
from recovery.worker.context import Context

MOST_NAMED, MOST_SORTED = 50, 2_000
ANSWERABLE = timedelta(days=7)
WITH_ANSWER = frozenset({AlertKind.NEEDS_HUMAN, AlertKind.REMINDER})


def subject_of(ctx: Context, incident: IncidentRow) -> Subject:
    """What a route is chosen by."""
    return Subject(
        incident.component,
        incident.failure_type,
        Severity(incident.severity),
        ctx.policy.component(incident.component).labels,
        is_about_n8n(incident.component, incident.site),
    )


def facts_of(
    ctx: Context, incident: IncidentRow, kind: AlertKind, because: str, now: datetime, **more: Any
) -> dict[str, Any]:
    """What a message about one incident tells."""
    counted = executions.count_chains(incident.id)
    answer = Answer(incident.id, incident.episode, incident.asked, now + ANSWERABLE)
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
        **_tries(incident),
        "executions": sum(count for state, count in counted.items() if state != "asking"),
        "asks": counted["asking"],
        "because": because,
        "dry_run": ctx.dry_run,
        "advice": incident.advice,
        "acknowledged_by": incident.acknowledged_by or "",
        "escalation": 0,
        "updates": 0,
        "ack_link": ctx.answer_link(answer) if kind in WITH_ANSWER else "",
        "link": ctx.link(incident.id),
        "language": ctx.language,
        "timezone": ctx.alerting.timezone,
        **more,
    }


def _tries(incident: IncidentRow) -> dict[str, Any]:
    """How many attempts were made, and which actions were run in them."""
    attempts = recoveries.count_attempts(incident.id)
    tried = recoveries.find_tried(incident.id) if attempts else []
    return {"attempts": attempts, "tried": [{"name": name, "times": times} for name, times in tried]}


def storm_facts(ctx: Context, bundle: BundleRow, counted: dict[str, int]) -> dict[str, Any]:
    """What a message about a storm tells: all counted, the worst named."""
    named = bundles.find_failing(bundle.id, MOST_NAMED)
    return {
        "kind": str(AlertKind.STORM),
        "count": sum(counted.values()),
        "needs_human": counted.get(IncidentState.NEEDS_HUMAN, 0),
        "resolved": counted.get(IncidentState.RESOLVED, 0),
        "reminder": bundles.is_all(bundle.id, AlertKind.REMINDER),
        "failing": [
            {"component": row.component, "severity": row.severity, "state": row.state, "link": ctx.link(row.id)}
            for row in named
        ],
        "since": min([bundle.began_at, *(row.episode_at for row in named)]).isoformat(),
        **_common(ctx),
    }


def digest_facts(ctx: Context, bundle: BundleRow) -> dict[str, Any]:
    """What a digest tells: a line for each incident."""
    items = [
        {
            "component": row.component,
            "severity": row.severity,
            "what": row.what,
            "at": row.at.isoformat(),
            "message": row.message,
            "link": ctx.link(row.incident_id),
        }
        for row in bundles.find_lines(bundle.id, MOST_NAMED)
    ]
    return {"kind": str(AlertKind.DIGEST), "count": bundles.count_lines(bundle.id), "items": items, **_common(ctx)}


def held_back_facts(ctx: Context, bundle: BundleRow) -> dict[str, Any]:
    """What is told afterwards of what a channel's budget held back, and how it stands now."""
    states = bundles.find_states(bundle.id)
    lines = bundles.find_lines(bundle.id, MOST_SORTED)
    lines.sort(key=lambda row: states.get(row.incident_id) != IncidentState.NEEDS_HUMAN)
    items = [
        {
            "component": row.component,
            "kind": row.what,
            "at": row.at.isoformat(),
            "state": states.get(row.incident_id, ""),
            "link": ctx.link(row.incident_id),
        }
        for row in lines[:MOST_NAMED]
    ]
    return {
        "kind": str(AlertKind.HELD_BACK),
        "channel": bundle.channel,
        "count": bundles.count_lines(bundle.id),
        "needs_human": sum(state == IncidentState.NEEDS_HUMAN for state in states.values()),
        "items": items,
        **_common(ctx),
    }


def trouble_facts(ctx: Context, channel: str, message: str) -> dict[str, Any]:
    """What is told of a channel that fails."""
    return {
        "kind": str(AlertKind.CHANNEL_TROUBLE),
        "component": channel,
        "severity": str(Severity.HIGH),
        "message": message,
        **_common(ctx),
    }


def _common(ctx: Context) -> dict[str, Any]:
    told = {"language": ctx.language, "timezone": ctx.alerting.timezone, "dry_run": ctx.dry_run}
    return {"link": f"{ctx.public_url.rstrip('/')}/alerts", **told}
