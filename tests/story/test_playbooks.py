"""Playbooks and brakes at work: what is tried, in which order, how often, and who must say yes."""

from dataclasses import replace
from typing import Any

import pytest

from recovery import actions
from recovery.clock import utc_now
from recovery.model import (
    Brakes,
    ComponentPlan,
    DoorError,
    FailureType,
    HttpAnswer,
    Match,
    NotNeeded,
    PlannedAction,
    PlannedCheck,
    Playbook,
    PlaybookRule,
    ShellResult,
    Stage,
)
from recovery.model.links import read_decision
from recovery.store import database, orders
from recovery.store.outcome_row import OutcomeRow
from recovery.store.tables import AlertRow, OrderRow, RecoveryRow, StepRow
from tests.conftest import FakeClock
from tests.story.engine import STAGES, Engine, fail_component, restartable

pytestmark = pytest.mark.usefixtures("store")

RESTART, OTHER = (PlannedAction("run_command", {"command": [word]}) for word in ("restart", "other"))


def engine_of(clock: FakeClock, *stages: Stage, brakes: Brakes | None = None, plan: Any = None, **rule: Any) -> Engine:
    """An engine with one component that never heals by itself, and perhaps a playbook for it."""
    match = rule.pop("match", Match())
    rules = (PlaybookRule("mine", match, stages, **rule),) if stages else ()
    known = {"orders": plan or restartable("orders")}
    return Engine(clock, components=known, playbooks=rules, brakes=brakes or Brakes())


def fail_again(engine: Engine, times: int = 1) -> None:
    """Heal by hand and fail anew, after the time in which it would be a recurrence."""
    for _ in range(times):
        engine.outside.up = True
        engine.probe("orders", True)
        engine.run(30)
        assert engine.incident().state == "resolved"
        engine.clock.advance(700)
        engine.outside.up = False
        fail_component(engine)


def order(engine: Engine, what: str, step: int | None = None) -> str:
    """What became of an order: done, refused, or stale at once."""
    try:
        orders.add_order(engine.incident().id, what, "kim", utc_now(), step=step)
    except orders.StaleOrder:
        return "stale"
    engine.tick()
    return OrderRow.select().order_by(OrderRow.id.desc()).get().outcome


def commands(engine: Engine) -> list[str]:
    return [command[0] for command in engine.outside.commands]


def awaiting(engine: Engine) -> int:
    """The number of the step that waits for a yes."""
    assert engine.recovery().state == "awaiting_approval"
    return StepRow.select().order_by(StepRow.id.desc()).get().number


def test_alternatives_are_tried_one_attempt_after_the_other(fake_clock: FakeClock) -> None:
    engine = engine_of(fake_clock, Stage(0, 3, actions=(RESTART, OTHER), one_of=True))
    fail_component(engine)
    engine.run(40)
    assert commands(engine) == ["restart", "other", "restart"]
    assert engine.incident().state == "needs_human"


def test_the_actions_of_a_stage_are_run_in_order_before_the_check(fake_clock: FakeClock) -> None:
    engine = engine_of(fake_clock, Stage(0, 1, actions=(OTHER, RESTART)))
    engine.outside.heals_on_restart = True
    fail_component(engine)
    engine.run(20)
    assert commands(engine) == ["other", "restart"]
    acts = [("run_command", "succeeded")] * 2
    assert engine.steps()[:4] == [("http", "failed"), *acts, ("http", "succeeded")]
    assert engine.incident().state == "resolved"


def test_a_stage_is_only_for_the_incidents_it_is_meant_for(fake_clock: FakeClock) -> None:
    never = Match(failure_types=(FailureType.RESOURCE_EXHAUSTED,))
    stages = Stage(0, 1, actions=(OTHER,), only_if=never), Stage(0, 1, actions=(RESTART,))
    engine = engine_of(fake_clock, *stages)
    fail_component(engine)
    engine.run(20)
    assert commands(engine) == ["restart"]


