"""How an incident is healed, and what keeps healing from doing harm, as values."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from recovery.model.words import FailureType, Severity

__all__ = ["Brakes", "Lately", "Match", "PlannedAction", "PlannedCheck", "Playbook", "PlaybookRule", "Stage", "thaw"]

HOUR, DAY = timedelta(hours=1), timedelta(days=1)  # what budgets are counted over
WAYS = ("remote", "agent", "ipmi", "redfish")  # arguments that say, in keys of their own, how a host is reached


@dataclass(frozen=True, slots=True)
class PlannedCheck:
    """A check of a playbook: its name in the registry and its arguments.

    Fields:
        component: whose check it is: of this component; "" of none; None: of the incident's own.
    """

    name: str
    args: dict[str, Any] = field(default_factory=dict)
    component: str | None = None


@dataclass(frozen=True, slots=True)
class PlannedAction:
    """An action of a playbook: its name in the registry and its arguments.

    Fields:
        label: how the configuration calls it on its component; "" where it is called by its kind alone.
        restarts: it restarts something of its host: one at a time there.
        needs_approval: a person must say yes before it is run.
        back_after_seconds: it is undone when the component has been healthy for so long; None: it stays.
    """

    name: str
    args: dict[str, Any] = field(default_factory=dict)
    safe_to_repeat: bool = True
    timeout_seconds: float = 60.0
    restarts: bool = False
    needs_approval: bool = False
    back_after_seconds: float | None = None
    label: str = ""

    @property
    def called(self) -> str:
        """How people call it, and what came of it is counted by."""
        return self.label or self.name

    @property
    def host(self) -> str | None:
        """Where it restarts something; None where it does not."""
        if not self.restarts:
            return None
        ways = [self.args, *(way for name in WAYS if isinstance(way := self.args.get(name), dict))]
        names = [way.get(key) for way in ways for key in ("host", "agent", "url")]
        return str(next((name for name in names if name and isinstance(name, str)), "this machine"))


@dataclass(frozen=True, slots=True)
class Match:
    """What an incident must be for a playbook, or a stage of it. What is empty matches all."""

    components: tuple[str, ...] = ()
    failure_types: tuple[FailureType, ...] = ()
    severities: tuple[Severity, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)

    def fits(self, component: str, failure_type: str, severity: str, labels: dict[str, str]) -> bool:
        """Whether an incident of these is meant."""
        return (
            (not self.components or component in self.components)
            and (not self.failure_types or failure_type in self.failure_types)
            and (not self.severities or severity in self.severities)
            and all(labels.get(name) == value for name, value in self.labels.items())
        )


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage.

    Fields:
        after_seconds: how long after the end of the one before it begins.
        attempts: how often it tries.
        actions: run in order in each attempt; None: the playbook's.
        one_of: they are alternatives instead: each attempt runs the next one.
        spacing_seconds: between its attempts; None: the playbook's.
        needs_approval: a person must say yes before anything of it is run.
        only_if: for which incidents it is a stage at all.
        check: verifies what it did; None: the playbook's, which confirms the failure in any case.
    """

    after_seconds: float
    attempts: int
    actions: tuple[PlannedAction, ...] | None = None
    one_of: bool = False
    spacing_seconds: float | None = None
    needs_approval: bool = False
    only_if: Match = field(default_factory=Match)
    check: PlannedCheck | None = None


