"""A process of this machine that is ended, with everything that it began."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt, model_validator

from recovery.actions import action
from recovery.actions.commands import would_not
from recovery.model import About, Done, DoorError, Doors, Ended, Failed, FoundProcess, NotNeeded, Result
from recovery.model.durations import Duration, write_duration

LONGEST_GRACE_SECONDS = 600.0
SHOWN = 10


def _check_grace(seconds: float) -> float:
    if seconds > LONGEST_GRACE_SECONDS:
        raise ValueError("a process gets at most 10m to end")
    return seconds


class Args(BaseModel):
    """Which process, and how long it may take to end."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        json_schema_extra={"example": {"name": "report-maker"}},
    )

    name: str = Field("", description="its name, as `ps -o comm` shows it", examples=["report-maker"], max_length=200)
    command: str = Field(
        "", description="a part of its command line", examples=["manage.py runworker"], max_length=1_000
    )
    pid_file: str = Field(
        "",
        description="a file that holds its number; beside `name` or `command`, which it must fit too",
        examples=["/run/report-maker.pid"],
        max_length=4_096,
    )
    grace: Annotated[Duration, AfterValidator(_check_grace)] = Field(
        10.0, description="how long it may take to end by itself before it is killed", examples=["30s"]
    )
    at_most: Annotated[StrictInt, Field(ge=1, le=1000)] = Field(
        1, description="how many may be ended, each with all that it began; where more fit, none is", examples=[4]
    )

    @model_validator(mode="after")
    def _says_which(self) -> "Args":
        if not (self.name.strip() or self.command.strip()):
            raise ValueError(
                "say which process: write `name` or `command`, also beside `pid_file`, which may be out of date"
            )
        if "\0" in self.name + self.command + self.pid_file:
            raise ValueError("a process is not named with NUL characters")
        return self


def preview(args: Args, doors: Doors, about: About) -> str:
    """The processes that it would end, by number."""
    plan = _plan(args, doors)
    if isinstance(plan, NotNeeded | Failed):
        return would_not(plan)
    return f"end {_told(plan)}: TERM, and after {write_duration(args.grace)} KILL for what lives on"


@action("kill_process", safe_to_repeat=True, restarts=True, preview=preview)
def kill_process(args: Args, doors: Doors, about: About) -> Result:
    """Ends a process of this machine and everything that it began: asks (TERM), waits for `grace`, then kills (KILL).

    It is found as the check `process` finds it; whatever started it, such as systemd or supervisor, starts it again. A
    process is known by its number and its start, so that another one which has got the number meanwhile is never
    touched. n8n-medic's own process, those that it descends from, and process 1 are never touched either. Where more
    processes fit than `at_most`, none is ended: a name that fits too much is a permanent failure. Where none lives,
    there is nothing to do.

    The worker's user must be allowed to signal the process: it is its own, or the worker is root. What lives on after
    KILL waits in the kernel, for a disk or a driver, which is a failure. It is safe to repeat: a worker that is killed
    in the middle leaves some of them ended, and a second run ends the rest, or, where the process is back by then, ends
    it once more. What the ended one had begun, and what has not ended with it, is found again only where it fits
    `name` or `command` itself.
    """
    try:
        plan = _plan(args, doors)
        if not isinstance(plan, list):
            return plan
        return _result(plan, doors.processes.end(plan, args.grace))
    except DoorError as problem:
        return Failed(str(problem), problem.permanent)


def _plan(args: Args, doors: Doors) -> list[FoundProcess] | NotNeeded | Failed:
    """The processes to end, parents first."""
    found = doors.processes.find(args.name, args.command, args.pid_file)
    if not found:
        return NotNeeded(f"{_what(args)} is gone already")
    plan = doors.processes.trees(found)
    if not plan:
        return Failed(f"{_what(args)} is n8n-medic itself, or what it runs under", permanent=True)
    roots = _roots(plan)
    if len(roots) > args.at_most:
        why = f"{len(roots)} processes are {_what(args)} ({_some(roots)}), and at most {args.at_most} may be ended"
        return Failed(f"{why}: say more exactly which, or raise `at_most`", permanent=True)
    return plan


def _result(plan: list[FoundProcess], ended: Ended) -> Result:
    if ended.refused:
        why = f"n8n-medic's user may not end {_some(ended.refused)}"
        return Failed(why, permanent=True)
    if ended.alive:
        return Failed(f"{_some(ended.alive)} lives on after KILL: it waits in the kernel, for a disk or a driver")
    forced = f"; {len(ended.forced)} had to be killed" if ended.forced else ""
    return Done(f"ended {_told(plan)}{forced}")


def _roots(processes: list[FoundProcess]) -> list[FoundProcess]:
    pids = {one.pid for one in processes}
    return [one for one in processes if one.parent not in pids]


def _told(processes: list[FoundProcess]) -> str:
    roots = _roots(processes)
    begun = len(processes) - len(roots)
    return _some(roots) + (f" and {begun} that {'it' if len(roots) == 1 else 'they'} began" if begun else "")


def _some(processes: list[FoundProcess] | tuple[FoundProcess, ...]) -> str:
    more = f" and {len(processes) - SHOWN} more" if len(processes) > SHOWN else ""
    return "process " + ", ".join(f"{one.pid} ({one.name})" for one in processes[:SHOWN]) + more


def _what(args: Args) -> str:
    return args.name or f"the process {args.command[:80]!r}"
