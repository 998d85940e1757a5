"""A component that answers over HTTP."""

import json
import math
import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    WithJsonSchema,
    field_validator,
)
from pydantic import model_validator as whole

from recovery.checks import check
from recovery.checks.rates import ErrorRate, acted_at, counting
from recovery.checks.remembering import known_seconds
from recovery.model import DoorError, Doors, FailureType, Past, Reading
from recovery.model.durations import Timeout
from recovery.model.statuses import span_of, spans_of

_STATUS_SCHEMA: dict[str, Any] = {
    "type": ["string", "integer"],
    "pattern": "^([1-5][xX]{2}|[1-5][0-9]{2}(-[1-5][0-9]{2})?)$",
}
_STATUS_SCHEMA |= {"minimum": 100, "maximum": 599}
FEWEST_TO_JUDGE = 5
IN_TIME, WELL_AGAIN = 95, 97.5  # percent
FAILURES = {"timeout": FailureType.API_TIMEOUT, "client": FailureType.API_ERROR}


def _as_statuses(value: Any) -> tuple[str, ...]:
    given = value if isinstance(value, (list, tuple)) else [value]
    if not given or any(isinstance(one, bool) or not isinstance(one, (int, str)) for one in given):
        raise ValueError('write a status such as 200, "2xx" or "200-299", or a list of them')
    for one in given:
        if span_of(str(one).strip()) is None:
            raise ValueError(f'{str(one)[:40]!r} is not a status: write 200, "2xx" or "200-299"')
    return tuple(str(one).strip() for one in given)


Statuses = Annotated[
    tuple[str, ...],
    BeforeValidator(_as_statuses),
    WithJsonSchema({"anyOf": [_STATUS_SCHEMA, {"type": "array", "items": _STATUS_SCHEMA, "minItems": 1}]}),
]


