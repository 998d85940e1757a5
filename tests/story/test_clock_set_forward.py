"""A clock that jumps ahead, a machine that slept, an hour that comes twice: what runs is not taken for lost."""

import datetime as times
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import schedule

from recovery.clock import utc_now
from recovery.model import ShellResult
from recovery.store.tables import StepRow
from recovery.worker.housekeeping import run_due
from recovery.worker.loop import tick
from tests.conftest import FakeClock
from tests.story.engine import Engine, restartable
from tests.story.test_lifecycles import fail_component

HOUR = timedelta(hours=1)


def test_an_action_that_runs_meanwhile_is_not_begun_a_second_time(
    store: str, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(fake_clock, components={"orders": restartable("orders")})
    began: list[Any] = []

    def restart(command: Any, **more: Any) -> ShellResult:
        began.append(command)
        fake_clock.advance(HOUR.total_seconds())
        tick(engine.ctx, utc_now())
        engine.outside.up = True
        return ShellResult(0, "restarted")

    monkeypatch.setattr(engine.outside, "run", restart)
    fail_component(engine)
    engine.run(15)
    assert began == [["restart", "orders"]]
    assert StepRow.get(StepRow.name == "run_command").state == "succeeded"
    assert engine.incident().state == "resolved"


def test_the_worker_beats_on_in_the_hour_that_comes_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    beats: list[int] = []
    planned = schedule.Scheduler()
    planned.every(5).seconds.do(lambda: beats.append(1))
    planned.every(30).seconds.do(lambda: None)
    run_due(planned)
    assert not beats, "it is not due yet"

    class Autumn(times.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> times.datetime:
            return times.datetime.now(tz) - HOUR

    monkeypatch.setattr(schedule, "datetime", SimpleNamespace(**{**vars(times), "datetime": Autumn}))
    run_due(planned)
    run_due(planned)
    assert len(beats) == 1 and (planned.idle_seconds or 0) <= 5
