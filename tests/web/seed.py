"""Writes rows as the worker would, so that pages and API have something to show."""

from datetime import datetime, timedelta
from itertools import count
from typing import Any

from recovery.model import (
    CANARY,
    AlertKind,
    AlertState,
    CauseClass,
    ExecutionState,
    FailureType,
    IncidentState,
    Outlook,
    RecoveryState,
    Severity,
    StepKind,
    StepState,
)
from recovery.store.database import write
from recovery.store.tables import (
    AlertRow,
    ComponentRow,
    EventRow,
    ExecutionRow,
    IncidentRow,
    RecoveryRow,
    SignalRow,
    SiteRow,
    StepRow,
    WorkerRow,
)

STAGES = [
    {"after_seconds": 0, "attempts": 1},
    {"after_seconds": 60, "attempts": 2},
    {"after_seconds": 300, "attempts": 3},
]
# A step that waits for a person: planned, and not due by itself.
HELD = {
    "state": StepState.QUEUED,
    "run_at": None,
    "started_at": None,
    "finished_at": None,
    "error": None,
    "because": "it may repeat an effect, so a person is asked",
}
_numbers = count(1)


def add_incident(now: datetime, **changes: Any) -> IncidentRow:
    """An incident that opened two minutes ago."""
    number = next(_numbers)
    values = {
        "fingerprint": f"cause-{number}",
        "open_key": f"cause-{number}",
        "site": "default",
        "component": "orders.example.com",
        "cause_class": CauseClass.UNAVAILABLE,
        "failure_type": FailureType.API_TIMEOUT,
        "outlook": Outlook.TRANSIENT,
        "severity": Severity.HIGH,
        "state": IncidentState.RECOVERING,
        "cause": "orders.example.com answered 503",
        "because": 'HTTP 503 at node "Call orders"',
        "opened_at": now - timedelta(minutes=2),
        "last_signal_at": now - timedelta(seconds=20),
        "failed_at": now - timedelta(seconds=20),
        "signal_count": 3,
    }
    values |= changes
    with write():
        return IncidentRow.create(**{"episode_at": values["opened_at"], **values})


def add_recovery(incident: IncidentRow, now: datetime, **changes: Any) -> RecoveryRow:
    """A recovery that waits for its second stage."""
    values = {
        "incident_id": incident.id,
        "active_key": incident.id,
        "state": RecoveryState.WAITING,
        "playbook": {"stages": STAGES},
        "stage": 2,
        "attempt": 1,
        "attempts_made": 1,
        "next_at": now + timedelta(seconds=65),
        "because": "stage 1 did not help; stage 2 begins 1 minute after it",
        "started_at": now - timedelta(minutes=2),
    }
    with write():
        return RecoveryRow.create(**{**values, **changes})


def add_step(recovery: RecoveryRow, number: int, now: datetime, **changes: Any) -> StepRow:
    """A step that was done and failed."""
    values = {
        "recovery_id": recovery.id,
        "incident_id": recovery.incident_id,
        "number": number,
        "stage": 1,
        "attempt": 1,
        "kind": StepKind.ACTION,
        "name": CANARY,
        "state": StepState.FAILED,
        "queued_at": now - timedelta(seconds=100),
        "started_at": now - timedelta(seconds=99),
        "finished_at": now - timedelta(seconds=96),
        "because": "the canary: the oldest broken execution is tried first",
        "error": "n8n says: 503 Service Unavailable",
    }
    with write():
        return StepRow.create(**{**values, **changes})


def add_execution(incident: IncidentRow | None, root_id: str, now: datetime, **changes: Any) -> ExecutionRow:
    """A broken execution that waits."""
    values = {
        "site": "default",
        "root_id": root_id,
        "leaf_id": root_id,
        "workflow_id": "wfOrders00000001",
        "workflow_name": "Send orders",
        "incident_id": incident.id if incident else None,
        "state": ExecutionState.WAITING,
        "because": "waits until the canary has succeeded",
        "mode": "trigger",
        "facts": {"message": "Service unavailable", "node_name": "Call orders", "http_code": 503},
        "failed_at": now - timedelta(minutes=2),
        "heard_at": now - timedelta(minutes=2),
    }
    with write():
        return ExecutionRow.create(**{**values, **changes})


def add_alert(incident: IncidentRow, channel: str, now: datetime, **changes: Any) -> AlertRow:
    """An alert that was delivered."""
    values = {
        "key": f"alert-{next(_numbers)}",
        "incident_id": incident.id,
        "kind": AlertKind.OPENED,
        "channel": channel,
        "severity": incident.severity,
        "state": AlertState.DELIVERED,
        "tries": 1,
        "created_at": now - timedelta(seconds=110),
        "delivered_at": now - timedelta(seconds=109),
        "because": "the first failure of this cause",
    }
    with write():
        return AlertRow.create(**{**values, **changes})


def add_event(incident: IncidentRow, at: datetime, **changes: Any) -> EventRow:
    """A line of history."""
    values = {
        "at": at,
        "incident_id": incident.id,
        "subject": "incident",
        "subject_id": str(incident.id),
        "before": "open",
        "after": "recovering",
        "because": "the cause may pass by itself, so it is tried again",
    }
    with write():
        return EventRow.create(**{**values, **changes})


