"""Redis, and what speaks its protocol."""

import asyncio
import time
from typing import Any

import certifi
from redis._parsers import _AsyncRESP2Parser
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, InvalidResponse, ResponseError  # noqa: A004

from recovery.model import DatabaseAddress, DatabaseState

__all__ = ["arguments", "look"]

WORDS_SECONDS = 0.5
LARGEST_ANSWER = 1_048_576


class _Brief(_AsyncRESP2Parser):
    """Takes no long answer in: whoever answers in Redis' place would fill the memory, and hold up all other looks."""

    async def _read(self, length: int) -> bytes:
        self._refuse_long(self._pos + length)
        return await super()._read(length)

    async def _readline(self) -> bytes:
        self._refuse_long(self._pos)  # a list of any number of short things is a long answer too
        return await super()._readline()

    def _refuse_long(self, length: int) -> None:
        if length > LARGEST_ANSWER:
            raise InvalidResponse(f"it sends more than {LARGEST_ANSWER} bytes, which is no answer to what was asked")


async def look(address: DatabaseAddress, end: float) -> DatabaseState:
    """Connect, ask, and see how it is, until `end` of the monotonic clock."""
    begin = time.monotonic()
    client = Redis(**arguments(address, end - begin))
    client.connection_pool.connection_kwargs["parser_class"] = _Brief
    try:
        await _ping(client, address)
        took = (time.monotonic() - begin) * 1000
        try:
            told: dict[str, Any] = await client.info("clients") | await client.info("replication")
        except ResponseError:  # a user that may not ask for more, or a server that does not know it
            return DatabaseState(took)
        most = told.get("maxclients") or await _most_clients(client)
        return DatabaseState(took, _number(told.get("connected_clients")), _number(most), _lag(told), _trouble(told))
    finally:
        await client.aclose()


async def _ping(client: Any, address: DatabaseAddress) -> None:
    try:
        await client.ping()
    except ConnectionError as error:
        if "max number of clients" in await _first_words(address):
            raise ConnectionError("max number of clients reached") from None
        raise error


async def _first_words(address: DatabaseAddress) -> str:
    """What the server says unasked. One that is full says so and hangs up, and what is sent meanwhile hides it."""
    try:
        async with asyncio.timeout(WORDS_SECONDS):
            if address.host.startswith("/"):
                reader, writer = await asyncio.open_unix_connection(address.host)
            else:
                reader, writer = await asyncio.open_connection(address.host, address.port)
            try:
                return (await reader.read(200)).decode(errors="replace")
            finally:
                writer.close()
    except (OSError, ValueError):
        return ""


def arguments(address: DatabaseAddress, seconds: float) -> dict[str, Any]:
    """What the driver is given, for a deed of so many seconds."""
    where = {"unix_socket_path": address.host} if address.host.startswith("/") else {"host": address.host}
    found: dict[str, Any] = {
        **where,
        "port": address.port,
        "db": int(address.database or 0),
        "username": address.user or None,
        "password": address.password or None,
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        "single_connection_client": True,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "decode_responses": True,
    }
    if address.tls:
        found |= {"ssl": True, "ssl_ca_certs": address.ca_file or certifi.where(), "ssl_check_hostname": True}
    return found


async def _most_clients(client: Any) -> Any:
    """From the configuration, which a managed server may refuse to show."""
    try:
        return (await client.config_get("maxclients")).get("maxclients")
    except ResponseError:
        return None


def _number(value: Any) -> int | None:
    return int(value) if str(value).isdigit() else None


def _lag(told: dict[str, Any]) -> float | None:
    """Since when the replica has heard nothing from its master, seconds."""
    seconds = told.get("master_last_io_seconds_ago")
    return float(seconds) if told.get("role") == "slave" and isinstance(seconds, int) and seconds >= 0 else None


def _trouble(told: dict[str, Any]) -> str:
    if told.get("role") != "slave" or told.get("master_link_status", "up") == "up":
        return ""
    return "replication has stopped: the link to the master is down"
