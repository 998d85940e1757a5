"""What checks of an n8n share about its executions."""

from collections.abc import Mapping
from typing import Any

from recovery.model import N8nDoor

__all__ = ["list_executions", "number_of", "saves_successes", "settings_of"]

MOST_PAGES = 4
MOST_SAVED, MOST_LOOKED_AT = 20, 5


def list_executions(door: N8nDoor, status: str, started_before: str = "") -> tuple[list[dict[str, Any]], bool]:
    """The newest executions of a status, at most 1,000, and whether these are all. Raises N8nError."""
    found: list[dict[str, Any]] = []
    cursor = ""
    for _ in range(MOST_PAGES):
        page, cursor = door.executions(status, cursor=cursor, limit=250, started_before=started_before)
        found += page
        if not cursor:
            break
    return found, not cursor


def number_of(execution: Mapping[str, Any]) -> int:
    """An execution's id, which n8n counts up; 0 where it is no number."""
    text = str(execution.get("id"))
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def saves_successes(door: N8nDoor, workflow_id: str, saved: Any) -> bool:
    """Whether n8n is known to save a workflow's successes; `saved` is what its settings say of that.

    Where they say nothing it is known from a success of the workflow, or of another whose settings say as little.
    """
    if saved in ("all", "none"):
        return bool(saved == "all")
    if door.executions("success", workflow_id, limit=1)[0]:
        return True
    page, _ = door.executions("success", limit=MOST_SAVED)
    others = list(dict.fromkeys(str(one.get("workflowId")) for one in page))[:MOST_LOOKED_AT]
    return any(settings_of(door.workflow(one)).get("saveDataSuccessExecution") not in ("all", "none") for one in others)


def settings_of(workflow: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """A workflow's settings; nothing where it is gone, or has none."""
    settings = (workflow or {}).get("settings")
    return settings if isinstance(settings, Mapping) else {}
