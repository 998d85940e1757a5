"""What every part of the worker is given."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from recovery.clock import utc_now
from recovery.model import AlertPolicy, AuditPlan, ChannelPlan, Doors, Policy, Window
from recovery.model.links import Answer, Decision, sign_answer, sign_decision
from recovery.store import database
from recovery.worker.connectivity import Connectivity
from recovery.worker.ears import Ears

log = logging.getLogger("medic.worker")
LEASE = timedelta(seconds=30)


class Pool:
    """A bounded number of threads for one kind of work; tells when one is free again."""

    def __init__(self, name: str, size: int, freed: Callable[[], None]):
        self._threads = ThreadPoolExecutor(size, thread_name_prefix=name)
        self._free = size
        self._freed = freed
        self._lock = threading.Lock()

    @property
    def free(self) -> int:
        """How many more may be handed in now."""
        return self._free

    def run(self, work: Callable[..., None], *args: Any) -> None:
        """Run it in a thread; what it raises is logged, and what it had claimed is found when its lease ends."""
        with self._lock:
            self._free -= 1
        self._threads.submit(self._guarded, work, *args)

    def _guarded(self, work: Callable[..., None], *args: Any) -> None:
        try:
            work(*args)
        except Exception as problem:
            log.exception("%s failed", getattr(work, "__name__", work))
            database.close_broken(problem)
        finally:
            with self._lock:
                self._free += 1
            self._freed()

    def close(self) -> None:
        """Take nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Auditing:
    """How each n8n is audited, by name, and how often: zero for only when somebody asks."""

    plans: Mapping[str, AuditPlan] = field(default_factory=dict)
    every: timedelta = timedelta(0)


@dataclass(slots=True)
class Context:
    """What the parts of the worker share.

    Fields:
        worker: this worker's name. freed: wakes the loop.
        channels: for routing; channel_args: their plugins' arguments, by name.
        alerting: who is told what, and when. silences: those that were open at a moment.
        doors_for_step: the doors of one step; `started(group, start)` hears of the process it starts.
        taken: how many signals the last batch held: many mean a storm.
        windows: the times of maintenance that were open at a moment.
        latest: the time of the last tick. leapt: the clock leapt ahead before it.
        failures_kept: how long history is kept.
        connectivity: whether this machine itself is online. ears: whether anybody can be heard.
        auditing: how each n8n is audited, and when.
        background: the event loop that checks run on. looks: those at components that are under way.
        public_url: where people find the pages. language: of the messages. link_key: signs links.
        templates: the folder of the user's own words for messages; None without.
    """

    worker: str
    policy: Policy
    doors: Doors
    freed: Callable[[], None]
    channels: Sequence[ChannelPlan] = ()
    channel_args: Mapping[str, Any] = field(default_factory=dict)
    alerting: AlertPolicy = field(default_factory=AlertPolicy)
    doors_for_step: Callable[[Callable[[int, float], None]], Doors] | None = None
    public_url: str = ""
    language: str = "en"
    templates: Path | None = None
    dry_run: bool = False
    link_key: str = field(default="", repr=False)
    taken: int = 0
    latest: datetime | None = None
    leapt: bool = False
    windows: tuple[datetime, Sequence[Window]] | None = None
    silences: tuple[datetime, Sequence[Any]] | None = None
    failures_kept: timedelta = timedelta(days=365)
    background: Any = None
    connectivity: Connectivity = field(default_factory=Connectivity)
    ears: Ears = field(default_factory=Ears)
    looks: Any = None
    auditing: Auditing = field(default_factory=Auditing)
    pools: dict[str, Pool] = field(default_factory=dict)

    def pool(self, word: str, size: int = 8) -> Pool:
        """The threads for one kind of work."""
        if word not in self.pools:
            self.pools[word] = Pool(word, size, self.freed)
        return self.pools[word]

    def full(self) -> set[str]:
        """The kinds of work for which no thread is free."""
        return {word for word, pool in self.pools.items() if pool.free <= 0}

    def lease(self, now: datetime, seconds: float = 0.0) -> datetime:
        """Until when something claimed now is held: its own time and some to spare."""
        return now + LEASE + timedelta(seconds=seconds)

    def decision_link(self, decision: Decision) -> str:
        """Where people decide about a step with nothing but the message; "" without a key to sign with."""
        token = sign_decision(self.link_key, decision) if self.link_key else ""
        return f"{self.public_url.rstrip('/')}/decide/{token}" if token else ""

    def override_link(self) -> str:
        """Where people see what they ordered."""
        return f"{self.public_url.rstrip('/')}/override"

    def answer_link(self, answer: Answer) -> str:
        """Where people acknowledge with nothing but the message; "" without a key to sign with."""
        token = sign_answer(self.link_key, answer) if self.link_key else ""
        return f"{self.public_url.rstrip('/')}/answer/{token}" if token else ""

    def channel(self, name: str) -> ChannelPlan | None:
        """The channel of that name, where it is configured."""
        return next((plan for plan in self.channels if plan.name == name), None)

    def link(self, incident_id: int) -> str:
        """Where people see an incident."""
        return f"{self.public_url.rstrip('/')}/incidents/{incident_id}"


def now_for_effect() -> datetime:
    """The present, for what is written beside an effect that runs in a thread of its own, after its tick."""
    return utc_now()
