"""`medic serve` for real: web and worker as processes, a terminal that shows the first start, kills and signals."""

import contextlib
import os
import pty
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from recovery.cli.serving import why_not_opened
from recovery.config import Config

SERVE = [sys.executable, "-m", "recovery", "serve"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(found: Callable[[], object], what: str, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(0.05)


class Serving:
    """A running `medic serve` in a folder of its own, on a terminal or not."""

    def __init__(self, folder: Path, on_terminal: bool, **env: str):
        self.port = free_port()
        self.folder = folder
        self._text = bytearray()
        known = {key: value for key, value in os.environ.items() if not key.startswith("MEDIC_")}
        settings = {"MEDIC_BIND": f"127.0.0.1:{self.port}", "PYTHONUNBUFFERED": "1", **env}
        ours, theirs = pty.openpty() if on_terminal else os.pipe()
        self.process = subprocess.Popen(
            SERVE, cwd=folder, env=known | settings, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        threading.Thread(target=self._read, args=(ours,), daemon=True).start()

    def _read(self, source: int) -> None:
        try:
            while piece := os.read(source, 65_536):
                self._text += piece
        except OSError:  # how a terminal says that nobody writes to it any more
            pass

    def said(self) -> str:
        return self._text.decode().replace("\r\n", "\n")

    def answers(self, path: str = "/healthz") -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.HTTPError):
            return False

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, word: str) -> psutil.Process:
        found = [one for one in psutil.Process(self.process.pid).children() if word in " ".join(one.cmdline())]
        assert len(found) == 1
        return found[0]

    def pid_of(self, name: str) -> int:
        found = re.findall(rf"{name} started(?: again)? \(process (\d+)\)", self.said())
        return int(found[-1]) if found else 0


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Serving]]:
    made: list[Serving] = []

    def begin(on_terminal: bool = False, **env: str) -> Serving:
        made.append(Serving(tmp_path, on_terminal, **env))
        return made[-1]

    yield begin
    for serving in made:
        if serving.process.poll() is None:
            serving.process.terminate()
            serving.process.wait(timeout=30)


