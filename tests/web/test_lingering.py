"""gunicorn with our worker: what follows on a connection is answered at once, and nobody who is new has to wait."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from recovery.cli import lingering
from tests.n8n.real import free_port

APP = """
import os, threading, time
def app(environ, start_response):
    time.sleep(float(environ["QUERY_STRING"] or 0))
    environ["wsgi.input"].read()
    body = ('{"pid": %d, "thread": "%s"}' % (os.getpid(), threading.current_thread().name)).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
"""
SETTINGS = """
from recovery.cli import lingering
from recovery.cli.gunicorn_settings import *
lingering.LINGER_MS, lingering.STALLED_SECONDS = {linger_ms}, {stalled_seconds}
workers, threads, keepalive, graceful_timeout = {workers}, {threads}, 30, 1
"""


class Server:
    """A real gunicorn with our settings, whose answers tell which process and thread gave them."""

    def __init__(self, folder: Path, workers: int, threads: int, **more: float):
        (folder / "told.py").write_text(APP)
        waits = {"linger_ms": lingering.LINGER_MS, "stalled_seconds": lingering.STALLED_SECONDS, **more}
        (folder / "settings.py").write_text(SETTINGS.format(workers=workers, threads=threads, **waits))
        self.port = free_port()
        command = ["-m", "gunicorn", "-c", "settings.py", "--bind", f"127.0.0.1:{self.port}", "told:app"]
        path = os.pathsep.join([str(Path(lingering.__file__).parent.parent.parent), str(folder)])
        self.process = subprocess.Popen(
            [sys.executable, *command], cwd=folder, env={**os.environ, "PYTHONPATH": path}, start_new_session=True
        )
        until = time.monotonic() + 20
        while True:
            try:
                Client(self.port).close()
                return
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(20)


class Client:
    """One connection that is kept."""

    def __init__(self, port: int):
        self._line = socket.create_connection(("127.0.0.1", port), timeout=10)

    def ask(self, seconds: float = 0) -> dict[str, object]:
        self.send(seconds)
        return self.hear()

    def send(self, seconds: float = 0) -> None:
        self._line.sendall(f"GET /?{seconds} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    def hear(self) -> dict[str, object]:
        answer = b""
        while not answer.endswith(b"}"):
            piece = self._line.recv(4096)
            assert piece, answer
            answer += piece
        told: dict[str, object] = json.loads(answer.partition(b"\r\n\r\n")[2])
        return told

    def close(self) -> None:
        self._line.close()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[object]:
    servers: list[Server] = []

    def start(workers: int, threads: int, **more: float) -> Server:
        servers.append(Server(tmp_path, workers, threads, **more))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def test_a_thread_goes_on_with_the_connection_that_it_answered(serve):
    client = Client(serve(1, 4, linger_ms=2_000).port)  # longer than a busy machine makes a client wait
    threads = Counter(client.ask()["thread"] for _ in range(50))
    assert threads.most_common(1)[0][1] > 40  # through the pool, each of them would take its turn


def test_connections_that_only_stay_open_keep_nobody_waiting(serve):
    server = serve(1, 2)
    idle = [Client(server.port) for _ in range(8)]
    for client in idle:
        client.ask()
    began = time.monotonic()
    for _ in range(5):
        for client in [*idle, Client(server.port)]:
            client.ask()
    assert time.monotonic() - began < 5


def test_more_who_ask_without_pause_than_threads_are_all_answered(serve):
    server = serve(1, 2)
    busy = [Client(server.port) for _ in range(6)]
    for _ in range(20):
        for client in busy:
            client.send(0.001)
        assert [client.hear()["pid"] for client in busy]


@pytest.mark.parametrize(
    "begun", [b"GET / HTTP/1.1\r\nHo", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1"]
)
def test_who_is_gone_in_the_midst_of_a_request_keeps_no_thread(serve, begun):
    server = serve(1, 2, stalled_seconds=0.3)
    with contextlib.ExitStack() as gone:
        for _ in range(6):
            line = gone.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            line.sendall(begun)
        assert Client(server.port).ask()["pid"], "or it waits for ever"


def test_two_workers_share_the_connections_that_come_at_once(serve):
    server = serve(2, 16)
    while len({client.ask()["pid"] for client in (Client(server.port), Client(server.port))}) < 2:
        time.sleep(0.05)  # the second worker is still starting
    # A busy machine may let one of them wait for its turn: not each time.
    assert any(min(shares_of(server.port, 24)) >= 6 for _ in range(5))


def shares_of(port: int, count: int) -> list[int]:
    """How many of so many connections each of two workers takes."""
    clients = [Client(port) for _ in range(count)]
    for client in clients:
        client.send(0.05)
    shares = Counter(client.hear()["pid"] for client in clients)
    for client in clients:
        client.close()
    return [*shares.values(), 0][:2]


def test_a_worker_lets_one_that_holds_fewer_connections_go_first(monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr(lingering.select, "select", lambda *lists: waits.append(lists[3]))
    monkeypatch.setattr(lingering.ThreadWorker, "accept", lambda worker, listener: None)
    monkeypatch.setattr(lingering, "_held", [lingering.FREE] * lingering.PLACES)
    few, many = (SimpleNamespace(age=age, nr_conns=held) for age, held in ((1, 2), (2, 3)))
    lingering.LingeringWorker.accept.__get__(_as_worker(few))(None)
    assert not waits
    lingering.LingeringWorker.accept.__get__(_as_worker(many))(None)
    assert waits == [lingering.YIELD_SECONDS]
    lingering.leave(few)
    lingering.LingeringWorker.accept.__get__(_as_worker(many))(None)
    assert len(waits) == 1  # who has ended is waited for no more


def _as_worker(facts: SimpleNamespace) -> lingering.LingeringWorker:
    worker = object.__new__(lingering.LingeringWorker)
    worker.__dict__.update(vars(facts))
    return worker


@pytest.mark.again
def test_a_worker_whose_master_was_killed_ends_though_a_client_goes_on(serve):
    server = serve(1, 4)
    client = Client(server.port)
    worker = int(client.ask()["pid"])
    server.process.kill()
    until = time.monotonic() + 6
    with contextlib.suppress(AssertionError, OSError):
        while time.monotonic() < until:
            client.ask()
    while time.monotonic() < until + 5 and Path(f"/proc/{worker}").exists():
        time.sleep(0.1)
    assert time.monotonic() < until, "it went on answering"
    assert not Path(f"/proc/{worker}").exists()
