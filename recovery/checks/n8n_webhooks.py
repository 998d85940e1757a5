"""Webhooks of published workflows that are not registered."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from recovery.checks import check
from recovery.checks.asking_n8n import asking_n8n
from recovery.checks.naming import name_some
from recovery.model import FailureType, N8nDoor, Past, Reading

WEBHOOK = "n8n-nodes-base.webhook"
MOST_ASKED = 200


class Args(BaseModel):
    """Which n8n."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    site: str = Field("default", description="the name of an n8n of the configuration", max_length=40)


@check("n8n_webhooks", remembers=True)
@asking_n8n
def look_for_webhooks(args: Args, door: N8nDoor, past: Past) -> Reading:
    """Asks n8n for each published workflow's webhooks whether they are registered, without running anything.

    One that answers nobody though its workflow is published is `webhook_unregistered`: unpublish and publish it again.
    The API key needs the scope workflow:list. Webhooks with parameters in their path are not asked.
    """
    hooks = [hook for workflow in door.published_workflows() for hook in _webhooks(workflow)][:MOST_ASKED]
    missing = [(name, method, path) for name, method, path in hooks if method not in door.webhook_methods(path)]
    if not missing:
        return Reading("", True, f"all {len(hooks)} webhooks of published workflows are registered")
    told = [f"{method} {path} of {name}" for name, method, path in missing]
    because = f"published, and not registered: {name_some(told)}"
    return Reading("", False, because, FailureType.WEBHOOK_UNREGISTERED)


def _webhooks(workflow: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(workflow's name, method, path) of each webhook that can be asked."""
    for node in workflow.get("nodes") or ():
        if not isinstance(node, Mapping) or node.get("type") != WEBHOOK or node.get("disabled"):
            continue
        parameters = node.get("parameters")
        path = parameters.get("path") if isinstance(parameters, Mapping) else None
        if not isinstance(path, str) or not path.strip("/") or ":" in path or path.startswith("="):
            continue
        methods = parameters.get("httpMethod", "GET") if isinstance(parameters, Mapping) else "GET"
        for method in methods if isinstance(methods, list) else [methods]:
            yield str(workflow.get("name"))[:80], str(method).upper(), path
