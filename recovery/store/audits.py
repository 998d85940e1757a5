"""Audits: the last one of each n8n, and when the next one is due. The web asks for one, the worker carries it out."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from recovery.clock import from_micros, to_micros
from recovery.model import Audit, AuditFinding, AuditSeverity
from recovery.redact import redact_text
from recovery.store import wake
from recovery.store.database import skip_locked, write
from recovery.store.events import add_event
from recovery.store.tables import AuditRow


def plan_audits(sites: Mapping[str, datetime | None]) -> None:
    """Keep a row for each n8n: {name: when its next audit is due by the configuration; None for only when asked}.

    What a person has asked for stays due. Rows of an n8n that is no longer configured are dropped.
    """
    AuditRow.delete().where(AuditRow.site.not_in(list(sites))).execute()
    for site, due in sites.items():
        AuditRow.insert(site=site, run_at=due).on_conflict_ignore().execute()
        not_asked = AuditRow.asked_at.is_null() & AuditRow.lease_until.is_null()
        AuditRow.update(run_at=due).where(AuditRow.site == site, not_asked).execute()


def find_audits() -> list[AuditRow]:
    """The last audit of each n8n, by name."""
    return list(AuditRow.select().order_by(AuditRow.site))


def find_new_findings(since: datetime, until: datetime, limit: int) -> tuple[int, list[dict[str, Any]]]:
    """How many findings of the last audits were found in the range for the first time, and the worst of them.

    Each is a mapping with `site`, `workflow` ("" for n8n itself), `rule`, `severity`, `because` and `at`.
    """
    first, end = to_micros(since), to_micros(until)
    found = [(row.site, one) for row in find_audits() for one in row.findings if first <= one["since"] < end]
    found.sort(key=lambda pair: list(AuditSeverity).index(pair[1]["severity"]))
    shown = ("workflow", "rule", "severity", "because")
    return len(found), [
        {"site": site, **{name: one[name] for name in shown}, "at": from_micros(one["since"]).isoformat()}
        for site, one in found[:limit]
    ]


def ask_for_audit(site: str, who: str, now: datetime) -> bool:
    """Write down that a person wants an audit now, with a line of history, and wake the worker.

    False where the n8n is not known, or somebody waits for one already.
    """
    with write():
        waits = AuditRow.update(asked_at=now, asked_by=who, run_at=now).where(
            AuditRow.site == site, AuditRow.asked_at.is_null()
        )
        if not waits.execute():
            return False
        add_event(now, "audit", site, "asked", f"{who} asked for it", who=who)
    wake.wake_worker()
    return True


def claim_audits(now: datetime, lease_until: datetime, worker: str) -> list[AuditRow]:
    """Claim the audits that are due."""
    due = AuditRow.select().where(AuditRow.run_at <= now, AuditRow.lease_until.is_null())
    claimed = list(skip_locked(due))
    for row in claimed:
        row.fence += 1
        AuditRow.update(fence=row.fence, lease_until=lease_until, worker=worker, run_at=None).where(
            AuditRow.id == row.id
        ).execute()
    return claimed


def requeue_lost_audits(now: datetime) -> None:
    """Audits whose worker was killed are due again: they only look."""
    lost = AuditRow.lease_until.is_null(False) & (AuditRow.lease_until <= now)
    AuditRow.update(lease_until=None, run_at=now).where(lost).execute()


def finish_audit(row: AuditRow, found: Audit, next_at: datetime | None, now: datetime) -> bool:
    """Record a claimed audit; False where somebody took it over."""
    mine = AuditRow.update(lease_until=None, run_at=next_at, asked_at=None, asked_by="").where(
        AuditRow.id == row.id, AuditRow.fence == row.fence
    )
    if not mine.execute():
        return False
    _keep(row, found, now, row.asked_by or "medic")
    return True


def keep_audit(found: Audit, now: datetime, who: str) -> None:
    """Keep an audit that was made beside the worker; when the next one is due stays as it was."""
    AuditRow.insert(site=found.site).on_conflict_ignore().execute()
    _keep(AuditRow.get(AuditRow.site == found.site), found, now, who)


def _keep(row: AuditRow, found: Audit, now: datetime, who: str) -> None:
    known = {(one["workflow_id"], one["rule"]): one["since"] for one in row.findings}
    rows = [_shown(one, known, now) for one in found.findings]
    values = {"made_at": now, "score": found.score, "workflows": found.workflows, "findings": rows}
    AuditRow.update(**values).where(AuditRow.id == row.id).execute()
    fresh = sum(one["since"] == to_micros(now) for one in rows)
    before = f"score {row.score}" if row.made_at else ""
    because = f"{len(rows)} findings in {found.workflows} workflows, {fresh} of them new"
    add_event(now, "audit", found.site, f"score {found.score}", because, before=before, who=who)


def _shown(one: AuditFinding, known: Mapping[tuple[str, str], int], now: datetime) -> dict[str, Any]:
    since = known.get((one.workflow_id, one.rule), to_micros(now))
    told = {"workflow": redact_text(one.workflow), "because": redact_text(one.because)}
    return {**asdict(one), **told, "since": since}


def next_due(row: AuditRow | None, every: timedelta, first: datetime, now: datetime) -> datetime | None:
    """When the next audit is due by the configuration: so long after the last one, or at `first`; None for never."""
    if not every:
        return None
    return max(row.made_at + every, now) if row and row.made_at else first
