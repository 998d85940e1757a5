"""One word per idea: the enums and the frozen values that cross the rooms."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

__all__ = [
    "CANARY",
    "CONNECTIVITY",
    "DOWN",
    "FAILING",
    "Cause",
    "CauseClass",
    "ExecutionState",
    "Failure",
    "FailureType",
    "Health",
    "IncidentState",
    "OrderWhat",
    "Outlook",
    "Reading",
    "RecoveryState",
    "Severity",
    "Signal",
    "SignalKind",
    "StepKind",
    "StepState",
    "Success",
]

CANARY = "retry_executions"  # the name of the steps that stand for an execution, or ask about some
CONNECTIVITY = "connectivity"  # the component that this machine's own connection is


class FailureType(StrEnum):
    """What kind of failure people see: the mission's seven, then n8n's own."""

    API_TIMEOUT = "api_timeout"
    API_ERROR = "api_error"
    DATABASE_CONNECTION = "database_connection"
    SERVER_UNRESPONSIVE = "server_unresponsive"
    WORKFLOW_FAILED = "workflow_failed"
    HIGH_ERROR_RATE = "high_error_rate"
    RESOURCE_EXHAUSTED = "resource_exhausted"
    WORKFLOW_CRASHED = "workflow_crashed"
    WORKFLOW_STUCK = "workflow_stuck"
    SCHEDULE_MISSED = "schedule_missed"
    WEBHOOK_UNREGISTERED = "webhook_unregistered"
    CREDENTIAL_EXPIRED = "credential_expired"
    QUEUE_STALLED = "queue_stalled"
    N8N_UNREADY = "n8n_unready"


# What these tell of does not answer: what needs it cannot work either. A full disk or a missed run is none of them.
DOWN = frozenset(map(FailureType, "api_timeout api_error database_connection server_unresponsive n8n_unready".split()))


class Severity(StrEnum):
    """How bad it is, worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class CauseClass(StrEnum):
    """Which kind of cause: failures of one component and one class are one incident."""

    UNAVAILABLE = "unavailable"
    CREDENTIALS = "credentials"
    INVALID_REQUEST = "invalid_request"
    CODE = "code"
    CRASHED = "crashed"
    RESOURCE = "resource"


class Outlook(StrEnum):
    """Whether time alone may heal a failure."""

    TRANSIENT = "transient"
    PERMANENT = "permanent"
    UNKNOWN = "unknown"


class SignalKind(StrEnum):
    """What a signal tells of."""

    FAILURE = "failure"  # an n8n execution, or a trigger, failed
    READING = "reading"  # a component was looked at
    SUCCESS = "success"  # an n8n execution succeeded


class Health(StrEnum):
    """What is known of a component. FLAPPING: it turns so often that no single look says how it is."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    FLAPPING = "flapping"
    UNKNOWN = "unknown"


FAILING = (Health.UNHEALTHY, Health.FLAPPING)


class IncidentState(StrEnum):
    """Where an incident stands."""

    OPEN = "open"
    RECOVERING = "recovering"
    NEEDS_HUMAN = "needs_human"
    RESOLVED = "resolved"


class RecoveryState(StrEnum):
    """Where a recovery stands."""

    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    HELD = "held"
    AWAITING_APPROVAL = "awaiting_approval"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StepKind(StrEnum):
    """A step changes something, or looks."""

    ACTION = "action"
    CHECK = "check"


class StepState(StrEnum):
    """Where a step stands. UNKNOWN: it was started, and nobody knows whether it happened."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


class ExecutionState(StrEnum):
    """Where a chain of executions (root, its retries, the leaf) stands."""

    WAITING = "waiting"
    RETRYING = "retrying"
    RECOVERED = "recovered"
    FAILED = "failed"
    LEFT_ALONE = "left_alone"


class OrderWhat(StrEnum):
    """What a person may ask for."""

    RETRY_NOW = "retry_now"
    PAUSE = "pause"
    RESUME = "resume"
    SKIP_STAGE = "skip_stage"
    CANCEL = "cancel"
    RESOLVE = "resolve"
    ACKNOWLEDGE = "acknowledge"
    SNOOZE = "snooze"
    ESCALATE = "escalate"
    APPROVE = "approve"
    REJECT = "reject"
    RUN_ACTION = "run_action"


@dataclass(frozen=True, slots=True)
class Signal:
    """One fact that arrived, as a source made it.

    Fields:
        key: the same fact has the same key, however it was heard of; it counts once.
        kind: what it tells of.
        source: who said it ("n8n-error", "probe", "poll", "check").
        site: the name of the n8n it belongs to; "" for a component's reading.
        body: the payload, redacted; what `sources.read` makes facts of.
        delivery: the sender's own id of the delivery, a second key; None where it gave none.
    """

    key: str
    kind: SignalKind
    source: str
    site: str
    body: dict[str, Any]
    delivery: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed n8n execution (or trigger), with what is needed to find its cause and to judge a retry.

    Fields:
        execution_id: n8n's id; "" where a trigger failed before any execution began.
        host: host, or host:port, that the failed node called; "" where none is known.
        method: HTTP method of the failed node, upper case; "" where it made no HTTP request.
        node_reads: the failed node only reads; None where that is not known.
        item_index: which item failed, from 0; None where n8n did not say.
        failed_at: when it failed, by the sender's clock; None where it did not say.
    """

    execution_id: str
    workflow_id: str
    workflow_name: str
    mode: str
    retry_of: str = ""
    error_name: str = ""
    error_code: str = ""
    http_code: int | None = None
    message: str = ""
    description: str = ""
    host: str = ""
    method: str = ""
    node_name: str = ""
    node_type: str = ""
    node_reads: bool | None = None
    last_node: str = ""
    item_index: int | None = None
    url: str = ""
    failed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Success:
    """A succeeded n8n execution, heard of by polling."""

    execution_id: str
    workflow_id: str
    retry_of: str = ""
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What one look at a component gave.

    Fields:
        component: its name.
        healthy: whether it does its work; None where it does not say (a job that has begun).
        because: why, in words.
        failure_type: the kind of failure where it is not healthy.
        latency_ms: how long the look took, milliseconds.
        severity: what the sender thinks; the configuration wins over it.
        permanent: only a person can put it right: a certificate that is about to end.
        certain: no second look is needed: a process that has ended has ended.
        memory: what the check's next look is given; None where it keeps nothing.
        silent_after_seconds: what its sender says: when nothing was heard for so long, that is a failure; 0: never.
        alert: which of several alerts of the component it speaks of, and since when that fires, in its sender's words.
        critical: what is not well concerns a workflow that is tagged critical in n8n, whatever the configuration says.
    """

    component: str
    healthy: bool | None
    because: str
    failure_type: FailureType | None = None
    status_code: int | None = None
    latency_ms: float | None = None
    severity: Severity | None = None
    observed_at: datetime | None = None
    certain: bool = False
    permanent: bool = False
    memory: dict[str, Any] | None = None
    silent_after_seconds: float | None = None
    alert: tuple[str, str] | None = None
    critical: bool = False


@dataclass(frozen=True, slots=True)
class Cause:
    """The one cause of a failure, as classified.

    Fields:
        fingerprint: site, component key and cause class; one open incident per fingerprint.
        component: the name that people read.
        cause_class, failure_type, outlook: see their enums.
        because: which facts led here.
        advice: what a person could do; "" where nothing better than looking is known.
    """

    fingerprint: str
    component: str
    cause_class: CauseClass
    failure_type: FailureType
    outlook: Outlook
    severity: Severity
    because: str
    site: str = ""
    advice: str = ""
    summary: str = field(default="")
