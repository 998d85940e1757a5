"""What checks remember from look to look, as small JSON: times, how a counter grew, since when something is bad."""

from datetime import datetime, timedelta
from typing import Any

from recovery.model.moments import read_aware

__all__ = ["Growth", "held_seconds", "known_seconds", "known_time"]

MOST_STEPS = 60
AHEAD = timedelta(seconds=60)


def known_time(value: Any, now: datetime) -> datetime | None:
    """A remembered ISO 8601 time; None where it is none, or lies ahead.

    One that lies ahead was written by a clock that was wrong, and would hold for as long as that clock was ahead. Up to
    a minute is another machine's clock, and counts as now.
    """
    found = read_aware(value)
    return min(found, now) if found and found - now <= AHEAD else None


def known_seconds(value: Any, now: datetime) -> float | None:
    """The same of a time in seconds since 1970."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    at = now.timestamp()
    return min(float(value), at) if value - at <= AHEAD.total_seconds() else None


class Growth:
    """How much a counter has grown within a length of time, over looks that may be far apart.

    A counter that is lower than before began anew, because somebody started what it counts: what was before is
    forgotten, so that a restart that helped is not held to be one of a loop.

    Args:
        memory: what `memory` gave at the last look; None at the first, which knows of no growth.
    """

    def __init__(self, memory: Any, count: int, now: datetime, within_seconds: float):
        known = memory if isinstance(memory, dict) else {}
        before, now_at = known.get("count", count), now.timestamp()
        anew = count < before
        grown = count if anew else count - before
        seen = [(known_seconds(at, now), more) for at, more in ([] if anew else known.get("steps", []))]
        steps = [[at, more] for at, more in seen if at is not None and now_at - at < within_seconds]
        if grown:
            steps.append([now_at, grown])
        while len(steps) > MOST_STEPS:  # the two oldest become one, at the later of their times
            (_, first), (later, second) = steps[:2]
            steps[:2] = [[later, first + second]]
        self.memory: dict[str, Any] = {"count": count, "steps": steps}

    @property
    def total(self) -> int:
        """By how much."""
        return sum(step[1] for step in self.memory["steps"])


def held_seconds(since: dict[str, float], name: str, is_bad: bool, now: datetime) -> float | None:
    """How long `name` has been bad, seconds; None where it is good. `since` is kept from look to look."""
    if not is_bad:
        since.pop(name, None)
        return None
    since[name] = known_seconds(since.get(name), now) or now.timestamp()
    return now.timestamp() - since[name]
