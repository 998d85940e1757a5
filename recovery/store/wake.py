"""Wakes the worker at once after a commit: a byte in a FIFO beside a SQLite file, NOTIFY on PostgreSQL."""

import logging
import os
from pathlib import Path
from typing import Any

import psycopg

from recovery.store import database

CHANNEL = "medic_wake"
log = logging.getLogger("medic.store")


def fifo_path() -> Path | None:
    """The FIFO beside the SQLite file; None on PostgreSQL."""
    path = database.sqlite_path(database.database_url())
    return path.with_name(path.name + ".wake") if path else None


def wake_worker() -> None:
    """Tell the worker that there is something to do. Losing it costs a second, never a signal."""
    path = fifo_path()
    if path is None:
        database.proxy.obj.execute_sql(f"NOTIFY {CHANNEL}")
        return
    pipe = _poke(path, None)
    if pipe is not None:
        os.close(pipe)


class Bell:
    """Wakes the worker again and again, for the thread that writes signals with a connection of its own."""

    def __init__(self, engine: Any):
        self._engine = engine
        self._path = fifo_path()
        self._pipe: int | None = None

    def ring(self) -> None:
        """Tell the worker that there is something to do."""
        if self._path is not None:
            self._pipe = _poke(self._path, self._pipe)
            return
        try:
            self._engine.notify(CHANNEL)
        except psycopg.Error:  # the rows are stored; the worker looks once a second anyway
            self._engine.reset()


def _poke(path: Path, pipe: int | None) -> int | None:
    """Write into the FIFO, which is opened where it is not; None where no worker listens."""
    try:
        pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK) if pipe is None else pipe
        os.write(pipe, b"w")
    except BlockingIOError:  # full of wake-ups already
        pass
    except OSError:  # no worker listens, or another one by now
        if pipe is not None:
            os.close(pipe)
        return None
    return pipe


class WakeListener:
    """The worker's end: something to `select` on, and `drain` after it."""

    def __init__(self) -> None:
        path = fifo_path()
        self._connection: psycopg.Connection | None = None
        self._file: int | None = None
        if path is None:
            self._listen()
            return
        if not path.is_fifo():
            path.unlink(missing_ok=True)
            os.mkfifo(path, 0o600)
        self._file = os.open(path, os.O_RDWR | os.O_NONBLOCK)

    def _listen(self) -> None:
        connection = psycopg.connect(database.database_url(), autocommit=True)
        connection.execute(f"LISTEN {CHANNEL}")
        self._connection = connection

    def files(self) -> list[int]:
        """What to wait on. Nothing while the database cannot be reached: the worker looks once a second anyway."""
        if self._file is not None:
            return [self._file]
        try:
            if self._connection is None:
                self._listen()
        except psycopg.Error as problem:
            log.warning("cannot listen for what comes, and looks once a second: %s", problem)
        return [self._connection.fileno()] if self._connection else []

    def drain(self) -> None:
        """Take everything that woke us."""
        if self._file is not None:
            try:
                os.read(self._file, 65_536)
            except BlockingIOError:
                pass
            return
        try:
            for _ in self._connection.notifies(timeout=0) if self._connection else ():
                pass
        except psycopg.Error as problem:
            log.warning("the connection to listen on was lost: %s", problem)
            self.close()

    def close(self) -> None:
        """Stop listening."""
        if self._file is not None:
            os.close(self._file)
        elif self._connection is not None:
            self._connection.close()
            self._connection = None
