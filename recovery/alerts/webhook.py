"""A generic webhook: the alert as JSON, signed where a secret is given."""

from typing import Any

from pydantic import Field, SecretStr, field_validator

from recovery.alerts import channel
from recovery.alerts.bodies import alert_body, body_of, check_body
from recovery.alerts.messages import Message
from recovery.alerts.posting import check_headers, check_url, encode, header_safe, post, secrets_of_url, signature
from recovery.model import Done, Doors
from recovery.model.secrets import SecretFields


class Args(SecretFields):
    """Fields:
    url: where to post to; a secret, because such addresses often hold a key.
    headers: sent along; their values are secrets.
    template: a Jinja template for the body, which must come out as JSON; default: everything that is known.
    secret: signs the body: `X-Medic-Signature: t=<unix>,v1=<hex HMAC-SHA256 of "<t>.<body>">`.
    """

    url: SecretStr
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    secret: SecretStr | None = None
    template: str | None = None

    @field_validator("url")
    @classmethod
    def _whole(cls, value: SecretStr) -> SecretStr:
        check_url(value.get_secret_value())
        return value

    @field_validator("headers")
    @classmethod
    def _sendable(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        return check_headers(headers)

    @field_validator("template")
    @classmethod
    def _makes_json(cls, template: str | None) -> str | None:
        return check_body(template) if template else template


@channel("webhook")
def tell_webhook(args: Args, message: Message, doors: Doors) -> Done:
    """Posts the alert's facts, key, title and text as JSON; `X-Medic-Key` lets the receiver drop repeats."""
    url = args.url.get_secret_value()
    content, note = _content(args, message)
    body = encode(content)
    given = {name: value.get_secret_value() for name, value in args.headers.items()}
    headers = given | {"X-Medic-Key": header_safe(message.key)}
    secrets = [*given.values(), *secrets_of_url(url)]
    if args.secret:
        secrets.append(args.secret.get_secret_value())
        headers["X-Medic-Signature"] = signature(args.secret.get_secret_value(), body, int(message.now.timestamp()))
    done = post(doors, url, body, headers, secrets, message.now)
    return Done(done.detail + note)


def _content(args: Args, message: Message) -> tuple[Any, str]:
    """What is sent, and a note where a template that was fine at the start fails on this alert: then it is ours."""
    if not args.template:
        return alert_body(message), ""
    try:
        return body_of(args.template, message), ""
    except ValueError as problem:
        return alert_body(message), f"; sent in the usual form, for {problem}"