def test_a_playbook_for_another_component_is_left_alone(fake_clock: FakeClock) -> None:
    engine = engine_of(fake_clock, Stage(0, 1, actions=(OTHER,)), match=Match(components=("mail",)))
    fail_component(engine)
    assert commands(engine) == ["restart"]


def test_a_recovery_keeps_the_playbook_that_it_began_with(fake_clock: FakeClock) -> None:
    engine = engine_of(fake_clock, Stage(0, 1, actions=(OTHER,)), Stage(60, 1, actions=(OTHER,)))
    fail_component(engine)
    engine.ctx.policy = replace(engine.policy, playbooks=())
    engine.run(90)
    assert commands(engine) == ["other", "other"]


def test_each_stage_tries_the_next_of_what_usually_helps(fake_clock: FakeClock) -> None:
    known = {"restart": RESTART, "scale_up": OTHER}
    engine = engine_of(fake_clock, plan=restartable("orders", actions=known))
    fail_component(engine)
    engine.run(500, 5)
    found = engine.incident().failure_type
    expected = ["restart", "other", "other", *["restart"] * 3] if found == "server_unresponsive" else ["restart"] * 6
    assert commands(engine) == expected


def test_a_used_up_budget_calls_a_person(fake_clock: FakeClock) -> None:
    engine = engine_of(fake_clock, Stage(0, 5, actions=(RESTART,)), brakes=Brakes(per_hour=2))
    fail_component(engine)
    engine.run(40)
    assert commands(engine) == ["restart", "restart"]
    assert engine.incident().state == "needs_human"
    assert "run 2 times on it within an hour" in engine.incident().because
    assert "needs_human" in engine.alerts()


def test_a_budget_is_given_back_by_time_and_passed_by_a_person(fake_clock: FakeClock) -> None:
    engine = engine_of(fake_clock, Stage(0, 1, actions=(RESTART,)), brakes=Brakes(per_hour=1))
    fail_component(engine)
    engine.run(20)
    fail_again(engine)
    assert len(commands(engine)) == 1 and engine.incident().state == "needs_human"
    order(engine, "retry_now")
    assert len(commands(engine)) == 2
    engine.run(20)
    engine.clock.advance(3600)
    fail_again(engine)
    assert len(commands(engine)) == 3


def test_the_overall_budget_counts_every_component(fake_clock: FakeClock) -> None:
    known = {name: restartable(name) for name in ("orders", "mail", "shop")}
    engine = Engine(fake_clock, components=known, brakes=Brakes(overall_per_hour=2))
    for name in known:
        fail_component(engine, name)
        engine.run(3)
    assert len(commands(engine)) == 2
    assert "2 actions were run within an hour" in engine.incident("shop").because


def test_another_recovery_waits_for_the_cooldown_and_says_so(fake_clock: FakeClock) -> None:
    engine = engine_of(fake_clock, Stage(0, 1, actions=(RESTART,)), brakes=Brakes(cooldown_seconds=60))
    fail_component(engine)
    engine.run(10)
    order(engine, "resolve")
    engine.outside.up = True
    engine.probe("orders", True)
    engine.run(3)
    engine.outside.up = False
    fail_component(engine)
    assert len(commands(engine)) == 1 and "cooling down" in engine.recovery().because
    engine.run(60)
    assert len(commands(engine)) == 2


def test_an_open_breaker_stops_until_a_person_closes_it(fake_clock: FakeClock) -> None:
    engine = engine_of(fake_clock, Stage(0, 1, actions=(RESTART,)), brakes=Brakes(breaker=2))
    fail_component(engine)
    engine.run(20)
    fail_again(engine)
    engine.run(20)
    assert len(commands(engine)) == 2
    fail_again(engine)
    engine.run(20)
    assert len(commands(engine)) == 2 and "the breaker is open" in engine.incident().because
    order(engine, "retry_now")
    engine.run(20)
    assert len(commands(engine)) == 3
    fail_again(engine)
    engine.run(20)
    assert len(commands(engine)) == 4  # closed: the count begins anew


