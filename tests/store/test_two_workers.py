"""Two workers on PostgreSQL: one decides at a time, so none decides from what the other has just changed."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from recovery.clock import utc_now
from recovery.model import OrderWhat
from recovery.store import components, database, firing, incidents, orders, recoveries
from recovery.store.tables import StepRow
from recovery.worker import triaging
from recovery.worker.cases import Known
from recovery.worker.executor import take_over_lost_steps
from recovery.worker.looking import look_at_incidents
from recovery.worker.ordering import carry_out_orders
from recovery.worker.planning import plan_recoveries
from recovery.worker.triaging import triage_signals
from tests.conftest import FakeClock
from tests.story.engine import Engine, Inline, item, restartable

DECIDE = [carry_out_orders, triage_signals, look_at_incidents, plan_recoveries]


@pytest.fixture
def engine(postgres_url: str, fake_clock: FakeClock) -> Iterator[Engine]:
    database.open_database(postgres_url)
    yield Engine(fake_clock)
    database.close_database()


class Other(threading.Thread):
    """Another worker, with a connection of its own."""

    def __init__(self, work: Any, *args: Any):
        super().__init__()
        self.work, self.args = work, args
        self.over = threading.Event()
        self.start()

    def run(self) -> None:
        database.proxy.obj.connect(reuse_if_open=True)
        try:
            self.work(*self.args)
        finally:
            self.over.set()
            database.close_database()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("stage", DECIDE)
def test_while_one_worker_decides_another_waits(engine: Engine, stage: Any) -> None:
    engine.hear(item("1"))
    engine.tick()
    orders.add_order(engine.incident().id, OrderWhat.ACKNOWLEDGE, "ann", utc_now())
    with database.decide():
        other = Other(stage, engine.ctx, utc_now())
        assert not other.over.wait(0.5), "it went on beside the one that decides"
    assert other.over.wait(10)
    other.join()


@pytest.mark.timeout(60)
def test_a_failure_that_joins_while_another_worker_resolves_is_never_left_in_silence(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.hear(item("1"))
    engine.tick()
    engine.clock.advance(60)
    engine.hear(item("2"))
    real, others = triaging._Batch._apply, []

    def resolve() -> None:
        with database.decide():
            incidents.resolve_incident(engine.incident(), "it is healthy again", utc_now())

    def apply(self: Any, *args: Any) -> None:
        others.append(Other(resolve))
        others[0].over.wait(0.5)
        real(self, *args)

    monkeypatch.setattr(triaging._Batch, "_apply", apply)
    triage_signals(engine.ctx, utc_now())
    others[0].join(10)
    moves = [line.split(":")[0] for line in engine.history("execution") + engine.history("incident")]
    assert engine.chains()["2"] == "waiting" and moves[-1] == "resolved"
    assert engine.incident().signal_count == 2, "who resolves sees the failure that joined before"


class OtherProcess(Other):
    """Another worker's process: its turn to write is its own, too."""

    def run(self) -> None:
        mine, database._turn = database._turn, database.Turn(None)
        try:
            super().run()
        finally:
            database._turn = mine


class Kept:
    """Threads that begin nothing by themselves."""

    free = 100

    def __init__(self) -> None:
        self.work: list[tuple[Any, Any]] = []

    def run(self, work: Any, *args: Any) -> None:
        self.work.append((work, args))


@pytest.mark.timeout(60)
def test_a_step_that_ends_while_another_worker_plans_is_seen_by_that_plan_or_the_next(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, kept, others = engine.ctx.pools, Kept(), []
    engine.ctx.policy = replace(engine.ctx.policy, components={"api": restartable("api")})
    for _ in range(2):
        engine.probe("api", False)
    engine.ctx.pools = {"steps": kept, "executions": Inline(), "alerts": Inline()}
    engine.tick()
    real = Known.of.__func__

    def of(cls: Any, cases: Any) -> Any:
        found = real(cls, cases)  # the step runs, as far as this worker knows
        if not others:
            work, args = kept.work.pop(0)
            others.append(OtherProcess(work, *args))
            others[0].over.wait(0.5)
        return found

    monkeypatch.setattr(Known, "of", classmethod(of))
    recoveries.wake_recoveries([engine.incident().id], utc_now())
    engine.tick(1)
    others[0].join(10)
    assert StepRow.get(StepRow.number == 1).state == "failed" and engine.recovery().wake_at, "or nobody looks again"
    engine.ctx.pools = plain


@pytest.mark.timeout(60)
def test_whoever_wakes_a_recovery_waits_for_the_one_that_plans(engine: Engine) -> None:
    engine.hear(item("1"))
    engine.tick()
    lost = utc_now() + timedelta(hours=1)
    with database.decide():
        others = [OtherProcess(take_over_lost_steps, engine.ctx, lost)]
        assert not others[0].over.wait(0.5)
    others[0].join(10)


def _beat_after_both(engine: Engine, hear: Callable[[], None], now: datetime) -> dict[str, Any]:
    """What the component is known by once an action on it has ended while another process heard of it."""
    with database.write():
        components.note_acted("gpu", now)
        other = OtherProcess(hear)
        assert not other.over.wait(0.5), "it read what is about to be changed"
    assert other.over.wait(10)
    other.join()
    return engine.component("gpu").beat


@pytest.mark.timeout(60)
def test_what_a_monitor_tells_of_a_component_while_an_action_on_it_ends_undoes_nothing(engine: Engine) -> None:
    now = utc_now()
    with database.write():
        components.note_heard("gpu", now, 120.0, now)

    def hear() -> None:
        with database.write():
            firing.note_alerts("gpu", {"full": ("", now, True)})

    beat = _beat_after_both(engine, hear, now)
    assert (beat["acted_at"], list(beat["alerts"])) == (now.isoformat(), ["full"])


@pytest.mark.timeout(60)
def test_what_is_heard_of_a_component_while_an_action_on_it_ends_is_not_forgotten(engine: Engine) -> None:
    now = utc_now()
    with database.write():
        components.note_heard("gpu", now, 120.0, now)
    later = engine.clock.advance(100)

    def hear() -> None:
        with database.write():
            components.note_heard("gpu", later, 120.0, later)

    beat = _beat_after_both(engine, hear, now)
    assert (beat["heard_at"], beat["acted_at"]) == (later.isoformat(), now.isoformat())
