"""Chains of n8n executions: each is brought to success at most once."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import peewee as pw

from recovery.model import ExecutionState
from recovery.store import bulk, database
from recovery.store.bulk import add_row, add_rows
from recovery.store.events import add_event
from recovery.store.tables import ExecutionRow, IncidentRow, MemberRow

RESTS = ExecutionRow.run_at.is_null() & ExecutionRow.lease_until.is_null()
BUSY = (ExecutionRow.state == ExecutionState.RETRYING) | ((ExecutionRow.state == ExecutionState.WAITING) & ~RESTS)


def find_members(pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int | None]:
    """(site, execution id) -> chain id, for those that are known."""
    found: dict[tuple[str, str], int | None] = {}
    members = MemberRow.select(MemberRow.site, MemberRow.execution_id, MemberRow.chain_id)
    for part in bulk.in_parts(sorted({execution_id for _, execution_id in pairs if execution_id})):
        known = members.where(MemberRow.execution_id.in_(part)).tuples()
        found.update({(site, execution_id): chain_id for site, execution_id, chain_id in known})
    return found


def find_chains(chain_ids: Iterable[int | None]) -> dict[int, ExecutionRow]:
    """Chains by their ids."""
    wanted = [one for one in set(chain_ids) if one is not None]
    if len(wanted) == 1:
        return {row.id: row for row in bulk.find_rows(ExecutionRow, "id = ?", *wanted)}
    return {row.id: row for row in ExecutionRow.select().where(ExecutionRow.id.in_(wanted))} if wanted else {}


def members_of(chain_id: int) -> list[str]:
    """n8n's ids of the executions that belong to a chain."""
    return [row[0] for row in MemberRow.select(MemberRow.execution_id).where(MemberRow.chain_id == chain_id).tuples()]


def hold_chain(chain_id: int) -> ExecutionRow:
    """A chain as it is now; on PostgreSQL nobody else changes it before the transaction ends."""
    query = ExecutionRow.select().where(ExecutionRow.id == chain_id)
    return (query if database.is_sqlite() else query.for_update()).get()


def add_chain(row: dict[str, Any]) -> int:
    """A new chain; its id."""
    return add_row(ExecutionRow, {"fence": 0, "retries": 0, "asks": False, "looks": 0, "unread": 0, **row})


def add_members(members: Sequence[tuple[str, str, int | None]]) -> None:
    """Which chain executions belong to: [(site, execution id, chain id or None)]."""
    rows = [{"site": site, "execution_id": name, "chain_id": chain_id} for site, name, chain_id in members]
    add_rows(MemberRow, rows, " ON CONFLICT (site, execution_id) DO UPDATE SET chain_id = excluded.chain_id")


def note_members(site: str, execution_ids: Iterable[str], chain_id: int | None) -> None:
    """The same for executions that may be known already."""
    rows = [{"site": site, "execution_id": name, "chain_id": chain_id} for name in execution_ids]
    for part in bulk.in_parts(rows, 200):
        MemberRow.insert_many(part).on_conflict_ignore().execute()


def move_chain(
    row: ExecutionRow, state: ExecutionState, because: str, now: datetime, who: str = "medic", **changes: Any
) -> None:
    """Change a chain's state whoever holds it: what n8n or a person says wins over a claim, and voids it.

    What a person permitted was for the run as it stood, and ends with it.
    """
    values = {"state": state, "because": because, "run_at": None, "lease_until": None, "permit": None, **changes}
    values["fence"] = ExecutionRow.fence + 1
    ExecutionRow.update(**values).where(ExecutionRow.id == row.id).execute()
    add_event(now, "execution", row.root_id, state, because, values.get("incident_id", row.incident_id), row.state, who)


def count_chains(incident_id: int) -> dict[str, int]:
    """How many chains of an incident are in each state; under "asking" those that need a person's decision."""
    return count_all_chains([incident_id])[incident_id]


def count_all_chains(incident_ids: Iterable[int]) -> dict[int, dict[str, int]]:
    """The same of many incidents, {incident id: counts}."""
    counted: dict[int, dict[str, int]] = {one: {"asking": 0} for one in incident_ids}
    if not counted:
        return counted
    sql = (
        "SELECT incident_id, state, COUNT(*), SUM(CASE WHEN asks THEN 1 ELSE 0 END) FROM executions"
        " WHERE incident_id IN ? GROUP BY incident_id, state"
    )
    for incident_id, state, count, asked in bulk.select(sql, list(counted)):
        counted[incident_id][state] = count
        counted[incident_id]["asking"] += int(asked or 0)
    return counted


