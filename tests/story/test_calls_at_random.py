"""Whatever is configured, fails, is silenced and answered: no call for a person is lost, told twice or left lying."""

import random
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from recovery.model import (
    AlertPolicy,
    Budget,
    ChannelPlan,
    DoorError,
    EscalationStep,
    Hours,
    Match,
    OrderWhat,
    QuietPlan,
    RoutePlan,
    Severity,
    StormRule,
)
from recovery.store import orders, silences
from recovery.store.tables import AlertRow, BundleRow, IncidentRow, LineRow
from tests.story.desk import Desk, plan
from tests.story.engine import restartable

NAMES, TURNS, DAYS = [f"c{number}" for number in range(20)], 40, 40 * 3_600
ANSWERS = (OrderWhat.ACKNOWLEDGE, OrderWhat.ESCALATE, OrderWhat.RETRY_NOW, OrderWhat.SNOOZE)


class Chance:
    """All that is drawn, from one seed."""

    def __init__(self, seed: int):
        self.of = random.Random(seed)
        self.channels = [self._channel(number) for number in range(self.of.randint(1, 4))]
        self.silenced: list[int] = []

    def severities(self) -> tuple[Severity, ...]:
        return tuple(self.of.sample(list(Severity), self.of.randint(1, 2)))

    def _channel(self, number: int) -> ChannelPlan:
        taken = None if self.of.random() < 0.6 else self.severities()
        budget = Budget(self.of.randint(2, 6), 600.0) if self.of.random() < 0.3 else None
        return ChannelPlan(f"way{number}", self.of.choice(["slack", "email", "sms", "webhook"]), taken, budget=budget)

    def policy(self) -> AlertPolicy:
        names = [one.name for one in self.channels]
        quiet = Hours(self.of.randrange(1_440), self.of.randrange(1_440), timezone="Asia/Seoul")
        return AlertPolicy(
            routes=tuple(self._route(names) for _ in range(self.of.randint(0, 2))),
            hold_seconds=self.of.choice([0, 60, 300]),
            storm=StormRule(most=self.of.choice([2, 10])),
            quiet_hours=(QuietPlan(quiet, hold_needs_human=self.of.random() < 0.3),),
            escalation=tuple(EscalationStep(60.0 * at, (self.of.choice(names),)) for at in (0, 9, 40)),
        )

    def _route(self, names: list[str]) -> RoutePlan:
        one = RoutePlan("r", Match(severities=self.severities()), channels=(self.of.choice(names),))
        ways: list[dict] = [{"hold_seconds": 600.0}, {"digest_seconds": 300.0}, {"report": True}, {"channels": None}]
        return replace(one, **self.of.choice(ways))

    def turn(self, desk: Desk) -> None:
        """Something happens, and some time passes."""
        doing = self.of.choice((self._fail, self._fail, self._heal, self._break, self._silence, self._answer))
        doing(desk)
        desk.wait(self.of.choice([5, 30, 120, 600]), 30)

    def _fail(self, desk: Desk) -> None:
        desk.fail(*self.of.sample(NAMES, self.of.choice([1, 1, 3, 14])))

    def _heal(self, desk: Desk) -> None:
        for name in self.of.sample(NAMES, 3):
            desk.engine.probe(name, True)

    def _break(self, desk: Desk) -> None:
        name, is_final = self.of.choice(self.channels).name, self.of.random() < 0.3
        problem = DoorError("no", "auth" if is_final else "refused", permanent=is_final)
        if desk.broken.pop(name, None) is None:
            desk.broken[name] = lambda: problem

    def _silence(self, desk: Desk) -> None:
        now = desk.clock.now
        if self.silenced and self.of.random() < 0.5:
            silences.end_silence(self.silenced.pop(), "kim", now)
            return
        ends = now + timedelta(seconds=self.of.choice([300, 3_600, 20_000]))
        matcher = {"severity": [str(self.of.choice(list(Severity)))]}
        self.silenced.append(silences.add_silence(matcher, now, ends, "", "kim", now).id)

    def _answer(self, desk: Desk) -> None:
        for row in IncidentRow.select().where(IncidentRow.state == "needs_human"):
            if self.of.random() < 0.2:
                what, later = self.of.choice(ANSWERS), desk.clock.now + timedelta(hours=2)
                until = later if what is OrderWhat.SNOOZE else None
                orders.add_order(row.id, what, "kim", desk.clock.now, until=until)
        desk.engine.tick()


@pytest.mark.again
@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
@pytest.mark.parametrize("seed", range(6))
def test_no_call_is_lost_whatever_happens(seed, fake_clock, monkeypatch):
    chance = Chance(seed)
    components = {}
    for number, name in enumerate(NAMES):
        severity = chance.of.choice(list(Severity))
        components |= {name: restartable(name, severity)} if number % 2 else plan(name, severity)
    desk = Desk(fake_clock, monkeypatch, tuple(chance.channels), chance.policy(), components=components)
    for _ in range(TURNS):
        chance.turn(desk)
    desk.broken.clear()
    begin = fake_clock.now
    desk.wait(DAYS, 300)

    keys = [one.key for one in desk.told]
    assert len(keys) == len(set(keys)), "once per key"
    waiting = AlertRow.select().where(AlertRow.state.in_(("queued", "sending", "held", "held_back")))
    assert not [row.key for row in waiting if not row.held_until or row.held_until <= fake_clock.now], "nothing lies"
    assert not [bundle.kind for bundle in BundleRow.select() if bundle.open_key and not _is_coming(bundle)]
    assert not unheard(desk, begin), "in all these hours everybody who has not answered was reminded"


def _is_coming(bundle: BundleRow) -> bool:
    return AlertRow.select().where(AlertRow.bundle_id == bundle.id, AlertRow.state == "held").exists()


def unheard(desk: Desk, since: datetime) -> list[str]:
    """What needs a person, and nobody was told of it since then, nor has answered."""
    lately = [one for one in desk.told if one.at >= since]
    named = {one.facts.get("incident_id") for one in lately if one.kind in ("needs_human", "reminder")}
    keys = {one.key for one in lately}
    told = {row.bundle_id for row in AlertRow.select().where(AlertRow.state == "delivered") if row.key in keys}
    counted = {line.incident_id for line in LineRow.select() if line.bundle_id in told}
    open_ones = IncidentRow.select().where(IncidentRow.state == "needs_human", IncidentRow.acknowledged_at.is_null())
    return [row.component for row in open_ones if row.id not in named | counted]
