"""The whole product under load, killed at random: orders that fail, probes that come in, components that break."""

import os
import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import psutil
import psycopg
import requests

from recovery.store.steps import LOST_AND_REPEATED
from recovery.worker.executor import MOST_BEGINNINGS
from tests.crash.scene import REPOSITORY, Shop, chains_of, is_alive
from tests.n8n import workflows as flow
from tests.standins.n8n import StandInN8n
from tests.standins.n8n_client import wait_for
from tests.standins.receiver import Posted, Receiver, Reply
from tests.standins.service import hang
from tests.story.medic import TOKENS, Medic

WORKFLOWS = 4
PARTS = ("worker", "web worker", "web master", "serve", "all but commands", "everything")
WEIGHTS = (8, 3, 1, 1, 2, 1)
WEB = ("web worker", "web master")
CLAIMED = {
    "retries": "SELECT COUNT(*) FROM executions WHERE lease_until IS NOT NULL AND state = 'retrying'",
    "executions being judged": "SELECT COUNT(*) FROM executions WHERE lease_until IS NOT NULL AND state = 'waiting'",
    "commands": "SELECT COUNT(*) FROM steps WHERE lease_until IS NOT NULL AND process_group IS NOT NULL",
    "checks": "SELECT COUNT(*) FROM steps WHERE lease_until IS NOT NULL AND process_group IS NULL",
    "alerts": "SELECT COUNT(*) FROM alerts WHERE lease_until IS NOT NULL",
}
# A command whose worker was lost thrice is never begun again, and a person is called: see test_trust.py.
LOST_OFTEN = (
    f"SELECT id FROM steps WHERE state = 'running' AND {MOST_BEGINNINGS - 1} <= (SELECT COUNT(*) FROM events"
    " WHERE subject = 'step' AND events.incident_id = steps.incident_id"
    f" AND subject_id LIKE steps.recovery_id || '.' || steps.number || ' %' AND because = '{LOST_AND_REPEATED}')"
)
TOLD_ALONE = {"hold": "0s", "storm": {"incidents": 1_000}, "reports": {"daily": False}}  # see alert_storm.py
PATIENT = {"stages": [{"after": "0s", "attempts": 3}, {"after": "1s", "attempts": 30}], "settle": "1s"}


class SlowReceiver(Receiver):
    """Takes its time between having an alert and saying so."""

    def __init__(self, delays: random.Random):
        super().__init__()
        self._delays = delays

    def take(self, posted: Posted) -> Reply:
        """As ever, only later."""
        answer = super().take(posted)
        time.sleep(self._delays.choice((0, 0.1, 0.3)))
        return answer


