"""A Docker container, or a service of `docker compose`, that is restarted."""

import math
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from recovery.actions import action
from recovery.actions.commands import LOOK_SECONDS, ask, failure, would, would_not
from recovery.actions.composing import Compose, replicas
from recovery.model import About, Done, DoorError, Doors, Failed, NotNeeded, Result
from recovery.model.docker_address import DEFAULT_SOCKET, ContainerName, DockerSocket, docker_url
from recovery.model.durations import Duration, Timeout, write_duration

LONGEST_STOP_SECONDS = 3_600.0


def _check_stop(seconds: float) -> float:
    if seconds > LONGEST_STOP_SECONDS:
        raise ValueError("a container may take at most 1h to stop")
    return seconds


class Args(BaseModel):
    """Which container or service, and how long it may take to stop."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        json_schema_extra={"example": {"container": "browserless"}},
    )

    container: ContainerName | None = Field(None, description="the container's name or id", examples=["browserless"])
    compose: Compose | None = Field(
        None,
        description="or a service of docker compose: `service`, with `file` (a whole path), `project` or both",
        examples=[{"file": "/srv/shop/compose.yaml", "service": "worker"}],
    )
    socket: DockerSocket = Field(
        DEFAULT_SOCKET,
        description="Docker's socket, or `tcp://host:port` of a proxy for it, without TLS",
        examples=["tcp://docker-proxy:2375"],
    )
    stop_timeout: Annotated[Duration, AfterValidator(_check_stop)] | None = Field(
        None,
        description="how long it may take to stop before it is ended; else as it says itself (10 s by default)",
        examples=["30s"],
    )
    timeout: Timeout = Field(60.0, description="how long stopping and starting may take together", examples=["2m"])

    @model_validator(mode="after")
    def _says_which(self) -> "Args":
        if (self.container is None) == (self.compose is None):
            raise ValueError("say what to restart: write either `container` or `compose`")
        if self.stop_timeout is not None and self.stop_timeout >= self.timeout:
            raise ValueError("`timeout` must be longer than `stop_timeout`, for it is stopped and started within it")
        return self


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be restarted, as it is now."""

    state: str
    command: list[str]


def preview(args: Args, doors: Doors, about: About) -> str:
    """The container that it would restart, or the very command."""
    plan = _plan(args, doors)
    if not isinstance(plan, _Plan):
        return would_not(plan)
    if plan.command:
        return f"{would([plan.command], args.timeout)} ({plan.state})"
    stop = "its own time" if args.stop_timeout is None else write_duration(args.stop_timeout)
    return f"restart container {args.container} at {docker_url(args.socket)} ({plan.state}), giving it {stop} to stop"


@action("restart_container", safe_to_repeat=True, restarts=True, preview=preview)
def restart_container(args: Args, doors: Doors, about: About) -> Result:
    """Restarts a Docker container by Docker's API, or a service with `docker compose restart`.

    It looks at it first. A container whose health check has not answered yet since its start is left to it: there is
    nothing to do. One that has stopped is started. What does not exist is a permanent failure: a restart makes no
    container, and reads no changed compose file. Done means that Docker says so; whether it works is for the
    component's check.

    The worker needs the right to use Docker's socket, which is the right to do anything on the machine: a proxy that
    lets only `GET /containers/*/json` and `POST /containers/*/restart` through is safer. `compose` runs the `docker`
    program with its compose plugin; services that depend on this one with `restart: true` are restarted with it. A
    Docker that has not answered at the timeout is a failure, and what it has begun goes on. It is safe to repeat: a
    worker that is killed in the middle leaves a container that is stopped, starting or started, and a second restart
    ends in the same state, after one more interruption at the worst.
    """
    try:
        plan = _plan(args, doors)
        if not isinstance(plan, _Plan):
            return plan
        if plan.command:
            ended = ask(doors, plan.command, args.timeout)
            return failure(plan.command, ended) if ended.code != 0 else Done(f"restarted {_what(args)}")
        is_there = doors.docker.restart(args.container or "", docker_url(args.socket), _stop(args), args.timeout)
    except DoorError as problem:
        return Failed(str(problem), problem.permanent)
    return Done(f"restarted {_what(args)}") if is_there else _missing(args)


def _plan(args: Args, doors: Doors) -> _Plan | NotNeeded | Failed:
    if args.compose:
        return _plan_service(args, args.compose, doors)
    state = doors.docker.look(args.container or "", docker_url(args.socket), min(LOOK_SECONDS, args.timeout))
    if state is None:
        return _missing(args)
    if state.status == "running" and state.health == "starting":
        return _starting(args)
    return _Plan(f"it is {state.status}" + (f" and {state.health}" if state.health else ""), [])


def _plan_service(args: Args, compose: Compose, doors: Doors) -> _Plan | NotNeeded | Failed:
    found = replicas(doors, compose, args.socket, min(LOOK_SECONDS, args.timeout))
    if not found:
        return _missing(args)
    if all((one.state, one.health) == ("running", "starting") for one in found):
        return _starting(args)
    stop = [] if (seconds := _stop(args)) is None else ["--timeout", str(seconds)]
    told = ", ".join(f"{one.name} is {one.state}" + (f" and {one.health}" if one.health else "") for one in found[:10])
    return _Plan(told, [*compose.call(args.socket), "restart", *stop, compose.service])


def _stop(args: Args) -> int | None:
    """Docker counts whole seconds."""
    return None if args.stop_timeout is None else math.ceil(args.stop_timeout)


def _what(args: Args) -> str:
    return f"service {args.compose.service} of docker compose" if args.compose else f"container {args.container}"


def _missing(args: Args) -> Failed:
    return Failed(f"there is no container of {_what(args)}" if args.compose else f"there is no {_what(args)}", True)


def _starting(args: Args) -> NotNeeded:
    return NotNeeded(f"{_what(args)} is being started already: its health check has not answered yet")
