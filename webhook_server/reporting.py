"""The reports of a day and of a week, as people are sent them."""

from datetime import timedelta

from recovery import clock
from recovery.analytics.periods import count_period
from webhook_server.alert_schemas import Period
from webhook_server.asked import PeriodQuery, read_query
from webhook_server.problems import Problem

EARLIEST_YEAR = 1971
LENGTHS = {"daily": timedelta(days=1), "weekly": timedelta(days=7)}


def show_period(period: str) -> Period:
    """The report of the day or week before the moment that is asked for.

    Raises:
        Problem: that is before anything was counted.
    """
    until = read_query(PeriodQuery).until or clock.utc_now()
    if until.year < EARLIEST_YEAR:
        raise Problem(400, "Bad request", f"until: nothing was counted before {EARLIEST_YEAR}")
    return Period(**count_period(period, until - LENGTHS[period], until))
