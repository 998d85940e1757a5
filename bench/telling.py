"""From a signal on disk to its message at the channel, with no hold, at a steady pace of incidents, on both engines."""

import threading
import time
from functools import partial
from pathlib import Path

import requests

from bench.engines import on_both_engines
from bench.tables import percentile, show
from recovery.store import database
from recovery.store.tables import SignalRow
from tests.standins.receiver import Posted, Receiver, Reply
from tests.story.medic import TOKENS, Medic

PACES, SECONDS = (5, 20), 20
AT_ONCE = {"hold": "0s", "reports": {"daily": False}, "storm": {"incidents": 1_000, "within": "1s"}}


class Noting(Receiver):
    """Notes when each message came, and what it was about."""

    def __init__(self) -> None:
        super().__init__()
        self.came: dict[str, float] = {}

    def take(self, posted: Posted) -> Reply:
        """As ever."""
        at = time.time()
        self.came.setdefault(posted.json["component"], at)
        return super().take(posted)


def main() -> None:
    """One run of each pace on each engine."""
    heads = ["engine", "incidents", "p50 ms", "p99 ms", "worst ms"]
    for pace in PACES:
        title = f"Signal accepted to its message at the channel, {pace}/s, an incident each, no hold"
        show(title, heads, on_both_engines(partial(_measure, pace)))


def _measure(pace: int, folder: Path, url: str) -> list[str]:
    with Noting() as hook:
        channel = {"name": "hook", "kind": "webhook", "url": f"{hook.url}/alerts"}
        with Medic(folder, {"alerts": AT_ONCE | {"channels": [channel]}}, url) as medic:
            _send(medic, pace)
            hook.wait_for(pace * SECONDS, 60)
        database.open_database(url or f"sqlite:///{folder}/data/medic.db")
        began = {
            row.body["component"]: row.received_at.timestamp() for row in SignalRow.select().order_by(SignalRow.id)
        }
    took = [(at - began[name]) * 1_000 for name, at in hook.came.items()]
    return [str(len(took)), f"{percentile(took, 0.5):.0f}", f"{percentile(took, 0.99):.0f}", f"{max(took):.0f}"]


def _send(medic: Medic, pace: int) -> None:
    """Two bad readings of each component, at an even pace, whatever the answers take."""
    session = requests.Session()
    session.trust_env = False
    headers = {"X-Medic-Token": TOKENS["MEDIC_WEBHOOK_TOKEN"]}
    url, began, threads = f"{medic.url}/webhooks/probe", time.monotonic(), []
    for number in range(pace * SECONDS):
        time.sleep(max(0.0, began + number / pace - time.monotonic()))
        body = [{"component": f"c{number}", "healthy": False}] * 2
        sent = threading.Thread(target=lambda body=body: session.post(url, json=body, headers=headers))
        sent.start()
        threads.append(sent)
    for sent in threads:
        sent.join()
