"""A probe's result, as n8n workflows, scripts and our own checks report it."""

from collections.abc import Mapping
from typing import Any

from recovery.model import FailureType, Reading, Severity, Signal, SignalKind
from recovery.model.durations import LONGEST_SILENCE, SHORTEST_SILENCE, parse_duration
from recovery.sources.shapes import MOST_PER_CALL, BadPayload, component_name, moment, number, text, whole

SOURCE = "probe"
OWN = "check"
# What a pushed probe may not say: how sure it is, who helps, of which alert, and what a tag in n8n says.
OURS = ("certain", "permanent", "mark", "critical")
UNSAID = {True: "healthy", False: "reported as failing", None: "says nothing of its health"}


def receive(payload: Any, delivery: str | None = None) -> list[Signal]:
    """The signals in one probe result or a list of them.

    Raises:
        BadPayload: which result is wrong, and how. Nothing of the list is taken in then.
    """
    results = payload if isinstance(payload, list) else [payload]
    if not results:
        raise BadPayload("the list of probe results is empty")
    if len(results) > MOST_PER_CALL:
        raise BadPayload(f"at most {MOST_PER_CALL} probe results a call, {len(results)} were sent")
    listed = isinstance(payload, list)
    return [
        _receive_one(result, f"[{index}]." if listed else "", _own(delivery, index, listed))
        for index, result in enumerate(results)
    ]


def _own(delivery: str | None, index: int, listed: bool) -> str | None:
    return f"{delivery}#{index}" if delivery and listed else delivery


def _receive_one(result: Any, where: str, delivery: str | None) -> Signal:
    if not isinstance(result, Mapping):
        raise BadPayload(
            f"{where or 'the body '}must be an object with component and healthy".replace("].must", "] must")
        )
    component = component_name(result.get("component"), f"{where}component")
    if not isinstance(result.get("healthy"), bool):
        raise BadPayload(f"{where}healthy must be true or false")
    severity = result.get("severity")
    if severity is not None and severity not in list(Severity):
        raise BadPayload(f"{where}severity must be one of {', '.join(Severity)}")
    observed = result.get("observed_at")
    seen = moment(observed)
    if observed is not None and seen is None:
        raise BadPayload(f"{where}observed_at must be an ISO 8601 time, or seconds since 1970")
    key = f"probe:{component}:{seen.isoformat()}" if seen else ""
    kept = {name: value for name, value in result.items() if name not in OURS}
    if result.get("silent_after") is not None:
        kept["silent_after"] = _silence(result["silent_after"], where)
    return Signal(key, SignalKind.READING, SOURCE, "", {**kept, "component": component}, delivery)


def _silence(told: Any, where: str) -> float:
    """How soon the sender's silence counts, seconds; 0: never. It can do no harm, so a payload may say it."""
    try:
        seconds = parse_duration(told)
    except ValueError:
        seconds = -1.0
    if seconds and not SHORTEST_SILENCE <= seconds <= LONGEST_SILENCE:
        raise BadPayload(f'{where}silent_after must be from "30s" to "1d", or 0 where silence is no failure')
    return seconds


def read_reading(body: Mapping[str, Any]) -> Reading:
    """The facts of one probe result. Never raises: what is absent or odd stays empty."""
    told = body.get("healthy")
    healthy = told if isinstance(told, bool) else None
    status = whole(body.get("status_code"))
    message = text(body.get("message"), 500)
    severity = body.get("severity")
    return Reading(
        component=text(body.get("component")),
        healthy=healthy,
        because=message or (f"status {status}" if status else UNSAID[healthy]),
        failure_type=_failure_type(body, status, message) if healthy is False else None,
        status_code=status,
        latency_ms=number(body.get("latency_ms")),
        severity=Severity(severity) if severity in list(Severity) else None,
        observed_at=moment(body.get("observed_at")),
        certain=body.get("certain") is True,
        permanent=body.get("permanent") is True,
        silent_after_seconds=number(body.get("silent_after")),
        critical=body.get("critical") is True,
        alert=(mark, text(body.get("began"), 40)) if (mark := text(body.get("mark"), 300)) else None,
    )


def _failure_type(body: Mapping[str, Any], status: int | None, message: str) -> FailureType:
    told = body.get("failure_type")
    if told in list(FailureType):
        return FailureType(told)
    lowered = message.lower()
    if "timeout" in lowered or "timed out" in lowered or status in (408, 504):
        return FailureType.API_TIMEOUT
    return FailureType.API_ERROR if status and status >= 400 else FailureType.SERVER_UNRESPONSIVE


def body_of(reading: Reading) -> dict[str, Any]:
    """A reading of one of our own checks as the body of a signal."""
    body = {
        "component": reading.component,
        "healthy": reading.healthy,
        "message": reading.because,
        "status_code": reading.status_code,
        "latency_ms": reading.latency_ms,
        "failure_type": str(reading.failure_type) if reading.failure_type else None,
        "certain": reading.certain or None,
        "permanent": reading.permanent or None,
        "critical": reading.critical or None,
    }
    return {key: value for key, value in body.items() if value is not None}


def own_signal(reading: Reading, key: str) -> Signal:
    """A reading of one of our own checks as a signal."""
    return Signal(key, SignalKind.READING, OWN, "", body_of(reading))
