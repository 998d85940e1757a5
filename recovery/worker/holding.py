"""Gathers what stands against doing anything about a component just now."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from recovery.decide.holding import Hold, planned_windows, why_held
from recovery.model import RecoveryState, Window
from recovery.store import executions, incidents, maintenance, recoveries, steps
from recovery.store.tables import RecoveryRow
from recovery.worker.context import Context

LOOK_AGAIN = timedelta(seconds=5)
HOLDABLE = (RecoveryState.RUNNING, RecoveryState.WAITING, RecoveryState.HELD)


def hold_of(ctx: Context, component: str, now: datetime) -> Hold | None:
    """Why nothing is done about the component now; None where nothing stands against it."""
    offline = ctx.connectivity.hold(ctx, component)
    if offline:
        return offline
    upstream = ctx.policy.upstream(component)
    failing = incidents.find_failing(upstream) if upstream else set()
    return why_held(component, ctx.policy, failing, _windows(ctx, now))


def _windows(ctx: Context, now: datetime) -> Sequence[Window]:
    """The open windows, read once a stage: its many incidents are looked at with the same `now`, in one transaction."""
    known = ctx.windows  # the threads of steps ask as well
    if known is None or known[0] != now:
        windows = [*maintenance.find_windows(now), *planned_windows(ctx.policy.maintenance, now)]
        ctx.windows = known = (now, windows)
    return known[1]


def is_held(ctx: Context, row: RecoveryRow, component: str, now: datetime) -> bool:
    """Whether a recovery may not go on now; one that is held no longer does. What runs ends by itself."""
    if row.state not in HOLDABLE:
        return False
    hold = hold_of(ctx, component, now)
    if hold is None:
        if row.state == RecoveryState.HELD:
            let_go(row, "it is no longer held", now)
        return False
    if row.state != RecoveryState.HELD:
        executions.hold_back(row.incident_id)
        steps.skip_resting_canaries(row.incident_id, hold.because, now)
    again = hold.until or now + LOOK_AGAIN
    recoveries.set_recovery(row, hold.because, now, state=RecoveryState.HELD, wake_at=again)
    return True


def let_go(row: RecoveryRow, because: str, now: datetime, who: str = "medic") -> None:
    """A recovery that was held, or paused, goes on: it runs, or waits for its next attempt."""
    waits = row.next_at is not None and row.next_at > now
    state = RecoveryState.WAITING if waits else RecoveryState.RUNNING
    recoveries.set_recovery(row, because, now, who, state=state, wake_at=now)
