"""Reads moments as people write them."""

import re
from datetime import UTC, date, datetime, timedelta

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


def read_certain_moment(text: str, now: datetime) -> datetime:
    """The same where an hour more or less would do harm: a time must name its zone; a day begins at midnight in UTC.

    Raises:
        ValueError: it is no moment, or names no zone; the message says how to write it.
    """
    text = text.strip()
    if text == "now":
        return now
    if text.isdigit() and len(text) != len("20260131"):
        raise ValueError(f"{text!r} has no unit: write {text}m or {text}h for how long ago it was")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _ago(re.sub(r"\s*ago$", "", text), now)
    if moment.tzinfo is None and not _is_day(text):
        raise ValueError(f"{text!r} names no time zone: write {_with_zones(moment)}")
    return read_moment(text, now)


def _is_day(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False


def _with_zones(moment: datetime) -> str:
    """A time without a zone as it would be written: in UTC, and as this machine's clocks show it."""
    plain = moment.isoformat(timespec="seconds" if moment.second else "minutes")
    try:
        here = moment.astimezone().isoformat(timespec="minutes")
    except (OverflowError, OSError, ValueError):
        return f"{plain}Z for UTC"
    same = here.endswith("+00:00")
    return f"{plain}Z for UTC" + (
        f", or {plain}+09:00 for Seoul, say" if same else f", or {here} for this machine's zone"
    )


def _ago(text: str, now: datetime) -> datetime:
    try:
        return now - timedelta(seconds=parse_duration(text))
    except (ValueError, OverflowError):
        wanted = "a time, such as 2026-01-31 or 2026-01-31T08:00+01:00, or how long ago, such as 24h or 30d"
        raise ValueError(f"{text!r} is not {wanted}") from None
