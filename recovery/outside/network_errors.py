"""What the libraries raise where nothing came back over the network, as the kinds that a `DoorError` has."""

import socket
import ssl
from collections.abc import Iterator
from typing import Any

import aiohttp
import requests
import urllib3

__all__ = ["NETWORK_ERRORS", "causes_of"]

NETWORK_ERRORS: dict[str, tuple[type[BaseException], ...]] = {
    "dns": (socket.gaierror,),
    "tls": (ssl.SSLError, ssl.CertificateError, requests.exceptions.SSLError),
    "timeout": (TimeoutError, requests.Timeout),
    "refused": (ConnectionRefusedError,),
    "reset": (
        ConnectionError,
        aiohttp.ClientPayloadError,
        aiohttp.ServerDisconnectedError,
        requests.exceptions.ChunkedEncodingError,
        urllib3.exceptions.ProtocolError,
    ),
}
MOST_CAUSES = 20


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """The error and everything that it was raised from, innermost first.

    Only what lies underneath tells most of them apart, and libraries keep it in many places.
    """
    seen: list[BaseException] = []
    waiting: list[Any] = [error]
    while waiting and len(seen) < MOST_CAUSES:
        one = waiting.pop()
        if isinstance(one, BaseException) and not any(one is other for other in seen):
            seen.append(one)
            waiting += [*one.args, *(getattr(one, name, None) for name in ("reason", "os_error"))]
            waiting += [*getattr(one, "exceptions", ()), one.__cause__, one.__context__]
    return reversed(seen)
