"""A simulated month of failures through the real engine: how often people are paged, and whether a call is missed.

Everything is real but the clock, the components and the channels. A page is a message of its own at the busiest
channel, that of an end too; digests and reports are read when there is time. It is compared with one message for each
failure (what an error workflow sends), and for each cause.
"""

import random
import tempfile
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.tables import show
from recovery import clock
from recovery.clock import utc_now
from recovery.model import Brakes, OrderWhat, ReportPlan, Severity
from recovery.model.telling import AlertPolicy
from recovery.store import database, due, orders
from recovery.store.tables import AlertRow, IncidentRow, LineRow
from recovery.worker.reporting import plan_reports
from tests.conftest import FakeClock
from tests.story.desk import Desk
from tests.story.engine import restartable

FILE = Path(__file__).with_name("alerts_month.yaml")
PAGES = frozenset(
    {"opened", "worsened", "needs_human", "reminder", "recovered", "storm", "held_back", "channel_trouble"}
)
RESTED = timedelta(hours=36)


@dataclass(order=True)
class Cause:
    """Something that fails: when, and when it is well again by itself or by healing (None: never without a person)."""

    at: datetime
    name: str
    kind: str
    severity: str
    failures: int
    well_at: datetime | None


def main() -> None:
    """Simulate the month of the file, and print how often people were paged."""
    plan = yaml.safe_load(FILE.read_text())
    with tempfile.TemporaryDirectory(prefix="medic-bench-") as folder, pytest.MonkeyPatch.context() as patch:
        fake = FakeClock()
        fake.now = datetime(2026, 6, 1, tzinfo=UTC)
        clock.use_source(fake)
        try:
            database.open_database(f"sqlite:///{folder}/medic.db")
            causes = draw(plan, fake.now)
            month = Month(fake, patch, causes, plan)
            month.run()
            report(month, causes)
        finally:
            clock.use_source(None)
            database.close_database()


def draw(plan: dict[str, Any], begin: datetime) -> list[Cause]:
    """The causes of the month, in their order; the same for the same seed."""
    chance, found = random.Random(plan["seed"]), []
    for kind, told in plan["types"].items():
        for number in range(told["causes"]):
            at = begin + timedelta(seconds=chance.uniform(0, plan["days"] * 86_400))
            found.append(_cause(chance, f"{kind}-{number}", kind, told, at))
    for place, told in enumerate(plan["bursts"]):
        at = begin + timedelta(seconds=chance.uniform(0, plan["days"] * 86_400))
        for number in range(told["causes"]):
            moment = at + timedelta(seconds=chance.uniform(0, 55))
            found.append(_cause(chance, f"burst{place}-{number}", "server_unresponsive", told, moment))
    return sorted(found)


def _cause(chance: random.Random, name: str, kind: str, told: dict[str, Any], at: datetime) -> Cause:
    severity = chance.choices(list(told["severity"]), list(told["severity"].values()))[0]
    heals = chance.random() < told["heals"]
    well_at = at + timedelta(seconds=chance.uniform(*told["within"])) if heals else None
    return Cause(at, name, kind, severity, chance.randint(*told["failures"]), well_at)


