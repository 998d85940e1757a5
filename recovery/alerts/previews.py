"""What a message looks like over a kind of channel, without sending it."""

import json

from recovery.alerts import REGISTRY
from recovery.alerts.bodies import alert_body
from recovery.alerts.messages import Message
from recovery.alerts.messages.columns import in_columns
from recovery.alerts.messages.short import measure
from recovery.alerts.slack_blocks import payload

__all__ = ["kinds_of_channels", "preview", "segments"]


def kinds_of_channels() -> list[str]:
    """Every kind of channel that there is."""
    return [plugin.name for plugin in REGISTRY.all()]


def preview(message: Message, channel: str) -> str:
    """The message as a kind of channel gets it.

    Raises:
        KeyError: there is no such kind; those that exist are listed.
    """
    REGISTRY.find(channel)
    if channel == "sms":
        return f"{message.short}\n\n({segments(message)})\n"
    if channel == "slack":
        return _as_json(payload(message))
    if channel in ("webhook", "n8n"):
        return _as_json(alert_body(message))
    if channel == "email":
        return f"Subject: {message.title}\n\n{in_columns(message.text)}"
    return in_columns(message.text) if channel == "console" else message.text


def segments(message: Message) -> str:
    """How the SMS is sent, in words."""
    found = measure(message.short)
    return f"{found.alphabet}, {found.units} units, {found.segments} segment{'' if found.segments == 1 else 's'}"


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"
