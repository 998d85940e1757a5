"""A real n8n is put back from a backup: what had recovered since is not run again."""

import shutil
import time
from pathlib import Path

import pytest

from tests.n8n import workflows as flow
from tests.n8n.real import RealN8n
from tests.standins.service import Service
from tests.story.medic import TOKENS, Medic

pytestmark = pytest.mark.n8n


def test_an_order_that_was_placed_after_the_backup_is_not_placed_again(tmp_path: Path) -> None:
    with RealN8n() as n8n, Service() as shop:
        once = {"stages": [{"after": "0s", "attempts": 1}], "settle": "1s"}
        config = {"n8n": {"url": n8n.url, "api_key": n8n.api_key}, "recovery": once, "poll_every": "1s"}
        with Medic(tmp_path / "medic", config) as medic:
            medic.wait_for_n8n()
            told = n8n.errors_to(f"{medic.url}/webhooks/n8n-error", TOKENS["MEDIC_WEBHOOK_TOKEN"])
            node = flow.http("Order", f"={shop.url}/order?id={{{{ $json.body.id }}}}", "POST")
            made = flow.workflow("Orders", flow.webhook("orders"), node, error_workflow=told)
            workflow_id = n8n.create_workflow(made)
            n8n.activate(workflow_id, "orders")
            shop.behave("/order", 503)
            n8n.call("orders", {"id": "a1"})
            failed = n8n.ended(workflow_id)[-1]
            medic.wait_for_incident("needs_human", 60)
            n8n.stop()
            backup = shutil.copytree(n8n.folder / ".n8n", tmp_path / "backup")
            n8n.start()
            shop.behave("/order", 200)
            n8n.call("orders", {"id": "b1"})
            medic.wait("it recovers", lambda: medic.executions()[0]["state"] == "recovered", 60)
            for number in range(3):
                n8n.call("orders", {"id": f"b{number}"})
            time.sleep(4)  # n8n is polled: what it has is known
            placed = len(shop.calls("/order", "a1"))
            n8n.stop()
            shutil.rmtree(n8n.folder / ".n8n")
            shutil.copytree(backup, n8n.folder / ".n8n")
            n8n.start()
            assert n8n.execution(failed["id"])["retrySuccessId"] is None
            n8n.call("orders", {"id": "c1"})
            medic.wait("it is noticed", lambda: "counts anew" in medic.log(), 60)
            medic.wait("n8n is polled", lambda: len(medic.executions()) == 1, 20)
            settled = medic.executions()[0]
    assert len(shop.calls("/order", "a1")) == placed and settled["state"] == "recovered"
