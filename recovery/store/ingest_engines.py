"""How each engine writes a batch of signals in one commit, each at most once by its keys."""

import logging
import sqlite3
from collections.abc import Sequence
from typing import Any

import psycopg

from recovery.store import database

Row = Sequence[Any]
Answer = tuple[int, bool, int | None]
MOST_DEADLOCKS = 5
log = logging.getLogger("medic.store")
COLUMNS = "key, delivery, kind, source, site, body, received_at"


class SqliteEngine:
    """Row by row within one transaction: a row costs microseconds, the commit is shared."""

    INSERT = f"INSERT INTO signals ({COLUMNS}) VALUES (?,?,?,?,?,?,?) ON CONFLICT DO NOTHING RETURNING id"  # noqa: S608
    KNOWN = "SELECT id, incident_id FROM signals WHERE key = ? OR (delivery IS NOT NULL AND delivery = ?)"

    def __init__(self, path: str):
        self._path = path
        self._open: sqlite3.Connection | None = None

    def write(self, rows: Sequence[Row]) -> list[Answer]:
        """Insert all, or nothing."""
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            answers = [self._write_one(connection, row) for row in rows]
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        return answers

    def _write_one(self, connection: sqlite3.Connection, row: Row) -> Answer:
        inserted = connection.execute(self.INSERT, row).fetchone()
        if inserted:
            return inserted[0], False, None
        known = connection.execute(self.KNOWN, (row[0], row[1])).fetchone()
        return known[0], True, known[1]

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
            known = self._find_known(connection, [row for row in rows if row[0] not in fresh])
        answers: list[Answer] = []
        for row in rows:
            if row[0] in fresh:
                answers.append((fresh.pop(row[0]), False, None))
                known.setdefault(row[0], (answers[-1][0], None))
            else:
                row_id, incident_id = known.get(row[0]) or known[f"delivery {row[1]}"]
                answers.append((row_id, True, incident_id))
        return answers

    def _find_known(self, connection: psycopg.Connection, rows: Sequence[Row]) -> dict[str, tuple[int, int | None]]:
        if not rows:
            return {}
        keys, deliveries = [row[0] for row in rows], [row[1] for row in rows if row[1]]
        known: dict[str, tuple[int, int | None]] = {}
        for key, delivery, row_id, incident_id in connection.execute(self.KNOWN, (keys, deliveries)):
            known[key] = (row_id, incident_id)
            known[f"delivery {delivery}"] = (row_id, incident_id)
        return known

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
