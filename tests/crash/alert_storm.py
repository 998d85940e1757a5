"""A worker with much to tell, killed at random: incidents in bursts, channels that are slow, flaky, full or gone."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, Self

from recovery.clock import utc_now
from recovery.sources import probe
from recovery.store import database
from recovery.store.ingest import as_row
from recovery.store.ingest_engines import make_engine
from recovery.store.tables import AlertRow, BundleRow, IncidentRow, LineRow, SignalRow, ThreadRow
from tests.crash.storm import SlowReceiver
from tests.standins.receiver import Posted, Reply
from tests.story.medic import Medic

GONE = Reply(403, "no such hook")
SEVERITIES, HEALED = ("critical", "high", "medium", "low"), 12
FINISHED, READY = ("delivered", "folded"), b"the worker is ready"


class FlakyReceiver(SlowReceiver):
    """Slow, and in one case of five it has no time; what is posted to /gone is refused for good."""

    def take(self, posted: Posted) -> Reply:
        """As it comes."""
        answer = super().take(posted)
        if posted.path == "/gone":
            return GONE
        return Reply(503, "busy") if self._delays.random() < 0.2 else answer


class AlertStorm:
    """One worker and those who are told. All chance comes from the seed."""

    def __init__(self, folder: Path, seed: int, database_url: str = ""):
        self.chance = random.Random(seed)
        self.hook = FlakyReceiver(random.Random(seed)).start()
        self.url = database_url or f"sqlite:///{folder}/medic/data/medic.db"
        self.medic = Medic(folder / "medic", self._config(), self.url)
        self.folder, self.kills, self.caught, self.count = folder, 0, 0, 0
        self.failing: list[str] = []
        self.process: subprocess.Popen[bytes] | None = None
        self._over = threading.Event()

    def _config(self) -> dict[str, Any]:
        hooks = [
            {"name": name, "kind": "webhook", "url": f"{self.hook.url}/{name}"} for name in ("hook", "gone", "full")
        ]
        hooks[2]["budget"] = "8/m"
        return {
            "recovery": {
                "settle": "0s", "recurrence_within": "0s", "recurrences_per_hour": 1_000,
                "stages": [{"after": after, "attempts": 1} for after in ("0s", "1s", "2s")],
            },
            "brakes": dict.fromkeys(("per_hour", "per_day", "overall_per_hour", "overall_per_day", "breaker"), 1_000)
            | {"cooldown": "0s"},
            "components": [
                {
                    "name": f"r{number}", "severity": SEVERITIES[number % 4], "restart": ["true"], "trust_probes": True,
                    "boot_grace": "0s",
                }
                for number in range(HEALED)
            ],
            "alerts": {
                "channels": hooks, "hold": "1s", "digest": "2s", "reports": {"daily": False},
                "storm": {"incidents": 4, "within": "2s"},
            },
        }  # fmt: skip

    def __enter__(self) -> Self:
        database.open_database(self.url)
        self._load = threading.Thread(target=self._burst_on_burst, daemon=True)
        self._load.start()
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._load.join(30)
        self.kill()
        if exc[0]:
            print(self.log_bytes()[-5_000:].decode(errors="replace"))
        self.hook.stop()
        database.close_database()

    def log_bytes(self) -> bytes:
        """What the workers said."""
        path = self.folder / "log"
        return path.read_bytes() if path.exists() else b""

    # -- the load

    def _burst_on_burst(self) -> None:
        """Components fail, alone or many at once, and some become well again."""
        while not self._over.wait(self.chance.uniform(0.2, 1.2)):
            for _ in range(self.chance.choice((1, 1, 2, 12))):
                name = f"c{self.count}" if self.chance.random() < 0.7 else f"r{self.chance.randrange(HEALED)}"
                self.count += 1
                severity = self.chance.choice(SEVERITIES)
                self._tell(name, False, severity)
                self._tell(name, False, severity)
                self.failing.append(name)
            while self.failing and self.chance.random() < 0.5:
                self._tell(self.failing.pop(self.chance.randrange(len(self.failing))), True, "high")
        database.close_database()

    def _tell(self, name: str, healthy: bool, severity: str) -> None:
        for one in probe.receive({"component": name, "healthy": healthy, "severity": severity}):
            with database.turn():
                make_engine(self.url).write([as_row(one, utc_now())])

    # -- the killer

    def start(self) -> None:
        """A worker comes, as `serve` would start one."""
        self.ready = self.log_bytes().count(READY)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "recovery", "worker"],
                cwd=self.medic.folder, env=self.medic.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def kill(self) -> None:
        """SIGKILL, at any line."""
        if self.process and self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait(10)

    def kill_often(self, times: int) -> None:
        """Each time a moment after a message came, or after nothing did; one in ten while it still begins."""
        for _ in range(times):
            if self.chance.random() < 0.9:
                self._await_ready()
            before, until = len(self.hook.requests), time.monotonic() + 5
            wanted = before + self.chance.randrange(4)
            while len(self.hook.requests) <= wanted and time.monotonic() < until:
                time.sleep(0.005)
            time.sleep(self.chance.choice((0, 0, 0.02, 0.1, 0.3)))
            self.kill()
            self.kills += 1
            self.caught += AlertRow.select().where(AlertRow.lease_until.is_null(False)).exists()
            self.start()

    def _await_ready(self) -> None:
        """On a busy machine a worker needs long to begin, and one that has not begun loses nothing."""
        until = time.monotonic() + 60
        while self.log_bytes().count(READY) <= self.ready:
            assert time.monotonic() < until, "no worker is ready after a minute"
            time.sleep(0.01)

    def drain(self, seconds: float) -> None:
        """No more comes; wait until all is told that can be."""
        self._over.set()
        self._load.join(30)
        until, left = time.monotonic() + seconds, "not looked at"
        while left and time.monotonic() < until:
            time.sleep(0.3)
            left = self.owed()
        assert not left, f"after {seconds:g} s: {left}"

    def owed(self) -> str:
        """What is not told yet; "" where all is. What the channel that is gone refused is carried by others."""
        unread = SignalRow.select().where(SignalRow.triaged_at.is_null()).count()
        healing = IncidentRow.select().where(IncidentRow.state.in_(("open", "recovering"))).count()
        waiting = AlertRow.select().where(AlertRow.state.not_in(FINISHED), AlertRow.channel != "gone")
        rows = [f"{row.key} {row.state} {row.error}" for row in waiting]
        if unread or healing:
            return f"{unread} signals unread, {healing} incidents under way"
        return f"{len(rows)} alerts: {rows[:5]}" if rows else ""

    # -- what came of it

    def came(self) -> list[dict[str, Any]]:
        """Everything that was posted to a channel that takes it."""
        return [posted.json for posted in list(self.hook.requests) if posted.path != "/gone"]

    def check(self) -> None:
        """Nothing lost, nothing made up, and twice only with the same key and the same words."""
        rows = {row.key: row for row in AlertRow.select()}
        came = self.came()
        keys = Counter(one["key"] for one in came)
        assert set(keys) <= set(rows), "nothing was made up"
        delivered = {key for key, row in rows.items() if row.state == "delivered"}
        assert delivered <= set(keys), "what counts as delivered came"
        assert len({(one["key"], one["text"]) for one in came}) == len(keys), "what came twice was the same both times"
        assert not [row.key for row in rows.values() if row.state == "failed"]
        assert not BundleRow.select().where(BundleRow.open_key.is_null(False)).exists()
        self._check_calls(rows)
        self._check_order()

    def _check_calls(self, rows: dict[str, AlertRow]) -> None:
        """Each call for a person was named, or counted by a message that came after it."""
        lost = []
        for incident in IncidentRow.select().where(IncidentRow.asked > 0):
            own = [row for row in rows.values() if row.incident_id == incident.id and row.state == "delivered"]
            if any(row.kind == "needs_human" for row in own):
                continue
            lines = list(LineRow.select().where(LineRow.incident_id == incident.id))
            told = {row.bundle_id for row in rows.values() if row.state == "delivered" and row.bundle_id}
            if not told & {line.bundle_id for line in lines} and incident.state != "resolved":
                lost.append((incident.id, incident.component, [(row.key, row.state, row.because) for row in own]))
        assert not lost, f"{len(lost)} calls were lost: {lost[:5]}"

    def _check_order(self) -> None:
        """Of one incident on one channel what was owed first was taken first."""
        for thread in ThreadRow.select().where(ThreadRow.channel != "gone"):
            mine = AlertRow.select().where(AlertRow.thread_id == thread.id, AlertRow.state == "delivered")
            taken = [(row.released_at, row.delivered_at) for row in mine.order_by(AlertRow.released_at, AlertRow.id)]
            assert [at for _, at in taken] == sorted(at for _, at in taken), thread.incident_id

    def summary(self) -> str:
        """What the kills have hit."""
        kinds = Counter(row.kind for row in AlertRow.select(AlertRow.kind).where(AlertRow.state == "delivered"))
        told = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common())
        came = self.came()
        twice = len(came) - len({one["key"] for one in came})
        incidents = IncidentRow.select().count()
        hit = f"{self.kills} kills ({self.caught} of a worker that was sending), {incidents} incidents"
        return f"{hit}; delivered: {told}; {twice} posted again with the same key"
