"""The whole configuration: the file's shape, the defaults, the editor's schema and the documentation's tables."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from recovery.config import plans
from recovery.config.agent_settings import AgentSettings
from recovery.config.alerting import AlertSettings, make_alert_policy
from recovery.config.components import Component
from recovery.config.connectivity import ConnectivitySettings
from recovery.config.playbooks import BrakeSettings, PlaybookSettings
from recovery.config.sections import (
    AuditSettings,
    MaintenanceSettings,
    N8n,
    RecoverySettings,
    ReplaySettings,
    Retention,
    Settings,
    Source,
)
from recovery.config.types import Bind, DatabaseUrl, Flag, Period, Secret, Token, Url, expected, split_bind
from recovery.model import AlertPolicy, AuditPlan, ChannelPlan, Policy, SourcePlan
from recovery.model.scopes import SCOPES

SCOPED_NAMES = tuple(scope.setting for scope in SCOPES)
SECRET_NAMES = ("webhook_token", "api_token", "admin_password", "session_key", *SCOPED_NAMES)
DEFAULT_BIND = "127.0.0.1:8808"
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - how one's own machine reaches them


def _as_list(value: Any) -> Any:
    if isinstance(value, dict):
        return [value]
    if value is None:
        return []
    if not isinstance(value, list | tuple):
        words = "a mapping with url and api_key, or a list of such mappings"
        raise PydanticCustomError("medic_mapping", "{expected}", {"expected": words})
    return value


def _absolute(path: Path) -> Path:
    if "\x00" in str(path):
        raise expected("a directory")
    return path.expanduser().absolute()


def _default_public_url(filled: dict[str, Any]) -> str:
    host, port = split_bind(filled.get("bind", DEFAULT_BIND))
    shown = LOOPBACK.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"


def _default_database_url(filled: dict[str, Any]) -> str:
    return f"sqlite:///{quote(str(filled.get('data_dir', 'data')))}/medic.db"


class Config(Settings):
    """The whole configuration, checked. Durations are timedeltas.

    `database_url` and `public_url` are filled in; the secrets (`SECRET_NAMES`) are "" until `ensure_secrets`.
    """

    bind: Bind = DEFAULT_BIND
    """Address to listen on."""
    public_url: Url = Field(default_factory=_default_public_url)
    """How n8n and people reach it; default: http:// and `bind`."""
    data_dir: Annotated[Path, AfterValidator(_absolute)] = Field(default=Path("data"), validate_default=True)
    """Holds the database and the generated secrets."""
    database_url: DatabaseUrl = Field(default_factory=_default_database_url, repr=False)
    """sqlite:///path or postgresql://...; default: SQLite in the data directory."""
    dry_run: Flag = False
    """Decide and record everything, do nothing."""
    webhook_token: Token = Field(default="", repr=False)
    """What senders of signals show; generated at the first start."""
    api_token: Token = Field(default="", repr=False)
    """What users of the JSON API show; generated at the first start."""
    admin_password: Secret = Field(default="", repr=False)
    """Of the pages' user `admin`; generated at the first start."""
    session_key: Secret = Field(default="", repr=False)
    """Signs the pages' sessions; generated at the first start."""
    signals_token: Token = Field(default="", repr=False)
    """For n8n: good for sending signals alone; generated."""
    probes_token: Token = Field(default="", repr=False)
    """For n8n: good for reading probes and sending their results alone; generated."""
    report_token: Token = Field(default="", repr=False)
    """For n8n: good for reading reports alone; generated."""
    replay_token: Token = Field(default="", repr=False)
    """For n8n: good for replaying failed runs alone; generated."""
    n8n: Annotated[tuple[N8n, ...], BeforeValidator(_as_list, json_schema_input_type=N8n | tuple[N8n, ...] | None)] = ()
    """The n8n to look after: one, or a list where each has a name."""
    recovery: RecoverySettings = Field(default_factory=RecoverySettings)
    """How incidents are healed."""
    replay: ReplaySettings = Field(default_factory=ReplaySettings)
    """How broken executions are run again."""
    playbooks: tuple[PlaybookSettings, ...] = ()
    """How incidents of some kind are healed; without one, by what usually helps against their failure type."""
    brakes: BrakeSettings = Field(default_factory=BrakeSettings)
    """What keeps healing from doing harm."""
    components: tuple[Component, ...] = ()
    """What is watched beside n8n."""
    agents: tuple[AgentSettings, ...] = ()
    """Agents on other machines that may be asked to restart something there."""
    maintenance: tuple[MaintenanceSettings, ...] = ()
    """When nothing is done about what fails."""
    connectivity: ConnectivitySettings = Field(default_factory=ConnectivitySettings)
    """How it is noticed that this machine itself is offline."""
    sources: tuple[Source, ...] = ()
    """Monitors that send JSON of their own to /webhooks/generic/<name>."""
    alerts: AlertSettings = Field(default_factory=AlertSettings)
    """How people are told."""
    retention: Retention = Field(default_factory=Retention)
    """How long history is kept."""
    audit: AuditSettings = Field(default_factory=AuditSettings)
    """How each n8n is looked through for what is not as it should be."""
    poll_every: Period = timedelta(seconds=30)
    """How often n8n is asked for executions that nobody reported."""

    def policy(self) -> Policy:
        """What decisions need of it."""
        return plans.make_policy(self)

    def alert_policy(self) -> AlertPolicy:
        """Who is told what, and when."""
        return make_alert_policy(self.alerts, self.recovery.escalate_after.total_seconds())

    def audit_plan(self, site: str) -> AuditPlan:
        """How the n8n of that name is audited."""
        return plans.make_audit_plan(self, site)

    def channel_plans(self) -> list[ChannelPlan]:
        """What routing needs to know of each channel, in the order of the file."""
        return plans.make_channel_plans(self)

    def channel_args(self, name: str) -> Any:
        """The arguments of a channel, as its kind's own `Args`.

        Raises:
            KeyError: no channel has that name.
        """
        return plans.make_channel_args(self, name)

    def source_plan(self, name: str) -> SourcePlan | None:
        """How the messages of a monitor of one's own are read; None where none has that name."""
        return next((plans.make_source_plan(found) for found in self.sources if found.name == name), None)

    def component(self, name: str) -> Component:
        """One configured component.

        Raises:
            KeyError: none has that name; the names that exist are listed.
        """
        for found in self.components:
            if found.name == name:
                return found
        names = ", ".join(found.name for found in self.components) or "none"
        raise KeyError(f"no component named {name!r} is configured; there are: {names}")
