"""What stands in for Docker in the tests: a small server that answers like its API, and a program like `docker`.

No engine runs where the tests do. The server's answers follow the Docker Engine API, those of the program the words
of Docker 28 and Compose 2.
"""

import json
import os
import socketserver
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit


def inspected(status="running", health="", restarts=0, streak=0, exit_code=0, killed=False):
    """What GET /containers/n8n/json answers, in the shape of Docker 27, without what the check does not read."""
    state = {
        "Status": status,
        "Running": status in ("running", "paused", "restarting"),
        "Paused": status == "paused",
        "Restarting": status == "restarting",
        "OOMKilled": killed,
        "Dead": status == "dead",
        "Pid": 4242 if status == "running" else 0,
        "ExitCode": exit_code,
        "Error": "",
        "StartedAt": "2026-01-01T00:00:00.123456789Z",
        "FinishedAt": "0001-01-01T00:00:00Z",
    }
    if health:
        log = [
            {"Start": "2026-01-01T00:00:00Z", "End": "2026-01-01T00:00:01Z", "ExitCode": 1, "Output": "secret=hunter2"}
        ]
        state["Health"] = {"Status": health, "FailingStreak": streak, "Log": log}
    return {
        "Id": "4f5c" * 16,
        "Created": "2026-01-01T00:00:00Z",
        "State": state,
        "RestartCount": restarts,
        "Name": "/n8n",
    }


class Daemon:
    """Docker's API on a unix socket; `answers` maps a container's name to what is told of it.

    `refusal` is what a restart is answered with instead, `slowness` how long it takes (seconds), and `restarted` what
    was restarted: the name, and the time that it had to stop.
    """

    def __init__(self, path):
        self.path, self.asked, self.status = str(path), [], 200
        self.answers, self.restarted = {"n8n": inspected()}, []
        self.body, self.refusal, self.slowness = None, None, 0.0
        self._server = socketserver.ThreadingUnixStreamServer(self.path, _handler_of(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def inspect(self, name):
        found = self.answers.get(name)
        missing = {"message": f"No such container: {name}"}
        return (self.status if found else 404), json.dumps(found or missing).encode()

    def restart(self, name, stop):
        if self.refusal or name not in self.answers:
            status, message = self.refusal or (404, f"No such container: {name}")
            return status, json.dumps({"message": message}).encode()
        self.restarted.append((name, stop))
        self.answers[name] = inspected()
        time.sleep(self.slowness)
        return 204, b""

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        Path(self.path).unlink(missing_ok=True)


def _handler_of(daemon):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, body = daemon.inspect(self.path.split("/")[2])
            self.answer(status, body if daemon.body is None else daemon.body)

        def do_POST(self):
            asked = urlsplit(self.path)
            _, _, name, what = asked.path.split("/")
            assert what == "restart"
            self.answer(*daemon.restart(name, parse_qs(asked.query).get("t", [None])[0]))

        def answer(self, status, body):
            daemon.asked.append(self.path)
            self.send_response(status)
            if status != 204:
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self):
            return "socket"

        def log_message(self, *words):
            pass

    return Handler


class Program:
    """A program on PATH that keeps its state: `tests/standins/<name>.py`."""

    def __init__(self, name, folder, monkeypatch, **state):
        self.path = folder / f"{name}.json"
        self.path.write_text(json.dumps({"asked": [], "trouble": {}, **state}))
        place = Path(__file__).parents[1] / "standins" / f"{name}.py"
        (folder / name).write_text(f"#!/bin/sh\nSTATE='{self.path}' exec '{sys.executable}' -I -S '{place}' \"$@\"\n")
        (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    @property
    def state(self):
        return json.loads(self.path.read_text())

    def set(self, **state):
        self.path.write_text(json.dumps(self.state | state))

    @property
    def asked(self):
        return [" ".join(words) for words in self.state["asked"]]
