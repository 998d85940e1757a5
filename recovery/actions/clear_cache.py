"""A cache that has grown too large or holds what is wrong: keys of a Redis, or files."""

import re
from typing import Literal

from pydantic import ConfigDict, Field, StrictBool, field_validator

from recovery.actions import action
from recovery.actions.clearing import Folders, MostFiles, Names, find_files, told, told_files, told_left
from recovery.model import (
    About,
    ClearedKeys,
    DatabaseAddress,
    Done,
    DoorError,
    Doors,
    Failed,
    FoundFiles,
    NotNeeded,
    Result,
)
from recovery.model.durations import Period, Timeout, write_duration
from recovery.model.servers import ServerFields, check_redis_database

OF_REDIS = ("host", "port", "database", "user", "password", "tls", "ca_file", "pattern", "whole_database")
OF_FILES = ("folders", "names", "older_than", "deep")


class Args(ServerFields):
    """Which cache, and what of it."""

    model_config = ConfigDict(json_schema_extra={"example": {"cache": "redis", "pattern": "cache:*"}})

    cache: Literal["redis", "files"] = Field(description="which kind: `redis` or `files`", examples=["redis"])
    pattern: str = Field(
        "",
        description="Redis: which keys, with `*`, `?` and `[...]`; some letters of their names must be given",
        examples=["cache:*"],
        max_length=1_000,
    )
    whole_database: StrictBool = Field(
        False, description="Redis: empty the whole `database`, which must be given too, instead of a `pattern`"
    )
    folders: Folders = Field(
        default_factory=list,
        description="files: absolute paths of the folders, without a link in them",
        examples=[["/var/cache/orders"]],
    )
    names: Names = Field(default_factory=list, description="files: patterns of their names", examples=[["*.html"]])
    older_than: Period = Field(3_600.0, description="files: only those that were last written to longer ago")
    deep: StrictBool = Field(True, description="files: in the folders below as well")
    most: MostFiles = Field(
        100_000, description="how many keys or files go at once at most; a whole database with more keys is left alone"
    )
    timeout: Timeout = Field(30.0, description="how long each of looking and clearing may take")

    @field_validator("pattern")
    @classmethod
    def _names_something(cls, value: str) -> str:
        if value and not re.sub(r"\[[^]]*\]?|[*?\\]", "", value).strip():
            raise ValueError("that fits every key: give some letters of the keys' names, or `whole_database: true`")
        return value

    def check_together(self) -> None:
        """Raise ValueError where keys do not belong to the kind of cache, or nothing is asked for."""
        for name in OF_FILES if self.cache == "redis" else OF_REDIS:
            if getattr(self, name) != Args.model_fields[name].get_default(call_default_factory=True):
                raise ValueError(f"`{name}` does not belong to `cache: {self.cache}`")
        if self.cache == "files":
            if not self.folders or not self.names:
                raise ValueError("`cache: files` needs `folders` and `names`")
            return
        check_redis_database(self.database)
        if bool(self.pattern) == self.whole_database:
            raise ValueError("give either a `pattern` of keys, or `whole_database: true`")
        if self.whole_database and not self.database:
            raise ValueError("`whole_database: true` needs the number of the `database`, even where it is 0")


def preview(args: Args, doors: Doors, about: About) -> str:
    """What it would remove."""
    if args.cache == "files":
        found = _files(args, doors, about)
        words = [f"delete {told_files(list(found.files))}" if found.files else f"delete nothing: {_no_files(args)}"]
        return "; ".join(words + told_left(found.left))
    keys = doors.caches.find(_server(args), args.pattern, args.most, args.timeout)
    if args.whole_database:
        much = f", and leave it alone as there are more than {args.most}" if keys.total > args.most else ""
        return f"empty {_place(args)} with FLUSHDB ASYNC: {keys.total} keys{much}"
    more = f" (no more than {args.most} at once)" if keys.count >= args.most else ""
    return f"remove {keys.count} of {keys.total} keys in {_place(args)}, those like {args.pattern!r}{more}"


def _files(args: Args, doors: Doors, about: About) -> FoundFiles:
    more = {"deep": args.deep, "most": args.most, "timeout": args.timeout}
    return find_files(doors, about, args.folders, args.names, args.older_than, **more)


def _server(args: Args) -> DatabaseAddress:
    return args.server("redis")


def _place(args: Args) -> str:
    server = _server(args)
    return f"database {args.database or 0} of Redis at {server.host}" + (
        "" if server.host.startswith("/") else f":{server.port}"
    )


@action("clear_cache", safe_to_repeat=True, preview=preview)
def clear_cache(args: Args, doors: Doors, about: About) -> Result:
    """Removes keys of a Redis by pattern, empties one of its databases, or deletes old files of a cache.

    Redis: the keys are looked through bit by bit (SCAN) and removed in batches without blocking the server (UNLINK);
    a whole database, which must be asked for (`whole_database: true` and its number), by FLUSHDB ASYNC. Its user needs
    the right to these commands, and to DBSIZE and EXISTS. The keys of n8n's queue (`bull:...`) are never removed, and a
    database that holds them is never emptied; with another prefix (`QUEUE_BULL_PREFIX`) they cannot be told apart, so
    never name that database here. Keys that fit and are written meanwhile may stay.

    Files: deleted as the action `free_disk` does, with the same care: only plain files of the `names`, last written to
    longer ago than `older_than`, inside the `folders`; no link is followed, no mount entered, no folder removed, and
    what a process has open stays.

    It is safe to repeat: a cache can be filled again, and a second run removes only what is still there, or again.
    """
    try:
        if args.cache == "files":
            return _clear_files(args, doors, about)
        if args.whole_database:
            return _told(args, doors.caches.flush(_server(args), args.most, args.timeout))
        return _told(args, doors.caches.remove(_server(args), args.pattern, args.most, args.timeout))
    except DoorError as problem:
        return Failed(str(problem), problem.permanent)


def _clear_files(args: Args, doors: Doors, about: About) -> Result:
    found = _files(args, doors, about)
    if not found.files:
        return NotNeeded("; ".join([_no_files(args), *told_left(found.left)]))
    cleared = doors.files.clear(found, False, None, args.timeout)
    words = told("deleted", cleared, args.folders)
    return Failed(words) if cleared.problem or not cleared.count else Done(words)


def _no_files(args: Args) -> str:
    return f"no file of these names is older than {write_duration(args.older_than)}"


def _told(args: Args, cleared: ClearedKeys) -> Result:
    words = f"removed {cleared.count} keys from {_place(args)}"
    if cleared.problem:
        return Failed(f"{words}; then {cleared.problem}")
    if cleared.more:
        return Done(f"{words}; others that fit stay, as it was to be at most {args.most}")
    return Done(words) if cleared.count else NotNeeded(f"there are no such keys in {_place(args)}")
