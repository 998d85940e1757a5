"""Playbooks and brakes as the configuration writes them, and what they mean for decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from recovery import actions
from recovery.config.sections import ActionUse, CheckUse, Settings, StageSettings
from recovery.config.types import Count, Duration, Flag, Period, Text, expected
from recovery.model import (
    Brakes,
    ComponentPlan,
    FailureType,
    Match,
    PlannedAction,
    PlannedCheck,
    PlaybookRule,
    Severity,
    Stage,
)


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Names = Annotated[tuple[Text, ...], BeforeValidator(_as_list, json_schema_input_type=Text | tuple[Text, ...])]
Types = Annotated[
    tuple[FailureType, ...], BeforeValidator(_as_list, json_schema_input_type=FailureType | tuple[FailureType, ...])
]
Severities = Annotated[
    tuple[Severity, ...], BeforeValidator(_as_list, json_schema_input_type=Severity | tuple[Severity, ...])
]


class MatchSettings(Settings):
    """Which incidents are meant. What is left out matches all; of several values, one must fit."""

    component: Names = ()
    """Names of components."""
    failure_type: Types = ()
    """Kinds of failure, such as api_timeout."""
    severity: Severities = ()
    """critical, high, medium or low."""
    label: dict[str, str] = Field(default_factory=dict)
    """Labels that the component must have, such as {team: shop}."""


class PlaybookStage(StageSettings):
    """One stage of a playbook."""

    actions: tuple[Text | ActionUse, ...] | None = None
    """Run in order in each attempt: an action of the component by its name, or one with its own keys."""
    one_of: tuple[Text | ActionUse, ...] | None = None
    """Alternatives in place of `actions`: each attempt runs the next one."""
    spacing: Duration | None = None
    """Between its attempts; default: that of `recovery`."""
    needs_approval: Flag = False
    """A person must say yes before anything of it is run."""
    only_if: MatchSettings = Field(default_factory=MatchSettings)
    """For which incidents it is a stage at all."""
    check: Text | CheckUse | None = None
    """Verifies it instead of the component's own: a component by its name, or a check with its own keys."""

    @model_validator(mode="after")
    def _one_of_both(self) -> PlaybookStage:
        if self.actions is not None and self.one_of is not None:
            raise expected("either `actions` (all of them, in order) or `one_of` (alternatives)")
        return self


class PlaybookSettings(Settings):
    """How incidents of some kind are healed. The first playbook that matches is taken."""

    name: Text
    """How people call it."""
    match: MatchSettings = Field(default_factory=MatchSettings)
    """Which incidents it is for."""
    stages: Annotated[tuple[PlaybookStage, ...], Field(min_length=1, max_length=20)]
    """In order."""
    dry_run: Flag = False
    """Decide and record everything, do nothing."""
    order: Literal["listed", "learned"] = "listed"
    """Of alternatives: as they are listed, or by what has helped before."""


class BrakeSettings(Settings):
    """What keeps healing from doing harm."""

    per_hour: Count = 6
    """How often one kind of action may be run on one component within an hour. Then a person is called."""
    per_day: Count = 20
    """The same within a day."""
    overall_per_hour: Count = 60
    """How many actions may be run within an hour, on all components together."""
    overall_per_day: Count = 300
    """The same within a day."""
    cooldown: Duration = timedelta(seconds=10)
    """After one recovery's last action on a component, before another recovery acts on it."""
    breaker: Count = 3
    """After so many recoveries in a row that acted on a component in vain, the next calls a person instead."""
    approve_within: Period = timedelta(minutes=30)
    """How long a person's yes is waited for."""
    unanswered: Literal["give_up", "next_stage"] = "give_up"
    """What happens when nobody answers in that time."""


def make_brakes(found: BrakeSettings) -> Brakes:
    """The brakes as a value."""
    return Brakes(
        per_hour=found.per_hour,
        per_day=found.per_day,
        overall_per_hour=found.overall_per_hour,
        overall_per_day=found.overall_per_day,
        cooldown_seconds=found.cooldown.total_seconds(),
        breaker=found.breaker,
        approve_within_seconds=found.approve_within.total_seconds(),
        unanswered=found.unanswered,
    )


def make_rules(playbooks: tuple[PlaybookSettings, ...], plans: Mapping[str, ComponentPlan]) -> tuple[PlaybookRule, ...]:
    """The playbooks as rules. One that names actions of components is one rule for each that it may be for."""
    checks = {name: plan.check for name, plan in plans.items() if plan.check}
    return tuple(rule for one in playbooks for rule in _rules_of(one, plans, checks))


def _rules_of(
    one: PlaybookSettings, plans: Mapping[str, ComponentPlan], checks: Mapping[str, PlannedCheck]
) -> list[PlaybookRule]:
    names = {use for stage in one.stages for use in _uses(stage) or () if isinstance(use, str)}
    match = make_match(one.match)
    told = {"dry_run": one.dry_run, "learned": one.order == "learned"}
    if not names:
        return [PlaybookRule(one.name, match, _stages(one, {}, checks), **told)]
    found = []
    for component, plan in plans.items():
        meant = not match.components or component in match.components
        labelled = all(plan.labels.get(key) == value for key, value in match.labels.items())
        if meant and labelled and names <= set(plan.actions):
            only = Match((component,), match.failure_types, match.severities, match.labels)
            found.append(PlaybookRule(one.name, only, _stages(one, plan.actions, checks), **told))
    return found


def _stages(
    one: PlaybookSettings, known: Mapping[str, PlannedAction], checks: Mapping[str, PlannedCheck]
) -> tuple[Stage, ...]:
    return tuple(replace(_stage(stage, known), check=_verifies(stage.check, checks)) for stage in one.stages)


def _verifies(use: str | CheckUse | None, checks: Mapping[str, PlannedCheck]) -> PlannedCheck | None:
    """The check of a stage: another component's, or one of no component."""
    if isinstance(use, str):
        return replace(checks[use], component=use)
    return PlannedCheck(use.kind, use.arguments, "") if use else None


def _stage(stage: PlaybookStage, known: Mapping[str, PlannedAction]) -> Stage:
    uses = _uses(stage)
    return Stage(
        after_seconds=stage.after.total_seconds(),
        attempts=stage.attempts,
        actions=None if uses is None else tuple(known[use] if isinstance(use, str) else planned(use) for use in uses),
        one_of=stage.one_of is not None,
        spacing_seconds=None if stage.spacing is None else stage.spacing.total_seconds(),
        needs_approval=stage.needs_approval,
        only_if=make_match(stage.only_if),
    )


def _uses(stage: PlaybookStage) -> tuple[str | ActionUse, ...] | None:
    return stage.actions if stage.one_of is None else stage.one_of


def make_match(found: MatchSettings) -> Match:
    """Which incidents are meant, as a value."""
    return Match(found.component, found.failure_type, found.severity, dict(found.label))


def planned(use: ActionUse) -> PlannedAction:
    """An action as it is planned. One whose kind needs a person's yes needs it, unless the configuration says not."""
    plugin = actions.REGISTRY.find(use.kind)
    args = plugin.args.model_validate(use.arguments)
    asks = plugin.approval if use.needs_approval is None else use.needs_approval
    seconds = getattr(args, "timeout", 60.0)
    back = use.back_after.total_seconds() if use.back_after else None
    return PlannedAction(use.kind, use.arguments, plugin.safe_to_repeat, seconds, plugin.restarts, asks, back)
