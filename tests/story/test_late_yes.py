"""What a yes that comes late finds: limits that others have used up meanwhile, a server that is still starting."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from recovery.clock import utc_now
from recovery.model import (
    Brakes,
    DoorError,
    HttpAnswer,
    IncidentState,
    Match,
    PlannedAction,
    PlannedCheck,
    PlaybookRule,
    RecoveryState,
    Stage,
    StepKind,
    StepState,
)
from recovery.store import acted, database, maintenance, orders
from recovery.store.tables import IncidentRow, OrderRow, RecoveryRow, StepRow
from recovery.worker import executor, ordering
from tests.conftest import FakeClock
from tests.story.engine import Engine, fail_component, restartable
from tests.story.test_playbooks import awaiting, commands

pytestmark = pytest.mark.usefixtures("store")

ASKS = PlannedAction("run_command", {"command": ["careful"]}, needs_approval=True)
REBOOT = PlannedAction("reboot_host", {"command": ["reboot"], "host": "web1"}, restarts=True, safe_to_repeat=False)
RULE = PlaybookRule("asks", Match(("orders",)), (Stage(0, 1, actions=(ASKS,)),))


def engine_of(clock: FakeClock, **brakes: int) -> Engine:
    """Two components, of which one is acted upon only with a person's yes."""
    known = {name: restartable(name) for name in ("orders", "mail")}
    return Engine(clock, components=known, playbooks=(RULE,), brakes=Brakes(**brakes))


def say(engine: Engine, incident: int, what: str, step: int | None = None) -> str:
    """Order it, and what became of the order."""
    orders.add_order(incident, what, "kim", utc_now(), step=step)
    engine.tick()
    return OrderRow.select().order_by(OrderRow.id.desc()).get().outcome


def test_a_yes_does_not_pass_a_limit_that_others_used_up_meanwhile(fake_clock: FakeClock) -> None:
    engine = engine_of(fake_clock, overall_per_hour=1)
    fail_component(engine, "orders")
    number, mine = awaiting(engine), engine.incident("orders").id
    fail_component(engine, "mail")
    engine.run(3)
    assert commands(engine) == ["restart"]
    told = engine.alerts().count("needs_human")
    assert say(engine, mine, "approve", number) == "done"
    engine.run(10, step=2)
    assert commands(engine) == ["restart"], "nothing was run"
    incident = IncidentRow.get_by_id(mine)
    assert incident.state == "needs_human" and engine.alerts().count("needs_human") > told
    assert incident.because.startswith("run_command was not begun: 1 actions were run within an hour")
    step = StepRow.get(StepRow.component == "orders", StepRow.name == "run_command")
    assert step.state == "skipped" and "overall_per_hour" in step.result and step.started_at is None
    assert RecoveryRow.get_by_id(step.recovery_id).state == "failed"


def test_a_person_who_then_says_retry_now_passes_it(fake_clock: FakeClock) -> None:
    engine = engine_of(fake_clock, overall_per_hour=1)
    fail_component(engine, "orders")
    number, mine = awaiting(engine), engine.incident("orders").id
    fail_component(engine, "mail")
    engine.run(3)
    say(engine, mine, "approve", number)
    engine.run(3)
    assert say(engine, mine, "retry_now") == "done"
    engine.run(3)
    assert say(engine, mine, "approve", awaiting(engine)) == "done"
    engine.run(3)
    assert commands(engine) == ["restart", "careful"]


def test_a_yes_waits_for_the_cooldown_after_what_another_recovery_did(fake_clock: FakeClock) -> None:
    engine = engine_of(fake_clock, cooldown_seconds=60)
    fail_component(engine, "orders")
    number, mine = awaiting(engine), engine.incident("orders").id
    acted_by_another(engine)
    assert say(engine, mine, "approve", number) == "done"
    engine.run(30, step=10)
    assert commands(engine) == [] and "cooling down" in engine.history("step")[-1]
    engine.run(40, step=10)
    assert commands(engine) == ["careful"]


def acted_by_another(engine: Engine, state: RecoveryState = RecoveryState.CANCELLED) -> None:
    """Another incident's recovery has just acted on the same component."""
    mine = engine.incident("orders")
    with database.write():
        values = {**mine.__data__, "id": None, "open_key": None, "state": IncidentState.RESOLVED}
        other = IncidentRow.create(**values)
        recovery = RecoveryRow.create(
            incident_id=other.id, state=state, playbook=engine.recovery().playbook, because="test",
            started_at=utc_now(), ended_at=utc_now(),
        )  # fmt: skip
        StepRow.create(
            recovery_id=recovery.id, incident_id=other.id, number=1, stage=1, attempt=1, kind=StepKind.ACTION,
            name="run_command", state=StepState.SUCCEEDED, because="test", component="orders", queued_at=utc_now(),
            started_at=utc_now(), finished_at=utc_now(), args={},
        )  # fmt: skip


