"""Replays: what a person ordered after an outage is read, counted, and run again chain by chain."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from recovery.decide import replays as decide
from recovery.decide.classify import n8n_name
from recovery.decide.replay import Candidate
from recovery.decide.wording import count_of
from recovery.model import ExecutionState, ReplayLimits, ReplayState
from recovery.store import database, executions, replayed, replays, sites
from recovery.store.tables import ReplayRow
from recovery.worker.cases import why_blocked
from recovery.worker.context import Context
from recovery.worker.counting import read_outage
from recovery.worker.guarding import ASIDE, work_on_all
from recovery.worker.holding import LOOK_AGAIN, hold_of

READERS = 1
MOST_OF_EACH = 20  # of a workflow may be released at once
NO_READER = timedelta(seconds=2)
LOOK = timedelta(seconds=1)  # what a brake held back may go on, even if nothing of ours ends
BLOCKED = timedelta(seconds=10)


def run_replays(ctx: Context, now: datetime) -> None:
    """Move every replay that is due, and read n8n in a thread for those that are to be counted."""

    def aside(row: ReplayRow, why: str) -> None:
        replays.set_aside(row.id, now + ASIDE)

    pool = ctx.pool("reading replays", READERS)
    claimed: list[ReplayRow] = []
    with database.decide():
        work_on_all(partial(replays.find_due, now), partial(_move_all, ctx, now), "replay", aside)
        for row in replays.find_due(now):
            if row.state == ReplayState.READING and len(claimed) < pool.free:
                replays.claim_reading(row, ctx.lease(now), ctx.worker)
                claimed.append(row)
            elif row.state == ReplayState.READING:
                replays.set_replay(row, "another replay is read first", now, run_at=now + NO_READER)
    for row in claimed:
        pool.run(read_outage, ctx, row)


def take_over_lost_replays(ctx: Context, now: datetime) -> None:
    """Those whose reader was killed are read anew: what it took in already is known for what it is."""
    with database.write():
        for row in replays.find_lost(now):
            replays.requeue_lost(row, now)


def _move_all(ctx: Context, now: datetime, rows: list[ReplayRow]) -> None:
    for row in rows:
        if row.cancel_at:
            _cancel(row, now)
        elif row.state != ReplayState.READING:
            MOVES[row.state](ctx, row, now)


def _cancel(row: ReplayRow, now: datetime) -> None:
    left = replayed.leave_waiting(row.id, f"{row.cancelled_by} cancelled replay {row.id}", now, str(row.cancelled_by))
    told = f"{row.cancelled_by} cancelled it; {count_of(left)} not run again"
    goes_on = replayed.count_chains(row.id).get(ExecutionState.RETRYING)
    told += f", {goes_on} still being retried in n8n" if goes_on else ""
    replays.end_replay(row, ReplayState.CANCELLED, told, now)


def _asked(ctx: Context, row: ReplayRow, now: datetime) -> None:
    """A yes has n8n read once more, for people may have retried meanwhile; without one nothing is done."""
    if row.yes_at:
        replays.set_replay(row, "n8n is read once more", now, state=ReplayState.READING, run_at=now)
    else:
        replays.end_replay(row, ReplayState.CANCELLED, "nobody said yes to it in time", now)


def _go_on(ctx: Context, row: ReplayRow, now: datetime) -> None:
    why, again = _why_held(ctx, row, now)
    if why:
        replayed.hold_back(row.id)
        replays.set_replay(row, why, now, run_at=again)
        return
    plan = decide.plan(_view_of(row, now), _limits(ctx, row), now)
    for workflow_id, because in plan.leave:
        replayed.leave_waiting(row.id, because, now, workflow_id=workflow_id)
    for chain_id, at in plan.release:
        executions.release_chain(chain_id, at)
    if plan.end:
        replays.end_replay(row, plan.end, plan.because, now)
        return
    last = plan.release[-1][1] if plan.release else row.released_at
    replays.set_replay(row, plan.because, now, released_at=last, run_at=now if plan.leave else now + LOOK)


def _idle(ctx: Context, row: ReplayRow, now: datetime) -> None:
    """It is over."""
    replays.set_replay(row, row.because, now, run_at=None)


MOVES: dict[str, Callable[[Context, ReplayRow, datetime], None]] = {
    ReplayState.ASKING: _asked,
    ReplayState.RUNNING: _go_on,
    ReplayState.DONE: _idle,
    ReplayState.STOPPED: _idle,
    ReplayState.CANCELLED: _idle,
}


def _why_held(ctx: Context, row: ReplayRow, now: datetime) -> tuple[str, datetime]:
    """Why nothing new begins for now ("": it may), and when that is looked at again."""
    if ctx.dry_run:
        return "n8n-medic runs in dry run: nothing is run again before that is switched off", now + BLOCKED
    if row.site not in ctx.policy.sites:
        return f"no n8n named {row.site!r} is configured with a key any more", now + BLOCKED
    earlier = replays.find_earlier(row)
    if earlier:
        return f"replay {earlier} is under way on the same n8n: this one begins after it", now + NO_READER
    blocked = why_blocked(sites.find_site(row.site), now)
    if blocked:
        return f"it waits until n8n takes retries: {blocked}", now + BLOCKED
    hold = hold_of(ctx, n8n_name(row.site), now)
    return (hold.because if hold else ""), now + LOOK_AGAIN  # whoever holds it may let go of it at any time


def _limits(ctx: Context, row: ReplayRow) -> ReplayLimits:
    """Those of the configuration, or what was ordered where that is less."""
    limits = ctx.policy.replay
    rate = min(limits.rate_per_second, row.rate_per_second or limits.rate_per_second)
    return replace(limits, rate_per_second=rate, per_component=min(limits.per_component, row.at_once or 1_000))


def _view_of(row: ReplayRow, now: datetime) -> decide.ReplayView:
    lanes = [_lane_of(row.id, lane) for lane in replayed.find_lanes(row.id)]
    chains = replayed.find_next(row.id, of_each=MOST_OF_EACH)
    return decide.ReplayView(
        lanes=lanes,
        candidates=[Candidate(one.id, one.workflow_id, one.failed_at, one.retries) for one in chains],
        busy=replayed.count_busy(row.site),
        started_at=row.started_at or now,
        released_at=row.released_at,
    )


def _lane_of(replay_id: int, lane: replayed.Lane) -> decide.LaneView:
    failed = lane.states.get(ExecutionState.FAILED, 0)
    last = replayed.find_failed(replay_id, lane.workflow_id) if failed else None
    return decide.LaneView(
        workflow_id=lane.workflow_id,
        name=lane.name,
        waiting=lane.states.get(ExecutionState.WAITING, 0),
        retrying=lane.states.get(ExecutionState.RETRYING, 0),
        recovered=lane.states.get(ExecutionState.RECOVERED, 0),
        failed=failed,
        left=lane.states.get(ExecutionState.LEFT_ALONE, 0),
        busy=lane.busy,
        newest=lane.newest,
        why=last.because if last else "",
    )
