"""Rows for the tests of the store."""

from dataclasses import asdict, replace
from typing import Any

from recovery.clock import utc_now
from recovery.model import (
    Cause,
    CauseClass,
    ExecutionState,
    FailureType,
    Outlook,
    Playbook,
    Severity,
    Stage,
    StepKind,
    StepState,
)
from recovery.store import alerts, executions, incidents, recoveries, steps
from recovery.store.tables import ExecutionRow, IncidentRow, RecoveryRow, StepRow

NOW = utc_now()


def cause_of(name: str, **more: Any) -> Cause:
    cause = Cause(
        f"s|{name}|unavailable",
        name,
        CauseClass.UNAVAILABLE,
        FailureType.API_ERROR,
        Outlook.TRANSIENT,
        Severity.HIGH,
        "answered 503",
        site="s",
        summary="answered 503",
    )
    return replace(cause, **more)


def add_incident(name: str = "orders", **more: Any) -> IncidentRow:
    row = incidents.add_incident(cause_of(name), "it failed", more.pop("now", NOW), NOW)
    if more:
        incidents.set_incident(row.id, **more)
    return IncidentRow.get_by_id(row.id)


def add_chain(root_id: str = "1", incident_id: int = 1, **more: Any) -> ExecutionRow:
    row = {
        "site": "s",
        "root_id": root_id,
        "leaf_id": root_id,
        "workflow_id": "w",
        "workflow_name": "W",
        "incident_id": incident_id,
        "state": ExecutionState.WAITING,
        "because": "it failed",
        "mode": "webhook",
        "facts": {},
        "failed_at": NOW,
        "heard_at": NOW,
        **more,
    }
    return ExecutionRow.get_by_id(executions.add_chain(row))


def add_recovery(incident_id: int = 1) -> RecoveryRow:
    return recoveries.add_recovery(incident_id, asdict(Playbook((Stage(0, 1),))), "it failed", NOW, NOW)


def add_step(recovery: RecoveryRow, kind: StepKind = StepKind.ACTION, **more: Any) -> StepRow:
    more = {"run_at": NOW, **more}
    return steps.add_step(recovery, kind, "restart", "it failed", NOW, StepState.QUEUED, **more)


def add_alert(key: str = "1.1.opened.hook", incident_id: int = 1) -> bool:
    return alerts.add_alert(key, incident_id, "opened", "hook", "high", {}, NOW)
