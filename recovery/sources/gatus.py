"""A call of Gatus' custom alerting provider, with the body that docs/monitors.md gives."""

from collections.abc import Mapping
from typing import Any

from recovery.model import Signal, without_hidden
from recovery.sources.shapes import BadPayload, joined, named, reading, severity_of, text

SOURCE = "gatus"
STATES = {"triggered": False, "resolved": True}


def receive(payload: Any, delivery: str | None = None) -> list[Signal]:
    """The signal in a call.

    Raises:
        BadPayload: what is missing, and where.
    """
    if not isinstance(payload, Mapping):
        raise BadPayload("the body must be an object with component and state, as the template says")
    state = _filled(payload.get("state")).lower()
    if state not in STATES:
        raise BadPayload('state must be TRIGGERED or RESOLVED: write "state": "[ALERT_TRIGGERED_OR_RESOLVED]"')
    name = named(_filled(payload.get("component")), 'component ("[ENDPOINT_NAME]")')
    words = joined((_filled(payload.get("description")), _filled(payload.get("errors"))))
    return [
        reading(
            SOURCE,
            joined((without_hidden(_filled(payload.get("group"))[:100]), name), "/")[:200],
            STATES[state],
            delivery,
            message="resolved" if STATES[state] else words or "Gatus says that it fails",
            severity=severity_of(payload.get("severity")),
            failure_type=text(payload.get("failure_type"), 40),
        )
    ]


def _filled(value: Any) -> str:
    """What stands in place of a placeholder; "" where this Gatus does not know it and left it as it was."""
    found = text(value, 500).strip()
    return "" if found.startswith("[") and found.endswith("]") and found[1:-1].replace("_", "").isupper() else found
