"""What is pushed of components whose silence is a failure: when each was heard of, and when it would be silent."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from recovery import checks
from recovery.model import CONNECTIVITY, ComponentPlan, PlannedCheck, Policy, Reading
from recovery.model.moments import read_aware
from recovery.sources import heartbeat
from recovery.sources.probe import OWN
from recovery.store import components
from recovery.store.signals import Untriaged
from recovery.store.tables import ComponentRow


def look_of(plan: ComponentPlan, row: ComponentRow | None) -> PlannedCheck | None:
    """How a component is looked at: by its check, else for the silence that its configuration or sender speaks of."""
    return plan.check or plan.listens or _declared((row.beat or {}).get("silent_after") if row else None)


def silent_at(plan: ComponentPlan, beat: Mapping[str, Any], now: datetime) -> datetime | None:
    """When a component would be silent, by what is known of its words; None where nothing looks for that yet."""
    look = None if plan.check else plan.listens or _declared(beat.get("silent_after"))
    last = _latest(beat, ("heard_at", "listening_since"), now)
    if look is None or last is None:
        return None
    args = checks.REGISTRY.find(look.name).args.model_validate(look.args)
    return last + timedelta(seconds=args.silent_after)


def await_word(policy: Policy, now: datetime, deaf_until: datetime | None = None) -> None:
    """Plan the looks that would miss whoever falls silent. To be called in a transaction.

    Args:
        deaf_until: nobody could be heard before (no worker ran, say): silence counts from then, of heartbeats too.
    """
    for row in components.find_listened_to():
        plan, beat = policy.component(row.name), dict(row.beat or {})
        if _is_listened_to(plan, beat):
            since = max(filter(None, (_latest(beat, ("listening_since",), now), deaf_until)), default=None)
            beat |= {"listening_since": since.isoformat()} if since else {}
            components.listen(row, beat, silent_at(plan, beat, now))


def known_since(beat: Mapping[str, Any], now: datetime) -> datetime | None:
    """Since when one is known to have been silent: its last word, or when it could be heard again; None: never told."""
    return _latest(beat, ("heard_at", "listening_since", "success_at", "fail_at", "start_at"), now)


def _latest(beat: Mapping[str, Any], names: Sequence[str], now: datetime) -> datetime | None:
    """The latest of these times; one that is still to come was told by a clock that was wrong."""
    told = [read_aware(beat.get(name)) for name in names]
    return max((at for at in told if at and at <= now), default=None)


def _is_listened_to(plan: ComponentPlan, beat: Mapping[str, Any]) -> bool:
    if plan.check:
        return plan.check.name == heartbeat.SOURCE
    return plan.listens is not None or "heard_at" in beat


def _declared(seconds: float | None) -> PlannedCheck | None:
    return PlannedCheck("pushed", {"silent_after": seconds}) if seconds else None


class Hearing:
    """Collects what one batch of signals tells, and writes it once for each component. `known`: their rows before."""

    def __init__(self, policy: Policy, known: Mapping[str, ComponentRow]):
        self._policy, self.known = policy, known
        self._heard: dict[str, tuple[datetime, float | None]] = {}

    def note(self, signal: Untriaged, reading: Reading, happened_at: datetime) -> None:
        """Somebody told of a component. Our own looks tell nothing of that, and nobody else of our own connection."""
        if reading.component == CONNECTIVITY:
            return
        if signal.source == heartbeat.SOURCE:
            what = str(signal.body.get("heartbeat"))
            components.note_beat(reading.component, what, happened_at, reading.because)
        if signal.source == OWN or self._policy.component(reading.component).check:
            return
        at = signal.received_at
        before = self._heard.get(reading.component, (at, self._declared_before(reading.component)))[1]
        told = reading.silent_after_seconds
        self._heard[reading.component] = (at, before if told is None else told)

    def _declared_before(self, name: str) -> float | None:
        row = self.known.get(name)
        declared: float | None = (row.beat or {}).get("silent_after") if row else None
        return declared

    def write(self) -> None:
        """Note when each was heard of, and plan the look that misses it."""
        for name, (at, declared) in self._heard.items():
            beat = {"heard_at": at.isoformat(), "silent_after": declared}
            due = silent_at(self._policy.component(name), beat, at)
            if due:
                components.note_heard(name, at, declared, due)
            elif declared == 0 and self._declared_before(name):
                components.note_heard(name, at, declared, at)  # a look that finds nothing to do lets go of it
