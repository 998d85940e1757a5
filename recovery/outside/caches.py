"""Keys of a Redis: counted, removed in batches, or a whole database emptied."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from recovery.model import ClearedKeys, DatabaseAddress, DoorError, FoundKeys
from recovery.outside.bounded import Bounded
from recovery.outside.databases.redis import arguments
from recovery.outside.databases.told import place_of, problem_of

__all__ = ["Caches"]

BATCH = 500
QUEUE, QUEUE_NUMBER = b"bull:", "bull:jobs:id"  # the keys of n8n's queue, and the one that it always has

T = TypeVar("T")


class Caches:
    """Redis as a `CacheDoor` shows it: each deed over a connection of its own."""

    def __init__(self) -> None:
        self._bounded = Bounded()

    def find(self, address: DatabaseAddress, pattern: str, most: int, timeout_seconds: float) -> FoundKeys:
        """Count, and touch nothing. See `CacheDoor.find`."""

        def count(client: Any, end: float) -> FoundKeys:
            total = int(client.dbsize())
            found: set[bytes] = set()
            for keys in _matching(client, pattern) if pattern else ():
                found.update(keys)
                if len(found) >= most:
                    break
                if time.monotonic() > end:
                    raise TimeoutError
            return FoundKeys(min(len(found), most), total)

        return self._with(address, count, timeout_seconds)

    def remove(self, address: DatabaseAddress, pattern: str, most: int, timeout_seconds: float) -> ClearedKeys:
        """Remove those that fit. See `CacheDoor.remove`."""

        def remove(client: Any, end: float) -> ClearedKeys:
            return _remove(client, address, pattern, most, (end, timeout_seconds))

        return self._with(address, remove, timeout_seconds)

    def flush(self, address: DatabaseAddress, most: int, timeout_seconds: float) -> ClearedKeys:
        """Empty a database. See `CacheDoor.flush`."""

        def flush(client: Any, end: float) -> ClearedKeys:
            total, place = int(client.dbsize()), f"database {address.database} of {place_of(address)}"
            if client.exists(QUEUE_NUMBER):
                raise DoorError(f"{place} holds n8n's queue: it is not emptied", "client", permanent=True)
            if total > most:
                raise DoorError(f"{place} holds {total} keys, more than {most}", "client", permanent=True)
            if total:
                client.flushdb(asynchronous=True)
            return ClearedKeys(total)

        return self._with(address, flush, timeout_seconds)

    def _with(self, address: DatabaseAddress, work: Callable[[Any, float], T], seconds: float) -> T:
        end = time.monotonic() + seconds

        def run() -> T:
            found = arguments(address, seconds) | {"decode_responses": False, "retry": Retry(NoBackoff(), 0)}
            try:
                with closing(redis.Redis(**found)) as client:  # which connects at once
                    return work(client, end)
            except DoorError:
                raise
            except Exception as error:  # noqa: BLE001 a driver fed with nonsense may raise anything
                raise problem_of(error, address, seconds) from None

        # It ends itself at the deadline, so that what went is told: only a server that trickles is given up.
        return self._bounded.call(place_of(address), run, seconds + 1)


def _matching(client: Any, pattern: str) -> Iterator[list[bytes]]:
    """Batches of keys that fit; a key may come twice."""
    cursor = 0
    while True:
        cursor, keys = client.scan(cursor, match=pattern, count=BATCH)
        yield [key for key in keys if not key.startswith(QUEUE)]
        if not cursor:
            return


def _remove(
    client: Any, address: DatabaseAddress, pattern: str, most: int, time_for_it: tuple[float, float]
) -> ClearedKeys:
    count, (end, seconds) = 0, time_for_it
    try:
        for keys in _matching(client, pattern):
            if count >= most and keys:
                return ClearedKeys(count, more=True)
            if time.monotonic() > end:
                raise TimeoutError
            taken = keys[: most - count]
            count += int(client.unlink(*taken)) if taken else 0
            if len(taken) < len(keys):
                return ClearedKeys(count, more=True)
    except Exception as error:  # what went is gone, and is told
        if not count:
            raise
        return ClearedKeys(count, problem=str(problem_of(error, address, seconds)))
    return ClearedKeys(count)
