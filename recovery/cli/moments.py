"""Reads moments as people write them."""

from datetime import UTC, datetime, timedelta

from recovery.model.durations import parse_duration


def read_moment(text: str, now: datetime) -> datetime:
    """A moment from ISO 8601 (UTC where it names no zone), or from how long ago it was (`24h`, `30d`).

    Raises:
        ValueError: it is neither, or lies before the year 1.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return _ago(text, now)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _ago(text: str, now: datetime) -> datetime:
    try:
        return now - timedelta(seconds=parse_duration(text))
    except (ValueError, OverflowError):
        wanted = "a time, such as 2026-01-31 or 2026-01-31T08:00+01:00, or how long ago, such as 24h or 30d"
        raise ValueError(f"{text!r} is not {wanted}") from None