def test_a_success_closes_the_breaker(fake_clock: FakeClock) -> None:
    engine = engine_of(fake_clock, Stage(0, 1, actions=(RESTART,)), brakes=Brakes(breaker=2))
    fail_component(engine)
    engine.run(20)
    engine.outside.heals_on_restart = True
    fail_again(engine)
    engine.run(20)
    engine.outside.heals_on_restart = False
    for _ in range(2):
        fail_again(engine)
        engine.run(20)
    assert len(commands(engine)) == 4


@pytest.mark.parametrize("by", ["stage", "action"])
def test_nothing_is_run_before_a_person_has_said_yes(fake_clock: FakeClock, by: str) -> None:
    action = RESTART if by == "stage" else replace(RESTART, needs_approval=True)
    engine = engine_of(fake_clock, Stage(0, 1, actions=(action,), needs_approval=by == "stage"))
    engine.outside.heals_on_restart = True
    fail_component(engine)
    engine.run(30)
    assert commands(engine) == [] and engine.incident().state == "needs_human" and "needs_human" in engine.alerts()
    assert "needs a person's yes" in engine.incident().because
    number = awaiting(engine)
    assert order(engine, "approve", number + 1) == "stale" and commands(engine) == []
    assert order(engine, "approve", number) == "done"
    engine.run(20)
    assert commands(engine) == ["restart"] and engine.incident().state == "resolved"
    assert order(engine, "approve", number) == "stale"  # a yes works once


def test_a_no_ends_the_recovery_and_nothing_is_run(fake_clock: FakeClock) -> None:
    engine = engine_of(fake_clock, Stage(0, 3, actions=(RESTART,), needs_approval=True))
    fail_component(engine)
    told = order(engine, "reject", awaiting(engine))
    engine.run(30)
    assert told == "done" and commands(engine) == []
    assert engine.recovery().state == "failed" and "kim said no" in engine.recovery().because


@pytest.mark.parametrize(("then", "expected"), [("give_up", []), ("next_stage", ["other"])])
def test_what_happens_when_nobody_answers(fake_clock: FakeClock, then: str, expected: list[str]) -> None:
    stages = Stage(0, 1, actions=(RESTART,), needs_approval=True), Stage(10, 1, actions=(OTHER,))
    brakes = Brakes(approve_within_seconds=120, unanswered=then)
    engine = engine_of(fake_clock, *stages, brakes=brakes)
    fail_component(engine)
    number = awaiting(engine)
    engine.run(115)
    assert commands(engine) == [] and engine.recovery().state == "awaiting_approval"
    engine.run(30)
    assert commands(engine) == expected
    assert order(engine, "approve", number) == "stale"


def test_a_component_that_turns_well_needs_no_yes_any_more(fake_clock: FakeClock) -> None:
    engine = engine_of(fake_clock, Stage(0, 1, actions=(RESTART,), needs_approval=True))
    fail_component(engine)
    number = awaiting(engine)
    engine.outside.up = True
    engine.probe("orders", True)
    engine.run(30)
    assert engine.incident().state == "resolved"
    assert order(engine, "approve", number) == "stale" and commands(engine) == []


def test_a_dry_run_tells_what_each_action_would_do_and_does_nothing(fake_clock: FakeClock) -> None:
    engine = engine_of(fake_clock, Stage(0, 1, actions=(RESTART, OTHER), needs_approval=True), dry_run=True)
    fail_component(engine)
    engine.run(20)
    assert commands(engine) == [] and engine.incident().state == "needs_human"
    told = [row.result for row in StepRow.select().where(StepRow.name == "run_command").order_by(StepRow.id)]
    assert told == [f"dry run: would run `{word}`, for at most 60 s" for word in ("restart", "other")]
    assert all(words in engine.incident().because for words in told)


