"""Times as other programs write them, and as people read them."""

from datetime import datetime, timedelta
from typing import Any

__all__ = ["read_aware", "write_length"]


def read_aware(value: Any) -> datetime | None:
    """An ISO 8601 time with its zone; None for anything else."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else None


def write_length(time: timedelta) -> str:
    """A length of time in its largest unit of which there are at least two: `90 s`, `15 min`, `3 h`."""
    seconds = int(time.total_seconds())
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min" if seconds < 7_200 else f"{seconds // 3_600} h"
