"""How values are stored: times as BIGINT microseconds in UTC, JSON as text, and what all tables share."""

import json
from datetime import datetime
from typing import Any

import peewee as pw

from recovery.clock import from_micros, to_micros

proxy = pw.DatabaseProxy()


class TimeField(pw.BigIntegerField):
    """An aware datetime, stored as whole microseconds since 1970 in UTC."""

    def db_value(self, value: Any) -> Any:
        return to_micros(value) if isinstance(value, datetime) else value

    def python_value(self, value: Any) -> Any:
        return from_micros(value) if isinstance(value, int) else value


class JsonField(pw.TextField):
    """Any JSON value, stored as text on both engines."""

    def db_value(self, value: Any) -> Any:
        return value if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def python_value(self, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) else value


class Table(pw.Model):
    """What all tables share."""

    id = pw.BigAutoField()

    class Meta:
        database = proxy
        legacy_table_names = False


class Lease(Table):
    """What is claimed, run and recorded: the fence tells an old holder that somebody took over."""

    fence = pw.IntegerField(default=0)
    lease_until = TimeField(null=True)
    worker = pw.TextField(null=True)
    run_at = TimeField(null=True)
