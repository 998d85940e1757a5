"""Broken executions: look at the chain in n8n, judge, write the intent, retry the leaf, record. Each at most once."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from recovery.decide import replay
from recovery.decide.classify import classify
from recovery.decide.replay import Chain, Judgement, Run
from recovery.model import ExecutionState, N8nDoor, N8nError, Outlook, RecoveryState
from recovery.sources import n8n_execution as source
from recovery.store import database, executions, incidents, recoveries, signals, sites, steps
from recovery.store.tables import ExecutionRow
from recovery.worker.context import Context, now_for_effect
from recovery.worker.planning import thaw
from recovery.worker.reading_n8n import hides_successes, read_members, tags_of, true_root, vanished
from recovery.worker.upkeep import Keeper

SOON = timedelta(seconds=5)
SECOND_LOOK = timedelta(seconds=15)
WAITING, RETRYING = ExecutionState.WAITING, ExecutionState.RETRYING
STATES = {"auth": "unauthorized", "forbidden": "forbidden", "too_old": "too_old"}
MOST_CONFLICTS = MOST_UNREAD = 5


def run_executions(ctx: Context, now: datetime) -> None:
    """Claim the chains that are due, and work on each in a thread."""
    pool = ctx.pool("executions", 16)
    if pool.free <= 0:
        return
    with database.write():
        claimed = executions.claim_chains(now, ctx.lease(now), ctx.worker, pool.free)
    for row in claimed:
        pool.run(work_on_chain, ctx, row)


def work_on_chain(ctx: Context, row: ExecutionRow) -> None:
    """One claimed chain: released ones are retried, retries under way are followed."""
    door = ctx.doors.n8n(row.site)
    if door is None:
        record(row, WAITING, f"no n8n named {row.site!r} is configured")
        return
    try:
        # A slow n8n needs many seconds for each of the answers that a look is made of.
        with Keeper(lambda until: executions.keep_chain(row, until)):
            _look(ctx, row, door)
    except N8nError as problem:
        _unreachable(row, problem, door)


def _unreachable(row: ExecutionRow, problem: N8nError, door: N8nDoor) -> None:
    """n8n did not answer: that is no failed attempt, unless asking again can never help."""
    now = now_for_effect()
    if problem.kind == "client":
        _leave(row, f"n8n does not take its id: {problem}")
        return
    if not problem.permanent:
        unread = row.unread + 1 if problem.kind == "status" and not door.ready() else row.unread
        if unread >= MOST_UNREAD:
            _leave(row, f"n8n is ready, but {unread} times could not tell of it: {problem}", asks=True)
            return
        again: dict[str, Any] = {"run_at": now + SOON * (unread + 1), "unread": unread}
        record(row, ExecutionState(row.state), f"n8n cannot be asked now: {problem}", **again)
        return
    with database.write():
        sites.set_site(row.site, STATES.get(problem.kind, "unreachable"), str(problem), now)
    record(row, WAITING, f"n8n refuses to be asked: {problem}")


def _look(ctx: Context, row: ExecutionRow, door: N8nDoor) -> None:
    """What n8n says of the chain now decides what is done; our own notes never do."""
    root = true_root(door, row)
    if root is None:
        _leave(row, "n8n does not have it any more (pruned, or its data was never saved)")
        return
    if _belongs_elsewhere(row, root):
        _leave(row, f"it is a retry in the chain of execution {root['id']}, which is healed as one")
        return
    chain = replay.read_chain(root, read_members(door, row, root))
    if chain.succeeded:
        because = f"execution {chain.succeeded} of its chain succeeded"
        record(row, ExecutionState.RECOVERED, because, chain, recovered_at=now_for_effect())
    elif gone := vanished(door, row, chain):
        because = "it may have succeeded (n8n does not save successes)"
        _leave(row, f"its retry {gone} was seen running and is gone from n8n: {because}", chain, asks=True)
    elif chain.status in replay.UNDER_WAY:
        _follow(row, chain)
    elif chain.status not in replay.FAILED:
        _leave(row, f"execution {chain.leaf_id} is {chain.status} in n8n: somebody stopped it", chain)
    elif row.state == RETRYING:
        _ended(row, door, chain)
    else:
        _retry(ctx, row, door, chain)


def _belongs_elsewhere(row: ExecutionRow, root: Mapping[str, Any]) -> bool:
    """Two rows of one chain: retries can be heard of before what they retry."""
    pair = (row.site, str(root.get("id")))
    with database.read():
        return executions.find_members([pair]).get(pair, row.id) not in (row.id, None)


def _follow(row: ExecutionRow, chain: Chain) -> None:
    """A retry (ours, or anybody's) runs: look again later, less often the longer it takes."""
    now = now_for_effect()
    taken = (now - (row.started_at or now)) / 4
    wait = min(max(taken, timedelta(seconds=2)), timedelta(seconds=30))
    because = f"execution {chain.leaf_id} of its chain runs in n8n"
    # What a person allowed is spent on this run, whoever began it.
    kept = {"looks": 0, "started_at": row.started_at or now, "seen_id": chain.leaf_id, "permit": None}
    record(row, RETRYING, because, chain, run_at=now + wait, **kept)


def _ended(row: ExecutionRow, door: N8nDoor, chain: Chain) -> None:
    """We asked for a retry, and none runs: it failed, or it never began."""
    now = now_for_effect()
    if chain.leaf_id != row.leaf_id:
        hear(row, door, chain, RETRYING)
    elif row.looks >= 1 and hides_successes(door, row.workflow_id):
        because = "n8n does not save successes of this workflow, so nobody can know whether the retry ran"
        _leave(row, because, chain, asks=True)
    elif row.looks >= 1 and not door.ready():
        because = "n8n shows no retry of it after two looks: it never began"
        record(row, WAITING, because, run_at=now, looks=0)
    else:
        record(row, RETRYING, "n8n shows no retry of it yet", run_at=now + SECOND_LOOK, looks=row.looks + 1)


def hear(row: ExecutionRow, door: N8nDoor, chain: Chain, state: ExecutionState) -> None:
    """A retry failed: its failure is a signal like any other, and triage says what follows."""
    details = door.execution(chain.leaf_id, with_data=True) or chain.leaf
    now = now_for_effect()
    with database.write():
        fresh = signals.add_signals([source.receive_failure(details, row.site, row.workflow_name)], now)
        heard_before = not fresh and row.looks >= 2
        told = WAITING if heard_before else state
        at = None if heard_before else now + SOON
        because = f"its retry {chain.leaf_id} failed"
        kept: dict[str, Any] = {"run_at": at, "looks": row.looks + 1}
        if heard_before:
            kept["leaf_id"] = chain.leaf_id
        executions.finish_chain(row, told, because, now, **kept)
        _wake(row, now)


def _retry(ctx: Context, row: ExecutionRow, door: N8nDoor, chain: Chain) -> None:
    if chain.leaf_id != row.leaf_id:
        _catch_up(row, door, chain)
        return
    judgement = _judge(ctx, row, door, chain)
    if not judgement.retry:
        _leave(row, judgement.because, chain, judgement.asks)
        return
    with database.write():
        now = now_for_effect()
        if _is_held_back(row, now) or not executions.start_chain(
            row, chain.leaf_id, judgement.because, now, ctx.lease(now)
        ):
            return
        executions.note_members(row.site, chain.members, row.id)
    _ask_n8n(row, door, chain)


def _is_held_back(row: ExecutionRow, now: datetime) -> bool:
    """While n8n was looked at, a person paused or resolved, or the attempt ended: nothing new begins."""
    recovery = recoveries.find_active(row.incident_id) if row.incident_id else None
    if recovery and recovery.state == RecoveryState.RUNNING:
        return False
    state, because = _without_recovery(row, WAITING, "no recovery lets it run now")
    if executions.finish_chain(row, state, because, now, run_at=None) and row.incident_id:
        steps.skip_resting_canaries(row.incident_id, because, now)
    return True


def _without_recovery(row: ExecutionRow, state: ExecutionState, because: str) -> tuple[ExecutionState, str]:
    """Nothing waits in an incident that is resolved."""
    if state is WAITING and row.incident_id and incidents.find_incident(row.incident_id).open_key is None:
        return ExecutionState.LEFT_ALONE, f"its incident was resolved meanwhile; {because}"
    return state, because


def _catch_up(row: ExecutionRow, door: N8nDoor, chain: Chain) -> None:
    """Somebody retried it and failed, and we had not heard: learn why before anything is done."""
    details = door.execution(chain.leaf_id, with_data=True) or chain.leaf
    now = now_for_effect()
    with database.write():
        fresh = signals.add_signals([source.receive_failure(details, row.site, row.workflow_name)], now)
        because = f"somebody's retry {chain.leaf_id} failed too"
        executions.finish_chain(row, WAITING, because, now, leaf_id=chain.leaf_id, run_at=now + SOON)
        executions.note_members(row.site, [] if fresh else chain.members, row.id)
        _wake(row, now)


def _judge(ctx: Context, row: ExecutionRow, door: N8nDoor, chain: Chain) -> Judgement:
    details = door.execution(chain.leaf_id, with_data=True)
    if details is None:
        return Judgement(False, "n8n does not have its data any more")
    failure = source.read_failure_of(details)
    mended = _mended(row)
    outlook = Outlook.TRANSIENT if mended else classify(failure, row.site, ctx.policy).outlook
    run = Run(
        failed_at=row.failed_at,
        crashed=chain.status == "crashed" or failure.error_name == "WorkflowCrashedError",
        in_subworkflow=source.fails_in_subworkflow(details),
        items=source.items_into(details),
        writers=source.nodes_that_may_write(details),
        tags=tags_of(door, row.workflow_id),
        retries=row.retries,
        permit=row.permit or "",
    )
    return replay.judge(failure, outlook, run, ctx.policy.replay, now_for_effect())


def _mended(row: ExecutionRow) -> bool:
    with database.read():
        recovery = recoveries.find_active(row.incident_id) if row.incident_id else None
    return bool(recovery and thaw(recovery.playbook).mended)


def _ask_n8n(row: ExecutionRow, door: N8nDoor, chain: Chain) -> None:
    """The effect. From here on only n8n knows whether the run happened."""
    try:
        answer = door.retry(chain.leaf_id)
    except N8nError as problem:
        _refused(row, problem, door)
        return
    if answer is None:
        because = "n8n did not answer in time: the run goes on there, and is followed"
        # At once: a success that n8n does not save can only be seen while it runs.
        record(row, RETRYING, because, run_at=now_for_effect())
    else:
        _answered(row, door, answer)


def _answered(row: ExecutionRow, door: N8nDoor, answer: Mapping[str, Any]) -> None:
    now = now_for_effect()
    new_id, status = str(answer.get("id") or ""), answer.get("status")
    if status == "success" and new_id:
        because = f"its retry {new_id} succeeded"
        leaf = {"leaf_id": new_id, "recovered_at": now}
        record(row, ExecutionState.RECOVERED, because, Chain(answer, (new_id,)), **leaf)
    elif status in replay.FAILED and new_id:
        hear(row, door, Chain(answer, (new_id,)), RETRYING)
    else:
        record(row, RETRYING, "n8n answered; the outcome is looked up", run_at=now)


def _refused(row: ExecutionRow, problem: N8nError, door: N8nDoor) -> None:
    now = now_for_effect()
    if problem.kind == "not_found":
        _leave(row, "n8n cannot retry it: it is gone, or its data was not saved")
    elif problem.kind == "conflict":
        again = row.looks < MOST_CONFLICTS
        because = f"n8n would not retry it now: {problem}"
        # No run began: what a person allowed is still allowed.
        kept: dict[str, Any] = {"looks": row.looks + 1, "permit": row.permit}
        record(row, WAITING, because, run_at=now + SOON if again else None, **kept)
    elif problem.permanent or problem.kind in ("refused", "dns", "rate_limited"):
        row.state = RETRYING
        with database.write():
            # No run began, so none is counted, and what a person allowed is still allowed.
            given_back = {"run_at": now + SOON, "retries": row.retries, "permit": row.permit}
            executions.finish_chain(row, WAITING, f"n8n was not reached: {problem}", now, **given_back)
        if problem.permanent:
            _unreachable(row, problem, door)
    else:
        because = f"nobody knows whether the retry began ({problem}): n8n is looked at again"
        record(row, RETRYING, because, run_at=now + SECOND_LOOK, looks=0)


def _leave(row: ExecutionRow, because: str, chain: Chain | None = None, asks: bool = False) -> None:
    record(row, ExecutionState.LEFT_ALONE, because, chain, asks=asks)


def record(row: ExecutionRow, state: ExecutionState, because: str, chain: Chain | None = None, **changes: Any) -> None:
    """Write down what became of the chain, unless somebody took it over; then have its incident looked at."""
    now = now_for_effect()
    with database.write():
        if changes.get("run_at") is None:
            state, because = _without_recovery(row, state, because)
        if not executions.finish_chain(row, state, because, now, **{"run_at": None, "unread": 0, **changes}):
            return
        if chain:
            executions.note_members(row.site, chain.members, row.id)
        if changes.get("run_at") is None:
            _wake(row, now)


def _wake(row: ExecutionRow, now: datetime) -> None:
    if row.incident_id:
        incidents.wake_incidents([row.incident_id], now)
        recoveries.wake_recoveries([row.incident_id], now)


def take_over_lost_executions(ctx: Context, now: datetime) -> None:
    """Chains whose worker was killed: what was asked for is followed in n8n, what was not begins anew."""
    with database.write():
        for row in executions.find_lost_chains(now):
            executions.requeue_lost(row, now)
