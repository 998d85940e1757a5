"""What is old enough is dropped: failures and all that belongs to them after a year, success logs after a month."""

from datetime import datetime

from recovery.store.tables import (
    AlertRow,
    BundleRow,
    CallRow,
    EventRow,
    ExecutionRow,
    IncidentRow,
    LineRow,
    MemberRow,
    OrderRow,
    OutcomeRow,
    RecoveryRow,
    ReplayRow,
    RequestRow,
    SignalRow,
    SilenceRow,
    StepRow,
    ThreadRow,
)

AT_ONCE = 1_000
OF_INCIDENTS = (
    SignalRow, RecoveryRow, StepRow, RequestRow, ExecutionRow, OrderRow, AlertRow, EventRow, ThreadRow, LineRow,
    CallRow,
)  # fmt: skip


def drop_success_logs(before: datetime) -> int:
    """Readings and successes that told of nothing failing, up to a bounded number; how many went."""
    old = (
        SignalRow.select(SignalRow.id)
        .where(SignalRow.received_at < before, SignalRow.triaged_at.is_null(False), SignalRow.incident_id.is_null())
        .limit(AT_ONCE)
    )
    return SignalRow.delete().where(SignalRow.id.in_([row.id for row in old])).execute()


def drop_failures(before: datetime) -> int:
    """Incidents resolved before then, with everything that belongs to them; how many incidents went."""
    query = IncidentRow.select(IncidentRow.id).where(IncidentRow.resolved_at < before).limit(AT_ONCE)
    gone = [row.id for row in query]
    if gone:
        chains = ExecutionRow.select(ExecutionRow.id).where(ExecutionRow.incident_id.in_(gone))
        MemberRow.delete().where(MemberRow.chain_id.in_(chains)).execute()
        recoveries = RecoveryRow.select(RecoveryRow.id).where(RecoveryRow.incident_id.in_(gone))
        OutcomeRow.delete().where(OutcomeRow.recovery_id.in_(recoveries)).execute()
        for table in OF_INCIDENTS:
            table.delete().where(table.incident_id.in_(gone)).execute()
        IncidentRow.delete().where(IncidentRow.id.in_(gone)).execute()
    for at in (EventRow.at, OrderRow.asked_at, StepRow.finished_at):  # what belongs to no incident
        at.model.delete().where(at < before, at.model.incident_id.is_null()).execute()
    AlertRow.delete().where(AlertRow.created_at < before, AlertRow.incident_id == 0).execute()
    BundleRow.delete().where(BundleRow.began_at < before, BundleRow.open_key.is_null()).execute()
    SilenceRow.delete().where(SilenceRow.ends_at < before).execute()
    _drop_replays(before)
    return len(gone)


def _drop_replays(before: datetime) -> None:
    query = ReplayRow.select(ReplayRow.id).where(ReplayRow.ended_at < before).limit(AT_ONCE)
    gone = [row.id for row in query]
    if gone:
        chains = ExecutionRow.select(ExecutionRow.id).where(ExecutionRow.replay_id.in_(gone))
        MemberRow.delete().where(MemberRow.chain_id.in_(chains)).execute()
        ExecutionRow.delete().where(ExecutionRow.replay_id.in_(gone)).execute()
        ReplayRow.delete().where(ReplayRow.id.in_(gone)).execute()
