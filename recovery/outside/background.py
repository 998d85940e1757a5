"""One event loop in a thread of its own: what waits for the network there costs no thread each."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from recovery.outside.resolving import Resolving

__all__ = ["Background"]

T = TypeVar("T")


class Background:
    """An event loop that begins with its first use, and so after any fork; it ends with the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[Coroutine[Any, Any, Any], Callable[[Any], None]]] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it there, and wait for it here. Never to be called on the loop itself."""
        return asyncio.run_coroutine_threadsafe(work, self._running()).result()

    def start(self, work: Coroutine[Any, Any, Any], ended: Callable[[Any], None]) -> None:
        """Run it there; `ended` is given the future that is done, on the loop's thread, and must not block."""
        loop = self._running()
        with self._lock:
            self._waiting.append((work, ended))
            wakes = (
                len(self._waiting) == 1
            )  # waking the loop costs as much as a fifth of a look: once for all that wait
        if wakes:
            loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        """On the loop: begin all that waits. A task that nobody holds would be forgotten halfway."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for work, ended in waiting:
            task = asyncio.get_running_loop().create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            task.add_done_callback(ended)

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._loop.set_default_executor(Resolving())
                threading.Thread(target=self._loop.run_forever, name="looks", daemon=True).start()
            return self._loop
