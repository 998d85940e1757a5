"""Docker's API over its socket: what a daemon tells of one container, and a restart of it."""

import asyncio
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import aiohttp

from recovery.model import ContainerState, DoorError
from recovery.outside.background import Background
from recovery.outside.docker_events import Events
from recovery.outside.http_errors import CANNOT_BE_ASKED, door_error
from recovery.redact import redact_text

__all__ = ["Docker"]

ANSWER_BYTES = 4_194_304
UNREACHABLE = (aiohttp.ClientError, OSError, TimeoutError, *CANNOT_BE_ASKED)


class Docker:
    """Docker as a `DockerDoor` shows it: each question over a connection of its own, events over one that stays."""

    def __init__(self, background: Background | None = None):
        self._background = background or Background()
        self._events = Events(self._background)

    def watch(self, key: str, container: str, address: str, died: Callable[[str], None]) -> None:
        """Hear of its death at once. See `DockerDoor.watch`."""
        self._events.watch(key, container, address, died)

    async def container(self, name: str, address: str, timeout_seconds: float) -> ContainerState | None:
        """How a container is. See `DockerDoor.container`."""
        status, told = await _answer("GET", f"/containers/{quote(name, safe='')}/json", address, timeout_seconds)
        if status == 404:
            return None
        if status != 200 or not isinstance(told.get("State"), dict):
            raise _refusal(status, told, address)
        return _state(told)

    def look(self, name: str, address: str, timeout_seconds: float) -> ContainerState | None:
        """How a container is. See `DockerDoor.look`."""
        return self._background.run(self.container(name, address, timeout_seconds))

    def restart(self, name: str, address: str, stop_seconds: int | None, timeout_seconds: float) -> bool:
        """Restart a container. See `DockerDoor.restart`."""
        path = f"/containers/{quote(name, safe='')}/restart" + ("" if stop_seconds is None else f"?t={stop_seconds}")
        status, told = self._background.run(_answer("POST", path, address, timeout_seconds))
        if status not in (204, 404):
            raise _refusal(status, told, address)
        return status == 204


async def _answer(method: str, path: str, address: str, seconds: float) -> tuple[int, dict[str, Any]]:
    try:
        async with asyncio.timeout(seconds):
            status, body = await _ask(method, path, address)
    except UNREACHABLE as error:
        raise _problem(error, address, seconds) from None
    return status, _json(body)


def _refusal(status: int, told: dict[str, Any], address: str) -> DoorError:
    said = str(told.get("message") or f"answered {status}")
    kind = "auth" if status in (401, 403) else "status"
    return DoorError(redact_text(f"Docker at {address}: {said[:200]}"), kind, permanent=kind == "auth")


async def _ask(method: str, path: str, address: str) -> tuple[int, bytes]:
    kind, _, place = address.partition("://")
    connector: Any = aiohttp.UnixConnector(place) if kind == "unix" else aiohttp.TCPConnector(force_close=True)
    url = f"http://docker{path}" if kind == "unix" else f"http://{place}{path}"
    async with (
        aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False) as session,
        session.request(method, url, allow_redirects=False) as response,
    ):
        body = bytearray()
        while len(body) < ANSWER_BYTES and (piece := await response.content.read(65_536)):
            body += piece
        return response.status, bytes(body)


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _state(told: dict[str, Any]) -> ContainerState:
    state = told["State"]
    health = state.get("Health") if isinstance(state.get("Health"), dict) else {}
    said = str(health.get("Status") or "")
    return ContainerState(
        status=str(state.get("Status") or ("running" if state.get("Running") else "exited"))[:40],
        health=said[:40] if said != "none" else "",
        failing_streak=_number(health.get("FailingStreak")),
        restarts=_number(told.get("RestartCount")),
        exit_code=_number(state.get("ExitCode")),
        out_of_memory=state.get("OOMKilled") is True,
        id=str(told.get("Id") or "")[:64],
    )


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _problem(error: BaseException, address: str, seconds: float) -> DoorError:
    if not address.startswith("unix://"):
        return door_error(error, address.replace("tcp://", "http://", 1), seconds)
    if isinstance(error, TimeoutError):
        return DoorError(f"no answer from Docker at {address} within {seconds:g} s", "timeout")
    why = getattr(error, "strerror", None) or getattr(getattr(error, "os_error", None), "strerror", None) or str(error)
    kind = "refused" if isinstance(error, OSError) else "reset"
    return DoorError(redact_text(f"Docker at {address} cannot be asked: {why or type(error).__name__}"), kind)
