"""The summary's numbers, on both database engines."""

from datetime import datetime, timedelta

import pytest

from recovery.analytics.summary import summarize
from recovery.model import AlertState, ExecutionState, FailureType, IncidentState, RecoveryState, StepKind, StepState
from tests.web.seed import add_alert, add_execution, add_incident, add_recovery, add_step

pytestmark = pytest.mark.usefixtures("store")
DAY = timedelta(days=1)


def resolve(now: datetime, seconds: int, **changes):
    """An incident that was resolved now, after so many seconds."""
    opened_at = now - timedelta(seconds=seconds)
    state = {"state": IncidentState.RESOLVED, "open_key": None, "opened_at": opened_at, "resolved_at": now}
    return add_incident(now, **{**state, **changes})


def test_nothing_happened_reads_as_zeros_and_unknown_rates(now):
    found = summarize(now - DAY, now)
    assert found["incidents"] == {"opened": 0, "resolved": 0, "unresolved_now": {}}
    assert found["time_to_recover"] == {"incidents": 0, "mean_seconds": None, "median_seconds": None}
    assert found["recovery"]["success_rate"] is None
    assert found["recovery"]["by_stage"] == found["recovery"]["by_action"] == []


def test_failures_are_counted_by_type_and_by_component_most_first(now):
    add_incident(now, component="crm", failure_type=FailureType.API_ERROR, signal_count=4)
    add_incident(now, component="crm", failure_type=FailureType.API_TIMEOUT, signal_count=1)
    add_incident(now, component="db", failure_type=FailureType.API_ERROR, signal_count=2)
    found = summarize(now - DAY, now)["failures"]
    assert found["by_type"] == [
        {"failure_type": "api_error", "incidents": 2, "signals": 6},
        {"failure_type": "api_timeout", "incidents": 1, "signals": 1},
    ]
    assert found["by_component"] == [
        {"component": "crm", "incidents": 2, "signals": 5},
        {"component": "db", "incidents": 1, "signals": 2},
    ]


def test_the_range_holds_its_beginning_and_not_its_end(now):
    add_incident(now, opened_at=now - DAY)
    add_incident(now, opened_at=now)
    assert summarize(now - DAY, now)["incidents"]["opened"] == 1


def test_mean_and_median_time_to_recover(now):
    for place, (took, median, mean) in enumerate([([10, 20, 90], 20, 40), ([10, 20, 30, 100], 25, 40), ([7], 7, 7)]):
        day = now + place * 3 * DAY
        for seconds in took:
            resolve(day, seconds)
        found = summarize(day - DAY, day + DAY)["time_to_recover"]
        assert found == {"incidents": len(took), "mean_seconds": mean, "median_seconds": median}


def test_a_recovery_that_ended_in_stage_three_did_not_succeed_in_one_and_two(now):
    ends = [(1, "succeeded"), (1, "succeeded"), (3, "succeeded"), (3, "failed"), (2, "cancelled")]
    for stage, state in ends:
        incident = add_incident(now)
        add_recovery(incident, now, stage=stage, state=RecoveryState(state), active_key=None, ended_at=now)
    add_recovery(add_incident(now), now)  # still under way: not counted
    found = summarize(now - DAY, now + DAY)["recovery"]
    assert (found["succeeded"], found["failed"], found["cancelled"], found["success_rate"]) == (3, 1, 1, 0.6)
    assert [(row["stage"], row["reached"], row["succeeded"], row["success_rate"]) for row in found["by_stage"]] == [
        (1, 5, 2, 0.4),
        (2, 3, 0, 0.0),
        (3, 2, 1, 0.5),
    ]


def test_actions_are_counted_and_checks_and_skipped_ones_are_not(now):
    recovery = add_recovery(add_incident(now), now)
    for number, (name, kind, state) in enumerate(
        [
            ("restart", StepKind.ACTION, StepState.SUCCEEDED),
            ("restart", StepKind.ACTION, StepState.FAILED),
            ("restart", StepKind.ACTION, StepState.UNKNOWN),
            ("restart", StepKind.ACTION, StepState.SKIPPED),
            ("http", StepKind.CHECK, StepState.SUCCEEDED),
            ("retry_execution", StepKind.ACTION, StepState.SUCCEEDED),
        ]
    ):
        add_step(recovery, number + 1, now, name=name, kind=kind, state=state)
    assert summarize(now - DAY, now)["recovery"]["by_action"] == [
        {"action": "restart", "runs": 3, "succeeded": 1, "failed": 1, "success_rate": 0.3333},
        {"action": "retry_execution", "runs": 1, "succeeded": 1, "failed": 0, "success_rate": 1.0},
    ]


def test_executions_and_alerts_are_counted_by_what_became_of_them(now):
    incident = add_incident(now)
    states = [
        (ExecutionState.RECOVERED, 1, False),
        (ExecutionState.LEFT_ALONE, 0, True),
        (ExecutionState.LEFT_ALONE, 2, False),
        (ExecutionState.WAITING, 0, False),
        (ExecutionState.RETRYING, 1, False),
    ]
    for root, (state, retries, asks) in enumerate(states):
        add_execution(incident, str(root), now, state=state, retries=retries, asks=asks)
    for state in (AlertState.DELIVERED, AlertState.DELIVERED, AlertState.FAILED, AlertState.QUEUED):
        add_alert(incident, "team", now, state=state)
    found = summarize(now - DAY, now)
    assert found["executions"] == {
        "broken": 5,
        "replayed": 3,
        "recovered": 1,
        "left_alone": 2,
        "need_decision": 1,
        "still_waiting": 2,
    }
    assert found["alerts"] == {"delivered": 2, "failed": 1, "under_way": 1}


def test_a_range_that_ends_before_it_begins_or_has_no_zone_is_refused(now):
    for since, until in [(now, now), (now, now - DAY), (now.replace(tzinfo=None), now)]:
        with pytest.raises(ValueError, match="range"):
            summarize(since, until)
