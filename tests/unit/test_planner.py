"""The planner: every move it can make, and why."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recovery.decide import planner
from recovery.decide.planner import RecoveryView, StepFacts, plan
from recovery.model import (
    ExecutionState,
    PlannedAction,
    PlannedCheck,
    Playbook,
    RecoveryState,
    Stage,
    StepKind,
    StepState,
)

NOW = datetime(2026, 11, 24, 3, tzinfo=UTC)
STAGES = (Stage(0, 1), Stage(60, 2), Stage(300, 3))
CHECK, RESTART, NOTIFY = PlannedCheck("http"), PlannedAction("restart"), PlannedAction("notify")
REPLAY = Playbook(STAGES)
HEAL = Playbook(STAGES, actions=(RESTART,), check=CHECK, boot_grace_seconds=5)
PROBED = Playbook(STAGES, actions=(RESTART,), trust_probes=True)


def view(playbook: Playbook = REPLAY, *steps: StepFacts, **more: Any) -> RecoveryView:
    facts: dict[str, Any] = {"state": RecoveryState.RUNNING, "stage": 1, "attempt": 1, "waiting": 0, "retrying": 0}
    return RecoveryView(playbook=playbook, steps=steps, **{**facts, **more})


def step(number: int, name: str, state: str, ago: float = 0, why: str = "because") -> StepFacts:
    kind = StepKind.CHECK if name == "http" else StepKind.ACTION
    return StepFacts(number, kind, name, StepState(state), NOW - timedelta(seconds=ago), why)


def canary(state: str, number: int = 9) -> StepFacts:
    return step(number, planner.CANARY, state)


SICK, WELL = step(1, "http", "failed", why="refused"), step(1, "http", "succeeded", why="200")
DONE = step(2, "restart", "succeeded")


# -- resting


@pytest.mark.parametrize("state", ["paused", "held", "awaiting_approval"])
def test_what_a_person_holds_rests_whatever_waits(state):
    assert isinstance(plan(view(state=RecoveryState(state), waiting=3, setback="x"), NOW), planner.Rest)


def test_an_attempt_does_not_begin_before_its_time():
    later = NOW + timedelta(seconds=1)
    assert plan(view(next_at=later, waiting=1), NOW) == planner.Rest("attempt 1 of stage 1 begins later", later)
    assert isinstance(plan(view(next_at=NOW, waiting=1), NOW), planner.StartCanary)


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_step_under_way_is_waited_for(state):
    assert isinstance(plan(view(HEAL, SICK, step(2, "restart", state)), NOW), planner.Rest)


def test_an_action_of_which_nobody_knows_ends_the_recovery():
    move = plan(view(HEAL, SICK, step(2, "restart", "unknown", why="killed"), waiting=2), NOW)
    assert (
        isinstance(move, planner.End)
        and not move.succeeded
        and "nobody knows whether" in move.because
        and ": killed" in move.because
    )


# -- confirm, act, verify


def test_the_check_confirms_before_anything_is_done():
    assert plan(view(HEAL), NOW) == planner.AddCheck(CHECK, "confirm the failure before anything is done")


def test_a_confirmed_failure_is_acted_upon():
    move = plan(view(HEAL, SICK), NOW)
    assert isinstance(move, planner.AddAction) and not move.skip and "refused" in move.because


def test_an_action_is_not_needed_where_the_check_finds_it_healthy():
    move = plan(view(HEAL, WELL), NOW)
    assert isinstance(move, planner.AddAction) and move.skip and "not needed" in move.because
    assert isinstance(plan(view(HEAL, WELL, step(2, "restart", "skipped")), NOW), planner.End)
    assert isinstance(plan(view(HEAL, WELL, step(2, "restart", "skipped"), waiting=1), NOW), planner.StartCanary)


def test_actions_run_in_their_order_and_then_the_same_check_verifies():
    both = replace(HEAL, actions=(RESTART, NOTIFY))
    second = plan(view(both, SICK, DONE), NOW)
    assert isinstance(second, planner.AddAction) and second.action == NOTIFY
    verify = plan(view(both, SICK, DONE, step(3, "notify", "succeeded")), NOW)
    assert verify == planner.AddCheck(CHECK, "verify what was done")


def test_a_failed_action_is_a_failed_attempt_and_the_next_action_is_not_run():
    both = replace(HEAL, actions=(RESTART, NOTIFY))
    move = plan(view(both, SICK, step(2, "restart", "failed", why="exit 1")), NOW)
    assert move == planner.NextAttempt(2, 1, NOW + timedelta(seconds=60), "restart failed: exit 1")


def test_the_check_may_fail_while_it_may_still_be_starting():
    looked = (SICK, step(2, "restart", "succeeded", 4), step(3, "http", "failed"))
    again = plan(view(HEAL, *looked), NOW)
    assert isinstance(again, planner.AddCheck) and again.at == NOW + timedelta(seconds=1)
    late = (SICK, step(2, "restart", "succeeded", 4.5), step(3, "http", "failed", why="still 500"))
    move = plan(view(HEAL, *late), NOW)
    assert isinstance(move, planner.NextAttempt) and "still 500" in move.because


def test_a_look_from_before_a_hold_fails_no_attempt():
    looked = (SICK, step(2, "restart", "succeeded", 60), step(3, "http", "failed", 59))
    assert plan(view(HEAL, *looked), NOW) == planner.AddCheck(CHECK, "look anew: it waited since the last look")
    assert isinstance(plan(view(HEAL, *looked, step(4, "http", "failed", 1)), NOW), planner.NextAttempt)


def test_the_last_look_after_the_action_counts():
    looked = (SICK, DONE, step(3, "http", "failed"), step(4, "http", "succeeded"))
    assert plan(view(HEAL, *looked), NOW) == planner.End(True, "the check is healthy")


def test_without_actions_the_check_tells_whether_retrying_is_worth_it():
    look = replace(HEAL, actions=())
    assert isinstance(plan(view(look, waiting=1), NOW), planner.AddCheck)
    assert isinstance(plan(view(look, SICK, waiting=1), NOW), planner.NextAttempt)
    assert isinstance(plan(view(look, WELL, waiting=1), NOW), planner.StartCanary)


# -- pushed probes instead of a check


def test_trusted_probes_stand_for_the_check():
    act = plan(view(PROBED, failing=True), NOW)
    assert isinstance(act, planner.AddAction) and not act.skip and "trust_probes" in act.because
    untold = plan(view(PROBED), NOW)
    assert isinstance(untold, planner.AddAction) and untold.skip and "no pushed probe" in untold.because
    not_needed = plan(view(PROBED, healthy=True), NOW)
    assert isinstance(not_needed, planner.AddAction) and not_needed.skip


def test_a_person_stands_for_the_check_too_and_then_an_execution_tells():
    asked = Playbook((Stage(0, 1),), actions=(RESTART,), mended=True, by_person=True)
    act = plan(view(asked, waiting=1), NOW)
    assert isinstance(act, planner.AddAction) and not act.skip and "a person asked for it" in act.because
    acted = step(1, "restart", "succeeded", 10)
    assert isinstance(plan(view(asked, acted, waiting=1), NOW), planner.StartCanary)
    assert isinstance(plan(view(asked, acted), NOW), planner.Rest), "nothing else can tell but a probe"


def test_after_an_action_the_next_pushed_probe_decides_and_silence_is_a_failure():
    acted = step(1, "restart", "succeeded", 10)
    waits = plan(view(PROBED, acted, seen_at=NOW - timedelta(seconds=11)), NOW)
    assert isinstance(waits, planner.Rest) and waits.until == NOW + timedelta(seconds=50)
    assert isinstance(plan(view(PROBED, acted, seen_at=NOW, healthy=True), NOW), planner.End)
    assert "still fails" in plan(view(PROBED, acted, seen_at=NOW), NOW).because
    silent = plan(view(PROBED, step(1, "restart", "succeeded", 60)), NOW)
    assert isinstance(silent, planner.NextAttempt) and "no pushed probe" in silent.because


# -- the canary and the rest


def test_one_execution_goes_first_and_its_success_lets_the_rest_follow():
    assert isinstance(plan(view(waiting=5), NOW), planner.StartCanary)
    assert isinstance(plan(view(REPLAY, canary("succeeded"), waiting=4), NOW), planner.ReplayRest)


def test_a_canary_that_is_left_alone_uses_no_attempt_and_the_next_one_goes():
    assert isinstance(plan(view(REPLAY, canary("skipped"), waiting=4), NOW), planner.StartCanary)
    assert isinstance(plan(view(REPLAY, canary("skipped")), NOW), planner.End)


@pytest.mark.parametrize(
    ("chain", "is_ours", "is_let_go", "step_is"),
    [
        ("recovered", True, True, "succeeded"),
        ("recovered", False, True, "succeeded"),
        ("left_alone", True, True, "skipped"),
        ("waiting", False, True, "skipped"),
        ("retrying", False, False, "skipped"),
        ("failed", True, True, "failed"),
        ("waiting", True, True, "failed"),
        ("waiting", True, False, None),
        ("retrying", True, False, None),
    ],
)
def test_a_canary_is_what_became_of_its_chain(chain, is_ours, is_let_go, step_is):
    found = planner.canary_state(ExecutionState(chain), is_ours, is_let_go)
    assert found is (StepState(step_is) if step_is else None)


def test_the_newest_canary_counts():
    move = plan(view(REPLAY, canary("skipped", 1), canary("failed", 2), waiting=1), NOW)
    assert isinstance(move, planner.NextAttempt) and "the canary failed" in move.because


def test_a_recovery_does_not_end_while_executions_are_being_retried():
    assert isinstance(plan(view(retrying=1), NOW), planner.Rest)
    assert isinstance(plan(view(retrying=1, replaying=True), NOW), planner.Rest)


def test_the_rest_is_released_until_none_waits():
    assert isinstance(plan(view(replaying=True, waiting=2, retrying=1), NOW), planner.ReleaseMore)
    end = plan(view(replaying=True), NOW)
    assert isinstance(end, planner.End) and end.succeeded


def test_a_setback_stops_the_replay_and_the_next_stage_is_waited_for():
    move = plan(view(replaying=True, waiting=9, retrying=2, setback="it failed again"), NOW)
    expected = planner.NextAttempt(2, 1, NOW + timedelta(seconds=60), "the replay stopped: it failed again")
    assert move == expected


@pytest.mark.parametrize("replaying", [False, True])
def test_an_n8n_that_refuses_to_be_asked_ends_it(replaying):
    move = plan(view(waiting=1, blocked="the key is refused", replaying=replaying), NOW)
    assert move == planner.End(False, "n8n cannot be asked to retry: the key is refused")
    none_waits = plan(view(blocked="the key is refused", replaying=replaying, recovered=1), NOW)
    assert isinstance(none_waits, planner.End) and none_waits.succeeded


def test_a_recovery_in_which_nothing_recovered_and_nothing_looked_well_failed():
    move = plan(view(), NOW)
    assert isinstance(move, planner.End) and not move.succeeded and "may be retried" in move.because


@pytest.mark.parametrize("replaying", [False, True])
def test_what_may_repeat_an_effect_is_asked_about_once_nothing_else_is_left(replaying):
    assert isinstance(plan(view(asking=2, replaying=replaying), NOW), planner.AskPerson)
    assert not isinstance(plan(view(asking=2, waiting=1, replaying=replaying), NOW), planner.AskPerson)
    assert not isinstance(plan(view(asking=2, retrying=1, replaying=replaying), NOW), planner.AskPerson)


# -- stages


def test_the_stages_have_one_two_and_three_attempts_after_none_one_and_five_minutes():
    seen, stage, attempt, now = [], 1, 1, NOW
    while True:
        move = plan(view(REPLAY, canary("failed"), stage=stage, attempt=attempt, waiting=1), now)
        if isinstance(move, planner.End):
            break
        assert isinstance(move, planner.NextAttempt)
        seen.append((move.stage, move.attempt, (move.at - now).total_seconds()))
        stage, attempt, now = move.stage, move.attempt, move.at
    assert seen == [(2, 1, 60), (2, 2, 0), (3, 1, 300), (3, 2, 0), (3, 3, 0)]
    assert not move.succeeded and "all 3 stages are used up" in move.because


def test_spacing_lies_between_the_attempts_of_a_stage_only():
    spaced = replace(REPLAY, spacing_seconds=7)
    inside = planner.failed(view(spaced, stage=2), NOW, "x")
    between = planner.failed(view(spaced, stage=2, attempt=2), NOW, "x")
    assert isinstance(inside, planner.NextAttempt) and inside.at == NOW + timedelta(seconds=7)
    assert isinstance(between, planner.NextAttempt) and between.at == NOW + timedelta(seconds=300)


def test_a_stage_beyond_the_playbook_ends():
    assert isinstance(planner.failed(view(stage=9), NOW, "x"), planner.End)


# -- a stage with a check of its own

OWN = PlannedCheck("tcp", component="shop")
VERIFIED = replace(HEAL, stages=(Stage(0, 1, check=OWN), Stage(60, 1)))


def test_a_stage_with_a_check_of_its_own_is_confirmed_by_the_components_and_verified_by_that():
    assert plan(view(VERIFIED), NOW) == planner.AddCheck(CHECK, "confirm the failure before anything is done")
    assert plan(view(VERIFIED, SICK, DONE), NOW) == planner.AddCheck(OWN, "verify what was done")
    still = replace(step(3, "http", "failed", why="shut"), name="tcp")
    assert plan(view(VERIFIED, SICK, DONE, still), NOW) == planner.AddCheck(
        OWN, "it may still be starting: look again", NOW + planner.VERIFY_EVERY
    )
    well = replace(still, state=StepState.SUCCEEDED)
    assert isinstance(plan(view(VERIFIED, SICK, DONE, well), NOW), planner.End)
    assert plan(view(VERIFIED, SICK, DONE, stage=2), NOW) == planner.AddCheck(CHECK, "verify what was done")


def test_without_actions_a_stages_own_check_tells_whether_retrying_is_worth_it():
    quiet = replace(VERIFIED, actions=())
    assert plan(view(quiet, waiting=1), NOW) == planner.AddCheck(OWN, "look before retrying executions")


def test_a_component_without_a_check_is_verified_by_the_stages():
    probed = replace(PROBED, stages=(Stage(0, 1, check=OWN),))
    assert plan(view(probed, step(1, "restart", "succeeded"), failing=True), NOW) == planner.AddCheck(
        OWN, "verify what was done"
    )
