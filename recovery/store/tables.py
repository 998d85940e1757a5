"""The tables. Due columns (`run_at`, `wake_at`, `lease_until`) are null where nothing is due; see indexes.py."""

import peewee as pw

from recovery.store.alert_rows import AlertRow, BundleRow, CallRow, ChannelRow, LineRow, SilenceRow, ThreadRow
from recovery.store.audit_row import AuditRow
from recovery.store.execution_rows import ExecutionRow, MemberRow
from recovery.store.fields import JsonField, Lease, Table, TimeField, proxy
from recovery.store.order_row import OrderRow
from recovery.store.outcome_row import OutcomeRow
from recovery.store.replay_row import ReplayRow
from recovery.store.request_row import AgentRow, RequestRow
from recovery.store.suggestion_row import SuggestionRow
from recovery.store.tagged_row import TaggedRow
from recovery.store.wiring_row import WiringRow
from recovery.store.worker_row import WorkerRow

__all__ = [
    "AgentRow",
    "AlertRow",
    "AuditRow",
    "BundleRow",
    "CallRow",
    "ChannelRow",
    "ExecutionRow",
    "LineRow",
    "MemberRow",
    "OrderRow",
    "OutcomeRow",
    "ReplayRow",
    "RequestRow",
    "SilenceRow",
    "SuggestionRow",
    "Table",
    "TaggedRow",
    "ThreadRow",
    "WiringRow",
    "WorkerRow",
    "proxy",
]


class SignalRow(Table):
    """A fact that arrived. `triaged_at` is null until the worker has read it."""

    key = pw.TextField(unique=True)
    delivery = pw.TextField(null=True, unique=True)
    kind = pw.TextField()
    source = pw.TextField()
    site = pw.TextField()
    body = JsonField()
    received_at = TimeField(index=True)
    triaged_at = TimeField(null=True)
    incident_id = pw.BigIntegerField(null=True, index=True)
    because = pw.TextField(null=True)

    class Meta:
        table_name = "signals"


class IncidentRow(Table):
    """One cause that is failing. `open_key` is the fingerprint until resolved, then null: one open each."""

    fingerprint = pw.TextField(index=True)
    open_key = pw.TextField(null=True, unique=True)
    site = pw.TextField(default="")
    component = pw.TextField(index=True)
    cause_class = pw.TextField()
    failure_type = pw.TextField()
    outlook = pw.TextField()
    severity = pw.TextField()
    state = pw.TextField(index=True)
    cause = pw.TextField()
    advice = pw.TextField(default="")
    because = pw.TextField()
    opened_at = TimeField(index=True)
    resolved_at = TimeField(null=True)
    last_signal_at = TimeField()  # when the last failure was heard of
    failed_at = TimeField()  # when it happened
    signal_count = pw.IntegerField(default=0)
    episode_at = TimeField()  # when the present episode began
    flapping = pw.BooleanField(default=False)
    held = pw.BooleanField(default=False)  # maintenance, or what it needs is down: nothing is done for now
    episode = pw.IntegerField(default=1)  # counts recurrences: each is alerted about anew
    recurred_at = JsonField(default=list)  # microseconds of the last recurrences, for the flap limit
    asked = pw.IntegerField(default=0)  # how often a person was called
    told_at = TimeField(null=True)  # a person was called in this episode
    escalate_at = TimeField(null=True)
    settle_at = TimeField(null=True)
    sign_at = TimeField(null=True)  # the last sign of health: a healthy reading, a success of the same workflows
    wake_at = TimeField(null=True)  # when the incident itself is next looked at
    acknowledged_at = TimeField(null=True)
    acknowledged_by = pw.TextField(null=True)
    previous_id = pw.BigIntegerField(null=True)

    class Meta:
        table_name = "incidents"


class RecoveryRow(Table):
    """The staged attempt to end an incident. `active_key` is the incident's id until ended: one active each."""

    incident_id = pw.BigIntegerField(index=True)
    active_key = pw.BigIntegerField(null=True, unique=True)
    state = pw.TextField()
    playbook = JsonField()
    stage = pw.IntegerField(default=1)
    attempt = pw.IntegerField(default=1)
    attempts_made = pw.IntegerField(default=0)  # that failed or succeeded, for the message to people
    first_step = pw.IntegerField(default=1)  # number of the first step of the present attempt
    replaying = pw.BooleanField(default=False)  # the canary of this attempt succeeded
    setback = pw.TextField(null=True)  # an execution failed again while the rest was replayed
    released_at = TimeField(null=True)  # when the last execution was released, for the rate
    next_at = TimeField(null=True)  # what people see as "next"
    wake_at = TimeField(null=True)  # when the planner looks again
    because = pw.TextField()
    started_at = TimeField()
    ended_at = TimeField(null=True)

    class Meta:
        table_name = "recoveries"


