"""The error workflow that people import, on a real n8n: imported as people do it, published, and told by a failure."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.n8n import install
from tests.n8n import workflows as flow
from tests.n8n.real import RealN8n
from tests.standins.n8n_client import wait_for
from tests.standins.service import Service

FILE = Path(__file__).parents[2] / "n8n_workflows" / "error-handler.json"
HANDLER = json.loads(FILE.read_text())
CREDENTIAL = "n8n-medic token"


@pytest.fixture
def medic() -> Iterator[Service]:
    """Where the companion would be."""
    with Service() as found:
        yield found


def place(name: str) -> dict[str, Any]:
    """A node of the handler."""
    return next(node for node in HANDLER["nodes"] if node["name"] == name)


def test_the_file_holds_no_secret_and_reads_no_environment() -> None:
    text = FILE.read_text()
    assert "$env" not in text, "n8n 2 does not let expressions read it"
    assert len(HANDLER["id"]) == 16 and HANDLER.get("active") is None
    assert place("Tell n8n-medic")["credentials"] == {"httpHeaderAuth": {"id": None, "name": CREDENTIAL}}
    assert [one["name"] for one in place("Where n8n-medic is")["parameters"]["assignments"]["assignments"]] == [
        "medic_url"
    ]


@pytest.mark.n8n
def test_imported_published_and_chosen_it_tells_of_a_failure(real_n8n: RealN8n, medic: Service) -> None:
    real_n8n.create_credential(CREDENTIAL, "httpHeaderAuth", {"name": "X-Medic-Token", "value": "the-token"})
    import_workflow(real_n8n, FILE)
    set_address(real_n8n, medic.url)
    real_n8n.activate(HANDLER["id"])
    fails = flow.workflow(
        "It fails", flow.webhook("it-fails"), flow.stop_and_error("on purpose"), error_workflow=HANDLER["id"]
    )
    workflow_id = real_n8n.create_workflow(fails)
    real_n8n.activate(workflow_id, "it-fails")
    real_n8n.call("it-fails", {})
    told = wait_for("the handler's call", lambda: medic.calls("/webhooks/n8n-error"), 20)[0]
    assert told.method == "POST" and told.headers["x-medic-token"] == "the-token"
    assert told.headers["content-type"].startswith("application/json")
    assert told.body["execution"]["error"]["message"] == "on purpose"
    assert told.body["workflow"] == {"id": workflow_id, "name": "It fails"}
    assert "medic_url" not in told.body, "the item of the Error Trigger, and nothing else"


@pytest.mark.n8n
def test_the_handler_tries_again_where_the_companion_is_away(real_n8n: RealN8n, medic: Service) -> None:
    if real_n8n.api("GET", f"workflows/{HANDLER['id']}").status_code != 200:
        real_n8n.create_credential(CREDENTIAL, "httpHeaderAuth", {"name": "X-Medic-Token", "value": "the-token"})
        import_workflow(real_n8n, FILE)
    set_address(real_n8n, medic.url)
    real_n8n.activate(HANDLER["id"])
    medic.behave("/webhooks/n8n-error", 503, 202)
    fails = flow.workflow(
        "Fails too", flow.webhook("fails-too"), flow.stop_and_error("again"), error_workflow=HANDLER["id"]
    )
    real_n8n.activate(real_n8n.create_workflow(fails), "fails-too")
    real_n8n.call("fails-too", {})
    wait_for("the second call", lambda: len(medic.calls("/webhooks/n8n-error")) == 2, 30)


def import_workflow(n8n: RealN8n, file: Path) -> None:
    """`n8n import:workflow --input=<file>`, beside the running n8n, as its users do."""
    node = install.node_home() / "bin/node"
    command = [str(node), str(install.SCRIPT), "import:workflow", f"--input={file}"]
    done = subprocess.run(
        command, env=n8n._settings(), cwd=n8n.folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def set_address(n8n: RealN8n, url: str) -> None:
    """What a person types into the Set node."""
    kept = n8n.api("GET", f"workflows/{HANDLER['id']}").json()
    for node in kept["nodes"]:
        if node["name"] == "Where n8n-medic is":
            node["parameters"]["assignments"]["assignments"][0]["value"] = url
    body = {key: kept[key] for key in ("name", "nodes", "connections")} | {"settings": HANDLER["settings"]}
    answer = n8n.api("PUT", f"workflows/{HANDLER['id']}", body)
    assert answer.ok, answer.text
