"""A process on this machine: alive, and not restarting in a loop."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt, model_validator

from recovery.checks import check
from recovery.model import DoorError, Doors, FailureType, Past, Reading
from recovery.model.durations import Duration

KEPT_STARTS = 50


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
    restarts: Annotated[StrictInt, Field(ge=0, le=KEPT_STARTS)] = Field(
        5, description="how many new starts `within` are a loop; 0: none are"
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
    `high_error_rate`. Its death is seen at once, not at the next look, where the kernel has pidfds (Linux 5.3).
    """
    try:
        found = doors.processes.find(args.name, args.command, args.pid_file)
    except DoorError as problem:
        return Reading("", False, str(problem), FailureType.SERVER_UNRESPONSIVE)
    starts = _starts(args, past, [one.started for one in found])
    memory = {
        "pids": [one.pid for one in found][:KEPT_STARTS],
        "known": sorted({one.started for one in found})[-KEPT_STARTS:],
    }
    memory |= {"starts": starts}
    if len(found) < args.count:
        because = _what(args) + (" is gone" if not found else f" runs {len(found)} times instead of {args.count}")
        return Reading("", False, because, FailureType.SERVER_UNRESPONSIVE, certain=True, memory=memory)
    if args.restarts and len(starts) > args.restarts:
        because = f"{_what(args)} was started anew {len(starts)} times within {args.within / 60:g} minutes"
        return Reading("", False, because, FailureType.HIGH_ERROR_RATE, memory=memory)
    one = found[0]
    because = f"process {one.pid} runs" if len(found) == 1 else f"{len(found)} processes run"
    return Reading("", True, because, memory=memory)


def _starts(args: Args, past: Past, present: list[float]) -> list[float]:
    """When it was seen started anew, in seconds since 1970, as far back as they count."""
    now = _seconds(past.now)
    kept = [at for at in _numbers(past.memory.get("starts")) if now - at <= args.within]
    known = _numbers(past.memory.get("known"))
    fresh = [one for one in present if known and one > max(known)]
    return [*kept, *(now for _ in fresh)][-KEPT_STARTS:]


def _numbers(value: Any) -> list[float]:
    return [one for one in value if isinstance(one, int | float)] if isinstance(value, list) else []


def _seconds(moment: datetime) -> float:
    return moment.timestamp()


def _what(args: Args) -> str:
    return args.name or (f"the process of {args.pid_file}" if args.pid_file else f"the process {args.command[:80]!r}")
