"""A real n8n in queue mode, all of it started by the suite: PostgreSQL, Redis, one main process, and workers."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

from tests.n8n.real import RealN8n
from tests.plugins.databases import redis_server

# A lost worker's run is given up sooner than after n8n's own 60 s and 30 s, and later than a busy machine hesitates.
STALLS_SOON = {
    "QUEUE_WORKER_LOCK_DURATION": "8000",
    "QUEUE_WORKER_LOCK_RENEW_TIME": "1500",
    "QUEUE_WORKER_STALLED_INTERVAL": "3000",
}
METRICS = {"N8N_METRICS_INCLUDE_QUEUE_METRICS": "true", "N8N_METRICS_QUEUE_METRICS_INTERVAL": "1"}


@contextmanager
def queued_n8n(database_url: str) -> Iterator[RealN8n]:
    """One on an empty database, with a worker that is about to be ready."""
    with redis_server() as redis:
        queue = {"EXECUTIONS_MODE": "queue", "QUEUE_BULL_REDIS_HOST": "127.0.0.1"}
        queue |= {"QUEUE_BULL_REDIS_PORT": str(redis.port), **STALLS_SOON, **METRICS}
        with RealN8n(**queue, **_database(database_url)) as n8n:
            n8n.start_worker()
            yield n8n


def _database(url: str) -> dict[str, str]:
    """n8n's settings for a database; the address of one with a socket has that in its query."""
    parts = urlsplit(url)
    host = parse_qs(parts.query).get("host", [parts.hostname or "127.0.0.1"])[0]
    found = {"HOST": host, "PORT": parts.port or 5432, "USER": parts.username, "DATABASE": parts.path.strip("/")}
    return {"DB_TYPE": "postgresdb", **{f"DB_POSTGRESDB_{name}": str(value) for name, value in found.items()}}
