"""Notices that this machine itself is offline, so that nothing is restarted for it; tells of it once.

While it is, a look that gets no answer says nothing. In memory alone: what is silent is found again by the first looks
of the next worker, and the open incident bridges the time until then.
"""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from recovery.decide.connectivity import (
    WITHIN,
    Phase,
    Silence,
    Standing,
    has_passed,
    hold_offline,
    is_suspicious,
    is_unanswered,
    move_on,
    only_listens,
    say_offline,
    silent_hosts,
    whom_to_ask,
)
from recovery.decide.holding import Hold
from recovery.model import CONNECTIVITY, DoorError, FailureType, Reading
from recovery.sources import probe
from recovery.store import components, incidents, recoveries, signals, sites
from recovery.store.tables import ComponentRow

if TYPE_CHECKING:
    from recovery.worker.context import Context

log = logging.getLogger("medic.worker")
Ended = list[tuple[ComponentRow, Reading]]
ASK_AGAIN, TELL_AGAIN, HURRY_AGAIN = timedelta(seconds=5), timedelta(seconds=60), timedelta(seconds=5)
PROVED_FOR = timedelta(seconds=10)
ANCHOR_SECONDS = 3.0
MOST_HURRIED = 20
LEFT_TO_OTHERS = frozenset(
    ("incidents", "recoveries", "steps", "executions", "alerts", "calls", "held alerts", "late alerts")
)


class Connectivity:
    """What is silent, what the anchors said, and how this machine's connection stands."""

    def __init__(self) -> None:
        self._silent: dict[str, Silence] = {}
        self._hurried: dict[str, datetime] = {}
        self._standing = Standing()
        self._asked_at: datetime | None = None
        self._proved_at: datetime | None = None
        self._compared_at: datetime | None = None
        self._told_at: datetime | None = None
        self._asking = self._others_online = False
        self._reached: bool | None = None

    @property
    def offline_since(self) -> datetime | None:
        """Since when this machine is offline; None where it is not."""
        return self._standing.since

    def is_due(self, ctx: "Context", now: datetime) -> bool:
        """Whether `note` should be called although no look has ended."""
        return self._reached is not None or (bool(ctx.policy.anchors) and has_passed(self._compared_at, ASK_AGAIN, now))

    def leaves(self) -> frozenset[str]:
        """What a worker leaves to others while its machine is offline and theirs is not."""
        return LEFT_TO_OTHERS if self.offline_since and self._others_online else frozenset()

    def hold(self, ctx: "Context", component: str) -> Hold | None:
        """Why a component is left alone just now; None where nothing stands against it."""
        since = self.offline_since
        return hold_offline(component, ctx.policy, self._silent, since) if since else None

    def out_of_reach(self, ctx: "Context") -> list[str]:
        """The components for which nothing is begun just now."""
        held = self.offline_since is not None
        return [name for name, plan in ctx.policy.components.items() if held and plan.outside and name in self._silent]

    def believed(self, ctx: "Context", reading: Reading, now: datetime) -> Reading:
        """The reading; one that says nothing where it got no answer and it may be this machine that is offline."""
        plan = ctx.policy.component(reading.component)
        if only_listens(plan):
            return _unbelieved(reading) if self.offline_since and reading.healthy is False else reading
        if not plan.outside or not is_unanswered(reading):
            return reading
        unproved = has_passed(self._proved_at, PROVED_FOR, now) and self._suspects(ctx, now)
        return _unbelieved(reading) if self.offline_since or unproved else reading

    def _suspects(self, ctx: "Context", now: datetime) -> bool:
        return is_suspicious(self._silent.values(), ctx.policy, now)

    def note(self, ctx: "Context", ended: Ended, now: datetime) -> Ended:
        """Keep who is silent, ask the anchors where too many are, and give what can be believed of the looks.

        In the transaction that records them.
        """
        if not ctx.policy.anchors:
            return ended
        fresh = self._keep(ctx, ended, now)
        self._act_on_answer(ctx, now)
        if fresh:
            self._hurry(whom_to_ask(self._silent, ctx.policy, MOST_HURRIED), now)
        if self.offline_since or self._suspects(ctx, now):
            self._ask(ctx, now)
        if has_passed(self._compared_at, ASK_AGAIN, now):
            self._compared_at = now
            self._compare(ctx, now)
        return [(row, self.believed(ctx, one, now)) for row, one in ended]

    def resume(self, ctx: "Context", now: datetime) -> None:
        """Where an earlier worker said that the machine is offline: it is, until an anchor answers."""
        if not incidents.find_failing([CONNECTIVITY]):
            return
        if ctx.policy.anchors and any(plan.outside for plan in ctx.policy.components.values()):
            self._standing = Standing(Phase.OFFLINE, since=now)
            self._ask(ctx, now)
        else:
            _tell(True, "it is no longer looked after", now)

    def _keep(self, ctx: "Context", ended: Ended, now: datetime) -> bool:
        fresh = False
        for row, reading in ended:
            host = ctx.policy.component(row.name).outside
            if host and is_unanswered(reading):
                fresh |= row.name not in self._silent
                self._silent.setdefault(row.name, Silence(host, now))
            elif reading.healthy is not None:
                self._silent.pop(row.name, None)
        return fresh

    def _hurry(self, names: Sequence[str], now: datetime) -> None:
        """Have components looked at now, each of them once in a while."""
        wanted = [name for name in names if has_passed(self._hurried.get(name), HURRY_AGAIN, now)]
        self._hurried.update(dict.fromkeys(wanted, now))
        components.hurry_components(wanted, now)

    def _ask(self, ctx: "Context", now: datetime) -> None:
        if self._asking or not has_passed(self._asked_at, ASK_AGAIN, now):
            return
        self._asking, self._asked_at = True, now

        def ended(future: Future[bool]) -> None:
            self._asking = False
            self._reached = future.exception() is None and future.result()
            ctx.freed()

        ctx.background.start(_is_online(ctx.doors, ctx.policy.anchors), ended)

    def _act_on_answer(self, ctx: "Context", now: datetime) -> None:
        reached, self._reached = self._reached, None
        if reached:
            if has_passed(self._proved_at, WITHIN, now):  # what was doubted meanwhile is looked at again
                components.hurry_components(list(self._silent), now)
            self._proved_at = now
        before, self._standing = (
            self._standing,
            move_on(self._standing, reached, self._silent.values(), ctx.policy, now),
        )
        if before.phase is self._standing.phase:
            return
        log.warning("this machine is %s", self._standing.phase)
        self._compared_at = self._told_at = None
        if self._standing.phase is Phase.RETURNING:
            components.hurry_components(list(self._silent), now)
            return
        recoveries.wake_held(now)
        if self._standing.phase is Phase.ONLINE:  # nor could anybody be heard
            ctx.ears.hear_again(ctx.policy, now)

    def _compare(self, ctx: "Context", now: datetime) -> None:
        """What people are told follows how it stands, whatever was lost on the way there."""
        self._others_online, others_offline = sites.compare_workers(ctx.worker, self.offline_since is not None, now)
        told = bool(incidents.find_failing([CONNECTIVITY]))
        if told == bool(self.offline_since or others_offline) or not has_passed(self._told_at, TELL_AGAIN, now):
            return
        self._told_at = now
        if told:
            _tell(True, "this machine reaches the outside again", now)
        elif self.offline_since:
            _tell(False, say_offline(silent_hosts(self._silent.values()), ctx.policy), now)


