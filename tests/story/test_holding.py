"""What is held: maintenance, a pause of everything, and what needs something that is down."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from recovery.clock import utc_now
from recovery.decide.holding import planned_windows, unseen_of
from recovery.decide.triage import ComponentFacts
from recovery.model import ComponentPlan, MaintenancePlan, Playbook, Policy, Stage
from recovery.store import maintenance
from recovery.store.tables import AlertRow, IncidentRow, RecoveryRow
from recovery.worker.__main__ import prepare
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


def told_of(name: str) -> list[str]:
    of_it = IncidentRow.select(IncidentRow.id).where(IncidentRow.component == name)
    return [row.kind for row in AlertRow.select().where(AlertRow.incident_id.in_(of_it)).order_by(AlertRow.id)]


def test_nothing_is_done_and_nobody_is_called_for_what_needs_something_that_is_down(engine: Engine) -> None:
    fail(engine, "db")
    fail(engine, "api")
    engine.run(600, 5)
    row = engine.incident("api")
    assert (row.state, row.because, row.held) == ("open", "api needs db, which is down: that comes first", True)
    assert all(command == ["restart", "db"] for command in engine.outside.commands)
    assert told_of("api") == []


@pytest.mark.parametrize("names", [("db", "api", "web"), ("web", "db", "api"), ("api", "web", "db")])
def test_of_a_chain_that_fails_at_once_only_the_first_is_restarted(
    fake_clock: FakeClock, names: tuple[str, ...]
) -> None:
    """Each is looked at when its turn comes, and what needs another is often seen failing before that one is."""
    first, second, third = names
    plans = {first: restartable(first), second: restartable(second, depends_on=(first,))}
    engine = Engine(fake_clock, components=plans | {third: restartable(third, depends_on=(second,))})
    prepare(engine.ctx)
    engine.outside.up = True
    engine.run(90, 0.5)
    engine.outside.up = False
    engine.run(60, 0.5)
    assert {command[1] for command in engine.outside.commands} == {first}
    assert told_of(second) == told_of(third) == []
    assert "needs" in engine.incident(second).because and "needs" in engine.incident(third).because


def test_what_fails_alone_is_healed_at_once_for_what_it_needs_is_looked_at_at_once(fake_clock: FakeClock) -> None:
    plans = {"db": restartable("db", every_seconds=3_600), "api": restartable("api", depends_on=("db",))}
    engine = Engine(fake_clock, components=plans)
    prepare(engine.ctx)
    engine.outside.up = True
    engine.run(60, 1)
    fail(engine, "api")
    assert engine.incident("api").state == "open"
    engine.run(1, 0.5)
    assert engine.incident("api").state == "recovering"
    assert engine.component("db").seen_at >= engine.incident("api").episode_at


NOW = datetime(2026, 11, 24, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("facts", "passed", "waits", "hurries"),
    [
        ({"seen_at": NOW}, 1, False, False),
        ({"seen_at": NOW - timedelta(seconds=1)}, 1, True, True),
        ({"seen_at": None}, 1, True, True),
        ({"seen_at": NOW, "failures": 1}, 1, True, False),
        ({"seen_at": NOW, "failures": 2}, 1, False, False),
        ({"seen_at": None}, 31, False, False),
        ({"seen_at": None}, -60, False, False),
    ],
)
def test_what_is_needed_is_waited_for_until_it_is_seen_and_not_for_long(facts, passed, waits, hurries) -> None:
    policy = Policy(Playbook((Stage(0, 1),)), components())
    seen = unseen_of("api", policy, {"db": ComponentFacts(**facts)}, NOW, NOW + timedelta(seconds=passed))
    assert (seen.names, seen.hurry) == (("db",) if waits else (), ("db",) if hurries else ())


def test_what_has_no_check_or_is_not_known_is_not_waited_for() -> None:
    plans = {"db": ComponentPlan("db"), "api": ComponentPlan("api", depends_on=("db", "mq"))}
    policy = Policy(Playbook((Stage(0, 1),)), plans | {"mq": restartable("mq")})
    assert unseen_of("api", policy, {"db": ComponentFacts()}, NOW, NOW).names == ()


def test_what_is_well_with_what_it_needs_is_resolved_without_a_word(engine: Engine) -> None:
    prepare(engine.ctx)  # so that its check looks at it
    fail(engine, "db")
    fail(engine, "api")
    engine.outside.up = True
    engine.run(120, 5)
    assert {engine.incident(name).state for name in ("db", "api")} == {"resolved"}
    assert told_of("api") == [] and ["restart", "api"] not in engine.outside.commands


def test_what_still_fails_once_what_it_needs_is_well_is_healed(fake_clock: FakeClock) -> None:
    """Its sender speaks only on change: no further word comes."""
    plans = {"db": ComponentPlan("db"), "app": ComponentPlan("app", depends_on=("db",))}
    engine = Engine(fake_clock, components=plans)
    fail(engine, "db")
    fail(engine, "app")
    engine.run(60, 5)
    engine.probe("db", True)
    engine.run(30, 5)
    assert engine.incident("db").state == "resolved" and told_of("app") == [], "it may be well again with it"
    engine.run(60, 5)
    assert engine.incident("app").state == "needs_human", "no action is known for it"


def test_a_person_is_told_in_time_of_what_is_held_by_what_it_needs(engine: Engine) -> None:
    fail(engine, "db")
    fail(engine, "api")
    engine.run(890, 5)
    assert told_of("api") == []
    engine.run(20, 5)
    assert told_of("api") == ["needs_human"]
    because = AlertRow.select().order_by(AlertRow.id.desc()).first().facts["because"]
    engine.run(86_400, 300)
    assert set(told_of("api")[1:]) == {"reminder"} and ["restart", "api"] not in engine.outside.commands
    assert because.startswith("api needs db, which is down: that comes first; not resolved within 15 minutes")
    engine.outside.heals_on_restart = True
    engine.probe("db", True)
    engine.run(180, 5)
    assert engine.incident("api").state == "resolved" and ["restart", "api"] in engine.outside.commands


def test_a_person_is_told_in_time_of_a_recovery_that_is_held_by_what_it_needs(engine: Engine) -> None:
    fail(engine, "api")
    fail(engine, "db")
    engine.run(910, 5)
    assert told_of("api") == ["opened", "needs_human"]


@pytest.mark.parametrize("kind", ["resource_exhausted", "credential_expired", "high_error_rate", "schedule_missed"])
def test_a_warning_of_what_it_needs_holds_nothing(engine: Engine, kind: str) -> None:
    for _ in range(2):
        engine.probe("db", False, failure_type=kind)
    engine.tick()
    fail(engine, "api")
    engine.hear(item("7", host=API, status=503))
    engine.tick()
    assert engine.incident("api").state == "recovering" and ["restart", "api"] in engine.outside.commands
    assert engine.chain("7").incident_id == engine.incident("api").id


def test_an_execution_that_fails_after_a_person_was_told_of_what_it_needs_is_told_of_too(fake_clock: FakeClock) -> None:
    engine, n8n = with_n8n(fake_clock)
    fail(engine, "db")
    engine.run(1_000, 5)
    assert engine.incident("db").told_at
    engine.hear(n8n.tell(n8n.call("w")))
    engine.run(890, 10)
    assert engine.incident("api").held and not told_of("api")
    engine.run(30, 10)
    assert told_of("api") == ["needs_human"]


def test_what_was_held_and_resolved_unheard_is_no_recurrence(fake_clock: FakeClock) -> None:
    engine = Engine(fake_clock, components={"orders": restartable("orders")})
    maintenance.add_window(["orders"], utc_now(), utc_now() + timedelta(minutes=40), "deploys", "ann", utc_now())
    for _ in range(7):
        fail(engine, "orders")
        engine.run(60, 5)
        engine.probe("orders", True)
        engine.run(180, 5)
    assert engine.incident().episode > 5 and engine.alerts() == [] and not engine.incident().recurred_at
    engine.run(660, 5)
    engine.outside.heals_on_restart = True
    fail(engine, "orders")
    engine.run(60, 5)
    assert engine.outside.commands, engine.incident().because


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


def test_what_needs_one_in_maintenance_calls_nobody_before_that_is_over(fake_clock: FakeClock) -> None:
    engine = Engine(fake_clock, components=components() | {"web": restartable("web", depends_on=("api",))})
    maintenance.add_window(["db"], utc_now(), utc_now() + timedelta(hours=1), "new disk", "kim", utc_now())
    for name in ("db", "api", "web"):
        fail(engine, name)
    engine.run(3_500, 20)
    assert engine.outside.commands == [] and engine.alerts() == []
    for name in ("api", "web"):
        row = engine.incident(name)
        assert row.because.startswith(f"{name} needs db, which is down: maintenance until ") and row.held
    engine.run(200, 5)
    assert engine.outside.commands[0] == ["restart", "db"] and engine.alerts()[0] == "opened"


def test_what_needs_one_that_is_well_before_its_maintenance_ends_is_healed_at_once(engine: Engine) -> None:
    fail(engine, "api")
    maintenance.add_window(["db"], utc_now(), utc_now() + timedelta(hours=2), "new disk", "kim", utc_now())
    fail(engine, "db")
    engine.run(20, 5)
    held = RecoveryRow.get(RecoveryRow.incident_id == engine.incident("api").id)
    assert held.state == "held" and "maintenance until" in held.because
    before = engine.outside.commands.count(["restart", "api"])
    engine.probe("db", True)
    engine.run(120, 5)
    assert engine.incident("db").state == "resolved"
    assert engine.outside.commands.count(["restart", "api"]) > before


@pytest.mark.parametrize("began", ["before", "in it"])
@pytest.mark.parametrize("ends", ["with what it needs", "by hand"])
def test_a_person_is_told_in_time_of_what_maintenance_held_although_that_is_over_early(
    engine: Engine, began: str, ends: str
) -> None:
    engine.ctx.policy = replace(engine.ctx.policy, escalate_after_seconds=300)
    in_it = ["db"] if ends == "with what it needs" else ["*"]
    if began == "before":
        fail(engine, "api")
    window = maintenance.add_window(in_it, utc_now(), utc_now() + timedelta(hours=8), "new disk", "kim", utc_now())
    fail(engine, "db")
    fail(engine, "api")
    engine.run(600, 5)
    assert "needs_human" not in told_of("api")
    engine.probe("db", True)
    maintenance.end_window(window.id, "kim", utc_now()) if ends == "by hand" else None
    engine.run(390, 5)
    assert "needs_human" in told_of("api")


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


@pytest.mark.parametrize(
    ("began", "hours"),
    [(datetime(2026, 3, 29, 0, 30, tzinfo=UTC), 2), (datetime(2026, 10, 24, 23, 30, tzinfo=UTC), 3)],
    ids=["set forth", "set back"],
)
def test_maintenance_is_as_long_as_it_says_in_the_night_when_the_clocks_change(began: datetime, hours: int) -> None:
    plan = MaintenancePlan(("*",), "30 1 * * *", hours * 3600.0, "Europe/Berlin", "")
    ends_at = began + timedelta(hours=hours)
    for at, is_open in ((began, True), (ends_at - timedelta(minutes=1), True), (ends_at, False)):
        assert bool(planned_windows([plan], at)) is is_open, at
    assert planned_windows([plan], began)[0].ends_at == ends_at


def test_windows_that_follow_each_other_leave_no_gap() -> None:
    plan = MaintenancePlan(("db",), "*/5 * * * *", 300)
    begin = datetime(2026, 11, 24, 3, 5, tzinfo=UTC)
    for moment in (timedelta(0), timedelta(seconds=299, microseconds=1), timedelta(seconds=300, microseconds=-1)):
        [window] = planned_windows([plan], begin + moment)
        assert window.ends_at == begin + timedelta(minutes=5)


def test_maintenance_of_every_hour_is_held_in_the_hour_that_comes_twice_too() -> None:
    plan = MaintenancePlan(("*",), "0 * * * *", 900.0, "Europe/Berlin", "")
    for hour in (0, 1):  # 02:10 in summer time, and an hour later 02:10 again
        began = datetime(2026, 10, 25, hour, 0, tzinfo=UTC)
        for at, is_open in (
            (began, True),
            (began + timedelta(minutes=10), True),
            (began + timedelta(minutes=15), False),
        ):
            assert bool(planned_windows([plan], at)) is is_open, at
