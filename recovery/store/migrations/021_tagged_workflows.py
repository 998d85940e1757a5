"""Workflows that are tagged in n8n (the table `tagged_workflows`)."""

from recovery.store.later import add_what_is_missing


def migrate(migrator, database, fake=False, **kwargs):
    if not fake:
        add_what_is_missing(database)


def rollback(migrator, database, fake=False, **kwargs):
    """A table that is no longer read does no harm."""
