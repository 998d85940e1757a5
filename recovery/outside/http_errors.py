"""What went wrong with a question over the network, as a DoorError that says it in words."""

import errno
import ssl

import aiohttp

from recovery.model import DoorError
from recovery.outside.network_errors import NETWORK_ERRORS, causes_of
from recovery.redact import redact_text

__all__ = ["CANNOT_BE_ASKED", "TooManyRedirects", "door_error"]

CANNOT_BE_ASKED = (ValueError, OverflowError, LookupError)  # what a URL, a header or a port may be wrong with


class TooManyRedirects(Exception):  # noqa: N818 - as the field says it
    """The other side sends from one address to the next."""


_KINDS: tuple[tuple[str, tuple[type[BaseException], ...]], ...] = (
    *((kind, NETWORK_ERRORS[kind]) for kind in ("dns", "tls", "timeout", "refused")),
    ("client", (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, UnicodeError)),
    ("reset", NETWORK_ERRORS["reset"]),
    ("no http", (aiohttp.ClientResponseError, aiohttp.http.HttpProcessingError)),
    ("client", (ValueError, OverflowError)),
)


def door_error(error: BaseException, url: str, seconds: float) -> DoorError:
    """The error of a question to `url` that had `seconds` of time."""
    place = _place(url)
    if isinstance(error, TooManyRedirects):
        return DoorError(f"{place} redirects more than {error} times", "client")
    if isinstance(error, aiohttp.ServerFingerprintMismatch):
        said = f"{place} shows the certificate {error.got.hex()}, not the pinned one: nothing was sent"
        return DoorError(said, "tls", permanent=True)
    causes = list(causes_of(error))
    kind = next((kind for cause in causes if (kind := _kind(cause))), "network")
    words = {
        "timeout": f"no answer from {place} within {seconds:g} s",
        "refused": f"{place} refuses the connection",
        "dns": f"the name of {place} cannot be resolved",
        "reset": f"{place} broke the connection off",
        "no http": f"{place} does not answer in HTTP",
        "tls": f"no trusted TLS connection with {place}: {_detail(causes, ssl.SSLError)}",
        "client": f"{place} cannot be asked: {_detail(causes, Exception)}",
    }
    said = words.get(kind, f"{place} cannot be reached: {_detail(causes, OSError)}")
    return DoorError(redact_text(said), "reset" if kind == "no http" else kind, permanent=kind == "client")


def _place(url: str) -> str:
    """The address without path, query and credentials, which may be secret and are long."""
    bare = url.split("://", 1)[-1].split("/", 1)[0].split("?", 1)[0]
    return bare.rsplit("@", 1)[-1][:200] or "an address without a host"


def _kind(cause: BaseException) -> str:
    if isinstance(cause, OSError) and cause.errno == errno.ECONNREFUSED:  # several addresses, all of which refused
        return "refused"
    return next((kind for kind, types in _KINDS if isinstance(cause, types)), "")


def _detail(causes: list[BaseException], wanted: type[BaseException]) -> str:
    found = next((cause for cause in causes if isinstance(cause, wanted)), None)
    text = getattr(found, "verify_message", "") or getattr(found, "strerror", "") or str(found or "unknown")
    return " ".join(str(text).split())[:300]
