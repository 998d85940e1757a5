"""Slow stand-ins for what actions act on: each holds back its first effect, so that a kill falls into it."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LONGEST = 40.0


class Slow:
    """The first time that it is asked it has heard, and does not answer before it is let go; then never again.

    Fields:
        times: how often the effect was asked for.
    """

    def __init__(self) -> None:
        self.times = 0
        self._gone = threading.Event()
        self._lock = threading.Lock()

    def pass_through(self) -> None:
        """Called where the effect takes place."""
        with self._lock:
            self.times += 1
            is_first = self.times == 1
        if is_first:
            self._gone.wait(LONGEST)

    def let_go(self) -> None:
        """At the end of a test."""
        self._gone.set()


@contextmanager
def slow_http(slow: Slow) -> Iterator[str]:
    """Takes every request, the first one slowly; its address."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            slow.pass_through()
            with suppress(OSError):  # whoever asked was killed
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

        do_GET = do_POST = answer

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    slow.let_go()
    server.shutdown()
    server.server_close()


@contextmanager
def slow_proxy(slow: Slow, port: int, effect: bytes) -> Iterator[int]:
    """Stands before a real server, and holds back its answers from where a client asks for the effect; its port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(("127.0.0.1", port)) as there, suppress(OSError):
                free = threading.Event()
                free.set()
                threading.Thread(target=self.answer, args=(there, free), daemon=True).start()
                while said := self.request.recv(65_536):
                    if effect in said:
                        free.clear()
                        there.sendall(said)
                        slow.pass_through()
                        free.set()
                    else:
                        there.sendall(said)

        def answer(self, there: socket.socket, free: threading.Event) -> None:
            with suppress(OSError):
                while said := there.recv(65_536):
                    free.wait(LONGEST)
                    self.request.sendall(said)

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server.server_address[1]
    slow.let_go()
    server.shutdown()
    server.server_close()
