"""What a person may have run by hand: the actions that are configured for a component, and any with own arguments."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from recovery import actions
from recovery.config.problems import suggest
from recovery.model import About, ComponentPlan, DoorError, PlannedAction, PlaybookRule, Plugin, Policy
from recovery.redact import redact_text


class NotRunnable(ValueError):
    """There is no such action, or its arguments are wrong; the text says how to put it right."""


class Closed:
    """Doors that are closed: nothing is touched, and nothing is looked at."""

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, *args: object, **more: object) -> Any:
        raise DoorError("it is looked at only when it is run")


def choices_of(policy: Policy, component: str) -> dict[str, PlannedAction]:
    """The actions that are configured for a component, by what people call them: its own, then those of playbooks.

    Where a playbook has another action of a name that is taken, its own name comes first: "night restart".
    """
    plan = policy.component(component)
    found = dict(plan.actions)
    for rule in _rules_for(policy, plan):
        for action in (one for stage in rule.stages for one in stage.actions or () if one not in found.values()):
            name = action.called if action.called not in found else f"{rule.name} {action.called}"
            found.setdefault(name, action)
    return found


def _rules_for(policy: Policy, plan: ComponentPlan) -> list[PlaybookRule]:
    """The playbooks that may be for a component, whatever its failure."""
    fits = [rule for rule in policy.playbooks if not rule.match.components or plan.name in rule.match.components]
    return [rule for rule in fits if all(plan.labels.get(key) == value for key, value in rule.match.labels.items())]


def is_dry(policy: Policy, component: str, action: PlannedAction) -> bool:
    """Whether the configuration forbids that it is done: everything is a dry run, or the playbook that it is from."""
    plan = policy.component(component)
    if plan.playbook and plan.playbook.dry_run:
        return True
    mine = _rules_for(policy, plan)
    holding = [rule for rule in mine if any(_same(action, one) for stage in rule.stages for one in stage.actions or ())]
    return bool(holding) and all(rule.dry_run for rule in holding) and action.label not in plan.actions


def _same(one: PlannedAction, other: PlannedAction) -> bool:
    """The same, whatever arguments of one's own it is given."""
    return (one.name, one.label) == (other.name, other.label)


def plan_by_hand(policy: Policy, component: str, action: str, given: Mapping[str, Any] | None = None) -> PlannedAction:
    """The action as it is to be run, with all its arguments.

    Args:
        action: the name of one that is configured for the component, else the kind of any action.
        given: arguments in place of the configured ones.

    Raises:
        NotRunnable: no such component or action, or arguments that it does not take.
    """
    if component not in policy.components:
        names = ", ".join(policy.components) or "none"
        raise NotRunnable(f"no component named {component[:200]!r} is configured; there are: {names}")
    known = choices_of(policy, component)
    planned = known.get(action) or _of_kind(action, component, known)
    args = {**planned.args, **(given or {})}
    plugin = actions.REGISTRY.find(planned.name)
    read = _read(plugin, args)
    return replace(planned, args=args, timeout_seconds=getattr(read, "timeout", planned.timeout_seconds))


def _of_kind(action: str, component: str, known: Mapping[str, PlannedAction]) -> PlannedAction:
    kinds = {plugin.name: plugin for plugin in actions.REGISTRY.all()}
    if plugin := kinds.get(action):
        return PlannedAction(action, {}, plugin.safe_to_repeat, 60.0, plugin.restarts, plugin.approval)
    configured = f"configured for it: {', '.join(known)}" if known else "none is configured for it"
    hint = suggest(action, [*known, *kinds])
    raise NotRunnable(
        f"no action {action[:200]!r} for {component}{f' ({hint})' if hint else ''}; {configured}; "
        f"with arguments of your own there are the kinds {', '.join(kinds)}"
    )


def _read(plugin: Plugin, args: dict[str, Any]) -> Any:
    try:
        return plugin.args.model_validate(args, extra="forbid")
    except ValidationError as wrong:
        errors = wrong.errors(include_url=False, include_context=False, include_input=False)
    raise NotRunnable(f"{plugin.name} does not take these arguments: " + "; ".join(map(_told_of(plugin), errors)))


def _told_of(plugin: Plugin) -> Any:
    keys = ", ".join(plugin.args.model_fields)

    def told(error: Any) -> str:
        where = ".".join(str(part) for part in error["loc"])[:100]
        if error["type"] == "extra_forbidden" and len(error["loc"]) == 1:
            return f"{where}: there is no such key; the keys are {keys}"
        words = error["msg"].removeprefix("Value error, ")
        return f"{where}: {words}" if where else words

    return told


def words_of(action: PlannedAction, about: About, doors: Any = None) -> str:
    """What an action would do, word for word and without secrets, in words that follow "would".

    Args:
        doors: through which it may look; without any it says what can be said without looking.

    Raises:
        DoorError: what exactly it would do cannot be told now.
    """
    plugin = actions.REGISTRY.find(action.name)
    args = plugin.args.model_validate(action.args)
    return redact_text(plugin.preview(args, doors or Closed(), about) if plugin.preview else action.name)


def words_or_name(action: PlannedAction, about: About) -> str:
    """The same without looking; the action's name, and why no more is told, where that does not do."""
    try:
        return words_of(action, about)
    except DoorError:
        return f"{action.name} (what exactly is looked up when it is run)"
