"""A real n8n, restarted in the middle of an execution: `recovery.actions.restart_n8n`."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from recovery.actions import REGISTRY
from recovery.clock import utc_now
from recovery.model import About, Done, Failed
from recovery.outside.shell import Shell
from tests.n8n import workflows as w
from tests.n8n.real import RealN8n
from tests.n8n.world import World
from tests.standins.n8n_client import wait_for
from tests.standins.service import hang

PLUGIN = REGISTRY.find("restart_n8n")
ASKS = "touch asked && while [ -e asked ]; do sleep 0.1; done"


def act(world: World, folder: Path, **args: Any) -> Any:
    doors: Any = SimpleNamespace(n8n=lambda site: world.door, shell=Shell())
    given = PLUGIN.args.model_validate({"command": {"command": ASKS, "shell": True, "cwd": str(folder)}, **args})
    return PLUGIN.run(given, doors, About("n8n", utc_now()))


def start_anew(n8n: RealN8n, folder: Path) -> None:
    """As a service manager does: ask it to stop, begin it again, and say so before it is ready."""
    wait_for("the restart", (folder / "asked").exists, 60)
    n8n.stop()
    n8n._process = n8n._begin("start", n8n._settings())
    (folder / "asked").unlink()


@pytest.mark.n8n
def test_what_ran_is_named_cut_off_and_crashed_and_it_is_waited_for_until_it_is_ready(tmp_path: Path) -> None:
    with RealN8n(N8N_GRACEFUL_SHUTDOWN_TIMEOUT="2") as n8n, World(n8n) as world:
        workflow_id, path = world.publish(w.http("Call", world.url("/slow"), "GET"))
        world.service.behave("/slow", hang(120))
        n8n.call(path, {})
        wait_for("the run", lambda: world.door.executions(status="running")[0])
        [run] = world.door.executions(status="running")[0]
        named = f"execution {run['id']} of workflow {workflow_id}"
        assert act(world, tmp_path, spare_running=True) == Failed(f"n8n is left alone: {named} runs now")
        manager = threading.Thread(target=start_anew, args=(n8n, tmp_path))
        manager.start()
        assert act(world, tmp_path) == Done(f"n8n was restarted, and is ready; {named} ran before it")
        manager.join()
        assert n8n.is_ready()
        wait_for("its end", lambda: n8n.execution(run["id"])["status"] in ("crashed", "error"))
