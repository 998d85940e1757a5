"""An action that a person runs by hand: what is done, what is refused, and what survives."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel

from recovery import actions
from recovery.clock import utc_now
from recovery.config.by_hand import plan_by_hand
from recovery.model import Brakes, ComponentPlan, Done, Match, PlannedAction, PlaybookRule, Plugin, Stage, StepState
from recovery.store import acted, database, orders, steps
from recovery.store.orders import ByHand
from recovery.store.tables import OrderRow, StepRow
from recovery.worker import executor
from tests.conftest import FakeClock
from tests.story.engine import Engine, fail_component, restartable
from tests.story.test_returns import scale  # noqa: F401  the fixture

RESTART = PlannedAction("run_command", {"command": ["restart", "orders"]}, restarts=True, label="restart")


def plan_of(name: str = "orders", **more: Any) -> ComponentPlan:
    return replace(restartable(name), actions={"restart": replace(RESTART, **more)})


@pytest.fixture
def engine(store: str, fake_clock: FakeClock) -> Engine:
    return Engine(fake_clock, components={"orders": plan_of(), "mail": plan_of("mail")})


def ask(engine: Engine, action: str = "restart", component: str = "orders", **more: Any) -> OrderRow:
    """A person orders it."""
    given = more.pop("given", {})
    planned = plan_by_hand(engine.policy, component, action, given)
    asked = ByHand(component, action, planned.args, given, more.pop("dry", False))
    return orders.add_order_by_hand(asked, "kim", utc_now(), **more)


def told(order: OrderRow) -> tuple[str | None, str]:
    row = orders.find_order(order.id)
    assert row
    return row.outcome, row.because or ""


def states(order: OrderRow) -> list[tuple[str, str]]:
    return [(row.name, row.state) for row in steps.find_steps_by_hand(order.id)]


def test_it_is_run_and_then_its_own_check_looks(engine: Engine) -> None:
    engine.outside.heals_on_restart = True
    order = ask(engine, note="it hangs")
    engine.tick()
    assert engine.outside.commands == [["restart", "orders"]]
    assert states(order) == [("run_command", "succeeded"), ("http", "succeeded")]
    assert told(order)[0] == "done" and "then found it healthy" in told(order)[1]
    first = steps.find_steps_by_hand(order.id)[0]
    assert first.because == "kim ordered it by hand: it hangs" and (first.recovery_id, first.incident_id) == (
        None,
        None,
    )
    assert "queued: kim ordered it by hand: it hangs" in engine.history("step")
    assert engine.incidents() == []


def test_one_that_still_fails_is_looked_at_for_as_long_as_it_may_be_starting(engine: Engine) -> None:
    order = ask(engine)
    engine.run(10)
    looks = states(order)[1:]
    assert 2 <= len(looks) <= 3 and set(looks) == {("http", "failed")}
    assert "not healthy" in told(order)[1]


def test_it_belongs_to_the_incident_that_is_open_and_a_good_look_ends_that(engine: Engine) -> None:
    fail_component(engine)
    engine.run(3)
    incident = engine.incident()
    assert incident.state == "recovering"
    engine.outside.heals_on_restart = True
    order = ask(engine)
    engine.run(30)
    assert {row.incident_id for row in steps.find_steps_by_hand(order.id)} == {incident.id}
    assert engine.incident().state == "resolved" and told(order)[0] == "done"


def test_what_is_a_dry_run_for_the_product_or_the_order_does_nothing_and_says_what_it_would(engine: Engine) -> None:
    orders_given = [ask(engine, dry=True)]
    engine.tick()
    engine.ctx.dry_run = True
    orders_given.append(ask(engine))
    engine.tick()
    assert engine.outside.commands == []
    for order in orders_given:
        assert states(order) == [("run_command", "skipped")]
        assert told(order)[1].startswith("dry run: would run `restart orders`")


def run_for_long(component: str, name: str = "run_command", host: str | None = None) -> StepRow:
    """An action of a recovery that is under way."""
    with database.write():
        return StepRow.create(
            recovery_id=1, incident_id=1, number=StepRow.select().count() + 1, stage=1, attempt=1, kind="action",
            name=name, component=component, state="running", queued_at=utc_now(), started_at=utc_now(), because="x",
            host=host, lease_until=utc_now() + timedelta(hours=1),
        )  # fmt: skip


def test_an_action_of_a_playbook_that_is_a_dry_run_is_one_by_hand_too(store: str, fake_clock: FakeClock) -> None:
    night = replace(RESTART, label="night restart")
    rule = PlaybookRule("night", Match(components=("orders",)), (Stage(0, 1, actions=(night,)),), dry_run=True)
    dry = Engine(fake_clock, components={"orders": plan_of()}, playbooks=(rule,))
    order = ask(dry, "night restart")
    dry.tick()
    assert dry.outside.commands == [] and told(order)[1].startswith("dry run: would run `restart orders`")
    wet = Engine(fake_clock, components={"orders": plan_of()}, playbooks=(replace(rule, dry_run=False),))
    ask(wet, "night restart")
    wet.tick()
    assert wet.outside.commands == [["restart", "orders"]]


def test_it_is_refused_while_another_action_of_the_component_runs(engine: Engine) -> None:
    run_for_long("orders", "restart_service")
    order = ask(engine)
    engine.tick()
    assert told(order) == ("refused", "another action on this component is still under way: restart_service")
    assert engine.outside.commands == [] and states(order) == []


def test_it_is_refused_while_something_else_is_restarted_on_its_host(engine: Engine) -> None:
    run_for_long("mail", host="this machine")
    order = ask(engine)
    engine.tick()
    assert told(order)[0] == "refused" and "one restart at a time on a host: run_command of mail" in told(order)[1]


def test_it_is_refused_while_nobody_knows_whether_the_last_one_is_still_at_work(engine: Engine) -> None:
    lost = run_for_long("orders", "restart_remote")
    with database.write():
        steps.lose_step(lost, "its worker was lost", utc_now())
    order = ask(engine)
    engine.tick()
    assert told(order)[0] == "refused" and "nobody knows whether restart_remote happened" in told(order)[1]
    engine.clock.advance(61)
    again = ask(engine)
    engine.tick()
    assert told(again)[0] == "done" and len(engine.outside.commands) == 1


def test_a_person_goes_past_budget_and_approval_and_history_names_the_person(store: str, fake_clock: FakeClock) -> None:
    plan = plan_of(needs_approval=True)
    engine = Engine(fake_clock, components={"orders": plan}, brakes=Brakes(per_hour=1))
    engine.outside.heals_on_restart = True
    for _ in range(2):
        order = ask(engine)
        engine.run(60)
    assert len(engine.outside.commands) == 2
    because = steps.find_steps_by_hand(order.id)[0].because
    assert because.startswith("kim ordered it by hand, although run_command was run 1 times on it within an hour")
    assert because.endswith("which is the yes that it needs")


def test_what_was_run_by_hand_counts_for_the_brakes_of_what_runs_by_itself(engine: Engine) -> None:
    ask(engine)
    engine.tick()
    since = utc_now() - timedelta(hours=1)
    assert len(acted.find_begun("orders", "run_command", since)) == 1 and acted.last_acted("orders", 7) is not None


def test_an_order_that_no_worker_took_in_time_is_not_carried_out_later(engine: Engine) -> None:
    order = ask(engine)
    engine.clock.advance(301)
    engine.tick()
    assert told(order)[0] == "refused" and "for 5 minutes" in told(order)[1] and engine.outside.commands == []


def test_a_worker_whose_configuration_says_otherwise_than_was_shown_refuses(engine: Engine) -> None:
    order = ask(engine)
    changed = replace(RESTART, args={"command": ["rm", "-r", "orders"]})
    engine.ctx.policy = replace(engine.policy, components={"orders": replace(plan_of(), actions={"restart": changed})})
    engine.tick()
    assert told(order)[0] == "refused" and "other arguments" in told(order)[1] and engine.outside.commands == []


def test_arguments_of_ones_own_take_the_place_of_the_configured_ones(engine: Engine) -> None:
    engine.outside.heals_on_restart = True
    ask(engine, given={"command": ["restart", "orders", "--hard"]})
    engine.tick()
    ask(engine, "run_command", "mail", given={"command": ["free", "mail"]})
    engine.run(60)
    assert engine.outside.commands == [["restart", "orders", "--hard"], ["free", "mail"]]


def test_a_secret_among_ones_own_arguments_is_refused_and_kept_nowhere(engine: Engine) -> None:
    with pytest.raises(orders.OrderRefused, match="env may hold a secret"):
        ask(engine, given={"env": {"SESSION": "s3cret-s3cret"}})
    with pytest.raises(orders.OrderRefused, match="command may hold a secret"):
        ask(engine, given={"command": ["mysqladmin", "-ps3cret-s3cret", "ping"]})
    assert OrderRow.select().count() == 0


def test_secrets_of_the_configuration_are_used_and_kept_out_of_the_rows(store: str, fake_clock: FakeClock) -> None:
    args = {"command": ["restart", "orders"], "env": {"SESSION": "s3cret-s3cret"}}
    engine = Engine(fake_clock, components={"orders": plan_of(args=args)})
    order = ask(engine)
    engine.tick()
    assert engine.outside.environments == [{"SESSION": "s3cret-s3cret"}]
    row, kept = steps.find_steps_by_hand(order.id)[0], orders.find_order(order.id)
    assert "s3cret" not in f"{row.args}{kept and kept.shown}"


def lose_worker(row: StepRow) -> None:
    """Its worker was killed: it comes back for nothing."""
    with database.write():
        StepRow.update(state=StepState.RUNNING, lease_until=utc_now(), fence=row.fence + 1, finished_at=None).where(
            StepRow.id == row.id
        ).execute()


@pytest.mark.parametrize(("safe", "state", "runs"), [(True, "succeeded", 2), (False, "unknown", 1)])
def test_one_whose_worker_was_killed_is_repeated_only_where_that_is_safe(
    store: str, fake_clock: FakeClock, safe: bool, state: str, runs: int
) -> None:
    engine = Engine(fake_clock, components={"orders": plan_of(safe_to_repeat=safe)})
    engine.outside.heals_on_restart = True
    order = ask(engine)
    engine.tick(1)
    lose_worker(steps.find_steps_by_hand(order.id)[0])
    engine.clock.advance(1)
    engine.tick()
    assert states(order)[0] == ("run_command", state) and len(engine.outside.commands) == runs
    if not safe:
        assert "nobody knows whether it happened" in told(order)[1] and states(order)[-1] == ("http", "succeeded")


def test_what_is_undone_later_is_undone_after_it_was_run_by_hand_too(
    store: str,
    fake_clock: FakeClock,
    scale: SimpleNamespace,  # noqa: F811
) -> None:
    plan = replace(restartable("orders"), actions={"more": PlannedAction("add_one", back_after_seconds=600)})
    engine = Engine(fake_clock, components={"orders": plan})
    engine.outside.up = True
    engine.probe("orders", True)
    order = ask(engine, "more")
    engine.run(30, 5)
    assert scale.number == 3
    engine.run(700, 20)
    assert scale.number == 2 and states(order).count(("add_one", "succeeded")) == 2
    assert "add_one is done: now 3" in told(order)[1]


def test_an_action_without_a_check_ends_with_itself(store: str, fake_clock: FakeClock) -> None:
    engine = Engine(fake_clock, components={"orders": ComponentPlan("orders", actions={"restart": RESTART})})
    order = ask(engine)
    engine.tick()
    assert states(order) == [("run_command", "succeeded")] and told(order)[1].startswith("run_command is done")


def test_a_plugin_that_breaks_fails_its_step_and_the_order_says_so(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Done:
        raise RuntimeError("oh no")

    class Args(BaseModel):
        """None."""

    plugin = Plugin("broken", broken, Args, True, "Breaks.", __name__, preview=lambda *_: "break")
    monkeypatch.setitem(actions.REGISTRY._found, "broken", plugin)
    order = ask(engine, "broken")
    engine.tick()
    assert states(order)[0] == ("broken", "failed") and "oh no" in told(order)[1]


def test_one_that_no_worker_began_in_time_is_not_done_when_nobody_looks_any_more(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.outside.up = True
    with monkeypatch.context() as dead:
        dead.setattr(executor, "run_step", lambda ctx, row: None)
        order = ask(engine)
        engine.tick()
    assert told(order)[0] == "done" and states(order) == [("run_command", "running")]
    engine.clock.advance(7_200)
    engine.run(5)
    assert engine.outside.commands == []
    assert "it was not begun within 5 minutes: whoever still wants it orders it anew" in told(order)[1]
