"""Who is told what, and when, as the configuration plans it."""

from dataclasses import dataclass, field
from datetime import date

from recovery.model.playbooks import Match
from recovery.model.words import Severity

__all__ = [
    "AlertPolicy",
    "Budget",
    "EscalationStep",
    "Hours",
    "PersonPlan",
    "QuietPlan",
    "ReportPlan",
    "RotationPlan",
    "RoutePlan",
    "StormRule",
]


@dataclass(frozen=True, slots=True)
class Hours:
    """A time of day that comes back, by the wall clock of a time zone.

    Fields:
        begin, end: minutes after midnight; where `end` is not after `begin` it is on the next day.
        days: weekdays on which it begins, Monday is 0; empty: all.
        timezone: its name, such as Asia/Seoul.
    """

    begin: int
    end: int
    days: tuple[int, ...] = ()
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """How incidents of some kind are told.

    Fields:
        during: only then; None: always.
        channels: names; None: those that take the severity; () where nobody is told but by the pages.
        hold_seconds: how long the message waits, so that healing may come first.
        digest_seconds: it is a line of a digest within that time; None: a message of its own.
        report: it is told by the daily report alone.
    """

    name: str
    match: Match = field(default_factory=Match)
    during: Hours | None = None
    channels: tuple[str, ...] | None = None
    hold_seconds: float = 0.0
    digest_seconds: float | None = None
    report: bool = False


@dataclass(frozen=True, slots=True)
class PersonPlan:
    """Somebody, and the channels that reach them."""

    name: str
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RotationPlan:
    """People who are on call for a week each, in turn.

    Fields:
        starts: the day on which the first one's first week begins; every week begins on its weekday.
        at: minutes after midnight at which it is handed over.
    """

    name: str
    people: tuple[str, ...]
    starts: date
    at: int = 540
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class EscalationStep:
    """Who is told next when nobody has acknowledged: so long after the call."""

    after_seconds: float
    channels: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    rotation: str = ""


@dataclass(frozen=True, slots=True)
class QuietPlan:
    """Hours in which people are left alone.

    Fields:
        channels: on these; empty: on all.
        let_through: severities that are told all the same.
        hold_needs_human: what needs a person waits too.
    """

    hours: Hours
    channels: tuple[str, ...] = ()
    let_through: tuple[Severity, ...] = (Severity.CRITICAL,)
    hold_needs_human: bool = False


@dataclass(frozen=True, slots=True)
class StormRule:
    """When many incidents become one message.

    Fields:
        most: so many within `within_seconds` are told one by one on a channel, the others together.
        gather_seconds: how long the message about them waits, so that it counts most of them.
        close_seconds: the update comes when all are decided, and then at the latest.
    """

    most: int = 10
    within_seconds: float = 60.0
    gather_seconds: float = 60.0
    close_seconds: float = 1_200.0


@dataclass(frozen=True, slots=True)
class ReportPlan:
    """A report that is sent again and again: "daily" or "weekly", when (cron), and over which channels.

    Fields:
        channels: names; empty: all but those of kind sms.
        empty: it comes also where nothing failed.
    """

    period: str
    cron: str
    channels: tuple[str, ...] = ()
    empty: bool = True


@dataclass(frozen=True, slots=True)
class Budget:
    """How many messages a channel carries within some seconds; the others are told of together afterwards."""

    most: int
    within_seconds: float


@dataclass(frozen=True, slots=True)
class AlertPolicy:
    """Who is told what, and when.

    Fields:
        routes: the first that matches decides; where none does, the table by severity.
        hold_seconds: how long a message of severity high waits, so that healing may come first.
        digest_seconds: within that time what is of severity medium, and what was healed quietly, is told together.
        remind_seconds: after that a person who has not acknowledged is reminded; each pause is twice as long.
        fail_over_seconds: a channel that fails so long with what needs a person is passed over.
    """

    routes: tuple[RoutePlan, ...] = ()
    hold_seconds: float = 300.0
    digest_seconds: float = 1_800.0
    remind_seconds: float = 3_600.0
    fail_over_seconds: float = 120.0
    storm: StormRule = field(default_factory=StormRule)
    people: tuple[PersonPlan, ...] = ()
    rotations: tuple[RotationPlan, ...] = ()
    escalation: tuple[EscalationStep, ...] = ()
    quiet_hours: tuple[QuietPlan, ...] = ()
    reports: tuple[ReportPlan, ...] = ()
    timezone: str = "UTC"
