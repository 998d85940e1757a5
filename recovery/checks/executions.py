"""What checks of an n8n share about its executions."""

from collections.abc import Mapping
from typing import Any

from recovery.model import N8nDoor

__all__ = ["list_executions", "number_of"]

MOST_PAGES = 4


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
