"""What is pushed of components whose silence is a failure: when each was heard of, and when it would be silent."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from recovery import checks
from recovery.model import ComponentPlan, PlannedCheck, Policy, Reading
from recovery.sources import heartbeat
from recovery.sources.probe import OWN
from recovery.store import components
from recovery.store.signals import Untriaged
from recovery.store.tables import ComponentRow


def look_of(plan: ComponentPlan, row: ComponentRow | None) -> PlannedCheck | None:
    """How a component is looked at: by its check, else for the silence that its configuration or sender speaks of."""
    return plan.check or plan.listens or _declared((row.beat or {}).get("silent_after") if row else None)


def _declared(seconds: float | None) -> PlannedCheck | None:
    return PlannedCheck("pushed", {"silent_after": seconds}) if seconds else None


class Hearing:
    """Collects what one batch of signals tells, and writes it once for each component. `known`: their rows before."""

    def __init__(self, policy: Policy, known: Mapping[str, ComponentRow]):
        self._policy, self.known = policy, known
        self._heard: dict[str, tuple[datetime, float | None]] = {}

    def note(self, signal: Untriaged, reading: Reading, happened_at: datetime) -> None:
        """Somebody told of a component. Our own looks tell nothing of that."""
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
            look = self._policy.component(name).listens or _declared(declared)
            if look:
                args = checks.REGISTRY.find(look.name).args.model_validate(look.args)
                components.note_heard(name, at, declared, at + timedelta(seconds=args.silent_after))
            elif declared == 0 and self._declared_before(name):
                components.note_heard(name, at, declared, at)  # a look that finds nothing to do lets go of it
