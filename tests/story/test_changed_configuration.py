"""A worker that begins with another configuration than the one before."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from recovery.model import ComponentPlan, DatabaseState, DoorError, MaintenancePlan, PlannedCheck, Playbook, Room, Usage
from recovery.store import database
from recovery.store.tables import ComponentRow, StepRow
from recovery.worker.__main__ import prepare
from recovery.worker.housekeeping import keep_beating
from tests.conftest import FakeClock
from tests.story.engine import STAGES, Engine, item, restartable

pytestmark = pytest.mark.usefixtures("store")


class WellMachine:
    """A machine on which nothing is full."""

    def look(self, paths: list[str], timeout_seconds: float) -> Usage:
        return Usage(100.0, 90.0, 1, 10, 0, 0, 0.1, 1, 1, 100, "x", {path: Room(1, 99, 1, 99) for path in paths})


def start(clock: FakeClock, *plans: ComponentPlan, **policy: Any) -> Engine:
    """A worker that begins with these components."""
    engine = Engine(clock, components={plan.name: plan for plan in plans}, **policy)
    engine.outside.usage = WellMachine()  # type: ignore[attr-defined]
    prepare(engine.ctx)
    return engine


def watched(kind: str, args: dict[str, Any], name: str = "web-1") -> ComponentPlan:
    playbook = Playbook(stages=STAGES, check=PlannedCheck(kind, args))
    return ComponentPlan(name, every_seconds=30, playbook=playbook)


def test_a_check_of_another_kind_is_not_given_what_the_one_before_remembered(fake_clock: FakeClock) -> None:
    engine = start(fake_clock, watched("heartbeat", {"period": "1h"}))
    engine.run(60, 5)
    assert engine.component("web-1").health == "healthy"
    engine = start(fake_clock, watched("machine", {}))
    engine.run(300, 5)
    assert not engine.incidents() and "cpu" in engine.component("web-1").memory


def test_a_check_of_the_same_kind_goes_on_with_what_it_remembered(fake_clock: FakeClock) -> None:
    engine = start(fake_clock, watched("heartbeat", {"period": "1h"}))
    engine.run(60, 5)
    keep_beating(engine.ctx)
    fake_clock.advance(3)
    engine = start(fake_clock, watched("heartbeat", {"period": "30m"}))
    engine.run(2_130, 30)
    assert engine.incident().failure_type == "schedule_missed", "counted from the first look, not from the last start"


def test_a_check_that_breaks_on_what_it_remembers_begins_anew(fake_clock: FakeClock) -> None:
    engine = start(fake_clock, replace(watched("machine", {}), failure_threshold=3))
    engine.run(60, 5)
    with database.write():
        ComponentRow.update(memory={**engine.component("web-1").memory, "since": "nonsense"}).execute()
    engine.run(300, 5)
    assert not engine.incidents() and engine.component("web-1").health == "healthy"


def test_one_that_is_removed_while_it_is_healed_is_restarted_no_more(fake_clock: FakeClock) -> None:
    engine = start(fake_clock, restartable("orders"))
    engine.run(20, 1)
    assert engine.outside.commands and engine.incident().state == "recovering"
    engine = start(fake_clock)
    engine.run(3_600, 10)
    assert engine.outside.commands == [] and engine.alerts() == ["opened"]
    assert (engine.incident().state, engine.component("orders").health) == ("resolved", "unknown")
    assert engine.history("recovery")[-1].endswith("orders is no longer in the configuration")


def test_one_that_is_removed_while_a_person_is_asked_is_over(fake_clock: FakeClock) -> None:
    start(fake_clock, restartable("orders")).run(1_800, 10)
    engine = start(fake_clock)
    assert engine.incident().because == "orders is no longer in the configuration"
    assert engine.incident().state == "resolved"
    fake_clock.advance(3600)  # its budget of restarts is given back
    engine = start(fake_clock, restartable("orders"))
    engine.run(60, 5)
    assert engine.incident().state == "recovering", "named again, it is looked at again"


def test_one_that_is_renamed_is_looked_at_with_its_password_by_its_new_name_alone(fake_clock: FakeClock) -> None:
    check = PlannedCheck("database", {"engine": "postgresql", "host": "db", "user": "u", "password": "sesame"})
    plan = restartable("db")
    plan = replace(plan, playbook=replace(plan.playbook, check=check))  # type: ignore[arg-type]
    seen: list[tuple[str, bool]] = []

    class Database:
        up = False

        async def look(self, address: Any, timeout_seconds: float) -> DatabaseState:
            seen.append((address.password, self.up))
            if not self.up:
                raise DoorError("refused", "refused")
            return DatabaseState(latency_ms=1.0)

    engine = start(fake_clock, plan)
    engine.outside.database = Database()  # type: ignore[attr-defined]
    engine.run(20, 1)
    assert engine.outside.commands
    engine = start(fake_clock, replace(plan, name="orders-db"))
    engine.outside.database, Database.up = Database(), True  # type: ignore[attr-defined]
    engine.run(3_600, 10)
    assert not engine.outside.commands and {password for password, _ in seen} == {"sesame"}
    assert engine.component("orders-db").health == "healthy" and engine.incident("db").state == "resolved"


def test_a_recovery_goes_on_with_the_check_that_its_component_has_now(fake_clock: FakeClock) -> None:
    engine = start(fake_clock, restartable("orders"))
    engine.run(20, 1)
    plan = restartable("orders")
    check = PlannedCheck("tcp", {"host": "orders.example.com", "port": 80})
    engine = start(fake_clock, replace(plan, playbook=replace(plan.playbook, check=check)))  # type: ignore[arg-type]

    async def reach(host: str, port: int, timeout_seconds: float) -> float:
        return 1.0

    engine.outside.reach = reach  # type: ignore[attr-defined]
    engine.run(120, 5)
    assert engine.incident().state == "resolved"
    assert {row.name for row in StepRow.select().where(StepRow.state == "succeeded")} >= {"http"}, "its frozen name"
    assert engine.outside.commands == [], "what verifies is what looks"


def test_without_its_check_a_recovery_restarts_nothing_and_asks_a_person(fake_clock: FakeClock) -> None:
    start(fake_clock, restartable("orders")).run(20, 1)
    engine = start(fake_clock, ComponentPlan("orders"))
    engine.run(600, 5)
    assert engine.outside.commands == [] and engine.incident().state == "needs_human"
    assert "its check is no longer in the configuration" in engine.incident().because


def test_the_executions_of_one_that_is_removed_are_still_retried(fake_clock: FakeClock) -> None:
    engine = start(fake_clock, restartable("orders"))
    engine.hear(item("1"))
    engine.run(20, 1)
    assert engine.chains() == {"1": "waiting"}
    engine = start(fake_clock)
    engine.run(60, 5)
    assert (engine.incident().state, engine.chains()) == ("needs_human", {"1": "waiting"})
    assert "no n8n is connected" in engine.incident().because and engine.outside.commands == []


def test_one_that_is_pushed_is_not_called_over_because_its_line_was_removed(fake_clock: FakeClock) -> None:
    engine = start(fake_clock, ComponentPlan("gpu"))
    for _ in range(2):
        engine.probe("gpu", False)
    engine.run(10, 1)
    engine = start(fake_clock)
    engine.run(60, 5)
    assert engine.incident().state == "needs_human"
    engine.probe("gpu", True)
    engine.run(60, 5)
    assert engine.incident().state == "resolved"


def test_maintenance_that_is_taken_out_holds_no_longer(fake_clock: FakeClock) -> None:
    """A failure that is held from the start, and a recovery that is held while it is under way."""
    began = fake_clock.now - timedelta(minutes=5)
    window = MaintenancePlan(("*",), f"{began.minute} {began.hour} * * *", 8 * 3_600.0)
    start(fake_clock, restartable("orders")).run(20, 1)
    engine = start(fake_clock, restartable("orders"), maintenance=(window,))
    engine.hear(item("1", host="api.example.com", status=401))
    engine.run(120, 5)
    assert engine.recovery().state == "held" and engine.incident("api.example.com").held
    engine = start(fake_clock, restartable("orders"))
    assert engine.recovery().wake_at == fake_clock.now
    engine.run(5, 1)
    assert engine.incident("api.example.com").state == "needs_human", "hours before its end"
