"""What an older n8n does not know of its list of executions, made up for on this side; 1.113 is the oldest tried."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

MOMENTS = ("startedAfter", "startedBefore")
IDS = ("id", "workflowId", "retryOf", "retrySuccessId")


def refuses_moments(status: int, why: str) -> bool:
    """Whether it cannot list by time."""
    return status == 400 and "Unknown query parameter" in why and any(name in why for name in MOMENTS)


def refuses_status(status: int, why: str) -> bool:
    """Whether it cannot list by that status: it lists what has crashed among the errors, and what is new not at all."""
    return status == 400 and "query/status" in why


def known_to(is_older: bool, query: Mapping[str, str]) -> dict[str, str]:
    """The query without what an older one refuses."""
    return {name: value for name, value in query.items() if not (is_older and name in MOMENTS)}


def within(rows: list[dict[str, Any]], cursor: str, query: Mapping[str, str]) -> tuple[list[dict[str, Any]], str]:
    """The rows that began within the time that was asked for, and the cursor: "" once an earlier one was listed."""
    after, before = (_moment(query.get(name)) for name in MOMENTS)
    began = [(one, _moment(one.get("startedAt"))) for one in rows]
    found = [one for one, at in began if at is None or not (after and at < after or before and at > before)]
    return found, "" if after and any(at and at < after for _, at in began) else cursor


def with_text_ids(execution: dict[str, Any]) -> dict[str, Any]:
    """The same with its ids as text: some are numbers there."""
    return {name: str(value) if name in IDS and isinstance(value, int) else value for name, value in execution.items()}


def _moment(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
