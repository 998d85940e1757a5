"""What tags of a workflow make of its failures: critical ones are told of as such, ignored ones are left alone."""

from dataclasses import replace
from typing import Any

import pytest

from recovery.alerts.messages.phrases import said_in
from recovery.decide.classify import classify_reading
from recovery.decide.tagging import CRITICAL, IGNORED, heed, steer
from recovery.decide.triage import ChainFacts, IncidentFacts, Move, Verdict, View, triage_failure
from recovery.model import (
    CRITICAL_TAG,
    IGNORE_TAG,
    ComponentPlan,
    ExecutionState,
    FailureType,
    Held,
    IncidentState,
    Reading,
    Severity,
    tags_of,
)
from recovery.sources.probe import body_of, read_reading, receive
from tests.unit.test_triage import FAILED, NOW, POLICY, PRINT, known

W, OTHER = ("s", "w"), ("s", "other")
HELD = Held(2, 1)


def fail(view: View, *tags: str, **more: Any) -> Verdict:
    verdict = triage_failure(replace(FAILED, **more), "s", view, POLICY, NOW)
    return heed(verdict, frozenset(tags), view)


def joined(state: ExecutionState) -> View:
    """A view in which execution 7 is the leaf of a chain of incident 3."""
    view = known("recovering")
    view.chains[5] = ChainFacts(5, 3, "7", state, "webhook", "w")
    view.members["s", "7"] = 5
    return view


def test_the_first_failure_of_a_critical_workflow_opens_a_critical_incident_and_says_why():
    verdict = fail(View(), CRITICAL_TAG)
    assert verdict.move is Move.OPEN and verdict.cause
    assert verdict.cause.severity is Severity.CRITICAL and verdict.because.endswith(f"503; {CRITICAL}")
    plain = fail(View())
    assert plain.cause and plain.cause.severity is Severity.HIGH and "tagged" not in plain.because


def test_one_that_joins_brings_the_severity_with_it():
    verdict = fail(known("recovering"), CRITICAL_TAG)
    assert verdict.move is Move.JOIN and verdict.cause
    assert (verdict.cause.severity, verdict.cause.because) == (Severity.CRITICAL, CRITICAL)


def test_what_the_configuration_calls_critical_is_so_for_its_own_reason():
    verdict = fail(View())
    assert verdict.cause
    critical = replace(verdict, cause=replace(verdict.cause, severity=Severity.CRITICAL))
    assert heed(critical, frozenset([CRITICAL_TAG]), View()) is critical


@pytest.mark.parametrize("tags", [(IGNORE_TAG,), (IGNORE_TAG, CRITICAL_TAG)])
@pytest.mark.parametrize("view", [View(), known("open"), known("resolved", 60)])
def test_a_failure_of_an_ignored_workflow_opens_and_joins_nothing(view, tags):
    assert fail(view, *tags) == Verdict(Move.IGNORE, IGNORED)
    assert fail(view, *tags, execution_id="") == Verdict(Move.IGNORE, IGNORED), "a trigger that cannot start, too"


@pytest.mark.parametrize("state", [ExecutionState.WAITING, ExecutionState.RETRYING])
def test_a_chain_from_before_it_was_tagged_is_left_alone_when_it_fails_again(state):
    verdict = fail(joined(state), IGNORE_TAG, execution_id="8", retry_of="7")
    assert (verdict.move, verdict.cause, verdict.incident_id) == (Move.IGNORE, None, 3)
    assert verdict.chain and (verdict.chain.state, verdict.chain.because) == (ExecutionState.LEFT_ALONE, IGNORED)
    assert verdict.chain.leaf_id == "8" and not verdict.chain.setback


def test_what_means_nothing_anyway_keeps_its_own_reason():
    assert "manual" in fail(View(), IGNORE_TAG, mode="manual").because
    view = joined(ExecutionState.WAITING)
    view.chains[5] = replace(view.chains[5], replayed=True)
    assert "replay" in fail(view, IGNORE_TAG).because, "whoever ordered the replay reads of it there"


