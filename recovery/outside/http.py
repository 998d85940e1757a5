"""HTTP and TCP towards components and channels: one bounded question, one answer or a DoorError that says why."""

import asyncio
import json as jsons
import ssl
import time
import zlib
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp

from recovery.model import DoorError, HttpAnswer
from recovery.outside.background import Background
from recovery.outside.http_errors import CANNOT_BE_ASKED, TooManyRedirects, door_error
from recovery.outside.trust import trust_at_large, trust_in

__all__ = ["Http"]

BODY_BYTES = 65_536
REDIRECTS = 5
AGENT = "n8n-medic"
REDIRECTING = (301, 302, 303, 307, 308)
UNPACKED = ("gzip", "x-gzip", "deflate")
NO_LIMITS = aiohttp.ClientTimeout(total=None, sock_connect=None)  # the deadline is over the whole exchange
UNREACHABLE = (aiohttp.ClientError, TooManyRedirects, OSError, TimeoutError, zlib.error, *CANNOT_BE_ASKED)


class _Response(aiohttp.ClientResponse):
    """Remembers when the other side's certificate ends: the connection may be gone when the answer is read."""

    certificate_ends: datetime | None = None

    async def start(self, connection: Any) -> "_Response":
        certificate = connection.transport.get_extra_info("peercert") if connection.transport else None
        if certificate:
            ends = ssl.cert_time_to_seconds(certificate["notAfter"])
            self.certificate_ends = datetime.fromtimestamp(ends, UTC)
        await super().start(connection)
        return self


