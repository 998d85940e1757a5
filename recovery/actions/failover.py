"""A component with a primary and standbys: which of them workflows should use."""

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from recovery.actions import action
from recovery.model import About, Done, DoorError, Doors, Failed, NotNeeded, Result
from recovery.model.durations import Timeout
from recovery.model.endpoints import live_of

HTTP = ("http", "https")
PORTS = {"http": 80, "https": 443, "postgresql": 5432, "postgres": 5432, "mysql": 3306, "redis": 6379, "amqp": 5672}
Example = dict[str, Any]


def _split(address: str) -> tuple[SplitResult, int]:
    """An address in its parts, with its port.

    Raises:
        ValueError: it is none that can be connected to, or holds what must not be shown.
    """
    parts = urlsplit(address)
    port = parts.port or PORTS.get(parts.scheme)
    if not (parts.scheme and parts.hostname) or port is None or parts.port == 0 or len(address) > 500:
        raise ValueError(
            "write scheme, host and port, such as https://b.example.com or postgresql://db2.example.com:5432"
        )
    if not (address.isascii() and address.isprintable()) or " " in address:
        raise ValueError("must hold no spaces and only ASCII characters")
    if "@" in parts.netloc:
        raise ValueError("must hold no user and no password: whoever may ask which endpoint is live would see them")
    return parts, port


def _check_address(address: str) -> str:
    _split(address)
    return address


def _named(value: Any) -> Any:
    return {"url": value} if isinstance(value, str) else value


Address = Annotated[str, AfterValidator(_check_address)]


class Endpoint(BaseModel):
    """One place where the component can be reached, and how it is looked at."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: Address = Field(description="its address, which workflows are told")
    check: Address | None = Field(
        None,
        description="what is looked at instead of `url`: an http(s) address must answer 200-399, any other takes a "
        "TCP connection",
    )


class Args(BaseModel):
    """The endpoints, and how they are looked at."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    endpoints: Annotated[
        tuple[Annotated[Endpoint, BeforeValidator(_named, json_schema_input_type=str | Endpoint)], ...],
        Field(min_length=2, max_length=10),
    ] = Field(
        description="the primary, then the standbys in the order in which they are preferred: addresses, or `url` with "
        "`check`, another address to look at (http(s): answers 200-399; any other: takes a TCP connection)",
        examples=[
            ["https://a.example.com", {"url": "https://b.example.com", "check": "https://b.example.com/health"}],
        ],
    )
    timeout: Timeout = Field(5.0, description="how long the look at each may take", examples=["2s"])

    @field_validator("endpoints")
    @classmethod
    def _each_once(cls, endpoints: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
        if len({one.url for one in endpoints}) < len(endpoints):
            raise ValueError("an endpoint is there twice")
        return endpoints

    @property
    def urls(self) -> list[str]:
        """Their addresses, the primary's first."""
        return [one.url for one in self.endpoints]


def _trouble(args: Args, endpoint: Endpoint, doors: Doors) -> DoorError | None:
    """What is wrong with an endpoint; None where it is healthy."""
    address = endpoint.check or endpoint.url
    parts, port = _split(address)
    try:
        if parts.scheme not in HTTP:
            doors.http.connect(str(parts.hostname), port, args.timeout)
            return None
        answer = doors.http.request("GET", address, timeout_seconds=args.timeout)
    except DoorError as problem:
        return problem
    return None if 200 <= answer.status < 400 else DoorError(f"{parts.netloc} answered {answer.status}", "status")


def _choose(args: Args, doors: Doors, about: About) -> str | Failed | NotNeeded:
    """Which endpoint should be live from now on: the first healthy one beside the one that is.

    A standby that is live and healthy is kept: the component's check may still look at the primary.
    """
    live = live_of(args.urls, about.memory)
    standing = next(one for one in args.endpoints if one.url == live)
    if live != args.urls[0] and _trouble(args, standing, doors) is None:
        return NotNeeded(f"{live} is live and healthy")
    problems = []
    for one in args.endpoints:
        if one.url == live:
            continue
        problem = _trouble(args, one, doors)
        if problem is None:
            return one.url
        problems.append(problem)
    return Failed("; ".join(map(str, problems)), all(problem.permanent for problem in problems))


def preview(args: Args, doors: Doors, about: About) -> str:
    """Which endpoint it would switch to, as they are now."""
    live, chosen = live_of(args.urls, about.memory), _choose(args, doors, about)
    if isinstance(chosen, str):
        return f"switch from {live} to {chosen}"
    return f"stay at {live}: {chosen.why}"


def back(args: Args, doors: Doors, about: About) -> Result:
    """Switches back to the primary, where that is healthy."""
    primary, live = args.endpoints[0], live_of(args.urls, about.memory)
    if live == primary.url:
        return NotNeeded(f"{live} is live already")
    problem = _trouble(args, primary, doors)
    return Failed(str(problem), problem.permanent) if problem else _switched(live, primary.url, about.now)


@action("failover", safe_to_repeat=True, preview=preview, back=back)
def failover(args: Args, doors: Doors, about: About) -> Result:
    """Switches to the first other endpoint that is healthy by a small check of its own, and remembers it.

    `GET /api/v1/components/<name>/endpoint` tells workflows from then on which one is live; nothing else is changed, so
    let them ask, or let another action of the same stage carry it further (a DNS record, a proxy). Each is looked at
    once, over HTTP (200-399 is healthy) or TCP. A standby that is live and healthy is kept, because the component's own
    check may still look at the primary; one that has failed as well is left for the next healthy endpoint, the primary
    included. Where none is healthy everything stays as it is. The way back is to the primary, once that is healthy. It
    is safe to repeat: until the worker has recorded the switch nobody is told of it, and a second run chooses anew.
    """
    live, chosen = live_of(args.urls, about.memory), _choose(args, doors, about)
    return _switched(live, chosen, about.now) if isinstance(chosen, str) else chosen


def _switched(before: str, after: str, now: datetime) -> Done:
    return Done(f"switched from {before} to {after}", memory={"live": after, "at": now.isoformat()})
