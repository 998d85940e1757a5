"""The stand-in's HTTP side: the public API, the webhooks and the health addresses."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.standins.n8n_api import Api
from tests.standins.n8n_runs import first_data
from tests.standins.service import Answer, send_answer


class Server(ThreadingHTTPServer):
    """Serves one life of the stand-in; `cut` ends its open connections too."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int, api: Api):
        self.api = api
        self.gone = threading.Event()
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not self.gone.is_set():
            super().handle_error(request, client_address)

    def cut(self) -> None:
        """Stop listening and cut what is open."""
        self.gone.set()
        self.shutdown()
        self.server_close()
        for one in list(self._open):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer's body waits 40 ms for the headers to be acknowledged
    timeout = 30

    def handle_any(self) -> None:
        body = self._body()
        parts = urlsplit(self.path)
        planned = next((one for one in self.server.api.misbehaviour if one[0] in parts.path), None)
        if planned:
            self.server.api.misbehaviour.remove(planned)
            send_answer(self, planned[1], self.server.gone)
            return
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if parts.path.startswith("/healthz"):
            self._send(200, {"status": "ok"})
        elif parts.path == "/metrics":
            send_answer(self, self._metrics(), self.server.gone)
        elif parts.path.startswith("/webhook/"):
            self._webhook(unquote(parts.path.removeprefix("/webhook/")), query, body)
        else:
            self._api(parts.path, query, body)

    def _body(self) -> Any:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            return json.loads(raw) if raw else None
        except ValueError:
            return None

    def _api(self, path: str, query: dict[str, str], body: Any) -> None:
        api = self.server.api
        status, answer = api.answer(self.command, path, query, self.headers.get("X-N8N-API-KEY", ""), body)
        if api.slow_seconds:
            self.server.gone.wait(api.slow_seconds)
        self._send(status, answer)

    def _metrics(self) -> Answer:
        numbers = self.server.api.numbers
        if numbers is None:
            return Answer(404, raw=b"Cannot GET /metrics")
        lines = ['n8n_version_info{version="v2.40.7",major="2",minor="40",patch="7"} 1']
        lines += [f"n8n_{name} {value:g}" for name, value in numbers.items()]
        headers = {"Content-Type": "text/plain; charset=utf-8; version=0.0.4"}
        return Answer(raw="\n".join([*lines, ""]).encode(), headers=headers)

    def _webhook(self, path: str, query: dict[str, str], body: Any) -> None:
        engine = self.server.api.engine
        found = engine.webhook(path)
        if self.command == "OPTIONS":
            names = f"OPTIONS, {found[1]['parameters']['httpMethod']}" if found else "OPTIONS"
            self._send(204, None, {"Access-Control-Allow-Methods": names})
            return
        if not found or found[1]["parameters"].get("httpMethod", "GET") != self.command:
            message = f'The requested webhook "{self.command} {path}" is not registered.'
            self._send(404, {"code": 404, "message": message})
            return
        workflow, node = found
        headers = {name.lower(): value for name, value in self.headers.items()}
        item = {"json": {"headers": headers, "params": {}, "query": query, "body": body or {}}}
        run = engine.begin(workflow, "webhook", first_data(node, [item]))
        engine.start(run)
        if node["parameters"].get("responseMode") != "lastNode":
            self._send(200, {"message": "Workflow was started"})
            return
        run.ended.wait()
        good = run.status == "success"
        answer = run.last_items[0]["json"] if good and run.last_items else {"message": "Error in workflow"}
        self._send(200 if good else 500, answer)

    def _send(self, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
        send_answer(self, Answer(status, answer, headers=headers or {}), self.server.gone)

    do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = handle_any

    def log_message(self, format: str, *args: Any) -> None:
        pass
