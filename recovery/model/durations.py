"""Durations as people write them ("30s", "5m", "1h30m", "365d"), kept as float seconds."""

import math
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

__all__ = ["LONGEST_SILENCE", "SHORTEST_SILENCE", "Duration", "Period", "Timeout", "parse_duration", "write_duration"]

UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART = r"\d{1,12}(?:\.\d{1,6})?\s?(?:ms|s|m|h|d)"
_WHOLE = re.compile(rf"\s*{_PART}(?:\s?{_PART}){{0,4}}\s*")
_PIECE = re.compile(r"(\d+(?:\.\d+)?)\s?(ms|s|m|h|d)")
HELP = 'write a number and a unit: "500ms", "30s", "5m", "1h", "1h30m" or "365d"'


def parse_duration(value: Any) -> float:
    """Seconds of a duration; a bare number is taken as seconds.

    Raises:
        ValueError: not a duration, negative or without an end; the message says how to write one.
    """
    if isinstance(value, str):
        seconds = _parse_text(value)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = _finite(value)
    else:
        raise ValueError(f"{_shown(value)} is not a duration; {HELP}")
    if seconds < 0 or not math.isfinite(seconds):
        raise ValueError(f"{_shown(value)} is not a length of time; it must be 0 or more, and end")
    return seconds


def _finite(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _parse_text(text: str) -> float:
    if _WHOLE.fullmatch(text):
        return sum(float(number) * UNITS[unit] for number, unit in _PIECE.findall(text))
    if re.fullmatch(r"\s*-?\d{1,12}(\.\d{1,6})?\s*", text):
        return float(text)
    raise ValueError(f"{_shown(text)} is not a duration; {HELP}")


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, (str, int, float, bool)) else f"a {type(value).__name__}"
    return text if len(text) <= 40 else text[:39] + "…"


def write_duration(seconds: float) -> str:
    """The shortest way to write so many seconds, in the largest unit that gives a whole number."""
    if seconds == 0:
        return "0s"
    for unit, size in UNITS.items():
        count = seconds / size
        if count >= 1 and abs(count - round(count)) < 1e-9:
            return f"{round(count)}{unit}"
    return f"{seconds:.6f}".rstrip("0").rstrip(".") + "s"


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(write_duration, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^\s*(\d+(\.\d+)?\s?(ms|s|m|h|d)\s?)+$|^\s*\d+(\.\d+)?\s*$"},
                {"type": "number", "minimum": 0},
            ],
            "description": HELP,
            "examples": ["30s", "5m", "1h", "365d"],
        }
    ),
]
"""A pydantic field type: reads "5s" or 5, holds float seconds, is written back as "5s" in JSON."""


LONGEST_TIMEOUT_SECONDS = 86_400.0


def _check_timeout(seconds: float) -> float:
    if not 0 < seconds <= LONGEST_TIMEOUT_SECONDS:
        raise ValueError("a timeout is more than 0s and at most 1d")
    return seconds


Timeout = Annotated[Duration, AfterValidator(_check_timeout)]
"""A `Duration` that something is waited for: more than nothing, at most a day."""


LONGEST_PERIOD_SECONDS = 31_536_000.0


def _check_period(seconds: float) -> float:
    if not 0 < seconds <= LONGEST_PERIOD_SECONDS:
        raise ValueError("a period is more than 0s and at most 365d")
    return seconds


Period = Annotated[Duration, AfterValidator(_check_period)]
"""A `Duration` over which something is counted or looked ahead: more than nothing, at most a year."""


SHORTEST_SILENCE, LONGEST_SILENCE = 30.0, 86_400.0
"""How soon a sender's own silence may count, seconds, where the sender itself says it. A configuration may say more."""
