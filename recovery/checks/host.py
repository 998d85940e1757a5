"""A machine that must be there, whatever it runs."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictInt, field_validator

from recovery.checks import check
from recovery.checks.rates import ErrorRate, counting
from recovery.model import DoorError, Doors, FailureType, Past, Reading
from recovery.model.durations import Timeout

Port = Annotated[StrictInt, Field(ge=1, le=65_535)]


class Args(BaseModel):
    """Which machine, and where it is knocked at."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    host: str = Field(
        description="a name or an IP address", examples=["gpu1.example.com"], min_length=1, max_length=253
    )
    ports: tuple[Port, ...] = Field(
        (22, 80, 443), description="the ports that are knocked at, all at once", min_length=1, max_length=16
    )
    timeout: Timeout = Field(5.0, description="how long the first answer may take", examples=["10s"])
    error_rate: ErrorRate = None

    @field_validator("host")
    @classmethod
    def _only_a_host(cls, value: str) -> str:
        if any(sign in value for sign in "/@ \t\r\n\0") or value.count(":") == 1:
            raise ValueError("write only the host, such as gpu1.example.com; the ports have a key of their own")
        return value.removeprefix("[").removesuffix("]")


@check("host", remembers=True, every_seconds=30)
@counting
async def look_at_host(args: Args, doors: Doors, past: Past) -> Reading:
    """Knocks at a few TCP ports of a machine; one that takes **or refuses** the connection is a living machine.

    This is a ping that needs no special rights, and that tells a machine that is down from a service on it that is:
    watch the service with `tcp` or `http`. Where every port stays silent, and where the name cannot be resolved, it is
    `server_unresponsive`. A firewall that drops everything looks like a dead machine, so name a port that it lets
    through; one that refuses in a machine's name makes a dead one look alive.
    """
    try:
        knock = await doors.network.knock(args.host, list(args.ports), args.timeout)
    except DoorError as problem:
        failure = FailureType.API_ERROR if problem.kind == "client" else FailureType.SERVER_UNRESPONSIVE
        return Reading("", False, str(problem), failure)
    answered = "took" if knock.taken else "refused"
    return Reading("", True, f"is there: port {knock.port} {answered} the connection", latency_ms=knock.latency_ms)
