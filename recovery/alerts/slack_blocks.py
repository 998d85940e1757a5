"""What a message looks like in Slack."""

from typing import Any

from recovery.alerts.messages import Button, Message
from recovery.alerts.messages.clean import for_slack

__all__ = ["payload"]

HEADER_LETTERS = 150
SECTION_LETTERS = 2_900
BUTTON_LETTERS = 75


def payload(message: Message) -> dict[str, Any]:
    """What Slack is sent: `text` for notifications and for look-alikes, blocks for the channel.

    What came from outside is in plain-text blocks, where Slack makes nothing of it: no link, no mention, no markup.
    """
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": _plain(message.title, HEADER_LETTERS)},
        {"type": "section", "text": _plain(message.body, SECTION_LETTERS)},
    ]
    if message.buttons:
        pressed = [_button(button, place) for place, button in enumerate(message.buttons)]
        blocks.append({"type": "actions", "elements": pressed})
    blocks.append({"type": "context", "elements": [_plain(message.key, SECTION_LETTERS)]})
    links = "\n".join(f"<{for_slack(button.link)}|{for_slack(button.words)}>" for button in message.buttons)
    text = f"{message.mrkdwn}\n\n{links}" if links else message.mrkdwn
    return {"text": text, "unfurl_links": False, "unfurl_media": False, "blocks": blocks}


def _button(button: Button, place: int) -> dict[str, Any]:
    look = {"style": "primary"} if place == 0 else {}
    named = {"text": _plain(button.words, BUTTON_LETTERS), "url": button.link, "action_id": f"open-{place}"}
    return {"type": "button", **named, **look}


def _plain(text: str, limit: int) -> dict[str, Any]:
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return {"type": "plain_text", "text": cut, "emoji": False}