def _unbelieved(reading: Reading) -> Reading:
    because = f"{reading.because}; n8n-medic's own machine may be offline, so that it says nothing"
    return replace(reading, healthy=None, because=because[:500], certain=False)


def _tell(healthy: bool, because: str, now: datetime) -> None:
    failure = None if healthy else FailureType.SERVER_UNRESPONSIVE
    reading = Reading(CONNECTIVITY, healthy, because, failure, certain=True)
    signals.add_signals([probe.own_signal(reading, f"connectivity:{now.isoformat()}:{healthy}")], now)


async def _is_online(doors: Any, anchors: tuple[str, ...]) -> bool:
    """Whether at least one of the anchors takes a connection, and of those that are names one can be resolved.

    A machine whose name server is gone reaches addresses, and yet all that it looks at by name fails at once.
    """

    async def reaches(host: str, port: int) -> None:
        await doors.http.reach(host, port, ANCHOR_SECONDS)

    async def resolves(name: str) -> None:
        await doors.network.resolve(name, ["A", "AAAA"], "", 53, ANCHOR_SECONDS)

    split = [anchor.rpartition(":") for anchor in anchors]
    places = [(host.strip("[]"), int(port)) for host, _, port in split]
    names = [host for host, _ in places if not _is_address(host)]
    reached = any(await asyncio.gather(*(_works(reaches(*place)) for place in places)))
    return reached and (not names or any(await asyncio.gather(*(_works(resolves(name)) for name in names))))


async def _works(asking: Coroutine[Any, Any, None]) -> bool:
    try:
        await asking
    except DoorError:
        return False
    return True


def _is_address(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        return False
