"""Puts a message into the outbox: alone, as a part of a storm, a line of a digest, or held back for want of room."""

from datetime import datetime, timedelta
from typing import Any

from recovery.decide import storming
from recovery.decide.telling import CALLS, Way
from recovery.model import AlertKind, AlertState, ChannelPlan
from recovery.store import alerts, bundles, channels, events, threads
from recovery.store.tables import AlertRow, BundleRow, IncidentRow, ThreadRow
from recovery.worker.context import Context

STORM, DIGEST, HELD_BACK = AlertKind.STORM, AlertKind.DIGEST, AlertKind.HELD_BACK


def owe(
    ctx: Context, incident: IncidentRow, kind: AlertKind, way: Way, key: str, facts: dict[str, Any], now: datetime
) -> None:
    """Owe a channel one message about an incident; once per key."""
    thread = threads.open_thread(incident.id, incident.episode, way.channel)
    if way.digest:
        add_to_digest(ctx, incident, thread, str(kind), way.at, now)
        return
    held = alerts.find_held(thread.id) if kind is not AlertKind.RECOVERED else []
    if kind is AlertKind.WORSENED and held and thread.told_at is None:
        _fold_into(held[0], way, facts, now)
        return
    updates = sum(1 + int(row.facts.get("updates") or 0) for row in held)
    until = min([way.at, *(row.held_until for row in held if row.held_until)])
    facts = facts | {"key": key, "updates": updates}
    waits = until if until > now else None
    row = alerts.hold_alert(key, incident.id, kind, way.channel, incident.severity, facts, now, waits, thread.id)
    if row is None:
        return
    for one in held:
        alerts.fold_alert(one, f"told of by {key}", now)
    if waits is None:
        release(ctx, row, thread, incident, now)


def _fold_into(row: AlertRow, way: Way, facts: dict[str, Any], now: datetime) -> None:
    """It became worse before anybody was told of it: the first message tells that too, and no later than this would."""
    kept = {"kind": row.kind, "key": row.key, "updates": int(row.facts.get("updates") or 0) + 1}
    alerts.set_facts(row, facts | kept)
    if row.held_until and way.at < row.held_until:
        alerts.hold_until(row, max(way.at, now))


def release(ctx: Context, row: AlertRow, thread: ThreadRow, incident: IncidentRow, now: datetime) -> None:
    """Have a message sent, unless its channel is told of it together with others."""
    plan = ctx.channel(row.channel)
    if plan is not None:
        if _is_part_of_storm(ctx, plan, AlertKind(row.kind), thread, now):
            _join_storm(ctx, plan, row, thread, incident, now)
            return
        if until := _room_at(plan, row.kind, now):
            _hold_back(row, incident, until, now)
            return
    alerts.release_alert(row, now, pass_on_at=pass_on_at(ctx, row.channel, row.kind in CALLS, now))
    if row.after_id and row.kind in CALLS:
        alerts.hurry_those_before(row, now)
    threads.set_thread(thread, told_at=now, called=incident.asked if row.kind in CALLS else thread.called)


def pass_on_at(ctx: Context, channel: str, calls: bool, now: datetime) -> datetime | None:
    """What calls a person is passed on after a while, and at once where its channel is known to fail."""
    if not calls:
        return None
    known = channels.find_channels().get(channel)
    wait = 0.0 if known and known.troubled_at else ctx.alerting.fail_over_seconds
    return now + timedelta(seconds=wait)


def _is_part_of_storm(ctx: Context, plan: ChannelPlan, kind: AlertKind, thread: ThreadRow, now: datetime) -> bool:
    if kind is AlertKind.REMINDER and thread.told_at is None:
        return True  # a storm told of it, and they are as many still
    rule, storm = storming.rule_for(plan.kind, ctx.alerting.storm), bundles.find_open(STORM, plan.name)
    is_first = thread.told_at is None
    lately = threads.count_owed(plan.name, now - timedelta(seconds=rule.within_seconds), thread.id) if is_first else 0
    if thread.owed_at is None:
        threads.set_thread(thread, owed_at=now)
    in_storm = storm is not None and thread.bundle_id == storm.id
    began = storm.began_at if storm else None
    return storming.is_part(is_first, lately, thread.owed_at or now, began, in_storm, rule)


