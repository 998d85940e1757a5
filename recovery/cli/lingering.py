"""gunicorn's threaded worker, made fair and quick for who keeps a connection: n8n and monitors in a storm."""

import select
import socket
import struct
import threading
import time
from contextlib import suppress
from multiprocessing.sharedctypes import RawArray
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

LINGER_MS = 5
STALLED_SECONDS = 10.0
YIELD_SECONDS = 0.002
PLACES = 64
FREE = -1
_held = RawArray("i", [FREE] * PLACES)  # made before the fork: how many connections each worker holds


def leave(worker: Any) -> None:
    """Forget a worker that has ended; for gunicorn's `child_exit`."""
    _held[worker.age % PLACES] = FREE


class LingeringWorker(ThreadWorker):
    """A worker whose threads wait a moment for the next request of the connection that they just answered.

    The way back through the main thread costs as much as all else that a signal needs. A thread lingers only while no
    request waits for one, so nobody waits for longer than `LINGER_MS`. And whoever holds more connections than another
    worker lets that one go first: else one of them, with its one lock on Python, could get all of a storm.
    """

    alive: bool

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._queued = 0
        self._counting = threading.Lock()

    def run(self) -> None:
        """Begin, holding nothing, once it can answer."""
        _held[self.age % PLACES] = 0
        super().run()

    def is_parent_alive(self) -> bool:
        """Whether gunicorn's own process lives. Where not, this one ends, whoever still sends."""
        self.alive = bool(self.alive and super().is_parent_alive())
        return self.alive

    def accept(self, listener: Any) -> None:
        """Take a new connection, unless another worker that holds fewer takes it first."""
        place = self.age % PLACES
        _held[place] = self.nr_conns
        if any(FREE < other < self.nr_conns for other in _held):
            select.select([], [], [], YIELD_SECONDS)
        super().accept(listener)
        _held[place] = self.nr_conns

    def enqueue_req(self, conn: Any) -> None:
        """Have a thread of the pool take the connection's next request."""
        if not conn.initialized:
            _end_when_stalled(conn)
        with self._counting:
            self._queued += 1
        super().enqueue_req(conn)

    def handle(self, conn: Any) -> Any:
        """Answer one request, and those that follow it at once. Runs in a thread of the pool."""
        with self._counting:
            self._queued -= 1
        while True:
            began = time.monotonic()
            kept = super().handle(conn)
            if kept is False and time.monotonic() - began >= STALLED_SECONDS:
                _let_go(conn)
            if kept is not True or not self._goes_on(conn):
                return kept

    def _goes_on(self, conn: Any) -> bool:
        if self._queued > 0 or not self.alive:
            return False
        waiting = select.poll()
        waiting.register(conn.sock, select.POLLIN)
        return bool(waiting.poll(LINGER_MS))


def _end_when_stalled(conn: Any) -> None:
    """Whoever begins a request and is gone would hold a thread for ever, and as many of them as there are threads would
    stop everything. The kernel minds it, whatever gunicorn makes of the socket later."""
    pause = struct.pack("ll", int(STALLED_SECONDS), int(STALLED_SECONDS % 1 * 1_000_000))
    with suppress(OSError):
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, pause)
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, pause)


def _let_go(conn: Any) -> None:
    """Have gunicorn close it at once: its main thread would wait for a last word of the peer, and for nobody else."""
    with suppress(OSError):
        conn.sock.shutdown(socket.SHUT_RDWR)
