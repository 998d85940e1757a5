"""An n8n that counts its executions anew (a new database, or one that was put back): its old numbers make room."""

from datetime import datetime

from recovery.model import ExecutionState
from recovery.store.executions import move_chain
from recovery.store.sites import find_site, set_site
from recovery.store.tables import ExecutionRow, MemberRow, SignalRow, proxy

UNDONE = (ExecutionState.WAITING, ExecutionState.RETRYING)
GONE = "n8n counts its executions anew: its database was replaced, and this run is no longer in it"
UNKNOWN = "n8n's database was put back after a retry of it had begun, so nobody can know whether that ran"
REPLAYED = "n8n's database was put back since the replay had read it: order another"


def set_newest(name: str, execution_id: int, now: datetime) -> None:
    """Note the highest number that an n8n has given so far."""
    known = find_site(name)
    if known and (known.newest_id or 0) < execution_id:
        set_site(name, known.state, known.detail, now, newest_id=execution_id, newest_at=now)


def number_anew(name: str, now: datetime, keys: str, kept: int = 0) -> None:
    """Keep the history of the executions that n8n has lost under names that no run will have.

    What was undone of them is left alone. What n8n has got back stays what it was: recovered, left alone, or waiting.

    Args:
        keys: what the keys of signals of its executions begin with, before the number.
        kept: up to this number its executions are the same as before; 0 where none is.
    """
    known = find_site(name)
    generation = (known.generation if known else 0) + 1
    undone = (ExecutionRow.site == name) & (ExecutionRow.state.in_(UNDONE) | ExecutionRow.asks)
    for chain in list(ExecutionRow.select().where(undone)):
        _settle(chain, kept, now)
    mark = f"old{generation}:"
    for table, column in ((ExecutionRow, "root_id"), (ExecutionRow, "leaf_id"), (MemberRow, "execution_id")):
        _rename(table, column, column, kept, (mark, name))
    _rename(SignalRow, "key", f"SUBSTR(key, {len(keys) + 1})", kept, (mark, name))
    state, detail = (known.state, known.detail) if known else ("unknown", "")
    set_site(name, state, detail, now, generation=generation, newest_id=None, newest_at=None)


def _settle(chain: ExecutionRow, kept: int, now: datetime) -> None:
    """Only what waits and is there as before goes on."""
    if _is_lost(chain.root_id, kept):
        move_chain(chain, ExecutionState.LEFT_ALONE, GONE, now, asks=False)
    elif chain.replay_id:
        move_chain(chain, ExecutionState.LEFT_ALONE, REPLAYED, now, asks=False)
    elif chain.state == ExecutionState.RETRYING:
        move_chain(chain, ExecutionState.LEFT_ALONE, UNKNOWN, now, asks=True, leaf_id=chain.root_id)
    elif _is_lost(chain.leaf_id, kept):
        ExecutionRow.update(leaf_id=chain.root_id).where(ExecutionRow.id == chain.id).execute()


def _is_lost(execution_id: str, kept: int) -> bool:
    return not execution_id.isdigit() or int(execution_id) > kept


def _rename(table: type, column: str, number: str, kept: int, named: tuple[str, str]) -> None:
    """Mark what has a higher number than `kept`: numbers are text here, of which a longer one is higher."""
    place = "?" if "Sqlite" in type(proxy.obj).__name__ else "%s"
    lost = f"(LENGTH({number}) > {place} OR (LENGTH({number}) = {place} AND {number} > {place}))"
    sql = f"UPDATE {table._meta.table_name} SET {column} = {place} || {column} WHERE site = {place} AND {lost}"  # type: ignore[attr-defined]  # noqa: S608
    last = str(kept)
    proxy.obj.execute_sql(sql, (*named, len(last), len(last), last))
