"""An SQLite file, opened only for reading."""

import asyncio
import sqlite3
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

from recovery.model import DatabaseAddress, DatabaseState, DoorError

__all__ = ["Sqlite"]

THREADS = 256  # made when they are needed: files on a dead disk hold up no other
LARGEST_CHECKED_BYTES = 67_108_864
STEPS_BETWEEN_LOOKS = 10_000
QUERY = "SELECT count(*) FROM sqlite_master"  # SELECT 1 would not even read the file


class Sqlite:
    """SQLite blocks, so each look has a thread; its own work ends with its deadline.

    On a dead disk it does not end: until it does, no other look at that file begins, so that it costs one thread.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "sqlite")
        self._busy: dict[str, Future[DatabaseState]] = {}

    async def look(self, address: DatabaseAddress, end: float) -> DatabaseState:
        """Open the file, ask, and look for damage, until `end` of the monotonic clock."""
        while (earlier := self._busy.get(address.path)) is not None and not earlier.done():
            await asyncio.wait({_heard(earlier)})
        begun = self._busy[address.path] = self._threads.submit(_look, address, end)
        return await asyncio.shield(_heard(begun))


def _heard(look: Future[DatabaseState]) -> asyncio.Future[DatabaseState]:
    """A look's end, to be waited for; nothing is logged of how it ended where nobody waits any more."""
    ended = asyncio.wrap_future(look)
    ended.add_done_callback(lambda one: one.cancelled() or one.exception())
    return ended


def _look(address: DatabaseAddress, end: float) -> DatabaseState:
    begin = time.monotonic()
    size = _size(address.path)
    connection = sqlite3.connect(
        f"file:{quote(address.path)}?mode=ro", uri=True, timeout=max(0.1, (end - begin) / 2), isolation_level=None
    )
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.set_progress_handler(lambda: time.monotonic() > end, STEPS_BETWEEN_LOOKS)
        try:
            connection.execute(address.query or QUERY).fetchone()
        except sqlite3.OperationalError as error:
            if str(error) != "interrupted":
                raise
            raise TimeoutError from None
        took = (time.monotonic() - begin) * 1000
        checked = address.integrity and size <= LARGEST_CHECKED_BYTES
        return DatabaseState(took, trouble=_damage(connection, (begin + end) / 2) if checked else "")
    finally:
        connection.close()


def _size(path: str) -> int:
    """How large the file is, bytes.

    Raises:
        DoorError: it is no file, or an empty one, which SQLite would take for a new database.
    """
    place = Path(path)
    try:
        is_file, size = place.is_file(), place.stat().st_size
    except (OSError, ValueError) as error:
        raise DoorError(f"{path}: {getattr(error, 'strerror', None) or error}", "network") from None
    if not is_file:
        raise DoorError(f"{path} is not a file", "network")
    if size == 0:
        raise DoorError(f"{path} is empty", "network")
    return size


def _damage(connection: sqlite3.Connection, until: float) -> str:
    """What is wrong in the file, as far as it could be read until then; "" for nothing."""
    connection.set_progress_handler(lambda: time.monotonic() > until, STEPS_BETWEEN_LOOKS)
    try:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        return "" if str(error) == "interrupted" else str(error)
    except sqlite3.DatabaseError as error:
        return str(error)
    return "" if not found or found[0] == "ok" else f"the file is damaged: {' '.join(str(found[0]).split())[:120]}"
