"""The sections of the configuration, each setting declared once with its default and its meaning."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    model_validator,
)

from recovery.config.types import (
    Amount,
    Count,
    Dotted,
    Duration,
    Flag,
    Period,
    Rate,
    Text,
    Token,
    Url,
    expected,
)
from recovery.model import Severity


class Settings(BaseModel):
    """A group of settings. Unknown keys are errors, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _a_key_without_a_value_is_not_set(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if value is not None or key not in cls.model_fields}


class PluginUse(Settings):
    """Settings with a plugin's own keys beside ours."""

    model_config = ConfigDict(extra="allow", frozen=True)

    @property
    def arguments(self) -> dict[str, Any]:
        """The plugin's keys, as they were written, with secret files read."""
        return dict(self.model_extra or {})

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Only our keys: the plugin's may be secrets."""
        return (pair for pair in super().__repr_args__() if pair[0] in type(self).model_fields)


class CheckUse(PluginUse):
    """How a component is looked at. `kind` names the check; the other keys are its own."""

    kind: Text
    """Which check, such as http or tcp."""


class ActionUse(PluginUse):
    """Something that can be done. `kind` names the action; the other keys are its own."""

    kind: Text
    """Which action, such as restart_service."""
    needs_approval: Flag | None = None
    """A person must say yes before it is run; default: as its kind says, which is yes for reboot_host."""
    back_after: Period | None = None
    """It is undone when the component has been healthy for so long; default: it stays as it is."""


class N8n(Settings):
    """One n8n that is looked after."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")] = "default"
    """How it is called, and the end of its callback's address: small letters, digits, - and _."""
    url: Url
    """Its address."""
    api_key: Token = Field(default="", repr=False)
    """A key from n8n's Settings > n8n API. Without one, n8n-medic hears of failures but can retry nothing."""


class StageSettings(Settings):
    """One stage of healing."""

    after: Duration = timedelta(0)
    """How long after the end of the stage before (the first: after the incident opened)."""
    attempts: Count = 1
    """How often it tries."""


def _default_stages() -> tuple[StageSettings, ...]:
    return (
        StageSettings(after=timedelta(0), attempts=1),
        StageSettings(after=timedelta(minutes=1), attempts=2),
        StageSettings(after=timedelta(minutes=5), attempts=3),
    )


class RecoverySettings(Settings):
    """How an incident is healed."""

    stages: tuple[StageSettings, ...] = Field(default_factory=_default_stages, min_length=1, max_length=20)
    """In order. The defaults: at once, after 1 minute, after 5 minutes, with 1, 2 and 3 attempts."""
    spacing: Duration = timedelta(0)
    """Between the attempts of one stage."""
    escalate_after: Period = timedelta(minutes=15)
    """A person is told at the latest this long after an incident opened."""
    settle: Duration = timedelta(seconds=10)
    """How long nothing may fail before an incident counts as resolved."""
    recurrence_within: Duration = timedelta(minutes=10)
    """A failure this soon after resolving reopens the incident."""
    recurrences_per_hour: Count = 5
    """More than this, and a person is called instead of healing again."""


class ReplaySettings(Settings):
    """How executions that an incident broke are run again."""

    per_workflow: Count = 1
    """How many of one workflow may run at once."""
    per_component: Count = 4
    """How many of one incident may run at once."""
    rate: Rate = 5.0
    """How many may be started, such as 5/s or 300/m."""
    max_age: Period = timedelta(hours=24)
    """One that failed longer ago is left alone."""
    ambiguous: Literal["ask", "retry"] = "ask"
    """What to do with one whose repetition may repeat an effect: ask a person, or retry it."""
    on_recovery: Flag = True
    """Replay when the component turns healthy while a person is asked."""
    max_retries: Count = 6
    """Automatic retries of one execution in its life."""


def check_cron(value: str) -> str:
    """Five fields of cron whose time comes."""
    try:
        next(CronSim(value, datetime(2026, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration):
        raise expected(
            "five fields of cron: minute hour day month weekday", 'such as "0 3 * * 0" (Sundays, 3:00)'
        ) from None
    return value


def check_timezone(value: str) -> str:
    """The name of a time zone."""
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise expected("a time zone, such as UTC or Asia/Seoul") from None
    return value


class MaintenanceSettings(Settings):
    """Maintenance at fixed times: what fails is seen and recorded, and nothing is done about it."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, populate_by_name=True)

    components: Annotated[tuple[Text, ...], Field(min_length=1)]
    """Their names; `"*"` for all."""
    cron: Annotated[str, AfterValidator(check_cron)]
    """When it begins, as five fields of cron."""
    duration: Period = Field(alias="for")
    """How long it takes."""
    timezone: Annotated[str, AfterValidator(check_timezone)] = "UTC"
    """In which time zone the begin is meant."""
    note: str = Field(default="", max_length=500)
    """What people read."""


class HealthySettings(Settings):
    """When a message says that all is well."""

    path: Dotted
    """Where in the message the state stands."""
    equals: tuple[StrictBool | StrictInt | StrictFloat | Text, ...] = Field(min_length=1, max_length=50)
    """The values that mean healthy, in small or capital letters; every other means a failure."""


class Source(Settings):
    """A monitor that sends JSON of its own: where in its messages the facts stand."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
    """The end of its address, /webhooks/generic/<name>: small letters, digits, - and _."""
    component: Dotted | None = None
    """Path of the component's name; default: the component is called as the source."""
    healthy: HealthySettings
    """When a message says that all is well."""
    message: Dotted | None = None
    """Path of the words for people."""
    severity: Dotted | None = None
    """Path of a word such as critical, error, warning or info."""
    failure_type: Dotted | None = None
    """Path of one of the failure types; any other word counts as none."""
    observed_at: Dotted | None = None
    """Path of the time: ISO 8601, or (milli)seconds since 1970. The same state at the same time counts once."""
    at_once: Flag = True
    """One message is enough, since the monitor has counted by itself. Off: the component's thresholds count."""


class Channel(PluginUse):
    """A way to reach people. `kind` names it; the keys beside these are its own."""

    name: Text
    """How the pages and the log call it."""
    kind: Text
    """Which channel, such as slack, email, sms or webhook."""
    severities: tuple[Severity, ...] | None = Field(default=None, min_length=1)
    """Which it is told of; default: sms critical, email critical and high, slack also medium, any other all."""
    through_n8n: Flag = False
    """Its messages travel through n8n, so it is never the only one that hears of n8n's own trouble."""
    budget: Amount | None = None
    """How many messages it carries, such as 6/h; the others are told of together afterwards. Default: sms 6/h, email
    60/h, slack and apprise 120/h, any other as many as there are."""


class Retention(Settings):
    """How long history is kept."""

    failures: Period = timedelta(days=365)
    """Incidents with all that belongs to them."""
    successes: Period = timedelta(days=30)
    """Readings and successes."""


class AuditSettings(Settings):
    """How each n8n is looked through for what is not wired, does not run, or will not for long."""

    every: Duration = timedelta(days=7)
    """How often; 0s: only when somebody asks for it."""
