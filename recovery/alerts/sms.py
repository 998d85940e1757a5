"""SMS through Twilio."""

import re

from pydantic import Field, SecretStr, field_validator

from recovery.alerts import channel
from recovery.alerts.messages import Message
from recovery.alerts.posting import check_url
from recovery.alerts.recipients import tell_each
from recovery.model import Done, Doors
from recovery.model.secrets import SecretFields

_NUMBER = re.compile(r"\+[1-9]\d{6,14}")
_SENDER = re.compile(r"\+[1-9]\d{2,14}|\d{3,8}|MG[0-9a-fA-F]{32}|[A-Za-z0-9 +_&-]{1,11}")


class Args(SecretFields):
    """Fields:
    to: numbers with their country, as `+15550100`.
    sender: our number, a sender name, or a Messaging Service (`MG...`).
    account_sid, auth_token: of the Twilio account.
    api_base: another address than Twilio's own, for a proxy.
    timeout: seconds to wait for Twilio.
    """

    to: list[str] = Field(min_length=1, max_length=10)
    sender: str
    account_sid: SecretStr
    auth_token: SecretStr
    api_base: str | None = None
    timeout: float = Field(default=10.0, gt=0, le=30)

    @field_validator("to")
    @classmethod
    def _numbers(cls, to: list[str]) -> list[str]:
        for number in to:
            if not _NUMBER.fullmatch(number):
                raise ValueError(f'{number!r} is no number with its country, as "+15550100" (in quotes)')
        return list(dict.fromkeys(to))

    @field_validator("sender")
    @classmethod
    def _sendable(cls, sender: str) -> str:
        if not _SENDER.fullmatch(sender):
            raise ValueError('must be a number as "+15550199", a name of up to 11 letters, or a Messaging Service')
        return sender

    @field_validator("api_base")
    @classmethod
    def _whole(cls, base: str | None) -> str | None:
        return check_url(base) if base else base


@channel("sms")
def tell_phones(args: Args, message: Message, doors: Doors) -> Done:
    """Sends an SMS of at most two segments to each number. SMS has no place for a key: a repeat shows twice."""
    door = doors.sms(args)
    return tell_each(args.to, lambda number: door.send(number, message.short))
