"""A call of Grafana: its alerting speaks like Alertmanager, its legacy alerting (before Grafana 11) for itself."""

from collections.abc import Mapping
from typing import Any

from recovery.model import Signal
from recovery.sources import alertmanager
from recovery.sources.shapes import BadPayload, named, numbered, reading, section, severity_of, text, whole

SOURCE = "grafana"
LEGACY_STATES = {"alerting": False, "no_data": False, "ok": True, "pending": None, "paused": None, "unknown": None}
TEST = ("TestAlert", "Grafana")
LEGACY_TEST = "Test notification"


def receive(payload: Any, delivery: str | None = None) -> list[Signal]:
    """The signals in a webhook call; none in one that only tests the contact point.

    Raises:
        BadPayload: which alert is wrong, and how. Nothing of the call is taken in then.
    """
    if isinstance(payload, Mapping) and "alerts" not in payload and "ruleName" in payload:
        return _receive_legacy(payload, delivery)
    alerts = [alert for alert in alertmanager.read_alerts(payload) if not _is_test(alert)]
    return [alertmanager.signal_of(alert, SOURCE, numbered(delivery, index)) for index, alert in enumerate(alerts)]


def _is_test(alert: alertmanager.Alert) -> bool:
    labels = section(alert.told, "labels")
    return (labels.get("alertname"), labels.get("instance")) == TEST


def _receive_legacy(payload: Mapping[str, Any], delivery: str | None) -> list[Signal]:
    state = text(payload.get("state"), 40)
    if state not in LEGACY_STATES:
        raise BadPayload(f"state must be one of {', '.join(LEGACY_STATES)}")
    if payload["ruleName"] == LEGACY_TEST and payload.get("ruleId") == 0:
        return []
    tags = section(payload, "tags")
    component = named(alertmanager.component_of(tags) or payload["ruleName"], "ruleName")
    title, message = text(payload.get("title"), 200), text(payload.get("message"), 400)
    return [
        reading(
            SOURCE,
            component,
            LEGACY_STATES[state],
            delivery,
            message=message or title or f"Grafana says {state}",
            severity=severity_of(tags.get("severity")),
            failure_type=text(tags.get("failure_type"), 40),
            mark=f"{SOURCE}|rule {rule}" if (rule := whole(payload.get("ruleId"))) is not None else "",
            alert={
                key: payload[key] for key in ("ruleId", "ruleName", "state", "tags", "evalMatches") if key in payload
            },
        )
    ]
