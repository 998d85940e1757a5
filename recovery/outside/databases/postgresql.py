"""PostgreSQL, in one transaction that may only read."""

import time
from typing import Any

import certifi
import psycopg

from recovery.model import DatabaseAddress, DatabaseState

__all__ = ["arguments", "look"]

# A primary that is idle sends nothing to replay, so a replica that has replayed all that it received is not behind,
# as long as it still receives. A row without a type is one that we may not see into.
STATE = """
SELECT (SELECT count(*) FROM pg_stat_activity
         WHERE datid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'),
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
       CASE WHEN NOT pg_is_in_recovery() THEN NULL
            WHEN pg_last_wal_receive_lsn() IS NOT DISTINCT FROM pg_last_wal_replay_lsn()
                 AND EXISTS (SELECT 1 FROM pg_stat_wal_receiver) THEN 0
            ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8 END
"""


async def look(address: DatabaseAddress, end: float) -> DatabaseState:
    """Connect, ask, and see how it is, until `end` of the monotonic clock.

    Nothing is set for the session: behind a pooler it would stay with a connection that others use.
    """
    begin = time.monotonic()
    async with await psycopg.AsyncConnection.connect(**arguments(address, end - begin)) as connection:
        await connection.set_read_only(True)
        left = max(1, int((end - time.monotonic()) * 1000))
        await connection.execute(f"SET LOCAL statement_timeout = {left}")
        await connection.execute((address.query or "SELECT 1").encode())
        took = (time.monotonic() - begin) * 1000
        row = await (await connection.execute(STATE)).fetchone()
        await connection.rollback()
    used, most, lag = row or (None, None, None)
    return DatabaseState(took, used, most, lag)


def arguments(address: DatabaseAddress, seconds: float) -> dict[str, Any]:
    """What the driver is given, for a deed of so many seconds."""
    found: dict[str, Any] = {
        "host": address.host,
        "port": address.port,
        "dbname": address.database or "postgres",
        "connect_timeout": round(seconds) + 2,  # the deadline of the whole look comes first
        "application_name": "n8n-medic",
        "prepare_threshold": None,
        "gssencmode": "disable",
    }
    found |= {key: value for key, value in (("user", address.user), ("password", address.password)) if value}
    if address.tls:
        found |= {"sslmode": "verify-full", "sslrootcert": address.ca_file or certifi.where()}
    return found