def add_signal(incident: IncidentRow | None, now: datetime, **changes: Any) -> SignalRow:
    """A signal that was triaged into the incident, or waits to be."""
    values = {
        "key": f"signal-{next(_numbers)}",
        "kind": "failure",
        "source": "n8n-error",
        "site": "default",
        "body": {},
        "received_at": now,
        "triaged_at": now if incident else None,
        "incident_id": incident.id if incident else None,
    }
    with write():
        return SignalRow.create(**{**values, **changes})


def add_worker(now: datetime, age_seconds: float = 1.0, name: str = "here:1") -> WorkerRow:
    """A worker whose last heartbeat is so old."""
    with write():
        return WorkerRow.create(
            name=name, started_at=now - timedelta(hours=3), beat_at=now - timedelta(seconds=age_seconds)
        )


def add_site(now: datetime, name: str = "default", state: str = "ok", detail: str = "") -> SiteRow:
    """An n8n as it was last seen."""
    with write():
        return SiteRow.create(name=name, state=state, detail=detail, contact_at=now, checked_at=now)


def add_component(name: str, now: datetime, **changes: Any) -> ComponentRow:
    """A healthy component."""
    values = {
        "name": name,
        "health": "healthy",
        "configured": True,
        "because": "answered 200",
        "seen_at": now - timedelta(seconds=12),
        "changed_at": now - timedelta(hours=2),
        "latency_ms": 42.4,
    }
    with write():
        return ComponentRow.create(**{**values, **changes})


def seed_story(now: datetime) -> dict[str, IncidentRow]:
    """Four incidents: one that is being healed, one that needs a person, one that asks, one that is over."""
    add_worker(now)
    add_site(now)
    add_component("orders-api", now)
    add_component("billing-db", now, health="unhealthy", because="refused the connection", failures=4, latency_ms=None)
    return {
        "healing": _seed_healing(now),
        "needing": _seed_needing(now),
        "asking": _seed_asking(now),
        "resolved": _seed_resolved(now),
    }


def _seed_healing(now: datetime) -> IncidentRow:
    incident = add_incident(now)
    recovery = add_recovery(incident, now)
    canary = add_execution(incident, "101", now, state=ExecutionState.WAITING, leaf_id="104", retries=1)
    for root in range(102, 114):
        add_execution(incident, str(root + 3), now)
    add_step(recovery, 1, now, chain_id=canary.id)
    add_step(
        recovery, 2, now, kind=StepKind.CHECK, name="http", error="503 after 12 ms", because="verifies the attempt"
    )
    add_alert(incident, "team", now)
    add_event(incident, now - timedelta(seconds=119), before="", after="open", because="first failure of this cause")
    add_event(incident, now - timedelta(seconds=118))
    add_signal(incident, now)
    return incident


def _seed_needing(now: datetime) -> IncidentRow:
    incident = add_incident(
        now,
        component="Stripe account",
        cause_class=CauseClass.CREDENTIALS,
        failure_type=FailureType.CREDENTIAL_EXPIRED,
        outlook=Outlook.PERMANENT,
        severity=Severity.CRITICAL,
        state=IncidentState.NEEDS_HUMAN,
        cause='The credential "Stripe account" was refused with 401',
        advice='Renew the credential "Stripe account" in n8n, then press Retry now.',
        because="HTTP 401: a retry with the same credential fails again",
        opened_at=now - timedelta(hours=1),
    )
    add_execution(incident, "90", now, state=ExecutionState.WAITING, workflow_name="Charge cards <b>nightly</b>")
    add_alert(
        incident,
        "mail",
        now,
        kind=AlertKind.NEEDS_HUMAN,
        state=AlertState.FAILED,
        tries=5,
        delivered_at=None,
        error="mail.example.com:587 refused the connection",
    )
    return incident


def _seed_asking(now: datetime) -> IncidentRow:
    incident = add_incident(
        now,
        component="payments.example.com",
        state=IncidentState.NEEDS_HUMAN,
        cause="payments.example.com timed out",
        because="a retry may repeat the effect of 1 execution: a person decides",
    )
    recovery = add_recovery(incident, now, state=RecoveryState.AWAITING_APPROVAL, next_at=None, stage=1)
    run = add_execution(
        incident,
        "77",
        now,
        workflow_name="Pay suppliers",
        state=ExecutionState.LEFT_ALONE,
        asks=True,
        because='POST at "Pay" timed out: it may have had its effect; nodes before it that ran: Webhook, Sum',
        facts={"message": "timeout of 10000ms exceeded", "node_name": "Pay"},
    )
    add_step(recovery, 1, now, chain_id=run.id, **HELD)
    return incident


def _seed_resolved(now: datetime) -> IncidentRow:
    incident = add_incident(
        now,
        component="crm.example.com",
        state=IncidentState.RESOLVED,
        open_key=None,
        cause="crm.example.com answered 502",
        opened_at=now - timedelta(hours=5),
        resolved_at=now - timedelta(hours=5) + timedelta(seconds=72),
    )
    recovery = add_recovery(
        incident,
        now,
        state=RecoveryState.SUCCEEDED,
        active_key=None,
        next_at=None,
        because="all are well",
        ended_at=now - timedelta(hours=5) + timedelta(seconds=72),
    )
    add_step(recovery, 1, now, state=StepState.SUCCEEDED, result="execution 64 succeeded", error=None)
    add_execution(
        incident,
        "60",
        now,
        leaf_id="64",
        state=ExecutionState.RECOVERED,
        retries=1,
        recovered_at=now - timedelta(hours=5),
    )
    return incident
