"""The only reader of wall time. Everything else takes `now` as an argument."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc_now() -> datetime:
    """The present, aware, in UTC."""
    return datetime.now(UTC)


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
