"""A component that takes TCP connections: a database, a mail server, a broker."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictInt, field_validator

from recovery.checks import check
from recovery.checks.rates import ErrorRate, counting
from recovery.model import DoorError, Doors, FailureType, Past, Reading
from recovery.model.durations import Timeout

FAILURES = {"timeout": FailureType.API_TIMEOUT, "client": FailureType.API_ERROR}


class Args(BaseModel):
    """Where to connect to."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    host: str = Field(description="a name or an IP address", examples=["db.example.com"], min_length=1, max_length=253)
    port: Annotated[StrictInt, Field(ge=1, le=65_535)] = Field(description="the port", examples=[5432])
    timeout: Timeout = Field(5.0, description="how long the connection may take", examples=["10s"])
    error_rate: ErrorRate = None

    @field_validator("host")
    @classmethod
    def _only_a_host(cls, value: str) -> str:
        if any(sign in value for sign in "/@ \t\r\n\0") or value.count(":") == 1:
            raise ValueError("write only the host, such as db.example.com; the port has a key of its own")
        return value.removeprefix("[").removesuffix("]")


@check("tcp", remembers=True, every_seconds=30)
@counting
async def look_over_tcp(args: Args, doors: Doors, past: Past) -> Reading:
    """Opens a TCP connection and closes it again: taken in time is healthy. Nothing is sent.

    A connection that is not taken in time is an `api_timeout`; a refused one and a name that cannot be resolved are
    `server_unresponsive`.
    """
    try:
        latency_ms = await doors.http.reach(args.host, args.port, args.timeout)
    except DoorError as problem:
        return Reading("", False, str(problem), FAILURES.get(problem.kind, FailureType.SERVER_UNRESPONSIVE))
    return Reading("", True, "took the connection", latency_ms=latency_ms)
