"""The machine that n8n-medic runs on: CPU, memory, disks and the rest, and when a disk will be full."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt, field_validator

from recovery.checks import check
from recovery.checks.filling import Filling
from recovery.checks.remembering import held_seconds
from recovery.model import DoorError, Doors, FailureType, Past, Reading, Usage
from recovery.model.durations import Duration, Period, Timeout, write_duration
from recovery.model.sizes import write_size

Percent = Annotated[StrictInt, Field(ge=1, le=100)]


class Args(BaseModel):
    """How much of each is too much; `null` looks away."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    cpu: Percent | None = Field(95, description="percent of all cores, measured from look to look")
    memory: Percent | None = Field(95, description="percent of the memory that programs cannot have any more")
    swap: Percent | None = Field(90, description="percent of the swap space")
    disk: Percent | None = Field(90, description="percent of the space of each path, as `df` counts it")
    inodes: Percent | None = Field(90, description="percent of the files that each path may hold")
    load: Annotated[float, Field(gt=0, le=1000)] | None = Field(4, description="the load of 5 minutes, per core")
    files: Percent | None = Field(90, description="percent of the open files, of the process that is nearest its limit")
    paths: tuple[str, ...] = Field(
        ("/",), description="where to look at disks", examples=[["/", "/var/lib/docker"]], min_length=1, max_length=8
    )
    hold: Duration = Field(300.0, description="how long it must be too much before it counts", examples=["10m"])
    full_within: Period | None = Field(
        86_400.0, description="a disk that will be full sooner than this, as it fills now, is bad at once"
    )
    timeout: Timeout = Field(10.0, description="how long a disk may take to tell")

    @field_validator("paths")
    @classmethod
    def _are_whole(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not path.startswith("/") or "\0" in path for path in value) or len(set(value)) < len(value):
            raise ValueError("write whole paths, such as /var/lib/docker, each once")
        return value


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that may be too full: its value as a share of its limit, and both in words."""

    name: str
    share_of_limit: float
    words: str
    short: str = ""


@check("machine", remembers=True, every_seconds=30)
def look_at_machine(args: Args, doors: Doors, past: Past) -> Reading:
    """Looks at this machine's CPU, memory, swap, disk space, inodes, load and open files, each with a limit of its own.

    What is over its limit for as long as `hold` is `resource_exhausted`, the worst named first. A disk that will be
    full within `full_within`, as it has filled over the last looks (half an hour of them at least, six hours at most),
    is told before it is. A path that is gone or does not answer is `server_unresponsive`. In a container this is the
    machine around it, except for the disks.
    """
    try:
        usage = doors.usage.look(list(args.paths), args.timeout)
    except DoorError as problem:
        return Reading("", False, str(problem), FailureType.SERVER_UNRESPONSIVE)
    measures = _measures(args, usage, past.memory.get("cpu"))
    since = {one.name: past.memory.get("since", {}).get(one.name) for one in measures}
    since = {name: at for name, at in since.items() if at is not None}
    bad = []
    for one in measures:
        held = held_seconds(since, one.name, one.share_of_limit >= 1, past.now)
        if held is not None and held >= args.hold:
            bad.append(one)
    filling = Filling(past.memory.get("filling"), {path: room.used for path, room in usage.rooms.items()}, past.now)
    bad += _full_soon(args, usage, filling)
    bad.sort(key=lambda one: -one.share_of_limit)
    return Reading(
        component="",
        healthy=not bad,
        because="; ".join(one.words for one in bad) or _good(measures),
        failure_type=FailureType.RESOURCE_EXHAUSTED if bad else None,
        memory={"cpu": [usage.cpu_seconds, usage.cpu_idle_seconds], "since": since, "filling": filling.memory},
    )


def _measures(args: Args, usage: Usage, cpu_before: Any) -> list[Measure]:
    found = [
        _percent("cpu", "CPU", args.cpu, *_cpu(usage, cpu_before)),
        _percent("memory", "memory", args.memory, usage.memory_used, usage.memory_total, in_bytes=True),
        _percent("swap", "swap", args.swap, usage.swap_used, usage.swap_total, in_bytes=True),
        _percent("files", f"open files of {usage.files_of}", args.files, usage.files_used, usage.files_most),
    ]
    for path, room in usage.rooms.items():
        found.append(_percent(f"disk {path}", f"disk {path}", args.disk, room.used, room.used + room.free, True))
        inodes = room.inodes_used + room.inodes_free
        found.append(_percent(f"inodes {path}", f"inodes of {path}", args.inodes, room.inodes_used, inodes))
    if args.load is not None:
        load = usage.load / usage.cores
        words = f"load {load:.1f} per core (limit {args.load:g}): {usage.load:.1f} on {usage.cores} cores"
        found.append(Measure("load", load / args.load, words, f"load {load:.1f} per core"))
    return [one for one in found if one]


def _cpu(usage: Usage, before: Any) -> tuple[float, float]:
    """Seconds that the cores worked since the last look, and had; nothing where there was none since the start."""
    seconds, idle = before if isinstance(before, list) and len(before) == 2 else (usage.cpu_seconds, 0.0)
    had = usage.cpu_seconds - seconds
    worked = had - (usage.cpu_idle_seconds - idle)
    return (min(max(worked, 0.0), had), had) if had > 0 else (0.0, 0.0)


def _percent(
    name: str, called: str, limit: int | None, used: float, most: float, in_bytes: bool = False
) -> Measure | None:
    if limit is None or most <= 0:
        return None
    percent = used * 100 / most
    if name == "cpu":
        counted = ""
    else:
        counted = f": {write_size(used)} of {write_size(most)}" if in_bytes else f": {used:.0f} of {most:.0f}"
    words = f"{called} {percent:.0f} % used (limit {limit} %){counted}"
    return Measure(name, percent / limit, words, f"{called} {percent:.0f} %")


def _full_soon(args: Args, usage: Usage, filling: Filling) -> list[Measure]:
    found = []
    for path, room in usage.rooms.items():
        slope = filling.bytes_per_second(path)
        left = room.free / slope if slope > 0 else None
        if args.full_within is not None and left is not None and left <= args.full_within:
            limit = write_duration(args.full_within)
            when = f"{left / 60:.0f} minutes" if left < 7_200 else f"{left / 3_600:.0f} hours"
            words = f"disk {path} will be full in {when} (limit {limit}): {write_size(room.free)} are free, "
            words += f"and it fills by {write_size(slope * 3600)} an hour"
            found.append(Measure(f"full {path}", args.full_within / max(left, 60.0), words))
    return found


def _good(measures: list[Measure]) -> str:
    nearest = sorted(measures, key=lambda one: -one.share_of_limit)[:4]
    return ", ".join(one.short for one in nearest) or "nothing is looked at"
