"""HTTP statuses as configurations write them: 200, "2xx" or "200-299"."""

import re
from typing import Any

__all__ = ["span_of", "spans_of"]

_STATUS = re.compile(r"(?P<hundred>[1-5])xx|(?P<low>[1-5]\d\d)(?:-(?P<high>[1-5]\d\d))?", re.ASCII | re.IGNORECASE)


def span_of(text: str) -> tuple[int, int] | None:
    """The lowest and the highest status that `text` means; None where it means none."""
    found = _STATUS.fullmatch(text)
    if not found:
        return None
    if found["hundred"]:
        return int(found["hundred"]) * 100, int(found["hundred"]) * 100 + 99
    low, high = int(found["low"]), int(found["high"] or found["low"])
    return (low, high) if low <= high else None


def spans_of(given: Any) -> list[tuple[int, int]]:
    """The same of one status or of a list of them; what means none is left out."""
    listed = given if isinstance(given, list | tuple) else [given]
    return [span for one in listed if (span := span_of(str(one).strip()))]
