"""A database that is asked a question: SQLite, PostgreSQL, MySQL, MariaDB or Redis."""

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt, field_validator

from recovery.checks import check
from recovery.checks.rates import ErrorRate, counting
from recovery.model import DatabaseAddress, DatabaseState, DoorError, Doors, FailureType, Past, Reading
from recovery.model.durations import Period, Timeout
from recovery.model.servers import ServerFields, check_redis_database

FAILURES = {"rate_limited": FailureType.RESOURCE_EXHAUSTED}


class Args(ServerFields):
    """Where the database is, what it is asked, and what is too much."""

    engine: Literal["sqlite", "postgresql", "mysql", "redis"] = Field(
        description="which kind: `sqlite`, `postgresql`, `mysql` (MariaDB too) or `redis`", examples=["postgresql"]
    )
    path: str = Field("", description="the file; `sqlite` only", examples=["/srv/n8n/database.sqlite"])
    user: str = Field(
        "", description="who asks; a user that may only read is enough", examples=["medic"], max_length=128
    )
    query: str = Field(
        "",
        description="what is asked, and must only read; for Redis it is always `PING`",
        examples=["SELECT count(*) FROM orders WHERE state = 'open'"],
        max_length=4_000,
    )
    slow: Timeout | None = Field(
        None, description="connecting and the query taking longer than this is bad", examples=["2s"]
    )
    connections: Annotated[StrictInt, Field(ge=1, le=100)] | None = Field(
        90, description="percent of the connections that may be open; `null`: all of them"
    )
    lag: Period | None = Field(
        None, description="how far a replica may be behind; `null`: as far as it likes", examples=["30s"]
    )
    quick_check: StrictBool = Field(
        True, description="look through an SQLite file of up to 64 MiB for damage, for half the timeout at most"
    )
    timeout: Timeout = Field(5.0, description="how long the whole look may take", examples=["10s"])
    error_rate: ErrorRate = None

    @field_validator("path")
    @classmethod
    def _is_one_path(cls, value: str) -> str:
        if any(ord(sign) < 32 or ord(sign) == 127 for sign in value):
            raise ValueError("must not hold control characters")
        return value

    def check_together(self) -> None:
        """Raise ValueError where keys do not belong to the engine."""
        if (self.engine == "sqlite") != bool(self.path):
            raise ValueError("`path` names the file of the engine `sqlite`, which needs it; no other has one")
        if self.engine == "redis" and self.query:
            raise ValueError("Redis is asked with PING: leave `query` out")
        if self.engine == "redis":
            check_redis_database(self.database)

    def address(self) -> DatabaseAddress:
        """What the door is given."""
        if self.engine == "sqlite":
            return DatabaseAddress(engine="sqlite", path=self.path, query=self.query, integrity=self.quick_check)
        return replace(self.server(self.engine), query=self.query)


@check("database", remembers=True, every_seconds=30)
@counting
async def look_at_database(args: Args, doors: Doors, past: Past) -> Reading:
    """Connects to a database, asks it a question in a transaction that may only read, and closes the connection.

    Beside the answer and its time it sees whether the connections are nearly used up (PostgreSQL, MySQL, MariaDB,
    Redis), and on a replica whether replication has stopped or is behind. Of an SQLite file it sees whether it is
    there, opens and is whole. Where the user may not see one of these, the rest is judged.

    A database that cannot be connected to or asked, that answers too slowly, and one whose replication stopped or is
    behind is a `database_connection`; connections that are used up or nearly are `resource_exhausted`. Without a
    password PostgreSQL's own `~/.pgpass` counts.
    """
    try:
        state = await doors.database.look(args.address(), args.timeout)
    except DoorError as problem:
        return Reading("", False, str(problem), FAILURES.get(problem.kind, FailureType.DATABASE_CONNECTION))
    crowded, wrong = _crowded(args, state), _wrong(args, state)
    failure = FailureType.RESOURCE_EXHAUSTED if crowded else FailureType.DATABASE_CONNECTION
    return Reading(
        component="",
        healthy=not (crowded or wrong),
        because="; ".join(filter(None, (crowded, wrong))) or _good(state),
        failure_type=failure if crowded or wrong else None,
        latency_ms=state.latency_ms,
    )


def _crowded(args: Args, state: DatabaseState) -> str:
    used, most = state.connections, state.most_connections
    if args.connections is None or used is None or not most or used * 100 < args.connections * most:
        return ""
    return f"{used} of {most} connections are open (limit {args.connections} %)"


def _wrong(args: Args, state: DatabaseState) -> str:
    said = [state.trouble] if state.trouble else []
    if args.lag is not None and state.lag_seconds is not None and state.lag_seconds > args.lag:
        said.append(f"the replica is {state.lag_seconds:.0f} s behind (limit {args.lag:g} s)")
    if args.slow is not None and state.latency_ms > args.slow * 1000:
        said.append(f"took {state.latency_ms:.0f} ms to answer (limit {args.slow * 1000:g} ms)")
    return "; ".join(said)


def _good(state: DatabaseState) -> str:
    said = [f"answered in {state.latency_ms:.0f} ms"]
    if state.connections is not None and state.most_connections:
        said.append(f"{state.connections} of {state.most_connections} connections are open")
    if state.lag_seconds is not None:
        said.append(f"{state.lag_seconds:.0f} s behind its primary")
    return ", ".join(said)
