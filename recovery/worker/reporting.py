"""Reports to people: the next one of each is a row that is held until its hour, and counts what happened when sent."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from recovery.analytics.periods import count_period
from recovery.clock import from_micros, to_micros
from recovery.decide.telling import NO_DIGEST
from recovery.model import AlertKind, ReportPlan
from recovery.store import alerts, database
from recovery.store.tables import AlertRow
from recovery.worker.context import Context

REPORT = AlertKind.REPORT


def plan_reports(ctx: Context, now: datetime) -> None:
    """Owe the next report of each kind over each of its channels, and none that is configured no more."""
    wanted = {key: one for plan in ctx.alerting.reports for key, one in _next_of(ctx, plan, now).items()}
    for row in alerts.find_held_of_kind(REPORT):
        if row.key not in wanted and (row.held_until or now) > now:
            alerts.fold_alert(row, "it is to come at another time, or no more", now)
    for key, (channel, due) in wanted.items():
        facts = {"due": to_micros(due)}
        alerts.hold_alert(key, 0, REPORT, channel, "low", facts, now, due)


def _next_of(ctx: Context, plan: ReportPlan, now: datetime) -> dict[str, tuple[str, datetime]]:
    due = next_report_at(plan.cron, ctx.alerting.timezone, now)
    if due is None:
        return {}
    usual = [one.name for one in ctx.channels if one.kind not in NO_DIGEST]
    names = [one.name for one in ctx.channels if one.name in plan.channels] if plan.channels else usual
    return {f"report.{plan.period}.{due:%Y-%m-%dT%H:%MZ}.{name}": (name, due) for name in names}


def next_report_at(cron: str, timezone: str, after: datetime) -> datetime | None:
    """When a report is next due; None where its time never comes."""
    try:
        return next(CronSim(cron, after.astimezone(ZoneInfo(timezone)))).astimezone(UTC)
    except (CronSimError, StopIteration):
        return None


def send_report(ctx: Context, row: AlertRow, now: datetime) -> None:
    """Count the day or week that is over, send it, and owe the next one."""
    due = from_micros(int(row.facts.get("due", to_micros(now))))
    if due > now:  # the clock was set back
        alerts.hold_until(row, due)
        return
    period = row.key.split(".")[1]
    plan = next((one for one in ctx.alerting.reports if one.period == period), None)
    since = due - timedelta(days=7 if period == "weekly" else 1)
    facts = report_facts(ctx, period, since, due) | {"key": row.key}
    tells = any(facts[name] for name in ("failed", "failing", "findings"))
    if plan is None or not (tells or plan.empty):
        alerts.fold_alert(row, "nothing failed: there is nothing to report", now)
    else:
        alerts.release_alert(row, now, facts)
    with database.write():
        plan_reports(ctx, now)


def report_facts(ctx: Context, period: str, since: datetime, until: datetime) -> dict[str, object]:
    """What a report tells."""
    base = ctx.public_url.rstrip("/")
    counted = count_period(period, since, until)
    for item in (*counted["items"], *counted["failing"]):
        item["link"] = f"{base}/incidents/{item.pop('incident_id')}"
    told = {"language": ctx.language, "timezone": ctx.alerting.timezone, "dry_run": ctx.dry_run}
    return {"kind": str(REPORT), **counted, "link": f"{base}/reports", **told}
