"""The chains of replays: taken in, released bit by bit, counted."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import peewee as pw

from recovery.clock import to_micros
from recovery.model import ExecutionState
from recovery.store import bulk, executions
from recovery.store.events import add_event
from recovery.store.tables import EventRow, ExecutionRow, ReplayRow

LAST = 3  # so many of the newest outcomes of a workflow are looked at together
ENDED = (ExecutionState.RECOVERED, ExecutionState.FAILED)


class Lane(NamedTuple):
    """A workflow of a replay: how many of its chains are in each state, and the newest outcomes of its retries.

    `busy`: of these, how many are released or being retried.
    """

    workflow_id: str
    name: str
    states: dict[str, int]
    busy: int
    newest: tuple[str, ...]


def find_open_incidents(incident_ids: Iterable[int | None]) -> set[int]:
    """Those of the incidents that are not resolved."""
    wanted = sorted({one for one in incident_ids if one is not None})
    sql = "SELECT id FROM incidents WHERE open_key IS NOT NULL AND id IN ?"
    return {row[0] for row in bulk.select(sql, wanted)} if wanted else set()


def add_chain(replay: ReplayRow, row: dict[str, Any], members: Iterable[str], now: datetime) -> None:
    """A chain that nobody knew is run again by a replay."""
    because = f"replay {replay.id} is to run it again"
    known = {**row, "site": replay.site, "replay_id": replay.id, "state": ExecutionState.WAITING, "because": because}
    chain_id = executions.add_chain({**known, "heard_at": now})
    executions.add_members([(replay.site, name, chain_id) for name in members])
    add_event(now, "execution", row["root_id"], ExecutionState.WAITING, because, who=replay.who)


def take_over(replay: ReplayRow, row: ExecutionRow, leaf_id: str, members: Iterable[str], now: datetime) -> None:
    """A chain that was left as it is, of an incident that is resolved or of an earlier replay, is run again."""
    because = f"replay {replay.id} is to run it again"
    add_event(now, "execution", row.root_id, ExecutionState.WAITING, because, row.incident_id, row.state, replay.who)
    mine = {"replay_id": replay.id, "incident_id": None, "leaf_id": leaf_id, "asks": False, "started_at": None}
    changes = {**mine, "state": ExecutionState.WAITING, "because": because, "looks": 0, "unread": 0, "seen_id": None}
    free = {"run_at": None, "lease_until": None, "permit": None, "fence": ExecutionRow.fence + 1}
    ExecutionRow.update(**changes, **free).where(ExecutionRow.id == row.id).execute()
    executions.add_members([(replay.site, name, row.id) for name in members])


def count_chains(replay_id: int) -> dict[str, int]:
    """How many chains of a replay are in each state."""
    sql = "SELECT state, COUNT(*) FROM executions WHERE replay_id = ? GROUP BY state"
    return dict(bulk.select(sql, replay_id))


def find_lanes(replay_id: int) -> list[Lane]:
    """The workflows of a replay."""
    sql = (
        "SELECT workflow_id, state, MAX(workflow_name), COUNT(*),"
        " SUM(CASE WHEN run_at IS NOT NULL OR lease_until IS NOT NULL THEN 1 ELSE 0 END)"
        " FROM executions WHERE replay_id = ? GROUP BY workflow_id, state ORDER BY workflow_id"
    )
    newest = _newest_outcomes(replay_id)
    found: dict[str, Lane] = {}
    for workflow_id, state, name, count, busy in bulk.select(sql, replay_id):
        lane = found.get(workflow_id) or Lane(workflow_id, name, {}, 0, tuple(newest.get(workflow_id, ())))
        lane.states[state] = count
        found[workflow_id] = lane._replace(busy=lane.busy + int(busy))
    return list(found.values())


def _newest_outcomes(replay_id: int) -> dict[str, list[str]]:
    sql = (
        "SELECT workflow_id, state FROM (SELECT workflow_id, state, started_at, id, ROW_NUMBER() OVER"
        " (PARTITION BY workflow_id ORDER BY started_at DESC, id DESC) AS place FROM executions"
        " WHERE replay_id = ? AND state IN ? AND started_at IS NOT NULL) AS ended"
        " WHERE place <= ? ORDER BY started_at DESC, id DESC"
    )
    found: dict[str, list[str]] = {}
    for workflow_id, state in bulk.select(sql, replay_id, list(ENDED), LAST):
        found.setdefault(workflow_id, []).append(state)
    return found


def find_next(replay_id: int, of_each: int) -> list[ExecutionRow]:
    """The chains of each workflow that wait and that nobody has released, oldest first, so many of each."""
    oldest = (
        "id IN (SELECT id FROM (SELECT id, ROW_NUMBER() OVER (PARTITION BY workflow_id ORDER BY failed_at, id) AS place"
        " FROM executions WHERE replay_id = ? AND state = 'waiting' AND run_at IS NULL AND lease_until IS NULL)"
        " AS waiting WHERE place <= ?)"
    )
    return bulk.find_rows(ExecutionRow, oldest, replay_id, of_each, more="ORDER BY failed_at, id")


def count_busy(site: str) -> dict[str, int]:
    """How many chains of each workflow of an n8n are released or being retried, whoever runs them again."""
    sql = (
        "SELECT workflow_id, COUNT(*) FROM executions WHERE site = ?"
        " AND (run_at IS NOT NULL OR lease_until IS NOT NULL) GROUP BY workflow_id"
    )
    return dict(bulk.select(sql, site))


def hold_back(replay_id: int) -> None:
    """Take back what was released and has not begun."""
    ExecutionRow.update(run_at=None).where(
        ExecutionRow.replay_id == replay_id,
        ExecutionRow.state == ExecutionState.WAITING,
        ExecutionRow.lease_until.is_null(),
    ).execute()


def leave_waiting(replay_id: int, because: str, now: datetime, who: str = "medic", workflow_id: str = "") -> int:
    """Leave alone what has not begun, of one workflow or of all; how many. A look that is under way is voided.

    All at once, however many there are.
    """
    wanted = (ExecutionRow.replay_id == replay_id) & (ExecutionRow.state == ExecutionState.WAITING)
    wanted = wanted & (ExecutionRow.workflow_id == workflow_id) if workflow_id else wanted
    line = {
        EventRow.at: to_micros(now),
        EventRow.subject: "execution",
        EventRow.subject_id: ExecutionRow.root_id,
        EventRow.before: ExecutionRow.state,
        EventRow.after: ExecutionState.LEFT_ALONE.value,
        EventRow.because: because,
        EventRow.who: who,
    }
    told = [value if isinstance(value, pw.Field) else pw.Value(value) for value in line.values()]
    EventRow.insert_from(ExecutionRow.select(*told).where(wanted), list(line)).execute()
    left = {"state": ExecutionState.LEFT_ALONE, "because": because, "run_at": None, "lease_until": None}
    return int(ExecutionRow.update(**left, permit=None, fence=ExecutionRow.fence + 1).where(wanted).execute())


def find_unrecovered(replay_id: int, limit: int) -> list[ExecutionRow]:
    """Chains of a replay that failed again or were left alone, the failed ones first."""
    states = (ExecutionState.FAILED, ExecutionState.LEFT_ALONE)
    query = ExecutionRow.select().where(ExecutionRow.replay_id == replay_id, ExecutionRow.state.in_(states))
    return list(query.order_by(ExecutionRow.state, ExecutionRow.failed_at, ExecutionRow.id).limit(limit))


def find_shown(replay_id: int, limit: int) -> list[ExecutionRow]:
    """Chains of a replay: those that failed again first, then what was left, runs, has recovered, and waits."""
    order = [
        ExecutionState.FAILED, ExecutionState.LEFT_ALONE, ExecutionState.RETRYING,
        ExecutionState.RECOVERED, ExecutionState.WAITING,
    ]  # fmt: skip
    place = pw.Case(ExecutionRow.state, [(state, number) for number, state in enumerate(order)], len(order))
    query = ExecutionRow.select().where(ExecutionRow.replay_id == replay_id)
    return list(query.order_by(place, ExecutionRow.failed_at, ExecutionRow.id).limit(limit))


def find_failed(replay_id: int, workflow_id: str) -> ExecutionRow | None:
    """The newest chain of a workflow whose retry failed; None where none did."""
    mine = ExecutionRow.select().where(ExecutionRow.replay_id == replay_id, ExecutionRow.workflow_id == workflow_id)
    return mine.where(ExecutionRow.state == ExecutionState.FAILED).order_by(ExecutionRow.started_at.desc()).first()
