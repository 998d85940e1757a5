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
    alerts = {"hold": "0s", "channels": [{"name": "hook", "kind": "webhook", "url": hook.url}]}
    config = {"n8n": {"url": n8n.url, "api_key": n8n.api_key}, "alerts": alerts}
    with Medic(tmp_path / "medic", config) as found:
        yield found


def hurry(n8n: RealN8n, told: Service, name: str) -> None:
    """What a person does to an installed workflow: another schedule, and a channel where it has one."""
    [row] = [one for one in n8n.api("GET", "workflows", limit=250).json()["data"] if one["name"] == name]
    assert row["active"], "connect has published it"
    made = Shipped(n8n, told).with_channels(hurried(row, 3), "Slack")
    body = {key: made[key] for key in ("name", "nodes", "connections", "settings")}
    saved = n8n.api("PUT", f"workflows/{row['id']}", body)
    assert saved.ok, saved.text


def health(medic: Medic) -> Any:
    """How the heartbeat's component is."""
    return next((one["health"] for one in medic.api("components")["data"] if one["name"] == "n8n-scheduler"), None)


def kinds(hook: Receiver) -> list[str]:
    """What people were told of n8n's scheduler by n8n-medic."""
    return [posted.json["kind"] for posted in hook.requests if posted.json["component"] == "n8n-scheduler"]


def test_each_notices_the_others_death_and_return(n8n: RealN8n, medic: Medic, hook: Receiver, tmp_path: Path) -> None:
    with Service() as told:
        done = Cli(tmp_path / "cli", medic).connect(n8n)
        assert done.exit_code == 0, done.output
        hurry(n8n, told, "n8n-medic: heartbeat")
        medic.stop()
        medic.configure(medic.config | {"components": [SCHEDULER]})
        medic.start()
        medic.wait("the first heartbeat", lambda: health(medic) == "healthy", 60)
        hurry(n8n, told, "n8n-medic: watchdog")

        n8n.kill9()
        medic.wait("n8n's silence", lambda: health(medic) == "unhealthy", 60)
        medic.wait("people are told", lambda: "needs_human" in kinds(hook), 60)
        n8n.start()
        medic.wait("its return", lambda: health(medic) == "healthy", 90)
        medic.wait("people are told", lambda: kinds(hook)[-1] == "recovered", 60)
        assert not told.calls("/slack"), "n8n-medic was well all the time"

        medic.kill9()
        said = wait_for("our death", lambda: told.calls("/slack"), 90)[0].body
        assert "n8n-medic is away" in said["title"] and medic.url in said["text"]
        medic.start()
        # At three seconds instead of a minute two looks may overlap on a busy machine, and both say that it is away.
        wait_for("our return", lambda: "n8n-medic is back" in told.calls("/slack")[-1].body["title"], 90)
        medic.wait("its heartbeat again", lambda: health(medic) == "healthy", 60)
