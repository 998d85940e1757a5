"""Executions of an n8n that wait for ever."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from recovery.checks import check
from recovery.checks.asking_n8n import asking_n8n
from recovery.checks.executions import list_executions
from recovery.checks.naming import length, name_some
from recovery.checks.workflows import tagged_ids
from recovery.model import CRITICAL_TAG, IGNORE_TAG, FailureType, N8nDoor, Past, Reading
from recovery.model.durations import Duration
from recovery.model.moments import read_aware

NO_END = datetime(2900, 1, 1, tzinfo=UTC)  # n8n writes the year 3000 where an execution waits for a call without limit


class Args(BaseModel):
    """When a waiting execution counts as stuck."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    site: str = Field("default", description="the name of an n8n of the configuration", max_length=40)
    longer_than: Duration = Field(
        604_800.0, description="one that waits for a call without limit is stuck after this", examples=["2d"]
    )
    grace: Duration = Field(600.0, description="how late n8n may wake one whose time has come")


@check("n8n_waiting", remembers=True)
@asking_n8n
def look_for_waiting_executions(args: Args, door: N8nDoor, past: Past) -> Reading:
    """Lists the executions that wait (a Wait node, a form, an approval), and tells those that nothing will wake.

    One that should have gone on by now and did not, and one that waits for a call longer than `longer_than`, is
    `workflow_stuck`. One that waits until a time that is still to come is not, however far that is.
    """
    waiting, all_of_them = list_executions(door, "waiting")
    at_least = "" if all_of_them else "at least "
    stuck = sorted(found for one in waiting if (found := _stuck(args, one, past.now)))
    left = tagged_ids(door, IGNORE_TAG) if stuck else ()
    stuck = [one for one in stuck if one[2] not in left]
    if not stuck:
        return Reading("", True, f"none of {at_least}{len(waiting)} waiting executions is stuck")
    because = f"{at_least}{len(stuck)} wait for ever: execution {name_some([words for _, words, _ in stuck], 3)}"
    critical = not tagged_ids(door, CRITICAL_TAG).isdisjoint(workflow_id for _, _, workflow_id in stuck)
    return Reading("", False, because, FailureType.WORKFLOW_STUCK, critical=critical)


def _stuck(args: Args, one: Mapping[str, Any], now: datetime) -> tuple[datetime, str, str] | None:
    """Since when it is stuck, its name with the reason, and its workflow's id; None where it is not."""
    workflow_id = str(one.get("workflowId"))
    name = f"{one.get('id')} of workflow {workflow_id}"
    due, since = read_aware(one.get("waitTill")), read_aware(one.get("stoppedAt")) or read_aware(one.get("startedAt"))
    if due and due < NO_END:
        late = now - due
        return (due, f"{name} (due {length(late)} ago)", workflow_id) if late > timedelta(seconds=args.grace) else None
    if since is None or now - since <= timedelta(seconds=args.longer_than):
        return None
    return since, f"{name} (waits for a call for {length(now - since)})", workflow_id
