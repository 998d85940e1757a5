"""What a taken suggestion makes of a playbook, and which are worth a word for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from recovery.decide.choosing import Suggestion, Way, suggest
from recovery.decide.wording import time_of
from recovery.model import Outcomes, Playbook, Stage

Named = tuple[str, float]  # an action, and the `after` of its stage in seconds


@dataclass(frozen=True, slots=True)
class Offer:
    """A suggestion, and the playbook as it would be with it."""

    suggestion: Suggestion
    playbook: Playbook


def ways_of(playbook: Playbook) -> list[Named]:
    """Each action of a playbook and the `after` of its stage, in the order in which they are tried."""
    return list(
        dict.fromkeys(
            (action.called, stage.after_seconds)
            for stage in playbook.stages
            for action in (playbook.actions if stage.actions is None else stage.actions)
        )
    )


def offers_for(playbook: Playbook, known: Mapping[Named, Outcomes]) -> list[Offer]:
    """What is worth a word, the clearest first, as far as it can be done by another order."""
    ways = [Way(action, after, known.get((action, after), Outcomes())) for action, after in ways_of(playbook)]
    found = []
    for one in suggest(ways):
        changed = put_first(playbook, _named(one.worse), _named(one.better))
        if changed is not None and changed != playbook:
            found.append(Offer(one, changed))
    return found


def call(way: Named) -> str:
    """How people call it."""
    return f"{way[0]} after {time_of(way[1])}" if way[1] else f"{way[0]} at once"


def _named(way: Way) -> Named:
    return way.action, way.after_seconds


def put_first(playbook: Playbook, worse: Named, better: Named) -> Playbook | None:
    """The playbook with the stage of `better` before that of `worse`, or with the one alternative before the other.

    Nothing is taken out of it. None where it has no such ways, or runs them one after the other in each attempt.
    """
    places = [_place_of(playbook, way) for way in (worse, better)]
    if None in places:
        return None
    at, found = int(places[0] or 0), int(places[1] or 0)
    stages = list(playbook.stages)
    if at == found:
        ordered = None if playbook.learned else _alternatives(stages[at], worse[0], better[0])
        stages[at] = ordered or stages[at]
        return replace(playbook, stages=tuple(stages)) if ordered else None
    if found > at:
        stages.insert(at, stages.pop(found))
    return replace(playbook, stages=tuple(stages))


def _place_of(playbook: Playbook, way: Named) -> int | None:
    for place, stage in enumerate(playbook.stages):
        actions = playbook.actions if stage.actions is None else stage.actions
        if stage.after_seconds == way[1] and any(one.called == way[0] for one in actions):
            return place
    return None


def _alternatives(stage: Stage, worse: str, better: str) -> Stage | None:
    if not stage.one_of or not stage.actions:
        return None
    actions = list(stage.actions)
    names = [one.called for one in actions]
    if names.index(better) > names.index(worse):
        actions.insert(names.index(worse), actions.pop(names.index(better)))
    return replace(stage, actions=tuple(actions))


def with_taken(playbook: Playbook, taken: Sequence[tuple[Named, Named, str]]) -> Playbook:
    """The playbook as people want it: each (worse, better, who) that they took, in that order.

    One that no longer fits the configuration is passed over.
    """
    because = [playbook.because] if playbook.because else []
    for worse, better, who in taken:
        changed = put_first(playbook, worse, better)
        if changed is not None:
            because.append(f"{who} took the suggestion to try {call(better)} before {call(worse)}")
            playbook = changed
    return replace(playbook, because="; ".join(because))


def as_written(playbook: Playbook) -> list[dict[str, Any]]:
    """Its stages, as people are shown them."""
    return [
        {
            "after_seconds": stage.after_seconds,
            "attempts": stage.attempts,
            "actions": [one.called for one in (playbook.actions if stage.actions is None else stage.actions)],
            "one_of": stage.one_of,
        }
        for stage in playbook.stages
    ]


def as_told(way: Way) -> dict[str, Any]:
    """A way with its record, as it is kept."""
    known = way.outcomes
    told = {"action": way.action, "after_seconds": way.after_seconds}
    return {**told, "successes": known.successes, "tries": known.tries}
