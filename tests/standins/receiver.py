"""A real HTTP receiver for Slack, webhooks and Twilio: it records what comes, and answers as it is told."""

import json
import socket
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs


@dataclass(frozen=True)
class Posted:
    """One request: header names in lower case, body as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        """The body, read as a form; the last value of each name."""
        return {name: values[-1] for name, values in parse_qs(self.body.decode()).items()}


@dataclass(frozen=True)
class Reply:
    """How a request is answered. `fault` "hang" never answers, "reset" breaks the connection off."""

    status: int = 200
    body: str = "ok"
    headers: dict[str, str] = field(default_factory=dict)
    fault: str = ""


HANG = Reply(fault="hang")
RESET = Reply(fault="reset")


def twilio_took(sid: str = "SM" + "0" * 32) -> Reply:
    """How Twilio answers a message that it takes."""
    return Reply(201, json.dumps({"sid": sid, "status": "queued"}), {"Content-Type": "application/json"})


def twilio_refused(status: int, code: int, message: str, **headers: str) -> Reply:
    """How Twilio answers a message that it refuses; `Retry_After="7"` becomes that header."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, json.dumps({"code": code, "message": message, "status": status}), named)


class Receiver:
    """An HTTP server on a free port of 127.0.0.1, from `start` to `stop`, or as a context manager.

    Fields:
        usual: the answer where nothing else was asked for; may be set at any time.
        requests: what came, in order.
    """

    def __init__(self, usual: Reply = Reply(), port: int = 0):  # noqa: B008
        self.usual = usual
        self.requests: list[Posted] = []
        self._next: list[Reply] = []
        self._came = threading.Condition()
        self._ending = threading.Event()
        self._port = port
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self._port}"

    def then(self, *replies: Reply) -> None:
        """Answer the next requests so, one each; then as usual again."""
        with self._came:
            self._next.extend(replies)

    def wait_for(self, count: int, seconds: float = 10.0) -> list[Posted]:
        """What came, as soon as it is `count` requests or more. Raises AssertionError where it takes too long."""
        with self._came:
            if not self._came.wait_for(lambda: len(self.requests) >= count, seconds):
                raise AssertionError(f"{len(self.requests)} of {count} requests came in {seconds} s")
            return list(self.requests)

    def take(self, posted: Posted) -> Reply:
        """Record a request; how to answer it."""
        with self._came:
            self.requests.append(posted)
            self._came.notify_all()
            return self._next.pop(0) if self._next else self.usual

    def start(self) -> Self:
        """Begin to listen."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), _handler(self, self._ending))
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self) -> None:
        """End, and let go of what hangs."""
        self._ending.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()


def _handler(receiver: Receiver, ending: threading.Event) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else each body waits 40 ms for its headers to be acknowledged

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = receiver.take(Posted(self.command, self.path, headers, body))
            if reply.fault:
                self._fail(reply.fault)
                return
            self.send_response(reply.status)
            for name, value in {**reply.headers, "Content-Length": str(len(reply.body.encode()))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body.encode())

        do_POST = do_GET = do_PUT = _answer

        def _fail(self, fault: str) -> None:
            if fault == "hang":
                ending.wait()
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

        def finish(self) -> None:
            try:
                super().finish()
            except (OSError, ValueError):  # the client went away, or was reset on purpose
                pass

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
