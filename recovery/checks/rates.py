"""The share of failures over a sliding window: what it may be, and how looks are counted at little memory.

A healthy look leaves no row behind, so that there is nothing to count afterwards: the check itself counts its looks, in
sixty buckets that are kept with the component. Executions are counted where they are kept, in n8n.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import wraps
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, WithJsonSchema

from recovery.checks.remembering import known_seconds, known_time
from recovery.model import Doors, FailureType, Past, Reading
from recovery.model.durations import Period, write_duration

__all__ = ["ErrorRate", "LookShare", "Rate", "acted_at", "counting", "is_unjudged", "too_high", "unjudged"]

BUCKETS = 60
OUTAGE = 3
_PERCENT = re.compile(r"\d{1,2}(\.\d{1,3})?\s?%?", re.ASCII)
_COUNT = re.compile(r"(\d{1,5})\s?[a-z]*", re.ASCII)


def _as_percent(value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 100
    if number or (isinstance(value, str) and _PERCENT.fullmatch(value.strip())):
        return float(str(value).strip(" %"))
    raise ValueError("write a share from 0% to less than 100%, such as 20%")


def _as_count(value: Any) -> Any:
    found = _COUNT.fullmatch(value.strip()) if isinstance(value, str) else None
    return int(found[1]) if found else value


Percent = Annotated[
    float,
    BeforeValidator(_as_percent),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^\d{1,2}(\.\d{1,3})?\s?%?$"},
                {"type": "number", "minimum": 0, "exclusiveMaximum": 100},
            ]
        }
    ),
]
Count = Annotated[
    StrictInt,
    Field(ge=1, le=10_000),
    BeforeValidator(_as_count),
    WithJsonSchema({"type": ["integer", "string"], "pattern": r"^\d{1,5}\s?[a-z]*$", "minimum": 1, "maximum": 10_000}),
]


class Rate(BaseModel):
    """How large the share of failures may be."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    window: Period = Field(900.0, description="how far back it is counted", examples=["1h"])
    at_most: Percent = Field(20, description="the share of failures that is still good", examples=["20%"])
    at_least: Count = Field(10, description="with fewer than this nothing is judged", examples=["10 executions"])


def too_high(rate: Rate, good: int, bad: int, what: str, was_high: bool) -> str:
    """What is said where the share is too high; "" where it is not, or cannot be told from so few.

    One that was too high is good again at half the limit, so that one near the limit is no new failure each minute.
    """
    total = good + bad
    allowed = rate.at_most / 2 if was_high else rate.at_most
    if total < rate.at_least or bad * 100 <= allowed * total:
        return ""
    share, limit = f"{bad * 100 / total:.3g} %", f"{rate.at_most:g} %"
    limit += f", well again at {allowed:g} %" if was_high else ""
    return f"{share} of its {what} failed within {write_duration(rate.window)} (limit {limit}): {bad} of {total}"


def acted_at(past: Past) -> datetime | None:
    """When an action last ended on the component: what failed before says nothing of it any more."""
    return known_time(past.beat.get("acted_at"), past.now)


def is_unjudged(rate: Rate, total: int, past: Past) -> bool:
    """Whether an action has ended on what was too high, and too few came since to tell that it helped.

    That is not known yet, so that nothing is verified by it; for one window at most, for there may never be more.
    """
    acted = acted_at(past)
    waits = acted is not None and past.now - acted < timedelta(seconds=rate.window)
    return past.memory.get("high") is True and waits and total < rate.at_least


def unjudged(rate: Rate, good: int, bad: int, what: str) -> str:
    """What is said then."""
    few = f"{good + bad} of {rate.at_least} {what} since the last action"
    return f"too early to tell whether fewer of its {what} fail: {few}, {bad} of them failed"


class LookShare:
    """Counts looks from one to the next, in at most a few dozen numbers.

    Three that fail in a row are an outage, which is told as such: once it is over it is not counted, or a component
    that is well again would be failing for the rest of the window.

    Fields:
        memory: what the next look is given.
    """

    def __init__(self, rate: Rate, past: Past, healthy: bool):
        kept = past.memory.get("rate")
        known = kept if isinstance(kept, dict) else {}
        at, begin = past.now.timestamp(), past.now.timestamp() - rate.window
        acted = acted_at(past)
        begin = max(begin, acted.timestamp()) if acted else begin
        seen = [[known_seconds(one[0], past.now), *one[1:]] for one in known.get("steps", [])]
        steps = [one for one in seen if one[0] is not None and begin < one[0]]
        failing = 0 if acted and known.get("at", 0) <= acted.timestamp() else int(known.get("failing", 0))
        if healthy:
            self._add(steps, at, rate.window / BUCKETS, 1, failing if failing < OUTAGE else 0)
            failing = 0
        else:
            failing = min(failing + 1, OUTAGE)
        self._steps = steps
        self.memory: dict[str, Any] = {"steps": steps, "failing": failing, "at": at}

    @staticmethod
    def _add(steps: list[list[float]], at: float, width: float, good: int, bad: int) -> None:
        if not steps or at - steps[-1][0] >= width:
            steps.append([at, 0, 0])
        steps[-1][1] += good
        steps[-1][2] += bad

    @property
    def good(self) -> int:
        """How many were good."""
        return int(sum(one[1] for one in self._steps))

    @property
    def bad(self) -> int:
        """How many failed, but for outages."""
        return int(sum(one[2] for one in self._steps))


ErrorRate = Annotated[
    Rate | None,
    Field(
        description="not healthy where too large a share of the looks failed, as told at `http`: "
        "`window`, `at_most` and `at_least`",
        examples=[{"window": "15m", "at_most": "20%", "at_least": 10}],
    ),
]
"""What a check whose looks may be counted takes as `error_rate`, None unless it is given."""


Look = Callable[[Any, Doors, Past], Awaitable[Reading]]


def counting(look: Look) -> Look:
    """Decorator for a check's coroutine whose `Args` have an `error_rate`: judges the share of its looks.

    Three failures in a row are an outage, told as such, and no longer counted when it is over; a restart begins the
    count anew. Once too large, a share is good again at half of `at_most`.
    """

    @wraps(look)
    async def counted(args: Any, doors: Doors, past: Past) -> Reading:
        reading = await look(args, doors, past)
        return _judged(args.error_rate, reading, past) if args.error_rate else reading

    return counted


def _judged(rate: Rate, reading: Reading, past: Past) -> Reading:
    """The reading, or that too many have failed where this one did not."""
    share = LookShare(rate, past, reading.healthy is not False)
    high = too_high(rate, share.good, share.bad, "looks", past.memory.get("high") is True)
    waits = is_unjudged(rate, share.good + share.bad, past)
    kept = {name: value for name, value in past.memory.items() if name not in ("rate", "high")}
    memory = {**(reading.memory or kept), "rate": share.memory, "high": bool(high) or waits}
    reading = replace(reading, memory=memory)
    if reading.healthy and waits:
        return replace(reading, healthy=None, because=unjudged(rate, share.good, share.bad, "looks"))
    if not high or not reading.healthy:
        return reading
    return replace(reading, healthy=False, because=high, failure_type=FailureType.HIGH_ERROR_RATE, certain=True)