class Month:
    """The engine, the causes, and a person who answers most calls."""

    def __init__(self, fake: FakeClock, patch: pytest.MonkeyPatch, causes: list[Cause], plan: dict[str, Any]):
        many = Brakes(per_hour=10**6, per_day=10**6, overall_per_hour=10**6, overall_per_day=10**6)
        policy = AlertPolicy(reports=(ReportPlan("daily", "0 8 * * *", empty=False),))
        components = {one.name: restartable(one.name, Severity(one.severity)) for one in causes}
        self.desk = Desk(fake, patch, alerting=policy, components=components, brakes=many)
        self.fake, self.chance = fake, random.Random(plan["seed"] + 1)
        self.answers_within, self.causes = plan["acknowledged_within"], causes
        self.by_name = {one.name: one for one in causes}
        self.answered: set[tuple[int, int]] = set()
        patch.setattr(self.desk.engine.outside, "request", self._look)
        patch.setattr(self.desk.engine.outside, "run", lambda command, **more: _done())

    def _look(self, method: str, url: str, **more: Any) -> Any:
        """A check: well from its time on; a restart alone does not hurry it."""
        from recovery.model import DoorError, HttpAnswer

        cause = self.by_name[url.split("//")[1].split(".example.com")[0]]
        if cause.well_at and utc_now() >= cause.well_at:
            return HttpAnswer(200, "ok", 1.0)
        raise DoorError("connection refused", kind="refused")

    def run(self) -> None:
        """From event to event, and from one stored time to the next."""
        events = [(one.at, 0, one) for one in self.causes]
        events += [(one.well_at + timedelta(seconds=1), 1, one) for one in self.causes if one.well_at]
        waiting = sorted(events, key=lambda one: (one[0], one[1], one[2].name))
        plan_reports(self.desk.engine.ctx, utc_now())
        end = max(at for at, _, _ in waiting) + RESTED
        while utc_now() < end:
            while waiting and waiting[0][0] <= utc_now():
                _, is_well, cause = waiting.pop(0)
                for _ in range(1 if is_well else 2):
                    self.desk.engine.probe(cause.name, bool(is_well), failure_type=None if is_well else cause.kind)
            self.desk.engine.tick(1)
            self._answer()
            self._advance(waiting[0][0] if waiting else end)

    def _advance(self, until: datetime) -> None:
        later = [at for at in due.read_agenda().values() if at > utc_now()]
        self.fake.now = max(min([until, *later]), utc_now() + timedelta(milliseconds=500))

    def _answer(self) -> None:
        """Of ten calls nine are answered: the person acknowledges, and what nobody can heal is mended within hours."""
        for row in IncidentRow.select().where(IncidentRow.state == "needs_human"):
            at = row.told_at or row.opened_at
            if row.acknowledged_at and row.acknowledged_at >= at:
                continue
            sure = random.Random(row.id * 100 + row.asked)
            if (row.id, row.asked) in self.answered or sure.random() < 0.1 and utc_now() < at + timedelta(hours=20):
                continue
            if utc_now() >= at + timedelta(seconds=sure.uniform(0, self.answers_within)):
                self.answered.add((row.id, row.asked))
                orders.add_order(row.id, OrderWhat.ACKNOWLEDGE, "kim", utc_now())


def _done() -> Any:
    from recovery.model import ShellResult

    return ShellResult(0, "restarted")


def report(month: Month, causes: list[Cause]) -> None:
    """How often people were paged, by type and in all, and which calls nobody heard of."""
    pages: dict[str, Counter[str]] = {}
    for one in month.desk.told:
        if one.kind in PAGES:
            cause = month.by_name.get(one.about)
            pages.setdefault(cause.kind if cause else one.kind, Counter())[one.channel] += 1
    kinds = sorted({one.kind for one in causes})
    needed = Counter(month.by_name[row.component].kind for row in IncidentRow.select().where(IncidentRow.asked > 0))
    rows = [
        _row(kind, [one for one in causes if one.kind == kind], needed[kind], pages.get(kind, Counter()))
        for kind in kinds
    ]
    rows += [[kind, "", "", "", max(counted.values()), "", ""] for kind, counted in pages.items() if kind not in kinds]
    total = sum((counted for counted in pages.values()), Counter[str]())
    heads = ["type", "failures", "causes", "calls", "pages", "per failure", "per cause"]
    whole = _row("all", causes, needed.total(), total)
    show("A month of failures: pages at the busiest channel, and how many needed a person", heads, [*rows, whole])
    sent = Counter((one.channel, one.kind) for one in month.desk.told)
    show("What came", ["channel", "kind", "messages"], [[*key, number] for key, number in sorted(sent.items())])
    called = IncidentRow.select().where(IncidentRow.asked > 0).count()
    print(f"Calls for a person: {called}; of these nobody was told of {len(missed(month.desk))}.")


def _row(kind: str, causes: list[Cause], calls: int, pages: Counter[str]) -> list[Any]:
    failures, most = sum(one.failures for one in causes), max(pages.values(), default=0)
    return [kind, failures, len(causes), calls, most, f"{most / failures:.3f}", f"{most / len(causes):.3f}"]


def missed(desk: Desk) -> list[int]:
    """Incidents that needed a person and that no message named or counted."""
    named = {row.incident_id for row in AlertRow.select() if row.state == "delivered" and row.kind == "needs_human"}
    told = {row.bundle_id for row in AlertRow.select() if row.state == "delivered" and row.bundle_id}
    counted = {line.incident_id for line in LineRow.select() if line.bundle_id in told}
    called = [row.id for row in IncidentRow.select().where(IncidentRow.asked > 0)]
    return [number for number in called if number not in named | counted]
