"""Takes values out of payloads that may hold anything."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from recovery.model import Severity, Signal, SignalKind, hidden_in, without_hidden

MOST_PER_CALL = 1_000
MOST_NUMBER = 1e12
SECONDS_BELOW = 1e11  # a time below it is in seconds since 1970, above in milliseconds
MOST_TEXT = 1e300  # Python refuses to write out integers of thousands of digits

SEVERITIES = {
    Severity.CRITICAL: ("critical", "crit", "fatal", "emergency", "disaster", "page", "p1"),
    Severity.HIGH: ("high", "error", "err", "major", "p2"),
    Severity.MEDIUM: ("medium", "warning", "warn", "average", "p3"),
    Severity.LOW: ("low", "info", "information", "informational", "notice", "minor", "none", "ok", "p4", "p5"),
}
WORDS = {word: severity for severity, words in SEVERITIES.items() for word in words}


class BadPayload(ValueError):
    """A payload that cannot be taken in; the message says what is wrong and where."""


def section(value: Any, *path: str) -> Mapping[str, Any]:
    """The object at `path`, or an empty one where there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def text(value: Any, limit: int = 2_000) -> str:
    """A string or number as text, cut at `limit` characters; "" for anything else."""
    if isinstance(value, str):
        cut = value[:limit]
        return cut if cut.isascii() and "\x00" not in cut else storable(cut)
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MOST_TEXT:
        return str(value)[:limit]
    return ""


def storable(value: str) -> str:
    """The text without what databases and UTF-8 refuse: NUL and lone surrogates."""
    return value.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def identity(value: Any, where: str) -> str:
    """An id: a non-empty string or a whole number, at most 200 characters.

    Raises:
        BadPayload: it is none of these.
    """
    whole_one = isinstance(value, int) and not isinstance(value, bool) and abs(value) < MOST_TEXT
    found = str(value) if whole_one else value
    if not isinstance(found, str) or not found.strip():
        raise BadPayload(f"{where} must be a non-empty string or a whole number")
    if len(found) > 200 or "\x00" in found:
        raise BadPayload(f"{where} must be at most 200 characters, without NUL")
    return storable(found.strip())


def component_name(value: Any, where: str) -> str:
    """The name of a component, as its sender means it.

    Raises:
        BadPayload: it is no id, or holds signs that are not seen: it would look like another name.
    """
    found = identity(value, where)
    if hidden := hidden_in(found):
        raise BadPayload(f"{where} holds {hidden}, which is not seen: a name has no control or invisible signs")
    return found


def whole(value: Any) -> int | None:
    """A whole number from a number or its decimal text; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)
    return value if isinstance(value, int) and abs(value) < 10**15 else None


def number(value: Any) -> float | None:
    """A finite number from 0 to 10^12, as lengths of time are; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < MOST_NUMBER else None  # compared first: a longer integer fits no float


def moment(value: Any) -> datetime | None:
    """A time given as ISO 8601 text, or as seconds or milliseconds since 1970; None for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 4e12:
        return datetime.fromtimestamp(value if value < SECONDS_BELOW else value / 1000, tz=UTC)
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found
    return found.astimezone(UTC) if 1971 < found.year < 2999 else None


def named(value: Any, where: str) -> str:
    """The name that a monitor gives to what it watches: nobody there could mend one that is long or holds odd signs.

    It is cut at 200 characters, and what is not seen is left out.

    Raises:
        BadPayload: there is none.
    """
    found = without_hidden(text(value, 200)).strip()
    if not found:
        raise BadPayload(f"{where} must be a non-empty text")
    return found


def severity_of(value: Any) -> Severity | None:
    """The severity that a monitor's word means; None for a word that is not known."""
    return WORDS.get(text(value, 40).strip().lower())


def numbered(delivery: str | None, index: int) -> str | None:
    """The delivery's id for one of the several facts that it brings."""
    return f"{delivery}#{index}" if delivery else None


def joined(parts: Iterable[str], sign: str = ": ") -> str:
    """The parts that say something, as one text."""
    return sign.join(part for part in parts if part)


def reading(
    source: str, component: str, healthy: bool | None, delivery: str | None, key: str = "", **facts: Any
) -> Signal:
    """What a monitor says of a component. It has counted and waited by itself, so that one message is enough."""
    body = {"component": component, "healthy": healthy, **facts}
    kept = {name: value for name, value in body.items() if value not in (None, "")}
    certain = {} if healthy is None else {"certain": True}
    return Signal(key, SignalKind.READING, source, "", {**certain, **kept}, delivery)
