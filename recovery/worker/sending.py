"""The outbox: claim an alert, hand it to its channel, record what the channel said; at least once, with a key."""

from datetime import datetime

from recovery import alerts as channels
from recovery.alerts.messages import render
from recovery.decide import alerting
from recovery.model import AlertState, DoorError
from recovery.store import alerts, database
from recovery.store.tables import AlertRow
from recovery.worker import calling
from recovery.worker.context import Context, now_for_effect


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
    plan = next((one for one in ctx.channels if one.name == row.channel), None)
    if plan is None:
        _send_elsewhere(ctx, row)
        return
    try:
        channel = channels.REGISTRY.find(plan.kind)
        message = render(row.facts, key=row.key, now=now_for_effect(), templates=ctx.templates)
        done = channel.run(ctx.channel_args[plan.name], message, ctx.doors)
    except DoorError as problem:
        _not_taken(row, problem)
    except Exception as problem:  # noqa: BLE001 a broken channel must not lose the alert
        _not_taken(row, DoorError(f"{type(problem).__name__}: {problem}"))
    else:
        _record(row, AlertState.DELIVERED, done.detail, None)


def _send_elsewhere(ctx: Context, row: AlertRow) -> None:
    """Its channel is configured no more: those that are now are told, unless they were told of it already."""
    with database.write():
        told = calling.tell_anew(ctx, row, now_for_effect())
        because = f"no channel named {row.channel} is configured any more; instead: {told or 'nobody'}"
        alerts.finish_alert(row, AlertState.FAILED, because, now_for_effect(), None)


def _not_taken(row: AlertRow, problem: DoorError) -> None:
    now = now_for_effect()
    age = (now - row.created_at).total_seconds()
    if alerting.give_up(row.tries, problem.permanent, age):
        _record(row, AlertState.FAILED, f"given up after {row.tries} tries: {problem}", None)
        return
    again = alerting.retry_at(now, row.tries, row.key, problem.kind, problem.retry_after_seconds)
    _record(row, AlertState.QUEUED, str(problem), again)


def _record(row: AlertRow, state: AlertState, because: str, run_at: datetime | None) -> None:
    with database.write():
        alerts.finish_alert(row, state, because, now_for_effect(), run_at)


def take_over_lost_alerts(ctx: Context, now: datetime) -> None:
    """Alerts whose worker was killed while it sent them are sent again, with the same key."""
    with database.write():
        alerts.requeue_lost_alerts(now)
