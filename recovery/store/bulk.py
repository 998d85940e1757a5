"""Rows at little cost, for the hot paths: plain SQL with the tables' own fields, where building it costs the most."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

from recovery.clock import to_micros
from recovery.store import database
from recovery.store.tables import Table, proxy

Row = TypeVar("Row", bound=Table)
One = TypeVar("One")


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


def create(table: type[Row], **values: Any) -> Row:
    """Insert one row with the table's defaults; the row."""
    row = table(**values)
    row.id = add_row(table, {name: value for name, value in row.__data__.items() if name != "id"})
    row._dirty.clear()
    return row


def create_once(table: type[Row], **values: Any) -> Row | None:
    """Insert one row with the table's defaults; None where a rule of one each has it already."""
    row = table(**values)
    columns = {name: value for name, value in row.__data__.items() if name != "id"}
    cursor = proxy.obj.connection().cursor()
    sql = f"{_insert(table, list(columns))} ON CONFLICT DO NOTHING RETURNING id"
    cursor.execute(sql, next(_values(table, list(columns), [columns])))
    found = cursor.fetchone()
    if not found:
        return None
    row.id = found[0]
    row._dirty.clear()
    return row


def _insert(table: type[Table], columns: Sequence[str]) -> str:
    mark = "?" if database.is_sqlite() else "%s"
    names = ", ".join(columns)
    marks = ", ".join(mark for _ in columns)
    return f"INSERT INTO {table._meta.table_name} ({names}) VALUES ({marks})"  # noqa: S608 names are our own


def _values(table: type[Table], columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Iterator[list[Any]]:
    fields = [table._meta.fields[column] for column in columns]
    for row in rows:
        yield [field.db_value(row[column]) for field, column in zip(fields, columns, strict=True)]


def find_rows(table: type[Row], where: str, *values: Any, more: str = "") -> list[Row]:
    """The rows for which the condition holds; `?` stands for each of the values, as in `select`.

    Args:
        more: what follows the condition: ORDER BY, LIMIT.
    """
    columns, converters = _columns(table)
    found = []
    for stored in select(f"SELECT {columns} FROM {table._meta.table_name} WHERE {where} {more}", *values):  # noqa: S608
        row = table()
        row.__data__.update((name, convert(value)) for (name, convert), value in zip(converters, stored, strict=True))
        row._dirty.clear()
        found.append(row)
    return found


def find_row(table: type[Row], where: str, *values: Any) -> Row | None:
    """The one row for which the condition holds, or None."""
    found = find_rows(table, where, *values, more="LIMIT 1")
    return found[0] if found else None


def in_parts(values: Iterable[One], most: int = 500) -> Iterator[list[One]]:
    """The values part by part, each small enough for one statement of any SQLite."""
    known = list(values)
    yield from (known[first : first + most] for first in range(0, len(known), most))


def passing_over() -> str:
    """The end of a query that locks what it finds and passes over what another worker holds, as `skip_locked` does."""
    return "" if database.is_sqlite() else "FOR UPDATE SKIP LOCKED"


def select(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """What a query finds. `?` stands for each of the values, and after IN for a whole list of them."""
    plain: list[Any] = []
    parts = sql.split("?")
    for place, value in enumerate(values):
        if not isinstance(value, list):
            plain.append(to_micros(value) if isinstance(value, datetime) else value)
            parts[place] += "?"
        elif database.is_sqlite():
            plain += value
            parts[place] += f"({', '.join('?' * len(value))})"
        else:  # one text for lists of every length, so that it is prepared once
            plain.append(value)
            parts[place] = parts[place].removesuffix("IN ") + "= ANY(?)"
    return proxy.obj.execute_sql(_marked("".join(parts)), plain).fetchall()


def set_row(table: type[Table], row_id: int, changes: Mapping[str, Any]) -> None:
    """Change columns of one row."""
    fields = [table._meta.fields[name] for name in changes]
    names = ", ".join(f"{name} = ?" for name in changes)
    sql = _marked(f"UPDATE {table._meta.table_name} SET {names} WHERE id = ?")  # noqa: S608 names are our own
    values = [field.db_value(value) for field, value in zip(fields, changes.values(), strict=True)]
    proxy.obj.execute_sql(sql, [*values, row_id])


def set_rows(table: type[Table], changes: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> int:
    """Change many rows at once: [(what they must equal, what they become)], all with the same columns; how many were.

    All the rows are counted that met their conditions, also those that already were as they become.
    """
    if not changes:
        return 0
    where, what = changes[0]
    names = ", ".join(f"{name} = ?" for name in what)
    conditions = " AND ".join(f"{name} = ?" for name in where)
    sql = _marked(f"UPDATE {table._meta.table_name} SET {names} WHERE {conditions}")  # noqa: S608 names are our own
    fields = [table._meta.fields[name] for name in (*what, *where)]
    values = [[*one.values(), *known.values()] for known, one in changes]
    cursor = proxy.obj.connection().cursor()
    cursor.executemany(sql, [[field.db_value(x) for field, x in zip(fields, row, strict=True)] for row in values])
    return cursor.rowcount


@cache
def _columns(table: type[Table]) -> tuple[str, list[tuple[str, Any]]]:
    """The columns of a table, and how each stored value becomes one of ours."""
    fields = table._meta.sorted_fields
    return ", ".join(field.column_name for field in fields), [(field.name, field.python_value) for field in fields]


def _marked(sql: str) -> str:
    return sql if database.is_sqlite() else sql.replace("?", "%s")