@pytest.mark.parametrize(
    "name", ["Medic:Critical", " medic:critical", "medic:critical ", "medic:criticаl", "medic: critical", "critical"]
)
def test_a_tag_is_meant_to_the_letter(name):
    workflow = {"tags": [{"name": name}, {"name": name.replace("critic", "ignor")}]}
    assert not {CRITICAL_TAG, IGNORE_TAG} & tags_of(workflow)


def test_hundreds_of_odd_tags_hide_none_and_make_none():
    odd: list[Any] = [
        None,
        7,
        "medic:ignore",
        {},
        {"name": None},
        {"name": ["medic:ignore"]},
        {"name": "\x00\x1b[2J\n"},
    ]
    many = [{"name": f"t{number}"} for number in range(500)]
    assert tags_of({"tags": [*odd, *many]}) & {IGNORE_TAG, CRITICAL_TAG} == frozenset()
    assert IGNORE_TAG in tags_of({"tags": [*odd, *many, {"name": IGNORE_TAG}]})
    for tags in (None, "medic:ignore", {"name": IGNORE_TAG}, 7):
        assert tags_of({"tags": tags}) == frozenset()
    assert tags_of(None) == frozenset() == tags_of({})


# -- what an incident holds


def test_an_incident_is_critical_as_long_as_it_holds_a_failed_execution_of_a_critical_workflow():
    tags = {W: frozenset([CRITICAL_TAG])}
    assert steer({W: HELD, OTHER: HELD}, tags).critical
    assert not steer({W: Held(0, 0), OTHER: HELD}, tags).critical, "all of them have recovered"
    assert not steer({OTHER: HELD}, tags).critical and not steer({("t", "w"): HELD}, tags).critical


def test_of_an_ignored_workflow_nothing_more_is_done_and_an_incident_of_it_alone_is_nobodys():
    tags = {W: frozenset([IGNORE_TAG, CRITICAL_TAG])}
    alone, both = steer({W: HELD}, tags), steer({W: HELD, OTHER: HELD}, tags)
    assert (alone.ignored, alone.leave, alone.critical) == (True, (W,), False)
    assert (both.ignored, both.leave, both.critical) == (False, (W,), False)
    assert steer({W: Held(1, 0)}, tags).leave == () and steer({W: Held(1, 0)}, tags).ignored
    assert not steer({}, tags).ignored, "what holds no execution was not told of by one"


# -- readings of our own checks


def test_a_reading_about_a_critical_workflow_is_critical_whatever_the_configuration_says():
    policy = replace(POLICY, components={"flows": ComponentPlan("flows", Severity.LOW)})
    reading = Reading("flows", False, "1 stopped: Orders", FailureType.SCHEDULE_MISSED)
    assert classify_reading(reading, policy).severity is Severity.LOW
    cause = classify_reading(read_reading(body_of(replace(reading, critical=True))), policy)
    assert (cause.severity, cause.because) == (
        Severity.CRITICAL,
        f"looked at flows: 1 stopped: Orders; {CRITICAL}",
    )


def test_a_pushed_probe_cannot_say_what_only_a_tag_says():
    [signal] = receive({"component": "flows", "healthy": False, "critical": True})
    assert not read_reading(signal.body).critical


@pytest.mark.parametrize(
    "because",
    [
        IGNORED,
        f"first failure of this cause: api.example.com answered 503; {CRITICAL}",
        f"incident 3 came back within 10 minutes; {CRITICAL}",
        f"its severity rose from high to critical: {CRITICAL}",
        f"looked at flows: connection refused; {CRITICAL}",
    ],
)
def test_the_reasons_are_said_in_korean(because):
    said = said_in("ko", because)
    assert "태그가 있습니다" in said and "tagged" not in said and "failure" not in said and "severity" not in said


def test_facts_of_incidents_do_not_matter_to_an_ignored_failure():
    view = View(incidents={PRINT: IncidentFacts(3, IncidentState.NEEDS_HUMAN, told=True)})
    assert fail(view, IGNORE_TAG).incident_id is None
