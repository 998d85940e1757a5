"""A process on this machine: alive, and not restarting in a loop."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictInt, model_validator

from recovery.checks import check
from recovery.checks.remembering import known_seconds
from recovery.model import DoorError, Doors, FailureType, FoundProcess, Past, Reading
from recovery.model.durations import Duration

MOST_STARTS = MOST_PIDS = 50


class Args(BaseModel):
    """Which process it is."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, json_schema_extra={"example": {"name": "nginx"}}
    )

    name: str = Field("", description="its name, as `ps -o comm` shows it", examples=["nginx"], max_length=200)
    command: str = Field(
        "", description="a part of its command line", examples=["manage.py runworker"], max_length=1_000
    )
    pid_file: str = Field("", description="a file that holds its number", examples=["/run/nginx.pid"], max_length=4_096)
    count: Annotated[StrictInt, Field(ge=1, le=10_000)] = Field(1, description="how many there must be at least")
    restarts: Annotated[StrictInt, Field(ge=0, le=MOST_STARTS)] = Field(
        5, description="more new starts than this `within` are a loop; 0: none are"
    )
    within: Duration = Field(600.0, description="the time in which starts are counted")

    @model_validator(mode="after")
    def _says_which(self) -> "Args":
        if not (self.name or self.command or self.pid_file):
            raise ValueError("say which process: write `name`, `command` or `pid_file`")
        if "\0" in self.name + self.command + self.pid_file:
            raise ValueError("a process is not named with NUL characters")
        return self


@check("process", remembers=True, every_seconds=30)
def look_at_process(args: Args, doors: Doors, past: Past) -> Reading:
    """Looks for a process on this machine by its name, a part of its command line, or its PID file.

    Gone, or fewer than `count`, is `server_unresponsive`; started anew more than `restarts` times `within` is
    `high_error_rate`. Processes that another one of them has started (the workers of a server) are no new start when
    they are replaced, and what a look finds started together is one. Its death is seen at once, not at the next look,
    where the kernel has pidfds (Linux 5.3).
    """
    try:
        found = doors.processes.find(args.name, args.command, args.pid_file)
    except DoorError as problem:
        return Reading("", False, str(problem), FailureType.SERVER_UNRESPONSIVE)
    newest, starts = _starts(args, past, found)
    memory = {"pids": [one.pid for one in found][:MOST_PIDS], "newest": newest, "starts": starts}
    if len(found) < args.count:
        because = _what(args) + (" is gone" if not found else f" runs {len(found)} times instead of {args.count}")
        return Reading("", False, because, FailureType.SERVER_UNRESPONSIVE, certain=True, memory=memory)
    if args.restarts and len(starts) > args.restarts:
        because = f"{_what(args)} was started anew {len(starts)} times within {args.within / 60:g} minutes"
        return Reading("", False, because, FailureType.HIGH_ERROR_RATE, memory=memory)
    one = found[0]
    because = f"process {one.pid} runs" if len(found) == 1 else f"{len(found)} processes run"
    return Reading("", True, because, memory=memory)


def _starts(args: Args, past: Past, found: Sequence[FoundProcess]) -> tuple[float | None, list[float]]:
    """When the newest began, seconds since boot; and when it was seen started anew, as far back as that counts.

    What was newest is kept while none is there: what comes back is a new start.
    """
    now, pids = past.now.timestamp(), {one.pid for one in found}
    told = past.memory.get("starts")
    seen = [known_seconds(at, past.now) for at in told] if isinstance(told, list) else []
    kept = [at for at in seen if at is not None and now - at <= args.within]
    before = past.memory.get("newest")
    before = before if isinstance(before, int | float) else None
    newest = max((one.started for one in found if one.parent not in pids), default=before)
    if before is not None and newest is not None and newest > before:
        kept.append(now)
    return newest, kept[-MOST_STARTS - 1 :]


def _what(args: Args) -> str:
    return args.name or (f"the process of {args.pid_file}" if args.pid_file else f"the process {args.command[:80]!r}")
