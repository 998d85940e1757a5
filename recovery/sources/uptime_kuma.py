"""A notification of Uptime Kuma: one monitor that went down, came up, or is about to be one or the other."""

from collections.abc import Mapping
from typing import Any

from recovery.model import Signal
from recovery.sources.shapes import BadPayload, moment, named, number, reading, section, text, whole

SOURCE = "uptime-kuma"
STATES = {0: False, 1: True, 2: None, 3: None}  # down, up, pending, maintenance
NAMES = {0: "down", 1: "up", 2: "pending", 3: "in maintenance"}


def receive(payload: Any, delivery: str | None = None) -> list[Signal]:
    """The signal in a notification; none in one of no monitor: a test, or a certificate that is about to end.

    Raises:
        BadPayload: what is missing, and where.
    """
    if not isinstance(payload, Mapping) or "heartbeat" not in payload:
        raise BadPayload("the body must be an object with heartbeat, monitor and msg, as Uptime Kuma's webhook sends")
    beat = payload["heartbeat"]
    if beat is None:
        return []
    if not isinstance(beat, Mapping):
        raise BadPayload("heartbeat must be an object, or null in a test")
    status = whole(beat.get("status"))
    if status not in STATES:
        raise BadPayload("heartbeat.status must be 0 (down), 1 (up), 2 (pending) or 3 (maintenance)")
    monitor = section(payload, "monitor")
    component, seen = named(monitor.get("name"), "monitor.name"), moment(beat.get("time"))
    return [
        reading(
            SOURCE,
            component,
            STATES[status],
            delivery,
            f"{SOURCE}|{component}|{status}|{seen.isoformat()}" if seen else "",
            message=text(beat.get("msg"), 500) or f"Uptime Kuma says {NAMES[status]}",
            latency_ms=number(beat.get("ping")),
            observed_at=seen.isoformat() if seen else None,
            monitor={"id": whole(monitor.get("id")), "type": text(monitor.get("type"), 40)},
        )
    ]
