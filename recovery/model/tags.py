"""The tags by which the author of a workflow steers n8n-medic in n8n, without access to our configuration."""

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["CRITICAL_TAG", "IGNORE_TAG", "Held", "tags_of", "why_tagged"]

CRITICAL_TAG = "medic:critical"  # what holds a failed execution of it is critical
IGNORE_TAG = "medic:ignore"  # it is left alone: nothing is opened, retried, counted or told


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
