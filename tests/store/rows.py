"""Rows for the tests of the store."""

from dataclasses import replace
from typing import Any

from recovery.clock import utc_now
from recovery.model import Cause, CauseClass, ExecutionState, FailureType, Outlook, Severity
from recovery.store import executions, incidents
from recovery.store.tables import ExecutionRow, IncidentRow

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
