"""What checks remember from look to look, as small JSON: how a counter grew, and since when something is bad."""

from datetime import datetime
from typing import Any

__all__ = ["Growth", "held_seconds"]

MOST_STEPS = 60


class Growth:
    """How much a counter has grown within a length of time, over looks that may be far apart.

    A counter that is lower than before began anew, because somebody started what it counts: what was before is
    forgotten, so that a restart that helped is not held to be one of a loop.

    Args:
        memory: what `memory` gave at the last look; None at the first, which knows of no growth.
    """

    def __init__(self, memory: Any, count: int, now: datetime, within_seconds: float):
        known = memory if isinstance(memory, dict) else {}
        before, at = known.get("count", count), now.timestamp()
        anew = count < before
        grown = count if anew else count - before
        steps = [step for step in known.get("steps", []) if not anew and at - step[0] < within_seconds]
        if grown:
            steps.append([at, grown])
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
    return now.timestamp() - since.setdefault(name, now.timestamp())
