"""Connections to a MySQL or a MariaDB that hold others up: found and ended."""

from typing import Any

import pymysql

from recovery.model import DatabaseAddress, DoorError, Session, SessionRule
from recovery.outside.databases.mysql import NOT_TOLD, arguments

__all__ = ["connect", "end", "find"]

NEVER = {"root", "system user", "event_scheduler", "mariadb.sys", "mysql.sys", "mysql.session", "mysql.infoschema"}
GONE, NOT_ALLOWED = 1094, (1095, 1227, 3960)  # the last is of a MySQL whose SYSTEM_USER may not be ended

# A mark is the transaction's own number and beginning, which no later one has.
CLIENTS = """
  FROM information_schema.processlist p JOIN information_schema.innodb_trx t ON t.trx_mysql_thread_id = p.id
 WHERE p.id <> connection_id() AND p.command IN ('Sleep', 'Query', 'Execute')
"""
FACTS = "SELECT p.id AS pid, p.user AS user, coalesce(p.db, '') AS db, concat(t.trx_id, '/', t.trx_started) AS mark"
IDLE = f"{FACTS}, p.time AS seconds {CLIENTS} AND p.command = 'Sleep' AND p.time > %s"
# Who waits for whom stands in another table in each of them.
WAITS = {
    "mariadb": "(SELECT requesting_trx_id AS asks, blocking_trx_id AS holds FROM information_schema.innodb_lock_waits)",
    "mysql": "(SELECT requesting_engine_transaction_id AS asks, blocking_engine_transaction_id AS holds"
    " FROM performance_schema.data_lock_waits WHERE engine = 'INNODB')",
}
BLOCKING = f"""
{FACTS}, (SELECT max(timestampdiff(SECOND, r.trx_wait_started, now()))
            FROM {{waits}} w JOIN information_schema.innodb_trx r ON r.trx_id = w.asks
           WHERE w.holds = t.trx_id) AS seconds
{CLIENTS} AND t.trx_wait_started IS NULL HAVING seconds > %s
"""  # noqa: S608 of our own words alone
POWERFUL = "SELECT user AS user FROM mysql.user WHERE super_priv = 'Y' OR repl_slave_priv = 'Y'"


def connect(address: DatabaseAddress, seconds: float) -> Any:
    """A connection, to be closed."""
    return pymysql.connect(**arguments(address, seconds), autocommit=True)


def find(connection: Any, rule: SessionRule, seconds: float) -> list[Session]:
    """All that the two limits mean, whosever they are; the connection itself knows how long it may take."""
    with connection.cursor() as cursor:
        powerful = _powerful(cursor, rule)
        cursor.execute("SELECT version() AS version")
        waits = WAITS["mariadb" if "mariadb" in str(cursor.fetchone()["version"]).lower() else "mysql"]
        found = []
        limits = (
            ("idle in transaction", IDLE, rule.idle_seconds),
            ("blocking others", BLOCKING, rule.blocking_seconds),
        )
        for why, statement, limit in limits:
            if limit is not None:
                cursor.execute(statement.replace("{waits}", waits), (limit,))
                found += [_session(row, why) for row in cursor.fetchall()]
    return [one for one in found if one.user not in powerful]


def _session(row: dict[str, Any], why: str) -> Session:
    return Session(int(row["pid"]), str(row["user"]), str(row["db"]), why, float(row["seconds"]), str(row["mark"]))


def _powerful(cursor: Any, rule: SessionRule) -> set[str]:
    """Whom nothing is ended of. Where the server does not tell who they are, only named users are safe."""
    try:
        cursor.execute(POWERFUL)
    except NOT_TOLD:
        if rule.users:
            return NEVER
        words = "the server does not tell who is a superuser: name `users`, or grant SELECT on mysql.user"
        raise DoorError(words, "client", permanent=True) from None
    return NEVER | {str(row["user"]) for row in cursor.fetchall()}


def end(connection: Any, one: Session) -> str:
    """End it; "" or why it stays."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("KILL CONNECTION %s", (one.pid,))
    except NOT_TOLD as error:
        if error.args[0] in NOT_ALLOWED:
            return "the user may not: grant it CONNECTION ADMIN"
        if error.args[0] != GONE:
            raise
    return ""
