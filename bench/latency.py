"""Signal accepted to first action started, at 50 signals a second of one incident each, on both engines."""

import threading
import time
from pathlib import Path

import requests

from bench.engines import on_both_engines
from bench.tables import percentile, show
from recovery.store import database
from recovery.store.tables import ExecutionRow, SignalRow
from tests.n8n import workflows as flow
from tests.standins.n8n import StandInN8n
from tests.story.engine import item
from tests.story.medic import TOKENS, Medic

PER_SECOND, SECONDS = 50, 20


def main() -> None:
    """One run on each engine."""
    heads = ["engine", "incidents", "p50 ms", "p99 ms", "worst ms"]
    show(f"Signal accepted to first action started, {PER_SECOND}/s, an incident each", heads, on_both_engines(_measure))


def _measure(folder: Path, url: str) -> list[str]:
    with StandInN8n() as n8n:
        config = {"n8n": {"url": n8n.url, "api_key": n8n.api_key}}
        nodes = (flow.webhook("w"), flow.http("Call", "http://127.0.0.1:1/"))
        workflow_id = n8n.create_workflow(flow.workflow("w", *nodes))
        first = n8n.add_old_failures(workflow_id, 1)[0]
        with Medic(folder, config, url) as medic:
            medic.wait_for_n8n()
            fresh = n8n.add_old_failures(workflow_id, PER_SECOND * SECONDS, 1.0)
            _send(medic, fresh, workflow_id)
            time.sleep(3)
        database.open_database(url or f"sqlite:///{folder}/data/medic.db")
        return _read(first)


def _send(medic: Medic, ids: list[str], workflow_id: str) -> None:
    """At an even pace, whatever the answers take."""
    session = requests.Session()
    session.trust_env = False
    headers = {"X-Medic-Token": TOKENS["MEDIC_WEBHOOK_TOKEN"]}
    began = time.monotonic()
    threads = []
    for number, execution_id in enumerate(ids):
        time.sleep(max(0.0, began + number / PER_SECOND - time.monotonic()))
        payload = item(execution_id, host=f"host{number}.example.com", workflow=workflow_id)
        sent = threading.Thread(
            target=lambda body=payload: session.post(f"{medic.url}/webhooks/n8n-error", json=body, headers=headers)
        )
        sent.start()
        threads.append(sent)
    for sent in threads:
        sent.join()


def _read(old: str) -> list[str]:
    """From the signal's `received_at` to its canary's first step."""
    from recovery.store.tables import StepRow

    began = {row.incident_id: row.received_at for row in SignalRow.select().where(SignalRow.source == "n8n-error")}
    steps = StepRow.select().where(StepRow.number == 1)
    took = [
        (row.started_at - began[row.incident_id]).total_seconds() * 1000
        for row in steps
        if row.incident_id in began and row.started_at
    ]
    assert ExecutionRow.select().count() >= len(took) > 0, old
    return [str(len(took)), f"{percentile(took, 0.5):.0f}", f"{percentile(took, 0.99):.0f}", f"{max(took):.0f}"]
