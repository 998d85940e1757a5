"""The same with more than one connection to PostgreSQL."""

import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import psycopg
import pytest
import schedule

from recovery.clock import utc_now
from recovery.model import OrderWhat
from recovery.store import database, executions, orders
from recovery.worker import recording, retrying
from recovery.worker.ordering import carry_out_orders
from recovery.worker.pacing import Loop
from tests.conftest import FakeClock
from tests.store.test_two_workers import Other
from tests.story.engine import item
from tests.story.moment import Moment


@pytest.fixture
def moment(postgres_url: str, fake_clock: FakeClock) -> Iterator[Moment]:
    database.open_database(postgres_url)
    yield Moment(fake_clock)
    database.close_database()


@pytest.mark.timeout(60)
def test_a_connection_that_the_server_dropped_is_opened_anew(moment: Moment, postgres_url: str) -> None:
    moment.engine.hear(item("900"))
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    running = Loop()
    for _ in range(3):
        running._tick(moment.engine.ctx)
    assert set(moment.engine.chains()) == {"900"}


@pytest.mark.timeout(60)
def test_a_worker_whose_server_is_restarted_lives_on_and_is_woken_again(moment: Moment, postgres_url: str) -> None:
    """Every connection is lost, the one it listens on too, while it waits."""
    running, seen = Loop(), list[str]()

    def disturb() -> None:
        time.sleep(0.5)
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            time.sleep(2.5)
            listening = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE %s"
            seen.append(str(admin.execute(listening, ("LISTEN%",)).fetchone()))
        running.stop()

    other = threading.Thread(target=disturb)
    other.start()
    running.run(moment.engine.ctx, schedule.Scheduler())
    other.join(10)
    assert seen == ["(1,)"]


@pytest.mark.timeout(60)
def test_a_thread_of_a_pool_whose_connection_was_dropped_works_again(moment: Moment, postgres_url: str) -> None:
    """A pool's thread keeps its own connection for life; idle ones are what NATs and poolers drop."""
    from recovery.worker.context import Pool

    pool, done, failed = Pool("steps", 1, lambda: None), [], []

    def work() -> None:
        try:
            with database.write():
                orders.find_untaken(1)
            done.append(1)
        except Exception as problem:
            failed.append(repr(problem)[:90])
            raise

    pool.run(work)
    while not done:
        pass
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    for _ in range(5):
        pool.run(work)
    while len(done) + len(failed) < 6:
        pass
    assert len(failed) < 5, failed


@pytest.mark.timeout(60)
def test_what_is_recorded_while_another_worker_resolves_is_not_left_waiting_for_ever(
    moment: Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chain's thread has seen its incident open; a person's resolve commits on another worker; it records WAITING."""
    run = moment.fail()
    others: list[Any] = []
    waits: list[bool] = []
    monkeypatch.setattr(database, "_turn", nullcontext())  # other processes do not share it
    real = recording.without_recovery

    def without(row: Any, state: Any, because: str) -> Any:
        found = real(row, state, because)
        if not others and state == "waiting":
            others.append(Other(_resolve, moment))
            waits.append(not others[0].over.wait(0.5))
        return found

    monkeypatch.setattr(recording, "without_recovery", without)
    from recovery.model import N8nError

    def retry(name: str) -> Any:
        raise N8nError("n8n refused: the execution is not over", "conflict", permanent=True)

    moment.n8n.retry = retry  # type: ignore[method-assign]
    monkeypatch.setattr(retrying, "MOST_CONFLICTS", 0)
    moment.hear(run)
    others[0].join(10)
    assert moment.engine.incident().state == "resolved"
    moment.engine.run(3600, 30)
    assert moment.engine.chains()[run] != "waiting", moment.engine.history("execution")


def _resolve(moment: Moment) -> None:
    orders.add_order(moment.engine.incident().id, OrderWhat.RESOLVE, "kim", utc_now())
    carry_out_orders(moment.engine.ctx, utc_now())


@pytest.mark.timeout(60)
def test_another_workers_pause_does_not_fall_between_the_look_and_the_retry(
    moment: Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = moment.fail()
    moment.n8n.hosts.clear()
    others: list[Any] = []
    waits: list[bool] = []
    monkeypatch.setattr(database, "_turn", nullcontext())  # other processes do not share it
    real = executions.start_chain

    def start(*args: Any) -> bool:
        if not others:
            others.append(Other(_pause, moment))
            waits.append(not others[0].over.wait(0.5))
        return real(*args)

    monkeypatch.setattr(executions, "start_chain", start)
    moment.hear(run)
    others[0].join(10)
    assert waits == [True], "the pause is carried out after what had begun, and not in its middle"
    assert moment.engine.chains() == {run: "recovered"} and moment.ours() == 1


def _pause(moment: Moment) -> None:
    orders.add_order(moment.engine.incident().id, OrderWhat.PAUSE, "kim", utc_now())
    carry_out_orders(moment.engine.ctx, utc_now())
