"""A real n8n for the tests: in a temporary folder, on free loopback ports, in a process group of its own."""

import os
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import requests

from tests.n8n import install
from tests.standins.n8n_client import N8nClient, wait_for

PASSWORD = "Correct-Horse-1"


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RealN8n(N8nClient):
    """One n8n. `url` and `api_key` are what a client needs; `folder` survives `kill9` and `start`.

    Its environment is the test's own, such as `EXECUTIONS_MODE="queue"`; `start_worker` is for that mode.
    """

    def __init__(self, **environment: str) -> None:
        super().__init__()
        install.install()
        self.publishes_all = not install.N8N_VERSION.startswith("1.")
        self.folder = Path(tempfile.mkdtemp(prefix="n8n-medic-real-"))
        self.port, self._broker = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.api_key = ""
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._workers: list[subprocess.Popen[bytes]] = []
        try:
            self.start()
            self._set_up()
        except BaseException:
            self.close()  # nobody else can: whoever made it never got it
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- its life

    def start(self) -> None:
        """Start, or start again, on the same folder and port; back when n8n is ready."""
        self._process = self._begin("start", self._settings())
        wait_for("n8n's readiness", self.is_ready, 240, 0.25)  # 20 s on an idle machine

    def _begin(self, what: str, settings: dict[str, str]) -> subprocess.Popen[bytes]:
        command = [str(install.node_home() / "bin/node"), str(install.SCRIPT), what]
        with (self.folder / "n8n.log").open("ab") as log:
            return subprocess.Popen(
                command, env=settings, cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )

    def start_worker(self, name: str = "") -> None:
        """Start a worker on the same queue; it takes work some seconds later.

        Args:
            name: of its folder, as one that was killed left it; "" for a folder of its own where n8n has PostgreSQL.
        """
        own = {name: str(free_port()) for name in ("N8N_PORT", "N8N_RUNNERS_BROKER_PORT", "QUEUE_HEALTH_CHECK_PORT")}
        if "DB_TYPE" in self._environment:
            own["N8N_USER_FOLDER"] = str(self.folder / (name or f"worker-{secrets.token_hex(4)}"))
            Path(own["N8N_USER_FOLDER"]).mkdir(exist_ok=True)
        self._workers.append(self._begin("worker", self._settings() | own))

    def kill_workers(self) -> None:
        """End the workers at once, with what they were doing."""
        while self._workers:
            worker = self._workers.pop()
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait(10)

    def _settings(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("N8N_")}
        off = ("DIAGNOSTICS_ENABLED", "VERSION_NOTIFICATIONS_ENABLED", "TEMPLATES_ENABLED", "PERSONALIZATION_ENABLED")
        return {
            **kept,
            **{f"N8N_{name}": "false" for name in (*off, "SECURE_COOKIE")},
            "PATH": install.environment()["PATH"],
            "N8N_USER_FOLDER": str(self.folder),
            "N8N_PORT": str(self.port),
            "N8N_RUNNERS_BROKER_PORT": str(self._broker),
            "N8N_LISTEN_ADDRESS": "127.0.0.1",
            "N8N_METRICS": "true",
            "N8N_LOG_LEVEL": "warn",
            "N8N_ENCRYPTION_KEY": "only-for-tests",
            "NODE_OPTIONS": "--max-old-space-size=1024",
            **self._environment,
        }

    def is_ready(self) -> bool:
        """Whether `/healthz/readiness` says so.

        Raises:
            AssertionError: the process has ended; the end of its log is shown.
        """
        if self._process is None or self._process.poll() is not None:
            raise AssertionError(f"n8n ended by itself:\n{self.log()[-3000:]}")
        try:
            return self._session.get(f"{self.url}/healthz/readiness", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def log(self) -> str:
        """Everything it wrote so far."""
        return (self.folder / "n8n.log").read_text(errors="replace")

    def kill9(self) -> None:
        """End the whole group at once, as an out-of-memory kill would."""
        self._end(signal.SIGKILL, 10)

    def stop(self) -> None:
        """Ask it to stop; end it where it does not."""
        try:
            self._end(signal.SIGTERM, 15)
        except subprocess.TimeoutExpired:
            self.kill9()

    def _end(self, how: signal.Signals, seconds: float) -> None:
        process = self._process
        if process is None:
            return
        try:
            os.killpg(process.pid, how)
        except ProcessLookupError:
            pass
        process.wait(seconds)
        self._process = None

    def close(self) -> None:
        """Stop, and remove its folder."""
        self.kill_workers()
        self.kill9()
        shutil.rmtree(self.folder, ignore_errors=True)

    def forget_beginning(self, execution_id: str) -> None:
        """Leave a run, of an n8n that was killed, as one that it had written down and not begun yet."""
        for journal in (self.folder / ".n8n").glob("n8nEventLog*"):
            journal.unlink()
        with closing(sqlite3.connect(self.folder / ".n8n/database.sqlite", timeout=20)) as database, database:
            as_new = "UPDATE execution_entity SET status = 'new', startedAt = NULL WHERE id = ?"
            assert database.execute(as_new, (execution_id,)).rowcount, f"there is no execution {execution_id}"

    def lose_triggers(self, workflow_id: str) -> None:
        """Take a published workflow's webhooks away under n8n, which then says that they are not registered."""
        with closing(sqlite3.connect(self.folder / ".n8n/database.sqlite", timeout=20)) as database, database:
            gone = database.execute("DELETE FROM webhook_entity WHERE workflowId = ?", (workflow_id,)).rowcount
        assert gone, f"workflow {workflow_id} has no webhook"

    # -- its people and keys

    def _set_up(self) -> None:
        owner = {"email": "owner@example.com", "firstName": "O", "lastName": "W", "password": PASSWORD}
        wait_for("the owner's set-up", lambda: self._rest("POST", "owner/setup", owner).status_code == 200)
        self.api_key = self.new_key(self.all_scopes())

    def _rest(self, method: str, path: str, body: Any = None) -> requests.Response:
        return self._session.request(method, f"{self.url}/rest/{path}", json=body, timeout=20)

    def all_scopes(self) -> list[str]:
        """Every scope that a key may have here."""
        return list(self._rest("GET", "api-keys/scopes").json()["data"])

    def new_key(self, scopes: list[str], ends_at: int | None = None) -> str:
        """A new API key with these scopes; `ends_at` in seconds since 1970."""
        body = {"label": f"key {secrets.token_hex(4)}", "expiresAt": ends_at, "scopes": scopes}
        answer = self._rest("POST", "api-keys", body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["data"]["rawApiKey"])
