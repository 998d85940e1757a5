"""Claim, run, record: two never hold the same row, and what comes too late is dropped. On both engines."""

import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import peewee as pw
import psycopg
import pytest

from recovery.model import (
    AlertState,
    ExecutionState,
    OrderWhat,
    Reading,
    RecoveryState,
    StepState,
)
from recovery.store import alerts, components, database, due, executions, orders, recoveries, steps
from recovery.store.tables import AlertRow, ComponentRow, EventRow, ExecutionRow, StepRow, proxy
from tests.store.rows import NOW, add_alert, add_chain, add_incident, add_recovery, add_step

LEASE = NOW + timedelta(seconds=30)
LATER = NOW + timedelta(seconds=31)
WAITING = ExecutionState.WAITING
TWICE = (pw.IntegrityError, sqlite3.IntegrityError, psycopg.errors.UniqueViolation)


# -- one holder, and a fence


def test_a_claimed_row_of_any_kind_is_claimed_by_nobody_else(store):
    add_step(add_recovery())
    add_chain(run_at=NOW)
    add_alert()
    components.configure_components({"orders": NOW}, NOW)
    claims = (steps.claim_steps, executions.claim_chains, alerts.claim_alerts, components.claim_components)
    for claim in claims:
        assert claim(NOW - timedelta(seconds=1), LEASE, "a", 9) == [], "not before it is due"
        assert len(claim(NOW, LEASE, "a", 9)) == 1
        assert claim(LATER, LEASE, "b", 9) == [], "its lease is for its takeover to end, not for a claim"


def test_a_claim_takes_the_longest_due_first_and_no_more_than_asked_for(store):
    for number in range(4):
        add_chain(f"r{number}", run_at=NOW - timedelta(seconds=number))
    assert [row.root_id for row in executions.claim_chains(NOW, LEASE, "a", 2)] == ["r3", "r2"]


def test_the_late_record_of_a_lost_step_is_dropped(store):
    add_step(add_recovery())
    [old] = steps.claim_steps(NOW, LEASE, "a", 1)
    assert steps.start_step(old, NOW, LEASE)
    assert steps.find_lost_steps(LEASE - timedelta(seconds=1)) == []
    [lost] = steps.find_lost_steps(LATER)
    steps.requeue_step(lost, "its worker was lost", LATER)
    for late in (
        steps.start_step(old, LATER, LATER),
        steps.note_process(old, 7, 1.0),
        steps.keep_step(old, LATER),
        steps.finish_step(old, StepState.SUCCEEDED, LATER, "done"),
    ):
        assert late is False
    row = StepRow.get()
    assert (row.state, row.result, row.started_at, row.process_group) == ("queued", None, None, None)
    [new] = steps.claim_steps(LATER, LATER, "b", 1)
    assert steps.finish_step(new, StepState.SUCCEEDED, LATER, "done") and StepRow.get().result == "done"


def test_a_slow_holder_that_begins_a_step_just_before_it_is_taken_over_keeps_it(store):
    add_step(add_recovery())
    [slow] = steps.claim_steps(NOW, LEASE, "a", 1)
    [lost] = steps.find_lost_steps(LATER)
    assert steps.start_step(slow, LATER, LATER + timedelta(seconds=30))
    steps.requeue_step(lost, "its worker was lost before it began", LATER)
    assert StepRow.get().state == "running" and steps.find_lost_steps(LATER) == []
    assert steps.finish_step(slow, StepState.SUCCEEDED, LATER)


def test_of_two_that_take_a_lost_step_over_only_one_does(store):
    add_step(add_recovery())
    [claimed] = steps.claim_steps(NOW, LEASE, "a", 1)
    [one], [other] = steps.find_lost_steps(LATER), steps.find_lost_steps(LATER)
    steps.requeue_step(one, "lost", LATER)
    [again] = steps.claim_steps(LATER, LATER + timedelta(seconds=30), "b", 1)
    steps.requeue_step(other, "lost", LATER)
    steps.lose_step(other, "lost", LATER)
    assert StepRow.get().state == "running" and steps.finish_step(again, StepState.SUCCEEDED, LATER)
    assert not steps.finish_step(claimed, StepState.FAILED, LATER)


def test_a_step_of_which_nobody_knows_is_over(store):
    add_step(add_recovery())
    [claimed] = steps.claim_steps(NOW, LEASE, "a", 1)
    steps.lose_step(claimed, "killed", LATER)
    row = StepRow.get()
    assert (row.state, row.error, row.lease_until, row.run_at) == ("unknown", "killed", None, None)
    assert not steps.finish_step(claimed, StepState.SUCCEEDED, LATER)


