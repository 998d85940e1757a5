"""One thing that cannot be worked on holds up nothing else, and is never lost without a word."""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import schedule

from recovery.clock import utc_now
from recovery.model import IncidentState, OrderWhat
from recovery.sources import n8n_execution, probe
from recovery.store import bulk, database, incidents, orders
from recovery.store.tables import EventRow, ExecutionRow, IncidentRow, OrderRow, RecoveryRow, SignalRow, StepRow
from recovery.worker import looking, loop, ordering, pacing, planning, triaging
from recovery.worker.loop import STAGES
from recovery.worker.pacing import Loop
from tests.conftest import FakeClock
from tests.story.engine import Engine, item, restartable

pytestmark = pytest.mark.usefixtures("store")
HUGE = 10**400


@pytest.fixture
def engine(fake_clock: FakeClock) -> Engine:
    return Engine(fake_clock)


def broken_for(real: Callable[..., Any], is_it: Callable[..., bool], problem: Exception) -> Callable[..., Any]:
    """The same function, which fails for some arguments after it has done its work."""

    def run(*args: Any, **more: Any) -> Any:
        found = real(*args, **more)
        if is_it(*args):
            raise problem
        return found

    return run


@pytest.mark.parametrize(
    "latency", [HUGE, -HUGE, -1, float("inf"), float("nan"), True, "5", None], ids=lambda one: str(one)[:9]
)
def test_a_latency_that_is_no_number_is_left_out(latency: Any) -> None:
    [signal] = probe.receive({"component": "x", "healthy": False, "latency_ms": latency})
    assert probe.read_reading(signal.body).latency_ms is None


@pytest.mark.parametrize("field", ["message", "status_code", "failure_type", "observed_at"])
def test_an_integer_of_five_thousand_digits_is_read_as_nothing(field: str) -> None:
    reading = probe.read_reading({"component": "x", "healthy": False, field: 10**5000})
    assert reading.component == "x" and reading.because == "reported as failing"


def test_a_component_named_by_an_endless_number_is_refused() -> None:
    with pytest.raises(probe.BadPayload, match="component"):
        probe.receive({"component": 10**5000, "healthy": False})


def test_a_probe_with_an_endless_latency_stops_nothing(engine: Engine) -> None:
    engine.hear(item("5"))
    engine.probe("x", False, latency_ms=HUGE)
    engine.hear(item("6"))
    engine.tick()
    assert set(engine.chains()) == {"5", "6"}
    assert SignalRow.select().where(SignalRow.triaged_at.is_null()).count() == 0


