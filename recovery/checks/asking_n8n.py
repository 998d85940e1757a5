"""What every check of an n8n does around its look: which n8n it asks, how long, and what its silence means."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any, cast

from recovery.model import DoorError, Doors, FailureType, N8nDoor, Past, Reading

__all__ = ["NO_ANSWER", "asking_n8n", "find_n8n"]

LOOK_SECONDS = 60.0
NO_ANSWER = ("timeout", "tls", "dns", "refused", "reset", "network")

Look = Callable[[Any, N8nDoor, Past], Reading]


def asking_n8n(look: Look) -> Callable[[Any, Doors, Past], Reading]:
    """Decorator for a check of the n8n that its arguments call `site`: it is given that n8n instead of all doors.

    An n8n that does not answer, or not within a minute for all that one look asks, is a bad reading; one that is not
    configured, and one that only a person can make answer, calls a person. A bad reading has a latency where n8n has
    answered at all: without one it may be this machine that is offline.
    """

    @wraps(look)
    def framed(args: Any, doors: Doors, past: Past) -> Reading:
        begin = time.monotonic()
        try:
            reading = look(args, find_n8n(args.site, doors)[1], past)
        except DoorError as problem:
            reading = Reading("", False, str(problem), FailureType.N8N_UNREADY, permanent=problem.permanent)
            if problem.kind in NO_ANSWER:
                return reading
        took = (time.monotonic() - begin) * 1000
        return reading if reading.healthy is not False else replace(reading, latency_ms=took)

    return framed


def find_n8n(site: str, doors: Doors) -> tuple[N8nDoor, N8nDoor]:
    """The n8n of that name, and the same for one look, which asks nothing more once its minute is over.

    Raises:
        DoorError: there is none with an API key.
    """
    door = doors.n8n(site)
    if door is None:
        raise DoorError(f"no n8n named {site!r} with an API key is configured", "client", permanent=True)
    return door, cast(N8nDoor, _InTime(door))


class _InTime:
    """A door that asks nothing more once its time is over: hundreds of slow answers would hold a thread for long."""

    def __init__(self, door: N8nDoor):
        self._door, self._until = door, time.monotonic() + LOOK_SECONDS

    def __getattr__(self, name: str) -> Any:
        if time.monotonic() > self._until:
            raise DoorError(f"n8n needs longer than {LOOK_SECONDS:g} s for what one look asks", "timeout")
        return getattr(self._door, name)
