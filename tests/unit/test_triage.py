"""What a signal means: opens, joins, reopens, comes late, is a sign of health, or is nobody's outage."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recovery.decide.readings import proven_healthy, triage_reading
from recovery.decide.triage import (
    ChainFacts,
    ComponentFacts,
    IncidentFacts,
    Move,
    Verdict,
    View,
    triage_failure,
    triage_success,
)
from recovery.model import (
    CANARY_NAME,
    CANARY_WORDS,
    CauseClass,
    ComponentPlan,
    ExecutionState,
    Failure,
    Health,
    IncidentState,
    PlannedCheck,
    Playbook,
    Policy,
    Reading,
    Stage,
    Success,
)

NOW = datetime(2026, 11, 24, 3, tzinfo=UTC)
POLICY = Policy(Playbook((Stage(0, 1),)), {"orders": ComponentPlan("orders", success_threshold=2)})
PRINT = "s|api.example.com|unavailable"
FAILED = Failure("7", "w", "W", "webhook", http_code=503, host="api.example.com", failed_at=NOW)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def known(state: str, resolved_ago: float | None = None, *recurred: float) -> View:
    at = None if resolved_ago is None else ago(resolved_ago)
    facts = IncidentFacts(3, IncidentState(state), at, tuple(ago(one) for one in recurred))
    return View(incidents={PRINT: facts})


def fail(view: View, called_back: bool = False, **more: Any) -> Verdict:
    return triage_failure(replace(FAILED, **more), "s", view, POLICY, NOW, called_back)


@pytest.mark.parametrize("mode", ["manual", "evaluation", "error"])
def test_a_run_that_is_nobodys_outage_is_ignored(mode):
    assert fail(known("open"), mode=mode).move is Move.IGNORE


def test_the_canary_of_connect_is_nobodys_outage_and_a_workflow_of_that_name_alone_is_none():
    canary = {"workflow_name": CANARY_NAME, "message": f"{CANARY_WORDS} 1a2b: a failure on purpose"}
    assert fail(View(), called_back=True, **canary).move is Move.IGNORE
    assert fail(View(), **canary | {"message": "503"}).move is Move.OPEN
    assert fail(View(), **canary | {"workflow_name": "Orders"}).move is Move.OPEN


def test_the_first_failure_of_a_cause_opens():
    verdict = fail(View())
    assert verdict.move is Move.OPEN and verdict.chain and verdict.chain.root_id == verdict.chain.leaf_id == "7"
    assert verdict.chain.state is ExecutionState.WAITING and verdict.incident_id is None


@pytest.mark.parametrize("state", ["open", "recovering", "needs_human"])
def test_a_failure_joins_while_its_incident_is_not_resolved(state):
    assert (fail(known(state)).move, fail(known(state)).incident_id) == (Move.JOIN, 3)


def test_within_ten_minutes_it_is_a_recurrence_and_later_a_new_incident_that_names_the_old():
    assert fail(known("resolved", 600)).move is Move.REOPEN
    later = fail(known("resolved", 600.000001))
    assert later.move is Move.OPEN and later.incident_id is None and "incident 3 is back" in later.because


def test_what_failed_before_the_resolution_is_late_and_no_recurrence():
    assert fail(known("resolved", 10), failed_at=ago(10.000001)).move is Move.LATE
    assert fail(known("resolved", 10), failed_at=ago(10)).move is Move.REOPEN
    assert fail(known("resolved", 10), failed_at=NOW + timedelta(days=1)).move is Move.REOPEN


def test_more_than_five_recurrences_within_an_hour_are_flapping():
    assert not fail(known("resolved", 1, 1, 2, 3, 4, 3600)).flapping
    assert fail(known("resolved", 1, 1, 2, 3, 4, 3599)).flapping


def test_a_trigger_that_failed_has_no_chain():
    assert fail(View(), execution_id="").chain is None


def test_a_sub_workflows_own_run_is_left_alone():
    chain = fail(View(), mode="integrated").chain
    assert chain and chain.state is ExecutionState.LEFT_ALONE


# -- chains


def chained(state: ExecutionState, leaf: str = "5", incident: int = 3) -> View:
    view = known("recovering")
    view.chains[1] = ChainFacts(1, incident, leaf, state)
    view.members.update({("s", "5"): 1, ("s", leaf): 1})
    return view


def test_a_failed_retry_with_the_same_cause_is_a_setback_of_its_chain():
    chain = fail(chained(ExecutionState.RETRYING), retry_of="5").chain
    assert chain and (chain.chain_id, chain.leaf_id, chain.setback) == (1, "7", True)


def test_somebodys_failed_retry_of_a_waiting_chain_is_no_setback():
    chain = fail(chained(ExecutionState.WAITING), retry_of="5").chain
    assert chain and chain.chain_id == 1 and not chain.setback


def test_a_failed_retry_with_another_cause_moves_its_chain():
    verdict = fail(chained(ExecutionState.RETRYING), retry_of="5", http_code=401)
    assert verdict.move is Move.OPEN and verdict.chain and verdict.chain.chain_id == 1
    assert not verdict.chain.setback and "failed for another cause" in verdict.chain.because


def test_a_failure_in_a_recovered_chain_is_ignored_and_yet_remembered_as_its_member():
    verdict = fail(chained(ExecutionState.RECOVERED), retry_of="5")
    assert verdict.move is Move.IGNORE and verdict.member_of == 1 and verdict.chain is None


def test_an_older_retry_that_is_heard_late_changes_nothing_but_is_remembered():
    verdict = fail(chained(ExecutionState.WAITING, leaf="12"), retry_of="5", execution_id="9")
    assert verdict.move is Move.IGNORE and verdict.member_of == 1
    newer = fail(chained(ExecutionState.WAITING, leaf="9"), retry_of="5", execution_id="12")
    assert newer.move is Move.JOIN, "ids are compared as numbers"


def test_the_same_execution_id_at_another_n8n_is_another_execution():
    verdict = triage_failure(replace(FAILED, retry_of="5"), "other", chained(ExecutionState.RECOVERED), POLICY, NOW)
    assert verdict.move is Move.OPEN and verdict.chain and verdict.chain.chain_id is None


def test_what_failed_before_first_contact_is_ignored_unless_it_has_just_happened():
    view = replace(View(members={("s", "7"): None}), contacts={"s": ago(30)})
    assert fail(view).move is Move.IGNORE
    assert fail(view, called_back=True).move is Move.OPEN
    assert fail(view, called_back=True, failed_at=ago(91)).move is Move.IGNORE
    assert fail(view, called_back=True, failed_at=None).move is Move.IGNORE


# -- readings


def read(healthy: bool, view: View, component: str = "queue", at: datetime | None = None) -> Verdict:
    return triage_reading(Reading(component, healthy, "because", observed_at=at), view, POLICY, NOW)


def components(component: str = "queue", **facts: Any) -> View:
    return View(components={component: ComponentFacts(**facts)})


def test_one_bad_reading_alone_does_nothing_and_the_second_opens():
    first = read(False, View())
    assert first.move is Move.COUNT and first.component == ComponentFacts(Health.UNKNOWN, 1, 0, False, NOW, looks=0b11)
    second = read(False, components(failures=1))
    assert second.move is Move.OPEN and second.component and second.component.health is Health.UNHEALTHY


def test_a_good_reading_between_two_bad_ones_begins_the_count_anew():
    good = read(True, components(failures=1))
    assert good.component == ComponentFacts(Health.HEALTHY, 0, 1, False, NOW, looks=0b10)


def test_one_bad_reading_joins_what_is_open():
    view = View(incidents={"|queue|unavailable": IncidentFacts(3, IncidentState.RECOVERING)})
    assert read(False, view).move is Move.JOIN


def test_health_needs_its_threshold_and_is_then_a_sign_for_the_open_incident():
    view = components("orders", health=Health.UNHEALTHY, failures=3)
    view.incidents["|orders|unavailable"] = IncidentFacts(3, IncidentState.NEEDS_HUMAN)
    first = read(True, view, "orders")
    assert first.move is Move.COUNT and first.component and first.component.health == "unhealthy"
    view.components["orders"] = first.component
    second = read(True, view, "orders")
    assert second.move is Move.SIGN and second.signs == (3,) and second.component.health == "healthy"  # type: ignore[union-attr]


def test_a_muted_component_is_silent_until_it_was_healthy():
    muted = components(health=Health.UNHEALTHY, failures=9, muted=True)
    assert read(False, muted).move is Move.COUNT and read(False, muted).component.muted  # type: ignore[union-attr]
    assert not read(True, muted).component.muted  # type: ignore[union-attr]


def test_a_reading_older_than_the_last_one_is_ignored_and_one_from_the_future_is_of_now():
    view = components(told_at=ago(5))
    assert read(False, view, at=ago(6)).move is Move.IGNORE
    assert read(False, view, at=NOW + timedelta(days=1)).component.seen_at == NOW  # type: ignore[union-attr]


def test_words_with_a_slow_clock_are_ordered_among_themselves_and_dated_by_ours():
    view = components(told_at=ago(7_200), seen_at=ago(5), failures=1)
    view.incidents["|queue|unavailable"] = IncidentFacts(3, IncidentState.RESOLVED, ago(60))
    verdict = read(False, view, at=ago(7_100))
    assert verdict.move is Move.REOPEN, "the sender's newest word, although our clock says that it is older"
    assert (verdict.component.seen_at, verdict.component.told_at) == (NOW, ago(7_100))  # type: ignore[union-attr]


def test_what_we_look_at_ourselves_ignores_words_that_are_older_than_the_last_look():
    plan = ComponentPlan("queue", playbook=Playbook((), check=PlannedCheck("tcp", {})))
    reading = Reading("queue", False, "because", observed_at=ago(6))
    policy = replace(POLICY, components={"queue": plan})
    assert triage_reading(reading, components(seen_at=ago(5)), policy, NOW).move is Move.IGNORE


def test_a_bad_reading_from_before_the_resolution_opens_nothing():
    view = components(failures=1)
    view.incidents["|queue|unavailable"] = IncidentFacts(3, IncidentState.RESOLVED, ago(5))
    assert read(False, view, at=ago(6)).move is Move.COUNT
    assert read(False, view, at=ago(4)).move is Move.REOPEN


# -- successes


def succeed(view: View, retry_of: str = "") -> Verdict:
    return triage_success(Success("99", "w", retry_of), "s", view)


def test_a_success_is_a_sign_for_every_open_incident_of_its_workflow():
    assert succeed(View()).move is Move.IGNORE
    verdict = succeed(View(workflows={("s", "w"): (3, 4)}))
    assert verdict.move is Move.SIGN and verdict.signs == (3, 4)


@pytest.mark.parametrize("state", [ExecutionState.WAITING, ExecutionState.RETRYING, ExecutionState.LEFT_ALONE])
def test_a_success_that_retried_a_chain_recovers_it_whoever_asked(state):
    chain = succeed(chained(state), "5").chain
    assert chain and (chain.chain_id, chain.leaf_id, chain.state) == (1, "99", ExecutionState.RECOVERED)
    assert succeed(chained(ExecutionState.RECOVERED), "5").chain is None


@pytest.mark.parametrize(
    ("more", "cause", "proven"),
    [
        ({}, CauseClass.UNAVAILABLE, True),
        ({"health": Health.UNHEALTHY}, CauseClass.UNAVAILABLE, False),
        ({"health": Health.FLAPPING}, CauseClass.UNAVAILABLE, False),
        ({"health": Health.UNKNOWN}, CauseClass.UNAVAILABLE, None),
        ({"muted": True}, CauseClass.UNAVAILABLE, None),
        ({"seen_at": None}, CauseClass.UNAVAILABLE, None),
        ({"seen_at": NOW - timedelta(seconds=1)}, CauseClass.UNAVAILABLE, None),
        ({"seen_at": NOW - timedelta(seconds=1), "health": Health.UNHEALTHY}, CauseClass.UNAVAILABLE, False),
        ({}, CauseClass.CREDENTIALS, None),
        ({"health": Health.UNHEALTHY}, CauseClass.CRASHED, None),
    ],
)
def test_readings_prove_health_only_of_what_they_see_and_after_the_last_failure(more, cause, proven):
    known = ComponentFacts(**{"health": Health.HEALTHY, "seen_at": NOW, **more})
    assert proven_healthy(known, cause, failed_at=NOW) is proven
