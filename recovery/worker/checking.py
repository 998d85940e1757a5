"""The checks of components, each when it is due: what is news becomes a signal."""

from dataclasses import replace
from datetime import datetime, timedelta

from recovery import checks
from recovery.decide.classify import classify_reading
from recovery.model import DoorError, FailureType, PlannedCheck, Reading
from recovery.sources import probe
from recovery.store import components, database, incidents, signals
from recovery.store.tables import ComponentRow
from recovery.worker.context import Context, now_for_effect

CONFIRM_AFTER = timedelta(seconds=5)


def run_checks(ctx: Context, now: datetime) -> None:
    """Claim the components whose check is due, and look at each in a thread."""
    pool = ctx.pool("components")
    if pool.free <= 0:
        return
    with database.write():
        claimed = components.claim_components(now, ctx.lease(now, 60), ctx.worker, pool.free)
    for row in claimed:
        pool.run(look_at_component, ctx, row)


def look_at_component(ctx: Context, row: ComponentRow) -> None:
    """One look, and what it means for the next one."""
    plan = ctx.policy.component(row.name)
    if plan.check is None:
        return
    reading = take_reading(ctx, row.name, plan.check)
    now = now_for_effect()
    confirming = not reading.healthy and row.failures + 1 < plan.failure_threshold
    next_at = now + min(CONFIRM_AFTER if confirming else timedelta(days=1), timedelta(seconds=plan.every_seconds))
    with database.write():
        news = _is_news(ctx, row, reading)
        quiet = {"seen_at": now, "because": reading.because, "latency_ms": reading.latency_ms}
        if not components.finish_component(row, next_at, **({} if news else quiet)):
            return
        if news:
            signals.add_signals([probe.own_signal(reading, f"check:{row.name}:{row.fence}")], now)


def take_reading(ctx: Context, name: str, check: PlannedCheck) -> Reading:
    """Run a component's check now. A check that breaks is a bad reading, with its reason."""
    try:
        plugin = checks.REGISTRY.find(check.name)
        reading = plugin.run(plugin.args.model_validate(check.args), ctx.doors)
    except DoorError as problem:
        return Reading(name, False, str(problem), FailureType.SERVER_UNRESPONSIVE)
    except Exception as problem:  # noqa: BLE001 a broken plugin must not end its component's checks
        return Reading(name, False, f"the check itself broke: {problem}", FailureType.SERVER_UNRESPONSIVE)
    return replace(reading, component=name)


def _is_news(ctx: Context, row: ComponentRow, reading: Reading) -> bool:
    """A healthy look at a healthy component is none."""
    if not reading.healthy or row.health != "healthy" or row.failures or row.muted:
        return True
    print_ = classify_reading(reading, ctx.policy).fingerprint
    newest = incidents.find_newest([print_]).get(print_)
    return newest is not None and newest.open_key is not None


def take_over_lost_components(ctx: Context, now: datetime) -> None:
    """Checks whose worker was killed are due again."""
    with database.write():
        components.requeue_lost_components(now)