def test_the_late_record_of_a_lost_chain_is_dropped(store):
    add_chain(run_at=NOW)
    [old] = executions.claim_chains(NOW, LEASE, "a", 1)
    assert executions.find_lost_chains(NOW) == []
    [lost] = executions.find_lost_chains(LATER)
    executions.requeue_lost(lost, LATER)
    assert not executions.start_chain(old, "1", "safe", LATER, LATER)
    assert not executions.keep_chain(old, LATER)
    assert not executions.finish_chain(old, ExecutionState.RECOVERED, "it worked", LATER)
    [new] = executions.claim_chains(LATER, LATER, "b", 1)
    assert not executions.finish_chain(old, ExecutionState.RECOVERED, "it worked", LATER), "another one holds it"
    executions.requeue_lost(lost, LATER)
    assert executions.start_chain(new, "1", "safe", LATER, LATER), "the second takeover changed nothing"


def test_what_n8n_or_a_person_says_wins_over_a_claim(store):
    chain = add_chain(run_at=NOW)
    [held] = executions.claim_chains(NOW, LEASE, "a", 1)
    executions.move_chain(chain, ExecutionState.RECOVERED, "a person retried it", NOW, "kim")
    assert not executions.start_chain(held, "1", "safe", NOW, LEASE)
    assert not executions.finish_chain(held, WAITING, "late", NOW)
    assert ExecutionRow.get().state == "recovered"
    [line] = EventRow.select().where(EventRow.after == "recovered")
    assert (line.before, line.because, line.who) == ("waiting", "a person retried it", "kim")
    executions.move_chain(chain, WAITING, "it failed again", NOW, run_at=NOW)
    assert executions.claim_chains(NOW, LEASE, "b", 1)
    assert not executions.finish_chain(held, WAITING, "late", NOW), "another one holds it"


def test_a_retry_is_counted_and_spends_the_permit_when_its_intent_is_written(store):
    add_chain(run_at=NOW, permit="kim")
    [held] = executions.claim_chains(NOW, LEASE, "a", 1)
    assert executions.start_chain(held, "4", "kim allowed it", NOW, LEASE)
    row = ExecutionRow.get()
    assert (row.retries, row.permit, row.leaf_id, row.state, row.started_at) == (1, None, "4", "retrying", NOW)


def test_the_late_record_of_a_lost_alert_is_dropped_and_it_is_sent_again_with_its_key(store):
    add_alert()
    [old] = alerts.claim_alerts(NOW, LEASE, "a", 1)
    alerts.requeue_lost_alerts(NOW)
    assert AlertRow.get().state == "sending"
    alerts.requeue_lost_alerts(LATER)
    assert not alerts.finish_alert(old, AlertState.DELIVERED, "taken", LATER)
    [new] = alerts.claim_alerts(LATER, LATER, "b", 1)
    assert not alerts.finish_alert(old, AlertState.FAILED, "late", LATER), "another one holds it"
    assert (new.key, new.tries) == (old.key, 1), "of the lost one nobody knows, and it makes no later wait longer"
    assert alerts.finish_alert(new, AlertState.DELIVERED, "taken", LATER) and AlertRow.get().delivered_at == LATER


def test_a_recovery_is_told_after_the_failure_that_is_told_again(store):
    for key, kind, thread in (("opened", "opened", 1), ("call", "needs_human", 1), ("other", "recovered", 2)):
        owe_in_thread(key, kind, thread)
    owe_in_thread("well", "recovered", 1)
    claimed = alerts.claim_alerts(NOW, LEASE, "a", 9)
    assert [row.key for row in claimed] == ["opened", "other"]
    assert AlertRow.get(AlertRow.key == "call").run_at is None, "or the loop would turn for it without a pause"
    alerts.finish_alert(claimed[0], AlertState.QUEUED, "no answer", NOW, LATER)
    assert not alerts.claim_alerts(NOW + timedelta(seconds=2), LEASE, "a", 9), "the failure is still being told"
    for key in ("opened", "call", "well"):
        [row] = alerts.claim_alerts(LATER, LEASE, "a", 9)
        assert row.key == key, "in order"
        assert alerts.finish_alert(row, AlertState.DELIVERED, "taken", LATER)


def owe_in_thread(key: str, kind: str, thread: int) -> None:
    row = alerts.hold_alert(key, thread, kind, "hook", "high", {}, NOW, thread_id=thread)
    assert row
    alerts.release_alert(row, NOW)


