"""What came to the tables after they were first made: columns, with a value for the rows there are, and tables."""

from typing import Any

import peewee as pw
from playhouse.migrate import PostgresqlMigrator, SqliteMigrator
from playhouse.migrate import migrate as apply

from recovery.store.tables import TABLES

NULL_BY_NOW = (("steps", "recovery_id"), ("steps", "incident_id"), ("orders", "incident_id"))
FILLED_FROM = {("incidents", "failed_at"): "last_signal_at"}


def add_what_is_missing(database: Any) -> None:
    """Add the tables and columns that a database of an earlier version lacks; others stay as they are."""
    database.create_tables(TABLES, safe=True)
    change = _changer(database)
    for table in TABLES:
        name = table._meta.table_name
        known = {column.name for column in database.get_columns(name)}
        for field in table._meta.sorted_fields:
            if field.column_name not in known:
                _add(database, change, name, field)


def let_be_null(database: Any) -> None:
    """Columns that always had a value, and need none any more."""
    change = _changer(database)
    for table, column in NULL_BY_NOW:
        if not next(one.null for one in database.get_columns(table) if one.name == column):
            apply(change.drop_not_null(table, column))


def _changer(database: Any) -> Any:
    return SqliteMigrator(database) if isinstance(database, pw.SqliteDatabase) else PostgresqlMigrator(database)


def _add(database: Any, change: Any, name: str, field: Any) -> None:
    added = field.clone()
    added.index = added.unique = False
    if not field.null and field.default is None:
        added.null = True  # rows there are have none yet
    apply(change.add_column(name, field.column_name, added))
    source = FILLED_FROM.get((name, field.column_name))
    if source:
        database.execute_sql(f"UPDATE {name} SET {field.column_name} = {source}")  # noqa: S608 names are our own
