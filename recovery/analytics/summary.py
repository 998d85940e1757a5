"""The summary of a range of time: what failed, how it was healed, how long it took."""

from datetime import datetime
from typing import Any

from recovery.model import AlertState, RecoveryState
from recovery.store import report

UNDER_WAY = (AlertState.HELD, AlertState.HELD_BACK, AlertState.QUEUED, AlertState.SENDING)


def summarize(since: datetime, until: datetime) -> dict[str, Any]:
    """Count what happened at or after `since` and before `until`.

    Seconds are floats; a rate is between 0 and 1, None where there is nothing to divide by.

    Raises:
        ValueError: `since` is not before `until`, or either has no zone.
    """
    if since.tzinfo is None or until.tzinfo is None or since >= until:
        raise ValueError("a report needs a range: `since` before `until`, both with a zone")
    resolved, mean_seconds, median_seconds = report.measure_times_to_recover(since, until)
    return {
        "since": since,
        "until": until,
        "incidents": {
            "opened": report.count_opened(since, until),
            "resolved": resolved,
            "unresolved_now": report.count_unresolved(),
        },
        "failures": {
            "by_type": _list_failures("failure_type", since, until),
            "by_component": _list_failures("component", since, until),
        },
        "time_to_recover": {
            "mean_seconds": mean_seconds,
            "median_seconds": median_seconds,
            "incidents": resolved,
        },
        "recovery": _summarize_recoveries(since, until),
        "executions": report.count_executions(since, until),
        "alerts": _summarize_alerts(since, until),
    }


def _list_failures(column: str, since: datetime, until: datetime) -> list[dict[str, Any]]:
    return [
        {column: value, "incidents": incidents, "signals": signals}
        for value, incidents, signals in report.count_failures(column, since, until)
    ]


def _summarize_recoveries(since: datetime, until: datetime) -> dict[str, Any]:
    counted = report.count_recoveries_by_stage(since, until)
    total = {state.value: 0 for state in (RecoveryState.SUCCEEDED, RecoveryState.FAILED, RecoveryState.CANCELLED)}
    for _, state, number in counted:
        total[state] += number
    return {
        **total,
        "success_rate": _rate(total[RecoveryState.SUCCEEDED], sum(total.values())),
        "by_stage": _list_stages(counted),
        "by_action": [
            {
                "action": name,
                "runs": runs,
                "succeeded": good,
                "failed": bad,
                "success_rate": _rate(good, runs),
            }
            for name, runs, good, bad in report.count_actions(since, until)
        ],
    }


def _list_stages(counted: list[tuple[int, str, int]]) -> list[dict[str, Any]]:
    """A recovery that ended in stage 3 reached stages 1 and 2 too, and they did not help it."""
    last = max((stage for stage, _, _ in counted), default=0)
    found = []
    for stage in range(1, last + 1):
        reached = sum(number for ended_in, _, number in counted if ended_in >= stage)
        helped = sum(n for ended_in, state, n in counted if ended_in == stage and state == RecoveryState.SUCCEEDED)
        found.append({"stage": stage, "reached": reached, "succeeded": helped, "success_rate": _rate(helped, reached)})
    return found


def _summarize_alerts(since: datetime, until: datetime) -> dict[str, int]:
    counted = report.count_alerts(since, until)
    return {
        "delivered": counted.get(AlertState.DELIVERED, 0),
        "failed": counted.get(AlertState.FAILED, 0),
        "under_way": sum(counted.get(state, 0) for state in UNDER_WAY),
    }


def _rate(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
