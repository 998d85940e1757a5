"""Writes down what became of a chain of executions, in one transaction with whom it wakes."""

from datetime import datetime, timedelta
from typing import Any

from recovery.decide.replay import Chain
from recovery.model import ExecutionState, N8nDoor, N8nError, RecoveryState, ReplayState
from recovery.sources import n8n_execution as source
from recovery.store import database, executions, incidents, recoveries, replays, signals, sites, steps
from recovery.store.tables import ExecutionRow
from recovery.worker.context import Context, now_for_effect
from recovery.worker.reading_n8n import TOO_MANY, UNREADABLE, read_details_or, site_state

SOON = timedelta(seconds=5)
WAITING, LEFT_ALONE = ExecutionState.WAITING, ExecutionState.LEFT_ALONE
MOST_UNREAD = 5


def leave(row: ExecutionRow, because: str, chain: Chain | None = None, asks: bool = False) -> None:
    """It is not run again, at least not by itself; `asks`: a person decides. A replay lists it at its end instead."""
    record(row, LEFT_ALONE, because, chain, asks=asks and not row.replay_id)


def record(row: ExecutionRow, state: ExecutionState, because: str, chain: Chain | None = None, **changes: Any) -> None:
    """Write down what became of the chain, unless somebody took it over; then have its incident looked at."""
    now = now_for_effect()
    with database.decide():  # so that no other worker resolves the incident between our look and our record
        if changes.get("run_at") is None:
            state, because = without_recovery(row, state, because)
        if not executions.finish_chain(row, state, because, now, **{"run_at": None, "unread": 0, **changes}):
            return
        if chain:
            executions.note_members(row.site, chain.members, row.id)
        if changes.get("run_at") is None:
            wake(row, now)


def wake(row: ExecutionRow, now: datetime) -> None:
    """Have its incident and what heals that, or its replay, looked at."""
    replays.wake_replay(row.replay_id, now)
    if row.incident_id:
        incidents.wake_incidents([row.incident_id], now)
        recoveries.wake_recoveries([row.incident_id], now)


def is_held_back(ctx: Context, row: ExecutionRow, now: datetime) -> bool:
    """While n8n was looked at, a person paused or resolved, or the attempt ended: nothing new begins.

    Nor does it in a dry run that was turned on after it had been released.
    """
    if row.replay_id:
        return _is_called_off(ctx, row, row.replay_id, now)
    recovery = recoveries.find_active(row.incident_id) if row.incident_id else None
    if recovery and recovery.state == RecoveryState.RUNNING and not ctx.dry_run:
        return False
    why = "dry run: nothing is retried" if ctx.dry_run else "no recovery lets it run now"
    state, because = without_recovery(row, WAITING, why)
    if executions.finish_chain(row, state, because, now, run_at=None) and row.incident_id:
        steps.skip_resting_canaries(row.incident_id, because, now)
        recoveries.wake_recoveries([row.incident_id], now)
    return True


def _is_called_off(ctx: Context, row: ExecutionRow, replay_id: int, now: datetime) -> bool:
    order = replays.find_replay(replay_id)
    goes_on = order and order.state == ReplayState.RUNNING and not order.cancel_at
    if goes_on and not ctx.dry_run:
        return False
    state, why = (WAITING, "dry run: nothing is retried") if goes_on else (LEFT_ALONE, f"replay {replay_id} is over")
    executions.finish_chain(row, state, why, now, run_at=None)
    return True


def without_recovery(row: ExecutionRow, state: ExecutionState, because: str) -> tuple[ExecutionState, str]:
    """Nothing waits in an incident that is resolved."""
    if state is WAITING and row.incident_id and incidents.find_incident(row.incident_id).open_key is None:
        return ExecutionState.LEFT_ALONE, f"its incident was resolved meanwhile; {because}"
    return state, because


def hear(row: ExecutionRow, door: N8nDoor, chain: Chain, state: ExecutionState) -> None:
    """A retry failed: its failure is a signal like any other, and triage says what follows."""
    details = read_details_or(door, chain.leaf)
    now = now_for_effect()
    with database.decide():
        fresh = signals.add_signals([source.receive_failure(details, row.site, row.workflow_name)], now)
        heard_before = not fresh and row.looks >= 2
        told = (ExecutionState.FAILED if row.replay_id else WAITING) if heard_before else state
        at = None if heard_before else now + SOON
        because = f"its retry {chain.leaf_id} failed"
        kept: dict[str, Any] = {"run_at": at, "looks": row.looks + 1}
        if heard_before:
            kept["leaf_id"] = chain.leaf_id
        executions.finish_chain(row, told, because, now, **kept)
        wake(row, now)


def unreachable(row: ExecutionRow, problem: N8nError) -> None:
    """n8n did not answer: that is no failed attempt, unless asking again can never help."""
    now = now_for_effect()
    if problem.kind == "client":
        leave(row, f"n8n does not take its id: {problem}")
        return
    if not problem.permanent:
        # Whether our own retry waits there cannot be known: a person decides. Before one is begun, it is waited for.
        if problem.kind == UNREADABLE or (problem.kind == TOO_MANY and row.state == ExecutionState.RETRYING):
            put_aside(row, f"n8n is ready, but could not tell of it: {problem}")
            return
        again: dict[str, Any] = {"run_at": now + SOON * (row.unread + 1), "unread": row.unread}
        record(row, ExecutionState(row.state), f"n8n cannot be asked now: {problem}", **again)
        return
    refuse_site(row.site, problem)
    record(row, WAITING, f"n8n refuses to be asked: {problem}")


def put_aside(row: ExecutionRow, because: str) -> None:
    """It could not be worked on, through nobody else's fault: tried a few times more, then left to a person."""
    unread = row.unread + 1
    if unread >= MOST_UNREAD:
        leave(row, f"{unread} times: {because}", asks=True)
        return
    again: dict[str, Any] = {"run_at": now_for_effect() + SOON * (unread + 1), "unread": unread}
    record(row, ExecutionState(row.state), because, **again)


def refuse_site(site: str, problem: N8nError) -> None:
    """Asking that n8n again cannot help, until a person has put its key, or n8n, right."""
    state = site_state(problem)
    with database.write():
        if problem.kind in ("forbidden", "too_old"):  # it answers all the same, so that a poll must not call it well
            sites.refuse(site, state, str(problem), now_for_effect())
        else:
            sites.set_site(site, state, str(problem), now_for_effect())