class Args(BaseModel):
    """What to ask for, and what is a good answer."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: str = Field(description="the address to ask", examples=["https://orders.example.com/health"])
    timeout: Timeout = Field(5.0, description="how long the whole answer may take", examples=["10s"])
    method: Literal["GET", "HEAD"] = Field("GET", description="how to ask")
    expect_status: Statuses = Field(
        ("200-399",),
        description='which statuses are good: `200`, `"2xx"`, `"200-299"` or a list of them',
        examples=["2xx", [200, 401]],
    )
    expect_text: str = Field("", description="what the answer must hold; `GET` only", examples=["ok"])
    expect_json: dict[str, Any] = Field(
        default_factory=dict,
        description="what the answer's JSON must hold: dotted paths and their values; `GET` only",
        examples=[{"status": "ok", "database.connected": True}],
    )
    slow: Timeout | None = Field(
        None,
        description="not healthy where 95 % of the last answers do not come within this",
        examples=["800ms"],
    )
    window: Annotated[StrictInt, Field(ge=5, le=200)] = Field(20, description="how many answers `slow` looks at")
    error_rate: ErrorRate = None
    verify_tls: StrictBool = Field(True, description="whether the certificate must be trusted and not expired")

    @field_validator("url")
    @classmethod
    def _can_be_asked(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0 or re.search(r"\s", value):
            raise ValueError("write a whole address, such as https://orders.example.com/health")
        return value

    @whole(mode="after")
    def _has_text_to_look_at(self) -> "Args":
        if (self.expect_text or self.expect_json) and self.method == "HEAD":
            raise ValueError("an answer to HEAD has no text: leave `expect_text` and `expect_json` out, or use GET")
        return self


@check("http", remembers=True, every_seconds=30)
@counting
async def look_over_http(args: Args, doors: Doors, past: Past) -> Reading:
    """Asks an address once; a good status, and what else is expected, is healthy.

    No answer in time is an `api_timeout`, and so are answers that are `slow` again and again; no connection, a
    connection that breaks and a certificate that is not trusted are `server_unresponsive`; a wrong status, text or JSON
    value is an `api_error`. They are looked for in the first 64 KiB. Proxies and credentials in the environment are not
    used. The check `certificate` tells when a certificate is about to end. Up to 5 redirects within the host are
    followed; one to another host is the answer itself, for whether that host is well says nothing of this one.

    An `error_rate` (of 15 minutes, 20 % and 10 looks unless it says otherwise) sees what fails now and then, and never
    often enough in a row: that is a `high_error_rate`. Three failures in a row are an outage, told as such, and no
    longer counted when it is over; a restart begins the count anew, and is verified once enough looks were counted.
    Once too large, a share is good again at half of `at_most`; and so is `slow`, when half as many answers are slow.
    """
    try:
        answer = await doors.http.ask(args.method, args.url, timeout_seconds=args.timeout, verify=args.verify_tls)
    except DoorError as problem:
        return Reading("", False, str(problem), FAILURES.get(problem.kind, FailureType.SERVER_UNRESPONSIVE))
    wrong = _what_is_wrong(args, answer.status, answer.text)
    slow, said, memory = _slowness(args, answer.latency_ms, past)
    failure = FailureType.API_ERROR if wrong else FailureType.API_TIMEOUT if slow else None
    return Reading(
        component="",
        healthy=False if wrong or slow else None if slow is None else True,
        because=wrong or said or f"answered {answer.status}",
        failure_type=failure,
        status_code=answer.status,
        latency_ms=answer.latency_ms,
        certain=bool(slow and not wrong),
        memory=memory,
    )


def _slowness(args: Args, latency_ms: float, past: Past) -> tuple[bool | None, str, dict[str, Any] | None]:
    """Whether it is slow (None: not known yet since the last action), in words, and what is to be kept.

    The window alone says so, and one slow answer alone never does. What was slow is well again when half as many
    answers are slow, so that one near the limit is no new failure each minute.
    """
    if args.slow is None:
        return False, "", None
    known, was_slow, acted = past.memory.get("latencies"), past.memory.get("slow") is True, acted_at(past)
    looked = known_seconds(past.memory.get("at"), past.now)
    is_old = acted is not None and (looked is None or looked <= acted.timestamp())
    earlier = [one for one in known if isinstance(one, int | float)] if isinstance(known, list) and not is_old else []
    kept = [*earlier, round(latency_ms, 1)][-args.window :]
    share = WELL_AGAIN if was_slow else IN_TIME
    mark = sorted(kept)[max(0, math.ceil(len(kept) * share / 100) - 1)]
    limit = args.slow * 1000
    too_few = len(kept) < FEWEST_TO_JUDGE
    waits = too_few and was_slow and acted is not None
    is_slow = not too_few and mark > limit and (was_slow or sum(one > limit for one in kept) > 1)
    said = f"{share:g} % of the last {len(kept)} answers within {mark:.0f} ms, more than {limit:.0f} ms"
    said = f"slow: {said}" if is_slow else "too early to tell whether it is faster now" if waits else ""
    memory = {"latencies": kept, "slow": is_slow or waits, "at": past.now.timestamp()}
    return None if waits else is_slow, said, memory


def _wrong_value(args: Args, text: str) -> str:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return "without JSON"
    for path, wanted in args.expect_json.items():
        value = _value_at(found, path)
        if value != wanted or isinstance(value, bool) != isinstance(wanted, bool):
            return f"with {str(value)[:80]!r} at {path[:80]}, expected {str(wanted)[:80]!r}"
    return ""


def _value_at(found: Any, path: str) -> Any:
    """What stands at a dotted path; list items by their number. None where nothing does."""
    for part in path.split("."):
        if isinstance(found, dict):
            found = found.get(part)
        elif isinstance(found, list) and part.isascii() and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        else:
            return None
    return found


def _what_is_wrong(args: Args, status: int, text: str) -> str:
    spans = spans_of(args.expect_status)
    if not any(low <= status <= high for low, high in spans):
        return f"answered {status}, expected {' or '.join(args.expect_status)}"
    if args.expect_text not in text:
        return f"answered {status}, but without the text {args.expect_text[:80]!r}"
    if args.expect_json and (wrong := _wrong_value(args, text)):
        return f"answered {status}, but {wrong}"
    return ""
