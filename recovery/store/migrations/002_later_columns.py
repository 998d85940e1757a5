"""What came to the tables after the first ones were made: columns, with a value for the rows there are, and tables."""

import peewee as pw
from playhouse.migrate import PostgresqlMigrator, SqliteMigrator, migrate as apply

from recovery.store.tables import TABLES

FILLED_FROM = {("incidents", "failed_at"): "last_signal_at"}


def migrate(migrator, database, fake=False, **kwargs):
    if fake:
        return
    database.create_tables(TABLES, safe=True)
    change = SqliteMigrator(database) if isinstance(database, pw.SqliteDatabase) else PostgresqlMigrator(database)
    for table in TABLES:
        name = table._meta.table_name
        known = {column.name for column in database.get_columns(name)}
        for field in table._meta.sorted_fields:
            if field.column_name not in known:
                add(database, change, name, field)


def add(database, change, name, field):
    added = field.clone()
    added.index = added.unique = False
    if not field.null and field.default is None:
        added.null = True  # rows there are have none yet
    apply(change.add_column(name, field.column_name, added))
    source = FILLED_FROM.get((name, field.column_name))
    if source:
        database.execute_sql(f"UPDATE {name} SET {field.column_name} = {source}")


def rollback(migrator, database, fake=False, **kwargs):
    """Columns that are no longer read do no harm."""