def test_one_restart_at_a_time_on_a_host(fake_clock: FakeClock) -> None:
    alone = replace(RESTART, restarts=True)
    known: dict[str, ComponentPlan] = {name: restartable(name) for name in ("orders", "mail")}
    rule = PlaybookRule("mine", Match(), (Stage(0, 1, actions=(alone,)),))
    engine = Engine(fake_clock, components=known, playbooks=(rule,))
    fail_component(engine, "orders")
    with database.write():
        step = StepRow.get(StepRow.name == "run_command")
        runs = {"state": "running", "lease_until": utc_now().replace(year=2100), "finished_at": None}
        StepRow.update(**runs).where(StepRow.id == step.id).execute()
    fail_component(engine, "mail")
    assert len(commands(engine)) == 1
    assert engine.recovery().because == "one restart at a time on a host: run_command of orders is under way"
    with database.write():
        StepRow.update(state="succeeded", lease_until=None, finished_at=utc_now()).where(
            StepRow.id == step.id
        ).execute()
    engine.run(5)
    assert len(commands(engine)) == 2


def test_secrets_of_an_action_are_kept_out_of_the_rows(fake_clock: FakeClock) -> None:
    action = PlannedAction("run_command", {"command": ["login", "--password=hunter2hunter2"]})
    engine = engine_of(fake_clock, Stage(0, 1, actions=(action,)))
    fail_component(engine)
    assert engine.outside.commands == [["login", "--password=hunter2hunter2"]]
    kept = str([row.args for row in StepRow.select()]) + str(engine.recovery().playbook)
    assert "hunter2" not in kept


def test_an_action_whose_secret_is_gone_is_not_run(fake_clock: FakeClock) -> None:
    action = PlannedAction("run_command", {"command": ["login", "--password=hunter2hunter2"]})
    engine = engine_of(fake_clock, Stage(0, 2, actions=(action,), spacing_seconds=30))
    fail_component(engine)
    engine.ctx.policy = replace(engine.policy, playbooks=())
    engine.run(60)
    assert len(commands(engine)) == 1
    last = StepRow.select().where(StepRow.name == "run_command").order_by(StepRow.id.desc()).get()
    assert last.state == "failed" and "no longer in the configuration" in last.error


def test_the_stages_of_the_configuration_are_the_default(fake_clock: FakeClock) -> None:
    engine = engine_of(fake_clock)
    fail_component(engine)
    assert len(engine.recovery().playbook["stages"]) == len(STAGES)


