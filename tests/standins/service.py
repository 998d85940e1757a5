"""A small counted HTTP service: what the workflows of the tests call. Its routes do what they are told."""

import json
import socket
import struct
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Answer:
    """How a route answers.

    Fields:
        status: the HTTP status; 0 sends a reset instead of an answer.
        body: sent as JSON.
        hang_seconds: waits this long first (a stop ends the wait).
        headers: sent with it.
        raw: sent as it is, instead of `body`.
    """

    status: int = 200
    body: Any = None
    hang_seconds: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None


RESET = Answer(status=0)


@dataclass(frozen=True)
class Call:
    """One call that came: `id` is the `id` of its query or JSON body, "" where it has none."""

    method: str
    path: str
    id: str
    headers: dict[str, str]
    body: Any
    answered: int
    query: dict[str, str] = field(default_factory=dict)


def hang(seconds: float, status: int = 200) -> Answer:
    """Answer only after `seconds`."""
    return Answer(status=status, hang_seconds=seconds)


class Service:
    """A thread server on a free loopback port; unknown routes answer 200. Use it as a context manager."""

    def __init__(self, port: int = 0):
        self._lock = threading.Lock()
        self._plans: dict[tuple[str, str], list[Answer]] = {}
        self._calls: list[Call] = []
        self._server: _Server | None = None
        self.port = port
        self.start()

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen; after a stop, on the same port again."""
        self._server = _Server(("127.0.0.1", self.port), self)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Stop listening (callers are refused), and let go of everything that hangs."""
        server, self._server = self._server, None
        if server:
            server.gone.set()
            server.shutdown()
            server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def behave(self, path: str, *answers: Answer | int, id: str = "") -> None:
        """Answer calls of `path` so, one after the other; the last one stays. With `id`, only calls of that id."""
        plan = [one if isinstance(one, Answer) else Answer(status=one) for one in answers]
        with self._lock:
            self._plans[(path, id)] = plan

    def calls(self, path: str = "", id: str = "") -> list[Call]:
        """The calls that came, in the order they were answered; of a route, of an id, or all."""
        with self._lock:
            return [call for call in self._calls if path in ("", call.path) and id in ("", call.id)]

    def counts(self, path: str = "") -> Counter[str]:
        """How many calls came for each id."""
        return Counter(call.id for call in self.calls(path))

    def bodies(self, path: str) -> list[Any]:
        """The JSON bodies that came to a route, oldest first."""
        return [call.body for call in self.calls(path)]

    def forget(self) -> None:
        """Forget the calls and what the routes were told."""
        with self._lock:
            self._calls.clear()
            self._plans.clear()

    def take(self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: Any) -> Answer:
        """Count a call and say how to answer it."""
        id = str(query.get("id") or (body.get("id", "") if isinstance(body, dict) else ""))
        with self._lock:
            plan = self._plans.get((path, id)) or self._plans.get((path, "")) or [Answer()]
            answer = plan.pop(0) if len(plan) > 1 else plan[0]
            self._calls.append(Call(method, path, id, headers, body, answer.status, query))
            return answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], service: Service):
        self.service = service
        self.gone = threading.Event()
        super().__init__(address, _Handler)


def send_answer(handler: BaseHTTPRequestHandler, answer: Answer, gone: threading.Event) -> None:
    """Answer a request as told; a server that is gone ends the wait of one that hangs."""
    if answer.hang_seconds:
        gone.wait(answer.hang_seconds)
    if answer.status == 0:
        # A linger of zero makes the kernel send a reset where a close would send an end.
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.close_connection = True
        handler.connection.close()
        return
    content = json.dumps({"status": answer.status} if answer.body is None else answer.body).encode()
    content = content if answer.raw is None else answer.raw
    try:
        handler.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            handler.send_header(name, value)
        if answer.status != 204:
            handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        if answer.status != 204 and handler.command != "HEAD":
            handler.wfile.write(content)
    except OSError:  # the caller did not wait
        handler.close_connection = True


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        parts = urlsplit(self.path)
        body = _parsed(raw)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.service.take(self.command, parts.path, query, headers, body)
        send_answer(self, answer, self.server.gone)

    def finish(self) -> None:
        try:
            super().finish()
        except (OSError, ValueError):  # reset on purpose
            pass

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = answer

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return raw.decode("utf-8", "replace")
