"""Times of day that come back, and whose week it is, by the wall clocks of people, whatever is done to those."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from recovery.model import Hours, RotationPlan

DAY, WEEK = timedelta(days=1), timedelta(weeks=1)
MOST_WINDOWS = 50


def end_of(hours: Hours, at: datetime) -> datetime | None:
    """When the hours end that `at` lies in; None where it lies in none. A night has the date of its evening."""
    zone = ZoneInfo(hours.timezone)
    today = at.astimezone(zone).date()
    for day in (today, today - DAY):
        if hours.days and day.weekday() not in hours.days:
            continue
        begin = _moment(day, hours.begin, zone)
        end = _moment(day if hours.end > hours.begin else day + DAY, hours.end, zone)
        if begin <= at < end:
            return end
    return None


def end_of_all(many: Iterable[Hours], at: datetime) -> datetime:
    """The first moment from `at` on that lies in none of them; where there is none, one that is far away."""
    listed = list(many)
    for _ in range(MOST_WINDOWS):
        ends = [end for hours in listed if (end := end_of(hours, at))]
        if not ends:
            break
        at = max(ends)
    return at


def on_call(rotation: RotationPlan, at: datetime) -> str:
    """Who of a rotation is on call then. Before its first week the turns are counted backwards."""
    zone = ZoneInfo(rotation.timezone)
    begin = datetime.combine(rotation.starts, datetime.min.time()) + timedelta(minutes=rotation.at)
    week = (at.astimezone(zone).replace(tzinfo=None) - begin) // WEEK
    # Where clocks are set, wall time alone would hand it over twice, or to and fro.
    if at >= _week(rotation, week + 1, zone):
        week += 1
    elif at < _week(rotation, week, zone):
        week -= 1
    return rotation.people[week % len(rotation.people)]


def _week(rotation: RotationPlan, number: int, zone: ZoneInfo) -> datetime:
    return _moment(rotation.starts + number * WEEK, rotation.at, zone)


def _moment(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    """A wall time as a moment; one that is skipped comes as much later, of one that comes twice the first counts."""
    wall = datetime.combine(day, datetime.min.time()) + timedelta(minutes=minutes)
    return wall.replace(tzinfo=zone).astimezone(UTC)
