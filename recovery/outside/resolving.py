"""Threads that ask the system what names mean: a name server that hangs holds up no name but those it is asked for."""

import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

__all__ = ["Resolving"]

MOST_NAMES = 1_000  # each that hangs holds a thread for as long as the system tries, which is half a minute and more


class Resolving(ThreadPoolExecutor):
    """An event loop's default executor, whose threads are made when they are needed.

    What asks for the same name again, while the system still tries, waits for the same answer: looks that have given
    up and come again would take a thread each time.
    """

    def __init__(self) -> None:
        super().__init__(MOST_NAMES, "names")
        self._lock = threading.Lock()
        self._asked: dict[tuple[Any, ...], Future[Any]] = {}

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """See `Executor.submit`. Each is given an answer of its own, so that giving up is its own as well."""
        if fn is not socket.getaddrinfo or kwargs:
            return super().submit(fn, *args, **kwargs)
        with self._lock:
            asked = self._asked.get(args)
            if asked is None or asked.done():
                asked = self._asked[args] = super().submit(fn, *args)
        answer: Future[Any] = Future()
        asked.add_done_callback(lambda done: self._pass_on(args, done, answer))
        return answer

    def _pass_on(self, args: tuple[Any, ...], asked: Future[Any], answer: Future[Any]) -> None:
        with self._lock:
            if self._asked.get(args) is asked:
                del self._asked[args]
        if not answer.set_running_or_notify_cancel():
            return
        if problem := asked.exception():
            answer.set_exception(problem)
        else:
            answer.set_result(asked.result())
