"""Holds what is claimed for as long as it runs: renews its lease from a thread of its own."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime

from recovery.clock import utc_now
from recovery.store import database
from recovery.worker.context import LEASE

log = logging.getLogger("medic.worker")
RENEW_SECONDS = LEASE.total_seconds() / 3


class Keeper:
    """While the block runs, `keep(until)` is called every third of a lease; False from it ends the renewing."""

    def __init__(self, keep: Callable[[datetime], bool]):
        self._keep = keep
        self._over = threading.Event()
        self._timer: threading.Timer | None = None

    def __enter__(self) -> None:
        self._again()

    def _again(self) -> None:
        self._timer = threading.Timer(RENEW_SECONDS, self._renew)
        self._timer.daemon = True
        self._timer.start()

    def _renew(self) -> None:
        if self._over.is_set():
            return
        try:
            with database.write():
                held = self._keep(utc_now() + LEASE)
        except Exception:
            log.exception("a lease could not be renewed")
            held = True
        finally:
            database.close_database()
        if held and not self._over.is_set():
            self._again()

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        if self._timer:
            self._timer.cancel()
