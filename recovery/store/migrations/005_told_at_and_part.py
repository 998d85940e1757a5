"""When a sender says that its word was (`components.told_at`), and which part of us a process is (`workers.part`)."""

from recovery.store.later import add_what_is_missing


def migrate(migrator, database, fake=False, **kwargs):
    if not fake:
        add_what_is_missing(database)


def rollback(migrator, database, fake=False, **kwargs):
    """Columns that are no longer read do no harm."""
