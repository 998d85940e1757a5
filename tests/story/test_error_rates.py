"""An endpoint that fails now and then: its share opens an incident, a restart begins the count anew."""

from dataclasses import replace

import pytest

from recovery.clock import utc_now
from recovery.model import PlannedCheck
from recovery.store.tables import ComponentRow
from tests.conftest import FakeClock
from tests.story.engine import Engine, restartable

pytestmark = pytest.mark.usefixtures("store")


def make(clock: FakeClock, restart: bool) -> Engine:
    plan = restartable("orders")
    check = PlannedCheck("http", {"url": "http://orders.example.com/health", "error_rate": {"at_least": 10}})
    playbook = replace(plan.playbook, check=check, actions=plan.playbook.actions if restart else ())
    engine = Engine(
        clock, components={"orders": replace(plan, playbook=playbook, failure_threshold=2, every_seconds=3_600)}
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
    assert engine.incident().state == "resolved" and len(engine.incidents()) == 1 and len(engine.outside.commands) == 1


def test_without_a_restart_a_person_is_called_and_it_heals_when_the_share_falls(fake_clock: FakeClock) -> None:
    engine = make(fake_clock, restart=False)
    look(engine, "......x.x.x.x.x.x.")
    assert engine.incident().state == "needs_human"
    look(engine, "." * 40)
    assert engine.incident().state == "resolved" and engine.alerts() == ["needs_human", "recovered"]
