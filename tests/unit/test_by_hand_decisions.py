"""What follows an action by hand, and what is told of it."""

from datetime import UTC, datetime, timedelta

import pytest

from recovery.config.by_hand import NotRunnable, choices_of, plan_by_hand
from recovery.decide import brakes
from recovery.decide.by_hand import next_look, tell
from recovery.decide.planner import StepFacts
from recovery.model import (
    Brakes,
    ComponentPlan,
    Lately,
    Match,
    PlannedAction,
    Playbook,
    PlaybookRule,
    Policy,
    Stage,
    StepKind,
    StepState,
)

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def action(state: StepState = StepState.SUCCEEDED, **more: object) -> StepFacts:
    return StepFacts(1, StepKind.ACTION, "restart", state, NOW, "it ended", begun=True, **more)


def look(state: StepState, number: int = 2) -> StepFacts:
    return StepFacts(number, StepKind.CHECK, "http", state, NOW, "answered 503", begun=True)


@pytest.mark.parametrize("state", [StepState.SUCCEEDED, StepState.FAILED, StepState.SKIPPED, StepState.UNKNOWN])
def test_the_check_looks_once_the_action_is_over_however_it_ended(state: StepState) -> None:
    found = next_look(action(state), [], 10, NOW)
    assert found and found.at == NOW and "see how it is now that restart" in found.because


def test_nobody_looks_while_it_runs_or_where_nothing_was_done() -> None:
    assert next_look(action(StepState.RUNNING), [], 10, NOW) is None
    assert next_look(action(StepState.SKIPPED, dry=True), [], 10, NOW) is None
    assert next_look(action(), [look(StepState.QUEUED)], 10, NOW) is None


def test_a_bad_look_is_repeated_within_the_grace_alone_and_a_good_one_never() -> None:
    again = next_look(action(), [look(StepState.FAILED)], 10, NOW + timedelta(seconds=3))
    assert again and again.at == NOW + timedelta(seconds=4)
    assert next_look(action(), [look(StepState.FAILED)], 10, NOW + timedelta(seconds=9, milliseconds=1)) is None
    assert next_look(action(), [look(StepState.SUCCEEDED)], 10, NOW) is None


def test_what_came_of_it_is_told_with_the_last_look() -> None:
    assert tell(action(StepState.RUNNING), []) == "restart is running"
    assert tell(action(), []) == "restart is done: it ended"
    looks = [look(StepState.FAILED), look(StepState.SUCCEEDED, 3), look(StepState.UNKNOWN, 4)]
    assert tell(action(), looks[:1]).endswith("the check http then found it not healthy: answered 503")
    assert "found it healthy" in tell(action(), looks)
    assert tell(action(StepState.SKIPPED, dry=True), []) == "it ended"


def test_one_in_doubt_holds_a_person_too_until_its_time_is_over() -> None:
    lately = Lately(doubt=("restart_remote", NOW + timedelta(seconds=30)))
    for by_person in (True, False):
        word = brakes.judge("restart", lately, Brakes(), NOW, by_person)
        assert isinstance(word, brakes.Wait) and word.until == NOW + timedelta(seconds=30)
    assert isinstance(brakes.judge("restart", lately, Brakes(), NOW + timedelta(seconds=30), True), brakes.Go)


def policy() -> Policy:
    own = PlannedAction("run_command", {"command": ["a"]}, label="restart")
    rules = tuple(
        PlaybookRule(name, Match(components), (Stage(0, 1, actions=actions),))
        for name, components, actions in [
            ("night", ("orders",), (own, PlannedAction("run_command", {"command": ["b"]}))),
            ("day", (), (PlannedAction("run_command", {"command": ["c"]}),)),
            ("mail", ("mail",), (PlannedAction("run_command", {"command": ["d"]}),)),
        ]
    )
    labelled = Match(labels={"team": "shop"})
    rules += (PlaybookRule("shop", labelled, (Stage(0, 1, actions=(PlannedAction("call_webhook"),)),)),)
    plan = ComponentPlan("orders", actions={"restart": own})
    return Policy(Playbook((Stage(0, 1),)), {"orders": plan, "mail": ComponentPlan("mail")}, playbooks=rules)


def test_what_may_be_run_are_the_components_own_actions_and_those_of_the_playbooks_that_are_for_it() -> None:
    found = {name: one.args["command"] for name, one in choices_of(policy(), "orders").items()}
    assert found == {"restart": ["a"], "run_command": ["b"], "day run_command": ["c"]}, "none for another label"


def test_own_arguments_are_put_over_the_configured_ones_and_its_time_is_theirs() -> None:
    planned = plan_by_hand(policy(), "orders", "restart", {"timeout": "5s"})
    assert planned.args == {"command": ["a"], "timeout": "5s"} and planned.timeout_seconds == 5
    with pytest.raises(NotRunnable, match="no component named 'x'"):
        plan_by_hand(policy(), "x", "restart")
