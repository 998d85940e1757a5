"""A suggestion: offered by the worker, taken by a person, obeyed by new recoveries, and taken back."""

from dataclasses import replace

import pytest

from recovery.clock import utc_now
from recovery.model import FailureType, Stage
from recovery.store import database, outcomes, recoveries, suggestions
from recovery.store.tables import EventRow, SuggestionRow
from recovery.worker.__main__ import prepare
from tests.conftest import FakeClock
from tests.story.engine import Engine, fail_component, restartable

FAILURE = FailureType.SERVER_UNRESPONSIVE


@pytest.fixture
def engine(store: str, fake_clock: FakeClock) -> Engine:
    """An engine where a restart at once has hardly ever helped, and one after five minutes nearly always."""
    engine = Engine(fake_clock, components={"orders": restartable("orders")})
    with database.write():
        past = recoveries.add_recovery(999, {"stages": []}, "x", utc_now(), utc_now())
        recoveries.set_recovery(past, "x", utc_now(), active_key=None, wake_at=None)
        for number in range(41):
            for after, helped in ((0.0, number < 2), (300.0, number >= 3)):
                outcomes.add_outcome(
                    past, 2 * number + bool(after), FAILURE, "orders", "run_command", helped, 9, utc_now(), after
                )
    return engine


def begin(engine: Engine) -> list[float]:
    """A failure, healed by hand a little later; when the stages of its recovery began."""
    fail_component(engine)
    engine.run(15)
    assert engine.incident().failure_type == FAILURE
    stages = [stage["after_seconds"] for stage in engine.recovery().playbook["stages"]]
    engine.outside.up = True
    engine.probe("orders", True)
    engine.run(900, 30)
    assert engine.incident().state == "resolved"
    engine.outside.up = False
    return stages


def test_it_is_offered_taken_obeyed_and_taken_back(engine: Engine) -> None:
    assert begin(engine) == [0, 60, 300]
    row = SuggestionRow.get()
    assert (row.component, row.failure_type, row.taken_at) == ("orders", FAILURE, None)
    assert row.worse["after_seconds"] == 0 and row.better["after_seconds"] == 300 and row.better["successes"] == 38
    assert [stage["after_seconds"] for stage in row.after] == [300, 0, 60]
    assert suggestions.take(row.id, "kim", utc_now())
    assert begin(engine) == [300, 0, 60]
    assert "kim took the suggestion" in engine.incident().because + "".join(engine.history("recovery"))
    assert SuggestionRow.get_by_id(row.id).taken_by == "kim"
    assert suggestions.take_back(row.id, "ann", utc_now())
    assert begin(engine) == [0, 60, 300]
    told = [(one.who, one.after) for one in EventRow.select().where(EventRow.subject == "component")]
    assert ("kim", "suggestion taken") in told and ("ann", "suggestion taken back") in told


def test_a_recovery_that_is_under_way_keeps_its_copy(engine: Engine) -> None:
    begin(engine)
    fail_component(engine)
    engine.run(15)
    assert suggestions.take(SuggestionRow.get().id, "kim", utc_now())
    engine.run(120, 10)
    assert [stage["after_seconds"] for stage in engine.recovery().playbook["stages"]] == [0, 60, 300]


def test_it_is_taken_once_and_taken_back_once(engine: Engine) -> None:
    begin(engine)
    number = SuggestionRow.get().id
    assert [suggestions.take(number, "kim", utc_now()) for _ in range(2)] == [True, False]
    assert [suggestions.take_back(number, "kim", utc_now()) for _ in range(2)] == [True, False]
    assert not suggestions.take(number + 1, "kim", utc_now())


def test_what_is_no_longer_so_is_withdrawn_unless_it_was_taken(engine: Engine) -> None:
    begin(engine)
    suggestions.offer("orders", FAILURE, "", [], utc_now())
    assert SuggestionRow.select().count() == 0
    begin(engine)
    suggestions.take(SuggestionRow.get().id, "kim", utc_now())
    suggestions.offer("orders", FAILURE, "", [], utc_now())
    assert [row.taken_by for row in suggestions.find_all(9)] == ["kim"]


def test_one_that_was_taken_is_dropped_where_the_configuration_has_no_place_for_it_any_more(engine: Engine) -> None:
    begin(engine)
    row = SuggestionRow.get()
    assert suggestions.take(row.id, "kim", utc_now())
    prepare(engine.ctx)
    assert suggestions.find(row.id), "the next worker finds it as it was"
    plan = engine.policy.components["orders"]
    assert plan.playbook
    changed = replace(plan, playbook=replace(plan.playbook, stages=(Stage(0, 1), Stage(60, 2))))
    engine.ctx.policy = replace(engine.policy, components={"orders": changed})
    prepare(engine.ctx)
    assert suggestions.find(row.id) is None
    assert any("suggestion dropped" in told and "no place" in told for told in engine.history("component"))
