"""Calls that may hang for ever (a dead network disk, a driver that is gone): waited for only so long."""

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from recovery.model import DoorError

__all__ = ["Bounded"]

T = TypeVar("T")


class Bounded:
    """One call of a name at a time, each in a thread that does not keep the process alive.

    A call that hangs costs one thread, not one more with each look: until it returns, no other of its name begins.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy: dict[str, threading.Lock] = {}

    def call(self, name: str, work: Callable[[], T], seconds: float) -> T:
        """What `work` gives, or what it raises.

        Raises:
            DoorError: it did not end in `seconds`, or an earlier one has not ended by then; of the kind "timeout".
        """
        end = time.monotonic() + seconds
        ended: SimpleQueue[tuple[bool, Any]] = SimpleQueue()
        with self._lock:
            busy = self._busy.setdefault(name, threading.Lock())
        if not busy.acquire(timeout=seconds):
            raise DoorError(f"{name} still does not answer", "timeout")
        threading.Thread(target=_keep, args=(work, ended, busy), name=f"bounded {name}", daemon=True).start()
        try:
            good, answer = ended.get(timeout=max(0.0, end - time.monotonic()))
        except Empty:
            raise DoorError(f"no answer from {name} within {seconds:g} s", "timeout") from None
        if not good:
            raise answer
        return answer


def _keep(work: Callable[[], Any], ended: "SimpleQueue[tuple[bool, Any]]", busy: threading.Lock) -> None:
    try:
        answer = (True, work())
    except BaseException as problem:  # noqa: BLE001 it is raised again where it is waited for
        answer = (False, problem)
    busy.release()
    ended.put(answer)
