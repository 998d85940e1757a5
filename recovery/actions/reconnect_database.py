"""Connections to a database that hold others up: forgotten transactions, and locks that nobody gives back."""

from typing import Annotated, Literal

from pydantic import Field, StrictInt, StrictStr

from recovery.actions import action
from recovery.model import About, Done, DoorError, Doors, EndedSessions, Failed, NotNeeded, Result, Session, SessionRule
from recovery.model.durations import Period, Timeout, write_duration
from recovery.model.servers import ServerFields

Names = Annotated[list[Annotated[StrictStr, Field(min_length=1, max_length=128)]], Field(max_length=100)]
SHOWN = 10


class Args(ServerFields):
    """Which database, and which connections are too much."""

    engine: Literal["postgresql", "mysql"] = Field(
        description="which kind: `postgresql` or `mysql` (MariaDB too)", examples=["postgresql"]
    )
    idle_in_transaction: Period | None = Field(
        600.0, description="end those that left a transaction open and did nothing for longer; `null`: none"
    )
    blocking: Period | None = Field(
        300.0, description="end those that others have waited for longer than this; `null`: none"
    )
    users: Names = Field(default_factory=list, description="only connections of these users", examples=[["n8n"]])
    databases: Names = Field(default_factory=list, description="only connections to these databases")
    most: Annotated[StrictInt, Field(ge=1, le=1_000)] = Field(
        10, description="how many are ended at once at most, the longest first"
    )
    timeout: Timeout = Field(15.0, description="how long each of looking and ending may take")

    def check_together(self) -> None:
        """Raise ValueError where nothing is asked for."""
        if self.idle_in_transaction is None and self.blocking is None:
            raise ValueError("give `idle_in_transaction` or `blocking`: without both there is nothing to end")

    def rule(self) -> SessionRule:
        """What the door is given."""
        return SessionRule(
            idle_seconds=self.idle_in_transaction,
            blocking_seconds=self.blocking,
            users=tuple(self.users),
            databases=tuple(self.databases),
            most=self.most,
        )


def preview(args: Args, doors: Doors, about: About) -> str:
    """The connections that it would end."""
    found = _found(args, doors)
    return f"end {_listed(found)}" if found else f"end no connection: {_none(args)}"


def _found(args: Args, doors: Doors) -> tuple[Session, ...]:
    return doors.sessions.find(args.server(args.engine), args.rule(), args.timeout)


@action("reconnect_database", safe_to_repeat=True, preview=preview)
def reconnect_database(args: Args, doors: Doors, about: About) -> Result:
    """Ends connections to a PostgreSQL, a MySQL or a MariaDB that hold others up, so that what they blocked goes on.

    By rule: those that are idle in an open transaction for longer than `idle_in_transaction`, and those that others
    have waited for longer than `blocking` and that wait for nobody themselves (the head of the queue; who waits in the
    middle is freed by it). Their transactions are rolled back; a program with a pool of connections opens a new one.
    Never ended are its own connections, those of superusers and of users who may replicate, and the server's own work.
    The longest go first, at most `most`; the result lists each with its number, user, database and how long, and never
    what it asked. A connection that has moved on to another transaction since the look stays.

    PostgreSQL 14 or newer: the user needs `pg_signal_backend` and `pg_read_all_stats`. MySQL 8 and MariaDB: it needs
    PROCESS, CONNECTION ADMIN (`CONNECTION_ADMIN` in MySQL), SELECT on `mysql.user` to tell who is a superuser (or
    `users` must be given), and on MySQL SELECT on `performance_schema.data_lock_waits`; only locks of InnoDB count.
    n8n-medic's own connections to its own database need no action: one that breaks is opened anew at the next use.

    It is safe to repeat: after a crash the rule is read anew, and ends only what breaks it then.
    """
    try:
        found = _found(args, doors)
        if not found:
            return NotNeeded(_none(args))
        became = doors.sessions.end(args.server(args.engine), args.rule(), found, args.timeout)
    except DoorError as problem:
        return Failed(str(problem), problem.permanent)
    return _told(became)


def _told(became: EndedSessions) -> Result:
    words = [f"ended {_listed(became.ended)}"] if became.ended else []
    words += [f"{len(became.gone)} had moved on by themselves"] if became.gone else []
    words += [f"{_listed((one,))} stays: {why}" for one, why in became.refused[:SHOWN]]
    if became.refused:
        return Failed(
            "; ".join(words), permanent=not became.ended and all("may not" in why for _, why in became.refused)
        )
    return Done("; ".join(words)) if became.ended else NotNeeded("; ".join(words))


def _listed(sessions: tuple[Session, ...]) -> str:
    words = [
        f"{one.pid} of {_name(one.user)} in {_name(one.database)} ({one.why} for {one.seconds:.0f} s)"
        for one in sessions
    ]
    more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return f"{len(words)} connection{'' if len(words) == 1 else 's'}: {', '.join(words[:SHOWN])}{more}"


def _name(text: str) -> str:
    """A name that a server told: anything may stand in it."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)[:64] or "none"


def _none(args: Args) -> str:
    words = []
    if args.idle_in_transaction is not None:
        words.append(f"is idle in a transaction for longer than {write_duration(args.idle_in_transaction)}")
    if args.blocking is not None:
        words.append(f"blocks others for longer than {write_duration(args.blocking)}")
    return f"none that may be ended {' or '.join(words)}"
