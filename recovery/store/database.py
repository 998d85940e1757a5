"""Opens the database, and gives every writer its turn.

SQLite: one machine, WAL, synchronous=FULL, BEGIN IMMEDIATE; writers of all processes take turns by `flock` on a file
beside the database, because SQLite's own busy handler sleeps and starves. PostgreSQL: plain transactions.
"""

import fcntl
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import peewee as pw
import psycopg
from peewee_migrate import Router

from recovery.store.tables import proxy

MIGRATIONS = Path(__file__).parent / "migrations"
SQLITE_PRAGMAS = {"journal_mode": "wal", "synchronous": "full", "busy_timeout": 10_000, "cache_size": -16_000}


# What the database itself could not do just now, whatever it was asked: to be tried again.
TROUBLE = (
    pw.OperationalError, pw.InterfaceError, sqlite3.OperationalError,
    psycopg.OperationalError, psycopg.InterfaceError,
)  # fmt: skip
DECIDING = 880_889


class Turn:
    """The right to write: a lock between the threads of this process, then a file lock between processes."""

    def __init__(self, path: Path | None):
        self._path = path
        self._threads = threading.RLock()
        self._depth = 0
        self._file = path.open("a") if path else None

    def __enter__(self) -> None:
        self._threads.acquire()
        self._depth += 1
        if self._file and self._depth == 1:
            fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *exc: object) -> None:
        self._depth -= 1
        if self._file and self._depth == 0:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        self._threads.release()


_turn = Turn(None)
_url = ""


WriteRows = Callable[[list[Any]], None]


class Owed(threading.local):
    """What the open transaction of this thread writes together at its end, in the order it was owed."""

    def __init__(self) -> None:
        self.rows: list[tuple[WriteRows, Any]] = []


_owed = Owed()


def owe(write_rows: WriteRows, row: Any) -> None:
    """Have a row written with its like at the end of the open transaction; now, where none is open."""
    _owed.rows.append((write_rows, row))
    if not proxy.obj.in_transaction():
        _settle()


def _settle() -> None:
    owed, _owed.rows = _owed.rows, []
    for write_rows, rows in groupby(owed, key=itemgetter(0)):
        write_rows([row for _, row in rows])


def sqlite_path(url: str) -> Path | None:
    """The file of a SQLite URL (`sqlite:///relative`, `sqlite:////absolute`); None for another engine."""
    return Path(unquote(url.removeprefix("sqlite:///"))) if url.startswith("sqlite:///") else None


def make_database(url: str) -> pw.Database:
    """A peewee database for a URL, not yet connected.

    Raises:
        ValueError: neither a SQLite nor a PostgreSQL URL.
    """
    path = sqlite_path(url)
    if path is not None:
        return pw.SqliteDatabase(str(path), pragmas=SQLITE_PRAGMAS, check_same_thread=False, isolation_level=None)
    if url.startswith(("postgresql://", "postgres://")):
        name = unquote(urlsplit(url).path.lstrip("/"))
        return pw.PostgresqlDatabase(name, prefer_psycopg3=True, **pg_arguments(url))
    raise ValueError("the database URL must begin with sqlite:/// or postgresql://")


def pg_arguments(url: str) -> dict[str, Any]:
    """Host, port, user and password of a PostgreSQL URL, and its query as connection options."""
    parts = urlsplit(url)
    found: dict[str, Any] = {
        "host": unquote(parts.hostname or "") or None,
        "port": parts.port,
        "user": unquote(parts.username or "") or None,
        "password": unquote(parts.password or "") or None,
        "application_name": "n8n-medic",  # by which reconnect_database spares us
    }
    for pair in filter(None, parts.query.split("&")):
        key, _, value = pair.partition("=")
        found[key] = unquote(value)
    return {key: value for key, value in found.items() if value is not None}


def open_database(url: str, migrate: bool = True) -> pw.Database:
    """Bind the tables to the database of `url` in this process, after setting it up where `migrate` says so.

    To be called once per process, after any fork. Two processes that open a new file at once take turns.
    """
    global _turn, _url
    path = sqlite_path(url)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    close_database()
    database = make_database(url)
    proxy.initialize(database)
    _turn, _url = Turn(path.with_name(path.name + ".lock") if path else None), ""
    with _turn:
        database.connect(reuse_if_open=True)
        if path is not None and migrate:
            path.chmod(0o600)
        if migrate:
            _migrate(database, is_sqlite=path is not None)
    _url = url  # only now: what did not open is not open
    return database


def _migrate(database: pw.Database, is_sqlite: bool) -> None:
    if not is_sqlite:
        database.execute_sql("SELECT pg_advisory_lock(880888)")
    try:
        Router(database, migrate_dir=str(MIGRATIONS)).run()
    finally:
        if not is_sqlite:
            database.execute_sql("SELECT pg_advisory_unlock(880888)")


def close_database() -> None:
    """Close this thread's connection, where there is one."""
    if proxy.obj is not None and not proxy.obj.is_closed():
        proxy.obj.close()


def close_broken(problem: Exception) -> None:
    """Close this thread's connection where the database itself failed: it may be dead, and the next use opens anew."""
    if isinstance(problem, TROUBLE):
        try:
            close_database()
        except TROUBLE:
            proxy.obj._state.reset()  # it cannot even be closed


def database_url() -> str:
    """The URL that this process opened; "" before that."""
    return _url


def is_sqlite() -> bool:
    """Whether this process works on SQLite."""
    return _url.startswith("sqlite:")


def turn() -> Turn:
    """This process's right to write, for the ingest path, which writes without peewee."""
    return _turn


@contextmanager
def _owing() -> Iterator[None]:
    """What is undone owes nothing."""
    before = len(_owed.rows)
    try:
        yield
    except BaseException:
        del _owed.rows[before:]
        raise


@contextmanager
def write() -> Iterator[None]:
    """One write transaction: all or nothing. Nested ones join the outer one."""
    database = proxy.obj
    with _turn:
        database.connect(reuse_if_open=True)
        if database.in_transaction():
            yield
            return
        with database.atomic("IMMEDIATE") if is_sqlite() else database.atomic(), _owing():
            yield
            _settle()


@contextmanager
def decide() -> Iterator[None]:
    """A write transaction that decides: of all workers, one at a time, so that what it reads stays true."""
    with write():
        lock_for_all(DECIDING)
        yield


@contextmanager
def savepoint() -> Iterator[None]:
    """A part of a write transaction that is undone alone where it fails."""
    with _owing(), proxy.obj.atomic():
        yield


@contextmanager
def read() -> Iterator[None]:
    """A connection for reading; one snapshot on SQLite is not promised, single statements are."""
    proxy.obj.connect(reuse_if_open=True)
    yield


def skip_locked(query: Any) -> Any:
    """Lock the selected rows on PostgreSQL, passing over what another worker holds; SQLite has one writer anyway."""
    return query if is_sqlite() else query.for_update("FOR UPDATE SKIP LOCKED")


def lock_for_all(key: int) -> None:
    """On PostgreSQL hold the numbered lock to the end of the transaction; on SQLite the turn is that lock."""
    if not is_sqlite():
        proxy.obj.execute_sql("SELECT pg_advisory_xact_lock(%s)", (key,))