def test_an_action_that_finds_nothing_to_do_does_not_count_as_healthy(
    fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = replace(
        actions.REGISTRY.find("run_command"), name="idle", run=lambda *_: NotNeeded("it is being started already")
    )
    monkeypatch.setitem(actions.REGISTRY._found, "idle", plugin)
    idle = PlannedAction("idle", {"command": ["x"]})
    engine = engine_of(fake_clock, Stage(0, 1, actions=(idle, RESTART)))
    fail_component(engine)
    engine.run(30)
    assert commands(engine) == ["restart"] and engine.recovery().state == "failed"
    assert engine.incident().state == "needs_human"


def test_alternatives_are_tried_in_the_order_of_what_has_helped(fake_clock: FakeClock) -> None:
    engine = engine_of(fake_clock, Stage(0, 2, actions=(RESTART, OTHER), one_of=True), learned=True)
    mine = [replace(one, label=one.args["command"][0]) for one in (RESTART, OTHER)]
    rule = replace(engine.policy.playbooks[0], stages=(Stage(0, 2, actions=tuple(mine), one_of=True),))
    engine.ctx.policy = replace(engine.policy, playbooks=(rule,), brakes=Brakes(per_hour=99, per_day=99))
    engine.outside.heals_on = "other"
    for _ in range(6):
        fail_component(engine)
        engine.run(30)
        engine.probe("orders", True)
        engine.run(30)
        assert engine.incident().state == "resolved"
        engine.clock.advance(700)
        engine.outside.up = False
    assert commands(engine)[:2] == ["restart", "other"] and commands(engine)[-1] == "other"
    assert commands(engine).count("restart") < commands(engine).count("other")
    assert "other helped" in engine.recovery().playbook["because"]


def test_the_message_that_asks_carries_a_link_for_the_very_step(fake_clock: FakeClock) -> None:
    engine = engine_of(fake_clock, Stage(0, 1, actions=(RESTART,), needs_approval=True))
    engine.ctx.link_key, engine.ctx.public_url = "key", "https://medic.example.com/"
    fail_component(engine)
    number = awaiting(engine)
    asking = AlertRow.select().where(AlertRow.kind == "needs_human").get()
    head, _, token = asking.facts["link"].rpartition("/")
    assert head == "https://medic.example.com/decide"
    decision = read_decision("key", token, utc_now())
    assert decision and (decision.incident_id, decision.step) == (engine.incident().id, number)
    assert decision.recovery_id == engine.recovery().id
    assert read_decision("key", token, decision.until) is None


def test_a_yes_that_names_no_step_is_for_what_is_asked_when_it_is_given(fake_clock: FakeClock) -> None:
    engine = engine_of(fake_clock, Stage(0, 1, actions=(RESTART,), needs_approval=True))
    fail_component(engine)
    engine.run(3)
    orders.add_order(engine.incident().id, "approve", "kim", utc_now())
    assert OrderRow.get().step == awaiting(engine)


def verified_by(engine: Engine, *up: str) -> list[str]:
    """From now on only the addresses that hold one of these words answer; the addresses that were asked."""
    asked: list[str] = []

    def request(method: str, url: str, **more: Any) -> HttpAnswer:
        asked.append(url)
        if any(word in url for word in up) or "hook" in url:
            return HttpAnswer(200, "ok", 1.0)
        raise DoorError("connection refused", kind="refused")

    engine.outside.request = request  # type: ignore[method-assign]
    return asked


def test_a_stage_is_verified_by_another_components_check_and_that_looks_counts_for_it(fake_clock: FakeClock) -> None:
    shop = PlannedCheck("http", {"url": "http://shop.example.com/health"})
    stages = (Stage(0, 1, actions=(RESTART,), check=replace(shop, component="shop")),)
    plans = {"orders": restartable("orders"), "shop": ComponentPlan("shop", playbook=Playbook(STAGES, check=shop))}
    engine = Engine(fake_clock, components=plans, playbooks=(PlaybookRule("mine", Match(("orders",)), stages),))
    verified_by(engine)  # nothing answers
    fail_component(engine)
    engine.run(8)
    verifying = StepRow.select().where(StepRow.kind == "check", StepRow.number > 2)
    assert {(row.name, row.component, row.state) for row in verifying} == {("http", "shop", "failed")}
    assert "the check still fails after the action" in engine.recovery().because
    assert engine.component("shop").health == "unhealthy", "what a look saw is a reading of whom it looked at"


@pytest.mark.parametrize("well", [("shop",), ("shop", "orders.")])
def test_a_verified_stage_resolves_nothing_while_the_component_itself_fails(
    fake_clock: FakeClock, well: tuple[str, ...]
) -> None:
    shop = PlannedCheck("http", {"url": "http://shop.example.com/buy?api_key=hunter2"}, "")
    engine = engine_of(fake_clock, Stage(0, 1, actions=(RESTART,), check=shop))
    fail_component(engine)
    asked = verified_by(engine)
    engine.tick()
    verified_by(engine, *well)
    engine.run(15)
    last = StepRow.select().where(StepRow.name == "http", StepRow.component == "").order_by(StepRow.id)[-1]
    assert last.state == "succeeded" and "hunter2" not in str(last.args), "found by its copy without the secret"
    assert [row for row in RecoveryRow.select() if row.state == "succeeded"], asked
    assert engine.incident().state == ("resolved" if len(well) == 2 else "recovering")


def test_a_check_that_is_no_longer_written_ends_the_recovery(fake_clock: FakeClock) -> None:
    shop = PlannedCheck("http", {"url": "http://shop.example.com/buy"}, "")
    engine = engine_of(fake_clock, Stage(0, 1, actions=(RESTART,), check=shop))
    verified_by(engine)
    fail_component(engine)
    engine.ctx.policy = replace(engine.policy, playbooks=())
    engine.run(8)
    assert engine.steps()[-1] == ("http", "unknown") and engine.incident().state == "needs_human"
    assert "no longer in the configuration" in engine.recovery().because


def with_token(letter: str) -> PlannedAction:
    """One of two actions that differ in a secret alone."""
    return PlannedAction("run_command", {"command": ["curl", f"Authorization: Bearer {letter * 30}", "https://ci/run"]})


def test_an_action_is_run_with_the_secret_of_its_own_playbook(fake_clock: FakeClock) -> None:
    theirs, ours = (
        PlaybookRule(name, Match(components=(name,)), (Stage(0, 1, actions=(with_token(letter),)),))
        for name, letter in (("pay", "a"), ("orders", "b"))
    )
    known = {name: restartable(name) for name in ("orders", "pay")}
    engine = Engine(fake_clock, components=known, playbooks=(theirs, ours))
    fail_component(engine)
    assert engine.outside.commands == [with_token("b").args["command"]]


def test_where_nobody_can_tell_which_secret_is_meant_nothing_is_run(fake_clock: FakeClock) -> None:
    engine = engine_of(fake_clock, Stage(0, 1, actions=(with_token("a"), with_token("b")), one_of=True))
    fail_component(engine)
    assert engine.outside.commands == []
    last = StepRow.select().where(StepRow.name == "run_command").order_by(StepRow.id.desc()).get()
    assert last.state == "failed" and "differ in a secret alone" in last.error


@pytest.mark.parametrize("whole_stage", [True, False])
def test_a_yes_is_never_for_a_later_recovery_and_retry_now_is_no_yes(fake_clock: FakeClock, whole_stage: bool) -> None:
    action = replace(RESTART, needs_approval=not whole_stage)
    engine = engine_of(fake_clock, Stage(0, 1, actions=(action,), needs_approval=whole_stage))
    fail_component(engine)
    step = awaiting(engine)
    assert order(engine, "retry_now") == "done"
    engine.run(5)
    assert awaiting(engine) > step
    assert order(engine, "approve", step) == "stale" and commands(engine) == []
    assert order(engine, "approve", awaiting(engine)) == "done"
    engine.run(5)
    assert commands(engine) == ["restart"]


def test_what_fails_first_is_blamed_and_not_what_would_have_come_after_it(fake_clock: FakeClock) -> None:
    first, second = replace(OTHER, label="first"), replace(RESTART, label="second")
    engine = engine_of(fake_clock, Stage(0, 1, actions=(first, second)))
    engine.outside.run = lambda command, **more: ShellResult(1, "no")
    fail_component(engine)
    engine.run(5)
    assert [row.action for row in OutcomeRow.select()] == ["first"]


def test_two_playbooks_that_take_turns_in_vain_open_their_breakers(fake_clock: FakeClock) -> None:
    engine = engine_of(fake_clock, Stage(0, 1, actions=(RESTART,)), brakes=Brakes(breaker=2, per_hour=100))
    rule = engine.policy.playbooks[0]
    fail_component(engine)
    for number in range(1, 6):
        engine.run(20)
        engine.ctx.policy = replace(engine.policy, playbooks=(replace(rule, name=f"p{number % 2}"),))
        fail_again(engine)
    engine.run(20)
    assert len(commands(engine)) == 5, "once by the first playbook, and twice by each of the two"
    assert "breaker is open" in engine.incident().because
