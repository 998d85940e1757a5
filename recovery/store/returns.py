"""Ways back: the steps that undo what an action did, once all has been well for long enough."""

import json
from datetime import datetime, timedelta

from recovery.model import FAILING, StepKind, StepState
from recovery.store import steps
from recovery.store.tables import ComponentRow, IncidentRow, OrderRow, RecoveryRow, StepRow


def plan_returns(incident_id: int, now: datetime) -> None:
    """Queue the way back of everything that was done in an incident, the last of each kind only."""
    done = (StepRow.state == StepState.SUCCEEDED) & StepRow.memory.is_null(False) & (StepRow.back == False)  # noqa: E712
    mine = done & (StepRow.incident_id == incident_id) & StepRow.back_after_seconds.is_null(False)
    newest = {_what(row): row for row in StepRow.select().where(mine).order_by(StepRow.id)}
    for row in newest.values():
        if not _is_back(row) and not _put_off(row, now):
            _plan(row, now)


def plan_return_by_hand(row: StepRow, now: datetime) -> None:
    """The same of what a person had done by hand while no incident was open, which ends with none."""
    goes_back = row.incident_id is None and row.memory is not None and row.back_after_seconds is not None
    if goes_back and not _put_off(row, now):
        _plan(row, now)


def _what(row: StepRow) -> tuple[str, str]:
    return row.name, json.dumps(row.args, sort_keys=True)


def _ways_back(row: StepRow) -> list[StepRow]:
    same = (StepRow.component == row.component) & (StepRow.name == row.name) & (StepRow.back == True)  # noqa: E712
    return [one for one in StepRow.select().where(same) if one.args == row.args]


def _is_back(row: StepRow) -> bool:
    """Whether it was undone already."""
    return any(one.finished_at and one.finished_at > row.finished_at for one in _ways_back(row))


def _put_off(row: StepRow, now: datetime) -> bool:
    """Whether an earlier way back waits still: it waits anew, and goes by what was remembered last."""
    waits = [one.id for one in _ways_back(row) if one.state == StepState.QUEUED]
    at = now + timedelta(seconds=row.back_after_seconds)
    return bool(waits and StepRow.update(run_at=at).where(StepRow.id.in_(waits)).execute())


def _plan(row: StepRow, now: datetime) -> None:
    because = f"undoes step {row.number} once {row.component} has been healthy for {row.back_after_seconds:g} s"
    same = {
        "args": row.args, "component": row.component, "safe_to_repeat": row.safe_to_repeat, "back": True,
        "timeout_seconds": row.timeout_seconds, "back_after_seconds": row.back_after_seconds,
        "run_at": now + timedelta(seconds=row.back_after_seconds),
    }  # fmt: skip
    if row.order_id is not None:
        order = OrderRow.get_by_id(row.order_id)
        steps.add_step_by_hand(order, StepKind.ACTION, row.name, because, now, row.incident_id, **same)
        return
    recovery = RecoveryRow.get_by_id(row.recovery_id)
    steps.add_step(recovery, StepKind.ACTION, row.name, because, now, StepState.QUEUED, **same)


def well_since(component: str) -> datetime | None:
    """Since when a component has been healthy, with no incident open; None where it is not."""
    open_one = IncidentRow.select().where(IncidentRow.component == component, IncidentRow.open_key.is_null(False))
    known = ComponentRow.get_or_none(ComponentRow.name == component)
    if open_one.exists() or (known and known.health in FAILING):
        return None
    last = IncidentRow.select(IncidentRow.resolved_at).where(IncidentRow.component == component)
    resolved = [row.resolved_at for row in last.order_by(IncidentRow.id.desc()).limit(1)]
    return max([at for at in (*resolved, known.changed_at if known else None) if at], default=None)
