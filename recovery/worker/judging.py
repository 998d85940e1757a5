"""May a failed run be retried? Gathers what `decide.replay.judge` needs to know of it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from recovery.decide import replay
from recovery.decide.classify import classify
from recovery.decide.replay import Chain, Judgement, Run
from recovery.model import Ambiguous, Failure, N8nDoor, Outlook, ReplayLimits, tags_of, thaw
from recovery.sources import n8n_execution as source
from recovery.store import database, recoveries, replays
from recovery.store.tables import ExecutionRow
from recovery.worker.context import Context, now_for_effect
from recovery.worker.reading_n8n import read_details

FOR_EVER_SECONDS = 100 * 365 * 86_400.0


def judge_run(
    ctx: Context,
    row: ExecutionRow,
    door: N8nDoor,
    chain: Chain,
    details: Mapping[str, Any],
    workflow: Mapping[str, Any] | None,
) -> Judgement:
    """May the chain's leaf be retried?

    Args:
        row: the chain, which need not be stored yet. details: the leaf with its data. workflow: as n8n has it now.

    Raises:
        N8nError: an earlier run of the chain cannot be read.
    """
    failure = source.read_failure_of(details)
    outlook = Outlook.TRANSIENT if _mended(row) else classify(failure, row.site, ctx.policy).outlook
    limits, now = _limits(ctx, row), now_for_effect()
    run = replace(
        _run_of(details, failure, row.failed_at),
        nothing_left=source.has_nothing_left(details),
        root_mode=chain.root_mode,
        tags=tags_of(workflow),
        archived=bool((workflow or {}).get("isArchived")),
        retries=row.retries,
        permit=row.permit or "",
    )
    judgement = replay.judge(failure, outlook, run, limits, now)
    if judgement.retry and not run.permit and (earlier := _doubt_of_earlier(door, chain, details)):
        return replay.judge(failure, outlook, replace(run, earlier=earlier), limits, now)
    return judgement


def _run_of(details: Mapping[str, Any], failure: Failure, failed_at: datetime) -> Run:
    return Run(
        failed_at=failed_at,
        crashed=details.get("status") == "crashed" or failure.error_name == "WorkflowCrashedError",
        in_subworkflow=source.fails_in_subworkflow(details),
        items=source.items_into(details),
        writers=source.nodes_that_may_write(details),
    )


def _doubt_of_earlier(door: N8nDoor, chain: Chain, details: Mapping[str, Any]) -> str:
    """What is doubtful of an earlier run, which somebody had retried, and whose failed node would be run again."""
    for name in (one for one in reversed(chain.members) if one != chain.leaf_id):
        before = read_details(door, name)
        if before is None or before.get("status") not in replay.FAILED:
            continue
        failure = source.read_failure_of(before)
        run = _run_of(before, failure, now_for_effect())
        runs_again = run.crashed or source.last_node(before) == source.last_node(details)
        if runs_again and (doubt := replay.why_doubted(failure, run)):
            return f"execution {name} of its chain: {doubt}"
    return ""


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
