"""Who is told what, and when: threads, bundles and their lines, calls, silences, channels; held alerts; snoozes."""

from recovery.store.indexes import INDEXES
from recovery.store.later import add_what_is_missing


def migrate(migrator, database, fake=False, **kwargs):
    if fake:
        return
    add_what_is_missing(database)
    for statement in INDEXES:
        database.execute_sql(statement)
    # Who was told of what is under way hears of its end too.
    database.execute_sql(THREADS)
    database.execute_sql("UPDATE alerts SET released_at = created_at WHERE released_at IS NULL")


THREADS = """
INSERT INTO threads (incident_id, episode, channel, owed_at, told_at, called)
SELECT i.id, i.episode, a.channel, MIN(a.created_at), MAX(a.created_at), i.asked
FROM incidents i JOIN alerts a ON a.incident_id = i.id AND a.created_at >= i.episode_at
WHERE i.open_key IS NOT NULL
GROUP BY i.id, i.episode, a.channel, i.asked
"""


def rollback(migrator, database, fake=False, **kwargs):
    """Tables and columns that are no longer read do no harm."""
