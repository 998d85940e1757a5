"""History: one line for every change of state, with its because."""

from datetime import datetime
from typing import Any

from recovery.store import bulk
from recovery.store.tables import EventRow


def add_event(
    at: datetime,
    subject: str,
    subject_id: object,
    after: str,
    because: str,
    incident_id: int | None = None,
    before: str = "",
    who: str = "medic",
) -> None:
    """One line of history, in the transaction of the change it tells of."""
    bulk.add_rows(EventRow, [event(at, subject, subject_id, after, because, incident_id, before, who)])


def event(
    at: datetime,
    subject: str,
    subject_id: object,
    after: str,
    because: str,
    incident_id: int | None = None,
    before: str = "",
    who: str = "medic",
) -> dict[str, Any]:
    """One line of history as a row, for adding many at once."""
    return {
        "at": at,
        "subject": subject,
        "subject_id": str(subject_id),
        "before": before,
        "after": after,
        "because": because,
        "incident_id": incident_id,
        "who": who,
    }
