"""Many rows at little cost: what the engine's own driver does, with the tables' own fields."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from recovery.store import database
from recovery.store.tables import Table, proxy


def add_rows(table: type[Table], rows: Sequence[Mapping[str, Any]], conflict: str = "") -> None:
    """Insert rows that all have the same columns; `conflict` is the SQL clause for those that exist."""
    if not rows:
        return
    columns = list(rows[0])
    cursor = proxy.obj.connection().cursor()
    cursor.executemany(_insert(table, columns) + conflict, list(_values(table, columns, rows)))


def add_row(table: type[Table], row: Mapping[str, Any]) -> int:
    """Insert one row; its id."""
    columns = list(row)
    cursor = proxy.obj.connection().cursor()
    cursor.execute(_insert(table, columns) + " RETURNING id", next(_values(table, columns, [row])))
    return cursor.fetchone()[0]


def _insert(table: type[Table], columns: Sequence[str]) -> str:
    mark = "?" if database.is_sqlite() else "%s"
    names = ", ".join(columns)
    marks = ", ".join(mark for _ in columns)
    return f"INSERT INTO {table._meta.table_name} ({names}) VALUES ({marks})"  # noqa: S608 names are our own


def _values(table: type[Table], columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Iterator[list[Any]]:
    fields = [table._meta.fields[column] for column in columns]
    for row in rows:
        yield [field.db_value(row[column]) for field, column in zip(fields, columns, strict=True)]
