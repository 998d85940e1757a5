"""Notices that this machine itself is offline, so that nothing is restarted for it; tells of it once.

In memory alone: what is silent is found again by the first looks of the next worker.
"""

import asyncio
import logging
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from recovery.decide.connectivity import (
    CONNECTIVITY,
    Silence,
    hold_offline,
    is_suspicious,
    is_unanswered,
    say_offline,
    silent_hosts,
    whom_to_ask,
)
from recovery.decide.holding import Hold
from recovery.model import DoorError, FailureType, Reading
from recovery.sources import probe
from recovery.store import components, incidents, signals
from recovery.store.tables import ComponentRow

if TYPE_CHECKING:
    from recovery.worker.context import Context

log = logging.getLogger("medic.worker")
ASK_AGAIN, HURRY_AGAIN = timedelta(seconds=5), timedelta(seconds=30)
ANCHOR_SECONDS = 3.0
MOST_HURRIED = 20
GRACE = timedelta(seconds=15)  # once it is back, what fell silent is looked at before anything is believed


class Connectivity:
    """What is silent, and what the anchors said."""

    def __init__(self) -> None:
        self._silent: dict[str, Silence] = {}
        self._asked_at = self._hurried_at = datetime.min.replace(tzinfo=UTC)
        self._asking = False
        self._reached: bool | None = None
        self.offline_since: datetime | None = None
        self._back_at: datetime | None = None

    @property
    def told(self) -> bool:
        """Whether the anchors have answered, or failed to, and it is not acted upon yet."""
        return self._reached is not None

    def hold(self, ctx: "Context", component: str, now: datetime) -> Hold | None:
        """Why a component is left alone just now; None where nothing stands against it."""
        if self._back_at is not None and now - self._back_at >= GRACE:
            self.offline_since = self._back_at = None
        return hold_offline(component, ctx.policy, self.offline_since) if self.offline_since else None

    def note(self, ctx: "Context", ended: list[tuple[ComponentRow, Reading]], now: datetime) -> None:
        """Keep who is silent, and ask the anchors where too many are. In the transaction that records the looks."""
        if not ctx.policy.anchors:
            return
        fresh = False
        for row, reading in ended:
            host = ctx.policy.component(row.name).outside
            if host and is_unanswered(reading):
                fresh |= row.name not in self._silent
                self._silent.setdefault(row.name, Silence(host, now))
            else:
                self._silent.pop(row.name, None)
        self._act_on_answer(ctx, now)
        if fresh and now - self._hurried_at >= HURRY_AGAIN:
            self._hurried_at = now
            components.hurry_components(whom_to_ask(self._silent, ctx.policy, MOST_HURRIED), now)
        if self.offline_since or is_suspicious(self._silent.values(), ctx.policy):
            self._ask(ctx, now)

    def resume(self, ctx: "Context", now: datetime) -> None:
        """Where an earlier worker said that the machine is offline: it is, until an anchor answers."""
        if not incidents.find_failing([CONNECTIVITY]):
            return
        if ctx.policy.anchors and any(plan.outside for plan in ctx.policy.components.values()):
            self.offline_since = now
            self._ask(ctx, now)
        else:
            _tell(Reading(CONNECTIVITY, True, "it is no longer looked after"), now)

    def _ask(self, ctx: "Context", now: datetime) -> None:
        if self._asking or self._back_at or now - self._asked_at < ASK_AGAIN:
            return
        self._asking, self._asked_at = True, now

        def ended(future: Future[bool]) -> None:
            self._asking = False
            self._reached = future.exception() is None and future.result()
            ctx.freed()

        ctx.background.start(_reach_any(ctx.doors.http, ctx.policy.anchors), ended)

    def _act_on_answer(self, ctx: "Context", now: datetime) -> None:
        reached, self._reached = self._reached, None
        if reached is False and not self.offline_since and is_suspicious(self._silent.values(), ctx.policy):
            self.offline_since = now
            because = say_offline(silent_hosts(self._silent.values()), ctx.policy)
            log.warning("%s", because)
            _tell(Reading(CONNECTIVITY, False, because, FailureType.SERVER_UNRESPONSIVE, certain=True), now)
        elif reached and self.offline_since and not self._back_at:
            self._back_at = now
            log.warning("this machine is online again")
            components.hurry_components(list(self._silent), now)
            _tell(Reading(CONNECTIVITY, True, "this machine reaches the outside again", certain=True), now)


def _tell(reading: Reading, now: datetime) -> None:
    signals.add_signals([probe.own_signal(reading, f"connectivity:{now.isoformat()}:{reading.healthy}")], now)


async def _reach_any(http: Any, anchors: tuple[str, ...]) -> bool:
    """Whether at least one of the anchors takes a connection; all are asked at once."""

    async def reaches(anchor: str) -> bool:
        host, _, port = anchor.rpartition(":")
        try:
            await http.reach(host.strip("[]"), int(port), ANCHOR_SECONDS)
        except DoorError:
            return False
        return True

    return any(await asyncio.gather(*map(reaches, anchors)))
