"""MySQL and MariaDB, in one transaction that may only read."""

import asyncio
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import certifi
import pymysql
from pymysql.cursors import DictCursor

from recovery.model import DatabaseAddress, DatabaseState

__all__ = ["Mysql", "arguments"]

LARGEST_ANSWER = 16_777_216
THREADS = 256  # made when they are needed: servers that hang hold up no other
NOT_TOLD = (pymysql.err.OperationalError, pymysql.err.ProgrammingError, pymysql.err.InternalError)


class Mysql:
    """Its driver blocks, so each look has a thread, which ends with its deadline."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "mysql")

    async def look(self, address: DatabaseAddress, end: float) -> DatabaseState:
        """Connect, ask, and see how it is, until `end` of the monotonic clock."""
        connection = _Connection(address, end)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, connection.look)
        finally:
            connection.abandon()


class _Brief(pymysql.connections.Connection):
    """Takes no long answer in: whoever answers in the server's place would fill the memory."""

    _taken = 0

    def _read_bytes(self, num_bytes: int) -> bytes:
        self._taken += num_bytes
        if self._taken > LARGEST_ANSWER:
            raise OSError(f"it sends more than {LARGEST_ANSWER} bytes, which is no answer to what was asked")
        return bytes(super()._read_bytes(num_bytes))


class _Connection:
    """One connection, which another thread may break off."""

    def __init__(self, address: DatabaseAddress, end: float):
        self._address, self._end = address, end
        self._open: Any = None

    def abandon(self) -> None:
        """Break it off under the driver: a server that sends a byte now and then keeps no thread.

        Not by closing it, which would wait for the thread that reads.
        """
        stream = getattr(self._open, "_sock", None)
        if stream is not None:
            with suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)

    def look(self) -> DatabaseState:
        begin = time.monotonic()
        seconds = self._end - begin
        if seconds <= 0:  # it waited for a thread until its time was over
            raise TimeoutError
        self._open = _Brief(**arguments(self._address, seconds), defer_connect=True)
        self._open.connect()
        try:
            with self._open.cursor() as cursor:
                cursor.execute("START TRANSACTION READ ONLY")
                cursor.execute(self._address.query or "SELECT 1")
                cursor.fetchall()
                took = (time.monotonic() - begin) * 1000
                used, most = _connections(cursor)
                lag, trouble = _replication(cursor)
            self._open.rollback()
        finally:
            self._open.close()
        return DatabaseState(took, used, most, lag, trouble)


def arguments(address: DatabaseAddress, seconds: float) -> dict[str, Any]:
    """What the driver is given, for a deed of so many seconds."""
    found: dict[str, Any] = {
        "user": address.user or None,
        "password": address.password,
        "database": address.database or None,
        "connect_timeout": max(1, round(seconds)),
        "read_timeout": seconds,
        "write_timeout": seconds,
        "cursorclass": DictCursor,
        "program_name": "n8n-medic",
    }
    if address.host.startswith("/"):
        return found | {"unix_socket": address.host}
    if address.tls:
        found |= {"ssl_ca": address.ca_file or certifi.where(), "ssl_verify_cert": True, "ssl_verify_identity": True}
    return found | {"host": address.host, "port": address.port}


def _connections(cursor: Any) -> tuple[int | None, int | None]:
    cursor.execute("SHOW GLOBAL STATUS LIKE 'Threads_connected'")
    used = cursor.fetchone()
    cursor.execute("SELECT @@max_connections AS most")
    most = cursor.fetchone()
    return (int(used["Value"]) if used else None), (int(most["most"]) if most else None)


def _replication(cursor: Any) -> tuple[float | None, str]:
    """The lag and what is wrong. The words differ between servers and ages; many a user may not ask at all."""
    for statement in ("SHOW REPLICA STATUS", "SHOW SLAVE STATUS"):
        try:
            cursor.execute(statement)
            told = cursor.fetchone() or {}
        except NOT_TOLD:
            continue
        values = {key.lower().replace("slave", "replica").replace("master", "source"): told[key] for key in told}
        lag = values.get("seconds_behind_source")
        parts = [values.get("replica_io_running", "Yes"), values.get("replica_sql_running", "Yes")]
        stopped = "" if all(part in ("Yes", "Preparing") for part in parts) else "replication has stopped"
        return (float(lag) if lag is not None else None), stopped
    return None, ""
