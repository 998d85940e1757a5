"""Learns from what came of actions: writes it down after each attempt, and orders alternatives by it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from recovery.decide import moves
from recovery.decide.choosing import choose_order
from recovery.decide.playbooks import playbook_of
from recovery.decide.suggesting import as_told, as_written, offers_for, put_first, ways_of, with_taken
from recovery.model import FailureType, PlannedAction, Playbook, Policy, Severity, Stage, StepKind, StepState
from recovery.store import outcomes, recoveries, suggestions
from recovery.store.tables import IncidentRow, StepRow, SuggestionRow
from recovery.worker.cases import Case
from recovery.worker.context import Context

AFTER_AN_ATTEMPT = (moves.StartCanary, moves.NextAttempt, moves.AskPerson, moves.End)
ENDED = (StepState.SUCCEEDED, StepState.FAILED)


def order_learned(playbook: Playbook, incident: IncidentRow, now: datetime) -> Playbook:
    """The playbook with the alternatives of each stage in the order of what has helped, and why."""
    if not playbook.learned:
        return playbook
    begun = recoveries.count_begun(incident.id, incident.opened_at)
    stages, told = [], []
    for number, stage in enumerate(playbook.stages, 1):
        ordered, because = _ordered(stage, incident, f"{incident.id}.{begun}.{number}", now)
        stages.append(ordered)
        told += [because] if because else []
    return replace(playbook, stages=tuple(stages), because="; ".join(filter(None, [playbook.because, *told])))


def _ordered(stage: Stage, incident: IncidentRow, seed: str, now: datetime) -> tuple[Stage, str]:
    if not stage.one_of or not stage.actions:
        return stage, ""
    names = [action.called for action in stage.actions]
    here, everywhere = outcomes.count_outcomes(FailureType(incident.failure_type), incident.component, names, now)
    choice = choose_order(names, here, everywhere, seed)
    return replace(stage, actions=tuple(stage.actions[place] for place in choice.order)), choice.because


def as_taken(playbook: Playbook, incident: IncidentRow) -> Playbook:
    """The playbook as it is with the suggestions that people took."""
    rows = suggestions.find_taken(incident.component, incident.failure_type, playbook.name)
    return with_taken(playbook, [(_named(row.worse), _named(row.better), str(row.taken_by)) for row in rows])


def drop_unfit(ctx: Context, now: datetime) -> None:
    """Drop the suggestions for which the configuration has no place any more, lest a page says that they hold.

    In a transaction that decides, before anything else: the configuration changes only between two workers.
    """
    taken: list[SuggestionRow] = []
    for row in suggestions.find_in_order():
        earlier = [one for one in taken if (one.component, one.failure_type) == (row.component, row.failure_type)]
        if not _fits(ctx.policy, row, earlier):
            suggestions.drop(row, "the configuration has no place for it any more", now)
        elif row.taken_at:
            taken.append(row)


def _fits(policy: Policy, row: SuggestionRow, earlier: Sequence[SuggestionRow]) -> bool:
    """Whether any incident of its kind is healed by a playbook in which the one way can come before the other."""
    before = [(_named(one.worse), _named(one.better), "") for one in earlier if one.playbook == row.playbook]
    for severity in Severity:
        playbook = playbook_of(row.component, row.failure_type, severity, policy)
        changed = put_first(with_taken(playbook, before), _named(row.worse), _named(row.better))
        if playbook.name == row.playbook and changed is not None:
            return True
    return False


def _named(way: dict[str, Any]) -> tuple[str, float]:
    return way["action"], way["after_seconds"]


def _suggest(case: Case) -> None:
    """Offer what the outcomes speak for by now; a person decides whether it is taken."""
    one, policy = case.incident, case.ctx.policy
    playbook = as_taken(playbook_of(one.component, one.failure_type, one.severity, policy), one)
    known = outcomes.count_ways(FailureType(one.failure_type), one.component, ways_of(playbook), case.now)
    told = [
        {
            "worse": as_told(found.suggestion.worse),
            "better": as_told(found.suggestion.better),
            "before": as_written(playbook),
            "after": as_written(found.playbook),
        }
        for found in offers_for(playbook, known)
    ]
    suggestions.offer(one.component, one.failure_type, playbook.name, told, case.now)


def note_outcome(case: Case, present: Sequence[StepRow], move: object) -> None:
    """Once an attempt is over: whether its last action helped, as the look after it said."""
    action = next((step for step in reversed(present) if _was_run(step)), None)
    if not isinstance(move, AFTER_AN_ATTEMPT) or action is None or action.started_at is None:
        return
    looks = [step for step in present if step.kind == StepKind.CHECK and step.number > action.number]
    if action.state == StepState.SUCCEEDED and not looks:
        return  # nobody looked: it is not known whether it helped
    last = looks[-1] if looks else action
    planned = _planned(case, present, action)
    outcomes.add_outcome(
        case.row, action.number, FailureType(case.incident.failure_type), case.incident.component,
        planned.called if planned else action.name, last is not action and last.state == StepState.SUCCEEDED,
        ((last.finished_at or case.now) - action.started_at).total_seconds(), case.now, _after(case),
    )  # fmt: skip
    _suggest(case)


def _was_run(step: StepRow) -> bool:
    real = step.kind == StepKind.ACTION and step.chain_id is None and not (step.dry or step.back)
    return real and step.state in ENDED


def _planned(case: Case, present: Sequence[StepRow], action: StepRow) -> PlannedAction | None:
    """Which action of the playbook a step was: of several in a row, one that fails keeps the later from running."""
    planned = case.playbook.actions_of(case.row.stage, case.row.attempt)
    place = sum(step.kind == StepKind.ACTION and step.number < action.number for step in present)
    return planned[place] if place < len(planned) else None


def _after(case: Case) -> float:
    stages = case.playbook.stages
    return stages[case.row.stage - 1].after_seconds if case.row.stage <= len(stages) else 0.0
