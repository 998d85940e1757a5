"""What went wrong with a database, in words that hold no password."""

import errno
import ssl
from typing import Any

from recovery.model import DatabaseAddress, DoorError
from recovery.redact import redact_text

__all__ = ["place_of", "problem_of"]

FULL = ("too many clients", "too many connections", "remaining connection slots", "max number of clients")
FULL_CODES = (1040, 1203, "53300")
TOO_LATE = ("TimeoutError", "QueryCanceled", "ConnectionTimeout")  # of Python, Redis and PostgreSQL
LOCKED_OUT = (
    "password",
    "access denied",
    "noauth",
    "wrongpass",
    "authentication",
    "no pg_hba.conf entry",
    "noperm",
    "has no permissions",
)
LOCKED_OUT_CODES = (1045, 1044, "28P01", "28000")


def problem_of(error: BaseException, address: DatabaseAddress, seconds: float) -> DoorError:
    """The error of a look that had `seconds` of time."""
    place = place_of(address)
    text, code = _said(error), _code(error)
    if type(error).__name__ in TOO_LATE or "timed out" in text:
        return DoorError(f"no answer from {place} within {seconds:g} s", "timeout")
    if address.password:
        text = text.replace(address.password, "***")
    kind = _kind(error, text.lower(), code)
    if kind == "refused":
        return DoorError(f"{place} refuses the connection", kind)
    return DoorError(redact_text(f"{place}: {text}")[:400], kind, permanent=kind == "auth")


def place_of(address: DatabaseAddress) -> str:
    """A database in words."""
    if address.engine == "sqlite":
        return address.path
    return f"{address.engine} at {address.host}" + ("" if address.host.startswith("/") else f":{address.port}")


def _said(error: BaseException) -> str:
    """The error's own words in one line; MySQL's come as a number and a text."""
    args: tuple[Any, ...] = error.args
    said = args[1] if len(args) > 1 and isinstance(args[0], int) and isinstance(args[1], str) else str(error)
    return " ".join(said.split()) or type(error).__name__


def _code(error: BaseException) -> Any:
    return getattr(error, "sqlstate", None) or (error.args[0] if error.args else None)


def _kind(error: BaseException, text: str, code: Any) -> str:
    if code in FULL_CODES or any(words in text for words in FULL):
        return "rate_limited"
    if code in LOCKED_OUT_CODES or any(words in text for words in LOCKED_OUT):
        return "auth"
    if isinstance(error, ssl.SSLError) or "certificate" in text:
        return "tls"
    return "refused" if "connection refused" in text or f"error {errno.ECONNREFUSED} " in text else "network"
