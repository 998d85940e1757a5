"""What is planned and allowed: playbooks, limits and components, as values the decisions take."""

from dataclasses import dataclass, field
from datetime import datetime

from recovery.model.playbooks import Brakes, PlannedAction, PlannedCheck, Playbook, PlaybookRule
from recovery.model.telling import Budget
from recovery.model.words import Severity

__all__ = [
    "ChannelPlan",
    "ComponentPlan",
    "MaintenancePlan",
    "Policy",
    "ReplayLimits",
    "SourcePlan",
    "Window",
]

ALL = "*"  # in place of the names of components


@dataclass(frozen=True, slots=True)
class ReplayLimits:
    """How broken executions are replayed.

    Fields:
        per_workflow, per_component: how many may run at once.
        rate_per_second: how many may be started a second.
        max_age_seconds: an execution that failed longer ago is left alone.
        retry_ambiguous: runs that may repeat an effect are retried too.
        on_recovery: replay when a component turns healthy while a person is asked.
        max_retries: automatic retries of one chain in its life.
    """

    per_workflow: int = 1
    per_component: int = 4
    rate_per_second: float = 5.0
    max_age_seconds: float = 86_400.0
    retry_ambiguous: bool = False
    on_recovery: bool = True
    max_retries: int = 6


@dataclass(frozen=True, slots=True)
class ComponentPlan:
    """What the configuration says of one component.

    Fields:
        flap_threshold: so many changes among the last 21 looks are flapping; 0: none are.
        hosts: what workflows call it by: "host" claims every port, "host:port" that one.
        every_seconds: how often its check runs.
        env: environment of its restart command; kept out of the playbook, whose copies are stored.
        depends_on: the components that it needs.
        outside: the host that its check goes to over the network; "" where it looks at this machine itself.
        actions: what may be done to it, by name: "restart", "reconnect", "clear_cache", "scale_up", or one's own name.
        labels: what playbooks may match.
        listens: looks whether it has fallen silent; for one that is known from what is pushed, and has no check.
    """

    name: str
    severity: Severity = Severity.HIGH
    failure_threshold: int = 2
    success_threshold: int = 1
    flap_threshold: int = 11
    hosts: tuple[str, ...] = ()
    every_seconds: float = 120.0
    playbook: Playbook | None = None
    env: dict[str, str] = field(default_factory=dict, repr=False)
    depends_on: tuple[str, ...] = ()
    outside: str = ""
    listens: PlannedCheck | None = None
    actions: dict[str, PlannedAction] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def check(self) -> PlannedCheck | None:
        """Its check, where it has one."""
        return self.playbook.check if self.playbook else None


@dataclass(frozen=True, slots=True)
class MaintenancePlan:
    """Maintenance at fixed times: of which components ("*" for all), when it begins (cron), and how long it takes."""

    components: tuple[str, ...]
    cron: str
    for_seconds: float
    timezone: str = "UTC"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """A time of maintenance: of which components ("*" for all), until when (None: until somebody ends it), and why."""

    components: tuple[str, ...]
    ends_at: datetime | None
    note: str = ""

    def covers(self, component: str) -> bool:
        """Whether it is about that component."""
        return ALL in self.components or component in self.components


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything that decisions need of the configuration, as one value.

    Fields:
        playbook: for incidents of components that have none of their own.
        sites: the names of the n8n instances that can be reached.
        escalate_after_seconds: a person is told at the latest then.
        settle_seconds: quiet time before an incident is resolved.
        recurrence_seconds: a failure this soon after resolving is a recurrence.
        recurrences_per_hour: more than this many and a person is called.
        maintenance: at fixed times.
        playbooks: those that were written down; the first that matches is taken.
        brakes: what keeps healing from doing harm.
        anchors: "host:port" of what proves that this machine is online; without any it is never called offline.
        agents: the names of those that may be asked to restart something.
        offline_at: so many unrelated hosts must fall silent at once before the anchors are asked.
    """

    playbook: Playbook
    components: dict[str, ComponentPlan] = field(default_factory=dict)
    replay: ReplayLimits = field(default_factory=ReplayLimits)
    sites: tuple[str, ...] = ()
    default_severity: Severity = Severity.HIGH
    escalate_after_seconds: float = 900.0
    settle_seconds: float = 10.0
    recurrence_seconds: float = 600.0
    recurrences_per_hour: int = 5
    maintenance: tuple[MaintenancePlan, ...] = ()
    playbooks: tuple[PlaybookRule, ...] = ()
    brakes: Brakes = field(default_factory=Brakes)
    anchors: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    offline_at: int = 5

    def upstream(self, name: str) -> tuple[str, ...]:
        """Everything that a component needs, directly or through others; what it needs most directly first."""
        found: dict[str, None] = {}
        waiting = list(self.component(name).depends_on)
        while waiting:
            one = waiting.pop(0)
            if one not in found and one != name:
                found[one] = None
                waiting += self.component(one).depends_on
        return tuple(found)

    def written_checks(self) -> list[PlannedCheck]:
        """Every check that a playbook has written out, of no component."""
        checks = [stage.check for rule in self.playbooks for stage in rule.stages if stage.check]
        return [one for one in checks if one.component == ""]

    def component(self, name: str) -> ComponentPlan:
        """The plan of a component; the defaults for one that the configuration does not name."""
        return self.components.get(name) or ComponentPlan(name=name, severity=self.default_severity)

    def claimant(self, host: str) -> ComponentPlan | None:
        """The component that claims a host ("host" or "host:port") as its own, or None; the exact one first."""
        bare = host.rsplit(":", 1)[0] if ":" in host and not host.endswith("]") else host
        for name in dict.fromkeys((host, bare)):
            for plan in self.components.values():
                if name in plan.hosts:
                    return plan
        return None


@dataclass(frozen=True, slots=True)
class ChannelPlan:
    """What routing needs to know of a channel.

    Fields:
        severities: which incidents it is told of; None follows its kind (sms: critical; email: critical and high;
            slack: critical, high and medium; any other kind: all).
        through_n8n: the message goes through n8n, so it can never be the only one about n8n itself.
        budget: how many messages it carries; None: as many as there are.
    """

    name: str
    kind: str
    severities: tuple[Severity, ...] | None = None
    through_n8n: bool = False
    budget: Budget | None = None


@dataclass(frozen=True, slots=True)
class SourcePlan:
    """Where the facts stand in the messages of a monitor of one's own; paths are dotted, "" for a fact it lacks.

    Fields:
        component: path of the component's name; "": the component is called as the source.
        healthy_path, healthy_values: what stands there when it is healthy.
        at_once: one message is enough; else the component's thresholds count messages.
    """

    name: str
    healthy_path: str
    healthy_values: tuple[str | bool | int | float, ...]
    component: str = ""
    message: str = ""
    severity: str = ""
    failure_type: str = ""
    observed_at: str = ""
    at_once: bool = True
