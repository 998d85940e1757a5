"""Broken executions: look at the chain in n8n, judge, write the intent, retry the leaf, record. Each at most once."""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from recovery.decide import replay
from recovery.decide.replay import Chain, Judgement
from recovery.model import ExecutionState, N8nDoor, N8nError
from recovery.sources import n8n_execution as source
from recovery.store import database, executions, replays, signals
from recovery.store.tables import ExecutionRow
from recovery.worker.context import Context, now_for_effect
from recovery.worker.guarding import told
from recovery.worker.judging import judge_run
from recovery.worker.outage import is_within
from recovery.worker.reading_n8n import (
    find_unlisted_retry,
    has_gone_back,
    is_stranger,
    orphan_success,
    read_details,
    read_details_or,
    read_members,
    saves_successes,
    true_root,
    vanished,
)
from recovery.worker.recording import SOON, WAITING, hear, is_held_back, leave, put_aside, record, unreachable, wake
from recovery.worker.retrying import RETRYING, SECOND_LOOK, ask_n8n
from recovery.worker.upkeep import Keeper

log = logging.getLogger("medic.worker")
THREADS = 2  # more of them keep the loop from its turn, and a new failure waits: four doubled its p99


def run_executions(ctx: Context, now: datetime) -> None:
    """Claim the chains that are due, and work on each in a thread."""
    pool = ctx.pool("executions", THREADS)
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
        unreachable(row, problem)
    except database.TROUBLE:
        raise
    except Exception as problem:
        log.exception("execution %s could not be worked on", row.root_id)
        put_aside(row, told(problem))


def _look(ctx: Context, row: ExecutionRow, door: N8nDoor) -> None:
    """What n8n says of the chain now decides what is done; our own notes never do."""
    root = true_root(door, row)
    if root is None:
        leave(row, "n8n does not have it any more (pruned, or its data was never saved)")
        return
    if is_stranger(row, root):
        leave(row, "n8n has given its number to another run: its database is another one", asks=True)
        return
    if _belongs_elsewhere(row, root):
        leave(row, f"it is a retry in the chain of execution {root['id']}, which is healed as one")
        return
    members = read_members(door, row, root, *_read_before(row, root))
    root = door.execution(str(root["id"])) or root
    chain = _with_unlisted(row, door, root, members, replay.read_chain(root, members))
    if succeeded := _success_of(row, door, root, chain):
        because = f"execution {succeeded} of its chain succeeded"
        record(row, ExecutionState.RECOVERED, because, chain, recovered_at=now_for_effect())
    elif gone := vanished(door, row, chain):
        because = "it may have succeeded (n8n does not save successes)"
        leave(row, f"its retry {gone} was seen running and is gone from n8n: {because}", chain, asks=True)
    elif chain.status in replay.UNDER_WAY:
        _follow(row, chain)
    elif chain.status not in replay.FAILED:
        leave(row, f"execution {chain.leaf_id} is {chain.status} in n8n: somebody stopped it", chain)
    elif row.state == RETRYING:
        _ended(row, door, chain)
    else:
        _retry(ctx, row, door, chain)


def _with_unlisted(
    row: ExecutionRow, door: N8nDoor, root: Mapping[str, Any], members: list[Mapping[str, Any]], chain: Chain
) -> Chain:
    """The chain with what n8n lists nowhere, where it would be run again else: two retries would both be done."""
    if chain.succeeded or chain.status not in replay.FAILED:
        return chain
    asked_at = row.started_at if row.state == RETRYING else None
    unlisted = find_unlisted_retry(door, chain.members, asked_at)
    return replay.read_chain(root, [*members, unlisted]) if unlisted else chain


def _success_of(row: ExecutionRow, door: N8nDoor, root: Mapping[str, Any], chain: Chain) -> str:
    """The execution of the chain that succeeded, however n8n tells it; "" while none has."""
    if chain.succeeded or chain.status in replay.UNDER_WAY:
        return chain.succeeded
    with database.read():
        members = executions.members_of(row.id)
    return orphan_success(door, row, root, chain, members)


