"""The outbox: claim an alert, hand it to its channel, record what the channel said; at least once, with a key."""

from datetime import datetime
from typing import Any

from recovery import alerts as plugins
from recovery.alerts.messages import render
from recovery.alerts.messages.samples import sample_facts
from recovery.decide import alerting
from recovery.decide.telling import CALLS
from recovery.model import AlertKind, AlertState, ChannelPlan, Done, DoorError
from recovery.store import alerts, bundles, channels, database, threads
from recovery.store.tables import AlertRow
from recovery.worker import calling, passing
from recovery.worker.context import Context, now_for_effect


def get_ready(ctx: Context) -> None:
    """Put a message into words that nobody is told, in the thread that will send the first: templates are compiled,
    and the database is open there, before somebody waits for it."""
    now = now_for_effect()
    with database.read():
        render(sample_facts(AlertKind.OPENED, now, ctx.language), key="", now=now, templates=ctx.templates)


def send_alerts(ctx: Context, now: datetime) -> None:
    """Claim the alerts that are due, and send each in a thread."""
    pool = ctx.pool("alerts")
    if pool.free <= 0:
        return
    with database.write():
        claimed = alerts.claim_alerts(now, ctx.lease(now, 150), ctx.worker, pool.free)
    for row in claimed:
        pool.run(send_alert, ctx, row)


def send_alert(ctx: Context, row: AlertRow) -> None:
    """One claimed alert."""
    plan = ctx.channel(row.channel)
    if plan is None:
        _send_elsewhere(ctx, row)
        return
    try:
        done = _hand_over(ctx, plan, row)
    except DoorError as problem:
        _not_taken(ctx, row, problem)
    except Exception as problem:  # noqa: BLE001 a broken channel must not lose the alert
        _not_taken(ctx, row, DoorError(f"{type(problem).__name__}: {problem}"), ours=True)
    else:
        _taken(row, done)


def _hand_over(ctx: Context, plan: ChannelPlan, row: AlertRow) -> Done:
    channel = plugins.REGISTRY.find(plan.kind)
    message = render(row.facts, key=row.key, now=now_for_effect(), thread=_remembered(row), templates=ctx.templates)
    done: Done = channel.run(ctx.channel_args[plan.name], message, ctx.doors)
    return done


def _remembered(row: AlertRow) -> dict[str, Any] | None:
    """What the channel kept of the same incident, storm or digest."""
    of_thread = threads.find_thread(row.thread_id) if row.thread_id is not None else None
    found = of_thread or bundles.find_bundle(row.bundle_id)
    return found.memory if found else None


def _taken(row: AlertRow, done: Done) -> None:
    with database.write():
        ours = alerts.finish_alert(row, AlertState.DELIVERED, done.detail, now_for_effect())
        if ours and done.memory is not None:
            if row.thread_id is not None:
                threads.remember(row.thread_id, done.memory)
            elif row.bundle_id is not None:
                bundles.remember(row.bundle_id, done.memory)
        channels.note_success(row.channel)


def _send_elsewhere(ctx: Context, row: AlertRow) -> None:
    """Its channel is configured no more: those that are now are told, unless they were told of it already."""
    with database.decide():
        told = calling.tell_anew(ctx, row, now_for_effect())
        because = f"no channel named {row.channel} is configured any more; instead: {told or 'nobody'}"
        alerts.finish_alert(row, AlertState.FAILED, because, now_for_effect())


def _not_taken(ctx: Context, row: AlertRow, problem: DoorError, ours: bool = False) -> None:
    """It is tried again, or given up; `ours`: it could not even be put into words."""
    now = now_for_effect()
    age = (now - (row.released_at or row.created_at)).total_seconds()
    ends = alerting.give_up(row.tries, problem.permanent, age)
    because = f"given up after {row.tries} tries: {problem}" if ends else str(problem)
    with database.decide():
        calls = row.kind in CALLS or bool(row.facts.get("needs_human")) or alerts.holds_up(row, CALLS)
        asked = problem.retry_after_seconds
        again = None if ends else alerting.retry_at(now, row.tries, row.key, problem.kind, asked, calls)
        if alerts.finish_alert(row, AlertState.FAILED if ends else AlertState.QUEUED, because, now, again):
            passing.note_failure(ctx, row, problem, now)
            if ours or _is_its_own_fault(row, problem):
                alerts.free_followers(row, now)


def _is_its_own_fault(row: AlertRow, problem: DoorError) -> bool:
    """The channel works, but not for this message: what comes after it, a call for a person perhaps, must not wait."""
    works = row.tries >= alerting.FEWEST_TRIES and alerts.was_taken_since(
        row.channel, row.released_at or row.created_at
    )
    return problem.permanent or works


def take_over_lost_alerts(ctx: Context, now: datetime) -> None:
    """Alerts whose worker was killed while it sent them are sent again, with the same key."""
    with database.write():
        alerts.requeue_lost_alerts(now)
