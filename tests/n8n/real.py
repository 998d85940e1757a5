"""A real n8n for the tests: in a temporary folder, on free loopback ports, in a process group of its own."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import requests

from tests.n8n import install

HANDLER_NAME = "Tell the companion"
PASSWORD = "Correct-Horse-1"


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: str, look: Callable[[], Any], seconds: float = 30.0, every: float = 0.1) -> Any:
    """Look until the answer is truthy, and give it.

    Raises:
        AssertionError: it did not come in time.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(every)
    raise AssertionError(f"{what} did not come within {seconds} s")


class RealN8n:
    """One n8n. `url` and `api_key` are what a client needs; `folder` survives `kill9` and `start`."""

    def __init__(self, **environment: str) -> None:
        install.install()
        self.folder = Path(tempfile.mkdtemp(prefix="n8n-medic-real-"))
        self.port, self._broker = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.api_key = ""
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._session = requests.Session()
        self._session.trust_env = False
        self.start()
        self._set_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- its life

    def start(self) -> None:
        """Start, or start again, on the same folder and port; back when n8n is ready."""
        with (self.folder / "n8n.log").open("ab") as log:
            node = install.node_home() / "bin/node"
            self._process = subprocess.Popen(
                [str(node), str(install.SCRIPT), "start"],
                env=self._settings(),
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_for("n8n's readiness", self.is_ready, 120, 0.25)

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
        self.kill9()
        shutil.rmtree(self.folder, ignore_errors=True)

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

    def new_key(self, scopes: list[str]) -> str:
        """A new API key with these scopes."""
        body = {"label": f"key {secrets.token_hex(4)}", "expiresAt": None, "scopes": scopes}
        answer = self._rest("POST", "api-keys", body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["data"]["rawApiKey"])

    # -- its public API

    def api(self, method: str, path: str, body: Any = None, **query: Any) -> requests.Response:
        """One call of the public API."""
        headers = {"X-N8N-API-KEY": self.api_key}
        return self._session.request(
            method, f"{self.url}/api/v1/{path}", json=body, params=query, headers=headers, timeout=60
        )

    def _ok(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        answer = self.api(method, path, body, **query)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    def create_workflow(self, workflow: dict[str, Any]) -> str:
        """Create; its id."""
        keys = ("name", "nodes", "connections", "settings")
        return str(self._ok("POST", "workflows", {key: workflow[key] for key in keys})["id"])

    def activate(self, workflow_id: str, webhook: str = "") -> None:
        """Publish, and wait until its webhook (a path) really answers: n8n says 200 before that."""
        self._ok("POST", f"workflows/{workflow_id}/activate")
        if webhook:
            wait_for(f"webhook {webhook}", lambda: self.webhook_answers(webhook))

    def webhook_answers(self, path: str) -> bool:
        """Whether a POST webhook is registered, asked without running it."""
        headers = {"Origin": "http://example.com"}
        answer = self._session.options(f"{self.url}/webhook/{path}", headers=headers, timeout=5)
        return "POST" in answer.headers.get("Access-Control-Allow-Methods", "")

    def create_credential(self, name: str, kind: str, data: dict[str, Any]) -> str:
        """Create a credential; its id."""
        return str(self._ok("POST", "credentials", {"name": name, "type": kind, "data": data})["id"])

    def tag(self, workflow_id: str, name: str) -> None:
        """Give a workflow a tag beside those it has, making the tag where there is none."""
        known = {one["name"]: one["id"] for one in self._ok("GET", "tags", limit=250)["data"]}
        tag_id = known.get(name) or self._ok("POST", "tags", {"name": name})["id"]
        has = [{"id": one["id"]} for one in self._ok("GET", f"workflows/{workflow_id}/tags")]
        self._ok("PUT", f"workflows/{workflow_id}/tags", [*has, {"id": tag_id}])

    def call(self, path: str, body: Any = None, timeout: float = 30.0) -> requests.Response:
        """Call a production webhook with POST."""
        return self._session.post(f"{self.url}/webhook/{path}", json=body, timeout=timeout)

    def executions(self, workflow_id: str = "", status: str = "", with_data: bool = False) -> list[dict[str, Any]]:
        """Executions, newest first; running ones only with that status."""
        query = {"workflowId": workflow_id, "status": status, "limit": 250, "includeData": str(with_data).lower()}
        return list(self._ok("GET", "executions", **{key: value for key, value in query.items() if value})["data"])

    def execution(self, execution_id: str) -> dict[str, Any]:
        """One execution with its data."""
        return dict(self._ok("GET", f"executions/{execution_id}", includeData="true"))

    def ended(self, workflow_id: str, count: int = 1, seconds: float = 30.0) -> list[dict[str, Any]]:
        """The executions of a workflow once `count` of them have ended, newest first."""

        def look() -> list[dict[str, Any]]:
            found = [one for one in self.executions(workflow_id) if one["stoppedAt"]]
            return found if len(found) >= count else []

        return list(wait_for(f"{count} ended executions of {workflow_id}", look, seconds))

    def retry(self, execution_id: str) -> requests.Response:
        """Retry; answers when the retry has ended."""
        return self.api("POST", f"executions/{execution_id}/retry", {})

    def errors_to(self, url: str, token: str = "") -> str:
        """Publish an error workflow that posts its Error Trigger item to `url`; its id."""
        from tests.n8n import workflows

        handler = self.create_workflow(workflows.error_handler(url, token))
        self.activate(handler)
        return handler
