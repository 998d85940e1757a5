"""How each engine writes a batch of signals in one commit, each at most once by its keys."""

import logging
import sqlite3
from collections.abc import Sequence
from typing import Any

import orjson
import psycopg

from recovery.store import database

Row = Sequence[Any]
Answer = tuple[int, bool, int | None]
MOST_DEADLOCKS = 5
log = logging.getLogger("medic.store")
COLUMNS = "key, delivery, kind, source, site, body, received_at"
PLACES = [f"$[{place}]" for place in range(7)]


def answer(
    rows: Sequence[Row], fresh: dict[str, int], known: Sequence[tuple[str, str | None, int, int | None]]
) -> list[Answer]:
    """What became of each row: of those with the same key or delivery the first is new, where it is new at all.

    Args:
        fresh: {key: id} of the new rows. known: (key, delivery, id, incident id) of those that the others are.
    """
    by_key = {key: (row_id, incident_id) for key, _, row_id, incident_id in known}
    by_delivery = {delivery: (row_id, incident_id) for _, delivery, row_id, incident_id in known}
    left, answers = dict(fresh), list[Answer]()
    for key, delivery, *_ in rows:
        if key in left:
            answers.append((left.pop(key), False, None))
        elif key in fresh:
            answers.append((fresh[key], True, None))
        else:
            row_id, incident_id = by_key.get(key) or by_delivery[delivery]
            answers.append((row_id, True, incident_id))
    return answers


class SqliteEngine:
    """One statement for the whole batch, which is its own transaction, and one more for what was known already.

    Between two statements a thread waits for Python's lock, for as long as a commit takes: with the turn held.
    """

    INSERT = (
        f"INSERT INTO signals ({COLUMNS}) SELECT {', '.join(f'json_extract(value, {place!r})' for place in PLACES)}"  # noqa: S608
        " FROM json_each(?) WHERE true ON CONFLICT DO NOTHING"
    )  # fmt: skip
    KNOWN = (
        "SELECT key, delivery, id, incident_id FROM signals WHERE key IN (SELECT value FROM json_each(?))"
        " OR delivery IN (SELECT value FROM json_each(?))"
    )

    def __init__(self, path: str):
        self._path = path
        self._open: sqlite3.Connection | None = None

    def write(self, rows: Sequence[Row]) -> list[Answer]:
        """Insert all, or nothing."""
        connection = self._connection()
        done = connection.execute(self.INSERT, (orjson.dumps(rows).decode(),))
        first = (done.lastrowid or 0) - done.rowcount + 1  # ids of one statement follow each other
        if done.rowcount == len(rows):
            return [(first + place, False, None) for place in range(len(rows))]
        columns = [row[0] for row in rows], [row[1] for row in rows if row[1]]
        known = connection.execute(self.KNOWN, [orjson.dumps(column).decode() for column in columns]).fetchall()
        fresh = {key: row_id for key, _, row_id, _ in known if row_id >= first} if done.rowcount else {}
        return answer(rows, fresh, known)

    def _connection(self) -> sqlite3.Connection:
        if self._open is None:
            self._open = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            for name, value in database.SQLITE_PRAGMAS.items():
                self._open.execute(f"PRAGMA {name} = {value}")
        return self._open

    def reset(self) -> None:
        """Begin anew with a fresh connection."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def notify(self, channel: str) -> None:
        """(the FIFO does it)"""


class PostgresEngine:
    """One statement for the whole batch, and one more for what was known already."""

    INSERT = (
        f"INSERT INTO signals ({COLUMNS}) SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[],"  # noqa: S608
        " %s::text[], %s::text[], %s::bigint[]) ON CONFLICT DO NOTHING RETURNING key, id"
    )  # fmt: skip
    KNOWN = "SELECT key, delivery, id, incident_id FROM signals WHERE key = ANY(%s) OR delivery = ANY(%s)"

    def __init__(self, url: str):
        self._url = url
        self._open: psycopg.Connection | None = None

    def write(self, rows: Sequence[Row]) -> list[Answer]:
        """Insert all, or nothing. Two processes with the same keys in another order: one of them begins anew."""
        for _ in range(MOST_DEADLOCKS):
            try:
                return self._write(rows)
            except psycopg.errors.DeadlockDetected:
                log.info("another process was storing the same signals: this batch begins anew")
        return self._write(rows)

    def _write(self, rows: Sequence[Row]) -> list[Answer]:
        connection = self._connection()
        with connection.transaction():
            columns = [list(column) for column in zip(*rows, strict=True)]
            fresh: dict[str, int] = dict(connection.execute(self.INSERT, columns).fetchall())
            others = [row for row in rows if row[0] not in fresh]
            names = [row[0] for row in others], [row[1] for row in others if row[1]]
            known = connection.execute(self.KNOWN, names).fetchall() if others else []
        return answer(rows, fresh, known)

    def _connection(self) -> psycopg.Connection:
        if self._open is None or self._open.closed:
            self._open = psycopg.connect(self._url, autocommit=True)
        return self._open

    def reset(self) -> None:
        """Begin anew with a fresh connection."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def notify(self, channel: str) -> None:
        """Wake the workers of every machine."""
        self._connection().execute(f"NOTIFY {channel}")


def make_engine(url: str) -> "SqliteEngine | PostgresEngine":
    """The engine for a database URL."""
    path = database.sqlite_path(url)
    return SqliteEngine(str(path)) if path else PostgresEngine(url)
