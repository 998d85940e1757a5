"""The way back: what an action did is undone once the component has been well for long enough, and only then."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel

from recovery import actions
from recovery.model import Done, Failed, PlannedAction, Plugin
from recovery.store import steps
from recovery.store.tables import StepRow
from tests.conftest import FakeClock
from tests.story.engine import Engine, Stage, fail_component, restartable
from tests.story.test_playbooks import engine_of

pytestmark = pytest.mark.usefixtures("store")


class Args(BaseModel):
    """None."""


@pytest.fixture
def scale(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """An action that adds one, and takes it back."""
    told = SimpleNamespace(number=2, failing=False)

    def add(args: Any, doors: Any, about: Any) -> Done:
        before, told.number = told.number, told.number + 1
        doors.up = True
        return Done(f"now {told.number}", {"before": about.memory.get("before", before)})

    def back(args: Any, doors: Any, about: Any) -> Done | Failed:
        if told.failing:
            return Failed("it does not answer")
        told.number = about.memory["before"]
        return Done(f"{told.number} again")

    plugin = Plugin("add_one", add, Args, True, "Adds.", __name__, preview=lambda *_: "add one", back=back)
    monkeypatch.setitem(actions.REGISTRY._found, "add_one", plugin)
    yield told


def start(clock: FakeClock) -> Engine:
    action = PlannedAction("add_one", back_after_seconds=600)
    engine = engine_of(clock, Stage(0, 1, actions=(action,)))
    fail_component(engine)
    engine.run(30)
    assert engine.incident().state == "resolved"
    return engine


def returns() -> list[str]:
    return [row.state for row in StepRow.select().where(StepRow.back == True).order_by(StepRow.id)]  # noqa: E712


def test_it_is_undone_once_all_has_been_well_for_long_enough(fake_clock: FakeClock, scale: SimpleNamespace) -> None:
    engine = start(fake_clock)
    engine.run(560, 10)
    assert scale.number == 3 and returns() == ["queued"]
    engine.run(100, 10)
    assert scale.number == 2 and returns() == ["succeeded"]
    assert steps.last_memory("orders", "add_one", {}) == {}
    engine.run(1300, 60)
    assert scale.number == 2 and returns() == ["succeeded"]


def test_it_is_not_undone_while_the_component_fails(fake_clock: FakeClock, scale: SimpleNamespace) -> None:
    engine = start(fake_clock)
    engine.ctx.policy = Engine(fake_clock, components={"orders": restartable("orders")}).policy
    engine.run(500, 10)
    engine.outside.up = False
    fail_component(engine)
    engine.run(600, 10)
    assert scale.number == 3 and "succeeded" not in returns()
    engine.outside.up = True
    engine.probe("orders", True)
    engine.run(500, 10)
    assert engine.incident().state == "resolved" and scale.number == 3
    engine.run(700, 10)
    assert scale.number == 2


def test_what_was_done_twice_is_undone_to_how_it_was_at_first(fake_clock: FakeClock, scale: SimpleNamespace) -> None:
    engine = start(fake_clock)
    engine.outside.up = False
    fail_component(engine)
    engine.run(30)
    assert scale.number == 4
    engine.run(1400, 20)
    assert scale.number == 2 and returns().count("succeeded") == 1


def test_a_way_back_that_fails_is_told_and_forgets_nothing(fake_clock: FakeClock, scale: SimpleNamespace) -> None:
    engine = start(fake_clock)
    scale.failing = True
    engine.run(700, 10)
    assert returns() == ["failed"] and steps.last_memory("orders", "add_one", {}) == {"before": 2}
    step = StepRow.get(StepRow.back == True)  # noqa: E712
    assert step.error == "it does not answer" and "failed: it does not answer" in engine.history("step")


def test_a_return_that_waits_holds_up_no_other_action(fake_clock: FakeClock, scale: SimpleNamespace) -> None:
    engine = start(fake_clock)
    engine.clock.advance(60)
    engine.outside.up = False
    fail_component(engine)
    engine.run(30)
    assert scale.number == 4
