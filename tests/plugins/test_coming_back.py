"""Real servers that fail in every way and come back at the same address; `recovery.checks.http` and `.tcp`."""

import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trustme

from recovery.checks import REGISTRY
from recovery.model import FailureType, Reading
from recovery.outside.databases import Databases
from recovery.outside.http import Http
from tests.plugins.plugins import BACKGROUND, run_plugin
from tests.plugins.servers import answer, drip, free_port, raw_server, reset, silent
from tests.plugins.test_http_door import OK, _context, _expired_certificate

PATIENT = "5s"  # where it is not about time, a busy machine is no failure
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
WAYS: dict[str, tuple[Callable[[socket.socket], None], FailureType]] = {
    "hangs": (silent, FailureType.API_TIMEOUT),
    "drips": (drip(b"HTTP/1.1 200 OK\r\nX: ", 0.02), FailureType.API_TIMEOUT),
    "resets": (reset, FailureType.SERVER_UNRESPONSIVE),
    "closes": (answer(b""), FailureType.SERVER_UNRESPONSIVE),
    "breaks off": (answer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\no"), FailureType.SERVER_UNRESPONSIVE),
    "speaks otherwise": (answer(b"SSH-2.0-OpenSSH_9.2\r\n"), FailureType.SERVER_UNRESPONSIVE),
    "is overloaded": (
        answer(b"HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n"),
        FailureType.API_ERROR,
    ),
}


def look(kind: str, ca_file: str = "", memory: Any = None, **args: Any) -> Reading:
    plugin = REGISTRY.find(kind)
    http = Http(ca_file, background=BACKGROUND) if ca_file else Http(background=BACKGROUND)
    doors = SimpleNamespace(http=http, database=Databases())
    reading: Reading = run_plugin(plugin, plugin.args.model_validate({"timeout": "300ms", **args}), doors, memory)
    return reading


@pytest.mark.parametrize("way", WAYS)
def test_an_endpoint_that_fails_in_any_way_is_well_when_it_is_back(way: str) -> None:
    talk, failure = WAYS[way]
    patience = "300ms" if failure is FailureType.API_TIMEOUT else PATIENT
    with raw_server(answer(OK)) as port:
        url = f"http://127.0.0.1:{port}/"
        assert look("http", url=url, timeout=PATIENT).healthy
    assert look("http", url=url, timeout=PATIENT).failure_type == FailureType.SERVER_UNRESPONSIVE
    with raw_server(talk, port=port):
        for _ in range(2):
            reading = look("http", url=url, timeout=patience)
            assert (reading.healthy, reading.failure_type) == (False, failure), reading.because
    with raw_server(answer(OK), port=port):
        assert look("http", url=url, timeout=PATIENT).because == "answered 200"


def test_an_endpoint_whose_certificate_has_ended_is_well_with_a_new_one(tmp_path: Path) -> None:
    authority, expired = trustme.CA(), _expired_certificate(tmp_path)
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(authority.cert_pem.bytes() + expired.read_bytes())
    renewed = _context(authority.issue_cert("127.0.0.1"))
    with raw_server(answer(EMPTY), renewed) as port:
        url = f"https://127.0.0.1:{port}/"
        assert look("http", str(trusted), url=url, timeout="2s").healthy
    with raw_server(answer(EMPTY), _context(expired), port):
        for kind in ("http", "certificate"):
            reading = look(kind, str(trusted), url=url, timeout="2s")
            assert not reading.healthy and "expired" in reading.because
            assert reading.failure_type == FailureType.SERVER_UNRESPONSIVE
    with raw_server(answer(EMPTY), renewed, port):
        for kind in ("http", "certificate"):
            assert look(kind, str(trusted), url=url, timeout="2s").healthy


@contextmanager
def full(port: int) -> Iterator[int]:
    """A server at the port that takes no more connections."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        yield port
        for filler in fillers:
            filler.close()


@contextmanager
def nobody(port: int) -> Iterator[int]:
    """Nothing listens at the port."""
    yield port


@pytest.mark.parametrize(
    ("away", "failure"), [(nobody, FailureType.SERVER_UNRESPONSIVE), (full, FailureType.API_TIMEOUT)]
)
def test_a_server_that_takes_no_connections_is_well_when_it_does(
    away: Callable[[int], AbstractContextManager[int]], failure: FailureType
) -> None:
    port = free_port()
    for _ in range(2):
        with raw_server(silent, port=port):
            reading = look("tcp", host="127.0.0.1", port=port)
            assert (reading.healthy, reading.failure_type) == (True, None), reading.because
        with away(port):
            reading = look("tcp", host="127.0.0.1", port=port)
            assert (reading.healthy, reading.failure_type) == (False, failure), reading.because
    with raw_server(silent, port=port):
        assert look("tcp", host="127.0.0.1", port=port).healthy


def test_connections_that_fail_now_and_then_are_a_high_error_rate_until_they_no_longer_do() -> None:
    port, memory, seen = free_port(), {}, []
    args = {"host": "127.0.0.1", "port": port, "error_rate": {"at_least": 10, "at_most": "20%"}}
    for sign in ".......x.x.x." + "." * 18:
        with raw_server(silent, port=port) if sign == "." else nobody(port):
            reading = look("tcp", memory=memory, **args)
        memory = reading.memory
        seen.append(reading)
    assert [one.failure_type for one in seen[:8]] == [None] * 7 + [FailureType.SERVER_UNRESPONSIVE]
    assert seen[12].failure_type == FailureType.HIGH_ERROR_RATE and "3 of 13" in seen[12].because
    assert not seen[28].healthy and "3 of 29" in seen[28].because and seen[30].healthy


def test_a_database_that_fails_now_and_then_is_a_high_error_rate(tmp_path: Path) -> None:
    there, away = tmp_path / "orders.db", tmp_path / "away.db"
    sqlite3.connect(there).execute("CREATE TABLE orders (id)")
    args = {"engine": "sqlite", "path": str(there), "error_rate": {"at_least": 10}, "timeout": "5s"}
    memory: Any = {}
    for sign in ".......x.x.x.":
        if sign == "x":
            there.rename(away)
        reading = look("database", memory=memory, **args)
        assert sign == "." or reading.failure_type == FailureType.DATABASE_CONNECTION
        if sign == "x":
            away.rename(there)
        memory = reading.memory
    assert reading.failure_type == FailureType.HIGH_ERROR_RATE and "3 of 13" in reading.because
    assert look("database", **{**args, "error_rate": None}).memory is None


def test_each_check_that_waits_for_the_network_takes_an_error_rate() -> None:
    takes = {one.name for one in REGISTRY.all() if "error_rate" in one.args.model_fields}
    assert takes == {"http", "tcp", "dns", "host", "database"}
    assert all(REGISTRY.find(name).remembers and REGISTRY.find(name).waits for name in takes)
