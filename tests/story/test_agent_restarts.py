"""A restart through `medic agent`: real processes, which are killed in the middle, and others that would meddle."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
import yaml

from tests.story.medic import TOKENS, Medic

AGENT_TOKEN, OTHER_TOKEN = "agent-token-for-tests-1", "agent-token-for-tests-2"  # noqa: S105
RUN = """import sqlite3, sys, time
with open("runs", "a") as runs: runs.write("x")
time.sleep(float(sys.argv[1]))
print("restarted it; password=hunter2")
int(sys.argv[2]) or sqlite3.connect("up").execute("CREATE TABLE IF NOT EXISTS one (x)")
sys.exit(int(sys.argv[2]))
"""


class Scene:
    """A component that is down until its restart, which only the agent's machine can do, makes it come up."""

    def __init__(self, folder: Path):
        self.folder = folder / "there"
        self.folder.mkdir()
        (self.folder / "run.py").write_text(RUN)
        (self.folder / "webhook").write_text(TOKENS["MEDIC_WEBHOOK_TOKEN"])
        (self.folder / "token").write_text(AGENT_TOKEN)
        sqlite3.connect(self.folder / "up").execute("CREATE TABLE one (x)")
        self.allow()
        self.process: subprocess.Popen[bytes] | None = None

    def allow(self, seconds: float = 0, code: int = 0, name: str = "orders", timeout: str = "30s") -> None:
        words = [sys.executable, str(self.folder / "run.py"), str(seconds), str(code)]
        shell = ["/bin/sh", "-c", f'cd {self.folder} && exec "$@"', "sh", *words]
        path = self.folder / "restarts.yaml"
        path.write_text(yaml.safe_dump({"restarts": {name: {"command": shell, "timeout": timeout}}}))
        path.chmod(0o600)

    def start(self, url: str) -> None:
        look = {"name": "web1 page", "check": {"kind": "http", "url": f"{url}/healthz"}}
        (self.folder / "agent.yaml").write_text(yaml.safe_dump({"components": [look]}))
        words = ["--to", url, "--token-file", "webhook", "--name", "web1", "--file", "agent.yaml", "--every", "2s"]
        words += ["--restarts", "restarts.yaml", "--agent-token-file", "token"]
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "PYTHONPATH": str(Path(__file__).parents[2])}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "recovery", "agent", *words],
                cwd=self.folder, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def fail(self, medic: Medic) -> None:
        """The component goes down, once the agent has asked for work."""

        def asked() -> bool:
            with closing(sqlite3.connect(medic.folder / "data" / "medic.db")) as database:
                return bool(database.execute("SELECT count(*) FROM agents").fetchone()[0])

        medic.wait("the agent", asked)
        (self.folder / "up").unlink(missing_ok=True)

    def end(self, number: int = signal.SIGKILL) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(20)

    @property
    def runs(self) -> int:
        path = self.folder / "runs"
        return len(path.read_text()) if path.exists() else 0

    def log(self) -> str:
        return (self.folder / "log").read_text()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    found = Scene(tmp_path)
    yield found
    found.end()
    if (found.folder / "log").exists():
        print(found.log()[-3000:])


def config(scene: Scene, timeout: str = "20s", **more: Any) -> dict[str, Any]:
    """One attempt at a component that is well once the file is there."""
    look = {"kind": "database", "engine": "sqlite", "path": str(scene.folder / "up"), "query": "SELECT 1"}
    return {
        "agents": [{"name": "web1", "token": AGENT_TOKEN}, {"name": "web2", "token": OTHER_TOKEN}],
        "components": [
            {
                "name": "orders", "check": look, "every": "1s", "failure_threshold": 1, "boot_grace": "3s",
                "actions": {"restart": {"kind": "restart_by_agent", "agent": "web1", "what": "orders",
                                        "timeout": timeout}},
            }
        ],
        "recovery": {"stages": [{"after": "0s", "attempts": 1}], "settle": "1s"},
        **more,
    }  # fmt: skip


