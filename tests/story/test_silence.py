"""Components that are known from what is pushed of them: silence opens an incident, and a word ends it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from recovery.clock import utc_now
from recovery.model import ComponentPlan, PlannedAction, PlannedCheck, Playbook
from recovery.store import components, database, sites
from recovery.store.tables import ComponentRow, SignalRow
from recovery.worker.__main__ import prepare
from recovery.worker.housekeeping import keep_beating
from tests.conftest import FakeClock
from tests.story.engine import STAGES, Engine

pytestmark = pytest.mark.usefixtures("store")
LISTENS = PlannedCheck("pushed", {"silent_after": "2m"})
RESTART = PlannedAction("run_command", {"command": ["restart", "db"]})


def make(clock: FakeClock, **changes: Any) -> Engine:
    """An engine whose one configured component is only heard of."""
    plan = ComponentPlan("db-server", playbook=Playbook(stages=STAGES), listens=LISTENS)
    engine = Engine(clock, components={"db-server": replace(plan, **changes)})
    prepare(engine.ctx)
    return engine


def state(engine: Engine, component: str = "db-server") -> str | None:
    found = [row for row in engine.incidents() if row.component == component]
    return found[-1].state if found else None


def report(engine: Engine, seconds: float, component: str = "db-server", healthy: bool = True, **more: Any) -> None:
    """A report every 30 s for so long."""
    for _ in range(int(seconds / 30)):
        engine.probe(component, healthy, **more)
        engine.run(30, 5)


def test_silence_opens_an_incident_in_time_and_a_word_ends_it(fake_clock: FakeClock) -> None:
    engine = make(fake_clock)
    report(engine, 600)
    assert state(engine) is None and engine.component("db-server").health == "healthy"
    engine.run(85, 5)
    assert state(engine) is None, "30 s since the last word and 85 more: not silent yet"
    engine.run(10, 5)
    found = engine.incident()
    assert (found.state, found.failure_type) == ("needs_human", "server_unresponsive")
    assert "nothing was heard of it for 2 min" in found.cause and engine.alerts() == ["needs_human"]
    engine.run(600, 30)
    assert len(engine.incidents()) == 1 and engine.alerts() == ["needs_human"]
    report(engine, 60)
    assert state(engine) == "resolved" and engine.alerts() == ["needs_human", "recovered"]


def test_looks_at_one_that_reports_leave_no_rows(fake_clock: FakeClock) -> None:
    engine = make(fake_clock)
    report(engine, 600)
    assert {row.source for row in SignalRow.select()} == {"probe"}


def test_a_bad_word_counts_as_a_probe_does_and_is_not_called_well_by_a_look(fake_clock: FakeClock) -> None:
    engine = make(fake_clock)
    report(engine, 30, healthy=False, message="disk full")
    assert state(engine) is None, "one of two"
    report(engine, 90, healthy=False, message="disk full")
    assert state(engine) == "needs_human" and "disk full" in engine.incident().cause
    engine.run(80, 5)
    assert state(engine) == "needs_human"
    report(engine, 60)
    assert state(engine) == "resolved"


def test_one_that_was_never_heard_of_is_missed_too(fake_clock: FakeClock) -> None:
    engine = make(fake_clock)
    engine.run(330, 5)
    assert state(engine) == "needs_human" and "never been told of" in engine.incident().cause
    report(engine, 60)
    assert state(engine) == "resolved"


def test_a_component_of_nobodys_configuration_says_itself_how_soon_its_silence_counts(fake_clock: FakeClock) -> None:
    engine = make(fake_clock, listens=None)
    report(engine, 300, "gpu-7", silent_after="1m")
    report(engine, 60, "gpu-8")
    engine.run(45, 5)
    assert state(engine, "gpu-7") == "needs_human" and "limit 1m" in engine.incident("gpu-7").cause
    report(engine, 300, "gpu-7")
    assert state(engine, "gpu-7") == "resolved", "a word without the time keeps the time that was said"
    engine.run(300, 5)
    assert state(engine, "gpu-7") in ("needs_human", "open") and state(engine, "gpu-8") is None


def test_whoever_says_that_silence_is_no_failure_is_not_missed(fake_clock: FakeClock) -> None:
    engine = make(fake_clock, listens=None)
    report(engine, 60, "gpu-7", silent_after=60)
    engine.probe("gpu-7", True, silent_after=0)
    engine.run(900, 30)
    assert state(engine, "gpu-7") is None and engine.component("gpu-7").run_at is None


def test_silence_restarts_nothing_unless_probes_are_trusted(fake_clock: FakeClock) -> None:
    playbook = Playbook(stages=STAGES, actions=(RESTART,))
    engine = make(fake_clock, playbook=playbook)
    report(engine, 60, healthy=False)
    engine.run(300, 5)
    assert engine.outside.commands == [] and "trust_probes is off" in engine.incident().because


def test_with_trust_the_restart_waits_for_a_word_that_it_helped(fake_clock: FakeClock) -> None:
    engine = make(fake_clock, playbook=Playbook(stages=STAGES, actions=(RESTART,), trust_probes=True))
    report(engine, 60)
    engine.run(125, 5)
    assert engine.outside.commands == [["restart", "db"]] and state(engine) == "recovering"
    report(engine, 60)
    assert state(engine) == "resolved" and len(engine.outside.commands) == 1


def restart_worker(engine: Engine, away: float) -> None:
    """The worker ends, and another begins after so long."""
    with database.write():
        ComponentRow.update(lease_until=None).execute()
    engine.clock.advance(away)
    prepare(engine.ctx)


@pytest.mark.parametrize("name", ["db-server", "gpu-7"])
def test_while_the_worker_was_away_nobody_could_be_heard(fake_clock: FakeClock, name: str) -> None:
    engine = make(fake_clock)
    report(engine, 300, name, silent_after=120)
    keep_beating(engine.ctx)
    restart_worker(engine, 3_600)
    engine.run(100, 5)
    assert state(engine, name) is None, "it has had no time to be heard again"
    engine.run(200, 5)
    assert state(engine, name) == "needs_human", "it died while nobody listened"


@pytest.mark.parametrize("name", ["db-server", "gpu-7"])
def test_a_worker_that_is_killed_forgets_nobody(fake_clock: FakeClock, name: str) -> None:
    engine = make(fake_clock)
    report(engine, 300, name, silent_after=120)
    for _ in range(10):
        engine.run(27, 3)
        keep_beating(engine.ctx)
        restart_worker(engine, 3)
    assert state(engine, name) == "needs_human", "restarts one after the other put silence off for ever"


def test_a_component_with_a_check_of_its_own_is_judged_by_that(fake_clock: FakeClock) -> None:
    own = Playbook(stages=STAGES, check=PlannedCheck("http", {"url": "http://db.example.com/"}))
    engine = make(fake_clock, listens=None, playbook=own)
    engine.outside.up = True
    report(engine, 60, silent_after=30)
    engine.run(600, 5)
    assert state(engine) is None and "heard_at" not in (engine.component("db-server").beat or {})


def test_a_storm_of_words_is_one_row_and_one_due_time(fake_clock: FakeClock) -> None:
    engine = make(fake_clock)
    for _ in range(50):
        engine.probe("db-server", True)
    engine.tick()
    row = engine.component("db-server")
    assert row.run_at == utc_now() + timedelta(minutes=2) and row.beat["heard_at"] == utc_now().isoformat()
    assert components.find_components(["db-server"])["db-server"].successes == 50


def test_one_with_a_severity_alone_is_missed_after_a_restart_as_its_sender_asked(fake_clock: FakeClock) -> None:
    engine = make(fake_clock, listens=None)
    report(engine, 120, silent_after=120)
    keep_beating(engine.ctx)
    restart_worker(engine, 3)
    engine.run(300, 5)
    assert state(engine) == "needs_human"


def test_another_time_of_silence_that_a_sender_tells_counts_from_then_on(fake_clock: FakeClock) -> None:
    engine = make(fake_clock, listens=None)
    report(engine, 60, "gpu-7", silent_after=3_600)
    engine.run(3_700, 30)
    assert state(engine, "gpu-7") == "needs_human"
    report(engine, 60, "gpu-7", silent_after=60)
    assert state(engine, "gpu-7") == "resolved"
    engine.run(100, 5)
    assert state(engine, "gpu-7") != "resolved" and "limit 1m" in engine.incident("gpu-7").cause


def test_a_restart_looks_no_earlier_at_what_was_just_heard_of(fake_clock: FakeClock) -> None:
    engine = make(fake_clock)
    report(engine, 60)
    heard = engine.component("db-server").beat["heard_at"]
    keep_beating(engine.ctx)
    prepare(engine.ctx)
    assert engine.component("db-server").run_at == datetime.fromisoformat(heard) + timedelta(minutes=2)


def test_whose_clock_is_slow_ends_its_silence_with_a_word(fake_clock: FakeClock) -> None:
    engine = make(fake_clock)

    def tell(minutes: int) -> None:
        for _ in range(minutes):
            engine.probe("db-server", True, observed_at=(utc_now() - timedelta(hours=2)).isoformat())
            engine.run(60, 5)

    tell(5)
    engine.run(300, 5)
    assert state(engine) == "needs_human"
    tell(2)
    assert state(engine) == "resolved"


def beat_web(behind: float = 0.0) -> None:
    """A sign of life of the web part; `behind`: by how much its machine's clock is."""
    with database.write():
        sites.beat_web("web here-1", utc_now() - timedelta(seconds=behind))


