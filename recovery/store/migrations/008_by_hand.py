"""Actions that people run by hand: orders and steps without an incident and a recovery; and suggestions."""

from recovery.store.indexes import INDEXES
from recovery.store.later import add_what_is_missing, let_be_null


def migrate(migrator, database, fake=False, **kwargs):
    if not fake:
        let_be_null(database)
        add_what_is_missing(database)
        for index in INDEXES:
            database.execute_sql(index)


def rollback(migrator, database, fake=False, **kwargs):
    """What is no longer read does no harm."""
