"""HTTP and TCP towards components and channels: one bounded question, one answer or a DoorError that says why."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from recovery.model import DoorError, HttpAnswer
from recovery.redact import redact_text

__all__ = ["Http"]

BODY_BYTES = 65_536
REDIRECTS = 5
AGENT = "n8n-medic"
REDIRECTING = (301, 302, 303, 307, 308)

urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # whoever writes `verify_tls: false` knows


class _Exchange:
    """One question with its deadline. A socket's own timeout starts anew with every byte, so a guard ends it."""

    def __init__(self, seconds: float):
        self._deadline = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._guards: list[socket.socket] = []
        self.expired = False

    def remaining(self) -> float:
        return max(0.001, self._deadline - time.monotonic())

    def watch(self, connection: socket.socket) -> None:
        with self._lock:
            self._guards.append(connection.dup())  # a duplicate, because TLS takes the first one over

    def expire(self) -> None:
        with self._lock:
            self.expired = True
            for guard in self._guards:
                _shut(guard)

    def close(self) -> None:
        with self._lock:
            for guard in self._guards:
                guard.close()
            self._guards.clear()


def _shut(guard: socket.socket) -> None:
    try:
        guard.shutdown(socket.SHUT_RDWR)
    except OSError:  # it has ended by itself
        pass


_here = threading.local()


@contextmanager
def _exchange(seconds: float) -> Iterator[_Exchange]:
    exchange = _here.exchange = _Exchange(seconds)
    timer = threading.Timer(seconds, exchange.expire)
    timer.daemon = True
    timer.start()
    try:
        yield exchange
    finally:
        timer.cancel()
        exchange.close()


