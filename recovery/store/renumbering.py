"""An n8n that counts its executions anew (a new database, or one that was put back): its old numbers make room."""

from datetime import datetime

from recovery.model import ExecutionState
from recovery.store.executions import move_chain
from recovery.store.sites import find_site, set_site
from recovery.store.tables import ExecutionRow, MemberRow, SignalRow, proxy

UNDONE = (ExecutionState.WAITING, ExecutionState.RETRYING)


def set_newest(name: str, execution_id: int, now: datetime) -> None:
    """Note the highest number that an n8n has given so far."""
    known = find_site(name)
    if known and (known.newest_id or 0) < execution_id:
        set_site(name, known.state, known.detail, now, newest_id=execution_id, newest_at=now)


def number_anew(name: str, because: str, now: datetime) -> None:
    """Keep the history of the old executions under names that no run will have, and leave alone what was undone."""
    known = find_site(name)
    generation = (known.generation if known else 0) + 1
    undone = (ExecutionRow.site == name) & (ExecutionRow.state.in_(UNDONE) | ExecutionRow.asks)
    for chain in list(ExecutionRow.select().where(undone)):
        move_chain(chain, ExecutionState.LEFT_ALONE, because, now, asks=False)
    mark = f"old{generation}:"
    for table, column in ((ExecutionRow, "root_id"), (ExecutionRow, "leaf_id"), (MemberRow, "execution_id")):
        _rename(table, column, mark, name)
    _rename(SignalRow, "key", mark, name)
    state, detail = (known.state, known.detail) if known else ("unknown", "")
    set_site(name, state, detail, now, generation=generation, newest_id=None, newest_at=None)


def _rename(table: type, column: str, mark: str, site: str) -> None:
    place = "?" if "Sqlite" in type(proxy.obj).__name__ else "%s"
    sql = f"UPDATE {table._meta.table_name} SET {column} = {place} || {column} WHERE site = {place}"  # type: ignore[attr-defined]  # noqa: S608
    proxy.obj.execute_sql(sql, (mark, site))