def _join_storm(
    ctx: Context, plan: ChannelPlan, row: AlertRow, thread: ThreadRow, incident: IncidentRow, now: datetime
) -> None:
    rule, calls = ctx.alerting.storm, row.kind in CALLS
    storm, is_new = bundles.open_bundle(STORM, plan.name, now)
    bundles.add_line(storm, str(incident.id), incident, str(row.kind), now, incident.cause)
    called = incident.asked if calls else thread.called
    threads.set_thread(thread, bundle_id=storm.id, called=called)
    alerts.fold_alert(row, f"many incidents at once: told of together (storm {storm.id})", now)
    due = storming.storm_due(plan.kind, storm.began_at, calls, now, rule)
    if is_new:
        add_storm_message(storm, 1, due, now)
    elif storm.told_at is None:
        alerts.hasten(storm.id, due)


def add_storm_message(storm: BundleRow, number: int, due: datetime, now: datetime) -> None:
    """The first message about a storm, or its update, composed when it is due."""
    key = f"storm.{storm.id}.{number}.{storm.channel}"
    alerts.hold_alert(key, 0, STORM, storm.channel, "critical", {}, now, due, bundle_id=storm.id)


def _room_at(plan: ChannelPlan, kind: str, now: datetime) -> datetime | None:
    budget = storming.budget_of(plan)
    if budget is None:
        return None
    since = now - timedelta(seconds=budget.within_seconds)
    carried = alerts.carried_since(plan.name, since, budget.most)
    pause = storming.pause_of(plan.kind) if kind == AlertKind.NEEDS_HUMAN else None
    return storming.room_at(budget, carried, kind in CALLS, now, pause)


def _hold_back(row: AlertRow, incident: IncidentRow, until: datetime, now: datetime) -> None:
    """The channel has had its share: it is told afterwards, of all that was held back together."""
    bundle, is_new = bundles.open_bundle(HELD_BACK, row.channel, now)
    bundles.add_line(bundle, row.key, incident, str(row.kind), now, incident.cause)
    alerts.hold_until(row, None, AlertState.HELD_BACK)
    because = f"{row.channel} has had as many messages as its budget allows: told of it at {until:%H:%M} (UTC)"
    events.add_event(now, "alert", row.key, AlertState.HELD_BACK, because, incident.id)
    if is_new:
        key = f"held_back.{bundle.id}.{row.channel}"
        alerts.hold_alert(key, 0, HELD_BACK, row.channel, row.severity, {}, now, until, bundle_id=bundle.id)
    else:
        alerts.hasten(bundle.id, until)


def add_to_digest(
    ctx: Context, incident: IncidentRow, thread: ThreadRow, what: str, due: datetime, now: datetime
) -> None:
    """A line in the digest of the thread's channel; the last word on an incident stands."""
    bundle, is_new = bundles.open_bundle(DIGEST, thread.channel, now)
    known = bundles.find_line(bundle.id, str(incident.id))
    if what == AlertKind.RECOVERED and known is not None and known.what != AlertKind.RECOVERED:
        what = "healed_quietly"
    elif what == AlertKind.WORSENED:
        what = str(AlertKind.OPENED)
    bundles.add_line(bundle, str(incident.id), incident, what, now, incident.cause)
    threads.set_thread(thread, bundle_id=bundle.id)
    if is_new:
        key = f"digest.{bundle.id}.{thread.channel}"
        alerts.hold_alert(key, 0, DIGEST, thread.channel, incident.severity, {}, now, due, bundle_id=bundle.id)
    else:
        alerts.hasten(bundle.id, due)