def find_only_subworkflows(incident_ids: Iterable[int]) -> set[int]:
    """Those of the incidents that hold chains, all of which are sub-workflows' own runs."""
    wanted = list(incident_ids)
    sql = "SELECT DISTINCT incident_id, mode FROM executions WHERE incident_id IN ?"
    found: dict[int, set[str]] = {}
    for incident_id, mode in bulk.select(sql, wanted) if wanted else ():
        found.setdefault(incident_id, set()).add(mode)
    return {incident_id for incident_id, modes in found.items() if modes == {"integrated"}}


def recovered_in_episode(incident: IncidentRow, counted: Mapping[str, int]) -> int:
    """How many chains of an incident recovered since it last came up: those of before prove nothing of now.

    Args:
        counted: all its chains (see `count_chains`).
    """
    if not counted.get(ExecutionState.RECOVERED):
        return 0
    since = ExecutionRow.recovered_at >= incident.episode_at
    return ExecutionRow.select().where(ExecutionRow.incident_id == incident.id, since).count()


def find_waiting(incident_id: int, limit: int = 200) -> list[ExecutionRow]:
    """Chains of an incident that wait, and that nobody has released or holds, oldest first."""
    rests = "incident_id = ? AND state = 'waiting' AND run_at IS NULL AND lease_until IS NULL"
    return bulk.find_rows(ExecutionRow, rests, incident_id, more=f"ORDER BY failed_at, id LIMIT {int(limit)}")


def count_busy(component: str, workflow_ids: Iterable[str]) -> tuple[int, dict[str, int]]:
    """How many chains are released or being retried: of the component's incidents, and of each of the workflows.

    What a replay runs again may call any component, so it counts for each.
    """
    incidents = IncidentRow.select(IncidentRow.id).where(
        IncidentRow.component == component, IncidentRow.open_key.is_null(False)
    )
    of_component = ExecutionRow.select().where(ExecutionRow.incident_id.in_(incidents), BUSY).count()
    query = (
        ExecutionRow.select(ExecutionRow.workflow_id, pw.fn.COUNT(ExecutionRow.id))
        .where(ExecutionRow.workflow_id.in_(list(set(workflow_ids))), BUSY)
        .group_by(ExecutionRow.workflow_id)
    )
    replayed = ExecutionRow.select().where(ExecutionRow.replay_id.is_null(False), BUSY).count()
    return of_component + replayed, dict(query.tuples())


def release_chain(chain_id: int, at: datetime) -> None:
    """Let a waiting chain be retried from `at` on."""
    condition = (ExecutionRow.id == chain_id) & (ExecutionRow.state == ExecutionState.WAITING) & RESTS
    ExecutionRow.update(run_at=at, looks=0).where(condition).execute()


def hold_back(incident_id: int) -> None:
    """Take back what was released and has not begun."""
    ExecutionRow.update(run_at=None).where(
        ExecutionRow.incident_id == incident_id,
        ExecutionRow.state == ExecutionState.WAITING,
        ExecutionRow.lease_until.is_null(),
    ).execute()


def end_permits(incident_id: int) -> None:
    """What a person permitted in this incident, and has not been used, is over, also for who looks at it just now."""
    ExecutionRow.update(permit=None, lease_until=None, fence=ExecutionRow.fence + 1).where(
        ExecutionRow.incident_id == incident_id, ExecutionRow.permit.is_null(False)
    ).execute()


def claim_chains(now: datetime, lease_until: datetime, worker: str, limit: int) -> list[ExecutionRow]:
    """Claim chains that are due: released ones to be retried, and retries to be followed."""
    query = ExecutionRow.select().where(ExecutionRow.run_at <= now).order_by(ExecutionRow.run_at).limit(limit)
    claimed = []
    for row in database.skip_locked(query):
        row.fence += 1
        row.lease_until, row.worker, row.run_at = lease_until, worker, None
        ExecutionRow.update(fence=row.fence, lease_until=lease_until, worker=worker, run_at=None).where(
            ExecutionRow.id == row.id
        ).execute()
        claimed.append(row)
    return claimed


