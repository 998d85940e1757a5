"""Signals onto the disk: shared commits lose nothing, acknowledge nothing that is not there, and count once."""

import sqlite3
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from recovery.clock import utc_now
from recovery.model import Signal, SignalKind
from recovery.store import database, ingest
from recovery.store.ingest import NotStored, SignalWriter
from recovery.store.ingest_engines import make_engine
from recovery.store.tables import SignalRow


def make(key: str, delivery: str | None = None) -> Signal:
    return Signal(key, SignalKind.READING, "probe", "", {"component": key, "healthy": True}, delivery)


@pytest.mark.timeout(240)
def test_of_twenty_thousand_concurrent_signals_every_receipt_has_its_row(database_url: str) -> None:
    database.open_database(database_url)
    writer = SignalWriter()
    total, threads = 20_000, 64
    keys = [f"k{number if number % 10 else number // 2}" for number in range(1, total + 1)]

    def send(part: list[str]) -> list[tuple[str, int, bool]]:
        found = []
        for first in range(0, len(part), 5):
            names = part[first : first + 5]
            receipts = writer.add([make(name) for name in names], utc_now(), 60)
            found += [(name, one.id, one.duplicate) for name, one in zip(names, receipts, strict=True)]
        return found

    with ThreadPoolExecutor(threads) as pool:
        answers = [one for part in pool.map(send, [keys[index::threads] for index in range(threads)]) for one in part]
    stored = dict(SignalRow.select(SignalRow.key, SignalRow.id).tuples())
    assert len(answers) == total
    assert all(stored[name] == row_id for name, row_id, _ in answers), "each answer names the row of its key"
    assert len(stored) == len(set(keys)), "rows equal distinct keys"
    fresh = Counter(name for name, _, duplicate in answers if not duplicate)
    assert set(fresh.values()) == {1} and len(fresh) == len(stored), "each key was new exactly once"


def test_a_failed_commit_fails_every_request_in_it(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = SignalWriter()
    writer.add([make("warm")], utc_now())
    broken = threading.Event()
    broken.set()
    real = writer._engine.write

    def write(rows: list) -> list:
        if broken.is_set():
            raise sqlite3.OperationalError("disk I/O error")
        return real(rows)

    monkeypatch.setattr(writer._engine, "write", write)
    failures = []

    def send(number: int) -> None:
        try:
            writer.add([make(f"lost{number}")], utc_now())
        except NotStored as lost:
            failures.append(str(lost))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(failures) == 20 and all("disk I/O error" in one for one in failures)
    assert SignalRow.select().count() == 1
    broken.clear()
    assert not writer.add([make("lost1")], utc_now())[0].duplicate, "sending again works"


def test_a_row_that_cannot_be_written_takes_its_whole_batch_with_it(store: str) -> None:
    writer = SignalWriter()
    with pytest.raises(NotStored):
        writer.add([make("good"), Signal("bad", SignalKind.READING, None, "", {})], utc_now())  # type: ignore[arg-type]
    assert SignalRow.select().count() == 0


def test_the_same_delivery_with_another_key_is_a_duplicate(store: str) -> None:
    writer = SignalWriter()
    [first] = writer.add([make("a", "delivery-1")], utc_now())
    [second] = writer.add([make("b", "delivery-1")], utc_now())
    assert second.duplicate and second.id == first.id
    both = writer.add([make("c", "delivery-2"), make("d", "delivery-2"), make("c", "x")], utc_now())
    assert [one.duplicate for one in both] == [False, True, True] and len({one.id for one in both}) == 1


def test_a_signal_without_a_key_is_new_each_time(store: str) -> None:
    writer = SignalWriter()
    receipts = writer.add([make(""), make("")], utc_now())
    assert len({one.id for one in receipts}) == 2 and not any(one.duplicate for one in receipts)


def test_secrets_never_reach_the_disk(store: str) -> None:
    writer = SignalWriter()
    signal = Signal(
        "s", SignalKind.FAILURE, "n8n-error", "", {"url": "http://x/?api_key=SECRET123", "password": "p4ss"}
    )
    writer.add([signal], utc_now())
    assert "SECRET123" not in str(SignalRow.get().body) and "p4ss" not in str(SignalRow.get().body)


def test_text_that_no_engine_takes_is_stored_all_the_same(store: str) -> None:
    assert ingest.dump({"a": "\ud800"}) == '{"a":"\\ud800"}'
    assert ingest.dump({"a": "워크플로\x00"}) == '{"a":"워크플로\\u0000"}'


def test_names_that_no_engine_takes_are_stored_all_the_same_and_kept_apart(store: str) -> None:
    writer = SignalWriter()
    names = ["a", "a\x00b", "a\x00c", "a\ud800", "a\udfff", "가\U0001f600", "'\"\\"]
    receipts = writer.add([make(name, f"delivery {name}") for name in names], utc_now())
    assert len({one.id for one in receipts}) == len(names) and not any(one.duplicate for one in receipts)
    again = writer.add([make(name, f"delivery {name}") for name in reversed(names)], utc_now())
    assert [one.id for one in again] == [one.id for one in reversed(receipts)] and all(one.duplicate for one in again)


def test_what_is_known_and_what_is_new_are_told_apart_within_one_batch(store: str) -> None:
    writer = SignalWriter()
    [known, triaged] = writer.add([make("known"), make("triaged")], utc_now())
    SignalRow.update(incident_id=7).where(SignalRow.key == "triaged").execute()
    batch = [make("new"), make("known"), make("new"), make("triaged"), make("other", "d"), make("last", "d")]
    found = writer.add(batch, utc_now())
    assert [one.duplicate for one in found] == [False, True, True, True, False, True]
    assert (found[1].id, found[3].id, found[3].incident_id) == (known.id, triaged.id, 7)
    assert found[2].id == found[0].id and found[5].id == found[4].id
    stored = dict(SignalRow.select(SignalRow.key, SignalRow.id).tuples())
    assert stored == {"known": known.id, "triaged": triaged.id, "new": found[0].id, "other": found[4].id}
    assert all(one.duplicate for one in writer.add(batch, utc_now())), "none of them is new"


def test_two_processes_that_store_the_same_signals_in_another_order_both_succeed(postgres_url: str) -> None:
    database.open_database(postgres_url)
    start, rounds = threading.Barrier(2), 40

    def store(backwards: bool) -> list[list[tuple[int, bool, int | None]]]:
        engine, answers = make_engine(postgres_url), []
        for number in range(rounds):
            rows = [ingest.as_row(make(f"{number}.{one}"), utc_now()) for one in range(200)]
            start.wait(30)
            answers.append(engine.write(rows[::-1] if backwards else rows))
        engine.reset()
        return answers

    with ThreadPoolExecutor(2) as pool:
        both = [one.result(60) for one in [pool.submit(store, backwards) for backwards in (False, True)]]
    fresh = sum(not duplicate for answers in both for answer in answers for _, duplicate, _ in answer)
    assert fresh == rounds * 200 == SignalRow.select().count()
