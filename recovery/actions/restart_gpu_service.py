"""The services and containers that hold a GPU which fails: exactly these are restarted, where that is allowed."""

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictInt, model_validator

from recovery.actions import action, restart_container, restart_service
from recovery.actions.commands import LOOK_SECONDS, would_not
from recovery.model import About, Done, DoorError, Doors, Failed, GpuState, NotNeeded, Owner, Result
from recovery.model.docker_address import DEFAULT_SOCKET, ContainerName, DockerSocket, docker_url
from recovery.model.durations import Timeout

SHOWN = 10


class Args(BaseModel):
    """What may be restarted, and what is too much for a GPU."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        json_schema_extra={"example": {"services": ["ollama.service"]}},
    )

    services: Annotated[tuple[str, ...], Field(max_length=50)] = Field(
        (), description="systemd units that may be restarted", examples=[["ollama.service"]]
    )
    containers: Annotated[tuple[ContainerName, ...], Field(max_length=50)] = Field(
        (), description="Docker containers that may be restarted, by name", examples=[["comfyui"]]
    )
    temperature: Annotated[StrictInt, Field(ge=20, le=150)] = Field(
        90, description="degrees Celsius from which a GPU counts as failing, as in the check `gpu`"
    )
    memory: Annotated[StrictInt, Field(ge=1, le=100)] = Field(
        98, description="percent of its memory from which it does, as in the check `gpu`"
    )
    socket: DockerSocket = Field(
        DEFAULT_SOCKET,
        description="Docker's socket, or `tcp://host:port` of a proxy for it, without TLS",
        examples=["tcp://docker-proxy:2375"],
    )
    timeout: Timeout = Field(120.0, description="how long each restart may take", examples=["5m"])

    @model_validator(mode="after")
    def _says_what(self) -> "Args":
        if not self.services and not self.containers:
            raise ValueError("say what may be restarted: write `services`, `containers` or both")
        if any(not restart_service.UNIT.fullmatch(one) or not one.endswith(".service") for one in self.services):
            raise ValueError("`services` are whole names of systemd units, such as ollama.service")
        return self


@dataclass(slots=True)
class _Plan:
    """What holds the failing GPUs, and is allowed."""

    gpus: list[str]
    services: set[str] = field(default_factory=set)
    containers: set[str] = field(default_factory=set)


def preview(args: Args, doors: Doors, about: About) -> str:
    """The services and containers that it would restart, by name."""
    plan = _plan(args, doors)
    if isinstance(plan, NotNeeded | Failed):
        return would_not(plan)
    return f"restart {_told(plan)}, for at most {args.timeout:g} s each"


@action("restart_gpu_service", safe_to_repeat=True, restarts=True, preview=preview)
def restart_gpu_service(args: Args, doors: Doors, about: About) -> Result:
    """Restarts the systemd services and Docker containers that hold a failing NVIDIA GPU of this machine.

    A GPU counts as failing when it is lost, too hot, nearly out of memory, slowed down for its protection, or has had
    uncorrected memory errors since the driver was loaded, at the moment in which the action looks. Who holds it is
    told by the driver; of a GPU that does not answer any more, it is whoever has its device file open. Whose a process
    is, is read from its control group. Exactly these services and containers are restarted, and only where
    `services` and `containers` allow all of them: where something else holds the GPU too, nothing is restarted, and
    the failure says what it is. What runs in a login belongs to no service.

    The rights are those of `restart_service` and `restart_container`; to see who has a lost GPU's file open, the worker
    must be root, or of the same user. Inside a container it sees neither the machine's processes nor their groups: run
    the worker on the machine itself. It is safe to repeat, as restarts are. A component's `actions` may call it
    `restart_gpu_service`; then it is among what usually helps against `resource_exhausted` and `server_unresponsive`.

    Tried with a stand-in for the driver, and with control groups as systemd and Docker write them; not on a GPU that
    really fails. A restart does not bring back every lost GPU: one that needs a reset waits for a person.
    """
    try:
        plan = _plan(args, doors)
        if not isinstance(plan, _Plan):
            return plan
        failed = _restart(plan, args, doors, about)
    except DoorError as problem:
        return Failed(str(problem), problem.permanent)
    return failed or Done(f"restarted {_told(plan)}")


def _plan(args: Args, doors: Doors) -> _Plan | NotNeeded | Failed:
    gpus = doors.gpu.look_at_holders(min(LOOK_SECONDS, args.timeout))
    failing = [one for one in gpus.devices if _fails(args, one)]
    if not failing:
        return NotNeeded(gpus.absent or "no GPU is failing by now")
    pids = sorted({pid for one in failing for pid in one.holders or ()})
    plan, others = _Plan([one.name for one in failing]), []
    for pid in pids:
        if not _allow(plan, doors.processes.owner(pid), args, doors):
            others.append((pid, doors.processes.owner(pid)))
    if others:
        more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
        told = ", ".join(_who(*one) for one in others[:SHOWN])
        return Failed(f"{_gpus(plan)} held by {told}{more}, which may not be restarted: nothing was")
    if not plan.services and not plan.containers:
        return Failed(f"{_gpus(plan)} held by no process that can be seen: no restart would help")
    return plan


def _fails(args: Args, one: GpuState) -> bool:
    percent = one.memory_used * 100 / one.memory_total if one.memory_used is not None and one.memory_total else 0.0
    hot = one.temperature is not None and one.temperature >= args.temperature
    return bool(one.lost or hot or percent >= args.memory or one.slowed_by or one.uncorrected_errors)


def _allow(plan: _Plan, owner: Owner, args: Args, doors: Doors) -> bool:
    """Note what is to be restarted for a holder; False where that is not allowed. One that has ended holds nothing."""
    if not owner.process:
        return True
    if owner.unit in args.services:
        plan.services.add(owner.unit)
        return True
    name = next((one for one in args.containers if owner.container and _is(one, owner.container, args, doors)), "")
    plan.containers |= {name} if name else set()
    return bool(name)


def _is(name: str, container_id: str, args: Args, doors: Doors) -> bool:
    """Whether the container of that name is the one with this id."""
    state = doors.docker.look(name, docker_url(args.socket), LOOK_SECONDS)
    return state is not None and state.id == container_id


def _restart(plan: _Plan, args: Args, doors: Doors, about: About) -> Failed | None:
    """Restart them one after the other; the first failure ends it."""
    for unit in sorted(plan.services):
        one = restart_service.Args.model_validate({"service": unit, "timeout": args.timeout})
        answer = restart_service.restart_service(one, doors, about)
        if isinstance(answer, Failed):
            return answer
    for name in sorted(plan.containers):
        other = restart_container.Args.model_validate(
            {"container": name, "socket": args.socket, "timeout": args.timeout}
        )
        answer = restart_container.restart_container(other, doors, about)
        if isinstance(answer, Failed):
            return answer
    return None


def _told(plan: _Plan) -> str:
    parts = [*sorted(plan.services), *(f"container {one}" for one in sorted(plan.containers))]
    return f"{', '.join(parts)}, because {_gpus(plan)} held by {'it' if len(parts) == 1 else 'them'}"


def _gpus(plan: _Plan) -> str:
    return f"{', '.join(plan.gpus)} {'is' if len(plan.gpus) == 1 else 'are'}"


def _who(pid: int, owner: Owner) -> str:
    whose = owner.unit or (f"container {owner.container[:12]}" if owner.container else "no service")
    return f"process {pid} ({owner.process}, {whose})"
