"""Who is told what, and when, as the configuration writes it."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from recovery.config.playbooks import MatchSettings, make_match
from recovery.config.sections import Channel, Settings, check_cron, check_timezone
from recovery.config.types import Count, Duration, Flag, Period, Text, expected
from recovery.model import (
    AlertPolicy,
    EscalationStep,
    Hours,
    PersonPlan,
    QuietPlan,
    ReportPlan,
    RotationPlan,
    RoutePlan,
    Severity,
    StormRule,
)

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MINUTES_OF_A_DAY = 1_440


def _read_time(value: Any) -> int:
    """Minutes after midnight. YAML reads 22:00 without quotes as the number 1320, which is the same."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MINUTES_OF_A_DAY:
        return value
    found = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])|24:00", value) if isinstance(value, str) else None
    if not found:
        raise expected('a time of day, such as "07:30" or "22:00"')
    return int(found[1]) * 60 + int(found[2]) if found[1] else MINUTES_OF_A_DAY


def _lowered(value: Any) -> Any:
    return [one.lower() if isinstance(one, str) else one for one in value] if isinstance(value, list) else value


_TIME = WithJsonSchema({"type": "string", "pattern": "^([01]?[0-9]|2[0-3]):[0-5][0-9]$|^24:00$", "examples": ["22:00"]})
Time = Annotated[int, BeforeValidator(_read_time), _TIME]
Zone = Annotated[str, AfterValidator(check_timezone)]
Names = Annotated[tuple[Text, ...], Field(max_length=100)]
Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class HoursSettings(Settings):
    """Hours that come back every day, or on some."""

    begin: Time = Field(alias="from")
    """When they begin, by the clock on the wall."""
    until: Time
    """When they end; not after `from` means on the next day."""
    days: Annotated[tuple[Day, ...], BeforeValidator(_lowered)] = ()
    """On which days they begin; default: on all."""
    timezone: Zone | None = None
    """Whose clock; default: that of `alerts`."""


class RouteSettings(Settings):
    """How incidents of some kind are told. The first route that matches decides."""

    name: Text
    """How people call it."""
    match: MatchSettings = Field(default_factory=MatchSettings)
    """Which incidents it is for."""
    during: HoursSettings | None = None
    """Only then; default: always."""
    channels: Names | None = None
    """Who is told; default: the channels that take the severity. An empty list: only the pages."""
    hold: Duration = timedelta(0)
    """How long the message waits, so that healing may come first. What needs a person never waits."""
    digest: Period | None = None
    """Told in a digest within that time, not by a message of its own. What needs a person never is."""
    report: Flag = False
    """Told by the daily report alone. What needs a person never is."""

    @model_validator(mode="after")
    def _one_way(self) -> RouteSettings:
        if sum([self.digest is not None, self.report, bool(self.hold)]) > 1:
            raise expected("one of `hold`, `digest` and `report`", "keep one of them")
        return self


class PersonSettings(Settings):
    """Somebody, for rotations and the escalation."""

    name: Text
    """How they are called."""
    channels: Annotated[tuple[Text, ...], Field(min_length=1, max_length=20)]
    """The channels that reach them."""


class RotationSettings(Settings):
    """People who are on call for a week each, in turn."""

    name: Text
    """How people call it."""
    people: Annotated[tuple[Text, ...], Field(min_length=1, max_length=100)]
    """In their order."""
    starts: date
    """The day on which the first one's first week begins. Every week begins on its weekday."""
    at: Time = 540
    """When it is handed over, by the clock on the wall."""
    timezone: Zone | None = None
    """Whose clock; default: that of `alerts`."""


class StepSettings(Settings):
    """Who is told next, when nobody has acknowledged that a person is needed."""

    after: Duration
    """So long after the call."""
    channels: Names = ()
    """These channels."""
    people: Names = ()
    """These people."""
    rotation: Text | None = None
    """Whoever of it is on call."""

    @model_validator(mode="after")
    def _somebody(self) -> StepSettings:
        if not (self.channels or self.people or self.rotation):
            raise expected("`channels`, `people` or a `rotation`: somebody to tell")
        return self


class QuietSettings(HoursSettings):
    """Hours in which people are left alone: what is not urgent waits for their end."""

    channels: Names = ()
    """On these channels; default: on all."""
    let_through: tuple[Severity, ...] = (Severity.CRITICAL,)
    """Severities that are told all the same."""
    hold_needs_human: Flag = False
    """What needs a person waits too, unless its severity is let through."""


class StormSettings(Settings):
    """When many incidents become one message."""

    incidents: Count = 10
    """So many within the time are told one by one on each channel; more are told together. On SMS it is one."""
    within: Period = timedelta(minutes=1)
    """The time, and how long the message about them gathers."""