def test_a_signal_that_cannot_be_triaged_is_marked_and_the_others_are_triaged(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_it: Callable[..., bool] = lambda self, signal, facts, verdict: getattr(facts, "execution_id", "") == "2"  # noqa: E731
    problem = ValueError("odd: password=hunter2secret " + "x" * 900)
    monkeypatch.setattr(triaging._Batch, "_apply", broken_for(triaging._Batch._apply, is_it, problem))
    for name in "123":
        engine.hear(item(name))
    engine.tick(1)
    assert set(engine.chains()) == {"1", "3"}
    said = [row.because for row in SignalRow.select().order_by(SignalRow.id)]
    assert said[1].startswith("could not be read: ValueError: odd") and len(said[1]) < 400
    assert "hunter2" not in said[1]
    assert SignalRow.select().where(SignalRow.triaged_at.is_null()).count() == 0
    assert EventRow.select().where(EventRow.subject == "signal").count() == 1


def test_a_database_in_trouble_marks_no_signal(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    trouble = database.TROUBLE[0]("the disk is full")
    with monkeypatch.context() as broken:
        broken.setattr(triaging._Batch, "_apply", broken_for(triaging._Batch._apply, lambda *a: True, trouble))
        engine.hear(item("1"))
        engine.tick(1)
    assert SignalRow.get().triaged_at is None
    engine.tick(1)
    assert set(engine.chains()) == {"1"}


@pytest.mark.parametrize("word", ["orders", "signals", "lost steps"])
def test_a_stage_that_fails_leaves_the_others_running(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    def broken(ctx: Any, now: Any) -> None:
        raise RuntimeError("no")

    ran: list[str] = []
    past = utc_now() - timedelta(seconds=1)
    monkeypatch.setattr(loop.due, "read_agenda", lambda: dict.fromkeys(STAGES, past))
    for name in STAGES:
        monkeypatch.setitem(STAGES, name, broken if name == word else lambda ctx, now, name=name: ran.append(name))
    assert loop.tick(engine.ctx, utc_now()) is False
    assert set(ran) == set(STAGES) - {word}


def test_periodic_work_goes_on_while_every_tick_fails(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(ctx: Any, now: Any) -> bool:
        raise RuntimeError("no")

    monkeypatch.setattr(pacing, "tick", broken)
    monkeypatch.setattr(pacing, "LONGEST_WAIT", 0.01)
    beats: list[int] = []
    running = Loop()

    class Periodic(schedule.Scheduler):
        def run_pending(self) -> None:
            beats.append(1)
            if len(beats) == 3:
                running.stop()
            raise RuntimeError("no thread")

    running.run(engine.ctx, Periodic())
    os.close(running._woken)
    os.close(running._waker)
    assert len(beats) == 3


def test_an_incident_that_cannot_be_looked_at_holds_up_no_other_and_is_looked_at_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_it: Callable[..., bool] = lambda ctx, row, known, now: row.component == "bad.example.com"  # noqa: E731
    with monkeypatch.context() as broken:
        broken.setattr(looking, "look_at", broken_for(looking.look_at, is_it, ValueError("odd")))
        engine.hear(item("1", host="bad.example.com"))
        engine.hear(item("2", host="good.example.com"))
        engine.tick(1)
    states = {one.component: one.state for one in engine.incidents()}
    assert states["good.example.com"] != "open" and states["bad.example.com"] == "open", "undone alone"
    assert engine.incident("bad.example.com").wake_at == utc_now() + timedelta(seconds=30)
    engine.run(31, 31)
    assert engine.incident("bad.example.com").state != "open"


def test_a_recovery_that_cannot_be_planned_holds_up_no_other_and_is_planned_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_it: Callable[..., bool] = lambda case, known: case.incident.component == "bad"  # noqa: E731
    engine.ctx.policy = replace(engine.ctx.policy, components={name: restartable(name) for name in ("bad", "good")})
    with monkeypatch.context() as broken:
        broken.setattr(planning, "_move", broken_for(planning._move, is_it, ValueError("odd")))
        for name in ("bad", "good"):
            for _ in range(2):
                engine.probe(name, False)
        engine.tick(1)
    assert {row.component for row in StepRow.select()} == {"good"}, "what it had written is undone"
    put_off = RecoveryRow.get(RecoveryRow.incident_id == engine.incident("bad").id)
    assert put_off.wake_at == utc_now() + timedelta(seconds=30)
    engine.run(31, 31)
    assert {row.component for row in StepRow.select()} == {"bad", "good"}


def test_an_order_that_breaks_is_refused_with_the_reason(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.hear(item("1"))
    engine.tick()
    name = engine.incident().id
    monkeypatch.setitem(
        ordering.ORDERS,
        OrderWhat.RESOLVE,
        broken_for(ordering.ORDERS[OrderWhat.RESOLVE], lambda case: True, ValueError("odd")),
    )
    orders.add_order(name, OrderWhat.RESOLVE, "bob", utc_now())
    orders.add_order(name, OrderWhat.ACKNOWLEDGE, "ann", utc_now())
    engine.tick(1)
    assert [(row.outcome, row.because) for row in OrderRow.select().order_by(OrderRow.id)] == [
        ("refused", "ValueError: odd"),
        ("done", "acknowledged"),
    ]
    assert engine.incident().state != "resolved", "what it had written is undone"


def test_a_move_of_an_incident_that_has_moved_on_changes_nothing(engine: Engine) -> None:
    engine.hear(item("1"))
    engine.tick()
    stale = engine.incident()
    incidents.resolve_incident(engine.incident(), "another worker resolved it", utc_now())
    told = engine.history("incident")
    with pytest.raises(incidents.Overtaken):
        incidents.move_incident(stale, IncidentState.NEEDS_HUMAN, "read before", utc_now())
    row = engine.incident()
    assert (row.state, row.open_key, row.wake_at) == ("resolved", None, None)
    assert engine.history("incident") == told


def between_reading_and_writing(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """What a thread records of chain 1 after triage has read it, and before it writes."""
    real = triaging._Batch.run

    def run(self: Any) -> int:
        bulk.set_row(ExecutionRow, ExecutionRow.get(ExecutionRow.root_id == "1").id, changes)
        return real(self)

    monkeypatch.setattr(triaging._Batch, "run", run)


@pytest.mark.parametrize("changes", [{"state": "recovered"}, {"leaf_id": "9", "state": "retrying"}])
def test_a_failure_heard_while_its_chain_moved_on_does_not_move_it_back(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str]
) -> None:
    engine.hear(item("1"))
    engine.tick(1)
    engine.hear(item("2", retryOf="1"))
    between_reading_and_writing(monkeypatch, **changes)
    engine.tick(1)
    assert engine.chain("1").state == changes["state"]
    newest = SignalRow.select().order_by(SignalRow.id.desc()).get()
    assert newest.because == "its chain has moved on meanwhile" and newest.triaged_at
    assert IncidentRow.get().signal_count == 1


def test_a_success_is_believed_though_its_chain_moved_on(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.hear(item("1"))
    engine.tick(1)
    done = {"id": "2", "workflowId": "w1", "status": "success", "mode": "retry", "retryOf": "1"}
    engine._store(n8n_execution.receive_success(done, "default"))
    between_reading_and_writing(monkeypatch, leaf_id="9", state="waiting")
    engine.tick(1)
    assert engine.chain("1").state == "recovered"
