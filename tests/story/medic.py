"""The whole product as its users run it: `medic serve`, a real gunicorn and worker, in a folder of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import psutil
import requests
import yaml

from tests.n8n.real import free_port

TOKENS = {
    "MEDIC_WEBHOOK_TOKEN": "webhook-token-for-tests",
    "MEDIC_API_TOKEN": "api-token-for-tests",
    "MEDIC_ADMIN_PASSWORD": "password-for-tests",
}
SHORT = {"stages": [{"after": "0s", "attempts": 1}, {"after": "1s", "attempts": 2}, {"after": "2s", "attempts": 3}]}
SHORT_RECOVERY = SHORT | {"settle": "1s"}


class Medic:
    """One n8n-medic in processes; `config` is its YAML. Use it as a context manager."""

    def __init__(self, folder: Path, config: dict[str, Any], database_url: str = "", **env: str):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.configure(config)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(Path(__file__).parents[2]),  # the code beside these tests, wherever it is installed from
            "MEDIC_BIND": f"127.0.0.1:{self.port}",
            "MEDIC_DATA_DIR": str(folder / "data"),
            "MEDIC_CONFIG": str(folder / "medic.yaml"),
            **TOKENS,
            **({"MEDIC_DATABASE_URL": database_url} if database_url else {}),
            **env,
        }
        self.session = requests.Session()
        self.session.trust_env = False
        self.process: subprocess.Popen[bytes] | None = None

    def configure(self, config: dict[str, Any]) -> None:
        """Write its configuration, which its processes read when they start."""
        self.config = config
        (self.folder / "medic.yaml").write_text(yaml.safe_dump(config, allow_unicode=True))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        if exc[0]:
            print(self.log()[-6000:])

    def start(self, wait: bool = True) -> None:
        """Start `medic serve` in its own process group, and wait until it is ready."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "recovery", "serve"],
                cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        if wait:
            self.wait("readyz", lambda: self.is_ready(), 60)

    def stop(self) -> None:
        """SIGTERM, and wait until it is gone; SIGKILL to what stays."""
        if self.process is None:
            return
        family = self.family()
        self.session.close()  # else the web waits for its next request, as long as it keeps idle connections open
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            print("serve did not end at SIGTERM")
        for one in family:
            try:
                one.kill()
            except psutil.NoSuchProcess:
                pass
        self.process.wait(5)
        self.process = None

    def kill9(self) -> None:
        """SIGKILL to every process at once."""
        for one in self.family():
            try:
                one.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                pass
        if self.process:
            self.process.wait(10)
        self.process = None

    def family(self) -> list[psutil.Process]:
        """serve and everything under it."""
        if self.process is None:
            return []
        try:
            parent = psutil.Process(self.process.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def is_ready(self) -> bool:
        try:
            return self.session.get(f"{self.url}/readyz", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def signal(self, path: str, payload: Any, **headers: str) -> requests.Response:
        """Send to /webhooks/<path> with the right token."""
        token = {"X-Medic-Token": TOKENS["MEDIC_WEBHOOK_TOKEN"]}
        return self.session.post(f"{self.url}/webhooks/{path}", json=payload, headers=token | headers, timeout=30)

    def api(self, path: str, **query: Any) -> Any:
        """GET /api/v1/<path>."""
        bearer = {"Authorization": f"Bearer {TOKENS['MEDIC_API_TOKEN']}"}
        answer = self.session.get(f"{self.url}/api/v1/{path}", params=query, headers=bearer, timeout=30)
        assert answer.ok, f"{path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    def order(self, incident_id: int, what: str, **more: Any) -> requests.Response:
        """POST an order."""
        bearer = {"Authorization": f"Bearer {TOKENS['MEDIC_API_TOKEN']}"}
        url = f"{self.url}/api/v1/incidents/{incident_id}/orders"
        return self.session.post(url, json={"what": what, **more}, headers=bearer, timeout=30)

    def incidents(self, **query: Any) -> list[dict[str, Any]]:
        return self.api("incidents", **query)["data"]

    def incident(self, incident_id: int) -> dict[str, Any]:
        return self.api(f"incidents/{incident_id}")

    def executions(self, **query: Any) -> list[dict[str, Any]]:
        return self.api("executions", limit=250, **query)["data"]

    def wait(self, what: str, look: Callable[[], Any], seconds: float = 30, every: float = 0.1) -> Any:
        """Look until the answer is truthy."""
        until = time.monotonic() + seconds
        found = None
        while time.monotonic() < until:
            found = look()
            if found:
                return found
            time.sleep(every)
        print(self.log()[-4000:])
        raise AssertionError(f"{what} did not come within {seconds} s")

    def wait_for_n8n(self, seconds: float = 30) -> None:
        """Until each configured n8n was met: what fails from then on is healed."""

        def met() -> bool:
            sites = self.session.get(f"{self.url}/readyz").json()["n8n"]
            return bool(sites) and all(one["state"] == "ok" for one in sites)

        self.wait("first contact", met, seconds)

    def wait_for_incident(self, state: str, seconds: float = 30, component: str = "") -> dict[str, Any]:
        """The newest incident (of a component) once it is in that state, with everything that belongs to it."""

        def look() -> Any:
            found = [one for one in self.incidents() if component in ("", one["component"])]
            return found[0] if found and found[0]["state"] == state else None

        try:
            found = self.wait(f"an incident that is {state}", look, seconds)
        except AssertionError:
            for one in self.incidents():
                whole = self.incident(one["id"])
                print(one["component"], one["state"], one["because"], whole["recovery"])
                print("\n".join(f"{e['at']} {e['subject']} {e['after']}: {e['because']}" for e in whole["events"][:60]))
            raise
        return self.incident(found["id"])
