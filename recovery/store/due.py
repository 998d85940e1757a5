"""What is due, and when the next thing will be; and what a new worker on the same machine takes over at once."""

from datetime import datetime, timedelta

from recovery.clock import from_micros
from recovery.store.tables import (
    AgentRow,
    AlertRow,
    AuditRow,
    BundleRow,
    CallRow,
    ChannelRow,
    ComponentRow,
    ExecutionRow,
    IncidentRow,
    RecoveryRow,
    ReplayRow,
    RequestRow,
    SiteRow,
    StepRow,
    ThreadRow,
    proxy,
)

LEASED = (StepRow, ExecutionRow, AlertRow, ComponentRow, ReplayRow, AuditRow)
PLANNED = (
    *(column for table in LEASED for column in (table.run_at, table.lease_until)),
    *(IncidentRow.wake_at, IncidentRow.escalate_at, IncidentRow.settle_at),
    *(RecoveryRow.wake_at, RecoveryRow.next_at, RecoveryRow.released_at),
    *(SiteRow.polled_at, SiteRow.deep_polled_at, ComponentRow.seen_at, ComponentRow.told_at),
    *(ComponentRow.breaker_closed_at, RequestRow.until, RequestRow.wake_at, AgentRow.seen_at),
    *(AuditRow.asked_at, AuditRow.made_at),
    *(IncidentRow.failed_at, IncidentRow.last_signal_at, IncidentRow.sign_at),
    *(AlertRow.held_until, AlertRow.released_at, AlertRow.pass_on_at, ThreadRow.owed_at, ThreadRow.told_at),
    *(BundleRow.began_at, BundleRow.told_at, ChannelRow.failing_since, ChannelRow.troubled_at),
    *(CallRow.called_at, CallRow.told_at, CallRow.due_at, CallRow.snoozed_until),
    # What is past is compared with what comes: a look with the end of an action, a failure with the last resolution.
    *(IncidentRow.opened_at, IncidentRow.episode_at, IncidentRow.resolved_at, IncidentRow.acknowledged_at),
    *(RecoveryRow.started_at, RecoveryRow.ended_at),
    *(StepRow.queued_at, StepRow.started_at, StepRow.finished_at),
    *(ExecutionRow.started_at, ExecutionRow.recovered_at),
    *(ReplayRow.asked_at, ReplayRow.started_at, ReplayRow.released_at),
)
# The earliest of each word is the end of an index: it costs the same however much waits.
WORDS = {
    "orders": "SELECT 0 FROM orders WHERE taken_at IS NULL LIMIT 1",  # at once, whatever the sender's clock says
    "signals": "SELECT 0 FROM signals WHERE triaged_at IS NULL LIMIT 1",
    "requests": "SELECT wake_at FROM requests WHERE wake_at IS NOT NULL ORDER BY wake_at LIMIT 1",
    "incidents": "SELECT wake_at FROM incidents WHERE wake_at IS NOT NULL ORDER BY wake_at LIMIT 1",
    "recoveries": "SELECT wake_at FROM recoveries WHERE wake_at IS NOT NULL ORDER BY wake_at LIMIT 1",
    "steps": "SELECT run_at FROM steps WHERE run_at IS NOT NULL ORDER BY run_at LIMIT 1",
    "replays": "SELECT run_at FROM replays WHERE run_at IS NOT NULL ORDER BY run_at LIMIT 1",
    "executions": "SELECT run_at FROM executions WHERE run_at IS NOT NULL ORDER BY run_at LIMIT 1",
    "components": "SELECT run_at FROM components WHERE run_at IS NOT NULL AND lease_until IS NULL"
    " ORDER BY run_at LIMIT 1",  # one that was hurried while it is looked at is due after that
    "alerts": "SELECT run_at FROM alerts WHERE run_at IS NOT NULL ORDER BY run_at LIMIT 1",
    "held alerts": "SELECT held_until FROM alerts WHERE held_until IS NOT NULL ORDER BY held_until LIMIT 1",
    "late alerts": "SELECT pass_on_at FROM alerts WHERE pass_on_at IS NOT NULL ORDER BY pass_on_at LIMIT 1",
    "calls": "SELECT due_at FROM calls WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1",
    "audits": "SELECT run_at FROM audits WHERE run_at IS NOT NULL AND lease_until IS NULL ORDER BY run_at LIMIT 1",
    "lost steps": "SELECT lease_until FROM steps WHERE lease_until IS NOT NULL ORDER BY lease_until LIMIT 1",
    "lost executions": "SELECT lease_until FROM executions WHERE lease_until IS NOT NULL ORDER BY lease_until LIMIT 1",
    "lost replays": "SELECT lease_until FROM replays WHERE lease_until IS NOT NULL ORDER BY lease_until LIMIT 1",
    "lost components": "SELECT lease_until FROM components WHERE lease_until IS NOT NULL ORDER BY lease_until LIMIT 1",
    "lost alerts": "SELECT lease_until FROM alerts WHERE lease_until IS NOT NULL ORDER BY lease_until LIMIT 1",
    "lost audits": "SELECT lease_until FROM audits WHERE lease_until IS NOT NULL ORDER BY lease_until LIMIT 1",
}
AGENDA = " UNION ALL ".join(f"SELECT '{word}', ({sql})" for word, sql in WORDS.items())  # noqa: S608 no input in it


def read_agenda() -> dict[str, datetime]:
    """When each word is next due: {word: earliest time}, without words for which nothing is planned."""
    rows = proxy.obj.execute_sql(AGENDA).fetchall()
    return {word: from_micros(earliest) for word, earliest in rows if earliest is not None}


def set_back(by: timedelta, now: datetime) -> None:
    """The clock was set back: what was planned or written down by the old one keeps its distance from now."""
    for column in PLANNED:
        condition = column > now
        column.model.update({column: column - round(by.total_seconds() * 1_000_000)}).where(condition).execute()


def void_leases(now: datetime) -> None:
    """The only worker there can be has just started: nobody holds what an earlier one had claimed."""
    for table in LEASED:
        table.update(lease_until=now).where(table.lease_until.is_null(False)).execute()