def ask(medic: Medic, token: str, path: str = "requests", **body: Any) -> requests.Response:
    bearer = {"Authorization": f"Bearer {token}"}
    body = body or {"mark": "0" * 32, "offers": ["orders"]}
    return requests.post(f"{medic.url}/agent/{path}", json=body, headers=bearer, timeout=10)


def step_of(found: dict[str, Any]) -> dict[str, Any]:
    return next(one for one in found["steps"] if one["name"] == "restart_by_agent")


def running(medic: Medic) -> bool:
    found = medic.incidents()
    steps = medic.incident(found[0]["id"])["steps"] if found else []
    return any(one["name"] == "restart_by_agent" and one["state"] == "running" for one in steps)


@pytest.mark.timeout(90)
def test_a_restart_that_fails_is_told_with_its_code_and_one_that_hangs_is_ended(tmp_path: Path, scene: Scene) -> None:
    scene.allow(code=3)
    with Medic(tmp_path / "medic", config(scene)) as medic:
        scene.start(medic.url)
        scene.fail(medic)
        step = step_of(medic.wait_for_incident("needs_human", 40, "orders"))
        assert step["state"] == "failed" and "ended with exit code 3; it said:\nrestarted it" in step["error"]
        scene.end()
        (scene.folder / "up").unlink(missing_ok=True)
        scene.allow(seconds=60, timeout="1s")
        scene.start(medic.url)
        number = medic.incidents()[0]["id"]
        assert medic.order(number, "retry_now").ok

        def ended() -> Any:
            steps = [one for one in medic.incident(number)["steps"] if one["name"] == "restart_by_agent"]
            return steps[-1] if steps and steps[-1]["state"] == "failed" and "too long" in steps[-1]["error"] else None

        assert medic.wait("the restart to be ended", ended, 40) and scene.runs == 2


@pytest.mark.timeout(60)
def test_an_agent_that_is_silent_is_said_at_once_and_a_dry_run_asks_nobody(tmp_path: Path, scene: Scene) -> None:
    (scene.folder / "up").unlink(missing_ok=True)
    with Medic(tmp_path / "medic", config(scene)) as medic:
        found = medic.wait_for_incident("needs_human", 20, "orders")
        assert "the agent web1 has never asked for work" in step_of(found)["error"]
        scene.start(medic.url)
        time.sleep(4)
        assert scene.runs == 0, "what was given up is not carried out when the agent comes"
    scene.end()
    with Medic(tmp_path / "dry", config(scene), MEDIC_DRY_RUN="true") as medic:
        scene.start(medic.url)
        found = medic.wait_for_incident("needs_human", 20, "orders")
        told = "dry run: would ask the agent web1 to restart 'orders'"
        assert told in step_of(found)["result"] and scene.runs == 0


@pytest.mark.timeout(90)
def test_an_agent_killed_in_the_middle_never_begins_it_again(tmp_path: Path, scene: Scene) -> None:
    scene.allow(seconds=30)
    with Medic(tmp_path / "medic", config(scene, "60s")) as medic:
        scene.start(medic.url)
        scene.fail(medic)
        medic.wait("the restart", lambda: scene.runs, 30)
        begun = [one for one in psutil.process_iter() if str(scene.folder / "run.py") in " ".join(_words(one))]
        scene.end()
        scene.start(medic.url)
        found = medic.wait_for_incident("needs_human", 20, "orders")
        assert step_of(found)["state"] == "unknown"
        assert "web1 does not know whether it restarted orders" in step_of(found)["error"]
        assert not [one for one in begun if _lives(one)], "what it had begun is over"
        time.sleep(4)
        assert scene.runs == 1


