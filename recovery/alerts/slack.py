"""Slack, and what takes Slack's incoming webhooks (Mattermost, Rocket.Chat)."""

from typing import Any

from pydantic import SecretStr, field_validator

from recovery.alerts import channel
from recovery.alerts.messages import Message
from recovery.alerts.messages.clean import for_slack
from recovery.alerts.posting import check_url, encode, post, secrets_of_url
from recovery.model import Done, Doors
from recovery.model.secrets import SecretFields

HEADER_LETTERS = 150
SECTION_LETTERS = 2_900


class Args(SecretFields):
    """Fields:
    webhook_url: the incoming webhook's address, which is a secret.
    """

    webhook_url: SecretStr

    @field_validator("webhook_url")
    @classmethod
    def _whole(cls, value: SecretStr) -> SecretStr:
        check_url(value.get_secret_value())
        return value


@channel("slack")
def tell_slack(args: Args, message: Message, doors: Doors) -> Done:
    """Posts to a Slack channel through an incoming webhook. The message's key is in its last line."""
    url = args.webhook_url.get_secret_value()
    return post(doors, url, encode(payload(message)), {}, secrets_of_url(url), message.now)


def payload(message: Message) -> dict[str, Any]:
    """What Slack is sent: `text` for notifications and for look-alikes, blocks for the channel.

    What came from outside is in plain-text blocks, where Slack makes nothing of it: no link, no mention, no markup.
    """
    body = message.text.removeprefix(message.title).strip()
    link = f"<{for_slack(message.link)}|{for_slack(message.open_words)}>" if message.link else ""
    if link:
        body = body.removesuffix(f"{message.open_words}: {message.link}").rstrip()
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": _plain(message.title, HEADER_LETTERS)},
        {"type": "section", "text": _plain(body, SECTION_LETTERS)},
    ]
    if link:
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": link, "verbatim": True}})
    blocks.append({"type": "context", "elements": [_plain(message.key, SECTION_LETTERS)]})
    text = f"{message.mrkdwn}\n\n{link}" if link else message.mrkdwn
    return {"text": text, "unfurl_links": False, "unfurl_media": False, "blocks": blocks}


def _plain(text: str, limit: int) -> dict[str, Any]:
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return {"type": "plain_text", "text": cut, "emoji": False}