class StepRow(Lease):
    """One action or one check. Its number is unique within its recovery, or within the order that it was run for."""

    recovery_id = pw.BigIntegerField(null=True)  # null: a person ordered it by hand
    order_id = pw.BigIntegerField(null=True)  # of that order; its steps have no stage and no attempt (0)
    incident_id = pw.BigIntegerField(null=True, index=True)  # null: nothing was open on its component
    number = pw.IntegerField()
    stage = pw.IntegerField()
    attempt = pw.IntegerField()
    kind = pw.TextField()
    name = pw.TextField()
    args = JsonField(default=dict)
    safe_to_repeat = pw.BooleanField(default=True)
    timeout_seconds = pw.FloatField(default=60.0)
    component = pw.TextField(default="")
    chain_id = pw.BigIntegerField(null=True, index=True)  # the execution that a canary step stands for
    state = pw.TextField()
    queued_at = TimeField()
    started_at = TimeField(null=True)
    finished_at = TimeField(null=True)
    because = pw.TextField()
    result = pw.TextField(null=True)
    error = pw.TextField(null=True)
    back = pw.BooleanField(default=False)  # it undoes an action
    back_after_seconds = pw.FloatField(null=True)  # when it is undone, once all is well
    host = pw.TextField(null=True)  # where it restarts something
    dry = pw.BooleanField(default=False)  # only what it would do is told
    memory = JsonField(null=True)  # what its way back, and its next run on this component, must know
    process_group = pw.IntegerField(null=True)
    process_started = pw.FloatField(null=True)

    class Meta:
        table_name = "steps"
        indexes = ((("recovery_id", "number"), True),)


class ComponentRow(Lease):
    """What is known of a component. `run_at`: when its check is next due."""

    name = pw.TextField(unique=True)
    health = pw.TextField(default="unknown")  # healthy | unhealthy | flapping | unknown
    failures = pw.IntegerField(default=0)  # in a row
    successes = pw.IntegerField(default=0)  # in a row
    looks = pw.IntegerField(default=1)  # the last 21, a bit each; see recovery.model.turns
    muted = pw.BooleanField(default=False)  # resolved by a person while failing: silent until healthy once
    configured = pw.BooleanField(default=False)
    severity = pw.TextField(null=True)
    because = pw.TextField(default="")
    changed_at = TimeField(null=True)
    seen_at = TimeField(null=True)
    told_at = TimeField(null=True)  # of when its newest word was, by its sender's own clock
    breaker_closed_at = TimeField(null=True)  # a person had another try after recoveries in vain
    latency_ms = pw.FloatField(null=True)
    memory = JsonField(null=True)  # what its check keeps from look to look, and of which kind that is
    beat = JsonField(null=True)  # what it told of itself, as a heartbeat

    class Meta:
        table_name = "components"


class MaintenanceRow(Table):
    """A time in which components are seen and recorded, and nothing is done about them."""

    components = JsonField()  # names, or ["*"] for all
    starts_at = TimeField()
    ends_at = TimeField(null=True, index=True)  # null: until somebody ends it
    note = pw.TextField(default="")
    who = pw.TextField()
    created_at = TimeField()

    class Meta:
        table_name = "maintenance"


class EventRow(Table):
    """One line of history."""

    at = TimeField(index=True)
    incident_id = pw.BigIntegerField(null=True, index=True)
    subject = pw.TextField()  # see events.Subject
    subject_id = pw.TextField()
    before = pw.TextField(default="")
    after = pw.TextField()
    because = pw.TextField()
    who = pw.TextField(default="medic")

    class Meta:
        table_name = "events"


class SiteRow(Table):
    """What is known of one n8n: since when it is watched, and whether it answers."""

    name = pw.TextField(unique=True)
    contact_at = TimeField(null=True)  # first contact: what failed before is never replayed by itself
    old_failures = pw.IntegerField(default=0)
    state = pw.TextField(default="unknown")  # ok | unreachable | unauthorized | forbidden | too_old | unknown
    detail = pw.TextField(default="")
    checked_at = TimeField(null=True)
    polled_at = TimeField(null=True)
    deep_polled_at = TimeField(null=True)
    newest_id = pw.BigIntegerField(null=True)  # the highest execution that it was seen to have
    newest_at = TimeField(null=True)  # and when that was seen
    generation = pw.IntegerField(default=0)  # how often it began to count its executions anew
    refused = JsonField(null=True)  # it answers, but refuses retries: {"state", "detail", "at" in microseconds}

    class Meta:
        table_name = "sites"


TABLES = (
    SignalRow, IncidentRow, RecoveryRow, StepRow, ExecutionRow, MemberRow, ComponentRow, OrderRow, AlertRow,
    MaintenanceRow, EventRow, SiteRow, WorkerRow, OutcomeRow, SuggestionRow, RequestRow, AgentRow, ThreadRow, BundleRow,
    LineRow, CallRow, SilenceRow, ChannelRow, ReplayRow, WiringRow, AuditRow, TaggedRow,
)  # fmt: skip
