"""Databases as a `DatabaseDoor` sees them: one engine each file, all of them within one deadline."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from recovery.model import DatabaseAddress, DatabaseState, DoorError
from recovery.outside.databases import mysql, postgresql, redis, sqlite
from recovery.outside.databases.told import problem_of

__all__ = ["Databases"]

Look = Callable[[DatabaseAddress, float], Awaitable[DatabaseState]]


class Databases:
    """Each look opens a connection of its own and closes it again: an old one would not tell of a full database."""

    def __init__(self) -> None:
        self._looks: dict[str, Look] = {
            "sqlite": sqlite.Sqlite().look,
            "postgresql": postgresql.look,
            "mysql": mysql.Mysql().look,
            "redis": redis.look,
        }
        self._under_way: set[asyncio.Future[DatabaseState]] = set()

    async def look(self, address: DatabaseAddress, timeout_seconds: float) -> DatabaseState:
        """Connect, ask, and see how it is. See `DatabaseDoor.look`."""
        if address.engine not in self._looks:
            raise DoorError(f"no engine named {address.engine!r}", "client", permanent=True)
        task = asyncio.ensure_future(self._looks[address.engine](address, time.monotonic() + timeout_seconds))
        self._under_way.add(task)
        task.add_done_callback(self._forget)
        try:
            await asyncio.wait({task}, timeout=timeout_seconds)
        finally:
            task.cancel()  # not waited for: PostgreSQL's driver first asks the server to stop, for up to 10 s
        if not task.done():
            raise problem_of(TimeoutError(), address, timeout_seconds)
        problem = task.exception()
        if problem is None or isinstance(problem, DoorError):
            return task.result()
        raise problem_of(problem, address, timeout_seconds) from None

    def _forget(self, task: "asyncio.Future[DatabaseState]") -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # heard, so that nothing is logged of a look that was given up
