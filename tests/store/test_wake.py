"""Waking the worker: at once where one listens, and without harm where none does, or another one by now."""

import select
import time

from recovery.store import database
from recovery.store.ingest_engines import make_engine
from recovery.store.wake import Bell, WakeListener, wake_worker


def is_woken(listener: WakeListener, within: float = 5.0) -> bool:
    ready = bool(select.select(listener.files(), [], [], within)[0])
    if ready:
        listener.drain()
    return ready


def test_a_bell_wakes_whoever_listens_by_now(store: str) -> None:
    bell = Bell(make_engine(database.database_url()))
    bell.ring()  # nobody listens: no harm
    first = WakeListener()
    bell.ring()
    assert is_woken(first)
    bell.ring()
    assert is_woken(first), "again and again, over the same pipe"
    first.close()
    bell.ring()
    bell.ring()
    second = WakeListener()
    bell.ring()
    assert is_woken(second), "the next worker too"
    second.close()


def test_a_bell_that_is_rung_and_rung_while_nobody_drains_never_waits(store: str) -> None:
    listener, bell = WakeListener(), Bell(make_engine(database.database_url()))
    began = time.monotonic()
    rings = 70_000 if database.is_sqlite() else 200  # more than a pipe holds
    for _ in range(rings):
        bell.ring()
    assert is_woken(listener) and time.monotonic() - began < 30
    bell.ring()
    assert is_woken(listener)
    listener.close()


def test_a_page_wakes_the_worker_too(store: str) -> None:
    listener = WakeListener()
    wake_worker()
    assert is_woken(listener)
    listener.close()
