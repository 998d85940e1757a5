"""History: one line for every change of state, with its because."""

from datetime import datetime
from typing import Any, Literal

from recovery.store import bulk, database
from recovery.store.tables import EventRow

Subject = Literal[
    "alert",
    "audit",
    "component",
    "execution",
    "incident",
    "maintenance",
    "n8n",
    "order",
    "recovery",
    "replay",
    "signal",
    "silence",
    "step",
]
"""What a line of history is about."""


def add_event(
    at: datetime,
    subject: Subject,
    subject_id: object,
    after: str,
    because: str,
    incident_id: int | None = None,
    before: str = "",
    who: str = "medic",
) -> None:
    """One line of history, in the transaction of the change it tells of; all lines of that are written at its end."""
    row = {
        "at": at,
        "subject": subject,
        "subject_id": str(subject_id),
        "before": before,
        "after": after,
        "because": because,
        "incident_id": incident_id,
        "who": who,
    }
    database.owe(_add_events, row)


def _add_events(rows: list[dict[str, Any]]) -> None:
    bulk.add_rows(EventRow, rows)
