"""The body of a webhook: the alert as JSON, or as a template of the user's own says."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from jinja2 import StrictUndefined, Undefined
from jinja2.utils import htmlsafe_json_dumps

from recovery.alerts.messages import Message, render
from recovery.alerts.messages.samples import sample_facts
from recovery.alerts.messages.sandbox import Budget, Sandbox
from recovery.alerts.messages.words import why_broken
from recovery.model import AlertKind

__all__ = ["alert_body", "body_of", "check_body"]

LONGEST = 256 * 1024


def alert_body(message: Message) -> dict[str, Any]:
    """Everything that is known, with the message in words."""
    buttons = [{"text": button.words, "link": button.link} for button in message.buttons]
    said = {"key": message.key, "title": message.title, "text": message.text, "short": message.short}
    return {**message.facts, **said, "buttons": buttons}


def body_of(template: str, message: Message) -> Any:
    """The JSON that a template makes of an alert.

    Every value is written as JSON writes it, a text without the quotes around it: `"text": "{{ title }}"` holds
    whatever the title is, and `"n": {{ attempts }}` a number. `{{ facts | tojson }}` is a whole value.

    Raises:
        ValueError: what came out is no JSON, or the template fails.
    """
    known = alert_body(message)
    try:
        with Budget().spending():
            text = _environment().from_string(template).render({**_NOTHING, **_without_nulls(known), "facts": known})
    except Exception as problem:
        raise ValueError(why_broken("the template", problem)) from None
    if len(text) > LONGEST:
        raise ValueError("the template: it makes more than 256 KiB of an alert")
    try:
        return json.loads(text)
    except ValueError as problem:
        raise ValueError(f"the template: what it makes is no JSON: {problem}") from None


def check_body(template: str) -> str:
    """The template, where it makes JSON of every kind of alert.

    Raises:
        ValueError: it does not; said for the first such kind.
    """
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for kind in AlertKind:
        message = render(sample_facts(kind, now, public_url="https://medic.example.com"), key="key", now=now)
        try:
            body_of(template, message)
        except ValueError as problem:
            raise ValueError(f"{problem} (for {kind})") from None
    return template


# What an alert of another kind knows is empty in this one, so that one template fits them all.
_TEXTS = """
component failure_type severity site opened_at resolved_at message because advice link ack_link language
acknowledged_by since until channel period timezone
"""
_NUMBERS = """
incident_id attempts executions asks escalation updates count needs_human resolved failed healed healed_share
found
"""
_NOTHING: dict[str, Any] = dict.fromkeys(_TEXTS.split(), "") | dict.fromkeys(_NUMBERS.split(), 0)
_NOTHING |= {name: [] for name in ("failing", "items", "by_type", "top", "tried", "findings")} | dict.fromkeys(
    ("dry_run", "reminder"), False
)


class _Json(str):
    """JSON that `tojson` has written. What other filters call safe is a text like any other here."""


def _environment() -> Sandbox:
    finalize: Callable[[Any], str] = _written
    made = Sandbox(undefined=StrictUndefined, finalize=finalize, autoescape=False)
    made.filters["tojson"] = lambda value, indent=None: _Json(htmlsafe_json_dumps(value, indent=indent))
    return made


def _without_nulls(known: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in known.items() if value is not None}


def _written(value: Any) -> str:
    if isinstance(value, Undefined | _Json):  # it complains of itself, or is written already
        return str(value)
    return json.dumps(value)[1:-1] if isinstance(value, str) else json.dumps(value)
