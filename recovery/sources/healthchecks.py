"""A call of Healthchecks' webhook integration, with the body that docs/monitors.md gives."""

from collections.abc import Mapping
from typing import Any

from recovery.model import Signal
from recovery.sources.shapes import BadPayload, joined, moment, named, reading, text

SOURCE = "healthchecks"
STATES = {"down": False, "up": True}
TEST = "TEST"  # what it calls the check of a test notification


def receive(payload: Any, delivery: str | None = None) -> list[Signal]:
    """The signal in a call; none in a test notification.

    Raises:
        BadPayload: what is missing, and where.
    """
    if not isinstance(payload, Mapping):
        raise BadPayload("the body must be an object with name and status, as the template says")
    status = text(payload.get("status"), 40).strip().lower()
    if status not in STATES:
        raise BadPayload('status must be up or down: write "status": "$STATUS"')
    code, seen = text(payload.get("code"), 100), moment(payload.get("now"))
    component = named(payload.get("name") or code, "name ($NAME_JSON)")
    if component == TEST:
        return []
    said = "it has reported in time" if STATES[status] else "it has not reported in time, or has reported a failure"
    return [
        reading(
            SOURCE,
            component,
            STATES[status],
            delivery,
            joined((SOURCE, code, status, seen.isoformat()), "|") if code and seen else "",
            message=joined((said, text(payload.get("tags"), 200))) if not STATES[status] else said,
            observed_at=seen.isoformat() if seen else None,
            code=code,
        )
    ]
