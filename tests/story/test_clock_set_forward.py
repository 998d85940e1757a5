"""A clock that jumps ahead, a machine that slept, an hour that comes twice: what runs is not taken for lost."""

import datetime as times
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
import schedule

from recovery.clock import utc_now
from recovery.model import ShellResult
from recovery.store import database
from recovery.store.tables import StepRow
from recovery.worker import upkeep
from recovery.worker.housekeeping import run_due
from recovery.worker.loop import tick
from recovery.worker.pacing import Loop
from tests.conftest import FakeClock
from tests.story.engine import Engine, fail_component, restartable

HOUR = timedelta(hours=1)


def restart_while(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], None], *engines: Engine) -> list[Any]:
    """The commands that the engines begin; while each runs, `meanwhile` happens, and then what it restarts is well."""
    began: list[Any] = []

    def restart(command: Any, **more: Any) -> ShellResult:
        began.append(command)
        meanwhile()
        engines[0].outside.up = True
        return ShellResult(0, "restarted")

    for one in engines:
        monkeypatch.setattr(one.outside, "run", restart)
    return began


def assert_done_once(began: list[Any]) -> None:
    """The one restart, to its end."""
    assert began == [["restart", "orders"]]
    assert StepRow.get(StepRow.name == "run_command").state == "succeeded"


def test_an_action_that_runs_meanwhile_is_not_begun_a_second_time(
    store: str, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(fake_clock, components={"orders": restartable("orders")})

    def leap() -> None:
        fake_clock.advance(HOUR.total_seconds())
        tick(engine.ctx, utc_now())

    began = restart_while(monkeypatch, leap, engine)
    fail_component(engine)
    engine.run(15)
    assert_done_once(began)
    assert engine.incident().state == "resolved"


def test_of_two_workers_of_a_machine_that_slept_none_takes_over_what_the_other_runs(
    postgres_url: str, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.open_database(postgres_url)
    engine, other = (Engine(fake_clock, components={"orders": restartable("orders")}) for _ in range(2))

    def leap() -> None:
        fake_clock.advance(HOUR.total_seconds())
        with monkeypatch.context() as elsewhere:  # the other one is a process of its own, and faster
            elsewhere.setattr(upkeep, "_holding", set())
            assert not tick(other.ctx, utc_now()), "it pauses, so that this one has its turn"
        tick(engine.ctx, utc_now())
        tick(other.ctx, utc_now())

    began = restart_while(monkeypatch, leap, engine, other)
    other.tick()
    fail_component(engine)
    engine.run(15)
    assert_done_once(began)
    database.close_database()


def test_what_is_lost_is_taken_over_in_the_tick_after_a_leap(postgres_url: str, fake_clock: FakeClock) -> None:
    database.open_database(postgres_url)
    engine = Engine(fake_clock, components={"orders": restartable("orders")})
    fail_component(engine)
    StepRow.update(state="running", run_at=None, started_at=None, lease_until=fake_clock.now).execute()
    for leaps in range(3):
        fake_clock.advance(60)
        engine.tick(1)
        assert (StepRow.select().first().fence > 1) == (leaps > 0), "a worker that is always slow takes it over too"
    database.close_database()


def test_a_connection_that_did_not_live_through_it_takes_nothing_for_lost(
    postgres_url: str, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.open_database(postgres_url)
    engine, loop = Engine(fake_clock, components={"orders": restartable("orders")}), Loop()

    def leap() -> None:
        mine = database.proxy.obj.execute_sql("SELECT pg_backend_pid()").fetchone()[0]
        with psycopg.connect(postgres_url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", (mine,))
        fake_clock.advance(HOUR.total_seconds())
        loop._tick(engine.ctx)
        fake_clock.advance(1)
        loop._tick(engine.ctx)

    began = restart_while(monkeypatch, leap, engine)
    fail_component(engine)
    engine.run(15)
    assert_done_once(began)
    database.close_database()


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
