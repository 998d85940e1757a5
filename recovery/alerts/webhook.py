"""A generic webhook: the alert as JSON, signed where a secret is given."""

import hashlib

from pydantic import Field, SecretStr, field_validator

from recovery.alerts import channel
from recovery.alerts.messages import Message
from recovery.alerts.posting import check_headers, check_url, encode, post, secrets_of_url, signature
from recovery.model import Done, Doors
from recovery.model.secrets import SecretFields


class Args(SecretFields):
    """Fields:
    url: where to post to; a secret, because such addresses often hold a key.
    headers: sent along; their values are secrets.
    secret: signs the body: `X-Medic-Signature: t=<unix>,v1=<hex HMAC-SHA256 of "<t>.<body>">`.
    """

    url: SecretStr
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    secret: SecretStr | None = None

    @field_validator("url")
    @classmethod
    def _whole(cls, value: SecretStr) -> SecretStr:
        check_url(value.get_secret_value())
        return value

    @field_validator("headers")
    @classmethod
    def _sendable(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        return check_headers(headers)


@channel("webhook")
def tell_webhook(args: Args, message: Message, doors: Doors) -> Done:
    """Posts the alert's facts, key, title and text as JSON; `X-Medic-Key` lets the receiver drop repeats."""
    url = args.url.get_secret_value()
    body = encode({**message.facts, "key": message.key, "title": message.title, "text": message.text})
    given = {name: value.get_secret_value() for name, value in args.headers.items()}
    headers = given | {"X-Medic-Key": _header_safe(message.key)}
    secrets = [*given.values(), *secrets_of_url(url)]
    if args.secret:
        secrets.append(args.secret.get_secret_value())
        headers["X-Medic-Signature"] = signature(args.secret.get_secret_value(), body, int(message.now.timestamp()))
    return post(doors, url, body, headers, secrets, message.now)


def _header_safe(key: str) -> str:
    return key if key.isascii() and key.isprintable() else hashlib.sha256(key.encode(errors="replace")).hexdigest()
