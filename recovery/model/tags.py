"""The tags by which the author of a workflow steers n8n-medic in n8n, without access to our configuration."""

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["CRITICAL_TAG", "IGNORE_TAG", "LIST_SCOPE", "WITHOUT_LIST", "Held", "tags_of", "why_tagged"]

CRITICAL_TAG = "medic:critical"  # what holds a failed execution of it is critical
IGNORE_TAG = "medic:ignore"  # it is left alone: nothing is opened, retried, counted or told

LIST_SCOPE = "workflow:list"  # what an API key needs, so that both are seen
WITHOUT_LIST = (
    f"without {LIST_SCOPE} the tags {CRITICAL_TAG} and {IGNORE_TAG} are not heeded, and nobody sees which workflows "
    "have an error workflow, a webhook that answers, a schedule that runs"
)


class Held(NamedTuple):
    """What an incident holds of one workflow: executions that have not recovered, and those still to be done."""

    broken: int
    undone: int


def tags_of(workflow: Mapping[str, Any] | None) -> frozenset[str]:
    """The names of a workflow's tags as n8n gives them, each meant to the letter; what is no name is left out."""
    tags = (workflow or {}).get("tags")
    rows = tags if isinstance(tags, list) else []
    return frozenset(one["name"] for one in rows if isinstance(one, Mapping) and isinstance(one.get("name"), str))


def why_tagged(tag: str) -> str:
    """The reason that people read where a tag decides."""
    return f"its workflow is tagged {tag}"
