"""`medic agent` and `medic serve` as processes: what one sees the other heals, and what falls silent is missed."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.n8n.real import free_port
from tests.story.medic import SHORT_RECOVERY, TOKENS, Medic

PUSHED = {"kind": "pushed", "silent_after": "10s"}


class AgentProcess:
    """One agent, which looks at a port every second."""

    def __init__(self, folder: Path, name: str, to: str, *components: dict[str, Any]):
        self.folder, self.name, self.to = folder, name, to
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "token").write_text(TOKENS["MEDIC_WEBHOOK_TOKEN"])
        (folder / "agent.yaml").write_text(yaml.safe_dump({"components": list(components)}))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = ["--to", self.to, "--token-file", "token", "--name", self.name, "--file", "agent.yaml"]
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "PYTHONPATH": str(Path(__file__).parents[2])}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "recovery", "agent", *words, "--every", "1s", "--silent-after", "30s"],
                cwd=self.folder, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def end(self, number: int = signal.SIGKILL) -> float:
        """End it; how many seconds that took."""
        begin = time.monotonic()
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(10)
        return time.monotonic() - begin

    def log(self) -> str:
        return (self.folder / "log").read_text()


@pytest.fixture
def medic(tmp_path: Path) -> Iterator[Medic]:
    config = {
        "components": [{"name": "db-server", "check": PUSHED, "severity": "critical"}],
        "recovery": SHORT_RECOVERY,
    }
    with Medic(tmp_path / "medic", config) as found:
        yield found


@pytest.fixture
def port() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def tcp(name: str, port: int) -> dict[str, Any]:
    return {"name": name, "check": {"kind": "tcp", "host": "127.0.0.1", "port": port}}


def health(medic: Medic) -> dict[str, str]:
    return {one["name"]: one["health"] for one in medic.api("components", limit=250)["data"]}


def signals(medic: Medic) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(medic.folder / "data" / "medic.db")) as database:
        rows = "SELECT json_extract(body, '$.component'), json_extract(body, '$.observed_at') FROM signals"
        return list(database.execute(f"{rows} WHERE source = 'probe'"))


@pytest.mark.timeout(150)
def test_an_agent_that_is_killed_is_missed_as_one_incident_and_heals_when_it_is_back(
    tmp_path: Path, medic: Medic, port: int
) -> None:
    agent = AgentProcess(
        tmp_path / "a", "db-server", medic.url, tcp("db-server till", port), tcp("db-server web", port)
    )
    unknown = AgentProcess(tmp_path / "b", "gpu-7", medic.url, tcp("gpu-7 web", port))
    try:
        agent.start()
        unknown.start()
        wanted = {"db-server", "db-server till", "db-server web", "gpu-7", "gpu-7 web"}
        medic.wait(
            "all components", lambda: set(health(medic)) >= wanted and set(health(medic).values()) == {"healthy"}
        )
        time.sleep(4)
        assert medic.incidents() == [], "while it reports, nothing is silent"
        agent.end()
        unknown.end()
        found = medic.wait_for_incident("needs_human", 30, "db-server")
        assert found["failure_type"] == "server_unresponsive" and "nothing was heard of it" in found["cause"]
        found = medic.wait_for_incident("needs_human", 60, "gpu-7")
        assert "limit 30s" in found["cause"]
        assert len(medic.incidents()) == 2, "one of each agent"
        agent.start()
        unknown.start()
        medic.wait_for_incident("resolved", 30, "db-server")
        medic.wait_for_incident("resolved", 30, "gpu-7")
        assert agent.end(signal.SIGTERM) < 1 and unknown.end(signal.SIGINT) < 1
    finally:
        agent.end()
        unknown.end()


@pytest.mark.timeout(150)
def test_what_happens_while_the_server_is_away_is_heard_once_it_is_back(tmp_path: Path, medic: Medic) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    agent = AgentProcess(tmp_path / "a", "db-server", medic.url, tcp("till", listener.getsockname()[1]))
    try:
        agent.start()
        medic.wait("both components", lambda: health(medic).get("till") == "healthy")
        medic.kill9()
        listener.close()
        time.sleep(6)
        medic.start()
        medic.wait_for_incident("needs_human", 30, "till")
        assert [one["component"] for one in medic.incidents()] == ["till"], "nobody was silent: nobody listened"
        heard = signals(medic)
        assert len(heard) == len(set(heard)), "each reading once"
        assert "reports are taken again" in agent.log() and agent.log().count("refuses the connection") == 1
    finally:
        listener.close()
        agent.end()


@pytest.mark.timeout(60)
def test_a_wrong_token_is_said_and_a_right_one_in_its_file_needs_no_restart(
    tmp_path: Path, medic: Medic, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = AgentProcess(tmp_path / "a", "db-server", medic.url, tcp("till", port))
    (agent.folder / "token").write_text("wrong")
    env = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": os.environ["PATH"]}
    once = ["--to", medic.url, "--token-file", "token", "--file", "agent.yaml", "--once"]
    command = [sys.executable, "-m", "recovery", "agent", *once]
    ended = subprocess.run(command, cwd=agent.folder, env=env, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 1 and "it refuses the token: the token is wrong" in ended.stderr
    (agent.folder / "token").write_text(TOKENS["MEDIC_WEBHOOK_TOKEN"])
    ended = subprocess.run(command, cwd=agent.folder, env=env, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 0 and ended.stderr == ""
    medic.wait("the reading", lambda: health(medic).get("till") == "healthy")


@pytest.mark.timeout(60)
def test_sigterm_ends_it_at_once_while_a_server_hangs(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging:  # takes connections, and never answers
        url = f"http://127.0.0.1:{hanging.getsockname()[1]}"
        agent = AgentProcess(tmp_path / "a", "db-server", url, tcp("till", free_port()))
        agent.start()
        hanging.settimeout(20)
        connection, _ = hanging.accept()
        with connection:
            assert connection.recv(100).startswith(b"POST /webhooks/probe")
            assert agent.end(signal.SIGTERM) < 1 and agent.process and agent.process.returncode == 0
