"""The whole product on one screen: a tick looks at what is due and takes each word one move further.

    signal -> triage -> incident -> recovery -> step -> verdict, with orders from people, and alerts to them.

Rows are the truth: what a tick leaves undone, the next one finds. When there is a tick is in `pacing.py`.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from recovery.store import database, due
from recovery.store.signals import BATCH
from recovery.worker.asking import follow_requests
from recovery.worker.auditing import run_audits, take_over_lost_audits
from recovery.worker.bundling import release_held
from recovery.worker.checking import run_checks, take_over_lost_components
from recovery.worker.context import Context
from recovery.worker.executor import run_steps, take_over_lost_steps
from recovery.worker.looking import look_at_incidents
from recovery.worker.ordering import carry_out_orders
from recovery.worker.passing import pass_on_late
from recovery.worker.planning import plan_recoveries
from recovery.worker.reminding import remind
from recovery.worker.replaying import run_executions, take_over_lost_executions
from recovery.worker.replays import run_replays, take_over_lost_replays
from recovery.worker.sending import send_alerts, take_over_lost_alerts
from recovery.worker.triaging import triage_signals
from recovery.worker.upkeep import RENEW_SECONDS, renew_all

log = logging.getLogger("medic.worker")
Stage = Callable[[Context, datetime], None]

STAGES: dict[str, Stage] = {
    "lost steps": take_over_lost_steps,
    "lost executions": take_over_lost_executions,
    "lost components": take_over_lost_components,
    "lost alerts": take_over_lost_alerts,
    "lost replays": take_over_lost_replays,
    "lost audits": take_over_lost_audits,
    "alerts": send_alerts,  # what is owed is under way before more is decided: whoever waits is a person
    "orders": carry_out_orders,
    "requests": follow_requests,
    "signals": triage_signals,
    "incidents": look_at_incidents,
    "recoveries": plan_recoveries,
    "steps": run_steps,
    "replays": run_replays,
    "executions": run_executions,
    "components": run_checks,
    "calls": remind,
    "held alerts": release_held,
    "late alerts": pass_on_late,
    "audits": run_audits,
}
MOST_ROUNDS = 8
CLOCK_SET_BACK = timedelta(seconds=30)
TICKED_WITHIN = timedelta(seconds=RENEW_SECONDS)  # a tick later than that: the machine slept, or its clock was set
RENEWED = frozenset(("lost steps", "lost executions", "lost replays"))


def tick(ctx: Context, now: datetime) -> bool:
    """Everything that is due, in the order of the picture, until nothing is or every thread is busy.

    Returns False where a stage failed, or was left out: the others went on, and it is tried again in the next tick.
    """
    ctx.windows = ctx.silences = None
    failed = set(RENEWED) if _notice_clock(ctx, now) else set()
    for turn in range(MOST_ROUNDS):
        agenda = due.read_agenda()
        words = {word for word, at in agenda.items() if at <= now} - failed - ctx.full() - ctx.connectivity.leaves()
        watched = ctx.looks.ended or ctx.looks.died or ctx.connectivity.is_due(ctx, now)
        if watched and "components" not in failed:
            words.add("components")
        if ctx.looks.to_hold(now) and "lost components" not in failed:
            words.add("lost components")
        if turn and ctx.taken % BATCH:
            words.discard("signals")  # all that had come are triaged; what came since is the next tick's
        if not words:
            break
        failed |= {word for word, stage in STAGES.items() if word in words and not _ran(word, stage, ctx, now)}
    return not failed


def _notice_clock(ctx: Context, now: datetime) -> bool:
    """Stored times are of the wall clock: where that was set back, everything would wait until it has caught up.

    On PostgreSQL the rows are those of other machines too, whose clocks may be right. Where it was set forward, what
    runs here would be taken for lost.

    Returns True where other workers of this machine, which slept as well, are given one tick to hold what they run.
    """
    leapt_before, ctx.leapt = ctx.leapt, bool(ctx.latest and now - ctx.latest > TICKED_WITHIN)
    if ctx.leapt:
        renew_all()
    if ctx.latest and ctx.latest - now > CLOCK_SET_BACK and database.is_sqlite():
        log.warning("the clock was set back by %s: what is planned is moved with it", ctx.latest - now)
        with database.write():
            due.set_back(ctx.latest - now, now)
    ctx.latest = now
    return ctx.leapt and not leapt_before and not database.is_sqlite()


def _ran(word: str, stage: Stage, ctx: Context, now: datetime) -> bool:
    try:
        stage(ctx, now)
    except Exception as problem:
        log.exception("the stage of %s failed; the others go on", word)
        database.close_broken(problem)
        return False
    return True
