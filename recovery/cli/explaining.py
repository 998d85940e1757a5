"""Tells what would be done about a component or an incident, and when."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from recovery.cli.explaining_now import tell_against, tell_standing
from recovery.clock import utc_now
from recovery.config import Config
from recovery.config.by_hand import words_or_name
from recovery.decide.choosing import Way, suggest
from recovery.decide.playbooks import playbook_of
from recovery.decide.suggesting import call, put_first, ways_of, with_taken
from recovery.model import About, FailureType, Outcomes, PlannedAction, Playbook, Policy, Severity, Stage, thaw
from recovery.model.durations import write_duration
from recovery.store import database, incidents, outcomes, recoveries, suggestions
from recovery.store.tables import IncidentRow, SuggestionRow


@dataclass(frozen=True, slots=True)
class Asked:
    """What is explained: the facts that a playbook is chosen by."""

    component: str
    failure_type: FailureType
    severity: Severity
    incident: IncidentRow | None = None


def explain(config: Config, asked: Asked) -> Iterator[str]:
    """The lines that tell it."""
    policy, now = config.policy(), utc_now()
    written = playbook_of(asked.component, asked.failure_type, asked.severity, policy)
    taken = _find_taken(written, asked)
    playbook = with_taken(
        written, [(_named_way(row.worse), _named_way(row.better), str(row.taken_by)) for row in taken]
    )
    recovery = recoveries.find_active(asked.incident.id) if asked.incident else None
    if recovery:  # whatever the configuration says by now
        playbook, taken = thaw(recovery.playbook), []
    yield f"{asked.component}, {asked.failure_type}, {asked.severity}: {_named(playbook)}"
    if asked.incident:
        yield from tell_standing(asked.incident, recovery)
    if database.database_url():
        yield from tell_against(asked.component, playbook, recovery, policy, now)
    if config.dry_run or playbook.dry_run:
        yield "  dry run: everything is decided and recorded, nothing is done"
    about = About(asked.component, now, failure_type=asked.failure_type, severity=asked.severity)
    for number in range(1, len(playbook.stages) + 1):
        yield from _stage(playbook, number, about)
    if not recovery:
        yield from _taken(written, playbook, taken, policy.component(asked.component).actions)
    yield from _around(playbook, policy)
    yield from _needs(asked.component, policy)
    if asked.incident:
        yield from _suggested(playbook, asked)


def _named(playbook: Playbook) -> str:
    if playbook.name:
        return f"the playbook {playbook.name}"
    return playbook.because or (
        "its restart" if playbook.acts else "executions are retried; nothing else is configured"
    )


def _stage(playbook: Playbook, number: int, about: About) -> Iterator[str]:
    stage = playbook.stages[number - 1]
    begin = "at once" if not stage.after_seconds else f"{write_duration(stage.after_seconds)} later"
    times = "once" if stage.attempts == 1 else f"up to {stage.attempts} times"
    spacing = playbook.spacing_of(number)
    pause = f"{write_duration(spacing)} apart" if spacing else "one right after the other"
    apart = f", {pause}" if stage.attempts > 1 else ""
    yes = ", after a person's yes" if stage.needs_approval else ""
    yield f"  stage {number}, {begin}: {times}{apart}{yes}"
    chosen = playbook.actions if stage.actions is None else stage.actions
    for place, action in enumerate(chosen, 1):
        word = f"attempt {place}: " if stage.one_of and len(chosen) > 1 else ""
        yield f"    {word}{_told(action, about)}"
    if stage.one_of and playbook.learned:
        yield "    in the order of what has helped before"
    if stage.check:
        whose = f" of {stage.check.component}" if stage.check.component else ""
        yield f"    verified by the check {stage.check.name}{whose}"


def _told(action: PlannedAction, about: About) -> str:
    yes = ", after a person's yes" if action.needs_approval else ""
    back = action.back_after_seconds
    return f"{words_or_name(action, about)}{yes}" + (f"; undone after {write_duration(back)}" if back else "")


def _around(playbook: Playbook, policy: Policy) -> Iterator[str]:
    limits = policy.brakes
    if playbook.check and playbook.acts:
        grace, name = write_duration(playbook.boot_grace_seconds), playbook.check.name
        same = "the same check" + (", or the stage's own," if any(one.check for one in playbook.stages) else "")
        yield f"  before it the check {name} must confirm the failure; after it {same} verifies, for {grace}"
    elif playbook.acts and playbook.trust_probes:
        yield "  it has no check: it is acted upon when pushed probes say that it fails (trust_probes)"
    elif playbook.acts:
        yield "  it has no check, and trust_probes is off: of these actions none is run before a person says retry now"
    yield "  then executions that broke are retried: one first, and the rest when it succeeds"
    latest = write_duration(policy.escalate_after_seconds)
    yield f"  a person is called when all stages are used up, and {latest} after opening at the latest"
    if playbook.acts:
        yield (
            f"  brakes: each kind of action {limits.per_hour} times an hour and {limits.per_day} times a day at most;"
            f" after {limits.breaker} recoveries in vain none"
        )


def _needs(component: str, policy: Policy) -> Iterator[str]:
    needed = policy.upstream(component)
    if needed:
        yield f"  it needs {', '.join(needed)}: as long as one of them is down, nothing of this is begun"


def _suggested(playbook: Playbook, asked: Asked) -> Iterator[str]:
    """What the outcomes so far speak for; nothing is changed by it."""
    tried = ways_of(playbook)
    known = outcomes.count_ways(asked.failure_type, asked.component, tried, utc_now())
    for one in suggest([Way(action, after, known.get((action, after), Outcomes())) for action, after in tried]):
        yield f"  worth a change of the playbook? {one.text}; the page /override takes it, and takes it back"


def _find_taken(written: Playbook, asked: Asked) -> list[SuggestionRow]:
    """What people took of what was suggested; nothing where there is no database yet."""
    if not database.database_url():
        return []
    return suggestions.find_taken(asked.component, asked.failure_type, written.name)


def _named_way(way: dict[str, Any]) -> tuple[str, float]:
    return way["action"], way["after_seconds"]


def _taken(
    written: Playbook, playbook: Playbook, taken: list[SuggestionRow], known: dict[str, PlannedAction]
) -> Iterator[str]:
    """Who changed it, when, and how the file says the same for good."""
    for row in taken:
        fits = put_first(written, _named_way(row.worse), _named_way(row.better)) is not None
        order = f"{call(_named_way(row.better))} is tried before {call(_named_way(row.worse))}"
        yield f"  since {row.taken_at:%Y-%m-%d %H:%M} (UTC) by {row.taken_by}'s choice {order}; /override takes it back"
        if not fits:
            yield "    but it no longer fits the configuration, and is passed over"
    if playbook.stages != written.stages:
        yield "  to write that down for good, give medic.yaml these stages, and take the suggestion back:"
        yield from (f"    - {_as_yaml(stage, playbook, known)}" for stage in playbook.stages)


def _as_yaml(stage: Stage, playbook: Playbook, known: dict[str, PlannedAction]) -> str:
    """A stage as a playbook of the configuration has it; an action that has no name there by its kind."""
    actions = playbook.actions if stage.actions is None else stage.actions
    names = [next((name for name, one in known.items() if one == action), action.called) for action in actions]
    key = "one_of" if stage.one_of else "actions"
    return f"{{after: {write_duration(stage.after_seconds)}, attempts: {stage.attempts}, {key}: [{', '.join(names)}]}}"


def asked_for(config: Config, what: str, failure_type: str) -> Asked:
    """What a word on the command line means: an incident's number, or a component's name.

    Raises:
        KeyError: there is no such incident, or no such component in the configuration.
    """
    if what.isdigit():
        found = incidents.find_incidents([int(what)]).get(int(what))
        if found is None:
            raise KeyError(f"there is no incident {what}")
        return Asked(found.component, FailureType(found.failure_type), Severity(found.severity), found)
    return Asked(what, FailureType(failure_type), config.component(what).severity)
