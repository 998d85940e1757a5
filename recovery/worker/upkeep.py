"""Holds what is claimed for as long as it runs: renews its lease from a thread of its own.

A machine that slept, or whose clock was set forward, finds every lease over: what runs here is held anew first.
"""

import logging
import threading
from collections.abc import Callable
from datetime import datetime

from recovery.clock import utc_now
from recovery.store import database
from recovery.worker.context import LEASE

log = logging.getLogger("medic.worker")
RENEW_SECONDS = LEASE.total_seconds() / 3
_holding: set["Keeper"] = set()


class Keeper:
    """While the block runs, `keep(until)` is called every third of a lease; False from it ends the renewing."""

    def __init__(self, keep: Callable[[datetime], bool]):
        self._keep = keep
        self._over = threading.Event()
        self._timer: threading.Timer | None = None

    def __enter__(self) -> None:
        _holding.add(self)
        self._again()

    def _again(self) -> None:
        self._timer = threading.Timer(RENEW_SECONDS, self._renew)
        self._timer.daemon = True
        self._timer.start()

    def _renew(self) -> None:
        if self._over.is_set():
            return
        try:
            held = self.renew()
        except Exception:
            log.exception("a lease could not be renewed")
            held = True
        finally:
            database.close_database()
        if held and not self._over.is_set():
            self._again()

    def renew(self) -> bool:
        """Hold it for another lease; False where somebody took it over."""
        with database.write():
            return self._keep(utc_now() + LEASE)

    def __exit__(self, *exc: object) -> None:
        _holding.discard(self)
        self._over.set()
        if self._timer:
            self._timer.cancel()


def renew_all() -> None:
    """Hold everything anew that runs in this process.

    Raises:
        What the database raises, whose connection may not have lived through it: nothing may be taken for lost before.
    """
    for keeper in list(_holding):
        keeper.renew()
