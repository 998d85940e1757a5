"""Steps that only tell what they would do, and what actions remember (`steps.dry`, `steps.memory`, `steps.host`), and when a person closed a breaker."""

from recovery.store.later import add_what_is_missing


def migrate(migrator, database, fake=False, **kwargs):
    if not fake:
        add_what_is_missing(database)


def rollback(migrator, database, fake=False, **kwargs):
    """Columns that are no longer read do no harm."""
