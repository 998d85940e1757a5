"""E-mail through any SMTP server."""

import hashlib
import re
from email.utils import format_datetime, parseaddr
from ipaddress import ip_address
from typing import Any, Literal, TypeGuard

from pydantic import Field, SecretStr, field_validator

from recovery.alerts import channel
from recovery.alerts.messages import Message
from recovery.alerts.messages.columns import in_columns
from recovery.model import Done, Doors
from recovery.model.secrets import SecretFields

_ID = re.compile(r"<[0-9a-f]{32}@[A-Za-z0-9.-]+>")
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


class Smtp(SecretFields):
    """Fields:
    port: 587, or 465 where `tls` is set.
    starttls: begin in the clear and turn to TLS; so by default on port 587.
    tls: TLS from the first byte; so by default on port 465.
    user, password: where the server asks for them.
    timeout: seconds for the whole handover.
    ca_file: certificates to trust instead of the system's, for a server with one of its own.
    """

    host: str = Field(min_length=1)
    port: int | None = Field(default=None, ge=1, le=65_535)
    starttls: bool | None = None
    tls: bool | None = None
    user: str | None = None
    password: SecretStr | None = None
    timeout: float = Field(default=30.0, gt=0, le=45)
    ca_file: str | None = None

    @property
    def reached_at(self) -> int:
        """The port that is used."""
        return self.port or (465 if self.tls else 587)

    @property
    def encryption(self) -> Literal["tls", "starttls", "none"]:
        """How the connection is protected."""
        if self.tls or (self.tls is None and not self.starttls and self.reached_at == 465):
            return "tls"
        return "starttls" if self.starttls or (self.starttls is None and self.reached_at == 587) else "none"

    def check_together(self) -> None:
        """Raise ValueError where the ways to connect and log in contradict each other."""
        if self.tls and self.starttls:
            raise ValueError("`tls` and `starttls` exclude each other: keep one of the two")
        if bool(self.user) != bool(self.password):
            raise ValueError("`user` and `password` (or `password_file`) belong together: give both or none")
        if not f"{self.user or ''}{self.password.get_secret_value() if self.password else ''}".isascii():
            raise ValueError("`user` and `password` must be ASCII: the SMTP login carries nothing else")
        if self.password and self.encryption == "none" and not _is_loopback(self.host):
            raise ValueError("the password would travel in the clear: set `starttls: true` or `tls: true`")


class Args(SecretFields):
    """Fields:
    to: addresses.
    sender: our address, or `Name <address>`.
    smtp: the server.
    """

    to: list[str] = Field(min_length=1, max_length=50)
    sender: str
    smtp: Smtp

    @field_validator("to")
    @classmethod
    def _addresses(cls, to: list[str]) -> list[str]:
        for address in to:
            _check_address(address)
        return list(dict.fromkeys(to))

    @field_validator("sender")
    @classmethod
    def _sendable(cls, sender: str) -> str:
        if not sender.isprintable():
            raise ValueError("must be one line")
        _check_address(parseaddr(sender)[1])
        return sender


@channel("email")
def tell_by_email(args: Args, message: Message, doors: Doors) -> Done:
    """Sends one mail to all addresses. Its Message-ID is made of the key, so that a repeat is known as one."""
    headers = mail_headers(message, parseaddr(args.sender)[1].rpartition("@")[2])
    refused = doors.mail(args).send(args.to, message.title, in_columns(message.text), message.html, headers)
    told = [address for address in args.to if address not in refused]
    missed = "; ".join(f"{address}: {why}" for address, why in refused.items())
    memory = {"first": message.thread.get("first") or headers["Message-ID"], "last": headers["Message-ID"]}
    return Done(f"told {', '.join(told)}" + (f"; refused: {missed}" if missed else ""), memory=memory)


def mail_headers(message: Message, domain: str) -> dict[str, str]:
    """The headers of a message: one Message-ID per key, and one thread per incident.

    The thread hangs on an id that is made of the incident, so that it holds even where the memory of it is lost.
    """
    own = f"<{_digest(message.key)}@{domain}>"
    incident = message.facts.get("incident_id")
    root = _digest(f"{message.facts.get('site')}/{incident}") if incident else ""
    root = f"<incident-{root}@{domain}>" if root else ""
    earlier = [one for one in map(message.thread.get, ("first", "last")) if _is_id(one) and one != own]
    thread = {"References": " ".join(dict.fromkeys(filter(None, [root, *earlier])))} if root or earlier else {}
    return {
        "Message-ID": own,
        **({"In-Reply-To": earlier[-1]} if earlier else {}),
        **thread,
        "Date": format_datetime(message.now),
        "Auto-Submitted": "auto-generated",
        "X-Medic-Key": message.key,
    }


def _is_id(text: Any) -> TypeGuard[str]:
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:32]


def _check_address(address: str) -> None:
    if not _ADDRESS.fullmatch(address):
        raise ValueError("a mail address, such as ops@example.com")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
