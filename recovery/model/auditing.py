"""What an audit of an n8n is made of: what is looked for, what was seen, and what is not as it should be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

__all__ = ["Audit", "AuditFacts", "AuditFinding", "AuditPlan", "AuditSeverity", "Fix", "HandlerRun"]

Row = Mapping[str, Any]


class AuditSeverity(StrEnum):
    """How bad a finding is."""

    BAD = "bad"  # failures are lost, or something does not run
    WARN = "warn"  # it works, and will not for long, or costs people sleep
    INFO = "info"


class Fix(StrEnum):
    """What n8n-medic can do about a finding; "" for what is done by hand."""

    NONE = ""
    ERROR_WORKFLOW = "error_workflow"  # the workflow is given the error handler
    REPUBLISH = "republish"  # the version that is live is published once more


@dataclass(frozen=True, slots=True)
class AuditPlan:
    """How an n8n is audited.

    Fields:
        replay_seconds: executions are retried for so long after they failed (replay.max_age).
        checks: by kind: the arguments of the checks of this n8n that are configured, which know its settings.
    """

    site: str
    replay_seconds: float
    checks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HandlerRun:
    """The newest time that n8n ran an error workflow: which execution, when, and whether it failed."""

    execution_id: str
    at: str
    failed: bool


@dataclass(frozen=True, slots=True)
class AuditFacts:
    """What was seen of one n8n.

    Fields:
        trouble: why it could not be asked at all; "" where it could.
        key_ends: when the API key ends; None where it does not.
        workflows: all published ones.
        others: by id, error workflows that are named and are not among those; None for one that is gone.
        runs: by id of an error workflow: how n8n last ran it.
        ours: ids of the error handlers that `medic connect` has made there.
        webhooks: by workflow id: those of its webhooks that are not registered, in words.
        schedules: by workflow id: why its schedule has stopped.
        credentials: by id: those that do not work, in words.
        ending: failures that nobody retried and that n8n is about to delete, in words.
        keeps_seconds, keeps_count: how long, and how many executions n8n keeps (0: no limit).
        begun: how many executions n8n has saved in the last `replay_seconds`; None where that is not known.
        unseen: (rule, why) of what could not be looked at.
    """

    site: str
    now: datetime
    trouble: str = ""
    key_ends: datetime | None = None
    workflows: tuple[Row, ...] = ()
    others: Mapping[str, Row | None] = field(default_factory=dict)
    runs: Mapping[str, HandlerRun] = field(default_factory=dict)
    ours: tuple[str, ...] = ()
    webhooks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    schedules: Mapping[str, str] = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict)
    ending: tuple[str, ...] = ()
    keeps_seconds: float = timedelta(days=14).total_seconds()
    keeps_count: int = 10_000
    begun: int | None = None
    replay_seconds: float = timedelta(days=1).total_seconds()
    unseen: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """One thing that is not as it should be.

    Fields:
        workflow_id, workflow: which workflow, and its name; "" for n8n itself.
        because: what was seen.
        todo: what to do by hand; "" where n8n-medic can fix it.
    """

    workflow_id: str
    workflow: str
    rule: str
    severity: AuditSeverity
    because: str
    fix: Fix = Fix.NONE
    todo: str = ""


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit of one n8n came to.

    Fields:
        workflows: how many published ones were looked at.
        score: 0 to 100: the share of them, n8n itself counted as one, that have nothing bad; a warning counts as half.
        handler: the id of the error workflow that workflows without one are given; "" where there is none.
    """

    site: str
    made_at: datetime
    workflows: int
    score: int
    findings: tuple[AuditFinding, ...]
    handler: str = ""
