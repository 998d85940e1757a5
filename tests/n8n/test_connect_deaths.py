"""`medic connect` killed at any moment: the next connect carries on, and undo takes everything back all the same."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from recovery.outside.n8n import N8n
from recovery.store import wirings
from tests.n8n import workflows as w
from tests.n8n.connecting import CONFIG, SMALL, Cli, credentials, export, tags
from tests.n8n.world import World
from tests.standins.n8n import StandInN8n
from tests.standins.n8n_client import wait_for
from tests.story.medic import Medic

pytestmark = pytest.mark.again  # each wires an n8n anew
HANDLER = "n8n-medic: error handler"


class Killed(BaseException):
    """The process is gone: nothing after this line has happened."""


@pytest.fixture(scope="module")
def medic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Medic]:
    with Medic(tmp_path_factory.mktemp("medic"), CONFIG) as found:
        yield found


@pytest.fixture
def alone(medic: Medic) -> Iterator[World]:
    """An n8n of the test's own, with one workflow that is to be wired, and one beside it that has a draft."""
    with StandInN8n() as n8n, World(n8n) as found:
        for name in ("Orders", "Till"):
            n8n.activate(n8n.create_workflow(w.workflow(name, w.webhook(name), w.no_op())), name)
        planted = n8n.api("GET", "workflows").json()["data"][-1]["id"]
        found.draft(planted, w.webhook("draft"), w.stop_and_error("unfinished"))
        yield found


def dies(monkeypatch: pytest.MonkeyPatch, what: str, at: int, after: bool) -> None:
    """The `at`-th time that this is written down is the last: just before it, or just after."""
    whole: Callable[..., Any] = getattr(wirings, what)
    times = iter(range(1, 10_000))

    def cut(*words: Any, **more: Any) -> Any:
        is_last = next(times) >= at
        if is_last and not after:
            die()
        found = whole(*words, **more)
        if is_last:
            die()
        return found

    def die(*words: Any, **more: Any) -> None:
        monkeypatch.setattr(N8n, "_ask", die)  # the dead ask n8n nothing, whatever stands in a `finally`
        raise Killed

    monkeypatch.setattr(wirings, what, cut)


def small(folder: Path, medic: Medic) -> Cli:
    """The command line, with an error handler that the stand-in runs."""
    found = Cli(folder, medic)
    found.files = SMALL
    return found


def names(world: World) -> list[str]:
    return sorted(one["name"] for one in export(world.n8n).values())


@pytest.mark.parametrize("goes_on", [True, False])
@pytest.mark.parametrize("at", [2, 9, 10, 12])
@pytest.mark.parametrize(("what", "after"), [("begin_change", True), ("end_change", False)])
def test_a_connect_that_was_killed_is_carried_on_and_taken_back(
    alone: World, medic: Medic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, after: bool, at: int,
    goes_on: bool,
) -> None:  # fmt: skip
    """Killed with a change written down and not made, and with one made and not written down."""
    cli = small(tmp_path, medic)
    before, kept = export(alone.n8n), credentials(alone.n8n)
    with monkeypatch.context() as patched:
        dies(patched, what, at, after)
        with pytest.raises(Killed):
            cli.connect(alone.n8n)
    if goes_on:
        again = cli.connect(alone.n8n)
        assert again.exit_code == 0, again.output
        assert names(alone).count(HANDLER) == 1 and credentials(alone.n8n).count("n8n-medic token") == 1
        assert "n8n-medic: canary" not in names(alone)
        assert "Nothing to change" in cli.connect(alone.n8n).output
    undone = cli("connect", "--undo", "--yes")
    assert undone.exit_code == 0, undone.output
    assert (export(alone.n8n), credentials(alone.n8n), tags(alone.n8n)) == (before, kept, [])


@pytest.mark.parametrize("at", [2, 8])
def test_an_undo_that_was_killed_is_carried_on(
    alone: World, medic: Medic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    cli, before = small(tmp_path, medic), export(alone.n8n)
    assert cli.connect(alone.n8n).exit_code == 0
    with monkeypatch.context() as patched:
        dies(patched, "end_change", at, after=False)
        with pytest.raises(Killed):
            cli("connect", "--undo", "--yes")
    assert cli("connect", "--undo", "--yes").exit_code == 0
    assert (export(alone.n8n), tags(alone.n8n)) == (before, [])


def test_a_process_that_is_killed_for_real_leaves_nothing_behind(alone: World, medic: Medic, tmp_path: Path) -> None:
    cli, before = small(tmp_path, medic), export(alone.n8n)
    alone.n8n.slow_seconds = 0.05
    key = tmp_path / "key"
    key.write_text(alone.n8n.api_key)
    command = [sys.executable, "-m", "recovery", "connect", "--url", alone.n8n.url, "--api-key-file", str(key), "--yes"]
    command += ["--files", SMALL]
    process = subprocess.Popen(
        command, env=medic.env | cli.env, cwd=tmp_path, stdout=subprocess.DEVNULL, start_new_session=True
    )
    wait_for("a change", lambda: tags(alone.n8n), 60, 0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)
    alone.n8n.slow_seconds = 0.0
    assert HANDLER in names(alone)
    undone = cli("connect", "--undo", "--yes")
    assert undone.exit_code == 0, undone.output
    assert (export(alone.n8n), tags(alone.n8n)) == (before, [])


def test_two_at_once_do_not_make_everything_twice(alone: World, medic: Medic, tmp_path: Path) -> None:
    from recovery.cli.connecting import one_at_a_time

    cli = small(tmp_path, medic)
    with one_at_a_time(cli.data):
        shown = cli.connect(alone.n8n)
    assert shown.exit_code == 1 and "another medic connect runs" in shown.output
    assert names(alone) == ["Orders", "Tell the companion", "Till"]
