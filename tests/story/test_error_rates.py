"""An endpoint that fails now and then: its share opens an incident, a restart begins the count anew."""

from dataclasses import replace
from typing import Any

import pytest

from recovery.clock import utc_now
from recovery.model import HttpAnswer, PlannedCheck
from recovery.store.tables import ComponentRow
from tests.conftest import FakeClock
from tests.story.engine import Engine, restartable

pytestmark = pytest.mark.usefixtures("store")


def make(clock: FakeClock, restart: bool, every_seconds: float = 3_600, **args: Any) -> Engine:
    plan = restartable("orders")
    args = args or {"error_rate": {"at_least": 10}}
    check = PlannedCheck("http", {"url": "http://orders.example.com/health", **args})
    playbook = replace(plan.playbook, check=check, actions=plan.playbook.actions if restart else ())
    engine = Engine(
        clock, components={"orders": replace(plan, playbook=playbook, failure_threshold=2, every_seconds=every_seconds)}
    )
    ComponentRow.insert(name="orders", configured=True, run_at=utc_now()).execute()
    engine.outside.up = True
    return engine


def look(engine: Engine, pattern: str) -> None:
    """Looks, 30 s apart: `.` is answered, `x` is not. The look that confirms a failure 5 s later is answered."""
    for sign in pattern:
        engine.outside.up = sign == "."
        ComponentRow.update(run_at=utc_now()).execute()
        engine.tick(2)
        engine.outside.up = True
        engine.run(30, 5)


def test_what_never_fails_twice_in_a_row_is_seen_all_the_same_and_a_restart_is_verified(fake_clock: FakeClock) -> None:
    engine = make(fake_clock, restart=True)
    look(engine, "......")
    assert engine.incidents() == []
    look(engine, "x.x.x.")
    found = engine.incident()
    assert found.failure_type == "high_error_rate" and "of its looks failed within 15m" in found.cause
    assert engine.outside.commands == [["restart", "orders"]]
    look(engine, "......")
    assert engine.incident().state == "recovering" and "too early to tell" in engine.history("step")[-1]
    look(engine, "......")
    assert engine.incident().state == "resolved" and len(engine.incidents()) == 1 and len(engine.outside.commands) == 1
    assert "needs_human" not in engine.alerts()


@pytest.mark.parametrize("args", [{"error_rate": {"window": "30m", "at_least": 16}}, {"slow": "500ms"}])
def test_one_that_comes_back_after_each_restart_reaches_a_person(fake_clock: FakeClock, args: dict[str, Any]) -> None:
    engine, asked = make(fake_clock, restart=True, every_seconds=60, **args), [0]

    async def ask(*_: Any, **more: Any) -> HttpAnswer:
        asked[0] += 1
        odd = asked[0] % 4 == 0
        return HttpAnswer(503, "", 1.0) if odd and "error_rate" in args else HttpAnswer(200, "", 3_000.0 * odd)

    engine.outside.ask = ask  # type: ignore[method-assign]
    engine.run(4 * 3_600, 10)
    assert "needs_human" in engine.alerts() and 2 <= len(engine.outside.commands) <= 6
    assert engine.incident().state == "needs_human" and len(engine.incidents()) == 1


def test_slow_answers_that_are_not_in_a_row_are_seen_by_the_window_and_end_with_it(fake_clock: FakeClock) -> None:
    engine, took = make(fake_clock, restart=False, every_seconds=30, slow="500ms"), [20.0, 20.0, 20.0, 20.0, 3_000.0]

    async def ask(*_: Any, **more: Any) -> HttpAnswer:
        took.append(took.pop(0))
        return HttpAnswer(200, "ok", took[-1])

    engine.outside.ask = ask  # type: ignore[method-assign]
    engine.run(3_600, 10)
    assert engine.incident().state == "needs_human" and "slow: 97.5 %" in engine.component("orders").because
    took[:] = [20.0] * 5
    engine.run(1_200, 10)
    assert engine.incident().state == "resolved" and len(engine.incidents()) == 1


def test_without_a_restart_a_person_is_called_and_it_heals_when_the_share_falls(fake_clock: FakeClock) -> None:
    engine = make(fake_clock, restart=False)
    look(engine, "......x.x.x.x.x.x.")
    assert engine.incident().state == "needs_human"
    look(engine, "." * 40)
    assert engine.incident().state == "resolved" and engine.alerts() == ["needs_human", "recovered"]
