"""The workflow `alert-router`: n8n itself tells people, over whatever it has credentials for."""

import json
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator

from recovery.alerts import channel
from recovery.alerts.bodies import alert_body
from recovery.alerts.messages import Message
from recovery.alerts.messages.clean import one_line
from recovery.alerts.posting import ask, check_headers, check_url, encode, header_safe, secrets_of_url
from recovery.model import Done, DoorError, Doors
from recovery.model.secrets import SecretFields

MOST_NAMES = 10


class Args(SecretFields):
    """Fields:
    url: the production address of the workflow's webhook; a secret.
    token: the value of the *Header Auth* credential that the webhook asks for.
    header: that credential's name.
    """

    url: SecretStr
    token: SecretStr
    header: str = "X-Medic-Token"

    @field_validator("url")
    @classmethod
    def _whole(cls, value: SecretStr) -> SecretStr:
        check_url(value.get_secret_value())
        return value

    def check_together(self) -> None:
        """Raise ValueError where name and value make no header."""
        check_headers({self.header: self.token})


@channel("n8n", through_n8n=True)
def tell_through_n8n(args: Args, message: Message, doors: Doors) -> Done:
    """Posts the alert to the workflow `alert-router`, which says whom it has told; nobody told is not taken."""
    url, token = args.url.get_secret_value(), args.token.get_secret_value()
    headers = {args.header: token, "X-Medic-Key": header_safe(message.key)}
    answer = ask(doors, url, encode(alert_body(message)), headers, [token, *secrets_of_url(url)], message.now)
    host = urlsplit(url).hostname or ""
    told = _router_says(answer.text)
    if told is None:
        why = f"{host} answered {answer.status}, but not as the workflow alert-router does: is it the right address?"
        raise DoorError(why, "client", permanent=True)
    delivered, skipped = told
    left = f"; skipped: {', '.join(skipped)}" if skipped else ""
    if not delivered:
        raise DoorError(f"{host}: alert-router told nobody{left}", "status")
    return Done(f"{host}: alert-router told {', '.join(delivered)}{left}")


def _router_says(text: str) -> tuple[list[str], list[str]] | None:
    """Whom it told and whom it did not; None where that is no answer of alert-router."""
    try:
        said = json.loads(text)
    except ValueError:
        return None
    said = said[0] if isinstance(said, list) and len(said) == 1 else said
    if not isinstance(said, dict) or not isinstance(said.get("delivered"), list):
        return None
    skipped = said.get("skipped")
    return _names(said["delivered"]), _names(skipped if isinstance(skipped, list) else [])


def _names(listed: list[Any]) -> list[str]:
    return [name for name in map(_name, listed[:MOST_NAMES]) if name]


def _name(one: Any) -> str:
    if not isinstance(one, dict):
        return one_line(one, 80)
    name = one_line(next((one[key] for key in ("channel", "name", "to") if one.get(key)), ""), 60)
    why = one_line(next((one[key] for key in ("reason", "because", "error") if one.get(key)), ""), 120)
    return f"{name} ({why})" if name and why else name or why