def _lives(process: psutil.Process) -> bool:
    """Whether it runs: who was its parent may not have been told yet that it has ended."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.mark.timeout(90)
def test_a_restart_outlives_everything_of_ours_and_its_agent_and_is_verified(tmp_path: Path, scene: Scene) -> None:
    scene.allow(seconds=3)
    with Medic(tmp_path / "medic", config(scene, "60s")) as medic:
        scene.start(medic.url)
        scene.fail(medic)
        medic.wait("the restart", lambda: scene.runs, 30)
        medic.kill9()
        scene.end(signal.SIGTERM)  # which waits for the restart
        assert scene.process and scene.process.returncode == 0 and (scene.folder / "up").exists()
        (scene.folder / "up").rename(scene.folder / "kept")  # else it is healthy before the answer comes
        medic.start()
        medic.wait("the request to be kept", lambda: running(medic), 10)
        (scene.folder / "kept").rename(scene.folder / "up")
        scene.start(medic.url)
        found = medic.wait_for_incident("resolved", 40, "orders")
        step = step_of(found)
        assert step["state"] == "succeeded" and "the agent web1 restarted orders" in step["result"]
        assert "restarted it" in step["result"] and "hunter2" not in str(found)
        assert scene.runs == 1


@pytest.mark.timeout(90)
def test_an_agent_that_takes_it_and_never_answers_is_lost_and_its_late_word_changes_nothing(
    tmp_path: Path, scene: Scene
) -> None:
    with Medic(tmp_path / "medic", config(scene, "8s")) as medic:
        assert ask(medic, AGENT_TOKEN).json() == {"request": None}
        scene.fail(medic)
        medic.wait("the request", lambda: running(medic), 20, 0.2)
        taken = ask(medic, AGENT_TOKEN).json()["request"]
        assert taken["what"] == "orders" and 0 < taken["seconds"] <= 8
        assert ask(medic, AGENT_TOKEN).json()["request"]["id"] == taken["id"], "asked again, it is the same"
        assert ask(medic, AGENT_TOKEN, mark="1" * 32, offers=[]).json() == {"request": None}, "taken once"
        path = f"requests/{taken['id']}/answer"
        good = {"mark": "0" * 32, "how": "ended", "code": 0}
        for token in (TOKENS["MEDIC_WEBHOOK_TOKEN"], TOKENS["MEDIC_API_TOKEN"], "wrong"):
            assert ask(medic, token).status_code == 401 and ask(medic, token, path, **good).status_code == 401
        assert ask(medic, OTHER_TOKEN).json() == {"request": None}, "another agent is not asked"
        assert ask(medic, OTHER_TOKEN, path, **good).status_code == 404, "nor may it answer"
        assert ask(medic, AGENT_TOKEN, path, **(good | {"mark": "1" * 32})).status_code == 409
        assert ask(medic, AGENT_TOKEN, path, **(good | {"output": "x" * 70_000})).status_code == 400
        assert ask(medic, AGENT_TOKEN, path, **(good | {"output": "x" * 2_000_000})).status_code == 413
        assert ask(medic, AGENT_TOKEN, "requests/99999999999999999999/answer", **good).status_code == 404
        found = medic.wait_for_incident("needs_human", 20, "orders")
        assert step_of(found)["state"] == "unknown" and "has not told since" in step_of(found)["error"]
        assert ask(medic, AGENT_TOKEN, path, **good).status_code == 202
        told = lambda: [one for one in medic.incident(found["id"])["events"] if "too late" in one["because"]]  # noqa: E731
        assert medic.wait("the late word", told, 10)
        assert step_of(medic.incident(found["id"]))["state"] == "unknown"


@pytest.mark.timeout(60)
def test_a_cancelled_recovery_takes_back_what_nobody_has_taken(tmp_path: Path, scene: Scene) -> None:
    with Medic(tmp_path / "medic", config(scene, "50s")) as medic:
        ask(medic, AGENT_TOKEN)
        scene.fail(medic)
        medic.wait("the request", lambda: running(medic), 20, 0.2)
        number = medic.incidents()[0]["id"]
        assert medic.order(number, "cancel").ok
        medic.wait("the cancel", lambda: medic.incident(number)["state"] == "needs_human", 10)
        assert step_of(medic.incident(number))["state"] == "skipped"
        assert ask(medic, AGENT_TOKEN).json() == {"request": None}
