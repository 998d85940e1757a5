"""The NVIDIA GPUs of this machine."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from recovery.checks import check
from recovery.checks.remembering import Growth, held_seconds
from recovery.model import DoorError, Doors, FailureType, Gpus, GpuState, Past, Reading
from recovery.model.durations import Duration, Period, Timeout, write_duration

GIB = 1024**3


class Args(BaseModel):
    """What is too much for a GPU; `null` looks away."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    devices: Annotated[StrictInt, Field(ge=0, le=64)] | None = Field(
        None, description="how many GPUs there must be; without it as many as there once were", examples=[8]
    )
    temperature: Annotated[StrictInt, Field(ge=20, le=150)] | None = Field(
        90, description="degrees Celsius of the chip"
    )
    memory: Annotated[StrictInt, Field(ge=1, le=100)] | None = Field(98, description="percent of the GPU's memory")
    ecc_errors: Annotated[StrictInt, Field(ge=0)] | None = Field(
        0, description="more uncorrected memory errors than this, within `ecc_within`, are bad at once"
    )
    ecc_within: Period = Field(3_600.0, description="how long memory errors are counted", examples=["24h"])
    hold: Duration = Field(
        300.0, description="how long temperature, memory or a slow-down must last before it counts", examples=["10m"]
    )
    timeout: Timeout = Field(10.0, description="how long the driver may take to answer")


@check("gpu", remembers=True, every_seconds=30)
def look_at_gpus(args: Args, doors: Doors, past: Past) -> Reading:
    """Asks the NVIDIA driver for every GPU: whether it is there, its temperature, memory, errors and slow-downs.

    A GPU that is lost or has fallen off the bus, fewer of them than before, uncorrected memory errors and a driver
    that does not answer are `server_unresponsive`. A temperature, a memory or a slow-down for the GPU's protection (by
    heat or by its power supply) that lasts for `hold` is `resource_exhausted`. A machine that never had a GPU is
    healthy, and says so. What a GPU does not tell is not judged.
    """
    try:
        gpus = doors.gpu.look(args.timeout)
    except DoorError as problem:
        return Reading("", False, str(problem), FailureType.SERVER_UNRESPONSIVE)
    missing, known = _missing(args, gpus, past.memory.get("seen", []))
    broken, growths = _broken(args, gpus, past)
    since = dict(past.memory.get("since", {}))
    strained = [said for one in gpus.devices if not one.lost for said in _strained(args, one, since, past)]
    wrong = missing + broken + strained
    failure = FailureType.SERVER_UNRESPONSIVE if missing or broken else FailureType.RESOURCE_EXHAUSTED
    return Reading(
        component="",
        healthy=not wrong,
        because="; ".join(wrong) or _good(gpus),
        failure_type=failure if wrong else None,
        certain=bool(missing or broken),
        memory={"seen": known, "since": since, "ecc": growths},
    )


def _missing(args: Args, gpus: Gpus, seen: list[Any]) -> tuple[list[str], list[Any]]:
    """What is said of GPUs that are gone, and those that are known from now on.

    Without a number to go by, those that were seen once belong here, until somebody gives the number.
    """
    there = {one.id: one.name for one in gpus.devices if not one.id.startswith("GPU ")}
    if args.devices is not None:
        short = args.devices - len(gpus.devices)
        why = f": {gpus.absent}" if gpus.absent else ""
        said = [f"{len(gpus.devices)} of {args.devices} GPUs are there{why}"] if short > 0 else []
        return said, [[one, name] for one, name in there.items()]
    names = dict(seen) | there
    lost = sum(1 for one in gpus.devices if one.lost and one.id not in there)
    gone = [name for one, name in names.items() if one not in there]
    gone = gone[: max(0, len(gone) - lost)]  # those without a name of their own are told as lost already
    return [f"{name} is gone: {gpus.absent or 'the driver does not see it any more'}" for name in gone], [
        [one, name] for one, name in names.items()
    ]


def _broken(args: Args, gpus: Gpus, past: Past) -> tuple[list[str], dict[str, Any]]:
    said, growths = [], dict(past.memory.get("ecc", {}))
    for one in gpus.devices:
        if one.lost:
            said.append(f"{one.name} is lost: {one.lost}")
        if one.uncorrected_errors is None:
            continue
        growth = Growth(growths.get(one.id), one.uncorrected_errors, past.now, args.ecc_within)
        growths[one.id] = growth.memory
        if args.ecc_errors is not None and growth.total > args.ecc_errors:
            within = write_duration(args.ecc_within)
            said.append(f"{one.name} had {growth.total} uncorrected memory errors within {within}")
    return said, growths


def _strained(args: Args, one: GpuState, since: dict[str, float], past: Past) -> list[str]:
    percent = one.memory_used * 100 / one.memory_total if one.memory_used is not None and one.memory_total else 0.0
    hot = args.temperature is not None and one.temperature is not None and one.temperature >= args.temperature
    full = args.memory is not None and percent >= args.memory
    used, total = (one.memory_used or 0) / GIB, (one.memory_total or 0) / GIB
    told = (
        ("hot", hot, f"{one.name} has {one.temperature} °C (limit {args.temperature} °C)"),
        ("slow", bool(one.slowed_by), f"{one.name} is slowed down by {' and '.join(one.slowed_by)}"),
        (
            "full",
            full,
            f"memory of {one.name} {percent:.0f} % used (limit {args.memory} %): {used:.1f} of {total:.1f} GiB",
        ),
    )
    held = [(held_seconds(since, f"{kind} {one.id}", is_bad, past.now), words) for kind, is_bad, words in told]
    return [words for seconds, words in held if seconds is not None and seconds >= args.hold]


def _good(gpus: Gpus) -> str:
    if not gpus.devices:
        return f"{gpus.absent or 'there is no GPU'}: nothing to look at"
    hottest = max((one.temperature for one in gpus.devices if one.temperature is not None), default=None)
    many = f"{len(gpus.devices)} GPU{'s' if len(gpus.devices) > 1 else ''} at work"
    return many if hottest is None else f"{many}, the hottest at {hottest} °C"
