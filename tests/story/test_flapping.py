"""A service that is now well, now not: one incident, healed once, told of in time, and resolved when it keeps still."""

import pytest

from recovery.model import LOOKS, ComponentPlan, PlannedAction, Playbook, count_turns
from recovery.store import components, database
from recovery.store.tables import EventRow, SignalRow
from tests.conftest import FakeClock
from tests.story.engine import STAGES, Engine, restartable

pytestmark = pytest.mark.usefixtures("store")


@pytest.fixture
def engine(fake_clock: FakeClock) -> Engine:
    made = Engine(fake_clock, components={"orders": restartable("orders")})
    with database.write():
        components.configure_components({"orders": fake_clock.now}, fake_clock.now)
    return made


def turn_at_each_look(engine: Engine) -> None:
    """Whoever asks finds it in another state than the one before."""
    plain = engine.outside.request

    def request(method: str, url: str, **more: object) -> object:
        if "hook" not in url:
            engine.outside.up = not engine.outside.up
        return plain(method, url, **more)

    engine.outside.request = request  # type: ignore[method-assign]


def test_it_is_one_incident_that_is_neither_resolved_nor_healed_at_each_turn(engine: Engine) -> None:
    plain = engine.outside.request
    turn_at_each_look(engine)
    engine.run(500, step=5)
    assert engine.component("orders").health == "flapping"
    [incident] = engine.incidents()
    assert incident.cause.startswith("flapping: changed 11 times in the last 12 looks")
    engine.run(800, step=5)
    begun = len(engine.history("recovery"))
    engine.run(800, step=5)
    assert [row.id for row in engine.incidents()] == [incident.id] and engine.incident().episode == 1
    assert engine.incident().state == "needs_human" and engine.alerts().count("needs_human") == 1
    assert len(engine.history("recovery")) == begun and len(engine.outside.commands) <= 6
    assert [line.split(":")[0] for line in engine.history("component")] == ["healthy", "flapping"]
    engine.outside.request = plain  # type: ignore[method-assign]
    engine.outside.up = True
    engine.run(900, step=5)
    assert engine.component("orders").health == "healthy" and engine.incident().state == "resolved"
    assert engine.alerts()[-1] == "recovered" and len(engine.incidents()) == 1


def test_one_that_stays_down_after_all_is_healed(engine: Engine) -> None:
    plain = engine.outside.request
    turn_at_each_look(engine)
    engine.run(500, step=5)
    assert engine.component("orders").health == "flapping"
    before = len(engine.outside.commands)
    engine.outside.request = plain  # type: ignore[method-assign]
    engine.outside.up, engine.outside.heals_on_restart = False, True
    engine.run(900, step=5)
    assert len(engine.outside.commands) > before
    assert engine.component("orders").health == "healthy" and engine.incident().state == "resolved"


def test_an_open_incident_tells_that_it_began_to_flap(engine: Engine) -> None:
    for healthy in [False, False, *[True, False] * 8]:
        engine.probe("orders", healthy)
    engine.tick()
    [incident] = engine.incidents()
    [told] = EventRow.select().where(EventRow.subject == "component", EventRow.after == "flapping")
    assert told.incident_id == incident.id and "changed 12 times in the last 14 looks" in told.because


def test_quiet_looks_are_counted_without_a_signal(engine: Engine) -> None:
    engine.outside.up = True
    engine.run(120)
    quiet = SignalRow.select().count()
    engine.run(600)
    row = engine.component("orders")
    assert SignalRow.select().count() == quiet == 1, "only the first look was news"
    assert row.looks == 1 << LOOKS and count_turns(row.looks) == 0
    engine.outside.up = False
    engine.run(3)
    engine.run(32)
    assert count_turns(engine.component("orders").looks) == 1


def test_down_once_and_healed_once_never_flaps(engine: Engine) -> None:
    engine.outside.heals_on_restart = True
    for _ in range(6):
        engine.outside.up = False
        engine.run(700, step=5)
        assert engine.component("orders").health == "healthy" and engine.incident().state == "resolved"
    assert not [line for line in engine.history("component") if line.startswith("flapping")]


def test_one_that_is_known_from_probes_is_not_restarted_while_they_are_good(fake_clock: FakeClock) -> None:
    actions = (PlannedAction("run_command", {"command": ["restart", "gpu"]}),)
    playbook = Playbook(stages=STAGES, actions=actions, trust_probes=True)
    engine = Engine(fake_clock, components={"gpu": ComponentPlan("gpu", playbook=playbook)})
    healthy = False
    while "gpu" not in [one.component for one in engine.incidents()] or engine.component("gpu").health != "flapping":
        healthy = not healthy
        engine.probe("gpu", healthy)
        engine.run(30, 5)
    before = len(engine.outside.commands)
    for _ in range(20):
        engine.probe("gpu", True)
        engine.run(60, 5)
    assert len(engine.outside.commands) - before <= 1 and before <= 1, engine.steps()
    for _ in range(30):
        engine.probe("gpu", True)
        engine.run(60, 5)
    assert engine.incident("gpu").state == "resolved"
