"""Sessions for n8n's door, whose headers come within the deadline too, however they trickle."""

import socket
import threading
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from recovery.outside.trust import trust_at_large

__all__ = ["new_session"]


def new_session() -> requests.Session:
    """A session that uses no proxy or credentials of the environment, and trusts what this machine trusts."""
    session = requests.Session()
    session.trust_env = False
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter())
    return session


class _InTime:
    """A connection that is cut where its answer's headers take longer than the time that is left for it.

    A socket's own timeout begins anew with each byte, so that a byte now and then would hold it for ever.
    """

    sock: Any
    timeout: Any

    def getresponse(self) -> Any:
        cut = threading.Timer(self.timeout, _cut, (self.sock,))
        cut.daemon = True
        cut.start()
        try:
            return super().getresponse()  # type: ignore[misc]
        finally:
            cut.cancel()


def _cut(sock: socket.socket) -> None:
    try:
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # the plain one: TLS has nothing to say any more
    except OSError:
        pass


class _Http(_InTime, HTTPConnection):
    """Over plain HTTP."""


class _Https(_InTime, HTTPSConnection):
    """Over TLS."""


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        super().init_poolmanager(*args, **more, ssl_context=trust_at_large())

    def get_connection_with_tls_context(self, *args: Any, **more: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **more)
        pool.ConnectionCls = _Https if pool.scheme == "https" else _Http
        return pool