def live(engine: Engine, seconds: float, web: bool, reports: bool = True) -> None:
    """A worker that beats, with or without a web part that takes reports in."""
    for passed in range(0, int(seconds), 5):
        if web:
            beat_web()
        if web and reports and passed % 30 == 0:
            engine.probe("db-server", True)
        keep_beating(engine.ctx)
        engine.run(5, 5)


def test_what_the_web_could_not_take_in_is_no_silence(fake_clock: FakeClock) -> None:
    engine = make(fake_clock)
    live(engine, 120, web=True)
    live(engine, 600, web=False)
    assert state(engine) is None, "the web part was down, so that nobody could tell anything"
    live(engine, 100, web=True, reports=False)
    assert state(engine) is None
    live(engine, 60, web=True, reports=False)
    assert state(engine) == "needs_human"


def test_a_worker_that_was_away_while_the_web_took_reports_in_still_misses_who_sent_none(fake_clock: FakeClock) -> None:
    engine = make(fake_clock)
    live(engine, 120, web=True)
    for _ in range(120):
        fake_clock.advance(5)
        beat_web()
    restart_worker(engine, 3)
    engine.run(5, 5)
    assert state(engine) == "needs_human", "ten minutes in which it could have told"


@pytest.mark.parametrize("first", ["web", "worker"])
def test_a_machine_that_slept_calls_nobody_silent_whoever_wakes_first(fake_clock: FakeClock, first: str) -> None:
    engine = make(fake_clock)
    live(engine, 120, web=True)
    fake_clock.advance(600)
    if first == "web":
        beat_web()
    engine.tick()
    live(engine, 100, web=True, reports=False)
    assert state(engine) is None, "nothing ran, so that nobody could tell anything"
    live(engine, 30, web=True, reports=False)
    assert state(engine) == "needs_human", "it had its time, and no more"


