"""Whether a claimed step may begin: a yes, a kill or a while without a free thread may lie since it was planned."""

from datetime import datetime, timedelta
from typing import NamedTuple

from recovery.decide import brakes
from recovery.model import PlannedCheck, RecoveryState, StepKind, StepState
from recovery.redact import redact
from recovery.store import acted, recoveries, returns, steps
from recovery.store.tables import StepRow
from recovery.worker import planning
from recovery.worker.by_hand import TOO_LATE, go_on
from recovery.worker.context import Context
from recovery.worker.holding import hold_of

LOOK_AGAIN = timedelta(seconds=30)
IN_THE_WAY, RESUMED_WITHIN = timedelta(seconds=1), timedelta(seconds=5)
TOO_LATE_NOW = "it was not begun within 5 minutes: whoever still wants it orders it anew"


class PutOff(NamedTuple):
    """Not before then, and why."""

    until: datetime
    because: str


def begin(ctx: Context, row: StepRow, now: datetime) -> bool:
    """Write down that the step begins; False where it may not, or where somebody took it over.

    In a transaction that decides, so that of two that stand in each other's way one begins.
    """
    if row.kind == StepKind.CHECK:
        return _has_check(ctx, row, now) and steps.start_step(row, now, ctx.lease(now))
    if _comes_too_late(ctx, row, now) or must_wait(ctx, row, now):
        return False
    spent = None if row.dry or ctx.dry_run else _judge_again(ctx, row, now)
    if isinstance(spent, brakes.Wait):
        steps.put_off_step(row, spent.because, now, spent.until)
        return False
    if isinstance(spent, brakes.Stop):
        planning.stop_short(ctx, row, spent.because, now)
        return False
    return steps.start_step(row, now, ctx.lease(now), dry=ctx.dry_run)


def must_wait(ctx: Context, row: StepRow, now: datetime) -> bool:
    """Put an action off where something stands in its way, or against doing anything just now."""
    later = None if row.dry else _put_off(ctx, row, now)
    if later:
        steps.put_off_step(row, later.because, now, later.until)
    return later is not None


def _comes_too_late(ctx: Context, row: StepRow, now: datetime) -> bool:
    """End what nobody waits for any more: a person cancelled or skipped it while it was looked at, or whoever ordered
    it is gone.

    What was ordered by hand and begun before is brought to its end.
    """
    if row.back:
        return False
    if row.recovery_id is not None:
        recovery = recoveries.find_recovery(row.recovery_id)
        has_ended = recovery.active_key is None
        if not has_ended and row.number >= recovery.first_step:
            return False
        why = "its recovery has ended" if has_ended else "its stage was skipped"
        steps.finish_step(row, StepState.SKIPPED, now, result=why)
        return True
    if now - row.queued_at <= TOO_LATE or steps.count_lost(row):
        return False
    steps.finish_step(row, StepState.FAILED, now, error=TOO_LATE_NOW)
    go_on(ctx, row, now)
    return True


def _has_check(ctx: Context, row: StepRow, now: datetime) -> bool:
    if check_of(ctx, row):
        return True
    steps.lose_step(row, "its check is no longer in the configuration", now)
    go_on(ctx, row, now)
    return False


def check_of(ctx: Context, row: StepRow) -> PlannedCheck | None:
    """A component's check as it is configured now, of whatever kind; one of no component where it is still written.

    The row's own copy lacks its secrets.
    """
    if row.component:
        return ctx.policy.component(row.component).check
    written = ctx.policy.written_checks()
    return next((one for one in written if one.name == row.name and redact(one.args) == row.args), None)


def _put_off(ctx: Context, row: StepRow, now: datetime) -> PutOff | None:
    by_hand = row.order_id is not None and not row.back  # a person knows what is held, and wants it all the same
    if row.recovery_id and not row.back and recoveries.find_recovery(row.recovery_id).state == RecoveryState.PAUSED:
        return PutOff(now + RESUMED_WITHIN, "its recovery is paused")
    hold = None if by_hand else hold_of(ctx, row.component, now)
    if hold:
        return PutOff(hold.until or now + LOOK_AGAIN, hold.because)
    if row.back and (too_early := _too_early(ctx, row, now)):
        return too_early
    other = acted.find_in_the_way(row)
    return PutOff(now + IN_THE_WAY, f"one at a time: {other} is under way") if other else None


def _judge_again(ctx: Context, row: StepRow, now: datetime) -> brakes.Word:
    """What the brakes say now of what they allowed: until a person's yes, others may have used up the limits."""
    if row.recovery_id is None or row.back:
        return brakes.Go()
    playbook = recoveries.find_recovery(row.recovery_id).playbook
    lately = acted.find_lately_again(row, playbook.get("name", ""), ctx.policy, now)
    return brakes.judge(row.name, lately, ctx.policy.brakes, now, playbook.get("by_person", False))


def _too_early(ctx: Context, row: StepRow, now: datetime) -> PutOff | None:
    """Nothing is undone while the component does not hold by itself: it is looked at again later."""
    since, span = returns.well_since(row.component), timedelta(seconds=row.back_after_seconds or 0)
    if since is None or now < since + span:
        at = since + span if since else now + max(span, LOOK_AGAIN)
        return PutOff(at, f"{row.component} has not been healthy for long enough")
    return PutOff(now + max(span, LOOK_AGAIN), "dry run: it would be undone now") if ctx.dry_run else None