class Http:
    """Asks over a connection of its own each time: a look at a component must not be told by an old connection.

    Proxies and credentials of the environment (`HTTP_PROXY`, `.netrc`) are not used. The deadline holds for the
    whole exchange, names and redirects included. `ask` and `reach` run on the event loop of `background`, however
    many at once; `request` and `connect` are the same for threads.

    Fields:
        ca_file: certificates that are trusted instead of the usual ones; "" for the usual ones.
        fingerprint: the SHA-256 of the one certificate that is trusted, in hex digits; "" for no such.
    """

    def __init__(self, ca_file: str = "", background: Background | None = None, fingerprint: str = ""):
        self._ca_file, self._fingerprint = ca_file, fingerprint
        self._background = background or Background()
        self._connector: aiohttp.TCPConnector | None = None

    @cached_property
    def _trust(self) -> ssl.SSLContext | aiohttp.Fingerprint:
        if self._fingerprint:
            return aiohttp.Fingerprint(bytes.fromhex(self._fingerprint))
        if self._ca_file:
            return _trusting(self._ca_file)
        return trust_at_large()

    def get_ready(self) -> None:
        """Read the certificates that are trusted, which takes longer than most answers."""
        assert self._trust

    def _session(self) -> aiohttp.ClientSession:
        """One for each question, which costs next to nothing and leaves nothing to be closed at the end."""
        if self._connector is None:
            self._connector = aiohttp.TCPConnector(limit=0, force_close=True, use_dns_cache=False)
        return aiohttp.ClientSession(
            connector=self._connector,
            connector_owner=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": AGENT, "Accept-Encoding": "identity"},
            timeout=NO_LIMITS,
            response_class=_Response,
            auto_decompress=False,
            trust_env=False,
        )

    def request(self, method: str, url: str, **more: Any) -> HttpAnswer:
        """Ask once; any status is an answer, with at most 64 KiB of its body as text. See `HttpDoor.request`."""
        return self._background.run(self.ask(method, url, **more))

    def connect(self, host: str, port: int, timeout_seconds: float) -> float:
        """Open and close a TCP connection; milliseconds it took. See `HttpDoor.connect`."""
        return self._background.run(self.reach(host, port, timeout_seconds))

    async def ask(
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
        """`request`, for the event loop. See `HttpDoor.ask`."""
        begin = time.monotonic()
        sent, asked = dict(headers or {}), [url]
        if any(sign.isspace() for sign in url):
            raise door_error(ValueError("an address has no spaces"), url, timeout_seconds)
        if json is not None:
            data = jsons.dumps(json).encode()
            sent.setdefault("Content-Type", "application/json")
        try:
            async with asyncio.timeout(timeout_seconds), self._session() as session:
                trust = self._trust if verify else False
                response = await _follow(session, method, asked, data, sent, trust, REDIRECTS if follow else 0)
                async with response:
                    body = await _read(response)
        except UNREACHABLE as error:
            raise door_error(error, asked[-1], timeout_seconds) from None
        took = (time.monotonic() - begin) * 1000
        told = {name.lower(): value for name, value in response.headers.items()}
        return HttpAnswer(response.status, body, took, told, getattr(response, "certificate_ends", None))

    async def reach(self, host: str, port: int, timeout_seconds: float) -> float:
        """`connect`, for the event loop. See `HttpDoor.reach`."""
        begin = time.monotonic()
        try:
            if not 0 < port < 65_536:
                raise ValueError(f"{port} is not a port")  # the resolver would take it modulo 65,536
            async with asyncio.timeout(timeout_seconds):
                _, writer = await asyncio.open_connection(host, port)
            writer.close()
        except UNREACHABLE as error:
            raise door_error(error, f"tcp://{host}:{port}", timeout_seconds) from None
        return (time.monotonic() - begin) * 1000


def _trusting(ca_file: str) -> ssl.SSLContext:
    try:
        return trust_in(ca_file)
    except OSError as error:
        why = f"the certificates in {ca_file!r} cannot be used: {error.strerror or error}"
        raise DoorError(why, "client", permanent=True) from None


async def _follow(
    session: aiohttp.ClientSession,
    method: str,
    asked: list[str],
    data: bytes | None,
    headers: dict[str, str],
    trust: ssl.SSLContext | aiohttp.Fingerprint | bool,
    hops: int,
) -> aiohttp.ClientResponse:
    """Redirects within a host are followed; one to another host is the answer itself, and nobody there is asked.

    Whoever answers must not be able to send us to whatever this machine reaches, and another host that is well says
    nothing of this one. Headers, which may hold secrets, go only to the place they were meant for.

    Args:
        asked: the address; those that it redirects to are added, so that what fails is told of the right one.
    """
    for _ in range(hops + 1):
        url = asked[-1]
        response = await session.request(method, url, data=data, headers=headers, ssl=trust, allow_redirects=False)
        target = response.headers.get("location")
        there = _within_host(url, target) if hops and target and response.status in REDIRECTING else ""
        if not there:
            return response
        response.close()
        headers = headers if urlsplit(there)[:2] == urlsplit(url)[:2] else {}
        if response.status not in (307, 308):
            method, data = "HEAD" if method == "HEAD" else "GET", None
        asked.append(there)
    raise TooManyRedirects(REDIRECTS)


def _within_host(url: str, target: str) -> str:
    """Where a redirect leads; "" where that is another host, or no address."""
    try:
        there = urljoin(url, target)
        return there if urlsplit(there).hostname == urlsplit(url).hostname else ""
    except ValueError:
        return ""


async def _read(response: aiohttp.ClientResponse) -> str:
    """The first 64 KiB of the body; unpacked no further than that, however small it came."""
    unpack = zlib.decompressobj(47) if response.headers.get("content-encoding", "").lower() in UNPACKED else None
    body = bytearray()
    while len(body) < BODY_BYTES:
        piece = await response.content.read(8_192)
        if not piece:
            break
        body += unpack.decompress(piece, BODY_BYTES) if unpack else piece
    kept = bytes(body[:BODY_BYTES])
    try:
        return kept.decode(response.charset or "utf-8", errors="replace")
    except LookupError:  # the answer names an encoding that does not exist
        return kept.decode(errors="replace")
