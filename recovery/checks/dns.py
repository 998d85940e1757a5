"""A name that must be resolved: by the system, or by one name server."""

import re
from ipaddress import ip_address
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, field_validator

from recovery.checks import check
from recovery.checks.rates import ErrorRate, counting
from recovery.model import DoorError, Doors, FailureType, Past, Reading
from recovery.model.durations import Timeout

FAILURES = {"client": FailureType.API_ERROR}
RECORDS = {"any": ["A", "AAAA"], "A": ["A"], "AAAA": ["AAAA"]}


class Args(BaseModel):
    """Which name, and what it must mean."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str = Field(description="the name to resolve", examples=["db.example.com"], min_length=1, max_length=253)
    record: Literal["any", "A", "AAAA"] = Field(
        "any", description="which addresses: `A` (IPv4), `AAAA` (IPv6), or `any`: one of either is enough"
    )
    server: str = Field(
        "",
        description="the IP address of the name server to ask; without it the system's resolver",
        examples=["9.9.9.9"],
    )
    port: Annotated[StrictInt, Field(ge=1, le=65_535)] = Field(53, description="the port of `server`", examples=[5353])
    expect: tuple[str, ...] = Field(
        (),
        description="the addresses that the name may have: any other is bad",
        examples=[["192.0.2.10", "192.0.2.11"]],
        max_length=64,
    )
    timeout: Timeout = Field(5.0, description="how long the answer may take", examples=["2s"])
    error_rate: ErrorRate = None

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        if re.search(r"[\s/@:,\x00-\x1f\x7f]", value) or ".." in value or value.startswith("."):
            raise ValueError("write only a name, such as db.example.com")
        return value

    @field_validator("server")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        return str(ip_address(value)) if value else ""

    @field_validator("expect")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(ip_address(one)) for one in value)


@check("dns", remembers=True, every_seconds=30)
@counting
async def look_over_dns(args: Args, doors: Doors, past: Past) -> Reading:
    """Resolves a name; at least one address, and none but the expected ones where any are given, is healthy.

    The system's resolver is asked as every program asks it (with /etc/hosts, its search list and its cache); a
    `server` is asked itself, and for the name as it is written. No answer, an answer such as SERVFAIL and a name that
    does not exist are `server_unresponsive`; an unexpected address is an `api_error`.
    """
    try:
        found = await doors.network.resolve(args.name, RECORDS[args.record], args.server, args.port, args.timeout)
    except DoorError as problem:
        return Reading("", False, str(problem), FAILURES.get(problem.kind, FailureType.SERVER_UNRESPONSIVE))
    strange = [one for one in found if args.expect and str(ip_address(one)) not in args.expect]
    if strange:
        return Reading("", False, f"{args.name} is {_listed(strange)}, which is not expected", FailureType.API_ERROR)
    return Reading("", True, f"{args.name} is {_listed(found)}")


def _listed(addresses: list[str]) -> str:
    more = len(addresses) - 4
    return ", ".join(addresses[:4]) + (f" and {more} more" if more > 0 else "")
