"""What a configuration no longer names: nothing of the one before is done to it any more."""

import logging
from datetime import datetime

from recovery.model import RecoveryState, thaw
from recovery.sources import probe
from recovery.store import components, executions, incidents, recoveries, signals
from recovery.store.tables import IncidentRow
from recovery.worker.context import Context

log = logging.getLogger("medic.worker")


def let_go_of_removed(ctx: Context, now: datetime) -> None:
    """End what is done about components that were configured, and are not: their check and restart went with them.

    In a transaction that decides, before the rows of the configured ones are made.
    """
    gone = components.find_configured() - set(ctx.policy.components)
    for row in incidents.find_open_of(gone):
        _let_go(row, f"{row.component} is no longer in the configuration", now)


def _let_go(row: IncidentRow, because: str, now: datetime) -> None:
    log.warning("incident %s: %s", row.id, because)
    _end_recovery(row.id, because, now)
    seen_by_us = signals.was_told_by(row.id, probe.OWN)
    if seen_by_us:  # it is looked at no more: what was seen last must not stand for ever
        components.forget_health(row.component)
    counted = executions.count_chains(row.id)
    if seen_by_us and not (counted.get("waiting") or counted.get("retrying") or counted["asking"]):
        incidents.resolve_incident(row, because, now)  # nobody is told that it recovered: that is not known
    else:
        incidents.wake_incidents([row.id], now)  # as one that nobody configured: its executions are retried


def _end_recovery(incident_id: int, because: str, now: datetime) -> None:
    """One that only retries executions goes on: it is the same without a configuration."""
    active = recoveries.find_active(incident_id)
    playbook = thaw(active.playbook) if active else None
    if active and playbook and (playbook.acts or playbook.check):
        executions.hold_back(incident_id)
        recoveries.end_recovery(active, RecoveryState.CANCELLED, because, now)
