"""Why an n8n did not answer: what the libraries raise, in words."""

import socket
from typing import Any

import requests
import urllib3

from recovery.model import N8nError


class NoAnswerInTime(N8nError):
    """The request went out, and no answer came in time."""


# In this order: requests says ConnectionError for most of them, and only the cause underneath tells them apart.
_NO_ANSWER: tuple[tuple[Any, str, str], ...] = (
    ((requests.Timeout, TimeoutError), "timeout", "it did not answer in time"),
    (
        requests.exceptions.SSLError,
        "tls",
        "its TLS certificate or protocol was not accepted; an authority of your own "
        "must be among those of this machine, or in a file that SSL_CERT_FILE names",
    ),
    (socket.gaierror, "dns", "its name is not known"),
    (ConnectionRefusedError, "refused", "the connection was refused"),
    (ConnectionError, "reset", "the connection was cut"),
    ((requests.exceptions.ChunkedEncodingError, urllib3.exceptions.ProtocolError), "reset", "the connection was cut"),
    (BaseException, "network", "the network failed, or the address is no HTTP address"),
)


def _causes(error: BaseException | None) -> list[BaseException]:
    """The error and everything underneath it; urllib3 keeps some causes in `reason` or in `args`."""
    found: list[BaseException] = []
    waiting = [error]
    while waiting and len(found) < 20:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or one in found:
            continue
        found.append(one)
        waiting += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
    return found


def why_no_answer(error: Exception) -> tuple[str, str]:
    """The kind of an `N8nError` and the words for it."""
    causes = _causes(error)
    return next(row[1:] for row in _NO_ANSWER if any(isinstance(one, row[0]) for one in causes))