def _read_before(row: ExecutionRow, root: Mapping[str, Any]) -> tuple[list[str], int]:
    """What a replay has read of n8n need not be read again for each of its chains: thousands failed with this one."""
    with database.read():
        order = replays.find_replay(row.replay_id) if row.replay_id else None
        if order is None or not order.newest_id or not is_within(order, root):
            return [], 0
        known = [one for one in executions.members_of(row.id) if one != str(root.get("id"))]
        return known, order.newest_id


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
    does = "waits in n8n's queue" if chain.status == "new" else "runs in n8n"
    because = f"execution {chain.leaf_id} of its chain {does}"
    # What a person allowed is spent on this run, whoever began it.
    kept = {"looks": 0, "started_at": row.started_at or now, "seen_id": chain.leaf_id, "permit": None}
    record(row, RETRYING, because, chain, run_at=now + wait, **kept)


def _ended(row: ExecutionRow, door: N8nDoor, chain: Chain) -> None:
    """We asked for a retry, and none runs: it failed, or it never began."""
    now = now_for_effect()
    if chain.leaf_id != row.leaf_id:
        hear(row, door, chain, RETRYING)
    elif row.looks >= 1 and not saves_successes(door, chain.leaf_id):
        because = "n8n may not save successes of this workflow, so nobody can know whether the retry ran"
        leave(row, because, chain, asks=True)
    elif row.looks >= 1 and has_gone_back(door, row.site):
        because = (
            "n8n's newest executions are gone (its database was put back?), and the retry may have been among them"
        )
        leave(row, because, chain, asks=True)
    elif row.looks >= 1 and not door.ready():
        because = "n8n shows no retry of it after two looks: it never began"
        record(row, WAITING, because, run_at=now, looks=0)
    else:
        record(row, RETRYING, "n8n shows no retry of it yet", run_at=now + SECOND_LOOK, looks=row.looks + 1)


def _retry(ctx: Context, row: ExecutionRow, door: N8nDoor, chain: Chain) -> None:
    if chain.leaf_id != row.leaf_id:
        _catch_up(row, door, chain)
        return
    details = read_details(door, chain.leaf_id)
    if details and (str(details.get("status")) not in replay.FAILED or details.get("retrySuccessId")):
        record(row, WAITING, "it has moved on while it was looked at", run_at=now_for_effect() + SOON)
        return
    judgement = _judge(ctx, row, door, chain, details)
    if not judgement.retry:
        leave(row, judgement.because, chain, judgement.asks)
        return
    with database.decide():  # so that no other worker carries out an order between our look and our intent
        now = now_for_effect()
        if is_held_back(ctx, row, now) or not executions.start_chain(
            row, chain.leaf_id, judgement.because, now, ctx.lease(now)
        ):
            return
        executions.note_members(row.site, chain.members, row.id)
    ask_n8n(row, door, chain, now)


def _catch_up(row: ExecutionRow, door: N8nDoor, chain: Chain) -> None:
    """Somebody retried it and failed, and we had not heard: learn why before anything is done."""
    details = read_details_or(door, chain.leaf)
    now = now_for_effect()
    with database.decide():
        fresh = signals.add_signals([source.receive_failure(details, row.site, row.workflow_name)], now)
        because = f"somebody's retry {chain.leaf_id} failed too"
        # What a person allowed was for the run before.
        changes: dict[str, Any] = {"leaf_id": chain.leaf_id, "run_at": now + SOON, "permit": None}
        executions.finish_chain(row, WAITING, because, now, **changes)
        executions.note_members(row.site, [] if fresh else chain.members, row.id)
        wake(row, now)


def _judge(
    ctx: Context, row: ExecutionRow, door: N8nDoor, chain: Chain, details: Mapping[str, Any] | None
) -> Judgement:
    if details is None:
        return Judgement(False, "n8n does not have its data any more")
    return judge_run(ctx, row, door, chain, details, door.workflow(row.workflow_id))


def take_over_lost_executions(ctx: Context, now: datetime) -> None:
    """Chains whose worker was killed: what was asked for is followed in n8n, what was not begins anew."""
    with database.write():
        for row in executions.find_lost_chains(now):
            executions.requeue_lost(row, now)
