"""What came of actions: recorded once, counted in one query, dropped with its failure. On both engines."""

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest

from recovery.clock import utc_now
from recovery.model import FailureType, Outcomes
from recovery.store import bulk, database, incidents, outcomes, retention
from recovery.store.tables import OutcomeRow, RecoveryRow
from tests.store.rows import add_incident, add_recovery

NOW = utc_now()
TIMEOUT, REFUSED = FailureType.API_TIMEOUT, FailureType.SERVER_UNRESPONSIVE
HOSTILE = ["o'rders; DROP TABLE outcomes; --", "%s ? {} %", "주문 🚨", "a" * 5_000, ""]


def tell(
    recovery: RecoveryRow, *told: tuple[str, bool, float], component: str = "orders", at: datetime = NOW, **more
) -> None:
    """Outcomes of actions against a timeout: [(action, whether it helped, seconds)]."""
    begin = OutcomeRow.select().where(OutcomeRow.recovery_id == recovery.id).count()
    for step, (action, helped, seconds) in enumerate(told, begin + 1):
        outcomes.add_outcome(recovery, step, TIMEOUT, component, action, helped, seconds, at, **more)


@pytest.fixture
def recovery(store) -> RecoveryRow:
    return add_recovery(add_incident().id)


def test_outcomes_are_counted_for_the_component_and_for_all_each_with_its_mean_time(recovery):
    tell(recovery, ("restart", True, 10), ("restart", True, 14), ("restart", False, 61), ("reset", False, 5))
    tell(recovery, ("restart", True, 30), component="till")
    here, everywhere = outcomes.count_outcomes(TIMEOUT, "orders", ["restart", "reset", "never"], NOW)
    assert here == {"restart": Outcomes(2, 1, 12, 61), "reset": Outcomes(0, 1, None, 5)}
    assert everywhere == {"restart": Outcomes(3, 1, 18, 61), "reset": Outcomes(0, 1, None, 5)}
    assert outcomes.count_outcomes(TIMEOUT, "unknown", ["restart"], NOW) == ({}, {"restart": Outcomes(3, 1, 18, 61)})


def test_another_failure_type_and_actions_that_were_not_asked_for_do_not_count(recovery):
    tell(recovery, ("restart", True, 10), ("reset", True, 10))
    assert outcomes.count_outcomes(REFUSED, "orders", ["restart"], NOW) == ({}, {})
    assert set(outcomes.count_outcomes(TIMEOUT, "orders", ["reset"], NOW)[0]) == {"reset"}
    assert outcomes.count_outcomes(TIMEOUT, "orders", [], NOW) == ({}, {})


def test_a_step_has_one_outcome_however_often_it_is_told(recovery):
    outcomes.add_outcome(recovery, 1, TIMEOUT, "orders", "restart", True, 10, NOW)
    outcomes.add_outcome(recovery, 1, TIMEOUT, "orders", "restart", False, 60, NOW)
    assert outcomes.count_outcomes(TIMEOUT, "orders", ["restart"], NOW)[0] == {"restart": Outcomes(1, 0, 10, None)}


def test_of_much_only_the_newest_fifty_count(recovery):
    tell(recovery, *[("restart", True, 10.0)] * 60, at=NOW - timedelta(hours=1))
    tell(recovery, *[("restart", False, 60.0)] * 45)
    tell(recovery, *[("restart", True, 10.0)] * 50, component="till", at=NOW + timedelta(hours=1))
    here, everywhere = outcomes.count_outcomes(TIMEOUT, "orders", ["restart"], NOW)
    assert here["restart"] == Outcomes(5, 45, 10, 60)
    assert everywhere["restart"] == Outcomes(50, 0, 10, None)


def test_what_nobody_has_tried_for_ninety_days_is_unknown_again(recovery):
    tell(recovery, ("restart", True, 10), ("restart", True, 20), at=NOW - timedelta(days=90))
    tell(recovery, ("restart", True, 90), ("reset", True, 90), at=NOW - timedelta(days=90, seconds=1))
    here, everywhere = outcomes.count_outcomes(TIMEOUT, "orders", ["restart", "reset"], NOW)
    assert here == everywhere == {"restart": Outcomes(2, 0, 15, None)}
    assert outcomes.count_ways(TIMEOUT, "orders", [("reset", 0.0)], NOW) == {}


