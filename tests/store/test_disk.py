"""What is committed is on disk, outside of these tests too, where nothing waits for it."""

from pathlib import Path

import pytest

from recovery.store import database
from recovery.store.ingest_engines import SqliteEngine
from tests.conftest import PLAIN_PRAGMAS

FULL = 2


def test_each_way_to_write_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "SQLITE_PRAGMAS", PLAIN_PRAGMAS)
    database.open_database(f"sqlite:///{tmp_path}/medic.db")
    ways = database.proxy.obj.connection(), SqliteEngine(str(tmp_path / "medic.db"))._connection()
    modes = [way.execute("PRAGMA synchronous").fetchone()[0] for way in ways]
    database.close_database()
    assert modes == [FULL, FULL]