def test_a_breaker_that_opened_meanwhile_stops_what_was_allowed(fake_clock: FakeClock) -> None:
    engine = engine_of(fake_clock, breaker=1)
    fail_component(engine, "orders")
    number, mine = awaiting(engine), engine.incident("orders").id
    acted_by_another(engine, RecoveryState.FAILED)
    engine.clock.advance(30)
    assert say(engine, mine, "approve", number) == "done"
    engine.run(10, step=2)
    assert commands(engine) == [] and "the breaker is open" in IncidentRow.get_by_id(mine).because


def test_nothing_is_restarted_on_a_server_that_is_still_coming_up(fake_clock: FakeClock) -> None:
    """A second component of the same server fails because of the reboot: the server is not rebooted again."""
    known = {name: restartable(name) for name in ("orders", "mail")}
    slow = known["orders"].playbook
    assert slow
    known["orders"] = replace(known["orders"], playbook=replace(slow, boot_grace_seconds=60))
    rule = PlaybookRule("reboot", Match(), (Stage(0, 1, actions=(REBOOT,)),))
    engine = Engine(fake_clock, components=known, playbooks=(rule,))
    fail_component(engine, "orders")
    engine.run(2)
    assert commands(engine) == ["reboot"]
    fail_component(engine, "mail")
    engine.run(30, step=5)
    assert commands(engine) == ["reboot"]
    waits = RecoveryRow.select().order_by(RecoveryRow.id.desc()).get()
    assert waits.because.startswith("web1 was rebooted, and has until ")
    engine.outside.up = True
    engine.run(50, step=5)
    assert ("http", "succeeded") in engine.steps()
    assert commands(engine) == ["reboot"] and engine.incident("mail").state == "resolved"


def test_what_waited_for_the_brakes_is_confirmed_anew_before_it_is_done(fake_clock: FakeClock) -> None:
    engine = Engine(fake_clock, components={"orders": restartable("orders")}, brakes=Brakes(cooldown_seconds=600))
    fail_component(engine)
    engine.run(1)
    acted_by_another(engine)
    engine.outside.commands.clear()
    engine.run(300, step=50)
    assert commands(engine) == [] and "cooling down" in RecoveryRow.get_by_id(1).because
    engine.outside.up = True
    engine.run(400, step=50)
    assert commands(engine) == [], "it was well again, which nobody had told"
    confirmed = [row.because for row in StepRow.select().where(StepRow.state == StepState.SUCCEEDED)]
    assert "confirm it anew: it waited since the last look" in confirmed


def test_an_incident_that_is_healed_again_says_why_once(fake_clock: FakeClock) -> None:
    engine = engine_of(fake_clock)
    engine.outside.heals_on_restart = True
    fail_component(engine, "mail")
    engine.run(4)
    engine.outside.up = False
    engine.outside.heals_on_restart = False
    engine.run(100, step=10)
    assert not any(told.count("healing begins") > 1 for told in engine.history("incident"))


