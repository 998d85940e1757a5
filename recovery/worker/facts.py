"""Rows and signals as the facts that triage decides by."""

from collections.abc import Container
from dataclasses import fields
from datetime import datetime
from typing import Any

from recovery.decide.triage import ChainFacts, ComponentFacts, IncidentFacts
from recovery.model import DOWN, ExecutionState, Failure, Health, IncidentState, Policy, Reading, Success
from recovery.store import incidents
from recovery.store.signals import Untriaged
from recovery.store.tables import ComponentRow, ExecutionRow, IncidentRow

KEPT = [one.name for one in fields(Failure) if one.name not in ("failed_at", "description", "message")]


def incident_facts(row: IncidentRow) -> IncidentFacts:
    """What triage needs to know of an incident."""
    state, recurred_at = IncidentState(row.state), incidents.recent_recurrences(row)
    told = bool(row.told_at or row.acknowledged_at)
    return IncidentFacts(row.id, state, row.resolved_at, recurred_at, row.failure_type in DOWN, told, row.held)


def chain_facts(row: ExecutionRow, replays: Container[int] = ()) -> ChainFacts:
    """What triage needs to know of a chain; `replays`: those that are not over."""
    state = ExecutionState(row.state)
    replayed = row.replay_id is not None and (row.replay_id in replays or state is ExecutionState.RETRYING)
    return ChainFacts(row.id, row.incident_id, row.leaf_id, state, row.mode, row.workflow_id, replayed)


def component_facts(row: ComponentRow) -> ComponentFacts:
    """What triage needs to know of a component."""
    health = Health(row.health)
    return ComponentFacts(health, row.failures, row.successes, row.muted, row.seen_at, row.looks, row.told_at)


def small(facts: Failure | Reading | Success) -> dict[str, Any]:
    """The facts of a failure that people may want to see beside its chain."""
    if not isinstance(facts, Failure):
        return {}
    kept = ((name, getattr(facts, name)) for name in KEPT)
    return {name: value for name, value in kept if value not in (None, "")} | {"message": facts.message[:300]}


def happened_at(signal: Untriaged, facts: Failure | Reading | Success, policy: Policy) -> datetime:
    """When it happened, as its sender says, and never later than we heard of it.

    What only its senders see happened when we heard of it: their clock may be slower than ours.
    """
    if isinstance(facts, Failure):
        told = facts.failed_at
    elif isinstance(facts, Reading):
        told = facts.observed_at if policy.component(facts.component).check else None
    else:
        told = facts.finished_at
    return min(told or signal.received_at, signal.received_at)
