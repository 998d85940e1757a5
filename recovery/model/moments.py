"""Times as other programs write them."""

from datetime import datetime
from typing import Any

__all__ = ["read_aware"]


def read_aware(value: Any) -> datetime | None:
    """An ISO 8601 time with its zone; None for anything else."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else None