class ReportSettings(Settings):
    """A report that is sent again and again."""

    cron: Annotated[str, AfterValidator(check_cron)]
    """When, as five fields of cron, by the clock of `timezone`."""
    channels: Names = ()
    """Over these; default: over all but those of kind sms."""
    empty: Flag = False
    """It is sent also where nothing failed."""


class ReportsSettings(Settings):
    """Reports to people. `false` turns one off."""

    daily: ReportSettings | Literal[False] = ReportSettings(cron="0 8 * * *")
    """Of the last day: default at 8:00, where anything failed."""
    weekly: ReportSettings | Literal[False] = False
    """Of the last week: default off."""


class AlertSettings(Settings):
    """How people are told."""

    language: Literal["en", "ko"] = "en"
    """Of the messages: English or Korean."""
    templates: FilePath | None = None
    """A folder with words of your own for the messages; default: those that come along."""
    timezone: Zone = "UTC"
    """Whose clock reports, quiet hours, routes and rotations go by, where they do not say, and messages and pages tell
    times by."""
    channels: tuple[Channel, ...] = ()
    """Where they go. With none, incidents are seen on the pages only."""
    hold: Duration = timedelta(minutes=5)
    """How long a message of severity high waits, so that healing may come first. What needs a person never waits."""
    digest: Period = timedelta(minutes=30)
    """Within that time what is of severity medium, and what was healed before it was told, is told together."""
    remind_after: Period = timedelta(hours=1)
    """When people are reminded of what nobody acknowledged; each further pause is twice as long, a day at most."""
    storm: StormSettings = Field(default_factory=StormSettings)
    """When many incidents become one message."""
    routes: tuple[RouteSettings, ...] = ()
    """Who is told otherwise than by severity. The first that matches decides."""
    people: tuple[PersonSettings, ...] = ()
    """For rotations and the escalation."""
    rotations: tuple[RotationSettings, ...] = ()
    """Who is on call."""
    escalation: Annotated[tuple[StepSettings, ...], Field(max_length=20)] = ()
    """Who is told next, when nobody has acknowledged that a person is needed."""
    quiet_hours: tuple[QuietSettings, ...] = ()
    """When people are left alone."""
    reports: ReportsSettings = Field(default_factory=ReportsSettings)
    """Reports to people."""

    @model_validator(mode="after")
    def _steps_in_order(self) -> AlertSettings:
        delays = [step.after for step in self.escalation]
        if delays != sorted(delays):
            raise expected("the steps of `escalation` in the order of their `after`", "sort them")
        return self


def make_alert_policy(found: AlertSettings, escalate_after_seconds: float) -> AlertPolicy:
    """Who is told what, and when, as a value."""
    zone = found.timezone
    return AlertPolicy(
        routes=tuple(_route(one, zone) for one in found.routes),
        hold_seconds=found.hold.total_seconds(),
        digest_seconds=found.digest.total_seconds(),
        remind_seconds=found.remind_after.total_seconds(),
        storm=_storm(found.storm, escalate_after_seconds),
        people=tuple(PersonPlan(one.name, one.channels) for one in found.people),
        rotations=tuple(
            RotationPlan(one.name, one.people, one.starts, one.at, one.timezone or zone) for one in found.rotations
        ),
        escalation=tuple(
            EscalationStep(one.after.total_seconds(), one.channels, one.people, one.rotation or "")
            for one in found.escalation
        ),
        quiet_hours=tuple(
            QuietPlan(_hours(one, zone), one.channels, one.let_through, one.hold_needs_human)
            for one in found.quiet_hours
        ),
        reports=tuple(_reports(found.reports)),
        timezone=zone,
    )


def _route(one: RouteSettings, zone: str) -> RoutePlan:
    return RoutePlan(
        name=one.name,
        match=make_match(one.match),
        during=_hours(one.during, zone) if one.during else None,
        channels=one.channels,
        hold_seconds=one.hold.total_seconds(),
        digest_seconds=one.digest.total_seconds() if one.digest else None,
        report=one.report,
    )


def _hours(one: HoursSettings, zone: str) -> Hours:
    return Hours(one.begin, one.until, tuple(DAYS.index(day) for day in one.days), one.timezone or zone)


def _storm(found: StormSettings, escalate_after_seconds: float) -> StormRule:
    """A storm's update waits until all are decided, which they are when a person is called at the latest."""
    within = found.within.total_seconds()
    return StormRule(found.incidents, within, within, escalate_after_seconds + 300.0)


def _reports(found: ReportsSettings) -> list[ReportPlan]:
    both = (("daily", found.daily), ("weekly", found.weekly))
    return [ReportPlan(period, one.cron, one.channels, one.empty) for period, one in both if one]
