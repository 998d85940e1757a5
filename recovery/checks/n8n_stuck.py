"""Executions of an n8n that run for ever."""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from recovery.checks import check
from recovery.checks.asking_n8n import asking_n8n
from recovery.checks.executions import list_executions
from recovery.checks.naming import length, name_some
from recovery.checks.workflows import tagged_ids
from recovery.model import CRITICAL_TAG, IGNORE_TAG, FailureType, N8nDoor, Past, Reading
from recovery.model.durations import Duration
from recovery.model.moments import read_aware

MOST_WORKFLOWS, FEWEST_RUNS = 20, 5
BY_HAND = ("manual", "evaluation")

Run = tuple[dict[str, Any], datetime]


class Limits(BaseModel):
    """When an execution counts as stuck: the same for the check and for the action that stops it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    site: str = Field("default", description="the name of an n8n of the configuration", max_length=40)
    longer_than: Duration = Field(3_600.0, description="one that runs longer is stuck", examples=["2h"])
    factor: Annotated[float, Field(ge=1, le=1_000)] = Field(
        5.0, description="so is one that runs this many times as long as 95 % of its workflow's earlier runs"
    )
    at_least: Duration = Field(600.0, description="but no run that is shorter than this")


class Args(Limits):
    """When an execution counts as stuck."""


@check("n8n_stuck", remembers=True)
@asking_n8n
def look_for_stuck_executions(args: Args, door: N8nDoor, past: Past) -> Reading:
    """Lists the executions that run in n8n, and compares how long with a limit and with their workflow's own past.

    One that is stuck is `workflow_stuck`. Runs by hand do not count; a workflow with fewer than 5 saved successes is
    measured by `longer_than` alone.
    """
    stuck, running = find_stuck(args, door, past.now)
    if not stuck:
        return Reading("", True, f"none of {running} running executions is stuck")
    told = [name_stuck(one, began, past.now) for one, began in stuck]
    because = f"{len(told)} stuck: execution {name_some(told, 3)}"
    critical = not tagged_ids(door, CRITICAL_TAG).isdisjoint(str(one.get("workflowId")) for one, _ in stuck)
    return Reading("", False, because, FailureType.WORKFLOW_STUCK, critical=critical)


def find_stuck(args: Limits, door: N8nDoor, now: datetime) -> tuple[list[Run], int]:
    """The executions that are stuck, with when they began, longest first; and how many run."""
    listed = [one for one in list_executions(door, "running")[0] if one.get("mode") not in BY_HAND]
    running = [(one, began) for one in listed if (began := read_aware(one.get("startedAt")))]
    stuck = _stuck(args, door, running, now)
    left = tagged_ids(door, IGNORE_TAG) if stuck else ()
    stuck = [(one, began) for one, began in stuck if one.get("workflowId") not in left]
    return sorted(stuck, key=lambda one: one[1]), len(running)


def name_stuck(execution: Mapping[str, Any], began: datetime, now: datetime) -> str:
    """A stuck execution as people are told of it."""
    return f"{execution['id']} of workflow {execution.get('workflowId')} (for {length(now - began)})"


def _stuck(args: Limits, door: N8nDoor, running: list[Run], now: datetime) -> list[Run]:
    """Those that run too long, with when they began."""
    doubtful = [(one, began) for one, began in running if now - began > timedelta(seconds=args.at_least)]
    workflows = list(dict.fromkeys(str(one.get("workflowId")) for one, _ in doubtful))[:MOST_WORKFLOWS]
    usual = {name: _usual_seconds(door, name) for name in workflows}
    found = []
    for one, began in doubtful:
        seconds, known = (now - began).total_seconds(), usual.get(str(one.get("workflowId")))
        if seconds > args.longer_than or (known is not None and seconds > known * args.factor):
            found.append((one, began))
    return found


def _usual_seconds(door: N8nDoor, workflow_id: str) -> float | None:
    """How long 95 % of its latest successes took at most; None where there are too few."""
    page, _ = door.executions("success", workflow_id, limit=100)
    took = sorted(seconds for one in page if (seconds := _took(one)) is not None)
    return took[math.ceil(len(took) * 0.95) - 1] if len(took) >= FEWEST_RUNS else None


def _took(execution: Mapping[str, Any]) -> float | None:
    began, ended = read_aware(execution.get("startedAt")), read_aware(execution.get("stoppedAt"))
    return (ended - began).total_seconds() if began and ended else None
