"""Failed executions of an n8n that it will soon delete, before anybody has retried them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from recovery.checks import check
from recovery.checks.asking_n8n import asking_n8n
from recovery.checks.executions import list_executions, number_of
from recovery.checks.naming import length, name_some
from recovery.checks.workflows import tagged_ids
from recovery.model import IGNORE_TAG, FailureType, N8nDoor, Past, Reading
from recovery.model.durations import Duration
from recovery.model.moments import read_aware

NEAR = 0.9
FAILED = ("error", "crashed")
LEFT_ALONE = ("manual", "evaluation", "error", "integrated")  # by hand, of handlers, and sub-workflows' own runs


class Args(BaseModel):
    """When n8n deletes executions: its own EXECUTIONS_DATA_* settings, which its API does not tell."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    site: str = Field("default", description="the name of an n8n of the configuration", max_length=40)
    max_age: Duration = Field(
        1_209_600.0, description="n8n's EXECUTIONS_DATA_MAX_AGE, which is in hours there", examples=["168h"]
    )
    max_count: Annotated[StrictInt, Field(ge=0)] = Field(
        10_000, description="n8n's EXECUTIONS_DATA_PRUNE_MAX_COUNT; 0: no limit", examples=[50_000]
    )
    within: Duration = Field(86_400.0, description="so long before its end an execution is told", examples=["12h"])
    ignore: tuple[str, ...] = Field(
        (), description="ids of workflows whose failures nobody will retry", examples=[["k3Hq8sVn2LxT0aBc"]]
    )


@check("n8n_pruning", remembers=True)
@asking_n8n
def look_for_failures_that_end(args: Args, door: N8nDoor, past: Past) -> Reading:
    """Looks for executions that failed, were not retried, and are about to be deleted by n8n, by age or by number.

    It is `workflow_failed`, because that is what is left to be done: somebody must retry them, or let them go; so a
    person is called at once. How many are newer is estimated from the ids and the newest 250 executions, and told from
    90 % of `max_count` on. Runs by hand and of sub-workflows do not count; of a chain of retries only the last does.
    Of the failures the newest 1,000 of each kind are looked at, and those of age always. n8n never deletes executions
    that somebody has rated or tagged; they are told all the same: `ignore` their workflow.
    """
    told, open_ones = failures_that_end(args, door, past.now)
    if not told:
        return Reading("", True, f"none of {open_ones} failures that were not retried is about to be deleted")
    because = f"n8n will soon delete {len(told)} failed executions that nobody retried: {name_some(told, 3)}"
    return Reading("", False, because, FailureType.WORKFLOW_FAILED, permanent=True)


def failures_that_end(args: Args, door: N8nDoor, now: datetime) -> tuple[list[str], int]:
    """The failures that are about to be deleted, in words, and how many were not retried. Raises DoorError."""
    newest = door.executions(limit=250)[0]
    failed = _failed(args, door, now)
    retried = {str(one.get("retryOf")) for one in (*failed, *newest, *door.executions("running", limit=250)[0])}
    last_of_count = _last_of_count(args, newest)
    open_ones = [one for one in failed if _is_open(args, one, retried)]
    ending = [(one, words) for one in open_ones if (words := _end(args, one, last_of_count, now))]
    left = tagged_ids(door, IGNORE_TAG) if ending else ()
    return [words for one, words in ending if one.get("workflowId") not in left], len(open_ones)


def _failed(args: Args, door: N8nDoor, now: datetime) -> list[dict[str, Any]]:
    """Those that failed, each once: first those whose age is near the end, then the newest, oldest first."""
    ends = (now - timedelta(seconds=max(0.0, args.max_age - args.within))).isoformat().replace("+00:00", "Z")
    found: dict[str, dict[str, Any]] = {}
    for status in FAILED:
        for before in (ends, ""):
            found |= {str(one.get("id")): one for one in list_executions(door, status, before)[0]}
    return sorted(found.values(), key=number_of)


def _is_open(args: Args, one: Mapping[str, Any], retried: set[str]) -> bool:
    return not (
        one.get("retrySuccessId")
        or one.get("mode") in LEFT_ALONE
        or str(one.get("id")) in retried
        or str(one.get("workflowId")) in args.ignore
    )


def _last_of_count(args: Args, newest: list[dict[str, Any]]) -> float:
    """The id below which an execution has nearly `max_count` newer ones; ids that left no execution do not count."""
    ids = [number for one in newest if (number := number_of(one))]
    if not args.max_count or len(ids) < 2:
        return 0.0
    share = (len(ids) - 1) / (max(ids) - min(ids))
    return max(ids) - args.max_count * NEAR / share


def _end(args: Args, one: Mapping[str, Any], last_of_count: float, now: datetime) -> str:
    """Which execution ends, and how soon; "" where it does not."""
    name = f"{one.get('id')} of workflow {one.get('workflowId')}"
    stopped = read_aware(one.get("stoppedAt")) or read_aware(one.get("startedAt"))
    left = stopped + timedelta(seconds=args.max_age) - now if stopped else None
    if left is not None and left < timedelta(seconds=args.within):
        return f"{name} (in {length(max(left, timedelta(0)))})"
    return f"{name} (by number)" if 0 < number_of(one) <= last_of_count else ""
