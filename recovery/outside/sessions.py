"""Connections to databases as a `SessionDoor` sees them: found by rule, and ended."""

import time
from collections.abc import Callable
from contextlib import closing
from typing import Any, TypeVar

from recovery.model import DatabaseAddress, DoorError, EndedSessions, Session, SessionRule
from recovery.outside.bounded import Bounded
from recovery.outside.databases import mysql_sessions, postgresql_sessions
from recovery.outside.databases.told import place_of, problem_of

__all__ = ["Sessions"]

ENGINES: dict[str, Any] = {"postgresql": postgresql_sessions, "mysql": mysql_sessions}
GONE = "gone"
T = TypeVar("T")


class Sessions:
    """Each look and each deed has a connection of its own. A server may hang, so it is waited for only so long."""

    def __init__(self) -> None:
        self._bounded = Bounded()

    def find(self, address: DatabaseAddress, rule: SessionRule, timeout_seconds: float) -> tuple[Session, ...]:
        """Those that the rule means. See `SessionDoor.find`."""
        engine = ENGINES[address.engine]

        def find() -> tuple[Session, ...]:
            with closing(engine.connect(address, timeout_seconds)) as connection:
                return _meant(engine.find(connection, rule, timeout_seconds), rule)

        return self._in_time(address, find, timeout_seconds, timeout_seconds)

    def end(
        self, address: DatabaseAddress, rule: SessionRule, sessions: tuple[Session, ...], timeout_seconds: float
    ) -> EndedSessions:
        """End them. See `SessionDoor.end`."""
        engine, last = ENGINES[address.engine], time.monotonic() + timeout_seconds

        def end() -> EndedSessions:
            became: dict[str, list[Session]] = {}
            with closing(engine.connect(address, timeout_seconds)) as connection:
                for one in sessions:
                    became.setdefault(_end(engine, connection, rule, one, (last, address)), []).append(one)
            refused = tuple((one, why) for why, them in became.items() if why not in ("", GONE) for one in them)
            return EndedSessions(tuple(became.get("", ())), tuple(became.get(GONE, ())), refused)

        # It ends itself at the deadline, so that what was ended is told: only a server that hangs is given up.
        return self._in_time(address, end, timeout_seconds, timeout_seconds + 3)

    def _in_time(self, address: DatabaseAddress, work: Callable[[], T], seconds: float, longest: float) -> T:
        def told() -> T:
            try:
                return work()
            except DoorError:
                raise
            except Exception as error:  # noqa: BLE001 a driver fed with nonsense may raise anything
                raise problem_of(error, address, seconds) from None

        try:
            return self._bounded.call(place_of(address), told, longest)
        except DoorError as problem:
            if problem.kind == "timeout":
                raise problem_of(TimeoutError(), address, seconds) from None
            raise


def _end(engine: Any, connection: Any, rule: SessionRule, one: Session, until: tuple[float, DatabaseAddress]) -> str:
    """End one that is still in the same transaction and meant; "", GONE, or why it stays, so that none is forgotten."""
    left = until[0] - time.monotonic()
    if left <= 0:
        return "the time for it was over"
    try:
        still = {(now.pid, now.mark) for now in engine.find(connection, rule, left)}
        return str(engine.end(connection, one)) if (one.pid, one.mark) in still else GONE
    except Exception as error:  # noqa: BLE001 a driver fed with nonsense may raise anything
        return str(error if isinstance(error, DoorError) else problem_of(error, until[1], left))


def _meant(found: list[Session], rule: SessionRule) -> tuple[Session, ...]:
    """Each once, whosever they may be, the longest first."""
    longest = sorted(found, key=lambda one: (-one.seconds, one.pid))
    once = {one.pid: one for one in reversed(longest)}
    mine = [one for one in longest if once[one.pid] is one]
    users, databases = set(rule.users), set(rule.databases)
    fitting = [one for one in mine if (not users or one.user in users) and (not databases or one.database in databases)]
    return tuple(fitting[: rule.most])
