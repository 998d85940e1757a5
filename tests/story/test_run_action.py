"""`medic run-action` as its users run it, against a real worker."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.standins.service import Service
from tests.story.medic import SHORT_RECOVERY, Medic


def config_of(service: Service, folder: Path) -> dict[str, Any]:
    """A component that is well, with actions that do what their names say."""
    ours = {
        "good": {"kind": "run_command", "command": ["touch", str(folder / "done")]},
        "bad": {"kind": "run_command", "command": ["sh", "-c", "echo no such unit; exit 5"]},
        "slow": {"kind": "run_command", "command": ["sleep", "20"]},
    }
    check = {"kind": "http", "url": f"{service.url}/health", "timeout": "5s"}
    restart = {"command": ["sleep", "20"], "safe_to_repeat": False}
    orders = {"name": "orders", "check": check, "every": "1h", "actions": ours, "restart": restart}
    return {"recovery": SHORT_RECOVERY, "components": [orders]}


class Command:
    """`medic run-action` in a process."""

    def __init__(self, medic: Medic, *words: str):
        self._told = medic.folder / "told"
        with self._told.open("wb") as told:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "recovery", "run-action", *words], cwd=medic.folder, env=medic.env,
                stdin=subprocess.DEVNULL, stdout=told, stderr=told,
            )  # fmt: skip

    def told(self) -> str:
        return self._told.read_text()

    def end(self, seconds: float = 30) -> tuple[int, str]:
        """Its exit code and what it said."""
        try:
            return self.process.wait(seconds), self.told()
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"it did not end: {self.told()}") from None


@pytest.fixture(scope="module")
def medic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Medic]:
    folder = tmp_path_factory.mktemp("by-hand")
    with Service() as service, Medic(folder, config_of(service, folder)) as medic:
        yield medic


def worker_of(medic: Medic) -> psutil.Process:
    return next(one for one in medic.family() if one.cmdline()[-1].endswith("worker"))


@pytest.mark.again
def test_a_good_one_is_told_done_and_looked_at(medic: Medic) -> None:
    code, told = Command(medic, "orders", "good", "--yes", "--note", "by a test").end()
    assert code == 0, told
    assert (medic.folder / "done").exists()
    assert told.startswith("orders: would run `touch ") and "is with the worker" in told
    assert "run_command: done: the command ended with exit code 0" in told and "orders is healthy: " in told


def test_a_dry_run_tells_and_does_nothing(medic: Medic) -> None:
    (medic.folder / "done").unlink(missing_ok=True)
    code, told = Command(medic, "orders", "good", "--dry-run").end()
    assert (code, told) == (0, f"orders: would run `touch {medic.folder / 'done'}`, for at most 60 s\n")
    assert not (medic.folder / "done").exists()


def test_without_a_yes_nothing_is_done(medic: Medic) -> None:
    (medic.folder / "done").unlink(missing_ok=True)
    code, told = Command(medic, "orders", "good").end()
    assert code == 1 and "Have the worker do this now?" in told and not (medic.folder / "done").exists()


def test_one_that_fails_says_why_with_exit_code_1(medic: Medic) -> None:
    code, told = Command(medic, "orders", "bad", "--yes").end()
    assert code == 1 and "run_command: failed: the command ended with exit code 5" in told and "no such unit" in told


@pytest.mark.again
def test_only_one_runs_at_a_time_and_ctrl_c_and_a_killed_worker_are_survived(medic: Medic) -> None:
    first = Command(medic, "orders", "restart", "--yes")
    medic.wait("the action", lambda: "Running: run_command" in first.told())
    first.process.send_signal(signal.SIGINT)
    code, told = first.end()
    assert code == 130 and "It goes on without you" in told
    number = int(told.split("/api/v1/orders/")[1].split(".")[0])
    second, said = Command(medic, "orders", "good", "--yes").end()
    assert second == 1 and "Refused: another action on this component is still under way: run_command" in said
    worker_of(medic).send_signal(signal.SIGKILL)
    order = medic.wait("its end", lambda: _ended(medic, number), 30)
    assert order["steps"][0]["state"] == "unknown" and "nobody knows whether it happened" in order["because"]
    assert order["steps"][-1]["name"] == "http" and order["who"].endswith("(command line)")


def _ended(medic: Medic, number: int) -> Any:
    order = medic.api(f"orders/{number}")
    over = [step["state"] for step in order["steps"] if step["state"] not in ("queued", "running")]
    return order if len(over) == len(order["steps"]) else None
