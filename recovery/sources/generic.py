"""Any monitor that sends JSON: a mapping in the configuration says where in it the facts stand."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from recovery.model import Signal, SourcePlan
from recovery.sources.shapes import (
    MOST_PER_CALL,
    BadPayload,
    joined,
    moment,
    named,
    numbered,
    reading,
    severity_of,
    text,
    whole,
)

SOURCE = "generic"


def receive(plan: SourcePlan, payload: Any, delivery: str | None = None) -> list[Signal]:
    """The signals in a message, or in a list of them.

    Raises:
        BadPayload: which path of the mapping leads to nothing of use. Nothing of the call is taken in then.
    """
    messages = payload if isinstance(payload, list) else [payload]
    if not messages:
        raise BadPayload("the list of messages is empty")
    if len(messages) > MOST_PER_CALL:
        raise BadPayload(f"at most {MOST_PER_CALL} messages a call, {len(messages)} were sent")
    return [
        _receive_one(plan, message, f"[{index}].{{}}" if isinstance(payload, list) else "{}", numbered(delivery, index))
        for index, message in enumerate(messages)
    ]


def find(value: Any, path: str) -> Any:
    """What stands at a dotted path such as `hosts.0.name`; None where nothing does."""
    for part in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and part.isascii() and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def _receive_one(plan: SourcePlan, message: Any, where: str, delivery: str | None) -> Signal:
    if not isinstance(message, Mapping):
        raise BadPayload(f"{where.format('the message')} must be an object")
    component = plan.name
    if plan.component:
        component = named(find(message, plan.component), _told(where, plan.component, plan))
    state = find(message, plan.healthy_path)
    if state is None:
        raise BadPayload(f"{_told(where, plan.healthy_path, plan)} is missing")
    healthy = any(_same(state, one) for one in plan.healthy_values)
    seen = _seen(plan, message, where)
    said = text(find(message, plan.message), 500) if plan.message else ""
    signal = reading(
        f"{SOURCE}:{plan.name}",
        component,
        healthy,
        delivery,
        joined((SOURCE, plan.name, component, str(healthy), seen.isoformat()), "|") if seen else "",
        message=said or joined((plan.healthy_path, text(state, 100)), " is "),
        severity=severity_of(find(message, plan.severity)) if plan.severity else None,
        failure_type=text(find(message, plan.failure_type), 40) if plan.failure_type else None,
        observed_at=seen.isoformat() if seen else None,
    )
    return signal if plan.at_once else replace(signal, body={k: v for k, v in signal.body.items() if k != "certain"})


def _told(where: str, path: str, plan: SourcePlan) -> str:
    return f"{where.format(path)} (the mapping of source {plan.name})"


def _same(found: Any, wanted: Any) -> bool:
    """Equal as people write it: 200 and "200", OK and ok; but true is no number."""
    if isinstance(found, bool) or isinstance(wanted, bool):
        return text(found).lower() == str(wanted).lower() if isinstance(found, str) else found is wanted
    return bool(text(found)) and text(found).strip().casefold() == text(wanted).strip().casefold()


def _seen(plan: SourcePlan, message: Mapping[str, Any], where: str) -> datetime | None:
    told = find(message, plan.observed_at) if plan.observed_at else None
    if told is None or told == "":
        return None
    digits = whole(told) if isinstance(told, str) else None
    found = moment(told if digits is None else digits)
    if found is None:
        raise BadPayload(f"{_told(where, plan.observed_at, plan)} must be an ISO 8601 time or seconds since 1970")
    return found
