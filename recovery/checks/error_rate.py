"""A workflow of n8n that fails too often, each run for a reason of its own."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from recovery.checks import check
from recovery.checks.asking_n8n import asking_n8n
from recovery.checks.executions import saves_successes, settings_of
from recovery.checks.rates import Rate, acted_at, is_unjudged, too_high, unjudged
from recovery.checks.remembering import known_time
from recovery.model import CRITICAL_TAG, IGNORE_TAG, FailureType, N8nDoor, Past, Reading, tags_of, why_tagged
from recovery.model.moments import read_aware, write_length

BY_HAND = ("manual", "evaluation")
STATUSES = ("success", "error", "crashed")
PAGE, MOST_PAGES = 250, 8
FIND_AGAIN = timedelta(hours=1)


def _as_name(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Name = Annotated[
    str,
    Field(min_length=1, max_length=200),
    BeforeValidator(_as_name),
    WithJsonSchema({"type": ["string", "integer"], "minLength": 1, "maxLength": 200}),
]


class Args(Rate):
    """Which workflow, and how large the share of its failures may be."""

    workflow: Name = Field(description="the workflow's id, or its name", examples=["Orders"])
    site: str = Field("default", description="the name of an n8n of the configuration", max_length=40)


class Unknowable(Exception):  # noqa: N818 as it is said
    """The share cannot be told, until a person changes something."""


@check("error_rate", remembers=True, every_seconds=30)
@asking_n8n
def look_at_error_rate(args: Args, door: N8nDoor, past: Past) -> Reading:
    """Asks n8n for the finished executions of a workflow, and judges the share that failed or crashed in the window.

    Too large a share is `high_error_rate`, and good again at half of `at_most`; fewer executions than `at_least` are
    never judged. Runs by hand and retries do not count, nor does what ended before the last restart of this component,
    which is verified once `at_least` have ended since, or a `window` is over.
    Of a busy workflow the newest 2,000 of each kind are counted. A workflow whose successes or failures n8n does not
    save cannot be judged: a person is told, for a share of 100 % or 0 % would be made up. The API key needs the scopes
    execution:list, workflow:list and workflow:read.
    """
    try:
        found = _found(args, door, past)
        since = past.now - timedelta(seconds=args.window)
        since = max(since, acted_at(past) or since)
        good, bad, since = _count(door, found["id"], since, args.window)
        workflow = door.workflow(found["id"]) if good + bad >= args.at_least else None
        if IGNORE_TAG in tags_of(workflow):
            return Reading("", True, why_tagged(IGNORE_TAG), certain=True, memory={**found, "high": False})
        if good + bad >= args.at_least:
            _must_be_saved(door, found["id"], workflow, bool(good))
    except Unknowable as problem:
        return Reading("", False, str(problem), FailureType.N8N_UNREADY, permanent=True)
    reading = _judged(args, good, bad, past, found, since)
    return replace(reading, critical=reading.healthy is False and CRITICAL_TAG in tags_of(workflow))


def _judged(args: Args, good: int, bad: int, past: Past, found: Mapping[str, Any], since: datetime) -> Reading:
    if is_unjudged(args, good + bad, past):
        return Reading("", None, unjudged(args, good, bad, "executions"), memory={**found, "high": True})
    high = too_high(args, good, bad, "executions", found.get("high") is True)
    failure, said = FailureType.HIGH_ERROR_RATE if high else None, high or _words(args, good, bad, past.now - since)
    return Reading("", not high, said, failure, certain=True, memory={**found, "high": bool(high)})


def _words(args: Args, good: int, bad: int, span: timedelta) -> str:
    total = good + bad
    few = f", too few to judge (less than {args.at_least})" if total < args.at_least else ""
    return f"{bad} of {total} executions failed within {write_length(span)}{few}"


def _found(args: Args, door: N8nDoor, past: Past) -> dict[str, Any]:
    """The workflow's id, as it was found within the last hour, else looked for anew: {id, asked, at}."""
    at = known_time(past.memory.get("at"), past.now)
    if at and past.memory.get("asked") == args.workflow and past.now - at < FIND_AGAIN:
        return past.memory
    return {
        "high": past.memory.get("high"),
        "id": _id_of(args.workflow, door),
        "asked": args.workflow,
        "at": past.now.isoformat(),
    }


def _id_of(wanted: str, door: N8nDoor) -> str:
    published = door.published_workflows()
    if any(one.get("id") == wanted for one in published):
        return wanted
    named = [str(one.get("id")) for one in published if one.get("name") == wanted]
    if len(named) > 1:
        raise Unknowable(f"{len(named)} published workflows are called {wanted!r}: write the id of one of them")
    if not named and door.workflow(wanted) is None:
        raise Unknowable(f"n8n has no workflow with the id {wanted!r}, and no published one of that name")
    return named[0] if named else wanted


def _count(door: N8nDoor, workflow_id: str, since: datetime, window: float) -> tuple[int, int, datetime]:
    """How many succeeded and failed, and since when: later than asked where n8n has more than is read."""
    after = since - timedelta(seconds=window)  # what ends in the window may have begun before it
    read = {status: _ended(door, status, workflow_id, after) for status in STATUSES}
    since = max([since, *(oldest for _, oldest in read.values() if oldest)])
    counts = {status: sum(1 for at in ended if at >= since) for status, (ended, _) in read.items()}
    return counts["success"], counts["error"] + counts["crashed"], since


def _ended(door: N8nDoor, status: str, workflow_id: str, after: datetime) -> tuple[list[datetime], datetime | None]:
    """When each ended, newest first; and when the oldest did, where n8n has more of them than are read."""
    found: list[datetime] = []
    cursor, oldest = "", None
    for _ in range(MOST_PAGES):
        page, cursor = door.executions(status, workflow_id, after.isoformat(), cursor, PAGE)
        for one in page:
            ended = read_aware(one.get("stoppedAt")) or read_aware(one.get("startedAt"))
            oldest = min(ended, oldest or ended) if ended else oldest
            if ended and one.get("mode") not in BY_HAND and not one.get("retryOf"):
                found.append(ended)
        if not cursor:
            return found, None
    return found, oldest


def _must_be_saved(door: N8nDoor, workflow_id: str, workflow: Mapping[str, Any] | None, has_success: bool) -> None:
    """Raises Unknowable where n8n does not save what is to be counted."""
    settings = settings_of(workflow)
    if settings.get("saveDataErrorExecution") == "none":
        raise Unknowable(
            "n8n does not save this workflow's failed executions (its settings say so): none can be counted"
        )
    saved = settings.get("saveDataSuccessExecution")
    if saved == "none":
        raise Unknowable("n8n does not save this workflow's successes (its settings say so): no share can be told")
    if not has_success and not saves_successes(door, workflow_id, saved):
        raise Unknowable(
            "n8n has no success of this workflow, and nothing tells whether it saves any: set its settings"
        )
