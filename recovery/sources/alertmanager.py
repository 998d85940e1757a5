"""A call of Prometheus' Alertmanager: a group of alerts, each of which fires or is resolved."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recovery.model import Signal
from recovery.sources.shapes import (
    MOST_PER_CALL,
    BadPayload,
    joined,
    named,
    numbered,
    reading,
    section,
    severity_of,
    text,
)

SOURCE = "alertmanager"
STATES = {"firing": False, "resolved": True}
KEPT = ("labels", "annotations", "startsAt", "endsAt", "fingerprint", "generatorURL", "values", "valueString")


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert of a call, and what it says of which component."""

    component: str
    healthy: bool
    told: Mapping[str, Any]

    @property
    def mark(self) -> str:
        """What tells it from other alerts of its component; "" where nothing does."""
        return text(self.told.get("fingerprint"), 100)


def receive(payload: Any, delivery: str | None = None) -> list[Signal]:
    """The signals in a webhook call (version 4).

    Raises:
        BadPayload: which alert is wrong, and how. Nothing of the call is taken in then.
    """
    return [signal_of(alert, SOURCE, numbered(delivery, index)) for index, alert in enumerate(read_alerts(payload))]


def read_alerts(payload: Any) -> list[Alert]:
    """The alerts that count, those that fire first.

    A resolved one that cannot be told from others does not count, while one of its component fires in the same call.

    Raises:
        BadPayload: as for `receive`.
    """
    listed = payload.get("alerts") if isinstance(payload, Mapping) else None
    if not isinstance(listed, list) or not listed:
        raise BadPayload("the body must be an object whose alerts is a list of at least one alert")
    if len(listed) > MOST_PER_CALL:
        raise BadPayload(f"at most {MOST_PER_CALL} alerts a call, {len(listed)} were sent: set max_alerts")
    alerts = [_read(told, f"alerts[{index}]") for index, told in enumerate(listed)]
    firing = {alert.component for alert in alerts if not alert.healthy}
    counting = [alert for alert in alerts if not alert.healthy or alert.mark or alert.component not in firing]
    return sorted(counting, key=lambda alert: alert.healthy)


def signal_of(alert: Alert, source: str, delivery: str | None) -> Signal:
    """An alert as a signal.

    It has no time of observation: an alert that began long ago, and is told of only now, is news all the same.
    """
    labels, notes = section(alert.told, "labels"), section(alert.told, "annotations")
    name = text(labels.get("alertname"), 200)
    words = (text(notes.get(key), 400) for key in ("summary", "description", "message"))
    said = next((word for word in words if word), text(alert.told.get("valueString"), 400))
    message = joined((name, said)) or "an alert fires"
    return reading(
        source,
        alert.component,
        alert.healthy,
        delivery,
        _key(alert, source),
        message=f"resolved: {name or alert.component}" if alert.healthy else message,
        severity=severity_of(labels.get("severity")),
        failure_type=text(labels.get("failure_type"), 40),
        mark=f"{source}|{alert.mark}" if alert.mark else "",
        began=text(alert.told.get("startsAt"), 40) if alert.mark else "",
        alert={key: alert.told[key] for key in KEPT if key in alert.told},
    )


def component_of(labels: Mapping[str, Any]) -> str:
    """What the labels say is failing; "" where they do not."""
    for name in ("component", "service"):
        found = text(labels.get(name), 200).strip()
        if found:
            return found
    job, instance = text(labels.get("job"), 100).strip(), text(labels.get("instance"), 99).strip()
    if job and instance:
        return f"{job}/{instance}"
    # Grafana calls every rule without data DatasourceNoData, and says in rulename which it is.
    return text(labels.get("rulename"), 200).strip() or text(labels.get("alertname"), 200).strip()


def _read(told: Any, where: str) -> Alert:
    status = told.get("status") if isinstance(told, Mapping) else None
    if not isinstance(status, str) or status not in STATES:
        raise BadPayload(f"{where}.status must be firing or resolved")
    labels = section(told, "labels")
    component = named(component_of(labels), f"{where}.labels.alertname (or component, service, job with instance)")
    return Alert(component, STATES[status], told)


def _key(alert: Alert, source: str) -> str:
    """That an alert is resolved is one fact, however often it is told. That it fires is told again as long as it does:
    what that means depends on what became of it meanwhile.
    """
    began, ended = text(alert.told.get("startsAt"), 40), text(alert.told.get("endsAt"), 40)
    if not alert.healthy or not alert.mark or not began:
        return ""
    return joined((source, alert.mark, "resolved", began, ended), "|")
