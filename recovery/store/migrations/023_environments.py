"""Environments of commands that were stored whole: of their variables the names alone stay."""

import json

from recovery.redact import redact

HOLD_ARGUMENTS = (("steps", "args"), ("orders", "shown"), ("recoveries", "playbook"))


def migrate(migrator, database, fake=False, **kwargs):
    if not fake:
        for table, column in HOLD_ARGUMENTS:
            _take_out(database, table, column)


def _take_out(database, table, column):
    mark = database.param
    found = database.execute_sql(f"SELECT id, {column} FROM {table} WHERE {column} LIKE {mark}", ('%"env"%',))
    for row_id, text in found.fetchall():
        known = json.loads(text)
        clean = _clean(known) if table == "recoveries" else redact(known)
        if clean != known:
            words = json.dumps(clean, ensure_ascii=False, separators=(",", ":"))
            database.execute_sql(f"UPDATE {table} SET {column} = {mark} WHERE id = {mark}", (words, row_id))


def _clean(value):
    """The arguments of a playbook's plugins without secrets; all else as it is."""
    if isinstance(value, list):
        return [_clean(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {name: redact(one) if name == "args" else _clean(one) for name, one in value.items()}


def rollback(migrator, database, fake=False, **kwargs):
    """What was taken out is gone."""