def test_what_follows_a_message_that_is_refused_for_good_waits_no_longer(store):
    for key, kind in (("opened", "opened"), ("call", "needs_human")):
        owe_in_thread(key, kind, 1)
    [opened] = alerts.claim_alerts(NOW, LEASE, "a", 9)
    alerts.finish_alert(opened, AlertState.QUEUED, "400", NOW, LATER)
    alerts.free_followers(opened, NOW)
    assert [row.key for row in alerts.claim_alerts(NOW, LEASE, "a", 9)] == ["call"]


def test_an_alert_that_was_not_taken_is_due_again_and_says_why(store):
    add_alert()
    [held] = alerts.claim_alerts(NOW, LEASE, "a", 1)
    assert alerts.finish_alert(held, AlertState.QUEUED, "no answer", NOW, LATER)
    row = AlertRow.get()
    assert (row.state, row.error, row.delivered_at, row.run_at) == ("queued", "no answer", None, LATER)


def test_one_key_is_owed_once(store):
    assert add_alert() and not add_alert() and add_alert("1.1.recovered.hook")
    assert AlertRow.select().count() == 2


def looked(row, next_at):
    reading = Reading(row.name, True, "answered 200")
    return components.finish_components([components.Looked(row, next_at, reading, True)], NOW)


def test_the_late_look_at_a_lost_component_is_dropped(store):
    components.configure_components({"orders": NOW}, NOW)
    [old] = components.claim_components(NOW, LEASE, "a", 1)
    components.requeue_lost_components(NOW)
    assert looked(old, LATER) == {old.id}, "it was not lost yet"
    [old] = components.claim_components(LATER, LATER, "a", 1)
    components.requeue_lost_components(LATER)
    assert looked(old, LATER + timedelta(hours=1)) == set()
    assert ComponentRow.get().run_at == LATER


@pytest.mark.parametrize("healthy", [None, False])
def test_a_look_that_triage_is_told_of_undoes_nothing_that_was_heard_during_it(store, healthy):
    components.configure_components({"gpu": NOW}, NOW)
    [row] = components.claim_components(NOW, LEASE, "a", 1)
    components.set_component("gpu", "unknown", LATER, "heard", health="healthy", seen_at=LATER, looks=0b110)
    reading = Reading("gpu", healthy, "heard of 3 s ago")
    assert components.finish_components([components.Looked(row, LATER, reading, False)], NOW) == {row.id}
    after = ComponentRow.get()
    assert (after.seen_at, after.because, after.looks, after.run_at) == (LATER, "heard", 0b110, LATER)


# -- what is claimed waits for nobody else


def test_a_claimed_chain_neither_waits_nor_is_released_again_but_counts_as_busy(store):
    chain = add_chain(incident_id=add_incident("orders").id, run_at=NOW)
    assert executions.count_busy("orders", ["w"]) == (1, {"w": 1}) and executions.find_waiting(1) == []
    [held] = executions.claim_chains(NOW, LEASE, "a", 1)
    assert executions.find_waiting(1) == [] and executions.count_busy("orders", ["w"]) == (1, {"w": 1})
    executions.release_chain(chain.id, NOW)
    assert executions.claim_chains(NOW, LEASE, "b", 1) == [], "a second holder would fence the first one off"
    assert executions.start_chain(held, "1", "safe", NOW, LEASE)


def test_holding_back_takes_back_what_was_released_and_leaves_what_is_held(store):
    released, held = add_chain("1", run_at=LATER), add_chain("2", run_at=NOW)
    other = add_chain("3", incident_id=2, run_at=LATER)
    [claimed] = executions.claim_chains(NOW, LEASE, "a", 1)
    executions.hold_back(1)
    rows = {row.id: row for row in ExecutionRow.select()}
    assert rows[released.id].run_at is None and rows[other.id].run_at == LATER
    assert claimed.id == held.id and rows[held.id].lease_until == LEASE


# -- numbers and keys that are there once


def test_of_two_planners_only_one_adds_a_step_of_a_number(store):
    recovery = add_recovery()
    add_step(recovery)
    with pytest.raises(TWICE), database.write():
        StepRow.create(
            recovery_id=recovery.id, incident_id=1, number=1, stage=1, attempt=1, kind="check", name="http",
            state="queued", queued_at=NOW, because="x",
        )  # fmt: skip
    assert add_step(recovery).number == 2
    assert add_step(add_recovery(2)).number == 1, "each recovery counts from one"