def _open(host: str, port: int, exchange: _Exchange) -> socket.socket:
    """A connection to the first address that takes one, within the deadline over all of them."""
    if not 0 < port < 65_536:
        raise requests.exceptions.InvalidURL(f"{port} is not a port")  # the resolver would take it modulo 65,536
    problem: OSError = socket.gaierror(socket.EAI_NONAME, "the name has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        connection = socket.socket(family, kind, protocol)
        connection.settimeout(exchange.remaining())
        try:
            connection.connect(address)
        except OSError as error:
            connection.close()
            problem = error
        else:
            exchange.watch(connection)
            return connection
    raise problem


class _Plain(urllib3.connection.HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _open(self.host, self.port or 80, _here.exchange)


class _Secure(urllib3.connection.HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _open(self.host, self.port or 443, _here.exchange)


class _OneUse:
    """An old connection may have died unnoticed, and its reset would be taken for the component's."""

    def _put_conn(self, connection: Any) -> None:
        if connection:
            connection.close()


class _PlainPool(_OneUse, urllib3.HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(_OneUse, urllib3.HTTPSConnectionPool):
    ConnectionCls = _Secure


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}


class Http:
    """Asks over a connection of its own each time: a look at a component must not be told by an old connection.

    Proxies and credentials of the environment (`HTTP_PROXY`, `.netrc`) are not used. The deadline holds for the
    whole exchange, redirects included; only looking a name up is left to the system's own limits.

    Fields:
        ca_file: certificates that are trusted instead of the usual ones; "" for the usual ones.
    """

    def __init__(self, ca_file: str = ""):
        self._ca_file = ca_file
        self._threads = threading.local()

    def _session(self) -> requests.Session:
        if not hasattr(self._threads, "session"):
            session = self._threads.session = requests.Session()
            session.trust_env = False
            session.headers.update({"User-Agent": AGENT, "Connection": "close"})
            session.mount("http://", _Adapter())
            session.mount("https://", _Adapter())
        return self._threads.session

    def request(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
        timeout_seconds: float = 10.0,
        verify: bool = True,
        follow: bool = True,
    ) -> HttpAnswer:
        """Ask once; any status is an answer, with at most 64 KiB of its body as text. See `HttpDoor.request`."""
        begin = time.monotonic()
        asked = requests.Request(method, url, json=json, data=data, headers=headers or {})
        with _exchange(timeout_seconds) as exchange:
            try:
                response = self._follow(asked, exchange, verify, REDIRECTS if follow else 0)
                body = _read(response)
                if exchange.expired:
                    raise TimeoutError
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                raise _door_error(error, url, timeout_seconds, exchange.expired) from None
        took = (time.monotonic() - begin) * 1000
        return HttpAnswer(response.status_code, body, took, {k.lower(): v for k, v in response.headers.items()})

    def _follow(self, asked: requests.Request, exchange: _Exchange, verify: bool, hops: int) -> requests.Response:
        """Redirects are followed here, because requests would read each one's body, however large, into memory."""
        session = self._session()
        trust = (self._ca_file or True) if verify else False
        for _ in range(hops + 1):
            session.cookies.clear()
            prepared = session.prepare_request(asked)
            response = session.send(
                prepared, stream=True, timeout=exchange.remaining(), verify=trust, allow_redirects=False
            )
            target = response.headers.get("location")
            if not hops or not target or response.status_code not in REDIRECTING:
                return response
            response.close()
            asked = _redirected(asked, urljoin(prepared.url or "", target), response.status_code)
        raise requests.TooManyRedirects

    def connect(self, host: str, port: int, timeout_seconds: float) -> float:
        """Open and close a TCP connection; milliseconds it took. See `HttpDoor.connect`."""
        begin = time.monotonic()
        with _exchange(timeout_seconds) as exchange:
            try:
                _open(host, port, exchange).close()
            except (OSError, ValueError, OverflowError) as error:
                raise _door_error(error, f"tcp://{host}:{port}", timeout_seconds, exchange.expired) from None
        return (time.monotonic() - begin) * 1000


def _redirected(asked: requests.Request, url: str, status: int) -> requests.Request:
    """The next question; headers, which may hold secrets, go only to the place they were meant for."""
    same_place = urlsplit(url)[:2] == urlsplit(str(asked.url))[:2]
    headers = asked.headers if same_place else {}
    if status in (307, 308):
        return requests.Request(asked.method, url, json=asked.json, data=asked.data, headers=headers)
    return requests.Request("HEAD" if asked.method == "HEAD" else "GET", url, headers=headers)


def _read(response: requests.Response) -> str:
    body = bytearray()
    with response:
        for piece in response.iter_content(8_192):
            body += piece
            if len(body) >= BODY_BYTES:
                break
    try:
        return body[:BODY_BYTES].decode(response.encoding or "utf-8", errors="replace")
    except LookupError:  # the answer names an encoding that does not exist
        return body[:BODY_BYTES].decode(errors="replace")


def _door_error(error: BaseException, url: str, seconds: float, expired: bool) -> DoorError:
    place = _place(url)
    if isinstance(error, requests.TooManyRedirects):
        return DoorError(f"{place} redirects more than {REDIRECTS} times", "client")
    causes = list(_causes(error))
    kind = "timeout" if expired else next((kind for cause in causes if (kind := _kind(cause))), "network")
    words = {
        "timeout": f"no answer from {place} within {seconds:g} s",
        "refused": f"{place} refuses the connection",
        "dns": f"the name of {place} cannot be resolved",
        "reset": f"{place} broke the connection off",
        "tls": f"no trusted TLS connection with {place}: {_detail(causes, ssl.SSLError)}",
        "client": f"{place} cannot be asked: {_detail(causes, Exception)}",
    }
    said = words.get(kind, f"{place} cannot be reached: {_detail(causes, OSError)}")
    return DoorError(redact_text(said), kind, permanent=kind == "client")


def _place(url: str) -> str:
    """The address without path, query and credentials, which may be secret and are long."""
    bare = url.split("://", 1)[-1].split("/", 1)[0].split("?", 1)[0]
    return bare.rsplit("@", 1)[-1][:200] or "an address without a host"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and everything it was raised from, innermost first: requests wraps what happened twice."""
    seen: list[BaseException] = []
    waiting: list[Any] = [error]
    while waiting and len(seen) < 20:
        one = waiting.pop()
        if isinstance(one, BaseException) and not any(one is other for other in seen):
            seen.append(one)
            waiting += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]
    return reversed(seen)


_KINDS: tuple[tuple[str, tuple[type[BaseException], ...]], ...] = (
    ("dns", (socket.gaierror,)),
    ("tls", (ssl.SSLError,)),
    ("timeout", (TimeoutError, requests.Timeout, urllib3.exceptions.TimeoutError)),
    ("refused", (ConnectionRefusedError,)),
    ("reset", (ConnectionError, urllib3.exceptions.ProtocolError, requests.exceptions.ChunkedEncodingError)),
    ("reset", (requests.exceptions.ContentDecodingError, urllib3.exceptions.DecodeError)),
    ("client", (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.InvalidHeader)),
    ("client", (requests.exceptions.MissingSchema, urllib3.exceptions.LocationParseError, UnicodeError)),
)


def _kind(cause: BaseException) -> str:
    return next((kind for kind, types in _KINDS if isinstance(cause, types)), "")


def _detail(causes: list[BaseException], wanted: type[BaseException]) -> str:
    found = next((cause for cause in causes if isinstance(cause, wanted)), None)
    text = getattr(found, "verify_message", "") or getattr(found, "strerror", "") or str(found or "unknown")
    return " ".join(str(text).split())[:300]
