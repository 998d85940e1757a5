"""The restart of an n8n itself, with a stand-in for it and real commands: `recovery.actions.restart_n8n`."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from recovery.actions import REGISTRY
from recovery.clock import utc_now
from recovery.model import About, Asked, Done, DoorError, Failed, PlannedAction
from recovery.outside.shell import Shell

PLUGIN = REGISTRY.find("restart_n8n")
ABOUT = About("n8n", utc_now())
START = {"command": [sys.executable, "-c", "open('started', 'a').write('x')"]}


class N8n:
    """An n8n that is ready once it was started, and says what runs."""

    def __init__(self, folder: Path) -> None:
        self.mark, self.runs, self.waited = folder / "started", [{"id": "7", "workflowId": "w1"}], 0.0
        self.silent = self.broken = False

    @property
    def started(self) -> int:
        return len(self.mark.read_text()) if self.mark.exists() else 0

    def executions(self, status: str = "") -> Any:
        if self.silent:
            raise DoorError("n8n did not answer in time", "timeout")
        assert status == "running"
        return self.runs, ""

    def await_ready(self, timeout_seconds: float) -> str:
        self.waited = timeout_seconds
        return "" if self.started and not self.broken else "n8n did not answer: the connection was refused"


@pytest.fixture
def n8n(tmp_path: Path) -> N8n:
    return N8n(tmp_path)


def act(n8n: N8n | None, preview: bool = False, **args: Any) -> Any:
    args = (
        args if {"service", "agent"} & set(args) else {"command": START | {"cwd": str(n8n and n8n.mark.parent)}, **args}
    )
    doors: Any = SimpleNamespace(n8n=lambda site: n8n, shell=Shell())
    return (PLUGIN.preview if preview else PLUGIN.run)(PLUGIN.args.model_validate(args), doors, ABOUT)  # type: ignore[misc]


def test_it_is_restarted_its_own_way_and_waited_for_until_it_is_ready(n8n: N8n) -> None:
    answer = act(n8n, timeout="90s")
    assert answer == Done("n8n was restarted, and is ready; execution 7 of workflow w1 ran before it")
    assert n8n.started == 1 and n8n.waited == 30, "what the command may take is kept for it"


def test_one_that_does_not_answer_is_restarted_all_the_same(n8n: N8n) -> None:
    n8n.silent = True
    assert act(n8n, spare_running=True) == Done("n8n was restarted, and is ready; what ran before it is not known")


def test_one_in_which_something_runs_is_left_alone_where_that_is_wanted(n8n: N8n) -> None:
    assert act(n8n, spare_running=True) == Failed("n8n is left alone: execution 7 of workflow w1 runs now")
    assert n8n.started == 0 and act(n8n, preview=True, spare_running=True).startswith("do nothing: execution 7")
    n8n.runs = []
    assert act(n8n, spare_running=True) == Done("n8n was restarted, and is ready; nothing ran before it")


def test_one_that_does_not_come_up_in_time_is_a_failure(n8n: N8n) -> None:
    n8n.broken = True
    assert act(n8n).why.startswith("n8n was restarted, and was not ready in time: n8n did not answer")


def test_a_restart_that_fails_is_told_as_its_way_tells_it(n8n: N8n) -> None:
    assert act(n8n, command={"command": ["false"]}) == Failed("the command ended with exit code 1, without a word")
    late = act(n8n, command={"command": ["sleep", "9"], "timeout": "200ms"})
    assert late.why.startswith("the command did not end within 0.2 s and was ended") and n8n.waited == 0
    assert act(None, command={"command": ["true"]}) == Failed(
        "no n8n named 'default' with an API key is configured", permanent=True
    )


def test_an_agent_is_asked_and_its_answer_ends_the_step(n8n: N8n) -> None:
    assert act(n8n, agent={"agent": "box", "what": "n8n"}) == Asked("box", "n8n", 120.0)


def test_a_dry_run_tells_the_very_words_and_what_runs(n8n: N8n) -> None:
    words = act(n8n, preview=True, command={"command": ["systemctl", "restart", "n8n"]})
    assert words == (
        "run `systemctl restart n8n`, for at most 60 s; then wait until n8n is ready, for at most 240 s in all;"
        " execution 7 of workflow w1 runs now"
    )
    n8n.silent = True
    assert act(n8n, preview=True, command=["x"]) == (
        "run `x`, for at most 60 s; then wait until n8n is ready, for at most 240 s in all"
    )
    assert n8n.started == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"command": {"command": ["true"]}, "service": {"service": "n8n.service"}},
        {"command": "true"},
        {"command": {"command": ["true"]}, "timeout": "60s"},
        {"service": {"service": "n8n.service", "unit": "x"}},
    ],
)
def test_a_way_that_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PLUGIN.args.model_validate(wrong)


@pytest.mark.parametrize(
    ("args", "host"),
    [
        ({"command": {"command": ["true"]}}, "this machine"),
        ({"agent": {"agent": "box", "what": "n8n"}}, "box"),
        ({"remote": {"host": "web1"}}, "web1"),
    ],
)
def test_it_counts_as_a_restart_where_n8n_runs(args: dict[str, Any], host: str) -> None:
    assert PLUGIN.restarts and PlannedAction("restart_n8n", args, restarts=True).host == host
