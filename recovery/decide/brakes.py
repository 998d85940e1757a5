"""Whether an action may be run now: budgets, cooldown, breaker, and one at a time."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from recovery.model import Brakes, Lately
from recovery.model.playbooks import DAY, HOUR

LOOK_AGAIN = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Go:
    """It may be run."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet."""

    until: datetime
    because: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Not any more, until a person has looked."""

    because: str


Word = Go | Wait | Stop


def judge(name: str, lately: Lately, limits: Brakes, now: datetime, by_person: bool = False) -> Word:
    """What the brakes say of running the action of that name now.

    A person's order passes all of them but one at a time, and an action in doubt.
    """
    if lately.acting:
        return Wait(now + LOOK_AGAIN, f"another action on this component is still under way: {lately.acting}")
    if lately.restarting:
        return Wait(now + LOOK_AGAIN, f"one restart at a time on a host: {lately.restarting} is under way")
    if lately.doubt and now < lately.doubt[1]:
        name, until = lately.doubt
        told = f"nobody knows whether {name} happened, and it may still be at work until {until:%H:%M:%S} (UTC)"
        return Wait(until, told)
    if by_person:
        return Go()
    spent = _spent(name, lately, limits, now)
    if spent:
        return Stop(spent)
    if lately.starting and now < lately.starting[1]:
        server, up_at = lately.starting
        return Wait(up_at, f"{server} was rebooted, and has until {up_at:%H:%M:%S} (UTC) to come up")
    cool = timedelta(seconds=limits.cooldown_seconds)
    if lately.acted_at and now < lately.acted_at + cool:
        return Wait(
            lately.acted_at + cool, f"cooling down: it was acted upon less than {limits.cooldown_seconds:g} s ago"
        )
    return Go()


def _spent(name: str, lately: Lately, limits: Brakes, now: datetime) -> str:
    """Which limit is reached, in words; "" where none is."""
    if lately.in_vain >= limits.breaker:
        return f"the breaker is open: {lately.in_vain} recoveries in a row acted on it in vain; retry now closes it"
    hour = sum(at > now - HOUR for at in lately.same)
    day = sum(at > now - DAY for at in lately.same)
    in_hour, in_day = lately.all
    limited = (
        (hour >= limits.per_hour, f"{name} was run {hour} times on it within an hour", "per_hour"),
        (day >= limits.per_day, f"{name} was run {day} times on it within a day", "per_day"),
        (in_hour >= limits.overall_per_hour, f"{in_hour} actions were run within an hour", "overall_per_hour"),
        (in_day >= limits.overall_per_day, f"{in_day} actions were run within a day", "overall_per_day"),
    )
    allowed = "and no more is done by itself (brakes.{}); retry now passes the limit"
    return next((f"{words}, {allowed.format(which)}" for reached, words, which in limited if reached), "")
