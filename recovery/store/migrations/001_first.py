"""The first tables: all of recovery.store.tables as it stood."""

from recovery.store.indexes import INDEXES
from recovery.store.tables import TABLES


def migrate(migrator, database, fake=False, **kwargs):
    if fake:
        return
    database.create_tables(TABLES, safe=True)
    for statement in INDEXES:
        database.execute_sql(statement)


def rollback(migrator, database, fake=False, **kwargs):
    database.drop_tables(reversed(TABLES), safe=True)
