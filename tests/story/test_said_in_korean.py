"""What history tells of a long day is Korean on a Korean page: a reason without a phrase of its own is noticed here."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from recovery.alerts.messages.phrases import said_in
from recovery.store import database
from recovery.store.tables import IncidentRow
from tests.story.test_trust import live  # noqa: F401  the fixture

DAY = [
    ("fail", "db"),
    ("wait", 65),
    ("fail", "api", "pay"),
    ("effects", 4, "in vain"),
    ("wait", 400),
    ("order", "acknowledge", 0, "right"),
    ("order", "pause", 1, "right"),
    ("wait", 3),
    ("order", "resume", 1, "right"),
    ("order", "approve", 0, "right"),
    ("wait", 400),
    ("mend_and_wait", "db"),
    ("run", "w1", 503),
    ("run", "w2", 504),
    ("run", "w2", "slow"),
    ("run", "w3", 503),
    ("run", "w4", 401),
    ("poll",),
    ("wait", 65),
    ("order", "reject", 1, "right"),
    ("order", "retry_now", 0, "none"),
    ("effects", 45, "heals"),
    ("crash", True),
    ("wait", 400),
    ("maintain", "api", 60),
    ("fail", "api"),
    ("wait", 65),
    ("turn_dry", True),
    ("fail", "db"),
    ("wait", 400),
    ("turn_dry", False),
    ("order", "cancel", 0, "right"),
    ("order", "resolve", 1, "right"),
    ("wait", 4000),
]
COLUMNS = [(table, "because") for table in ("incidents", "recoveries", "steps", "executions", "events", "orders")]
IS_KOREAN = re.compile("[가-힣]")


def test_each_reason_of_a_long_day_is_told_in_korean(
    live: Callable[..., Any],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: set[str] = set()
    close = database.close_database

    def read_and_close() -> None:
        for table, column in COLUMNS if "/world" in database.database_url() else ():  # not another test's
            asked = f"SELECT DISTINCT {column} FROM {table} WHERE {column} != ''"
            told.update(row[0] for row in IncidentRow._meta.database.execute_sql(asked).fetchall())
        close()

    monkeypatch.setattr(database, "close_database", read_and_close)
    live(DAY)
    assert len(told) > 40, "the day tells of much"
    assert [one for one in sorted(told) if not IS_KOREAN.search(said_in("ko", one))] == []
