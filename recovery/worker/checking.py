"""The checks of components, each when it is due; one transaction for all that ended and all that begin."""

import math
import zlib
from datetime import UTC, datetime, timedelta

from recovery.decide.classify import classify_reading
from recovery.model import ComponentPlan, Reading
from recovery.sources import probe
from recovery.store import components, database, incidents, signals
from recovery.store.components import Looked
from recovery.store.tables import ComponentRow
from recovery.worker.context import Context, now_for_effect
from recovery.worker.hearing import look_of
from recovery.worker.looks import is_quiet

CONFIRM_AFTER = timedelta(seconds=5)
SLOT_SECONDS = 0.5  # looks fall due together, so that many of them cost one transaction


def run_checks(ctx: Context, now: datetime) -> None:
    """Record the looks that have ended, and begin those that are due."""
    ended, died = ctx.looks.take_ended(), ctx.looks.take_died()
    with database.write():
        ended = ctx.ears.believed(ctx.policy, ctx.connectivity.note(ctx, ended, now), now)
        _record(ctx, ended, now_for_effect())
        components.hurry_components(died, now)
        passed_over = [] if ctx.looks.threads_free else _need_threads(ctx)
        claimed = components.claim_components(now, ctx.lease(now, 60), ctx.worker, ctx.looks.free, passed_over)
    for row in claimed:
        check = look_of(ctx.policy.component(row.name), row)
        if check is None:
            _let_go(row)
        else:
            ctx.looks.begin(row, check, now)
    for row, reading in ended:
        ctx.looks.watch(row.name, reading)


def _let_go(row: ComponentRow) -> None:
    """It has no check any more."""
    with database.write():
        components.rest_component(row)


def _need_threads(ctx: Context) -> list[str]:
    from recovery import checks

    plans = ctx.policy.components.values()
    return [plan.name for plan in plans if plan.check and not checks.REGISTRY.find(plan.check.name).waits]


def _record(ctx: Context, ended: list[tuple[ComponentRow, Reading]], now: datetime) -> None:
    """What is news becomes a signal, and triage decides; a healthy look at a healthy component is none."""
    if not ended:
        return
    quiet = _quiet_ones(ctx, ended)
    looked = [
        Looked(row, next_look(ctx.policy.component(row.name), row, reading, now), reading, row.name in quiet)
        for row, reading in ended
    ]
    held = components.finish_components(looked, now)
    news = [one for one in looked if not one.quiet and one.row.id in held and one.reading.healthy is not None]
    signals.add_signals([probe.own_signal(one.reading, f"check:{one.row.name}:{one.row.fence}") for one in news], now)


def _quiet_ones(ctx: Context, ended: list[tuple[ComponentRow, Reading]]) -> set[str]:
    prints = {
        row.name: classify_reading(reading, ctx.policy).fingerprint for row, reading in ended if is_quiet(row, reading)
    }
    still_open = incidents.find_open(prints.values())
    return {name for name, print_ in prints.items() if print_ not in still_open}


def next_look(plan: ComponentPlan, row: ComponentRow, reading: Reading, now: datetime) -> datetime:
    """When to look again: a first bad reading is confirmed soon, and each component has a phase of its own."""
    if reading.healthy is False and not reading.certain and row.failures + 1 < plan.failure_threshold:
        return now + min(CONFIRM_AFTER, timedelta(seconds=plan.every_seconds))
    return next_in_phase(plan.name, plan.every_seconds, now)


def next_in_phase(name: str, every_seconds: float, now: datetime) -> datetime:
    """The next time of a component, at least half a period from now: the same phase always, spread over all of them."""
    phase = zlib.crc32(name.encode(errors="replace")) / 2**32 * every_seconds
    turns = math.ceil((now.timestamp() + every_seconds / 2 - phase) / every_seconds)
    exact = turns * every_seconds + phase
    return datetime.fromtimestamp(math.ceil(exact / SLOT_SECONDS) * SLOT_SECONDS, UTC)


def take_over_lost_components(ctx: Context, now: datetime) -> None:
    """What this worker still looks at stays its own; checks whose worker was killed are due again."""
    with database.write():
        components.keep_components(ctx.looks.hold(now), ctx.lease(now, 60))
        components.requeue_lost_components(now)
        _tell_of_late(ctx, now)


def _tell_of_late(ctx: Context, now: datetime) -> None:
    """A look that hangs is a bad reading, although it has not ended."""
    late = ctx.looks.take_late(lambda name: timedelta(seconds=ctx.policy.component(name).every_seconds), now)
    key = "check:{}:{}:{}".format
    told = [probe.own_signal(reading, key(row.name, row.fence, now.isoformat())) for row, reading in late]
    signals.add_signals(told, now)
