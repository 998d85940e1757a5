"""Periodic work. `schedule` wakes it; every durable time is a row."""

from collections.abc import Callable
from datetime import timedelta

import schedule

from recovery.clock import utc_now
from recovery.store import database, retention, sites
from recovery.worker.context import Context
from recovery.worker.polling import poll_sites

SILENT_WORKER = timedelta(hours=1)
BEAT_SECONDS = 5


def make_schedule(
    ctx: Context, poll_seconds: float, failures_kept: timedelta, successes_kept: timedelta
) -> schedule.Scheduler:
    """The worker's periodic work, each piece in a thread of its own so that none delays the tick."""
    planned = schedule.Scheduler()

    def every(seconds: float, work: Callable[[], None]) -> None:
        pool = ctx.pool(work.__name__, 1)
        planned.every(max(1, round(seconds))).seconds.do(lambda: pool.run(work) if pool.free else None)

    def poll() -> None:
        poll_sites(ctx)

    def beat() -> None:
        keep_beating(ctx)

    def clean() -> None:
        drop_old(failures_kept, successes_kept)

    every(BEAT_SECONDS, beat)
    every(poll_seconds, poll)
    every(3_600, clean)
    return planned


def run_due(planned: schedule.Scheduler) -> None:
    """Begin the periodic work that is due.

    `schedule` goes by the wall clock of this machine's zone: where that was set back, which it is for an hour each
    autumn, all of it would wait until the clock has caught up. The beat is never further away than its period.
    """
    if (planned.idle_seconds or 0) > BEAT_SECONDS:
        planned.run_all()
    planned.run_pending()


def keep_beating(ctx: Context) -> None:
    """Tell the other processes that this worker lives, and notice that no web process did."""
    now = utc_now()
    with database.write():
        ctx.ears.catch_up(ctx.policy, now)
        sites.beat(ctx.worker, now)
        sites.forget_workers(now - SILENT_WORKER)


def drop_old(failures_kept: timedelta, successes_kept: timedelta) -> None:
    """Keep house, a bounded number of rows a transaction, so that nobody waits long for the turn to write."""
    now = utc_now()
    more = True
    while more:
        with database.write():
            dropped = retention.drop_success_logs(now - successes_kept)
            dropped += retention.drop_failures(now - failures_kept)
        more = dropped >= retention.AT_ONCE
