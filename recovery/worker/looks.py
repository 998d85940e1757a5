"""Looks at components that are under way: on the event loop or in threads, however many; what ends is kept here."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from recovery import checks
from recovery.clock import utc_now
from recovery.model import DoorError, Doors, FailureType, Health, Past, PlannedCheck, Plugin, Reading
from recovery.outside.bounded import Bounded
from recovery.store.tables import ComponentRow

THREADS = 64
MOST_AT_ONCE = 2_000
SPARE_SECONDS = 120.0  # a look at an n8n asks it many times, and a check's own timeout is for one answer
HOLD_EVERY = timedelta(seconds=30)
KIND = "kept by"  # in a stored memory, the kind of check that it is of: another would misread it
_bounded = Bounded()


class Background(Protocol):
    """An event loop in a thread of its own; see `recovery.outside.background`."""

    def run(self, work: Any) -> Any:
        """Run a coroutine there, and wait for it here."""

    def start(self, work: Any, ended: Callable[[Future[Any]], None]) -> None:
        """Run a coroutine there; `ended` is told on its thread."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A check with its arguments read once, ready to look."""

    name: str
    plugin: Plugin
    args: Any

    def begin(self, doors: Doors, now: datetime, known: ComponentRow | None) -> Any:
        """A reading, or a coroutine that gives one; `known` is what is known of the component so far."""
        beat = (known.beat or {}) if known else {}
        past = (Past(now, self._remembered(known), beat),) if self.plugin.remembers else ()
        return self.plugin.run(self.args, doors, *past)

    def _remembered(self, known: ComponentRow | None) -> dict[str, Any]:
        memory = dict((known.memory or {}) if known else {})
        return memory if memory.pop(KIND, None) == self.plugin.name else {}

    @property
    def seconds(self) -> float:
        """How long a look may take as a whole."""
        return SPARE_SECONDS + float(getattr(self.args, "timeout", 0.0))

    async def within(self, look: Any) -> Reading:
        """Wait for a look that is a coroutine, and end it at its deadline."""
        try:
            async with asyncio.timeout(self.seconds) as limit:
                return await look
        except TimeoutError:
            if limit.expired():
                raise self.late() from None
            raise

    def late(self) -> DoorError:
        """It is past its deadline."""
        return DoorError(f"the look at it has not ended within {self.seconds:g} s", "timeout")

    def told(self, reading: Reading) -> Reading:
        """The reading as one of this component."""
        memory = None if reading.memory is None else {**reading.memory, KIND: self.plugin.name}
        return replace(reading, component=self.name, memory=memory)

    def broken(self, problem: BaseException) -> Reading:
        """A check that breaks is a bad reading, with its reason; what it remembered may be why, and is dropped."""
        if isinstance(problem, DoorError):
            return Reading(self.name, False, str(problem), FailureType.SERVER_UNRESPONSIVE)
        because = f"the check itself broke: {problem}"
        return Reading(self.name, False, because, FailureType.SERVER_UNRESPONSIVE, memory={})


def prepare(name: str, check: PlannedCheck) -> Prepared:
    """Find the plugin, and read its arguments."""
    plugin = checks.REGISTRY.find(check.name)
    return Prepared(name, plugin, plugin.args.model_validate(check.args))


@dataclass(slots=True)
class UnderWay:
    """A look that has not ended: for which claim, and since when it runs; None where it waits for a thread."""

    row: ComponentRow
    prepared: Prepared
    since: datetime | None = None
    told_at: datetime | None = None

    def is_late(self, now: datetime, again: timedelta) -> bool:
        """Whether it is past its deadline, and that is not told of yet, or was so long ago. A coroutine ends there."""
        if self.since is None or self.prepared.plugin.waits:
            return False
        limit = timedelta(seconds=self.prepared.seconds)
        return now - self.since > limit if self.told_at is None else now - self.told_at >= again