@dataclass(frozen=True, slots=True)
class Playbook:
    """How an incident is healed. A recovery keeps the copy it started with.

    Fields:
        stages: in order; an attempt is the actions, then the check, then the canary.
        spacing_seconds: between the attempts of one stage.
        actions: run in order in each attempt; empty where only executions are retried.
        check: confirms the failure before an action and verifies after it; None where there is none.
        trust_probes: a component without a check may be acted upon because of pushed probes.
        boot_grace_seconds: how long after an action the check may still fail.
        mended: the cause is believed to be mended (a sign of health, a person's word), so that runs which failed
            for a permanent cause may be retried.
        name: how people call it; "" for the one that needs no writing down.
        by_person: a person ordered it, who has seen what was tried: budgets and breaker do not hold it.
        learned: alternatives are tried in the order of what has helped.
        because: why it was chosen.
    """

    stages: tuple[Stage, ...]
    spacing_seconds: float = 0.0
    actions: tuple[PlannedAction, ...] = ()
    check: PlannedCheck | None = None
    trust_probes: bool = False
    boot_grace_seconds: float = 10.0
    dry_run: bool = False
    mended: bool = False
    name: str = ""
    by_person: bool = False
    learned: bool = False
    because: str = ""

    @property
    def acts(self) -> bool:
        """Whether any attempt of it runs an action."""
        return bool(self.actions) or any(stage.actions for stage in self.stages)

    def actions_of(self, stage: int, attempt: int) -> tuple[PlannedAction, ...]:
        """What an attempt of a stage (both from 1) runs."""
        if stage > len(self.stages):
            return self.actions
        plan = self.stages[stage - 1]
        actions = self.actions if plan.actions is None else plan.actions
        if not plan.one_of or not actions:
            return actions
        return (actions[(attempt - 1) % len(actions)],)

    def spacing_of(self, stage: int) -> float:
        """Seconds between the attempts of a stage."""
        own = self.stages[stage - 1].spacing_seconds if stage <= len(self.stages) else None
        return self.spacing_seconds if own is None else own

    def verified_by(self, stage: int) -> PlannedCheck | None:
        """The check that tells whether a stage has helped; None where there is none."""
        own = self.stages[stage - 1].check if stage <= len(self.stages) else None
        return own or self.check

    def needs_approval(self, stage: int) -> bool:
        """Whether a stage as a whole waits for a person's yes."""
        return stage <= len(self.stages) and self.stages[stage - 1].needs_approval


@dataclass(frozen=True, slots=True)
class PlaybookRule:
    """A playbook that was written down, and the incidents that it is for."""

    name: str
    match: Match
    stages: tuple[Stage, ...]
    dry_run: bool = False
    learned: bool = False


@dataclass(frozen=True, slots=True)
class Brakes:
    """What keeps healing from doing harm.

    Fields:
        per_hour, per_day: how often one kind of action may be run on one component.
        overall_per_hour, overall_per_day: how many actions may be run on all together.
        cooldown_seconds: after one recovery's last action on a component, before another recovery acts on it.
        breaker: after so many recoveries in a row that acted on a component in vain, the next does not.
        approve_within_seconds: how long a person's yes is waited for.
        unanswered: what happens then: "give_up" (the recovery fails), or "next_stage".
    """

    per_hour: int = 6
    per_day: int = 20
    overall_per_hour: int = 60
    overall_per_day: int = 300
    cooldown_seconds: float = 10.0
    breaker: int = 3
    approve_within_seconds: float = 1800.0
    unanswered: str = "give_up"


@dataclass(frozen=True, slots=True)
class Lately:
    """What was done lately, as far as an action on a component is concerned.

    Fields:
        same: when this kind of action was begun on this component within the last day, oldest first.
        all: how many actions were begun on all components within the last hour and the last day.
        acted_at: when another recovery's last action on this component ended; None without.
        acting: what is under way on the component; restarting: what is restarted on its host; "" where nothing is.
        doubt: an action on the component, or a restart on its host, of which nobody knows whether it happened, and when
            its time is over; None without one.
        in_vain: how many recoveries in a row acted on the component in vain.
        starting: the server that another recovery had rebooted, and when it should be up; None without one.
    """

    same: Sequence[datetime] = ()
    all: tuple[int, int] = (0, 0)
    acted_at: datetime | None = None
    acting: str = ""
    restarting: str = ""
    doubt: tuple[str, datetime] | None = None
    in_vain: int = 0
    starting: tuple[str, datetime] | None = None


def thaw(frozen: dict[str, Any]) -> Playbook:
    """The playbook that a recovery started with, from its stored copy."""
    values = dict(frozen)
    values["stages"] = tuple(map(_thaw_stage, values["stages"]))
    values["actions"] = tuple(PlannedAction(**action) for action in values["actions"])
    values["check"] = PlannedCheck(**values["check"]) if values["check"] else None
    return Playbook(**values)


def _thaw_stage(frozen: dict[str, Any]) -> Stage:
    values = {key: value for key, value in frozen.items() if key != "only_if"}  # it was asked when it was chosen
    if values.get("actions") is not None:
        values["actions"] = tuple(PlannedAction(**action) for action in values["actions"])
    values["check"] = PlannedCheck(**values["check"]) if values.get("check") else None
    return Stage(**values)
