"""An incident's next move: begin, call, settle, resolve; and that a person is told in time whatever happens."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recovery.decide import incidents as decide
from recovery.decide import playbooks
from recovery.decide.incidents import Begin, CallPerson, IncidentView, Leave, Resolve, Settle, Unsettle, look
from recovery.model import (
    CauseClass,
    ComponentPlan,
    IncidentState,
    Outlook,
    PlannedAction,
    PlannedCheck,
    Playbook,
    Policy,
    ReplayLimits,
    Stage,
)

NOW = datetime(2026, 11, 24, 3, tzinfo=UTC)
PLAIN = Playbook((Stage(0, 1), Stage(60, 2)))
HEAL = Playbook((Stage(0, 1),), actions=(PlannedAction("restart"),), check=PlannedCheck("http"))
POLICY = Policy(PLAIN, {"orders": ComponentPlan("orders", playbook=HEAL)}, sites=("default",))


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


@pytest.mark.parametrize("state", [IncidentState.OPEN, IncidentState.RECOVERING, IncidentState.NEEDS_HUMAN])
def test_an_incident_of_ignored_workflows_alone_is_over_and_was_not_healed(state):
    over = Resolve("its workflow is tagged medic:ignore", healed=False)
    late = {"state": state, "ignored": True, "left_alone": 2, "healing": True, "escalate_at": ago(1)}
    assert look(incident(**late), POLICY, NOW) == over
    for still in ({"waiting": 1}, {"retrying": 1}, {"asking": 1}, {"known_healthy": False}):
        assert look(incident(**late, **still), POLICY, NOW) != over, still


def incident(**more: Any) -> IncidentView:
    facts: dict[str, Any] = {
        "id": 1,
        "state": IncidentState.OPEN,
        "component": "api",
        "site": "default",
        "cause_class": CauseClass.UNAVAILABLE,
        "outlook": Outlook.TRANSIENT,
        "because": "api answered 503",
        "opened_at": ago(60),
        "last_signal_at": ago(60),
        "failed_at": ago(60),
        "escalate_at": NOW + timedelta(seconds=840),
    }
    return IncidentView(**{**facts, **more})


def recovering(**more: Any) -> IncidentView:
    return incident(**{"state": IncidentState.RECOVERING, **more})


def asking(**more: Any) -> IncidentView:
    return incident(**{"state": IncidentState.NEEDS_HUMAN, "told": True, "waiting": 1, "tried": True, **more})


# -- open


def test_executions_that_wait_begin_the_general_playbook():
    move = look(incident(waiting=3), POLICY, NOW)
    assert move == Begin(PLAIN, "healing begins: api answered 503")


def test_a_component_begins_its_own_playbook():
    assert look(incident(component="orders"), POLICY, NOW) == Begin(HEAL, "healing begins: api answered 503")


@pytest.mark.parametrize(
    ("more", "policy", "said"),
    [
        ({"outlook": Outlook.PERMANENT, "waiting": 1}, POLICY, "a retry cannot help"),
        ({"flapping": True, "waiting": 1}, POLICY, "more than 5 times"),
        ({}, POLICY, "no action is known"),
        ({"left_alone": 1}, POLICY, "may be retried"),
        ({"waiting": 1}, replace(POLICY, sites=()), "no n8n is connected"),
        (
            {"component": "orders"},
            replace(POLICY, components={"orders": ComponentPlan("orders", playbook=replace(HEAL, check=None))}),
            "trust_probes is off",
        ),
    ],
)
def test_where_nothing_can_be_done_a_person_is_called_at_once(more, policy, said):
    move = look(incident(**more), policy, NOW)
    assert isinstance(move, CallPerson) and said in move.because


def test_trusted_probes_let_a_component_without_a_check_be_acted_upon():
    trusted = replace(HEAL, check=None, trust_probes=True)
    policy = replace(POLICY, components={"orders": ComponentPlan("orders", playbook=trusted)})
    told = incident(component="orders", known_healthy=False)
    assert isinstance(look(told, policy, NOW), Begin)
    assert isinstance(look(replace(told, known_healthy=None), policy, NOW), CallPerson), "no probe told of it"


def test_a_sub_workflows_run_waits_ten_seconds_for_its_parent():
    young = incident(left_alone=1, parents_due=True, opened_at=ago(9))
    assert look(young, POLICY, NOW) == Leave(NOW + timedelta(seconds=1))
    assert isinstance(look(replace(young, opened_at=ago(10)), POLICY, NOW), CallPerson)


# -- a person is told in time


@pytest.mark.parametrize("state", [IncidentState.OPEN, IncidentState.RECOVERING, IncidentState.NEEDS_HUMAN])
def test_whatever_is_under_way_a_person_is_called_when_it_is_time_and_only_once(state):
    late = incident(state=state, escalate_at=NOW, healing=True, retrying=1, waiting=5)
    move = look(late, POLICY, NOW)
    assert isinstance(move, CallPerson) and "15 minutes" in move.because
    assert not isinstance(look(replace(late, told=True), POLICY, NOW), CallPerson)
    soon = replace(late, escalate_at=NOW + timedelta(microseconds=1))
    assert not isinstance(look(soon, POLICY, NOW), CallPerson)


def test_a_time_that_is_no_whole_minute_is_told_as_people_would_say_it():
    move = look(incident(escalate_at=NOW), replace(POLICY, escalate_after_seconds=100), NOW)
    assert isinstance(move, CallPerson) and "within 1.7 minutes" in move.because


def test_what_waits_is_looked_at_again_when_a_person_must_be_told():
    busy = recovering(waiting=1, healing=True)
    assert look(busy, POLICY, NOW) == Leave(busy.escalate_at)
    assert look(replace(busy, told=True), POLICY, NOW) == Leave(None)


# -- resolved


WELL = {"recovered": 2}


def test_everything_recovered_settles_and_then_resolves():
    settle = look(recovering(**WELL), POLICY, NOW)
    assert settle == Settle(NOW + timedelta(seconds=10), "2 executions recovered")
    assert look(recovering(**WELL, settle_at=NOW + timedelta(seconds=1)), POLICY, NOW) == Leave(
        NOW + timedelta(seconds=1)
    )
    assert isinstance(look(recovering(**WELL, settle_at=NOW), POLICY, NOW), Resolve)


def test_a_failure_within_settling_begins_the_quiet_time_anew():
    heard = recovering(**WELL, settle_at=NOW, last_signal_at=ago(4))
    assert look(heard, POLICY, NOW) == Settle(NOW + timedelta(seconds=10), "2 executions recovered")


@pytest.mark.parametrize(
    ("against", "said"),
    [
        ({"waiting": 1}, "waiting for a replay: 1 execution"),
        ({"retrying": 1}, "being retried"),
        ({"asking": 1, "left_alone": 1}, "a person's decision"),
        ({"known_healthy": False}, "not healthy"),
        ({"healing": True}, "under way"),
        ({"recovered": 0}, "no sign of health"),
    ],
)
def test_what_stands_against_resolving_and_unsettles(against, said):
    settled = recovering(**{**WELL, "settle_at": NOW, **against})
    assert look(settled, POLICY, NOW) == Unsettle(decide.why_not_resolved(settled))
    assert said in decide.why_not_resolved(settled)


def test_a_recovery_at_rest_does_not_stand_against_resolving():
    assert isinstance(look(recovering(**WELL, healing=True, at_rest=True), POLICY, NOW), Settle)


@pytest.mark.parametrize(
    ("proof", "resolves"),
    [
        ({"recovered": 1}, True),
        ({"known_healthy": True}, True),
        ({"sign_at": ago(59)}, True),
        ({"sign_at": ago(60)}, False),
        ({"left_alone": 3}, False),
    ],
)
def test_resolving_needs_a_proof_of_health(proof, resolves):
    assert isinstance(look(recovering(told=True, **proof), POLICY, NOW), Settle) is resolves


def test_a_recovering_incident_without_a_recovery_begins_one():
    assert isinstance(look(recovering(waiting=1), POLICY, NOW), Begin)
    unhealthy = recovering(component="orders", known_healthy=False)
    assert isinstance(look(unhealthy, POLICY, NOW), Begin)
    unstable = replace(unhealthy, unstable=True)
    assert isinstance(look(unstable, POLICY, NOW), Leave), "it was tried, and may be well in a moment"
    assert "is flapping" in decide.why_not_resolved(unstable)
    assert isinstance(look(replace(unstable, waiting=1), POLICY, NOW), Begin)
    assert isinstance(look(recovering(waiting=1, healing=True), POLICY, NOW), Leave)


# -- needs a person, and yet


def test_a_sign_of_health_since_the_last_failure_lets_one_execution_try_without_actions():
    move = look(asking(component="orders", sign_at=ago(1)), POLICY, NOW)
    assert isinstance(move, Begin) and move.playbook.actions == () and move.playbook.mended
    assert [stage.attempts for stage in move.playbook.stages] == [1]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"sign_at": ago(60)},
        {"sign_at": ago(1), "tried_at": ago(1)},
        {"sign_at": ago(1), "waiting": 0, "recovered": 0, "asking": 1},
        {"sign_at": ago(1), "healing": True},
        {"sign_at": ago(1), "healing": True, "at_rest": True, "paused": True},
        {"sign_at": ago(1), "outlook": Outlook.PERMANENT, "cause_class": CauseClass.CODE},
    ],
)
def test_without_a_fresh_sign_or_with_a_reason_against_it_nothing_is_tried(more):
    assert look(asking(**more), POLICY, NOW) == Leave(None)


def test_a_sign_that_came_after_the_last_try_lets_another_one():
    assert isinstance(look(asking(sign_at=ago(1), tried_at=ago(2)), POLICY, NOW), Begin)


def test_one_that_waits_for_a_decision_makes_room_for_a_try():
    assert isinstance(look(asking(sign_at=ago(1), healing=True, at_rest=True), POLICY, NOW), Begin)


def test_a_renewed_credential_may_be_tried_but_not_where_replay_on_recovery_is_off():
    renewed = asking(sign_at=ago(1), outlook=Outlook.PERMANENT, cause_class=CauseClass.CREDENTIALS)
    assert isinstance(look(renewed, POLICY, NOW), Begin)
    off = replace(POLICY, replay=ReplayLimits(on_recovery=False))
    assert look(renewed, off, NOW) == Leave(None)


def test_what_came_after_a_person_was_called_for_want_of_anything_to_do_is_healed():
    fresh = asking(tried=False)
    move = look(fresh, POLICY, NOW)
    assert isinstance(move, Begin) and move.playbook == PLAIN
    for against in ({"flapping": True}, {"outlook": Outlook.PERMANENT}, {"paused": True}):
        assert look(replace(fresh, **against), POLICY, NOW) == Leave(None)


def test_actions_are_kept_in_a_last_try_only_where_a_person_asked():
    assert playbooks.mended(HEAL, keep_actions=True).actions == HEAL.actions
    assert playbooks.mended(HEAL).actions == ()


def test_which_component_is_an_n8n_itself():
    assert decide.is_about_n8n("n8n", "default") and decide.is_about_n8n("n8n berlin", "berlin")
    assert not decide.is_about_n8n("n8n", "berlin") and not decide.is_about_n8n("orders", "default")