def all_gone(family: list[psutil.Process]) -> bool:
    return not [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def test_the_first_start_on_a_terminal_says_all_that_a_person_needs_and_later_ones_do_not(
    start: Callable[..., Serving], tmp_path: Path
) -> None:
    first = start(on_terminal=True)
    wait_for(first.answers, "the first start")
    said = first.said()
    secret = {one: (tmp_path / "data" / one).read_text().strip() for one in ("admin_password", "webhook_token")}
    assert re.search(rf"Page +http://127\.0\.0\.1:{first.port}/\n", said)
    assert re.search(rf"User +admin\n +Password +{re.escape(secret['admin_password'])}\n", said)
    assert f"http://127.0.0.1:{first.port}/webhooks/n8n-error\n" in said
    assert re.search(rf"Webhook token +{re.escape(secret['webhook_token'])}\n", said)
    assert "What to do next" in said
    first.process.send_signal(signal.SIGINT)
    assert first.process.wait(timeout=30) == 0
    second = start(on_terminal=True)
    wait_for(lambda: second.pid_of("worker"), "the second start")
    assert not [value for value in secret.values() if value in second.said()]
    assert f"http://127.0.0.1:{second.port}/" in second.said()


def test_without_a_terminal_the_files_are_named_and_no_secret_is_printed(
    start: Callable[..., Serving], tmp_path: Path
) -> None:
    serving = start(MEDIC_ADMIN_PASSWORD="chosen-by-me")
    wait_for(lambda: serving.pid_of("worker"), "the start")
    said, folder = serving.said(), tmp_path / "data"
    assert f"in the file {folder / 'webhook_token'}" in said
    assert "(as you configured it)" in said
    assert not (folder / "admin_password").exists()
    for name in ("webhook_token", "api_token", "session_key"):
        assert (folder / name).read_text().strip() not in said
    assert "chosen-by-me" not in said
    assert '"logger": "medic.serve"' in said


@pytest.mark.again
def test_killed_processes_come_back_and_nobody_is_refused_meanwhile(start: Callable[..., Serving]) -> None:
    serving = start()
    wait_for(lambda: serving.answers("/readyz"), "web and worker")
    worker, web = serving.child("recovery worker"), serving.child("gunicorn")
    old = web.children()
    worker.kill()
    web.kill()
    with socket.create_connection(("127.0.0.1", serving.port), timeout=5):
        pass
    wait_for(lambda: serving.pid_of("worker") not in (0, worker.pid), "another worker")
    wait_for(lambda: serving.pid_of("web") not in (0, web.pid), "another web")
    wait_for(lambda: serving.answers("/readyz"), "all as before")
    assert all_gone([worker, web, *old])
    assert "worker was killed by SIGKILL; starting it again in 1 s" in serving.said()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_ends_everything_with_exit_code_0(start: Callable[..., Serving], number: signal.Signals) -> None:
    serving = start()
    wait_for(serving.answers, "the start")
    wait_for(lambda: len(serving.family()) == 4, "the worker, gunicorn and its two")
    family = serving.family()
    serving.process.send_signal(number)
    assert serving.process.wait(timeout=30) == 0
    assert all_gone(family)
    assert "everything stopped" in serving.said()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", serving.port), timeout=5)


@pytest.mark.again
def test_everything_dies_with_a_serve_that_is_killed(start: Callable[..., Serving]) -> None:
    serving = start()
    wait_for(serving.answers, "the start")
    family = serving.family()
    serving.process.kill()
    serving.process.wait()
    wait_for(lambda: all_gone(family), "the end of all", 15)


def run_serve(folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    known = {key: value for key, value in os.environ.items() if not key.startswith("MEDIC_")}
    return subprocess.run(SERVE, cwd=folder, env=known | env, capture_output=True, text=True, timeout=60)


def test_a_taken_port_is_said_before_anything_is_made(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        ended = run_serve(tmp_path, MEDIC_BIND=f"127.0.0.1:{port}")
    assert ended.returncode == 1
    assert f"Port {port} is taken" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "data").exists()


def test_a_wrong_configuration_is_said_and_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "medic.yaml").write_text("componets: []")
    ended = run_serve(tmp_path)
    assert ended.returncode == 2
    assert 'did you mean "components"?' in ended.stderr
    assert not (tmp_path / "data").exists()


def test_a_database_that_cannot_be_opened_is_said_without_its_password(tmp_path: Path) -> None:
    url = f"postgresql://medic:hunter2@127.0.0.1:{free_port()}/medic?connect_timeout=2"
    ended = run_serve(tmp_path, MEDIC_BIND=f"127.0.0.1:{free_port()}", MEDIC_DATABASE_URL=url)
    assert ended.returncode == 1
    assert "The database cannot be opened" in ended.stderr
    assert "hunter2" not in ended.stderr + ended.stdout
    assert "Traceback" not in ended.stderr


def test_a_database_that_is_none_or_belongs_to_another_is_named_with_its_file(tmp_path: Path) -> None:
    file = tmp_path / "data" / "medic.db"
    config = Config(data_dir=file.parent, database_url=f"sqlite:///{file}")
    said = why_not_opened(sqlite3.DatabaseError("file is not a database"), config)
    assert said == f"The database cannot be opened: {file}: file is not a database"
    said = why_not_opened(PermissionError(13, "Permission denied", f"{file}.lock"), config)
    assert said.startswith(f"The database cannot be opened: {file}.lock: Permission denied.")
    assert "the user who runs n8n-medic" in said and "Errno" not in said


@pytest.mark.again
def test_the_web_tells_the_worker_that_it_hears_before_anybody_calls(start: Callable[..., Serving]) -> None:
    serving = start(on_terminal=False)
    file = serving.folder / "data" / "medic.db"

    def parts() -> set[str]:
        try:
            with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as found:
                return {part for (part,) in found.execute("SELECT part FROM workers")}
        except sqlite3.OperationalError:  # it is not made yet
            return set()

    wait_for(lambda: parts() == {"web", "worker"}, "heartbeats of both")
