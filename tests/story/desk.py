"""People who are told: every channel's messages, as they came, and channels that fail as the test says."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from recovery.clock import utc_now
from recovery.model import AlertPolicy, ChannelPlan, ComponentPlan, Done, DoorError, Severity
from recovery.store import orders
from recovery.store.tables import AlertRow
from recovery.worker import sending
from tests.conftest import FakeClock
from tests.story.engine import Engine

KINDS = {"team": "slack", "mail": "email", "phone": "sms"}
ALL = tuple(ChannelPlan(name, kind) for name, kind in KINDS.items())


@dataclass(frozen=True)
class Told:
    """One message that a channel took."""

    channel: str
    kind: str
    key: str
    at: datetime
    facts: dict[str, Any]

    @property
    def about(self) -> str:
        """The component that it is about."""
        return str(self.facts.get("component", ""))


class Desk:
    """An engine whose channels are the test's own."""

    def __init__(self, clock: FakeClock, patch: pytest.MonkeyPatch, channels: tuple[ChannelPlan, ...] = ALL,
                 alerting: AlertPolicy | None = None, **policy: Any):  # fmt: skip
        self.clock = clock
        self.engine = Engine(clock, alerting=alerting or AlertPolicy(), **policy)
        self.engine.ctx.channels = channels
        self.engine.ctx.public_url, self.engine.ctx.link_key = "http://medic.test", "key"
        self.told: list[Told] = []
        self.broken: dict[str, Callable[[], DoorError]] = {}
        self.memories: list[Any] = []
        patch.setattr(sending, "_hand_over", self._take)

    def _take(self, ctx: Any, plan: ChannelPlan, row: AlertRow) -> Done:
        if plan.name in self.broken:
            raise self.broken[plan.name]()
        self.memories.append(sending._remembered(row))
        self.told.append(Told(plan.name, row.kind, row.key, utc_now(), row.facts))
        number = sum(one.channel == plan.name for one in self.told)
        return Done("taken", {"number": number})

    def kinds(self, channel: str = "") -> list[str]:
        """The kinds of what came (over a channel), in order."""
        return [one.kind for one in self.told if channel in ("", one.channel)]

    def of(self, channel: str, kind: str = "") -> list[Told]:
        """What came over a channel (of a kind)."""
        return [one for one in self.told if one.channel == channel and kind in ("", one.kind)]

    def count(self, kind: str) -> Counter[str]:
        """How many of a kind came, by channel."""
        return Counter(one.channel for one in self.told if one.kind == kind)

    def fail(self, *names: str) -> None:
        """These components fail, and are taken in at once."""
        for name in names:
            for _ in range(2):
                self.engine.probe(name, False)
        self.engine.tick()

    def heal(self, *names: str) -> None:
        """These are well again, and their incidents are resolved."""
        for name in names:
            self.engine.probe(name, True)
        self.engine.tick()
        self.engine.run(15, 5)

    def wait(self, seconds: float, step: float = 30.0) -> None:
        """Let time pass."""
        self.engine.run(seconds, step)

    def order(self, what: Any, component: str, **more: Any) -> Any:
        """Somebody asks for something."""
        order = orders.add_order(self.engine.incident(component).id, what, "kim", utc_now(), **more)
        self.engine.tick()
        return type(order).get_by_id(order.id)


def plan(name: str, severity: Severity = Severity.HIGH, **more: Any) -> dict[str, ComponentPlan]:
    """One component without a check, of that severity."""
    return {name: ComponentPlan(name, severity, **more)}
