"""A Docker container that must run and be healthy."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from recovery.checks import check
from recovery.checks.remembering import Growth
from recovery.model import ContainerState, DoorError, Doors, FailureType, Past, Reading
from recovery.model.docker_address import DEFAULT_SOCKET, ContainerName, DockerSocket, docker_url
from recovery.model.durations import Period, Timeout, write_duration

ENDED = ("exited", "dead")


class Args(BaseModel):
    """Which container, where Docker is, and how many restarts are a loop."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    container: ContainerName = Field(description="the container's name or id", examples=["n8n"])
    socket: DockerSocket = Field(
        DEFAULT_SOCKET,
        description="Docker's socket, or `tcp://host:port` of a proxy for it, without TLS",
        examples=["tcp://docker-proxy:2375"],
    )
    restarts: Annotated[StrictInt, Field(ge=1, le=1000)] = Field(
        3, description="more restarts than this, within `within`, are a loop"
    )
    within: Period = Field(600.0, description="how long restarts are counted", examples=["30m"])
    timeout: Timeout = Field(5.0, description="how long Docker's answer may take", examples=["10s"])


@check("docker", remembers=True, every_seconds=30)
async def look_at_container(args: Args, doors: Doors, past: Past) -> Reading:
    """Asks Docker for a container; one that runs, is not unhealthy and does not restart in a loop is healthy.

    A container that has no health check of its own is healthy while it runs; one whose health check has not answered
    yet, too. Restarts are those that Docker made by the container's restart policy. One that was ended because the
    machine had no memory left is `resource_exhausted`; everything else is `server_unresponsive`, a Docker that does not
    answer included. Its death, and ill health, is looked at within about a second, where Docker tells its events.
    The worker needs the right to use Docker's socket, which is the right to do anything on the machine: a proxy that
    only lets `GET /containers/*/json` and `GET /events` through is safer.
    """
    address = docker_url(args.socket)
    try:
        state = await doors.docker.container(args.container, address, args.timeout)
    except DoorError as problem:
        return Reading("", False, str(problem), FailureType.SERVER_UNRESPONSIVE)
    if state is None:
        return Reading("", False, f"there is no container {args.container}", FailureType.SERVER_UNRESPONSIVE)
    growth = Growth(past.memory.get("restarts"), state.restarts, past.now, args.within)
    wrong = _what_is_wrong(state, growth.total > args.restarts)
    if growth.total > args.restarts:
        wrong += f": {growth.total} times within {write_duration(args.within)} (limit {args.restarts})"
    exhausted = state.out_of_memory and wrong
    failure = FailureType.RESOURCE_EXHAUSTED if exhausted else FailureType.SERVER_UNRESPONSIVE
    return Reading(
        component="",
        healthy=not wrong,
        because=wrong or _good(state),
        failure_type=failure if wrong else None,
        certain=state.status in ENDED,
        memory={"restarts": growth.memory, "container": args.container, "docker": address},
    )


def _what_is_wrong(state: ContainerState, loops: bool) -> str:
    killed = ", because it had no memory left" if state.out_of_memory else ""
    if state.status == "exited":
        said = f"has ended with exit code {state.exit_code}{killed}"
    elif state.status == "restarting":
        said = f"waits to be restarted after exit code {state.exit_code}{killed}"
    elif state.status != "running":
        said = f"is {state.status}{killed}"
    elif state.health == "unhealthy":
        said = f"is unhealthy: {state.failing_streak} health checks in a row have failed"
    else:
        said = ""
    return "; ".join(filter(None, (said, "restarts in a loop" if loops else "")))


def _good(state: ContainerState) -> str:
    if state.health == "starting":
        return "runs, and its health check has not answered yet"
    return "runs, and is healthy" if state.health == "healthy" else "runs"
