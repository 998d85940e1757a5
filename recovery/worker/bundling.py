"""Lets go of what was held: messages whose hour has come, storms, digests, and what a budget held back."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from recovery.decide import storming
from recovery.decide.telling import CALLS
from recovery.model import AlertKind, AlertState, IncidentState
from recovery.store import alerts, bundles, database, incidents, threads
from recovery.store.tables import AlertRow, BundleRow
from recovery.worker.alert_facts import digest_facts, facts_of, held_back_facts, storm_facts
from recovery.worker.context import Context
from recovery.worker.guarding import ASIDE, work_on_all
from recovery.worker.hushing import why_hushed
from recovery.worker.outbox import add_storm_message, pass_on_at, release
from recovery.worker.reporting import send_report

STILL_TRUE = (AlertKind.OPENED, AlertKind.WORSENED, AlertKind.NEEDS_HUMAN, AlertKind.REMINDER)


def release_held(ctx: Context, now: datetime) -> None:
    """Everything whose hour has come."""

    def aside(row: AlertRow, why: str) -> None:
        alerts.hold_until(row, now + ASIDE)

    with database.decide():
        work_on_all(partial(alerts.find_due_held, now), partial(_release_all, ctx, now), "held alert", aside)


def _release_all(ctx: Context, now: datetime, rows: list[AlertRow]) -> None:
    for row in rows:
        COMPOSERS.get(AlertKind(row.kind), _release_one)(ctx, row, now)


def _release_one(ctx: Context, row: AlertRow, now: datetime) -> None:
    """A message about one incident: it tells how things stand now, and nothing where that is over."""
    incident = incidents.find_incidents([row.incident_id]).get(row.incident_id)
    thread = threads.find_thread(row.thread_id) if row.thread_id is not None else None
    if incident is None or thread is None:
        alerts.fold_alert(row, "what it is about is gone", now)
        return
    if row.kind in STILL_TRUE:
        if incident.state == IncidentState.RESOLVED or incident.episode != thread.episode:
            alerts.fold_alert(row, "it is over: nobody needs to know any more", now)
            return
        if hush := why_hushed(ctx, incident, now):
            alerts.hold_until(row, hush.until)
            return
        kept = {name: row.facts[name] for name in ("key", "updates", "escalation", "link") if name in row.facts}
        row.facts = facts_of(ctx, incident, AlertKind(row.kind), row.facts.get("because", ""), now, **kept)
        alerts.set_facts(row, row.facts)
    release(ctx, row, thread, incident, now)


def _release_storm(ctx: Context, row: AlertRow, now: datetime) -> None:
    """The message about a storm, or its update; then the storm is over, or it is looked at again."""
    storm, plan = bundles.find_bundle(row.bundle_id), ctx.channel(row.channel)
    if storm is None:
        alerts.fold_alert(row, "the storm is gone", now)
        return
    counted = bundles.count_states(storm.id)
    verdict = storming.update(_view_of(storm, plan.kind if plan else "", counted), now, ctx.alerting.storm)
    if verdict.again:
        alerts.hold_until(row, verdict.again)
        return
    if verdict.tell:
        facts = storm_facts(ctx, storm, counted) | {"key": row.key, "updates": int(storm.told_at is not None)}
        alerts.release_alert(row, now, facts, pass_on_at(ctx, row.channel, bool(facts["needs_human"]), now))
        bundles.set_bundle(storm, told_at=now, counted=counted)
    else:
        alerts.fold_alert(row, verdict.because, now)
    if verdict.goes_on:
        add_storm_message(storm, int(row.key.split(".")[2]) + 1, now + storming.LOOK_AGAIN, now)
    else:
        bundles.set_bundle(storm, open_key=None)


def _view_of(storm: BundleRow, kind: str, counted: dict[str, int]) -> storming.StormView:
    told = storm.counted or {}
    return storming.StormView(
        kind=kind,
        began_at=storm.began_at,
        told_at=storm.told_at,
        healing=counted.get(IncidentState.OPEN, 0) + counted.get(IncidentState.RECOVERING, 0),
        needs_human=counted.get(IncidentState.NEEDS_HUMAN, 0),
        resolved=counted.get(IncidentState.RESOLVED, 0),
        counted=int(told.get(IncidentState.NEEDS_HUMAN, 0)),
        changed=counted != told,
        answered=storm.told_at is not None and bundles.is_answered(storm.id, storm.told_at),
    )


def _release_digest(ctx: Context, row: AlertRow, now: datetime) -> None:
    bundle = bundles.find_bundle(row.bundle_id)
    if bundle is None:
        alerts.fold_alert(row, "there is nothing to tell", now)
        return
    alerts.release_alert(row, now, digest_facts(ctx, bundle) | {"key": row.key})
    bundles.set_bundle(bundle, open_key=None, told_at=now)


def _release_held_back(ctx: Context, row: AlertRow, now: datetime) -> None:
    bundle = bundles.find_bundle(row.bundle_id)
    if bundle is None:
        alerts.fold_alert(row, "there is nothing to tell", now)
        return
    facts = held_back_facts(ctx, bundle) | {"key": row.key}
    alerts.release_alert(row, now, facts, pass_on_at(ctx, row.channel, bool(facts["needs_human"]), now))
    bundles.set_bundle(bundle, open_key=None, told_at=now)
    threads.note_told(bundle.id, CALLS, now)
    bundles.fold_all(bundles.find_keys(bundle.id), AlertState.FOLDED, f"told of by {row.key}, for want of room before")


COMPOSERS: dict[AlertKind, Callable[[Context, AlertRow, datetime], None]] = {
    AlertKind.STORM: _release_storm,
    AlertKind.DIGEST: _release_digest,
    AlertKind.HELD_BACK: _release_held_back,
    AlertKind.REPORT: send_report,
}
