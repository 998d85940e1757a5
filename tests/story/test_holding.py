"""What is held: maintenance, a pause of everything, and what needs something that is down."""

from dataclasses import replace
from datetime import timedelta

import pytest

from recovery.clock import utc_now
from recovery.model import ComponentPlan, MaintenancePlan
from recovery.store import maintenance
from recovery.store.tables import RecoveryRow
from tests.conftest import FakeClock
from tests.story.engine import Engine, item, restartable
from tests.story.memory_n8n import Flow, MemoryN8n

pytestmark = pytest.mark.usefixtures("store")
API = "api.example.com"


def components() -> dict[str, ComponentPlan]:
    return {"db": restartable("db"), "api": restartable("api", depends_on=("db",))}


def with_n8n(clock: FakeClock) -> tuple[Engine, MemoryN8n]:
    engine = Engine(clock, components=components(), sites=("default",))
    n8n = MemoryN8n({"w": Flow("w", API)}, {API: 503})
    engine.outside._n8n = {"default": n8n}
    return engine, n8n


@pytest.fixture
def engine(fake_clock: FakeClock) -> Engine:
    return Engine(fake_clock, components=components())


def fail(engine: Engine, name: str) -> None:
    for _ in range(2):
        engine.probe(name, False)
    engine.tick()


def test_what_needs_something_that_is_down_is_no_incident_of_its_own(engine: Engine) -> None:
    fail(engine, "db")
    fail(engine, "api")
    assert [one.component for one in engine.incidents()] == ["db"]
    assert engine.component("api").health == "unhealthy", "it is seen all the same"
    assert all(command == ["restart", "db"] for command in engine.outside.commands)


def test_it_becomes_one_where_it_still_fails_once_what_it_needs_is_well(engine: Engine) -> None:
    fail(engine, "db")
    fail(engine, "api")
    engine.outside.up = True
    engine.run(120, 5)
    assert engine.incident("db").state == "resolved"
    engine.outside.up = False
    engine.probe("api", False)
    engine.tick()
    assert engine.incident("api").state == "recovering"


def test_executions_that_fail_as_a_consequence_are_healed_with_the_cause(fake_clock: FakeClock) -> None:
    engine, n8n = with_n8n(fake_clock)
    fail(engine, "db")
    for _ in range(3):
        engine.hear(n8n.tell(n8n.call("w")))
    engine.tick()
    assert [one.component for one in engine.incidents()] == ["db"]
    assert set(engine.chains().values()) == {"waiting"}
    n8n.hosts.clear()
    engine.outside.up = True
    engine.run(400, 5)
    assert set(engine.chains().values()) == {"recovered"} and engine.incident("db").state == "resolved"


def test_what_was_open_before_is_held_until_what_it_needs_is_well(engine: Engine) -> None:
    fail(engine, "api")
    assert engine.incident("api").state == "recovering"
    fail(engine, "db")
    engine.run(20, 5)
    held = RecoveryRow.get(RecoveryRow.incident_id == engine.incident("api").id)
    assert held.state == "held" and held.because == "api needs db, which is down: that comes first"
    before = engine.outside.commands.count(["restart", "api"])
    engine.run(400, 5)
    assert engine.outside.commands.count(["restart", "api"]) == before, "nothing is done meanwhile"
    engine.outside.up = True
    engine.probe("db", True)
    engine.run(600, 5)
    assert {engine.incident(name).state for name in ("db", "api")} == {"resolved"}


def test_in_maintenance_it_is_seen_and_recorded_and_nothing_is_done(engine: Engine) -> None:
    maintenance.add_window(["db"], utc_now(), utc_now() + timedelta(hours=1), "new disk", "kim", utc_now())
    fail(engine, "db")
    engine.run(3_500, 20)
    row = engine.incident("db")
    assert row.state == "open" and "maintenance until" in row.because and "new disk" in row.because
    assert row.held
    assert engine.outside.commands == [] and engine.alerts() == []
    engine.run(200, 5)
    assert engine.outside.commands and engine.alerts()[0] == "opened", "afterwards it goes on as ever"
    assert not engine.incident("db").held


def test_a_pause_of_everything_holds_what_is_under_way_until_it_is_ended(fake_clock: FakeClock) -> None:
    engine, n8n = with_n8n(fake_clock)
    engine.hear(n8n.tell(n8n.call("w")))
    engine.tick()
    window = maintenance.add_window(["*"], utc_now(), None, "", "kim", utc_now())
    engine.tick()
    asked = len(n8n.retries)
    engine.run(1_200, 10)
    assert len(n8n.retries) == asked and engine.recovery().state == "held"
    assert "everything is paused" in engine.recovery().because and engine.alerts() == ["opened"]
    n8n.hosts.clear()
    engine.outside.up = True
    assert maintenance.end_window(window.id, "kim", utc_now())
    assert maintenance.end_window(window.id, "kim", utc_now()) is None
    engine.run(120, 5)
    assert set(engine.chains().values()) == {"recovered"}


def test_maintenance_at_fixed_times_begins_and_ends_by_itself(fake_clock: FakeClock) -> None:
    engine = Engine(fake_clock, components=components())
    local = utc_now() + timedelta(hours=9)
    plan = MaintenancePlan(("db",), f"{local.minute} {local.hour} * * *", 600, "Asia/Seoul", "backup")
    engine.ctx.policy = replace(engine.ctx.policy, maintenance=(plan,))
    fail(engine, "db")
    assert engine.outside.commands == [] and "backup" in engine.incident("db").because
    engine.run(620, 10)
    assert engine.outside.commands


def test_a_credential_is_no_consequence_of_anything(engine: Engine) -> None:
    fail(engine, "db")
    engine.hear(item("7", host=API, status=401))
    engine.tick()
    assert {one.cause_class for one in engine.incidents()} == {"unavailable", "credentials"}
