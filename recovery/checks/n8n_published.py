"""Workflows of an n8n that were published and are no longer."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from recovery.checks import check
from recovery.checks.asking_n8n import asking_n8n
from recovery.checks.naming import length, name_some
from recovery.checks.remembering import known_seconds
from recovery.checks.workflows import are_critical
from recovery.model import IGNORE_TAG, FailureType, N8nDoor, Past, Reading, tags_of
from recovery.model.durations import Duration

MOST_KNOWN, MOST_GONE = 300, 20


class Args(BaseModel):
    """Which workflows are meant to stay published."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    site: str = Field("default", description="the name of an n8n of the configuration", max_length=40)
    only: tuple[str, ...] = Field(
        (), description="ids or tags of workflows: look at no others", examples=[["production"]], max_length=200
    )
    ignore: tuple[str, ...] = Field(
        (), description="ids or tags of workflows: do not look at these", examples=[["draft"]], max_length=200
    )
    grace: Duration = Field(60.0, description="so long it may be unpublished, because somebody puts it anew")
    forget_after: Duration = Field(86_400.0, description="after this it counts as meant so", examples=["2h"])


@check("n8n_published", remembers=True)
@asking_n8n
def look_for_unpublished(args: Args, door: N8nDoor, past: Past) -> Reading:
    """Remembers which workflows are published (the first 300 that it sees), and misses those that are no longer.

    n8n unpublishes a workflow by itself where it cannot be started with n8n, and, if it is told to, after repeated
    crashes; a person may do so too, by mistake. Its webhooks answer nobody and its schedules do not run, so that it is
    `webhook_unregistered`. Only a person may decide to publish it, and is called at once. It is well again when it is
    published, archived, deleted, or unpublished for longer than `forget_after`. The API key needs the scopes
    workflow:list and workflow:read.
    """
    published = {str(one.get("id")) for one in door.published_workflows() if _meant(args, one)}
    since = _unpublished_since(past, published)
    missing = list(_missing(args, door, since, past))
    # Those known before come first: an n8n with more workflows than are kept does not push out what is watched.
    known = [one for one in _known(past) if one in published]
    known += sorted(published - set(known))[: MOST_KNOWN - len(known)]
    memory = {"known": known, "gone": {one: since[one] for one, _, _ in missing}}
    told = [words for _, words, _ in missing if words]
    if not told:
        return Reading("", True, f"all {len(known)} workflows that were published still are", memory=memory)
    because = f"not published any more: {name_some(told)}; publish it again if that was not meant"
    failure, critical = FailureType.WEBHOOK_UNREGISTERED, are_critical(workflow for _, _, workflow in missing)
    return Reading("", False, because, failure, permanent=True, memory=memory, critical=critical)


def _known(past: Past) -> list[str]:
    known = past.memory.get("known")
    return [str(one) for one in known] if isinstance(known, list) else []


def _unpublished_since(past: Past, published: set[str]) -> dict[str, float]:
    """Of each workflow that was published and is not: when that was first seen, in seconds."""
    gone = past.memory.get("gone")
    since = {**gone} if isinstance(gone, dict) else {}
    missing = [one for one in dict.fromkeys([*since, *_known(past)]) if one not in published][:MOST_KNOWN]
    return {one: known_seconds(since.get(one), past.now) or past.now.timestamp() for one in missing}


def _missing(
    args: Args, door: N8nDoor, since: Mapping[str, float], past: Past
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Those to keep in mind, how to name them ("" for one that is not told yet), and as n8n has them, where asked."""
    for place, (workflow_id, at) in enumerate(since.items()):
        gone_for = timedelta(seconds=past.now.timestamp() - at)
        if gone_for > timedelta(seconds=args.forget_after):
            continue
        if gone_for < timedelta(seconds=args.grace):
            yield workflow_id, "", {}
        elif place >= MOST_GONE:
            yield workflow_id, workflow_id, {}
        elif (workflow := door.workflow(workflow_id)) and _is_missed(args, workflow):
            told = f"{str(workflow.get('name'))[:80]} ({workflow_id}, for {length(gone_for)})"
            yield workflow_id, told, workflow


def _is_missed(args: Args, workflow: Mapping[str, Any]) -> bool:
    return not workflow.get("active") and not workflow.get("isArchived") and _meant(args, workflow)


def _meant(args: Args, workflow: Mapping[str, Any]) -> bool:
    names = {str(workflow.get("id")), *tags_of(workflow)}
    return not names & {IGNORE_TAG, *args.ignore} and (not args.only or bool(names & set(args.only)))