def planned_and_left(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check has confirmed, the action is planned, and for two hours there is no worker to begin it."""
    with monkeypatch.context() as away:
        real = executor.run_step
        away.setattr(executor, "run_step", lambda ctx, row: row.kind == StepKind.CHECK and real(ctx, row))
        fail_component(engine)
    assert commands(engine) == [] and ("run_command", "running") in engine.steps()
    engine.clock.advance(7_200)


@pytest.mark.parametrize("up", [True, False])
def test_what_waited_for_a_worker_is_looked_at_anew_before_it_is_done(
    fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch, up: bool
) -> None:
    plan = replace(restartable("orders"), every_seconds=86_400)  # nothing else looks at it
    engine = Engine(fake_clock, components={"orders": plan})
    planned_and_left(engine, monkeypatch)
    engine.outside.up = up
    engine.run(20)
    assert commands(engine)[:1] == ([] if up else ["restart"])
    if up:
        assert engine.steps()[:3] == [("http", "failed"), ("run_command", "skipped"), ("http", "succeeded")]
        assert engine.incident().state == "resolved" and engine.recovery().state == "succeeded"


def test_a_late_yes_runs_nothing_where_it_is_well_by_then(fake_clock: FakeClock) -> None:
    plan = replace(restartable("orders"), every_seconds=86_400)
    engine = Engine(fake_clock, components={"orders": plan}, playbooks=(RULE,))
    fail_component(engine)
    number = awaiting(engine)
    engine.run(900, step=100)
    engine.outside.up = True
    assert say(engine, engine.incident().id, "approve", number) == "done"
    engine.run(20)
    assert commands(engine) == [] and engine.incident().state == "resolved"
    step = StepRow.get(StepRow.name == "run_command")
    assert step.result == "not needed: it waited since the look that confirmed the failure, and is healthy by now"


def test_nothing_that_was_put_off_begins_while_its_recovery_is_paused(fake_clock: FakeClock) -> None:
    engine = engine_of(fake_clock)
    fail_component(engine)
    number, mine = awaiting(engine), engine.incident().id
    now = utc_now()
    with database.write():
        maintenance.add_window(["orders"], now, now + timedelta(seconds=20), "", "kim", now)
    assert say(engine, mine, "approve", number) == "done"
    assert say(engine, mine, "pause") == "done"
    engine.run(120, step=5)
    assert commands(engine) == []
    assert say(engine, mine, "resume") == "done"
    engine.run(6)
    assert commands(engine) == ["careful"]


def test_what_waits_for_another_to_end_is_looked_at_once_and_not_all_the_while(
    fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = replace(restartable("orders"), every_seconds=86_400)
    engine = Engine(fake_clock, components={"orders": plan}, playbooks=(RULE,))
    fail_component(engine)
    number, looks = awaiting(engine), 0
    engine.clock.advance(60)

    async def look(method: str, url: str, **more: Any) -> HttpAnswer:
        nonlocal looks
        looks += 1
        raise DoorError("refused", kind="refused")

    monkeypatch.setattr(engine.outside, "ask", look)
    monkeypatch.setattr(acted, "find_in_the_way", lambda step: "something else")
    assert say(engine, engine.incident().id, "approve", number) == "done"
    engine.run(30)
    assert looks == 0 and commands(engine) == []
    monkeypatch.setattr(acted, "find_in_the_way", lambda step: "")
    engine.run(1)
    assert looks >= 1 and commands(engine) == ["careful"]


def test_what_verified_the_attempt_before_confirms_nothing(fake_clock: FakeClock) -> None:
    """Without a check of its own it is acted upon by pushed probes, and another's check tells whether that helped."""
    plan = restartable("orders")
    assert plan.playbook
    trusting = replace(plan.playbook, check=None, trust_probes=True)
    other = PlannedCheck("http", {"url": "http://shop.example.com/"}, component="")
    stage = Stage(0, 1, (PlannedAction("run_command", {"command": ["one"]}),), check=other)
    rule = PlaybookRule("by another", Match(("orders",)), (stage, replace(stage, after_seconds=60)))
    engine = Engine(fake_clock, components={"orders": replace(plan, playbook=trusting)}, playbooks=(rule,))
    fail_component(engine)
    engine.run(20)
    assert commands(engine) == ["one"] and engine.recovery().stage == 2
    engine.outside.up = True
    engine.run(60, 5)
    assert StepRow.get(StepRow.stage == 2, StepRow.name == "run_command").state == "succeeded"


def order_while_it_is_looked_at(engine: Engine, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """The action waits for a yes, which comes late; while it is looked at anew, a person orders something else."""
    fail_component(engine)
    number, mine = awaiting(engine), engine.incident().id
    engine.clock.advance(60)
    really_fails = executor.still_fails

    def fails(ctx: Any, row: StepRow) -> bool:
        if row.number != number:
            return really_fails(ctx, row)
        with database.write():
            orders.add_order(mine, what, "kim", utc_now())
        ordering.carry_out_orders(ctx, utc_now())
        return True

    monkeypatch.setattr(executor, "still_fails", fails)
    say(engine, mine, "approve", number)
    engine.run(5)


def test_a_person_who_cancels_while_it_is_looked_at_has_nothing_done(
    fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(fake_clock)
    order_while_it_is_looked_at(engine, monkeypatch, "cancel")
    assert engine.recovery().state == "cancelled" and commands(engine) == []
    assert StepRow.get(StepRow.name == "run_command").result == "its recovery has ended"


def test_a_person_who_skips_the_stage_while_it_is_looked_at_has_only_the_next_one_done(
    fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    following = Stage(60, 1, actions=(PlannedAction("run_command", {"command": ["second"]}),))
    rule = replace(RULE, stages=(*RULE.stages, following))
    engine = Engine(fake_clock, components={"orders": restartable("orders")}, playbooks=(rule,))
    order_while_it_is_looked_at(engine, monkeypatch, "skip_stage")
    assert commands(engine) == ["second"]
    assert StepRow.get(StepRow.stage == 1, StepRow.name == "run_command").result == "its stage was skipped"


def test_what_pushed_probes_say_by_now_counts_for_what_they_had_begun(
    fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = restartable("orders")
    assert plan.playbook
    plan = replace(plan, playbook=replace(plan.playbook, check=None, trust_probes=True))
    engine = Engine(fake_clock, components={"orders": plan})
    planned_and_left(engine, monkeypatch)
    engine.probe("orders", True)
    engine.run(20)
    assert commands(engine) == [] and engine.incident().state == "resolved"
