"""How checks name what they found, so that a reading stays one short sentence."""

from collections.abc import Sequence
from datetime import timedelta

__all__ = ["length", "name_some"]


def name_some(found: Sequence[str], most: int = 5) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more


def length(time: timedelta) -> str:
    """A length of time in words, in the unit that suits it."""
    minutes = int(time.total_seconds() // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h" if minutes < 2_880 else f"{minutes // 1_440} d"