class Storm:
    """One n8n-medic with everything around it, and who kills it. All chance comes from the seed."""

    def __init__(self, folder: Path, seed: int, database_url: str = ""):
        self.chance, self.delays = random.Random(seed), random.Random(seed)
        self.folder = folder
        self.n8n, self.hook = StandInN8n(), SlowReceiver(self.delays).start()
        self.shop, self.plant = Shop(folder), Shop(folder)
        self.url = database_url
        self.medic = Medic(folder / "medic", self._config(), database_url, PYTHONPATH=str(REPOSITORY))
        self.components = ["till", "press"]
        self.asked = 0
        self._begin_retry = self.n8n.engine.retry
        self.n8n.engine.retry = self._retry_late  # type: ignore[method-assign]
        self.paths: list[str] = []
        self.orders: list[str] = []
        self.promised: dict[str, int] = {}
        self.broken: list[str] = []
        self.killed: Counter[str] = Counter()
        self.caught: Counter[str] = Counter()
        self._deaths: Counter[str] = Counter()
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []

    def _config(self) -> dict[str, Any]:
        durations = ",".join(str(self.chance.choice((0.2, 1.0, 5.0))) for _ in range(40))
        return {
            "n8n": {"url": self.n8n.url, "api_key": self.n8n.api_key},
            "recovery": PATIENT | {"recurrences_per_hour": 1000},
            "poll_every": "2s",
            "replay": {"rate": "20/s", "max_retries": 100},
            "alerts": TOLD_ALONE
            | {"channels": [{"name": "hook", "kind": "webhook", "url": f"{self.hook.url}/alerts"}]},
            "components": [
                self.plant.component("till", durations),
                self.plant.component("press", durations, "stubborn"),
            ],
        }

    # -- its life

    def __enter__(self) -> Self:
        for name in self.components:
            self.plant.up(name).touch()
        self.medic.start()
        self.medic.wait_for_n8n()
        handler = self.n8n.errors_to(f"{self.medic.url}/webhooks/n8n-error", TOKENS["MEDIC_WEBHOOK_TOKEN"])
        for number in range(WORKFLOWS):
            path = f"storm-{number}"
            node = flow.http("Order", f"={self.shop.url}/order?id={{{{ $json.body.id }}}}", "POST")
            saved = {"saveDataSuccessExecution": "all"}  # so that a retry which n8n does not show never began
            made = flow.workflow(path, flow.webhook(path), node, error_workflow=handler, **saved)
            self.n8n.activate(self.n8n.create_workflow(made), path)
            self.paths.append(path)
        for load in (self._order, self._probe, self._break):
            own = random.Random(self.chance.random())
            thread = threading.Thread(target=self._repeat, args=(load, own), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *exc: object) -> None:
        self.calm()
        self.medic.stop()
        for name in self.components:
            for pid in self.pids(name):
                if is_alive(pid):
                    os.kill(pid, signal.SIGKILL)
        self.n8n.close()
        self.hook.stop()
        self.shop.stop()
        self.plant.stop()
        if exc[0]:
            print(self.medic.log()[-6000:])

    def calm(self) -> None:
        """No more load; what was begun is brought to its end."""
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def _retry_late(self, *args: Any) -> Any:
        """A busy n8n: between hearing of a retry and beginning it there is time for a kill."""
        self.asked += 1
        time.sleep(self.delays.choice((0, 0, 0.1, 0.4, 4.0)))
        return self._begin_retry(*args)

    # -- the load

    def _repeat(self, load: Callable[[random.Random], float], chance: random.Random) -> None:
        while not self._over.wait(load(chance)):
            pass

    def _order(self, chance: random.Random) -> float:
        """An order that fails once or twice, and may take a while when it succeeds."""
        order = f"o{len(self.orders)}"
        failures = [503] * (1 if chance.random() < 0.85 else 2)
        self.shop.behave("/order", *failures, hang(chance.choice((0, 0.3, 0.8))), id=order)
        self.orders.append(order)
        self.n8n.call(chance.choice(self.paths), {"id": order})
        return chance.uniform(0.1, 0.7)

    def _probe(self, chance: random.Random) -> float:
        """A reading of somebody else's component; one in ten fails, twice, so that a person is called."""
        name = f"pushed-{len(self.promised)}"
        fails = chance.random() < 0.1
        for count in range(2 if fails else 1):
            reading = {"component": name, "healthy": not fails, "observed_at": datetime.now(UTC).isoformat()}
            self._send(f"{name}.{count}", reading)
        if fails:
            self.broken.append(name)
        return chance.uniform(0.02, 0.2)

    def _send(self, delivery: str, reading: dict[str, Any]) -> None:
        """As an honest sender: again and again, until it is taken."""
        token = {"X-Medic-Token": TOKENS["MEDIC_WEBHOOK_TOKEN"], "X-Medic-Delivery": delivery}
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                url = f"{self.medic.url}/webhooks/probe"
                answer = requests.post(url, json=reading, headers=token, timeout=10)
            except requests.RequestException:
                time.sleep(0.1)
                continue
            assert answer.status_code in (202, 503), answer.text
            if answer.status_code == 202:
                self.promised[delivery] = answer.json()["signals"][0]["id"]
                return
        raise AssertionError("nobody takes the signal")

    def _break(self, chance: random.Random) -> float:
        self.plant.up(chance.choice(self.components)).unlink(missing_ok=True)
        return chance.uniform(0.3, 1.5)

    # -- the killer

    def kill(self, times: int) -> None:
        """Kill a part at a moment, again and again; everything is started again by `serve`, or by us."""
        for _ in range(times):
            self._await_moment()
            time.sleep(self.chance.uniform(0, 0.3))
            while not self._strike(self._choose()):
                self._await_return()
            if self.chance.random() < 0.75:
                self._await_return()
        self._await_return()

    def _await_moment(self) -> None:
        """Something has just begun: an order was called, an alert came, a command started; or nothing at all."""
        moment = self.chance.choice((self._calls, self._alerts, self._starts, lambda: self.asked, time.monotonic))
        before, until = moment(), time.monotonic() + 1.5
        while moment() == before and time.monotonic() < until:
            time.sleep(0.01)

    def _calls(self) -> float:
        return len(self.shop.calls("/order"))

    def _alerts(self) -> float:
        return len(self.hook.requests)

    def _starts(self) -> float:
        return len(self.plant.runs("till")) + len(self.plant.runs("press"))

    def _choose(self) -> str:
        """`serve` waits longer and longer for one that keeps dying: then all are killed, and it begins anew."""
        part = self.chance.choices(PARTS, WEIGHTS)[0]
        if part not in WEB and self.rows(LOST_OFTEN):
            return "web worker"
        return "all but commands" if self._deaths[part] >= 2 else part

    def _strike(self, part: str) -> bool:
        """False where nothing of it lives."""
        victims = self._find(part)
        for one in victims:
            try:
                one.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                pass
        if not victims:
            return False
        self.killed[part] += 1
        self._note_caught()
        if self.medic.process and self.medic.process.pid in {one.pid for one in victims}:
            self.medic.process.wait(10)
        self._deaths[part] += part in ("worker", "web master")
        return True

    def _note_caught(self) -> None:
        """What the kill has hit in the act: `serve` lets at least a second pass before anybody takes it over."""
        if not self._find("worker"):
            for what, sql in CLAIMED.items():
                self.caught[what] += self.rows(sql)[0][0]

    def _find(self, part: str) -> list[psutil.Process]:
        family = self.medic.family()
        if part in ("serve", "everything"):
            return family[:1] if part == "serve" else family
        kinds: dict[str, list[psutil.Process]] = {"serve": family[:1], "worker": [], "web master": [], "web worker": []}
        for one in family[1:]:
            kinds.get(_kind_of(one, family[0].pid), []).append(one)
        if part == "all but commands":
            return [one for found in kinds.values() for one in found]
        return kinds[part][:1]

    def _await_return(self) -> None:
        process = self.medic.process
        if process and process.poll() is not None:
            self._begin_anew()
        self.medic.wait("the return of the web", self._web_lives, 40)
        self.medic.wait("the return of the worker", self._worker_lives, 40)

    def _begin_anew(self) -> None:
        """A gunicorn whose master was killed with `serve` lets go of the port within a second or two."""
        self._deaths.clear()
        until = time.monotonic() + 30
        while time.monotonic() < until:
            self.medic.start(wait=False)
            wait_for("an answer, or the end", lambda: self.medic.process.poll() is not None or self._serves(), 20)
            if self.medic.process.poll() is None:
                return
        raise AssertionError(f"serve does not start any more: {self.medic.log()[-2000:]}")

    def _serves(self) -> bool:
        return len(self.medic.family()) >= 3

    def _web_lives(self) -> bool:
        try:
            return self.medic.session.get(f"{self.medic.url}/healthz", timeout=1).ok
        except requests.RequestException:
            return False

    def _worker_lives(self) -> bool:
        found = self._find("worker")
        return bool(found) and bool(self.rows(f"SELECT id FROM workers WHERE name LIKE '%-{found[0].pid}'"))

    # -- what came of it

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What stands in the database."""
        with self._connection() as connection:
            return list(connection.execute(sql).fetchall())

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        if self.url:
            with psycopg.connect(self.url, autocommit=True) as connection:
                yield connection
            return
        connection = sqlite3.connect(f"file:{self.folder}/medic/data/medic.db?mode=ro", uri=True, timeout=20)
        try:
            yield connection
        finally:
            connection.close()

    def unfinished(self) -> str:
        """What is not at its end yet; "" where everything is."""
        asked = {
            "signals unread": "SELECT key FROM signals WHERE triaged_at IS NULL",
            "steps under way": "SELECT name, state, because FROM steps WHERE state IN ('queued', 'running')",
            "alerts owed": "SELECT key, state, because FROM alerts WHERE state != 'delivered'",
            "chains not recovered": "SELECT root_id, state, because FROM executions WHERE state != 'recovered'",
            "incidents under way": "SELECT component, state, because FROM incidents"
            " WHERE state IN ('open', 'recovering')",
            "recoveries under way": "SELECT id, state, because FROM recoveries WHERE ended_at IS NULL",
        }
        for what, sql in asked.items():
            if found := self.rows(sql):
                return f"{len(found)} {what}: {found[:5]}"
        missing = sorted(set(self.orders) - set(self.shop.placed()))
        return f"{len(missing)} orders never placed: {missing[:5]}" if missing else ""

    def drain(self, seconds: float) -> None:
        """Wait until everything is at its end."""
        left = "not looked at"
        until = time.monotonic() + seconds
        while left and time.monotonic() < until:
            time.sleep(0.3)
            left = self.unfinished()
        assert not left, f"after {seconds:g} s: {left}"

    def chains(self) -> dict[str, list[Any]]:
        """The orders' chains as n8n has them, by root."""
        return chains_of(self.n8n)

    def pids(self, component: str) -> list[int]:
        """The processes of a component's restart command."""
        return [int(line.split()[1]) for line in self.plant.runs(component)]


def _kind_of(process: psutil.Process, serve: int) -> str:
    try:
        words, parent = process.cmdline(), process.ppid()
    except psutil.Error:
        return "gone"
    if "gunicorn" in words:
        return "web master" if parent == serve else "web worker"
    return "worker" if words[-2:] == ["recovery", "worker"] else "command"