def start_chain(row: ExecutionRow, leaf_id: str, because: str, now: datetime, lease_until: datetime) -> bool:
    """Write the intent to retry the leaf, just before the call; False where somebody took the chain over.

    What a person permitted is spent: the same effect is not repeated twice on one word.
    """
    values = {
        "state": ExecutionState.RETRYING,
        "leaf_id": leaf_id,
        "started_at": now,
        "because": because,
        "retries": ExecutionRow.retries + 1,
        "permit": None,
        "seen_id": None,
        "looks": 0,
        "lease_until": lease_until,
    }
    if not _update_held(row, values):
        return False
    add_event(now, "execution", row.root_id, ExecutionState.RETRYING, because, row.incident_id, row.state)
    row.state, row.leaf_id = ExecutionState.RETRYING, leaf_id
    return True


def finish_chain(row: ExecutionRow, state: ExecutionState, because: str, now: datetime, **changes: Any) -> bool:
    """Record what became of a claimed chain, and let go of it; False where somebody took it over."""
    values = {"state": state, "because": because, "lease_until": None, **changes}
    if not _update_held(row, values):
        return False
    if state != row.state:
        add_event(now, "execution", row.root_id, state, because, row.incident_id, row.state)
    return True


def keep_chain(row: ExecutionRow, lease_until: datetime) -> bool:
    """Hold a claimed chain longer; False where somebody took it over."""
    return _update_held(row, {"lease_until": lease_until})


def _update_held(row: ExecutionRow, values: dict[str, Any]) -> bool:
    condition = (
        (ExecutionRow.id == row.id) & (ExecutionRow.fence == row.fence) & ExecutionRow.lease_until.is_null(False)
    )
    return ExecutionRow.update(**values).where(condition).execute() == 1


def find_lost_chains(now: datetime, limit: int = 100) -> list[ExecutionRow]:
    """Claimed chains whose worker did not come back in time."""
    query = ExecutionRow.select().where(ExecutionRow.lease_until <= now).limit(limit)
    return list(database.skip_locked(query))


def requeue_lost(row: ExecutionRow, at: datetime) -> None:
    """Let a lost chain be looked at again: a retry that was started is followed, one that was not begins anew."""
    ExecutionRow.update(lease_until=None, run_at=at, fence=ExecutionRow.fence + 1).where(
        ExecutionRow.id == row.id, ExecutionRow.fence == row.fence
    ).execute()


def permit_asking(incident_id: int, who: str, now: datetime) -> int:
    """A person allows the ambiguous runs of an incident to be retried; how many."""
    return _decide_asking(incident_id, ExecutionState.WAITING, f"{who} allowed it to run again", now, who, permit=who)


def leave_asking(incident_id: int, who: str, now: datetime) -> int:
    """A person decides that the ambiguous runs of an incident stay as they are; how many."""
    return _decide_asking(incident_id, ExecutionState.LEFT_ALONE, f"{who} left it as it is", now, who)


def _decide_asking(
    incident_id: int, state: ExecutionState, because: str, now: datetime, who: str, **changes: Any
) -> int:
    rows = list(ExecutionRow.select().where(ExecutionRow.incident_id == incident_id, ExecutionRow.asks))
    for row in rows:
        move_chain(row, state, because, now, who, asks=False, **changes)
    return len(rows)


def leave_waiting(incident_id: int, because: str, now: datetime, who: str) -> int:
    """Leave alone what still waits or asks, since a person resolved the incident; how many."""
    condition = (ExecutionRow.state == ExecutionState.WAITING) | ExecutionRow.asks
    rows = list(ExecutionRow.select().where(ExecutionRow.incident_id == incident_id, condition))
    for row in rows:
        move_chain(row, ExecutionState.LEFT_ALONE, because, now, who, asks=False)
    return len(rows)


def find_hopeful_workflows(site: str) -> list[tuple[str, datetime]]:
    """Workflows with chains in incidents that are not resolved, and since when their successes are worth knowing."""
    query = (
        ExecutionRow.select(ExecutionRow.workflow_id, pw.fn.MIN(ExecutionRow.failed_at))
        .join(IncidentRow, on=(IncidentRow.id == ExecutionRow.incident_id))
        .where(ExecutionRow.site == site, IncidentRow.open_key.is_null(False))
        .group_by(ExecutionRow.workflow_id)
    )
    return list(query.tuples())
