"""Posts a message over HTTP and reads the answer: taken, or why not, without ever repeating a secret."""

import hashlib
import hmac
import json
import math
import re
from collections.abc import Iterable
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr

from recovery.alerts.messages.clean import one_line
from recovery.model import Done, DoorError, Doors, HttpAnswer

__all__ = [
    "ask",
    "check_headers",
    "check_url",
    "encode",
    "header_safe",
    "post",
    "retry_after_seconds",
    "secrets_of_url",
    "signature",
]

TIMEOUT_SECONDS = 10.0
MARK = "[redacted]"
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OURS = frozenset({"x-medic-key", "x-medic-signature", "content-type", "content-length", "transfer-encoding"})
SHORTEST_SECRET = 5  # hiding each "v1" or "/" would make the error unreadable and keep no secret


def check_url(url: str) -> str:
    """The address, where it is a whole http(s) one.

    Raises:
        ValueError: it is not; the message does not repeat it.
    """
    try:
        parts = urlsplit(url)
        whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole or not url.isprintable() or " " in url:
        raise ValueError("must be a whole address that begins with https:// or http://")
    return url


def secrets_of_url(url: str) -> list[str]:
    """The parts of an address that must not be shown: user and password, path and query, and the values in them."""
    parts = urlsplit(url)
    behind = parts.path + (f"?{parts.query}" if parts.query else "")
    values = [value for _, value in parse_qsl(parts.query)]
    user = parts.netloc.rpartition("@")[0]
    found = [url, behind, parts.path, parts.query, user, parts.password or "", parts.path.rpartition("/")[2], *values]
    return [part for part in found if len(part) >= SHORTEST_SECRET]


def encode(value: Any) -> bytes:
    """JSON as bytes: ASCII only, so that not even a lone surrogate breaks it."""
    return json.dumps(value, ensure_ascii=True).encode()


def check_headers(headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
    """Headers, where all of them can be sent, and none is one of ours.

    Raises:
        ValueError: one is not; the message does not repeat its value.
    """
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a header")
        if name.lower() in _OURS:
            raise ValueError(f"{name!r} is set by n8n-medic itself")
        text = value.get_secret_value()
        if not (text.isascii() and text.isprintable() and text == text.strip()):
            raise ValueError(f"the value of {name!r} must be one line of ASCII text without space around it")
    return headers


def signature(secret: str, body: bytes, unix: int) -> str:
    """The value of `X-Medic-Signature` for a body sent at `unix`, seconds since 1970."""
    digest = hmac.new(secret.encode(), f"{unix}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={unix},v1={digest}"


def header_safe(key: str) -> str:
    """The key where a header can hold it, else its digest."""
    return key if key.isascii() and key.isprintable() else hashlib.sha256(key.encode(errors="replace")).hexdigest()


def post(
    doors: Doors,
    url: str,
    body: bytes,
    headers: dict[str, str],
    secrets: Iterable[str],
    now: datetime,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Done:
    """Post JSON once; done where the answer is 2xx. A redirect is not followed: it would lose the body.

    Raises:
        DoorError: it was not taken.
    """
    answer = ask(doors, url, body, headers, secrets, now, timeout_seconds)
    return Done(f"{urlsplit(url).hostname} answered {answer.status}")


def ask(
    doors: Doors,
    url: str,
    body: bytes,
    headers: dict[str, str],
    secrets: Iterable[str],
    now: datetime,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> HttpAnswer:
    """Post JSON once; the answer, which is 2xx. See `post`."""
    hidden = sorted(filter(None, secrets), key=len, reverse=True)
    headers = {**headers, "Content-Type": "application/json; charset=utf-8"}
    try:
        answer = doors.http.request(
            "POST", url, data=body, headers=headers, timeout_seconds=timeout_seconds, follow=False
        )
    except DoorError as error:
        raise DoorError(_hide(str(error), hidden), error.kind, error.permanent, error.retry_after_seconds) from None
    if 200 <= answer.status < 300:
        return answer
    raise _refusal(answer, urlsplit(url).hostname or "", hidden, now)


def _refusal(answer: HttpAnswer, host: str, hidden: list[str], now: datetime) -> DoorError:
    said = one_line(_hide(answer.text, hidden), 200)
    wait = retry_after_seconds(answer.headers.get("retry-after", ""), now)
    why = f"{host} answered {answer.status}" + (f": {said}" if said else "")
    if answer.status == 429:
        return DoorError(why, "rate_limited", retry_after_seconds=wait)
    if answer.status in {401, 403, 407}:
        return DoorError(why, "auth", permanent=True)
    if answer.status >= 500 or answer.status in {408, 425}:
        return DoorError(why, "status", retry_after_seconds=wait)
    if 300 <= answer.status < 400:
        why += " (a redirect: configure the address that it leads to)"
    return DoorError(why, "client", permanent=True)


def retry_after_seconds(header: str, now: datetime) -> float | None:
    """The wait that a Retry-After header asks for: seconds, or an HTTP date; None where it is neither."""
    try:
        seconds = float(header)
    except ValueError:
        return _until(header, now)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _until(header: str, now: datetime) -> float | None:
    try:
        return max(0.0, (parsedate_to_datetime(header) - now).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return None


def _hide(text: str, hidden: list[str]) -> str:
    for secret in hidden:
        text = text.replace(secret, MARK)
    return text
