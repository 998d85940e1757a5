"""A replay as people and programs read it: what was counted, how far it is, and what was not recovered, and why."""

from typing import Any

from recovery.model import ExecutionState
from recovery.store import replayed
from recovery.store.tables import ReplayRow

MOST_LEFT = 200
STATES = (
    ExecutionState.RECOVERED, ExecutionState.FAILED, ExecutionState.LEFT_ALONE,
    ExecutionState.RETRYING, ExecutionState.WAITING,
)  # fmt: skip


def describe(row: ReplayRow) -> dict[str, Any]:
    """A replay without what was left: its order, its counts and its progress."""
    counted = row.counts or {}
    progress = replayed.count_chains(row.id)
    names = ("id", "workflow", "tag", "since", "until", "ambiguous", "who", "state", "because", "read")
    times = ("asked_at", "started_at", "ended_at")
    return {
        **{name: getattr(row, name) for name in (*names, *times)},
        "n8n": row.site,
        "dry_run": row.dry,
        "counts": counted.get("total", {}),
        "workflows": counted.get("workflows", []),
        "why": counted.get("why", []),
        "progress": {"total": sum(progress.values()), **{state.value: progress.get(state, 0) for state in STATES}},
        "seconds": (row.ended_at - row.started_at).total_seconds() if row.ended_at and row.started_at else None,
    }


def describe_whole(row: ReplayRow) -> dict[str, Any]:
    """The same, with what failed again or was left, and why; at most 200 of each."""
    return {**describe(row), "left": [*_unrecovered(row), *_listed(row)]}


def _unrecovered(row: ReplayRow) -> list[dict[str, Any]]:
    return [
        {
            "execution_id": chain.leaf_id,
            "workflow_id": chain.workflow_id,
            "workflow": chain.workflow_name,
            "state": chain.state,
            "because": chain.because,
        }
        for chain in replayed.find_unrecovered(row.id, MOST_LEFT)
    ]


def _listed(row: ReplayRow) -> list[dict[str, Any]]:
    """What may repeat an effect was never taken in: a person looks at it."""
    return [{**one, "state": ExecutionState.LEFT_ALONE} for one in (row.counts or {}).get("listed", [])]