def test_whoever_is_given_its_time_by_the_look_that_missed_it_is_looked_at_when_that_is_over(
    fake_clock: FakeClock,
) -> None:
    engine = make(fake_clock, every_seconds=3_600.0)
    live(engine, 120, web=True)
    fake_clock.advance(600)
    for _ in range(26):
        beat_web()
        engine.run(5, 5)
    assert state(engine) == "needs_human", "not with the next look of its own, an hour later"


def test_a_pause_of_the_web_puts_off_nobody_that_was_heard_of_since(fake_clock: FakeClock) -> None:
    engine = make(fake_clock)
    live(engine, 60, web=True)
    live(engine, 60, web=False)
    live(engine, 60, web=True)
    engine.probe("gpu-7", True, silent_after=30)
    live(engine, 40, web=True)
    assert state(engine, "gpu-7") == "needs_human"


def test_a_web_part_whose_clock_is_behind_is_no_deaf_one(fake_clock: FakeClock) -> None:
    engine = make(fake_clock)
    for passed in range(0, 600, 5):
        beat_web(behind=15)
        if passed < 120 and passed % 30 == 0:
            engine.probe("db-server", True)
        keep_beating(engine.ctx)
        engine.run(5, 5)
    assert state(engine) == "needs_human", "silence was never missed"
