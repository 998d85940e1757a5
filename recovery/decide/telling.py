"""Who is told of an incident, at what hour, and whether by a message of its own or by a line of a digest."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from recovery.decide.alerting import callable_channels, picked_for, with_ways_around
from recovery.decide.hours import end_of, end_of_all
from recovery.decide.wording import time_of
from recovery.model import AlertKind, AlertPolicy, ChannelPlan, RoutePlan, Severity

__all__ = ["CALLS", "Subject", "Telling", "Way", "plan_telling", "route_of", "wait_for_quiet"]

CALLS = frozenset({AlertKind.NEEDS_HUMAN, AlertKind.REMINDER})  # they call a person
NO_DIGEST = frozenset({"sms"})  # a phone rings for each message: nothing there can wait to be read


@dataclass(frozen=True, slots=True)
class Subject:
    """What people are told about: the facts that a route is chosen by."""

    component: str
    failure_type: str
    severity: Severity
    labels: dict[str, str] = field(default_factory=dict)
    about_n8n: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """One channel: when it is told at the earliest, and whether that is a line of its digest."""

    channel: str
    at: datetime
    digest: bool = False


@dataclass(frozen=True, slots=True)
class Telling:
    """Everybody who is told, in the order of the configuration, and why these, and why then."""

    ways: tuple[Way, ...]
    because: str


def plan_telling(
    kind: AlertKind, subject: Subject, policy: AlertPolicy, channels: Sequence[ChannelPlan], now: datetime
) -> Telling:
    """Who is told of an incident now.

    What needs a person is told at once and as a message, whatever its severity.
    """
    route = route_of(subject, policy, now)
    calls = kind in CALLS
    picked, because = _picked(route, subject, channels, calls)
    picked, around = with_ways_around(picked, subject.about_n8n, channels)
    because += around
    if not calls and route.report:
        return Telling((), f"{_named(route)}: it is told by the report")
    digest = not calls and route.digest_seconds is not None
    if digest:
        picked = [plan for plan in picked if plan.kind not in NO_DIGEST]
    wait = 0.0 if calls else (route.digest_seconds or 0.0) if digest else route.hold_seconds
    ways = tuple(
        Way(plan.name, wait_for_quiet(plan.name, kind, subject.severity, policy, now + timedelta(seconds=wait)), digest)
        for plan in picked
    )
    return Telling(ways, "; ".join([f"{_named(route)}: {because}", *_why_then(ways, calls, digest, wait, now)]))


def route_of(subject: Subject, policy: AlertPolicy, now: datetime) -> RoutePlan:
    """The first route that was written down for it and whose hours these are; else the table by severity."""
    for route in policy.routes:
        is_meant = route.match.fits(subject.component, subject.failure_type, subject.severity, subject.labels)
        if is_meant and (route.during is None or end_of(route.during, now)):
            return route
    return _usual(subject.severity, policy)


def _usual(severity: Severity, policy: AlertPolicy) -> RoutePlan:
    return {
        Severity.CRITICAL: RoutePlan(""),
        Severity.HIGH: RoutePlan("", hold_seconds=policy.hold_seconds),
        Severity.MEDIUM: RoutePlan("", digest_seconds=policy.digest_seconds),
        Severity.LOW: RoutePlan("", report=True),
    }[severity]


def _picked(
    route: RoutePlan, subject: Subject, channels: Sequence[ChannelPlan], calls: bool
) -> tuple[list[ChannelPlan], str]:
    if route.channels is not None:
        named = [plan for plan in channels if plan.name in route.channels]
        return named, "its channels" if named else "nobody is told: only the pages tell"
    picked = callable_channels(subject.severity, channels) if calls else picked_for(subject.severity, channels)
    because = "a person is needed" if calls else f"severity {subject.severity}"
    return picked, because if picked else f"no channel takes severity {subject.severity}"


def wait_for_quiet(
    channel: str, kind: AlertKind, severity: Severity | None, policy: AlertPolicy, at: datetime
) -> datetime:
    """When a channel may be told at the earliest, from `at` on: after its quiet hours, where these hold it."""
    quiet = [
        plan.hours
        for plan in policy.quiet_hours
        if (not plan.channels or channel in plan.channels)
        and severity not in plan.let_through
        and (kind is not AlertKind.NEEDS_HUMAN or plan.hold_needs_human)
    ]
    return end_of_all(quiet, at) if quiet else at


def _named(route: RoutePlan) -> str:
    return f"the route {route.name}" if route.name else "the usual route"


def _why_then(ways: Sequence[Way], calls: bool, digest: bool, wait: float, now: datetime) -> list[str]:
    said = []
    if ways and digest:
        said.append(f"in a digest within {time_of(wait)}")
    elif ways and wait:
        said.append(f"held for {time_of(wait)}, so that healing may come first")
    quiet = [way for way in ways if way.at > now + timedelta(seconds=wait)]
    if quiet:
        last = max(way.at for way in quiet)
        said.append(f"quiet hours until {last:%Y-%m-%d %H:%M} (UTC) on {', '.join(way.channel for way in quiet)}")
    return said
