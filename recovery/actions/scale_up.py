"""More of what is overloaded: one replica more, up to a ceiling, and back again when it has long been healthy."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt, model_validator

from recovery.actions import action
from recovery.actions.commands import LOOK_SECONDS, ask, failure, would, would_not
from recovery.actions.composing import Compose
from recovery.actions.scaling import FOR_GOOD, ComposeWay, Kubernetes, OwnCommands, OwnWay, SwarmWay, Way
from recovery.model import About, Done, DoorError, Doors, Failed, NotNeeded, Result
from recovery.model.docker_address import DEFAULT_SOCKET, DockerSocket
from recovery.model.durations import Timeout

KINDS = ("compose", "swarm", "kubernetes", "command")
Replicas = Annotated[StrictInt, Field(ge=1, le=1000)]


class Args(BaseModel):
    """What to scale, by how many, and how far."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        json_schema_extra={"example": {"swarm": "shop_worker"}},
    )

    ceiling: Replicas = Field(description="never more than this", examples=[4])
    by: Replicas = Field(1, description="how many to add each time")
    compose: Compose | None = Field(
        None,
        description="a service of docker compose: `service`, with `file` (a whole path), `project` or both",
        examples=[{"file": "/srv/shop/compose.yaml", "service": "worker"}],
    )
    swarm: str | None = Field(
        None,
        description="or a service of a Docker swarm",
        examples=["shop_worker"],
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$",
    )
    kubernetes: Kubernetes | None = Field(
        None,
        description="or `deployment`, with `namespace`, `context` and `kubeconfig` where kubectl's own do not fit",
        examples=[{"deployment": "orders", "namespace": "shop"}],
    )
    command: OwnCommands | None = Field(
        None,
        description="or commands: `count` prints the number, `scale` is given it as `{{replicas}}`",
        examples=[{"count": ["/opt/count", "orders"], "scale": ["/opt/scale", "orders", "{{replicas}}"]}],
    )
    socket: DockerSocket = Field(
        DEFAULT_SOCKET, description="where Docker is, for `compose` and `swarm`", examples=["tcp://docker-proxy:2375"]
    )
    timeout: Timeout = Field(120.0, description="how long scaling may take", examples=["5m"])

    @model_validator(mode="after")
    def _says_which(self) -> "Args":
        if sum(getattr(self, kind) is not None for kind in KINDS) != 1:
            raise ValueError(f"say what to scale: write one of {', '.join(f'`{kind}`' for kind in KINDS)}")
        return self


def preview(args: Args, doors: Doors, about: About) -> str:
    """The very command, from how many there are."""
    way = _way(args, about)
    before = way.present(doors, _look_seconds(args))
    plan = _target(args, way, before)
    if isinstance(plan, Failed):
        return would_not(plan)
    return f"{would([way.command(before, plan)], args.timeout)} (there are {before}, and the ceiling is {args.ceiling})"


def back(args: Args, doors: Doors, about: About) -> Result:
    """Scales down to what there was before, where nobody has changed the number since."""
    try:
        way, memory = _way(args, about), about.memory
        if not _is_remembered(memory, way):
            return NotNeeded(f"{way.what} was not scaled up")
        present = way.present(doors, _look_seconds(args))
        if present != memory["after"]:
            return NotNeeded(
                f"there are {present} of {way.what}, and not the {memory['after']} that it was scaled up to"
            )
        return _change(way, doors, args, present, memory["before"], {})
    except DoorError as problem:
        return Failed(str(problem), problem.permanent)


@action("scale_up", safe_to_repeat=False, preview=preview, back=back)
def scale_up(args: Args, doors: Doors, about: About) -> Result:
    """Adds replicas: `docker compose up --scale`, `docker service scale`, `kubectl scale`, or commands of one's own.

    It reads how many there are, adds `by`, and never goes above `ceiling`. Reaching the ceiling is a failure that
    trying again cannot help, and not "nothing to do": more was wanted, and a person must see that there is no more.
    Where none is left at all, somebody has switched it off, which is a permanent failure too. The first number is
    remembered through several steps up, and its way back scales down to it, unless the number was changed by somebody
    else meanwhile. Not for what an autoscaler or another tool scales: the two would work against each other.

    A command that failed or was ended at its timeout may have done its work: the number is read again, and where there
    are more now, that is what was done. `scale` of one's own commands may hold `{{replicas}}` beside the fields of
    `run_command`, each within its one word. It is not safe to repeat: after a worker that was killed in the middle
    nobody knows whether replicas were added, and a second run would add them again, and forget the first number.
    """
    try:
        way = _way(args, about)
        before = way.present(doors, _look_seconds(args))
        plan = _target(args, way, before)
        if isinstance(plan, Failed):
            return plan
        first = about.memory["before"] if _goes_on(about.memory, way, before) else before
        return _change(way, doors, args, before, plan, {"of": way.what, "before": first})
    except DoorError as problem:
        return Failed(str(problem), problem.permanent)


def _way(args: Args, about: About) -> Way:
    if args.compose:
        return ComposeWay(args.compose, args.socket)
    if args.swarm:
        return SwarmWay(args.swarm, args.socket)
    if args.kubernetes:
        return args.kubernetes
    assert args.command  # noqa: S101 the model has seen to it
    return OwnWay(args.command, about)


def _look_seconds(args: Args) -> float:
    return min(LOOK_SECONDS, args.timeout)


def _target(args: Args, way: Way, present: int) -> int | Failed:
    """How many there should be."""
    if present == 0:
        return Failed(f"there are none of {way.what}: somebody has switched it off", permanent=True)
    if present >= args.ceiling:
        return Failed(f"there are {present} of {way.what} already, and the ceiling is {args.ceiling}", permanent=True)
    return min(present + args.by, args.ceiling)


def _change(way: Way, doors: Doors, args: Args, before: int, after: int, memory: dict[str, Any]) -> Result:
    """Scale from `before` to `after`. What went wrong counts only where the number has not changed."""
    command, problem = way.command(before, after), ""
    try:
        ended = ask(doors, command, args.timeout)
        failed = failure(command, ended, bool(FOR_GOOD.search(ended.output))) if ended.code != 0 else None
    except DoorError as error:
        failed = Failed(str(error), error.permanent)
    if failed:
        problem, after = f"; {failed.why}", _read_again(way, doors, args, before)
        if after == before:
            return failed
    remembered = memory | {"after": after} if memory else {}
    return Done(f"there are {after} of {way.what} now, instead of {before}{problem}", remembered)


def _read_again(way: Way, doors: Doors, args: Args, before: int) -> int:
    """How many there are after a command that failed; as before where that is not told either."""
    try:
        return way.present(doors, _look_seconds(args))
    except DoorError:
        return before


def _is_remembered(memory: dict[str, Any], way: Way) -> bool:
    before, after = memory.get("before"), memory.get("after")
    are_numbers = type(before) is int and type(after) is int
    return memory.get("of") == way.what and are_numbers and 0 < int(before or 0) < int(after or 0)


def _goes_on(memory: dict[str, Any], way: Way, present: int) -> bool:
    """Whether an earlier step up still stands, so that the way back leads to what was before that."""
    return _is_remembered(memory, way) and memory["after"] == present
