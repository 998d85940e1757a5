"""An n8n whose webhooks are answered by other processes (`n8n webhook`) says yes to any: that is no answer."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from recovery.model import N8nError
from tests.n8n import workflows as w
from tests.n8n.connecting import CONFIG, SMALL, Cli
from tests.n8n.real import RealN8n
from tests.n8n.world import World
from tests.standins.n8n import StandInN8n
from tests.standins.service import Answer
from tests.story.medic import Medic

CORS = {"Access-Control-Allow-Methods": "GET, POST, OPTIONS, PUT, PATCH, DELETE"}


@pytest.fixture(scope="module", params=["stand-in", pytest.param("real", marks=pytest.mark.n8n)])
def main_process(request: pytest.FixtureRequest) -> Iterator[World]:
    """The main process of such an n8n, asked by itself and not through the proxy in front of all."""
    if request.param == "real":
        with RealN8n(N8N_DISABLE_PRODUCTION_MAIN_PROCESS="true") as n8n, World(n8n) as world:
            yield world
        return
    with StandInN8n() as n8n, World(n8n) as world:
        n8n.misbehave(Answer(204, headers=CORS), times=200, path="/webhook/")
        yield world


def test_what_says_yes_to_any_webhook_is_not_believed(main_process: World) -> None:
    made = main_process.n8n.create_workflow(w.workflow("Orders", w.webhook("orders"), w.no_op()))
    assert main_process.n8n.api("POST", f"workflows/{made}/activate").ok
    for path in ("orders", "nothing-at-all"):
        with pytest.raises(N8nError, match="says yes to any webhook: other processes answer them"):
            main_process.door.webhook_methods(path)


def test_connect_says_which_address_it_needs_instead(tmp_path: Path) -> None:
    with StandInN8n() as n8n, Medic(tmp_path / "medic", CONFIG) as medic:
        n8n.misbehave(Answer(204, headers=CORS), times=200, path="/webhook/")
        cli = Cli(tmp_path, medic)
        cli.files = SMALL
        told = cli.connect(n8n)
        assert told.exit_code == 1
        assert "Give as url the address where /api/v1 and /webhook are both answered" in told.output
        left = [one["name"] for one in n8n.api("GET", "workflows", limit=250).json()["data"]]
        assert left == ["n8n-medic: error handler"], "the canary is gone"


def test_a_webhook_that_takes_several_methods_is_believed() -> None:
    with StandInN8n() as n8n, World(n8n) as world:
        n8n.misbehave(Answer(204, headers={"Access-Control-Allow-Methods": "OPTIONS, GET, POST"}), path="/webhook/both")
        assert world.door.webhook_methods("both") == {"GET", "POST"}