def test_the_hour_is_kept_in_utc(recovery):
    seoul = datetime(2026, 11, 24, 3, 30, tzinfo=timezone(timedelta(hours=9)))
    outcomes.add_outcome(recovery, 1, TIMEOUT, "orders", "restart", True, 10, seoul)
    row = OutcomeRow.get()
    assert (row.hour, row.at) == (18, seoul.astimezone(UTC))


def test_the_same_action_is_counted_apart_by_how_late_its_stage_begins(recovery):
    tell(recovery, ("restart", False, 20), ("restart", False, 22))
    tell(recovery, ("restart", True, 9), ("reset", True, 3), after_seconds=300.0)
    found = outcomes.count_ways(TIMEOUT, "orders", [("restart", 0.0), ("restart", 300.0), ("reset", 0.0)], NOW)
    assert found == {("restart", 0.0): Outcomes(0, 2, None, 21), ("restart", 300.0): Outcomes(1, 0, 9, None)}
    assert outcomes.count_ways(TIMEOUT, "orders", [], NOW) == {}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_only_ever_a_value(recovery, name: str):
    tell(recovery, (name, True, 10), component=name)
    here, _ = outcomes.count_outcomes(TIMEOUT, name, [name, "restart"], NOW)
    assert here == {name: Outcomes(1, 0, 10, None)}
    assert outcomes.count_ways(TIMEOUT, name, [(name, 0.0)], NOW) == {(name, 0.0): Outcomes(1, 0, 10, None)}


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf])
def test_what_is_no_length_of_time_is_refused_with_a_clear_word(recovery, seconds: float):
    with pytest.raises(ValueError, match=r"'restart' took .* not a length of time"):
        outcomes.add_outcome(recovery, 1, TIMEOUT, "orders", "restart", True, seconds, NOW)
    with pytest.raises(ValueError, match="not a length of time"):
        outcomes.add_outcome(recovery, 1, TIMEOUT, "orders", "restart", True, 1, NOW, seconds)
    assert OutcomeRow.select().count() == 0


def test_a_clock_that_was_set_back_makes_no_time_below_nothing(recovery):
    tell(recovery, ("restart", True, -5))
    assert outcomes.count_outcomes(TIMEOUT, "orders", ["restart"], NOW)[0]["restart"].healthy_seconds == 0


def test_outcomes_go_with_the_failure_that_they_came_from(store):
    old, young = add_incident("old"), add_incident("young")
    for incident in (old, young):
        tell(add_recovery(incident.id), ("restart", True, 10), component=incident.component)
    year = timedelta(days=365)
    incidents.resolve_incident(old, "it works", NOW - year - timedelta(seconds=1))
    incidents.resolve_incident(young, "it works", NOW - year)
    assert retention.drop_failures(NOW - year) == 1
    assert [row.component for row in OutcomeRow.select()] == ["young"]


def test_the_newest_are_read_from_an_index_and_never_a_whole_history(recovery, monkeypatch: pytest.MonkeyPatch):
    row = {"failure_type": TIMEOUT, "after_seconds": 0.0, "hour": 3, "succeeded": True, "seconds": 12.0, "at": NOW}
    names = [{"component": f"c{n % 20}", "action": f"a{n % 3}", "recovery_id": n, "step": 9} for n in range(9_000)]
    with database.write():
        bulk.add_rows(OutcomeRow, [{**row, **one} for one in names])
    database.proxy.obj.execute_sql("ANALYZE")
    explain = "EXPLAIN QUERY PLAN " if database.is_sqlite() else "EXPLAIN "
    plans: list[str] = []
    plain = bulk.select

    def explained(sql: str, *values) -> list:
        plans.append(str(plain(explain + sql, *values)))
        return plain(sql, *values)

    monkeypatch.setattr(bulk, "select", explained)
    here, everywhere = outcomes.count_outcomes(TIMEOUT, "c1", ["a0", "a1", "a2"], NOW)
    outcomes.count_ways(TIMEOUT, "c1", [("a0", 0.0)], NOW)
    assert here["a0"].tries == everywhere["a0"].tries == 50 and len(plans) == 2
    for plan in plans:
        assert "Seq Scan" not in plan and "SCAN outcomes" not in plan, plan
        assert "outcomes_failure_type_component_action_at" in plan, plan
    assert "outcomes_failure_type_action_at" in plans[0]
