"""`medic replay` as people type it, with a whole n8n-medic that carries it out, on a stand-in and on a real n8n."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.n8n.real import RealN8n
from tests.standins.n8n import StandInN8n
from tests.standins.n8n_client import wait_for
from tests.standins.service import Service, hang
from tests.story.medic import Medic
from tests.story.test_n8n_stories import Stage

pytestmark = pytest.mark.timeout(240)
REPLAYED = int(os.environ.get("REPLAYED", "200"))  # on a real n8n
REPLAY = {"rate": "100/s", "per_workflow": 4, "per_component": 4}


class Outage(Stage):
    """An n8n whose executions failed before an n8n-medic is started."""

    def fail(self, count: int, method: str = "POST") -> tuple[str, list[str]]:
        """So many executions of a new workflow; its name, and the ids that they placed in vain."""
        self.service.behave("/order", 503)
        workflow_id, path = self.workflow(self.call_service(method))
        ids = [f"o{number}" for number in range(count)]
        with ThreadPoolExecutor(2) as callers:
            list(callers.map(lambda one: self.n8n.call(path, {"id": one}, 120), ids))
        self._await_failures(workflow_id, count)
        self.service.behave("/order", 200)
        return path, ids

    def _await_failures(self, workflow_id: str, count: int) -> None:
        wait_for("every call", lambda: len(self.service.calls("/order")) >= count, 300)
        wait_for("every end", lambda: not self.n8n.executions(workflow_id, "running"), 60)

    def placed(self) -> Counter[str]:
        """How often each was placed."""
        return Counter(call.id for call in self.service.calls("/order") if call.answered == 200)


def begin(medic: Medic, *words: str) -> subprocess.Popen[str]:
    """The command, beside the n8n-medic that runs."""
    command = [sys.executable, "-m", "recovery", "replay", *words]
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=medic.folder, env=medic.env, text=True, **pipes)


def run(medic: Medic, *words: str, seconds: float = 60) -> tuple[int, str, str]:
    """Its exit code, its output and what it said beside."""
    process = begin(medic, *words)
    try:
        told, beside = process.communicate(timeout=seconds)
    finally:
        process.kill()
    return process.returncode, told, beside


def contact(medic: Medic) -> None:
    medic.wait_for_n8n()


def kill_worker(medic: Medic) -> int:
    """kill -9, as an out-of-memory kill would; what it was."""
    [worker] = [one for one in medic.family() if one.cmdline()[-2:] == ["recovery", "worker"]]
    worker.send_signal(signal.SIGKILL)
    psutil.wait_procs([worker], 5)
    return int(worker.pid)


@pytest.fixture
def outage(n8n: Any, service: Service, tmp_path: Path) -> Outage:
    return Outage(n8n, service, tmp_path)


@pytest.fixture
def small(service: Service, tmp_path: Path) -> Any:
    with StandInN8n() as n8n:
        yield Outage(n8n, service, tmp_path)


@pytest.mark.timeout(900)  # minutes on an idle machine; a real n8n that shares it with others takes longer
def test_hundreds_are_run_again_once_each_across_restarts_of_n8n_and_of_the_worker(outage: Outage) -> None:
    count = REPLAYED if isinstance(outage.n8n, RealN8n) else 40
    name, ids = outage.fail(count)
    with outage.medic(replay=REPLAY, poll_every="5s") as medic:
        contact(medic)
        following = begin(medic, "--workflow", name, "--since", "1h", "--yes", "--json")
        reached: Callable[[float], bool] = lambda part: len(outage.placed()) >= part * count  # noqa: E731
        medic.wait("an eighth", lambda: reached(1 / 8), 400, 0.02)
        killed = kill_worker(medic)
        medic.wait("a quarter", lambda: reached(1 / 4), 400, 0.02)
        outage.n8n.stop()
        assert count / 4 <= len(outage.placed()) < count, "n8n and our worker were ended in its middle"
        time.sleep(1)  # so that n8n is found to be away
        outage.n8n.start()
        told, beside = following.communicate(timeout=600)
        found = json.loads(told)
        assert following.returncode == 0, (found, beside)
        assert found["state"] == "done" and found["progress"]["recovered"] == found["progress"]["total"] == count
        assert outage.placed() == Counter(ids), "each was placed exactly once"
        assert medic.incidents() == [] and found["left"] == []
        lived = [one.pid for one in medic.family() if one.cmdline()[-2:] == ["recovery", "worker"]]
        assert len(lived) == 1 and lived != [killed], "another worker has ended it"
        again, told, _ = run(medic, "--workflow", name, "--since", "1h", "--yes", "--json")
        assert again == 0 and json.loads(told)["counts"]["succeeded"] == count
        assert outage.placed() == Counter(ids)


def test_a_retry_that_n8n_had_only_written_down_when_it_was_killed_is_not_made_again(outage: Outage) -> None:
    """n8n begins it when it starts again, and the execution that was retried does not tell of it."""
    name, ids = outage.fail(1)
    outage.service.behave("/order", hang(30, 503))
    root = outage.n8n.executions(status="error")[0]
    ours: Callable[[str], Any] = lambda status: [  # noqa: E731
        one for one in outage.n8n.executions(status=status) if one["retryOf"] == root["id"]
    ]
    with ThreadPoolExecutor(1) as by_hand:
        asked = by_hand.submit(outage.n8n.retry, root["id"])
        [begun] = wait_for("its beginning", lambda: ours("running"), 30)
        outage.n8n.kill9()
        asked.exception(60)
    outage.n8n.forget_beginning(begun["id"])
    outage.service.behave("/order", 200)
    outage.n8n.start()
    wait_for("its end", lambda: ours("success"), 60)
    assert outage.n8n.execution(root["id"])["retrySuccessId"] is None
    with outage.medic(replay=REPLAY) as medic:
        contact(medic)
        code, told, beside = run(medic, "--workflow", name, "--since", "1h", "--yes", "--json")
        assert code == 0 and json.loads(told)["counts"]["succeeded"] == 1, (told, beside)
    assert outage.placed() == Counter(ids)


def test_a_dry_run_shows_a_table_and_runs_nothing(small: Outage) -> None:
    name, _ = small.fail(3)
    with small.medic(replay=REPLAY) as medic:
        contact(medic)
        code, told, _ = run(medic, "--all", "--since", "1h", "--dry-run")
        assert code == 0 and name in told and "run again" in told and "3 would be run again" in told
        assert len(small.service.calls("/order")) == 3
        code, _, beside = run(medic, "--workflow", "nobody's", "--since", "1h", "--dry-run", "--json")
        assert code == 1
        code, _, beside = run(medic, "--all", "--since", "1h")
        assert code == 2 and "nobody can be asked here: add --yes" in beside


def test_interrupted_it_goes_on_and_says_how_to_follow_and_to_stop_it(small: Outage) -> None:
    _, ids = small.fail(6)
    with small.medic(replay={**REPLAY, "rate": "1/s"}) as medic:
        contact(medic)
        following = begin(medic, "--all", "--since", "1h", "--yes")
        medic.wait("the first", lambda: small.placed(), 30)
        following.send_signal(signal.SIGINT)
        _, beside = following.communicate(timeout=20)
        assert following.returncode == 130
        assert "Replay 1 goes on in the worker." in beside and "replay --follow 1" in beside
        assert "replay --cancel 1" in beside
        code, told, _ = run(medic, "--follow", "1")
        assert code == 0 and "Replay 1 is done: 6 recovered" in told
        assert small.placed() == Counter(ids)
        code, _, beside = run(medic, "--cancel", "1")
        assert code == 1 and "over already" in beside
        code, _, beside = run(medic, "--follow", "99")
        assert code == 1 and "there is no replay 99" in beside


def test_cancelled_it_tells_what_was_not_run_again(small: Outage) -> None:
    small.fail(6)
    with small.medic(replay={**REPLAY, "rate": "1/s"}) as medic:
        contact(medic)
        following = begin(medic, "--all", "--since", "1h", "--yes", "--json")
        medic.wait("the first", lambda: small.placed(), 30)
        code, told, _ = run(medic, "--cancel", "1")
        assert code == 0 and "Replay 1 is cancelled" in told
        following.communicate(timeout=20)
        assert following.returncode == 1
        placed = small.placed()
        assert 1 <= len(placed) < 6
