"""Who is told of an alert, when an alert that was not taken is tried again, and when that ends."""

import hashlib
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from recovery.model import ChannelPlan, Severity

__all__ = [
    "Route",
    "callable_channels",
    "channels_for",
    "give_up",
    "next_channel",
    "picked_for",
    "retry_at",
    "route",
    "with_ways_around",
]

ALL = tuple(Severity)
LESS_WOKEN_FIRST = (Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.CRITICAL)
SEVERITIES_BY_KIND = {
    "sms": (Severity.CRITICAL,),
    "email": (Severity.CRITICAL, Severity.HIGH),
    "slack": (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM),
}

FIRST_WAIT_SECONDS = 2.0
LONGEST_WAIT_SECONDS = 300.0
LONGEST_WAIT_OF_CALLS_SECONDS = 60.0
LONGEST_ASKED_SECONDS = 3_600.0
PERSON_WAIT_SECONDS = 900.0  # a password or an address is put right by a person, in minutes rather than seconds
PERMANENT_DAY_SECONDS = 86_400.0
TRANSIENT_DAYS_SECONDS = 3 * 86_400.0
FEWEST_TRIES = 3
FOR_A_PERSON = frozenset({"auth", "client"})


@dataclass(frozen=True, slots=True)
class Route:
    """The names of the channels that are told, in the order of the configuration, and why these."""

    channels: tuple[str, ...]
    because: str


def channels_for(severity: Severity, about_n8n: bool, channels: Sequence[ChannelPlan]) -> list[str]:
    """The names of the channels that are told of an alert."""
    return list(route(severity, about_n8n, channels).channels)


def route(severity: Severity, about_n8n: bool, channels: Sequence[ChannelPlan]) -> Route:
    """Which channels are told of an alert of that severity.

    One about n8n itself never goes only through n8n: where severity picks nothing else, all the others are told
    too; where there are no others, it goes all the same, and `because` says so.
    """
    picked = picked_for(severity, channels)
    because = f"severity {severity}" if picked else f"no channel takes severity {severity}"
    picked, around = with_ways_around(picked, about_n8n, channels)
    return Route(tuple(plan.name for plan in picked), because + around)


def picked_for(severity: Severity, channels: Sequence[ChannelPlan]) -> list[ChannelPlan]:
    """The channels that take the severity."""
    return [plan for plan in channels if severity in _severities(plan)]


def callable_channels(severity: Severity, channels: Sequence[ChannelPlan]) -> list[ChannelPlan]:
    """The channels that call a person: those that take the severity, and those that would take a high one by their
    kind. Where there are none, all for which the configuration does not say otherwise; where it does for each, those
    that take another severity. A call is never lost: only where there is no channel nobody is told."""
    usual = [plan for plan in channels if plan.severities is None]
    picked = [*picked_for(severity, channels), *(plan for plan in usual if Severity.HIGH in _severities(plan))]
    others = (picked_for(one, channels) for one in LESS_WOKEN_FIRST)
    found = picked or usual or next(filter(None, others), list(channels))
    return [plan for plan in channels if plan in found]


def with_ways_around(
    picked: list[ChannelPlan], about_n8n: bool, channels: Sequence[ChannelPlan]
) -> tuple[list[ChannelPlan], str]:
    """The channels, and others too where only n8n would carry what is about n8n; and what that adds to the reason."""
    if not (about_n8n and picked and all(plan.through_n8n for plan in picked)):
        return picked, ""
    others = [plan for plan in channels if not plan.through_n8n]
    if not others:
        return picked, "; it is about n8n, and every channel goes through n8n: it may not arrive"
    around = [plan for plan in channels if plan in picked or plan in others]
    return around, ", and every other channel, because only channels through n8n take it and it is about n8n"


def _severities(plan: ChannelPlan) -> tuple[Severity, ...]:
    return SEVERITIES_BY_KIND.get(plan.kind, ALL) if plan.severities is None else plan.severities


def retry_at(
    now: datetime, tries: int, key: str, error_kind: str, retry_after_seconds: float | None = None, calls: bool = False
) -> datetime:
    """When an alert that was not taken is tried again.

    After 2 s, doubled each time up to 5 min (a minute for what calls a person), less up to a quarter, so that many do
    not come at once: how much depends on the key alone, so asking twice gives one answer. What only a person can put
    right (kinds "auth" and "client") waits 15 min. Never before the time that the receiver asked for, where that is
    within an hour.

    Args:
        tries: how often it was tried so far, at least 1.
        calls: it calls a person, or what does waits behind it.
    """
    if error_kind in FOR_A_PERSON:
        wait = PERSON_WAIT_SECONDS
    else:
        longest = LONGEST_WAIT_OF_CALLS_SECONDS if calls else LONGEST_WAIT_SECONDS
        wait = min(longest, FIRST_WAIT_SECONDS * 2.0 ** min(max(tries, 1) - 1, 16))
    share = _share(f"{key}/{tries}")
    asked = _asked(retry_after_seconds)
    return now + timedelta(seconds=max(wait * (1 - share / 4), min(asked * (1 + share / 10), LONGEST_ASKED_SECONDS)))


def give_up(tries: int, permanent: bool, age_seconds: float) -> bool:
    """Whether an alert that was not taken is left for good.

    An error that a person must put right is tried for a day, any other for three days, and neither fewer than three
    times: an alert that grew old while we were down still gets its tries.
    """
    longest = PERMANENT_DAY_SECONDS if permanent else TRANSIENT_DAYS_SECONDS
    return tries >= FEWEST_TRIES and age_seconds >= longest


def next_channel(failed: str, tried: Collection[str], troubled: Collection[str], channels: Sequence[ChannelPlan],
                 about_n8n: bool = False) -> str:  # fmt: skip
    """The channel after one that failed, around the list: one that works, where there is one; "" where there is none.

    Args:
        tried: the channels that carry the message already, or have had it.
        troubled: those that are known to fail.
    """
    names = [plan.name for plan in channels]
    place = names.index(failed) + 1 if failed in names else 0
    turn = [plan for plan in [*channels[place:], *channels[:place]] if plan.name not in tried and plan.name != failed]
    turn = [plan for plan in turn if not (about_n8n and plan.through_n8n)] or turn
    return next((plan.name for plan in turn if plan.name not in troubled), turn[0].name if turn else "")


def _asked(seconds: float | None) -> float:
    if seconds is None or math.isnan(seconds):
        return 0.0
    return min(max(seconds, 0.0), LONGEST_ASKED_SECONDS)


def _share(text: str) -> float:
    """A number from 0 up to 1 that looks random and is always the same for the same text."""
    return int.from_bytes(hashlib.sha256(text.encode(errors="replace")).digest()[:4]) / 2**32
