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
        self._latest: dict[str, threading.Thread] = {}

    def call(self, name: str, work: Callable[[], T], seconds: float) -> T:
        """What `work` gives, or what it raises.

        Raises:
            DoorError: it did not end in `seconds`, or an earlier one has not ended by then; of the kind "timeout".
        """
        end = time.monotonic() + seconds
        ended: SimpleQueue[tuple[bool, Any]] = SimpleQueue()
        thread = threading.Thread(target=_keep, args=(work, ended), name=f"bounded {name}", daemon=True)
        with self._lock:
            earlier, self._latest[name] = self._latest.get(name), thread
        if earlier:
            earlier.join(seconds)
        if earlier and earlier.is_alive():
            self._latest[name] = earlier
            raise DoorError(f"{name} still does not answer", "timeout")
        thread.start()
        try:
            good, answer = ended.get(timeout=max(0.0, end - time.monotonic()))
        except Empty:
            raise DoorError(f"no answer from {name} within {seconds:g} s", "timeout") from None
        thread.join()
        if not good:
            raise answer
        return answer


def _keep(work: Callable[[], Any], ended: "SimpleQueue[tuple[bool, Any]]") -> None:
    try:
        ended.put((True, work()))
    except BaseException as problem:  # noqa: BLE001 it is raised again where it is waited for
        ended.put((False, problem))
