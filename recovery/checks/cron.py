"""When schedules of cron were due, for the checks that miss what did not come."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator

__all__ = ["TimeZone", "last_due", "zone_of"]


def last_due(cron: str, until: datetime, zone: tzinfo = UTC) -> datetime:
    """The last time at or before `until` that `cron` means in that time zone, in UTC.

    Raises:
        ValueError: it means none.
    """
    try:
        # The moment, so that `until` itself counts, is added in UTC: in the hour that comes twice, wall clocks cannot
        # say which of the two is meant.
        begin = (until.astimezone(UTC) + timedelta(microseconds=1)).astimezone(zone)
        return next(CronSim(cron, begin, reverse=True)).astimezone(UTC)
    except (CronSimError, StopIteration):
        raise ValueError("these are no fields of cron, or they never meet") from None


def zone_of(name: str) -> tzinfo:
    """The time zone of that name, UTC for "".

    Raises:
        ValueError: there is none.
    """
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("write a time zone, such as UTC or Asia/Seoul") from None


def _is_timezone(value: str) -> str:
    zone_of(value)
    return value


TimeZone = Annotated[str, AfterValidator(_is_timezone)]
"""The name of a time zone, or ""."""
