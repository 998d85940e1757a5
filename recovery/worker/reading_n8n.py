"""What has to be read of n8n before a chain is touched."""

from collections.abc import Iterator, Mapping
from typing import Any

from recovery.decide.replay import Chain
from recovery.model import N8nDoor
from recovery.sources.shapes import section, text
from recovery.store.tables import ExecutionRow

# Successes are found by `retrySuccessId` of the failed ones: the many that are no retry need not be read.
STATUSES = ("error", "crashed", "canceled", "running", "waiting", "new")
MOST_PAGES = 40


def true_root(door: N8nDoor, row: ExecutionRow) -> Mapping[str, Any] | None:
    """The execution that the chain began with, as far back as n8n still knows; None where it knows nothing of it."""
    root = door.execution(row.root_id) or door.execution(row.leaf_id)
    for _ in range(MOST_PAGES):
        above = door.execution(text(root.get("retryOf"))) if root and root.get("retryOf") else None
        if above is None:
            break
        root = above
    return root


def read_members(door: N8nDoor, row: ExecutionRow, root: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The executions of the chain's workflow that may belong to it: not succeeded, and newer than its root."""
    found: list[Mapping[str, Any]] = []
    for status in STATUSES:
        found += executions_since(door, status, row.workflow_id, text(root.get("startedAt")), str(root.get("id")))
    return found


def executions_since(
    door: N8nDoor, status: str, workflow_id: str, started_after: str, older_than: str, pages: int = MOST_PAGES
) -> Iterator[Mapping[str, Any]]:
    """Executions of one status, newest first, back to the id `older_than`, of at most that many pages."""
    cursor = ""
    for _ in range(pages):
        page, cursor = door.executions(status, workflow_id, started_after, cursor, 250)
        for execution in page:
            if _number(execution.get("id")) <= _number(older_than):
                return
            yield execution
        if not cursor:
            return


def _number(execution_id: Any) -> int:
    found = str(execution_id)
    return int(found) if found.isascii() and found.isdigit() else 0


def vanished(door: N8nDoor, row: ExecutionRow, chain: Chain) -> str:
    """The retry that was seen running and that n8n has no more; "" where there is none.

    A success that n8n does not save is deleted at its end, so it may have succeeded. What a person allowed since then
    is allowed knowing that.
    """
    seen = row.seen_id or ""
    gone = seen and not row.permit and seen not in chain.members and door.execution(seen) is None
    return seen if gone else ""


def hides_successes(door: N8nDoor, workflow_id: str) -> bool:
    """Whether a workflow's own settings say that n8n does not save its successes."""
    settings = section(door.workflow(workflow_id), "settings")
    return settings.get("saveDataSuccessExecution") == "none"


def tags_of(door: N8nDoor, workflow_id: str) -> frozenset[str]:
    """The names of a workflow's tags."""
    tags = section(door.workflow(workflow_id)).get("tags")
    return frozenset(text(section(tag).get("name")) for tag in tags) if isinstance(tags, list) else frozenset()
