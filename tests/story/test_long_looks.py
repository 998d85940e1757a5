"""Looks that take long, or hang: never two at once, none is lost, and what hangs is told of."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from recovery.clock import utc_now
from recovery.model import ComponentPlan, DoorError, PlannedCheck, Playbook, Room, Usage
from recovery.store import components, database, due
from recovery.worker import looks
from recovery.worker.__main__ import prepare
from recovery.worker.checking import run_checks
from recovery.worker.looks import Looks, look_now
from tests.conftest import FakeClock
from tests.story.engine import STAGES, Engine, InlineLoop

pytestmark = pytest.mark.usefixtures("store")
WELL = Usage(100.0, 90.0, 1, 10, 0, 0, 0.1, 1, 1, 100, "x", {"/": Room(1, 99, 1, 99)})
MACHINE = PlannedCheck("machine", {})


class SlowDisk:
    """Looks hang until they are let go."""

    def __init__(self) -> None:
        self.running = self.most = self.begun = 0
        self.go, self.problem = threading.Event(), ""
        self._lock = threading.Lock()

    def look(self, paths: list[str], timeout_seconds: float) -> Usage:
        with self._lock:
            self.running, self.begun = self.running + 1, self.begun + 1
            self.most = max(self.most, self.running)
        self.go.wait(60)
        with self._lock:
            self.running -= 1
        if self.problem:
            raise DoorError(self.problem, "status")
        return WELL

    def end(self, problem: str = "") -> None:
        """Let the looks end, and wait until they have."""
        self.problem = problem
        self.go.set()
        while self.running:
            time.sleep(0.005)


@pytest.fixture
def disk() -> Iterator[SlowDisk]:
    found = SlowDisk()
    yield found
    found.end()


@pytest.fixture
def engine(fake_clock: FakeClock, disk: SlowDisk) -> Iterator[Engine]:
    """One that looks in real threads."""
    plan = ComponentPlan("disk", every_seconds=30, playbook=Playbook(stages=STAGES, check=MACHINE))
    found = Engine(fake_clock, components={"disk": plan})
    found.ctx.looks = Looks(found.outside, found.ctx.background, lambda: None)
    found.outside.usage = disk
    prepare(found.ctx)
    yield found
    disk.end()
    found.ctx.looks.close()


def run_until(engine: Engine, holds: Callable[[], bool]) -> None:
    """Two minutes at most by the engine's clock; the looks end in threads, which take the time that they take."""
    for _ in range(120):
        engine.run(1)
        if holds():
            break
        time.sleep(0.01)


def begin(engine: Engine, disk: SlowDisk) -> None:
    """Have the first look begin."""
    engine.run(5, 1)
    while not disk.begun:
        time.sleep(0.005)


def test_a_look_that_hangs_is_told_of_and_never_begun_a_second_time(engine: Engine, disk: SlowDisk) -> None:
    begin(engine, disk)
    engine.run(100, 10)
    assert not engine.incidents(), "it still has time"
    engine.run(200, 10)
    found = engine.incident()
    assert found.failure_type == "server_unresponsive" and "has not ended within 130 s" in found.cause
    engine.run(3600, 30)
    assert (disk.most, disk.begun, len(engine.incidents())) == (1, 1, 1)
    assert engine.component("disk").lease_until > utc_now(), "it is held for as long as it runs"


def test_what_a_look_of_minutes_saw_is_recorded(engine: Engine, disk: SlowDisk) -> None:
    begin(engine, disk)
    engine.run(100, 10)
    assert (disk.begun, engine.component("disk").fence) == (1, 1)
    disk.end("the disk is gone")
    run_until(engine, lambda: bool(engine.incidents()))
    assert "the disk is gone" in engine.incident().cause


def test_one_that_hung_and_is_well_ends_its_incident(engine: Engine, disk: SlowDisk) -> None:
    begin(engine, disk)
    engine.run(400, 10)
    assert engine.incident().state == "needs_human"
    disk.end()
    run_until(engine, lambda: engine.incident().state == "resolved")
    assert engine.incident().state == "resolved"


def test_one_that_is_hurried_while_it_is_looked_at_is_looked_at_right_after(engine: Engine, disk: SlowDisk) -> None:
    begin(engine, disk)
    with database.write():
        components.hurry_components(["disk"], utc_now())
    engine.run(10, 1)
    assert disk.begun == 1, "a second look beside the first"
    assert "components" not in due.read_agenda(), "the loop would turn without a pause"
    disk.end()
    engine.tick(2)
    while disk.begun < 2:
        time.sleep(0.005)
        engine.tick(1)
    assert disk.most == 1 and engine.component("disk").seen_at == utc_now()


def test_a_look_goes_on_for_whoever_claims_its_component_anew(engine: Engine, disk: SlowDisk) -> None:
    """Another worker had taken it over, and let go of it again."""
    begin(engine, disk)
    with database.write():
        components.requeue_lost_components(engine.clock.advance(3600))
    run_checks(engine.ctx, utc_now())
    assert engine.component("disk").fence == 3 and disk.begun == 1
    disk.end("the disk is gone")
    run_checks(engine.ctx, utc_now())
    row = engine.component("disk")
    assert row.lease_until is None and row.run_at is not None, "its reading counts for the new claim"


def test_a_look_that_is_waited_for_has_a_deadline_too(
    engine: Engine, disk: SlowDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "SPARE_SECONDS", 0.05)
    hasty = PlannedCheck("machine", {"timeout": "100ms"})

    def look(check: PlannedCheck) -> Any:
        return look_now("vault", check, engine.outside, InlineLoop(), utc_now(), None)  # type: ignore[arg-type]

    with pytest.raises(DoorError, match="check of vault"):
        look(hasty)
    with pytest.raises(DoorError, match="still"):
        look(hasty)
    assert disk.begun == 1, "one thread, however often it is asked"

    async def ask(*asked: object, **more: object) -> None:
        await asyncio.sleep(30)

    engine.outside.ask = ask  # type: ignore[method-assign, assignment]
    with pytest.raises(DoorError, match="has not ended within"):
        look(PlannedCheck("http", {"url": "http://vault/", "timeout": "100ms"}))
