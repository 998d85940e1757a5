"""Docker's stream of events: one for each daemon, followed for as long as the worker lives, which decides nothing."""

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from typing import Any
from urllib.parse import quote

import aiohttp

from recovery.outside.background import Background
from recovery.outside.http_errors import CANNOT_BE_ASKED

__all__ = ["Events"]

log = logging.getLogger("medic.worker")

WANTED = {"type": ["container"], "event": ["die", "oom", "stop", "health_status"]}
BAD = ("die", "oom", "stop", "health_status: unhealthy")
PATH = f"/events?filters={quote(json.dumps(WANTED))}"
LINE_BYTES = 262_144
SETTLE_SECONDS = 1.0  # `docker restart` stops and starts within less, and one death is several events
STEADY_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 60.0
SILENT_SECONDS = 600.0  # a connection that was cut without a word is made anew
LOST = (aiohttp.ClientError, OSError, TimeoutError, ValueError, *CANNOT_BE_ASKED)
Died = Callable[[str], None]


class Events:
    """Tells when something has befallen a watched container; whoever hears it looks for themselves.

    Where there is no Docker, or it may not be asked for events, it is tried again after growing pauses, and nothing
    fails. After a gap all are told once, for nobody knows what happened meanwhile.

    Args:
        settle_seconds: how long after an event it is told: what belongs together is told once.
        first_pause_seconds: the pause after the first loss; doubled each time.
    """

    def __init__(
        self, background: Background, settle_seconds: float = SETTLE_SECONDS, first_pause_seconds: float = 1.0
    ):
        self._background, self._settle, self._first_pause = background, settle_seconds, first_pause_seconds
        self._lock = threading.Lock()
        self._watched: dict[str, dict[str, tuple[str, Died]]] = {}
        self._due: set[str] = set()

    def watch(self, key: str, container: str, address: str, died: Died) -> None:
        """Tell of a container; see `DockerDoor.watch`."""
        with self._lock:
            for other in self._watched.values():
                other.pop(key, None)
            is_new = address not in self._watched
            self._watched.setdefault(address, {})[key] = (container, died)
        if is_new:
            self._background.start(self._follow(address), lambda ended: self._broke(address, ended))

    def _broke(self, address: str, ended: "Future[None]") -> None:
        """Never expected; the next healthy look begins anew."""
        with self._lock:
            self._watched.pop(address, None)
        log.warning("the events of Docker at %s are followed no more: %r", address, ended.exception())

    async def _follow(self, address: str) -> None:
        loop, pause, was_lost = asyncio.get_running_loop(), self._first_pause, False
        while True:
            began = loop.time()
            try:
                await self._listen(address, was_lost)
                why = "it was closed"
            except LOST as problem:
                why = str(problem) or type(problem).__name__
            log.debug("the events of Docker at %s are lost: %s", address, why)
            was_lost = True
            if loop.time() - began >= STEADY_SECONDS:
                pause = self._first_pause
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _listen(self, address: str, after_a_gap: bool) -> None:
        kind, _, place = address.partition("://")
        connector: Any = aiohttp.UnixConnector(place) if kind == "unix" else aiohttp.TCPConnector()
        limits = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=SILENT_SECONDS)
        url = f"http://{'docker' if kind == 'unix' else place}{PATH}"
        async with (
            aiohttp.ClientSession(
                connector=connector,
                timeout=limits,
                headers={"Accept-Encoding": "identity"},
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            ) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise aiohttp.ClientError(f"answered {answer.status}")
            if after_a_gap:
                self._tell_soon(address)
            async for line in _lines(answer.content):
                found = _container_of(line)
                if found:
                    self._tell_soon(address, *found)

    def _tell_soon(self, address: str, one: str = "", name: str = "") -> None:
        """Tell of the container of that id and name; without them of all."""
        loop = asyncio.get_running_loop()
        with self._lock:
            for key, (container, died) in self._watched.get(address, {}).items():
                is_meant = not one or container == name or one.startswith(container)
                if is_meant and key not in self._due:
                    self._due.add(key)
                    loop.call_later(self._settle, self._tell, key, died)

    def _tell(self, key: str, died: Died) -> None:
        self._due.discard(key)
        died(key)


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """The lines of a stream. Raises ValueError for one without an end."""
    rest = b""
    async for piece in content.iter_any():
        *whole, rest = (rest + piece).split(b"\n")
        for line in filter(None, map(bytes.strip, whole)):
            yield line
        if len(rest) > LINE_BYTES:
            raise ValueError("a line without an end")


def _container_of(line: bytes) -> tuple[str, str] | None:
    """Id and name of the container that an event tells something bad of; None for another event.

    Raises ValueError where it is no event: whoever says that is no Docker, and is not listened to.
    """
    try:
        event = json.loads(line)
        kind, action, actor = event.get("Type"), event.get("Action"), event.get("Actor") or {}
        one, name = str(actor.get("ID") or ""), str((actor.get("Attributes") or {}).get("name") or "")
    except (ValueError, AttributeError, RecursionError):
        raise ValueError("a line that is no event") from None
    return (one, name) if one and kind == "container" and action in BAD else None
