"""What the brakes ask of the store: they are never the dearer, the longer the history is."""

from datetime import timedelta

import pytest

from recovery.clock import utc_now
from recovery.model import RecoveryState, StepKind, StepState
from recovery.store import acted, bulk, database, recoveries, returns, steps
from recovery.store.tables import StepRow
from tests.store.rows import add_incident

NOW = utc_now()
DAY = timedelta(days=1)


@pytest.fixture
def history(store: str):
    """Three thousand steps that are over, of a year."""
    with database.write():
        incident = add_incident("orders")
        recovery = recoveries.add_recovery(incident.id, {"stages": [], "name": ""}, "because", NOW, NOW)
        plain = {
            "recovery_id": recovery.id, "incident_id": incident.id, "stage": 1, "attempt": 1, "kind": StepKind.ACTION,
            "state": StepState.SUCCEEDED, "because": "x", "name": "run_command", "args": {}, "host": "this machine",
            "fence": 1, "safe_to_repeat": True, "timeout_seconds": 60.0, "dry": False, "back": False,
        }  # fmt: skip
        rows = []
        for number in range(1, 3_001):
            at = NOW - timedelta(hours=3 * number)
            when = {"queued_at": at, "started_at": at, "finished_at": at}
            rows.append({**plain, **when, "number": number, "component": f"c{number % 50}"})
        bulk.add_rows(StepRow, rows)
    database.proxy.obj.execute_sql("ANALYZE")
    return recovery


def test_what_was_done_is_counted(history):
    with database.read():
        assert acted.count_begun(NOW - DAY, NOW - timedelta(hours=4)) == (1, 7)
        assert len(acted.find_begun("c1", "run_command", NOW - DAY)) == 1
        assert acted.find_begun("c1", "another", NOW - DAY) == []
        assert acted.last_acted("c1", but_recovery=0) == NOW - timedelta(hours=3)
        assert acted.last_acted("c1", but_recovery=history.id) is None
        assert acted.find_acting("c1", NOW) == acted.find_restarting("this machine", NOW) == ""
        assert acted.find_restarting(None, NOW) == ""


@pytest.mark.parametrize("state", [StepState.RUNNING, StepState.QUEUED])
def test_what_is_under_way_is_found_on_its_component_and_host(history, state: StepState):
    held = {"lease_until": NOW + DAY} if state is StepState.RUNNING else {"run_at": NOW}
    with database.write():
        steps.add_step(
            history, StepKind.ACTION, "restart_service", "x", NOW, state, component="c7", host="this machine", **held
        )
        assert acted.find_acting("c7", NOW) == "restart_service"
        assert acted.find_restarting("this machine", NOW) == "restart_service of c7"
        assert acted.find_acting("c8", NOW) == acted.find_restarting("another", NOW) == ""


def test_what_is_allowed_and_has_not_begun_counts_as_well(history):
    with database.write():
        for state, held in ((StepState.QUEUED, {"run_at": NOW}), (StepState.RUNNING, {"lease_until": NOW + DAY})):
            steps.add_step(history, StepKind.ACTION, "x", "x", NOW, state, component="c1", **held)
        steps.add_step(history, StepKind.ACTION, "x", "it waits for a yes", NOW, StepState.QUEUED, component="c1")
        assert acted.count_begun(NOW - DAY, NOW - timedelta(hours=1)) == (2, 9)


def test_only_what_has_begun_stands_in_the_way_of_a_step(history):
    with database.write():
        here = {"component": "c7", "host": "this machine", "lease_until": NOW + DAY}
        one, other = (
            steps.add_step(history, StepKind.ACTION, "x", "x", NOW, StepState.RUNNING, **here) for _ in range(2)
        )
        assert acted.find_in_the_way(one) == acted.find_in_the_way(other) == ""
        assert steps.start_step(one, NOW, NOW + DAY)
        assert acted.find_in_the_way(other) == "x of c7" and acted.find_in_the_way(one) == ""
        elsewhere = here | {"component": "c8", "host": "another"}
        far = steps.add_step(history, StepKind.ACTION, "x", "x", NOW, StepState.RUNNING, **elsewhere)
        assert acted.find_in_the_way(far) == ""


def test_a_dry_run_a_canary_and_a_way_back_are_no_actions_that_were_run(history):
    with database.write():
        for name, more in (("x", {"dry": True}), ("retry_executions", {}), ("x", {"back": True})):
            steps.add_step(
                history, StepKind.ACTION, name, "x", NOW, StepState.SUCCEEDED, component="c1", started_at=NOW, **more
            )
        assert acted.count_begun(NOW - DAY, NOW - timedelta(hours=1)) == (0, 7)


def test_recoveries_in_vain_are_counted_until_one_that_helped(history):
    with database.write():
        recoveries.end_recovery(history, RecoveryState.FAILED, "x", NOW)
        assert acted.count_in_vain("orders", "", 3) == 1
        assert acted.count_in_vain("orders", "another", 3) == 0
        recoveries.set_recovery(history, "x", NOW, state=RecoveryState.SUCCEEDED)
        assert acted.count_in_vain("orders", "", 3) == 0


def test_nothing_reads_the_whole_history(history, monkeypatch: pytest.MonkeyPatch):
    engine = database.proxy.obj
    plain, plans = engine.execute_sql, []
    explain = "EXPLAIN QUERY PLAN " if database.is_sqlite() else "EXPLAIN "

    def explained(sql: str, params=None, *rest):
        plans.append(str(plain(explain + sql, params, *rest).fetchall()))
        return plain(sql, params, *rest)

    with database.read():
        step = StepRow.get(StepRow.host.is_null(False))
        monkeypatch.setattr(engine, "execute_sql", explained)
        acted.count_begun(NOW - DAY, NOW)
        acted.find_begun("c1", "run_command", NOW - DAY)
        acted.last_acted("c1", 0)
        acted.find_acting("c1", NOW)
        acted.find_restarting("this machine", NOW)
        acted.find_in_the_way(step)
        steps.last_memory("c1", "run_command")
        returns.plan_returns(history.incident_id + 1, NOW)
        monkeypatch.undo()
    assert len(plans) == 10
    for plan in plans:
        assert "Seq Scan on steps" not in plan and "SCAN t1" not in plan and "chain_id" not in plan, plan
