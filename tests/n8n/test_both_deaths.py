"""n8n and n8n-medic watch each other: connected as people do it, then each is killed and the other tells of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.n8n.connecting import Cli
from tests.n8n.real import RealN8n
from tests.n8n.shipped import Shipped, hurried
from tests.standins.n8n_client import wait_for
from tests.standins.receiver import Receiver
from tests.standins.service import Service
from tests.story.medic import Medic

pytestmark = pytest.mark.n8n
SCHEDULER = {
    "name": "n8n-scheduler",
    "severity": "critical",
    "every": "1s",
    "check": {"kind": "heartbeat", "period": "3s", "grace": "12s"},
}


@pytest.fixture
def n8n() -> Iterator[RealN8n]:
    """One of the test's own, because it dies."""
    with RealN8n() as found:
        yield found


@pytest.fixture
def hook() -> Iterator[Receiver]:
    """Where n8n-medic tells people."""
    with Receiver() as found:
        yield found


@pytest.fixture
def medic(tmp_path: Path, n8n: RealN8n, hook: Receiver) -> Iterator[Medic]:
    channel = {"name": "hook", "kind": "webhook", "url": hook.url}
    alerts = {"hold": "0s", "channels": [channel]}
    config = {"n8n": {"url": n8n.url, "api_key": n8n.api_key}, "components": [SCHEDULER], "alerts": alerts}
    with Medic(tmp_path / "medic", config) as found:
        yield found


def connect(n8n: RealN8n, medic: Medic, folder: Path, told: Service) -> None:
    """`medic connect`, and then what a person does: a channel for the watchdog. The schedules are hurried."""
    done = Cli(folder, medic).connect(n8n)
    assert done.exit_code == 0, done.output
    rows = {row["name"]: row for row in n8n.api("GET", "workflows", limit=250).json()["data"]}
    for name in ("n8n-medic: heartbeat", "n8n-medic: watchdog"):
        assert rows[name]["active"], "connect publishes it"
        made = Shipped(n8n, told).with_channels(hurried(rows[name], 3), "Slack")
        body = {key: made[key] for key in ("name", "nodes", "connections", "settings")}
        saved = n8n.api("PUT", f"workflows/{rows[name]['id']}", body)
        assert saved.ok, saved.text


def health(medic: Medic) -> Any:
    """How the heartbeat's component is."""
    return next((one["health"] for one in medic.api("components")["data"] if one["name"] == "n8n-scheduler"), None)


def kinds(hook: Receiver) -> list[str]:
    """What people were told of n8n's scheduler by n8n-medic."""
    return [posted.json["kind"] for posted in hook.requests if posted.json["component"] == "n8n-scheduler"]


def test_each_notices_the_others_death_and_return(n8n: RealN8n, medic: Medic, hook: Receiver, tmp_path: Path) -> None:
    with Service() as told:
        connect(n8n, medic, tmp_path / "cli", told)
        medic.wait("the first heartbeat", lambda: health(medic) == "healthy", 60)

        n8n.kill9()
        medic.wait("n8n's silence", lambda: health(medic) == "unhealthy", 60)
        medic.wait("people are told", lambda: kinds(hook) in (["needs_human"], ["opened", "needs_human"]), 60)
        n8n.start()
        medic.wait("its return", lambda: health(medic) == "healthy", 90)
        medic.wait("people are told", lambda: kinds(hook)[-1] == "recovered", 60)
        assert not told.calls("/slack"), "n8n-medic was well all the time"

        medic.kill9()
        said = wait_for("our death", lambda: told.calls("/slack"), 90)[0].body
        assert "n8n-medic is away" in said["title"] and medic.url in said["text"]
        medic.start()
        wait_for("our return", lambda: len(told.calls("/slack")) == 2, 90)
        assert "n8n-medic is back" in told.calls("/slack")[1].body["title"]
        medic.wait("its heartbeat again", lambda: health(medic) == "healthy", 60)
