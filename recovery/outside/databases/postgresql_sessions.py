"""Connections to a PostgreSQL that hold others up: found and ended."""

from typing import Any

import psycopg

from recovery.model import DatabaseAddress, DoorError, Session, SessionRule
from recovery.outside.databases.postgresql import arguments

__all__ = ["connect", "end", "find"]

OLDEST = 140_000
ENDING_MS = 2_000  # how long the server waits for one to be gone

# Of who else is a client, whatever may be seen of them. The marks tell a transaction from the next one of a
# connection, and a connection from a later one with its number; one that failed has no beginning any more.
CLIENTS = """
SELECT a.pid, a.usename, a.datname, a.state,
       a.backend_start::text || '/' || coalesce(a.xact_start, a.state_change)::text AS mark,
       extract(epoch FROM clock_timestamp() - a.state_change)::float8 AS idle
  FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
 WHERE a.backend_type = 'client backend' AND a.pid <> pg_backend_pid() AND a.application_name <> 'n8n-medic'
   AND NOT r.rolsuper AND NOT r.rolreplication
   AND (a.xact_start IS NOT NULL OR a.state LIKE 'idle in transaction%%')
"""
IDLE = f"""
SELECT pid, usename, datname, 'idle in transaction', idle, mark FROM ({CLIENTS}) c
 WHERE c.state LIKE 'idle in transaction%%' AND c.idle > %s
"""  # noqa: S608 of our own words alone
BLOCKING = f"""
WITH waiting AS (SELECT l.pid, pg_blocking_pids(l.pid) AS blockers,
                        extract(epoch FROM clock_timestamp() - l.waitstart)::float8 AS seconds
                   FROM pg_locks l WHERE NOT l.granted)
SELECT c.pid, c.usename, c.datname, 'blocking others', max(w.seconds), c.mark
  FROM ({CLIENTS}) c JOIN waiting w ON c.pid = ANY(w.blockers)
 WHERE c.pid NOT IN (SELECT pid FROM waiting) AND w.seconds > %s GROUP BY 1, 2, 3, 4, 6
"""  # noqa: S608 of our own words alone


def connect(address: DatabaseAddress, seconds: float) -> Any:
    """A connection, to be closed."""
    return psycopg.connect(**arguments(address, seconds), autocommit=True)


def find(connection: Any, rule: SessionRule, seconds: float) -> list[Session]:
    """All that the two limits mean, whosever they are."""
    if connection.info.server_version < OLDEST:
        raise DoorError("connections are ended in PostgreSQL 14 and newer only", "client", permanent=True)
    rows = []
    with connection.transaction():
        connection.execute(f"SET LOCAL statement_timeout = {max(1, int(seconds * 1000))}")
        for statement, limit in ((IDLE, rule.idle_seconds), (BLOCKING, rule.blocking_seconds)):
            if limit is not None:
                rows += connection.execute(statement, (limit,)).fetchall()
    return [Session(*row) for row in rows]


def end(connection: Any, one: Session) -> str:
    """End it; "" or why it stays."""
    try:
        row = connection.execute("SELECT pg_terminate_backend(%s, %s)", (one.pid, ENDING_MS)).fetchone()
    except psycopg.errors.InsufficientPrivilege:
        return "the user may not: grant it pg_signal_backend"
    return "" if row and row[0] else f"it did not end within {ENDING_MS / 1000:g} s"