class Looks:
    """Takes looks, and keeps those that have ended until the loop records them together.

    Args:
        freed: wakes the loop, for what it should hear of at once.
    """

    def __init__(self, doors: Doors, background: Background, freed: Callable[[], None]):
        self._doors, self._background, self._freed = doors, background, freed
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="looks")
        self._lock = threading.Lock()
        self._under_way: dict[str, UnderWay] = {}
        self._in_threads = 0
        self._hold_at: datetime | None = None
        self._ended: deque[tuple[ComponentRow, Reading]] = deque()
        self._prepared: dict[str, tuple[PlannedCheck, Prepared]] = {}
        self._died: deque[str] = deque()

    @property
    def free(self) -> int:
        """How many more may begin."""
        return MOST_AT_ONCE - len(self._under_way)

    @property
    def threads_free(self) -> bool:
        """Whether a check that needs a thread may begin."""
        return self._in_threads < THREADS

    @property
    def ended(self) -> bool:
        """Whether any waits to be recorded."""
        return bool(self._ended)

    @property
    def died(self) -> bool:
        """Whether a watched process or container has died, whose component is not being looked at."""
        return any(name not in self._under_way for name in list(self._died))

    def take_died(self) -> set[str]:
        """The components of what has died; one that is being looked at is told of after that look."""
        names = {self._died.popleft() for _ in range(len(self._died))}
        busy = {name for name in names if name in self._under_way}
        self._died.extend(busy)
        return names - busy

    def watch(self, name: str, reading: Reading) -> None:
        """A healthy look at a process or a container: hear of its death at once."""
        kept = (reading.memory or {}) if reading.healthy else {}
        if kept.get("pids"):
            self._doors.processes.watch(name, kept["pids"], self._on_death)
        if kept.get("container") and kept.get("docker"):
            self._doors.docker.watch(name, kept["container"], kept["docker"], self._on_death)

    def _on_death(self, name: str) -> None:
        self._died.append(name)
        self._freed()

    def take_ended(self) -> list[tuple[ComponentRow, Reading]]:
        """What has ended since the last call, each once."""
        return [self._ended.popleft() for _ in range(len(self._ended))]

    def to_hold(self, now: datetime) -> bool:
        """Whether it is time to renew the claims of looks that take long."""
        return self._hold_at is not None and self._hold_at <= now

    def hold(self, now: datetime) -> list[ComponentRow]:
        """The claims of all looks under way; to be asked again when `to_hold` says so."""
        with self._lock:
            self._hold_at = now + HOLD_EVERY if self._under_way else None
            return [look.row for look in self._under_way.values()]

    def take_late(self, every: Callable[[str], timedelta], now: datetime) -> list[tuple[ComponentRow, Reading]]:
        """Bad readings of looks that hang: at their deadline, and then as often as they would be looked at."""
        with self._lock:
            late = [look for look in self._under_way.values() if look.is_late(now, every(look.row.name))]
        for look in late:
            look.told_at = now
        return [(look.row, look.prepared.broken(look.prepared.late())) for look in late]

    def begin(self, row: ComponentRow, check: PlannedCheck, now: datetime) -> None:
        """Look at a claimed component. Where an earlier look at it has not ended, that one answers for this claim."""
        with self._lock:
            earlier = self._under_way.get(row.name)
            if earlier:
                earlier.row = row
                return
        try:
            prepared = self._prepare(row.name, check)
        except Exception as problem:  # noqa: BLE001 a check that cannot be prepared says so on its component
            self._keep(row, Reading(row.name, False, f"the check cannot run: {problem}", FailureType.API_ERROR))
            return
        look = UnderWay(row, prepared)
        with self._lock:
            self._under_way[row.name] = look
            self._in_threads += not prepared.plugin.waits
            self._hold_at = self._hold_at or now + HOLD_EVERY
        ended = self._ender(look)
        if prepared.plugin.waits:
            self._background.start(prepared.within(prepared.begin(self._doors, now, row)), ended)
        else:
            self._threads.submit(self._look, look, now).add_done_callback(ended)

    def _prepare(self, name: str, check: PlannedCheck) -> Prepared:
        """Once for each check as it is: a sender may say another `silent_after` at any time."""
        known, prepared = self._prepared.get(name, (None, None))
        if prepared is None or known != check:
            prepared = prepare(name, check)
            self._prepared[name] = check, prepared
        return prepared

    def _look(self, look: UnderWay, now: datetime) -> Reading:
        look.since = utc_now()
        return look.prepared.begin(self._doors, now, look.row)

    def _ender(self, look: UnderWay) -> Callable[[Future[Any]], None]:
        prepared = look.prepared

        def ended(future: Future[Any]) -> None:
            with self._lock:
                self._under_way.pop(look.row.name, None)
                self._in_threads -= not prepared.plugin.waits
            problem = future.exception()
            self._keep(look.row, prepared.broken(problem) if problem else prepared.told(future.result()))

        return ended

    def _keep(self, row: ComponentRow, reading: Reading) -> None:
        self._ended.append((row, reading))
        if not is_quiet(row, reading):
            self._freed()

    def close(self) -> None:
        """Take nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def is_quiet(row: ComponentRow, reading: Reading) -> bool:
    """A healthy look at a healthy component can wait to be recorded until the next tick."""
    return reading.healthy is True and row.health == Health.HEALTHY and not row.failures and not row.muted


def look_now(
    name: str, check: PlannedCheck, doors: Doors, background: Background, now: datetime, known: ComponentRow | None
) -> Reading:
    """One look that is waited for: to confirm a failure, and to verify a recovery. What it would keep is dropped.

    Raises:
        DoorError: it did not end in time, or an earlier one has not ended yet.
    """
    prepared = prepare(name, check)
    if prepared.plugin.waits:
        return background.run(prepared.within(prepared.begin(doors, now, known)))
    return _bounded.call(f"the check of {name}", lambda: prepared.begin(doors, now, known), prepared.seconds)
