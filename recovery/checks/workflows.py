"""What is read of a workflow as n8n gives it: the version that is live, the webhooks of it, and our tags."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from recovery.model import CRITICAL_TAG, IGNORE_TAG, DoorError, N8nDoor, tags_of

__all__ = ["are_critical", "heeded", "live_nodes", "missing_webhooks", "tagged_ids", "webhooks_of"]

WEBHOOK = "n8n-nodes-base.webhook"
MOST_ASKED = 200

Hook = tuple[str, str]


def heeded(workflows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those that are to be looked at: not what its author has tagged to be left alone."""
    return [one for one in workflows if IGNORE_TAG not in tags_of(one)]


def are_critical(workflows: Iterable[Mapping[str, Any]]) -> bool:
    """Whether any of them is tagged as critical."""
    return any(CRITICAL_TAG in tags_of(one) for one in workflows)


def tagged_ids(door: N8nDoor, tag: str) -> frozenset[str]:
    """The ids of the workflows with a tag; none where n8n does not tell (the key needs the scope workflow:list)."""
    try:
        return frozenset(str(one.get("id")) for one in door.tagged_workflows(tag))
    except DoorError:
        return frozenset()


def live_nodes(workflow: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The nodes of the published version, which a saved draft may differ from; those of the draft in an older n8n."""
    live = workflow.get("activeVersion")
    nodes = live.get("nodes") if isinstance(live, Mapping) else workflow.get("nodes")
    yield from (one for one in (nodes if isinstance(nodes, list) else ()) if isinstance(one, Mapping))


def webhooks_of(workflow: Mapping[str, Any]) -> Iterator[Hook]:
    """(method, path) of each live webhook that can be asked: not those with parameters in their path."""
    for node in live_nodes(workflow):
        if node.get("type") != WEBHOOK or node.get("disabled"):
            continue
        parameters = node.get("parameters")
        path = parameters.get("path") if isinstance(parameters, Mapping) else None
        if not isinstance(path, str) or not path.strip("/") or ":" in path or path.startswith("="):
            continue
        methods = parameters.get("httpMethod", "GET") if isinstance(parameters, Mapping) else "GET"
        for method in methods if isinstance(methods, list) else [methods]:
            yield str(method).upper(), path


def missing_webhooks(door: N8nDoor, most: int = MOST_ASKED) -> tuple[list[tuple[Mapping[str, Any], Hook]], int, int]:
    """The webhooks that n8n has not registered though their workflow is published; how many were asked, of how many."""
    hooks = [(one, hook) for one in heeded(door.published_workflows()) for hook in webhooks_of(one)]
    asked = hooks[:most]
    missing = [(one, (method, path)) for one, (method, path) in asked if method not in door.webhook_methods(path)]
    return missing, len(asked), len(hooks)
