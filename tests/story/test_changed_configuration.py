"""A worker that begins with another configuration than the one before."""

from dataclasses import replace
from typing import Any

import pytest

from recovery.model import ComponentPlan, PlannedCheck, Playbook, Room, Usage
from recovery.store import database
from recovery.store.tables import ComponentRow
from recovery.worker.__main__ import prepare
from tests.conftest import FakeClock
from tests.story.engine import STAGES, Engine

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
    start(fake_clock, watched("heartbeat", {"period": "1h"})).run(60, 5)
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
