"""`make demo`, taken from start to end: what it says happened, happened, and nothing of it stays."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import requests

from tests import demo
from tests.demo_shop import lives
from tests.demo_voice import Voice
from tests.n8n.real import RealN8n
from tests.standins.service import Service

ROOT = Path(__file__).parents[2]


def start_demo(folder: Path, **env: str) -> subprocess.Popen[str]:
    """The demo as a process whose temporary files lie under `folder`."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.demo"],
        cwd=ROOT, env=kept | {"TMPDIR": str(folder), "PYTHONUNBUFFERED": "1", **env}, text=True, bufsize=1,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def read_until(taken: subprocess.Popen[str], words: str) -> str:
    """The line that holds the words; fails where the demo ends before it."""
    said = []
    for line in taken.stdout or ():
        said.append(line)
        if words in line:
            return line
    raise AssertionError(f"it never said {words}:\n{''.join(said)}")


def is_left(folder: Path, seconds: float = 5.0) -> list[str]:
    """What still runs of a demo, or lies in its folder, a moment after it has ended."""
    until = time.monotonic() + seconds
    while (found := _look(folder)) and time.monotonic() < until:
        time.sleep(0.2)
    return found


def _look(folder: Path) -> list[str]:
    running = [one.info["cmdline"] for one in psutil.process_iter(["cmdline"]) if one.info["cmdline"]]
    mine = [" ".join(command) for command in running if any(str(folder) in word for word in command)]
    return mine + [str(path) for path in folder.iterdir()]


def check_what_it_says(said: str) -> None:
    flat = re.sub(r"[\s|]+", " ", said)
    for words in (
        "1 A service dies",
        "opens incident 1 on shop",
        "runs the restart command",
        "resolves incident 1: shop is healthy",
        "10 failures of one cause are one incident",
        "waits for stage 2",
        "10 orders, each placed exactly once",
        "a retry cannot help",
        "Recovery failed - customers-api",
        "Renew the credential in n8n",
        "invoice-7 was sent once and not again",
        "Act now: this needs a person!",
        "🚨 복구 실패 - payments-api",
        "즉시 대응이 필요합니다!",
        "User admin",
        "Everything happened as told",
    ):
        assert words in flat, f"it never said: {words}\n{said}"
    assert re.search(r"The shop was away for \d+\.\d s", flat)
    assert "\x1b[" not in said, "no colours where nobody has a terminal"


@pytest.mark.again
@pytest.mark.timeout(110)
def test_the_tour_happens_as_told_in_time_and_leaves_nothing_behind(tmp_path: Path) -> None:
    began = time.monotonic()
    taken = start_demo(tmp_path, DEMO_EXIT="1")
    said, _ = taken.communicate(timeout=100)
    assert taken.returncode == 0, said
    assert time.monotonic() - began < 90
    assert "stand-in" in said and "stages are short" in said
    check_what_it_says(said)
    assert is_left(tmp_path) == []


@pytest.mark.again
@pytest.mark.timeout(110)
def test_ctrl_c_in_the_middle_leaves_nothing_behind(tmp_path: Path) -> None:
    taken = start_demo(tmp_path)
    line = read_until(taken, "kill -9")
    family = psutil.Process(taken.pid).children(recursive=True)
    shop = int(re.search(r"kill -9 (\d+)", line)[1])  # type: ignore[index]
    taken.send_signal(signal.SIGINT)
    taken.communicate(timeout=40)
    assert taken.returncode == 130
    assert len(family) >= 3, "serve, web and worker were there"
    assert not [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    assert not lives(shop) and is_left(tmp_path) == []


@pytest.mark.again
def test_the_shop_ends_by_itself_when_the_demo_is_killed(tmp_path: Path) -> None:
    taken = start_demo(tmp_path)
    read_until(taken, "resolves incident 1")
    pid = int(next(tmp_path.glob("*/shop.pid")).read_text())
    parts = psutil.Process(taken.pid).children(recursive=True)
    taken.kill()
    taken.wait(10)
    until = time.monotonic() + 10
    while lives(pid) and time.monotonic() < until:
        time.sleep(0.1)
    assert not lives(pid)
    for one in parts:  # what kill -9 leaves of the product is ended here
        if one.is_running():
            one.kill()


@pytest.mark.parametrize(("placed_again", "ends_with"), [([], 0), (["A-101"], 1)])
def test_an_order_placed_twice_is_not_as_told(
    placed_again: list[str], ends_with: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with Service() as orders:
        for order in [*demo.ORDERS, *placed_again]:
            requests.post(f"{orders.url}/order?id={order}", timeout=5)
        medic = SimpleNamespace(incidents=lambda component: [{"id": 1}], folder=tmp_path)
        stage: Any = SimpleNamespace(orders=orders, medic=medic, phone=SimpleNamespace(requests=[]))
        tour = demo.Tour(stage, Voice(hurried=True))
        tour.run = tour._count_orders  # type: ignore[method-assign]
        assert demo.take(tour, leave=True) == ends_with
    assert ("did not go as told: each of" in capfd.readouterr().err) == bool(ends_with)


@pytest.mark.n8n
@pytest.mark.timeout(300)
def test_the_tour_on_a_real_n8n_leaves_no_workflow_there(real_n8n: RealN8n, tmp_path: Path) -> None:
    taken = start_demo(tmp_path, DEMO_EXIT="1", MEDIC_N8N_URL=real_n8n.url, MEDIC_N8N_API_KEY=real_n8n.api_key)
    said, _ = taken.communicate(timeout=200)
    assert taken.returncode == 0, said
    assert real_n8n.url in said and "stand-in" not in said
    check_what_it_says(said)
    left = [one["name"] for one in real_n8n.api("GET", "workflows").json()["data"] if "demo" in one["name"]]
    assert left == []
