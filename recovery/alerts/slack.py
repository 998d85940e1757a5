"""Slack, as an app's bot with threads, or through an incoming webhook, which Mattermost and Rocket.Chat take too."""

from pydantic import ConfigDict, Field, JsonValue, SecretStr, field_validator

from recovery.alerts import channel
from recovery.alerts.messages import Message
from recovery.alerts.posting import check_url, encode, post, secrets_of_url
from recovery.alerts.slack_blocks import payload
from recovery.alerts.slack_threads import tell_in_thread
from recovery.model import Done, Doors
from recovery.model.secrets import SecretFields

_WAYS: list[JsonValue] = [{"required": ["webhook_url"]}, {"required": ["webhook_url_file"]}]
_WAYS += [{"required": ["channel", "bot_token"]}, {"required": ["channel", "bot_token_file"]}]


class Args(SecretFields):
    """Fields:
    webhook_url: the incoming webhook's address, which is a secret.
    bot_token: of an app with the scope `chat:write`, in place of the webhook: messages of one incident form a thread.
    channel: where the bot posts: a channel's id, as `C0123456789`, or its name.
    api_base: another address than Slack's own, for a proxy.
    timeout: seconds to wait for Slack.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, json_schema_extra={"oneOf": _WAYS}
    )

    webhook_url: SecretStr | None = None
    bot_token: SecretStr | None = None
    channel: str | None = Field(default=None, min_length=1, max_length=100)
    api_base: str | None = None
    timeout: float = Field(default=10.0, gt=0, le=30)

    @field_validator("webhook_url")
    @classmethod
    def _whole(cls, value: SecretStr | None) -> SecretStr | None:
        if value:
            check_url(value.get_secret_value())
        return value

    @field_validator("bot_token")
    @classmethod
    def _sendable(cls, value: SecretStr | None) -> SecretStr | None:
        text = value.get_secret_value() if value else "x"
        if not (text.isascii() and text.isprintable() and " " not in text):
            raise ValueError("must be a token, such as xoxb-...")
        return value

    @field_validator("api_base")
    @classmethod
    def _whole_base(cls, base: str | None) -> str | None:
        return check_url(base) if base else base

    def check_together(self) -> None:
        """Raise ValueError where it is neither a webhook nor a bot, or both."""
        if bool(self.webhook_url) == bool(self.bot_token):
            raise ValueError("give either `webhook_url` (or `webhook_url_file`), or `bot_token` and `channel`")
        if bool(self.bot_token) != bool(self.channel):
            raise ValueError("`bot_token` and `channel` belong together: the bot must know where to post")


@channel("slack")
def tell_slack(args: Args, message: Message, doors: Doors) -> Done:
    """Posts to a Slack channel. As a bot it keeps one thread for each incident, and its first message up to date."""
    if args.bot_token and args.channel:
        return tell_in_thread(doors.slack(args), args.channel, message)
    url = args.webhook_url.get_secret_value() if args.webhook_url else ""
    return post(doors, url, encode(payload(message)), {}, secrets_of_url(url), message.now)
