"""One event loop in a thread of its own: what waits for the network there costs no thread each."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

__all__ = ["Background"]

RESOLVING_THREADS = 32  # a name server that hangs holds up no other name
T = TypeVar("T")


class Background:
    """An event loop that begins with its first use, and so after any fork; it ends with the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it there, and wait for it here. Never to be called on the loop itself."""
        return asyncio.run_coroutine_threadsafe(work, self._running()).result()

    def start(self, work: Coroutine[Any, Any, T], ended: Callable[["Future[T]"], None]) -> None:
        """Run it there; `ended` is told on the loop's thread, and must not block."""
        asyncio.run_coroutine_threadsafe(work, self._running()).add_done_callback(ended)

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._loop.set_default_executor(ThreadPoolExecutor(RESOLVING_THREADS, "names"))
                threading.Thread(target=self._loop.run_forever, name="looks", daemon=True).start()
            return self._loop
