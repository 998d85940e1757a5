"""The values of the API, as the JSON that others read. Times are ISO 8601 in UTC; durations are seconds."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from recovery.model import (
    AlertState,
    ExecutionState,
    Health,
    IncidentState,
    OrderWhat,
    RecoveryState,
    StepKind,
    StepState,
)


class Shown(BaseModel):
    """What all shown values share: they are read from rows, by the names of their columns."""

    model_config = ConfigDict(from_attributes=True)


class Incident(Shown):
    """One cause that is failing, or has failed."""

    id: int
    site: str = Field(description="the n8n it belongs to; empty for a component of its own")
    component: str
    cause_class: str
    failure_type: str
    outlook: str = Field(description="transient, permanent or unknown: whether time alone may heal it")
    severity: str
    state: IncidentState
    cause: str
    advice: str = Field(description="what a person could do; empty where nothing better than looking is known")
    because: str
    opened_at: datetime
    resolved_at: datetime | None
    last_signal_at: datetime
    signal_count: int
    episode: int = Field(description="1, and one more for each recurrence")
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    previous_id: int | None = Field(description="the earlier incident of the same cause")


class Recovery(Shown):
    """The staged attempt to end an incident."""

    id: int
    state: RecoveryState
    stage: int
    attempt: int
    attempts_made: int
    next_at: datetime | None
    because: str
    started_at: datetime
    ended_at: datetime | None


class Step(Shown):
    """One action or one check of a recovery, or of an order to run an action; that has stage and attempt 0."""

    id: int
    recovery_id: int | None = Field(description="null: a person had it run by hand")
    order_id: int | None = Field(description="the order to run it by hand")
    number: int
    stage: int
    attempt: int
    kind: StepKind
    name: str
    component: str
    state: StepState
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    because: str
    result: str | None
    error: str | None


class Execution(Shown):
    """A chain of n8n executions (root, its retries, the leaf) that an incident broke."""

    id: int
    incident_id: int | None
    site: str
    root_id: str
    leaf_id: str
    workflow_id: str
    workflow_name: str
    mode: str
    state: ExecutionState
    because: str
    retries: int
    asks: bool = Field(description="a person must decide whether it may run again")
    permit: str | None = Field(description="who allowed a retry that may repeat an effect")
    failed_at: datetime
    heard_at: datetime
    recovered_at: datetime | None
    message: str = Field(default="", description="what n8n said")
    url: str | None = Field(default=None, description="the leaf in n8n's own pages")


class Event(Shown):
    """One line of history."""

    id: int
    at: datetime
    incident_id: int | None
    subject: str
    subject_id: str
    before: str
    after: str
    because: str
    who: str


class Alert(Shown):
    """One message owed to people over one channel."""

    id: int
    incident_id: int
    kind: str
    channel: str
    severity: str
    state: AlertState
    tries: int
    created_at: datetime
    held_until: datetime | None
    delivered_at: datetime | None
    because: str
    error: str | None


class Order(Shown):
    """What a person asked for; `outcome` is null until the worker has carried it out or refused it."""

    id: int
    incident_id: int | None = Field(description="null: an action by hand")
    what: OrderWhat
    step: int | None
    stage: int | None
    component: str = Field(description="on which an action is run by hand; else empty")
    action: str = Field(description="the action that is run, or about which was decided; empty where it is about none")
    dry: bool = Field(description="only what it would do is told")
    until: datetime | None
    note: str
    who: str
    asked_at: datetime
    taken_at: datetime | None
    outcome: str | None
    because: str | None


class OrderDetail(Order):
    """An order with the steps that were run for it; only one to run an action has any."""

    steps: list[Step]


class IncidentDetail(Incident):
    """An incident with all that belongs to it; the longest lists are cut at 1,000."""

    signals: int = Field(description="how many of its signals are still kept")
    recovery: Recovery | None
    steps: list[Step]
    events: list[Event]
    executions: list[Execution]
    execution_counts: dict[str, int] = Field(description="its executions by state, all of them")
    alerts: list[Alert]
    orders: list[Order]
    awaiting_step: int | None = Field(description="the step that approve and reject must name")


class Component(Shown):
    """What is known of a component."""

    id: int
    name: str
    health: Health
    failures: int = Field(description="failed looks in a row")
    successes: int = Field(description="healthy looks in a row")
    muted: bool
    configured: bool
    severity: str | None
    because: str
    changed_at: datetime | None
    seen_at: datetime | None
    latency_ms: float | None


class Probe(Shown):
    """A probe that n8n should run, and how: `method` of `url` within `timeout` seconds, each `every` seconds.

    `good_statuses` are spans, lowest and highest: a status in one of them is a healthy answer.
    """

    name: str
    url: str
    method: str = "GET"
    timeout: float
    every: float
    severity: str
    good_statuses: list[tuple[int, int]]


class Endpoint(Shown):
    """Which endpoint of a component is live: its primary, or the standby that it was switched to at `since`."""

    component: str
    endpoint: str
    primary: str
    is_primary: bool
    since: datetime | None


class Maintenance(Shown):
    """A time in which what fails is seen and recorded, and nothing is healed and nobody is called.

    `components` are names, or `*` for all; `ends_at` is null where it lasts until somebody ends it.
    """

    id: int
    components: list[str]
    starts_at: datetime
    ends_at: datetime | None
    note: str
    who: str
    created_at: datetime


class ReportedRecoveries(Shown):
    """Recoveries that ended in the range."""

    succeeded: int
    failed: int
    cancelled: int
    success_rate: float | None
    by_stage: list[dict[str, Any]]
    by_action: list[dict[str, Any]]


class Summary(Shown):
    """What happened in a range of time."""

    since: datetime
    until: datetime
    incidents: dict[str, Any]
    failures: dict[str, list[dict[str, Any]]]
    time_to_recover: dict[str, float | None]
    recovery: ReportedRecoveries
    executions: dict[str, int]
    alerts: dict[str, int]
