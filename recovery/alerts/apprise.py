"""What Apprise knows: Discord, Telegram, Microsoft Teams, ntfy, Pushover, Gotify, Matrix and a hundred more."""

import re

from pydantic import ConfigDict, Field, JsonValue, SecretStr, field_validator

from recovery.alerts import channel
from recovery.alerts.messages import Message
from recovery.alerts.recipients import tell_each
from recovery.model import AlertKind, Done, Doors
from recovery.model.secrets import SecretFields

_URL = re.compile(r"[A-Za-z][A-Za-z0-9_+.-]*://\S+")
_WAYS: list[JsonValue] = [{"required": [key]} for key in ("url", "url_file", "urls", "urls_file")]
_LANGUAGE = re.compile(r"@(?=\w)|<(?=\S)|\](?=\()|&(?=#?\w{1,32};)")
_HARMLESS = {"@": "＠", "<": "‹", "]": "] ", "&": "＆"}
TONES = {
    AlertKind.RECOVERED: "success",
    AlertKind.OPENED: "warning",
    AlertKind.WORSENED: "warning",
    AlertKind.NEEDS_HUMAN: "failure",
    AlertKind.REMINDER: "failure",
    AlertKind.STORM: "failure",
    AlertKind.CHANNEL_TROUBLE: "failure",
}


class Args(SecretFields):
    """Fields:
    url: the service's Apprise URL, such as `ntfy://ntfy.example.com/alerts`; a secret, because most hold a token.
    urls: several of them, each with a name of your own by which history calls it.
    timeout: seconds for one service.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, json_schema_extra={"anyOf": _WAYS}
    )

    url: SecretStr | None = None
    urls: dict[str, SecretStr] = Field(default_factory=dict, max_length=20)
    timeout: float = Field(default=10.0, gt=0, le=30)

    @field_validator("url")
    @classmethod
    def _one(cls, value: SecretStr | None) -> SecretStr | None:
        return _checked(value) if value else value

    @field_validator("urls")
    @classmethod
    def _each(cls, urls: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for value in urls.values():
            _checked(value)
        return urls

    def check_together(self) -> None:
        """Raise ValueError where there is nobody to tell."""
        if not self.named:
            raise ValueError("give `url` (or `url_file`), or `urls` with a name for each")

    @property
    def named(self) -> dict[str, SecretStr]:
        """Every URL by the name that people see; the single one by its service."""
        one = {self.url.get_secret_value().partition("://")[0].lower(): self.url} if self.url else {}
        return one | self.urls


@channel("apprise")
def tell_apprise(args: Args, message: Message, doors: Doors) -> Done:
    """Hands the message to each service; done where one has taken it. Apprise says little about why one has not."""
    door, urls = doors.apprise(args), args.named
    tone = TONES.get(AlertKind(message.facts["kind"]), "info")
    title, body = _harmless(message.title), _harmless(message.text.removeprefix(message.title).strip())
    links = [button.link for button in message.buttons]
    return tell_each(list(urls), lambda name: door.send(urls[name].get_secret_value(), title, body, tone, links))


def _harmless(text: str) -> str:
    """Services have languages of their own. What all of them wake people, make links or markup by is an @ or < before
    a word, `](` and `&...;`, whether or not Apprise escapes them for this one."""
    return _LANGUAGE.sub(lambda found: _HARMLESS[found[0]], text)


def _checked(value: SecretStr) -> SecretStr:
    if not _URL.fullmatch(value.get_secret_value()):
        raise ValueError("must be an Apprise URL, such as ntfy://ntfy.example.com/alerts")
    return value
