"""Signals onto the disk: all that wait share one commit, and nobody gets an answer before it.

The hot path: no peewee here. One writer thread per process collects what waits once it holds the turn to write.
"""

import json
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import orjson

from recovery.clock import to_micros
from recovery.model import Signal
from recovery.redact import redact
from recovery.store import database, wake
from recovery.store.ingest_engines import make_engine


class NotStored(Exception):
    """The signals could not be written; the sender must send them again."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a signal: its row, whether it was known already, and its incident where it is triaged."""

    id: int
    duplicate: bool
    incident_id: int | None = None


class Engine(Protocol):
    """Writes rows, each at most once by its keys, in one commit."""

    def write(self, rows: Sequence[tuple[Any, ...]]) -> list[tuple[int, bool, int | None]]: ...

    def reset(self) -> None: ...

    def notify(self, channel: str) -> None: ...


class _Request:
    """Rows of one caller, and where it waits."""

    __slots__ = ("done", "failure", "receipts", "rows")

    def __init__(self, rows: list[tuple[Any, ...]]):
        self.rows = rows
        # A bare lock, held until the answer is there: an Event costs several times as much, and this is per signal.
        self.done = threading.Lock()
        self.done.acquire()
        self.receipts: list[Receipt] = []
        self.failure: Exception | None = None


class SignalWriter:
    """The one writer of signals in a process. To be made after the fork and after `open_database`."""

    def __init__(self) -> None:
        self._engine: Engine = make_engine(database.database_url())
        self._bell = wake.Bell(self._engine)
        self._ready = threading.Condition()
        self._waiting: list[_Request] = []
        self._thread = threading.Thread(target=self._run, name="signal-writer", daemon=True)
        self._thread.start()

    def add(self, signals: Sequence[Signal], now: datetime, timeout_seconds: float = 30.0) -> list[Receipt]:
        """Store the signals; returns once they are on the disk, in their order.

        Raises:
            NotStored: they are not, or nobody knows in time whether they are; sending again is safe.
        """
        if not signals:
            return []
        request = _Request([as_row(signal, now) for signal in signals])
        with self._ready:
            self._waiting.append(request)
            self._ready.notify()
        if not request.done.acquire(timeout=timeout_seconds):
            raise NotStored("the database did not take the signals in time")
        if request.failure is not None:
            raise NotStored(str(request.failure)) from request.failure
        return request.receipts

    def _run(self) -> None:
        while True:
            with self._ready:
                self._ready.wait_for(lambda: self._waiting)
            self._write_all()

    def _write_all(self) -> None:
        """Collect only once the turn is held: what arrives while we wait for it shares the commit."""
        batch: list[_Request] = []
        try:
            with database.turn():
                batch = self._take()
                answers = self._engine.write([row for request in batch for row in request.rows])
        except Exception as problem:  # noqa: BLE001 every caller in the batch must hear of it
            self._engine.reset()
            for request in batch or self._take():
                request.failure = problem
                request.done.release()
            return
        _hand_out(batch, answers)
        self._bell.ring()

    def _take(self) -> list[_Request]:
        with self._ready:
            batch, self._waiting = self._waiting, []
        return batch


def _hand_out(batch: list[_Request], answers: list[tuple[int, bool, int | None]]) -> None:
    found = iter(answers)
    for request in batch:
        request.receipts = [Receipt(*next(found)) for _ in request.rows]
        request.done.release()


def as_row(signal: Signal, now: datetime) -> tuple[Any, ...]:
    """A signal as the columns of its row, redacted: secrets never reach the disk."""
    key = storable(signal.key) if signal.key else f"once:{uuid.uuid4().hex}"
    delivery = storable(signal.delivery) if signal.delivery else None
    body = dump(redact(signal.body))
    return (key, delivery, str(signal.kind), signal.source, signal.site, body, to_micros(now))


def storable(name: str) -> str:
    """A name that every engine takes, and that stays apart from every other."""
    return name.encode(errors="backslashreplace").decode().replace("\x00", "\\x00")


def dump(value: Any) -> str:
    """JSON text that every engine takes, whatever characters it was sent with."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # lone surrogates, numbers of more than 64 bits
        return json.dumps(value, separators=(",", ":"))
