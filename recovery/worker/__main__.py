"""The worker process: opens the database, makes sure it is the only one on SQLite, and loops."""

import fcntl
import logging
import os
import signal
import socket
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from recovery.clock import utc_now
from recovery.outside.doors import OpenDoors
from recovery.outside.limits import open_more_files
from recovery.store import components, database, due, incidents, recoveries, sites
from recovery.worker.auditing import plan_audits
from recovery.worker.context import Auditing, Context
from recovery.worker.hearing import await_word, look_of
from recovery.worker.housekeeping import keep_beating, make_schedule
from recovery.worker.learning import drop_unfit
from recovery.worker.looks import Looks
from recovery.worker.pacing import Loop
from recovery.worker.removed import let_go_of_removed
from recovery.worker.reporting import plan_reports
from recovery.worker.sending import get_ready

if TYPE_CHECKING:
    from recovery.config import Config

log = logging.getLogger("medic.worker")
AWAY = timedelta(seconds=7)  # workers beat every five
FIRST_LOOKS_WITHIN, FIRST_LOOKS_PER_SECOND = 2.0, 100


class AnotherWorker(Exception):
    """On SQLite there is one worker, and it runs already."""


def main(config: "Config") -> None:
    """Run the worker until SIGTERM or SIGINT.

    Raises:
        AnotherWorker: the database is SQLite, and a worker holds it.
    """
    open_more_files()
    database.open_database(config.database_url)
    lock = hold_database()
    loop = Loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.stop())
    ctx = make_context(config, loop)
    ctx.looks = Looks(ctx.doors, ctx.background, loop.wake)
    kept = config.retention
    ctx.failures_kept = kept.failures
    prepare(ctx)
    periodic = make_schedule(ctx, config.poll_every.total_seconds(), kept.failures, kept.successes)
    ctx.pool("alerts").run(get_ready, ctx)
    log.info("the worker is ready", extra={"worker": ctx.worker, "dry_run": config.dry_run})
    try:
        loop.run(ctx, periodic)
    finally:
        for pool in ctx.pools.values():
            pool.close()
        ctx.looks.close()
        if lock:
            lock.close()
    log.info("the worker has stopped")


def hold_database() -> TextIO | None:
    """The lock that makes this the only worker on a SQLite file, for as long as the process lives."""
    path = database.sqlite_path(database.database_url())
    if path is None:
        return None
    file = Path(f"{path}.worker").open("a")  # noqa: SIM115 held for life
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as held:
        raise AnotherWorker(f"another worker holds {path}; with SQLite there can be one only") from held
    return file


def make_context(config: "Config", loop: Loop) -> Context:
    """What the parts of the worker are given."""
    doors = OpenDoors(config)
    doors.get_ready()
    plans = config.channel_plans()
    auditing = Auditing(
        {n8n.name: config.audit_plan(n8n.name) for n8n in config.n8n if n8n.api_key}, config.audit.every
    )
    return Context(
        worker=f"{socket.gethostname()}-{os.getpid()}",
        policy=config.policy(),
        doors=doors,
        background=doors.background,
        doors_for_step=doors.for_step,
        freed=loop.wake,
        channels=plans,
        alerting=config.alert_policy(),
        channel_args={plan.name: config.channel_args(plan.name) for plan in plans},
        public_url=config.public_url,
        link_key=str(config.session_key),
        language=config.alerts.language,
        templates=config.alerts.templates,
        dry_run=config.dry_run,
        auditing=auditing,
    )


def _first_looks(ctx: Context, now: datetime) -> dict[str, datetime | None]:
    """All within seconds, and a hundred of them a second at most."""
    plans = ctx.policy.components
    within = max(FIRST_LOOKS_WITHIN, len(plans) / FIRST_LOOKS_PER_SECOND)
    return {
        name: now + timedelta(seconds=within * number / len(plans)) if look_of(plan, None) else None
        for number, (name, plan) in enumerate(plans.items())
    }


def prepare(ctx: Context) -> None:
    """Take over what an earlier worker left, and plan the first checks."""
    now = utc_now()
    with database.read():
        ctx.latest = sites.latest_beat()
    with database.decide():
        if database.is_sqlite():
            due.void_leases(now)
        let_go_of_removed(ctx, now)
        drop_unfit(ctx, now)
        for site in ctx.policy.sites:  # its key may have been changed
            sites.accept(site)
        components.configure_components(_first_looks(ctx, now), now)
        ctx.connectivity.resume(ctx, now)
        recoveries.wake_held(now)  # what held them may be taken out of the configuration
        incidents.wake_all_incidents(now)
        plan_reports(ctx, now)
        was_away = ctx.latest is not None and now - ctx.latest > AWAY and not sites.latest_beat("web")
        plan_audits(ctx, now)
        await_word(ctx.policy, now, now if was_away else None)
    keep_beating(ctx)
