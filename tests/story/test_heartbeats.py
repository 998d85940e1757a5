"""A job that tells of itself, from its HTTP call to the person who is called when it does not come."""

from dataclasses import replace
from typing import Any

import pytest

from recovery.clock import utc_now
from recovery.model import ComponentPlan, PlannedCheck, Playbook
from recovery.sources import heartbeat
from recovery.store import database
from recovery.store.tables import ComponentRow
from recovery.worker.hearing import await_word
from tests.conftest import FakeClock
from tests.story.engine import STAGES, Engine

pytestmark = pytest.mark.usefixtures("store")


@pytest.fixture
def engine(fake_clock: FakeClock) -> Engine:
    playbook = Playbook(stages=STAGES, check=PlannedCheck("heartbeat", {"period": "1h", "grace": "5m"}))
    backup = replace(ComponentPlan("backup"), every_seconds=30, playbook=playbook)
    engine = Engine(fake_clock, components={"backup": backup})
    ComponentRow.insert(name="backup", configured=True, run_at=utc_now()).execute()
    return engine


def beat(engine: Engine, what: str, log: str = "") -> None:
    engine._store(heartbeat.receive("backup", what, log))
    engine.tick()


def state(engine: Engine) -> Any:
    return engine.incidents()[-1].state if engine.incidents() else None


def test_a_job_that_does_not_come_is_missed_and_one_that_comes_again_is_well(engine: Engine) -> None:
    beat(engine, "success")
    engine.run(3_600, 30)
    assert state(engine) is None
    engine.run(400, 30)
    assert state(engine) == "needs_human" and engine.incident().failure_type == "schedule_missed"
    beat(engine, "success")
    engine.run(60, 5)
    assert state(engine) == "resolved"


def test_a_job_that_says_that_it_failed_is_believed_at_once_with_its_words(engine: Engine) -> None:
    beat(engine, "start")
    engine.clock.advance(90)
    beat(engine, "fail", "disk full, password=hunter2secret")
    assert state(engine) == "needs_human" and "disk full" in engine.incident().cause
    assert "hunter2" not in engine.incident().cause and engine.incident().failure_type == "workflow_failed"
    engine.run(120, 30)
    assert state(engine) == "needs_human", "the next look does not call it well"
    beat(engine, "start")
    engine.clock.advance(12)
    beat(engine, "success")
    engine.run(60, 5)
    assert state(engine) == "resolved" and engine.component("backup").beat["took_seconds"] == 12.0


def test_a_log_changes_nothing_but_is_kept(engine: Engine) -> None:
    beat(engine, "success")
    beat(engine, "log", "copied 7 files")
    assert engine.component("backup").beat["message"] == "copied 7 files" and state(engine) is None


def be_away(engine: Engine, seconds: float) -> None:
    """Nobody could tell anything of itself for so long."""
    engine.clock.advance(seconds)
    with database.write():
        await_word(engine.policy, utc_now(), utc_now())


def test_one_that_could_not_be_heard_is_not_missed_and_then_is(engine: Engine) -> None:
    beat(engine, "success")
    engine.run(60, 10)
    be_away(engine, 3 * 3_600)
    engine.run(3_600, 30)
    assert state(engine) is None
    engine.run(400, 30)
    assert state(engine) == "needs_human", "it has had its time by now"


def test_one_that_never_told_of_itself_is_given_its_time_after_an_absence_too(engine: Engine) -> None:
    engine.run(60, 10)
    be_away(engine, 3 * 3_600)
    engine.run(3_600, 30)
    assert state(engine) is None


def test_an_absence_ends_no_incident_of_one_that_was_missed_before(engine: Engine) -> None:
    beat(engine, "success")
    engine.run(4_200, 60)
    assert state(engine) == "needs_human"
    be_away(engine, 60)
    engine.run(4_200, 60)
    assert (state(engine), engine.alerts()) == ("needs_human", ["needs_human", "reminder"])
