"""Replays after an outage (the table `replays`), and which chains they run again (executions.replay_id)."""

from recovery.store.indexes import INDEXES
from recovery.store.later import add_what_is_missing


def migrate(migrator, database, fake=False, **kwargs):
    if fake:
        return
    add_what_is_missing(database)
    for statement in INDEXES:
        database.execute_sql(statement)


def rollback(migrator, database, fake=False, **kwargs):
    """A table and a column that are no longer read do no harm."""
