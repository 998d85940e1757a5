"""What agents are asked to restart (the tables `requests` and `agents`)."""

from recovery.store.later import add_what_is_missing


def migrate(migrator, database, fake=False, **kwargs):
    if not fake:
        add_what_is_missing(database)


def rollback(migrator, database, fake=False, **kwargs):
    """Tables that are no longer read do no harm."""
