"""Audits: each n8n is looked through when that is due, or when a person asks. A finding is no incident."""

import logging
from datetime import datetime, timedelta

from recovery.checks.auditing import read_audit
from recovery.decide.auditing import audit
from recovery.model import AuditFacts
from recovery.store import audits, database, wirings
from recovery.store.tables import AuditRow
from recovery.worker.context import Context, now_for_effect
from recovery.worker.guarding import told

log = logging.getLogger("medic.worker")
LONGEST_SECONDS = 900.0
FIRST_AFTER = timedelta(minutes=10)  # time to see the n8n run


def next_due(ctx: Context, row: AuditRow | None, now: datetime) -> datetime | None:
    """When the next audit is due by itself; None for only when somebody asks."""
    return audits.next_due(row, ctx.auditing.every, now + FIRST_AFTER, now)


def plan_audits(ctx: Context, now: datetime) -> None:
    """When the audit of each n8n is due, as it is configured now."""
    known = {row.site: row for row in audits.find_audits()}
    audits.plan_audits({site: next_due(ctx, known.get(site), now) for site in ctx.auditing.plans})


def run_audits(ctx: Context, now: datetime) -> None:
    """Begin those that are due, one after the other: they ask an n8n many questions."""
    pool = ctx.pool("audits", 1)
    with database.write():
        claimed = audits.claim_audits(now, ctx.lease(now, LONGEST_SECONDS), ctx.worker)
    for row in claimed:
        pool.run(run_audit, ctx, row)


def run_audit(ctx: Context, row: AuditRow) -> None:
    """One claimed audit. Where it breaks, that is what it found."""
    began = now_for_effect()
    try:
        facts = _look(ctx, row.site, began)
    except Exception as problem:
        log.exception("the audit of %s failed", row.site)
        facts = AuditFacts(row.site, began, f"the audit itself broke: {told(problem)}")
    found, now = audit(facts), now_for_effect()
    with database.write():
        row.made_at = now
        audits.finish_audit(row, found, next_due(ctx, row, now), now)


def _look(ctx: Context, site: str, now: datetime) -> AuditFacts:
    door = ctx.doors.n8n(site)
    plan = ctx.auditing.plans.get(site)
    if door is None or plan is None:
        return AuditFacts(site, now, f"no n8n named {site!r} with an API key is configured")
    with database.read():
        ours = wirings.find_handlers(site)
    return read_audit(door, plan, ours, now)


def take_over_lost_audits(ctx: Context, now: datetime) -> None:
    """An audit whose worker was killed is due again."""
    with database.write():
        audits.requeue_lost_audits(now)
