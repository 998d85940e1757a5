"""What came of actions: whether a run of one helped, and how long that took."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from recovery.model import FailureType, Outcomes
from recovery.store import bulk
from recovery.store.tables import OutcomeRow, RecoveryRow

NEWEST = 50  # of an action: counting costs the same however much there is
FORGET_AFTER = timedelta(days=90)  # what nobody has tried for so long is unknown again
ON_COMPONENT, ON_ALL = "component", "all"


def add_outcome(
    recovery: RecoveryRow,
    step: int,
    failure_type: FailureType,
    component: str,
    action: str,
    succeeded: bool,
    seconds: float,
    now: datetime,
    after_seconds: float = 0.0,
) -> None:
    """Whether a run of an action helped. Of each step this is recorded once; later words are passed over.

    To be told once its component was looked at afterwards. A run that was skipped or dry, or of which nobody knows
    whether it happened, has no outcome.

    Args:
        step: the action's number within the recovery.
        seconds: from the action's start until its component was found healthy, or was given up. Below 0 (a clock that
            was set back) counts as 0.
        after_seconds: the `after` of the stage that it ran in.

    Raises:
        ValueError: a length of time is no finite number.
    """
    if not (math.isfinite(seconds) and math.isfinite(after_seconds)):
        raise ValueError(f"an outcome of {action!r} took {seconds} s after {after_seconds} s: not a length of time")
    row = {
        "failure_type": failure_type,
        "component": component,
        "action": action,
        "after_seconds": max(after_seconds, 0.0),
        "hour": now.astimezone(UTC).hour,
        "succeeded": succeeded,
        "seconds": max(seconds, 0.0),
        "at": now,
        "recovery_id": recovery.id,
        "step": step,
    }
    bulk.add_rows(OutcomeRow, [row], " ON CONFLICT (recovery_id, step) DO NOTHING")


def count_outcomes(
    failure_type: FailureType, component: str, actions: Sequence[str], now: datetime
) -> tuple[dict[str, Outcomes], dict[str, Outcomes]]:
    """The outcomes of each action against a failure type, counted: on the component, and on all components.

    Of each the newest 50 of the last 90 days, in one query. Actions without any are left out.
    """
    names = list(dict.fromkeys(actions))
    parts = [_newest(ON_COMPONENT, "failure_type = ? AND component = ? AND action = ?") for _ in names]
    parts += [_newest(ON_ALL, "failure_type = ? AND action = ?") for _ in names]
    values: list[Any] = []
    since = now - FORGET_AFTER
    for name in names:
        values += (failure_type, component, name, since)
    for name in names:
        values += (failure_type, name, since)
    counted = _count(parts, values, "where_from, action")
    here = {action: one for (where, action), one in counted.items() if where == ON_COMPONENT}
    return here, {action: one for (where, action), one in counted.items() if where == ON_ALL}


def count_ways(
    failure_type: FailureType, component: str, ways: Sequence[tuple[str, float]], now: datetime
) -> dict[tuple[str, float], Outcomes]:
    """The same on a component alone, for each (action, `after` of its stage in seconds)."""
    wanted = list(dict.fromkeys(ways))
    where = "failure_type = ? AND component = ? AND action = ? AND after_seconds = ?"
    values = [
        value for action, after in wanted for value in (failure_type, component, action, after, now - FORGET_AFTER)
    ]
    return _count([_newest(ON_COMPONENT, where) for _ in wanted], values, "action, after_seconds")


def _newest(where_from: str, condition: str) -> str:
    return (
        f"SELECT * FROM (SELECT '{where_from}' AS where_from, action, after_seconds, succeeded, seconds FROM outcomes "  # noqa: S608
        f"WHERE {condition} AND at >= ? ORDER BY at DESC LIMIT {NEWEST}) AS tail"
    )


def _count(parts: Sequence[str], values: Sequence[Any], by: str) -> dict[tuple, Outcomes]:
    """{what it is grouped by: its outcomes}."""
    if not parts:
        return {}
    sql = f"SELECT {by}, succeeded, COUNT(*), AVG(seconds) FROM ({' UNION ALL '.join(parts)}) AS newest "  # noqa: S608
    found: dict[tuple, dict[bool, tuple[int, float]]] = {}
    for *key, succeeded, number, seconds in bulk.select(f"{sql} GROUP BY {by}, succeeded", *values):
        found.setdefault(tuple(key), {})[bool(succeeded)] = (int(number), float(seconds))
    return {key: _outcomes(sides) for key, sides in found.items()}


def _outcomes(sides: dict[bool, tuple[int, float]]) -> Outcomes:
    successes, healthy_seconds = sides.get(True, (0, None))
    failures, failed_seconds = sides.get(False, (0, None))
    return Outcomes(successes, failures, healthy_seconds, failed_seconds)
