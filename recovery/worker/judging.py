"""May a failed run be retried? Gathers what `decide.replay.judge` needs to know of it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from recovery.decide import replay
from recovery.decide.classify import classify
from recovery.decide.replay import Chain, Judgement, Run
from recovery.model import Ambiguous, Outlook, ReplayLimits, tags_of, thaw
from recovery.sources import n8n_execution as source
from recovery.store import database, recoveries, replays
from recovery.store.tables import ExecutionRow
from recovery.worker.context import Context, now_for_effect

FOR_EVER_SECONDS = 100 * 365 * 86_400.0


def judge_run(
    ctx: Context, row: ExecutionRow, chain: Chain, details: Mapping[str, Any], workflow: Mapping[str, Any] | None
) -> Judgement:
    """May the chain's leaf be retried?

    Args:
        row: the chain, which need not be stored yet. details: the leaf with its data. workflow: as n8n has it now.
    """
    failure = source.read_failure_of(details)
    outlook = Outlook.TRANSIENT if _mended(row) else classify(failure, row.site, ctx.policy).outlook
    run = Run(
        failed_at=row.failed_at,
        crashed=chain.status == "crashed" or failure.error_name == "WorkflowCrashedError",
        nothing_left=source.has_nothing_left(details),
        in_subworkflow=source.fails_in_subworkflow(details),
        items=source.items_into(details),
        writers=source.nodes_that_may_write(details),
        root_mode=chain.root_mode,
        tags=tags_of(workflow),
        archived=bool((workflow or {}).get("isArchived")),
        retries=row.retries,
        permit=row.permit or "",
    )
    return replay.judge(failure, outlook, run, _limits(ctx, row), now_for_effect())


def _mended(row: ExecutionRow) -> bool:
    """Whether somebody, or a sign of health, says that the cause is gone: who orders a replay says so."""
    if row.replay_id:
        return True
    with database.read():
        recovery = recoveries.find_active(row.incident_id) if row.incident_id else None
    return bool(recovery and thaw(recovery.playbook).mended)


def _limits(ctx: Context, row: ExecutionRow) -> ReplayLimits:
    """Who orders a replay has said from when on, and what is to become of what may repeat an effect."""
    limits = ctx.policy.replay
    if not row.replay_id:
        return limits
    with database.read():
        order = replays.find_replay(row.replay_id)
    allowed = order is not None and order.ambiguous == Ambiguous.RETRY
    return replace(limits, max_age_seconds=FOR_EVER_SECONDS, max_retries=1_000_000, retry_ambiguous=allowed)