def test_an_incident_has_one_active_recovery(store):
    first = add_recovery()
    with pytest.raises(TWICE), database.write():
        add_recovery()
    recoveries.end_recovery(first, RecoveryState.FAILED, "all stages are used up", NOW)
    assert recoveries.find_active(1) is None
    second = add_recovery()
    found = recoveries.find_active(1)
    assert found and found.id == second.id
    newest = recoveries.find_newest(1)
    assert newest and newest.id == second.id


def test_one_open_incident_per_cause(store):
    add_incident("a")
    with pytest.raises(TWICE), database.write():
        add_incident("a")


def test_a_recovery_that_ends_gives_up_what_had_not_begun_and_lets_run_what_runs(store):
    recovery = add_recovery()
    running = add_step(recovery)
    steps.claim_steps(NOW, LEASE, "a", 1)
    queued = add_step(recovery, run_at=LATER)
    canary = add_step(recovery, run_at=None, chain_id=5)
    StepRow.update(state=StepState.RUNNING).where(StepRow.id == canary.id).execute()
    recoveries.end_recovery(recovery, RecoveryState.CANCELLED, "kim cancelled it", NOW, "kim")
    states = {row.id: row.state for row in StepRow.select()}
    assert states == {running.id: "running", queued.id: "skipped", canary.id: "skipped"}
    assert steps.claim_steps(LATER, LATER, "b", 9) == []


# -- a worker that begins anew


def test_a_new_worker_on_sqlite_takes_over_at_once_what_an_earlier_one_held(store):
    add_step(add_recovery())
    add_chain(run_at=NOW)
    add_alert()
    steps.claim_steps(NOW, LEASE, "a", 1)
    executions.claim_chains(NOW, LEASE, "a", 1)
    alerts.claim_alerts(NOW, LEASE, "a", 1)
    due.void_leases(NOW)
    assert steps.find_lost_steps(NOW) and executions.find_lost_chains(NOW)
    alerts.requeue_lost_alerts(NOW)
    assert AlertRow.get().state == "queued"


# -- really at the same time


@contextmanager
def elsewhere() -> Iterator[None]:
    """A transaction as on a machine of its own: on PostgreSQL without the turn that threads of one process take."""
    if database.is_sqlite():
        with database.write():
            yield
        return
    proxy.obj.connect(reuse_if_open=True)
    with proxy.obj.atomic():
        yield


def in_parallel(work: Any, workers: int = 4) -> list[Any]:
    """The same work in threads of their own connections, begun together."""
    together = threading.Barrier(workers)

    def one(number: int) -> Any:
        together.wait(10)
        try:
            return work(number)
        finally:
            database.close_database()

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(one, range(workers)))


def test_many_workers_at_once_claim_each_row_exactly_once(store):
    with database.write():
        recovery = add_recovery()
        for number in range(60):
            add_step(recovery)
            add_chain(f"r{number}", run_at=NOW)
            add_alert(f"key{number}", number + 1)
    kinds = (steps.claim_steps, executions.claim_chains, alerts.claim_alerts)

    def work(number: int) -> list[tuple[int, int]]:
        found = []
        for _ in range(60):
            for kind, claim in enumerate(kinds):
                with elsewhere():
                    found += [(kind, row.id) for row in claim(NOW, LEASE, f"worker {number}", 3)]
        return found

    shares = in_parallel(work)
    counted = Counter(one for share in shares for one in share)
    assert len(counted) == 180 and set(counted.values()) == {1}


def test_workers_on_postgresql_pass_over_what_another_one_is_claiming(postgres_url):
    database.open_database(postgres_url)
    first, second = add_chain("1", run_at=NOW - timedelta(seconds=1)), add_chain("2", run_at=NOW)
    claimed, may_end = threading.Event(), threading.Event()

    def slow(_: int) -> list[int]:
        with elsewhere():
            found = [row.id for row in executions.claim_chains(NOW, LEASE, "slow", 1)]
            claimed.set()
            assert may_end.wait(10)
        return found

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(slow, 0)
        assert claimed.wait(10)
        with elsewhere():
            mine = [row.id for row in executions.claim_chains(NOW, LEASE, "quick", 5)]
        may_end.set()
        assert other.result(10) == [first.id] and mine == [second.id]
    database.close_database()


def test_an_order_is_carried_out_by_one_worker_only(store):
    incident = add_incident("a")
    orders.add_order(incident.id, OrderWhat.ESCALATE, "kim", NOW)
    [order] = orders.find_untaken(9)

    def work(_: int) -> int:
        with elsewhere():
            if not orders.hold_order(order):
                return 0
            return int(orders.finish_order(order, "done", "people are called", NOW))

    assert sum(in_parallel(work)) == 1 and orders.find_untaken(9) == []
    with database.write():
        assert not orders.hold_order(order)
