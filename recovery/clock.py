"""The only reader of wall time. Everything else takes `now` as an argument, or asks here just beside an effect."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _wall() -> datetime:
    return datetime.now(UTC)


_source: Callable[[], datetime] = _wall


def utc_now() -> datetime:
    """The present, aware, in UTC."""
    return _source()


def use_source(source: Callable[[], datetime] | None) -> None:
    """Take the present from elsewhere: for tests that live through hours in a moment. None: the wall clock again."""
    global _source
    _source = source or _wall


def to_micros(moment: datetime) -> int:
    """Whole microseconds since 1970 in UTC; how every time is stored.

    Raises:
        ValueError: the moment is naive, so nobody knows what it means.
    """
    if moment.tzinfo is None:
        raise ValueError(f"a time without a zone: {moment!r}")
    return (moment - EPOCH) // timedelta(microseconds=1)


def from_micros(micros: int) -> datetime:
    """The aware UTC moment that `to_micros` stored."""
    return EPOCH + timedelta(microseconds=micros)
