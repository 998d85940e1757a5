"""In which order the alternative actions of a stage are tried, learned from what came of them; and what to suggest.

The method is Thompson sampling on Beta posteriors, with the order of the least expected time.

1. The evidence of an action is its outcomes against this failure type on this component. Where these are fewer than 3,
   it is those on all components, which weigh 10 tries at most: another component may be another matter.
2. From a uniform prior, with `s` successes and `f` failures, the chance that it helps is Beta(1 + s, 1 + f). One
   chance `p` is drawn for each action, with a generator that the seed alone sets.
3. A try takes `t = p * healthy_seconds + (1 - p) * failed_seconds` in the mean, and a second at least. Of all orders,
   the one by rising `t / p` has the least expected time until one of them helps: two neighbours are the wrong way
   round exactly where their `t / p` are.
4. What is configured holds until there is evidence: an action with fewer than 3 outcomes keeps its place, and each
   place that an action was given later adds a fifth to its `t / p`, so that equals are not swapped.

5. Outcomes are of the last 90 days (the store counts no others): what was not tried for so long is unknown again.

Nothing is risked to try what nobody knows: outcomes of later actions come from the incidents in which the earlier ones
did not help. An action that looks worse is drawn first the less often, the more is known of it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from recovery.decide.wording import count_of, time_of
from recovery.model import Outcomes

ENOUGH = 3
ELSEWHERE_WEIGHS = 10
LATER_PLACE = 0.2
SHORTEST = 1.0  # seconds: below, only the chance counts
SUGGEST_FROM = 20
CERTAINTY = 1.96  # of a normal distribution, 95 % lie within so many deviations
NOTHING = Outcomes()


@dataclass(frozen=True, slots=True)
class Choice:
    """The order in which alternatives are tried.

    Fields:
        order: their places in the configured order, from 0: (1, 0) tries the second one first.
        because: why, in words for people.
    """

    order: tuple[int, ...]
    because: str


@dataclass(frozen=True, slots=True)
class Way:
    """An action as a stage of a playbook runs it: so long after the stage before it (seconds), and what came of it."""

    action: str
    after_seconds: float
    outcomes: Outcomes


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What a person may want to change in a playbook: try `better` where `worse` is tried now. `text` says why."""

    worse: Way
    better: Way
    text: str


@dataclass(frozen=True, slots=True)
class _Alternative:
    """One action, its outcomes, how much each of them counts, and where they are from."""

    place: int
    action: str
    known: Outcomes
    weight: float
    where: str

    @property
    def is_known(self) -> bool:
        return self.known.tries >= ENOUGH


def choose_order(
    actions: Sequence[str], here: Mapping[str, Outcomes], everywhere: Mapping[str, Outcomes], seed: int | str
) -> Choice:
    """The order in which a stage's alternatives are tried; the same for the same arguments.

    Args:
        actions: their names, in the configured order. Two of one name share their outcomes, and stay as they stand.
        here: outcomes by action, against this failure type on this component.
        everywhere: the same on all components, this one among them.
        seed: makes the draw repeatable: what identifies the recovery, and the attempt where each chooses anew.
    """
    found = [_weighed(place, name, here, everywhere) for place, name in enumerate(actions)]
    if sum(one.is_known for one in found) < 2:
        return Choice(tuple(range(len(found))), _too_little(found))
    drawn = _ordered(found, _drawn_chances(found, seed))
    return Choice(tuple(one.place for one in drawn), _because(found, drawn))


def _weighed(place: int, name: str, here: Mapping[str, Outcomes], everywhere: Mapping[str, Outcomes]) -> _Alternative:
    mine, of_all = here.get(name, NOTHING), everywhere.get(name, NOTHING)
    if mine.tries >= ENOUGH or mine.tries >= of_all.tries:
        return _Alternative(place, name, mine, 1.0, "here")
    weight = min(1.0, ELSEWHERE_WEIGHS / of_all.tries)
    return _Alternative(place, name, of_all, weight, "over all components")


def _drawn_chances(found: Sequence[_Alternative], seed: int | str) -> dict[str, float]:
    random = Random(seed)  # noqa: S311 nothing is kept secret by it
    by_name = {one.action: one for one in found}
    return {
        name: random.betavariate(1 + one.weight * one.known.successes, 1 + one.weight * one.known.failures)
        for name, one in by_name.items()
    }


def _mean_chances(found: Sequence[_Alternative]) -> dict[str, float]:
    return {one.action: (1 + one.weight * one.known.successes) / (2 + one.weight * one.known.tries) for one in found}


def _ordered(found: Sequence[_Alternative], chances: Mapping[str, float]) -> list[_Alternative]:
    """By rising time over chance; what is not known well enough keeps its place."""
    known = [one for one in found if one.is_known]
    by_cost = iter(sorted(known, key=lambda one: _cost(one, chances[one.action])))
    return [next(by_cost) if one.is_known else one for one in found]


def _cost(one: _Alternative, chance: float) -> float:
    healthy, failed = one.known.healthy_seconds, one.known.failed_seconds
    healthy = healthy if healthy is not None else failed or 0.0
    failed = failed if failed is not None else healthy
    seconds = max(chance * healthy + (1 - chance) * failed, SHORTEST)
    return seconds / chance * (1 + LATER_PLACE * one.place) if chance > 0 else math.inf


def _too_little(found: Sequence[_Alternative]) -> str:
    if len(found) < 2:
        return "there is no alternative to choose from"
    told = ", ".join(f"{one.action} {_helped(one)}" for one in found)
    return f"as configured, until {ENOUGH} outcomes of at least two of them are known: {told}"


def _because(found: Sequence[_Alternative], drawn: Sequence[_Alternative]) -> str:
    told, first = _told(drawn), drawn[0]
    if _ordered(found, _mean_chances(found))[0] is not first:
        return f"{told}: {first.action} is tried first this time, for it may be the better one"
    if [one.place for one in drawn] == list(range(len(drawn))):
        return f"{told}: in the configured order"
    if first is found[0]:
        return f"{told}: {first.action} is tried first, as configured, and then {drawn[1].action}"
    return f"{told}: {first.action} is tried first"


def _told(drawn: Sequence[_Alternative]) -> str:
    """Each one's record; where it was gathered is said once, as long as it stays the same."""
    first = drawn[0]
    words = [f"{first.action} {_helped(first)} {first.where}{_takes(first)}"]
    for before, one in pairwise(drawn):
        where = f" {one.where}" if one.where != before.where else ""
        words.append(f"{one.action} {_helped(one, 'helped' if where else '')}{where}{_takes(one)}")
    return ", ".join(words)


def _helped(one: _Alternative, verb: str = "helped") -> str:
    times = f" {'time' if one.known.tries == 1 else 'times'}" if verb else ""
    return f"{verb} {one.known.successes} of {one.known.tries}{times}".strip()


def _takes(one: _Alternative) -> str:
    seconds = one.known.healthy_seconds
    return f" and takes {time_of(seconds)}" if seconds is not None else ""


def suggest(ways: Sequence[Way]) -> list[Suggestion]:
    """What a person may want to change, the clearest first; nothing is ever changed by it.

    Each way that is tried earlier is held against the best later one. It is worth a word where both have 20 outcomes,
    and the 95 % Wilson score intervals of their chances do not meet.

    Args:
        ways: the actions of a playbook in the order in which they are tried, with their outcomes on one component.
    """
    proven = [way for way in ways if way.outcomes.tries >= SUGGEST_FROM]
    found = []
    for place, worse in enumerate(proven):
        better = max(proven[place + 1 :], key=lambda way: chance_within(way.outcomes)[0], default=None)
        if better and chance_within(worse.outcomes)[1] < chance_within(better.outcomes)[0]:
            found.append(Suggestion(worse, better, _advice(worse, better)))
    return sorted(found, key=lambda one: chance_within(one.worse.outcomes)[1] - chance_within(one.better.outcomes)[0])


def chance_within(outcomes: Outcomes) -> tuple[float, float]:
    """Between which two values the chance of an action lies, with 95 % certainty: the Wilson score interval."""
    n, z2 = outcomes.tries, CERTAINTY**2
    if n == 0:
        return 0.0, 1.0
    share = outcomes.successes / n
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    reach = CERTAINTY / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _advice(worse: Way, better: Way) -> str:
    tries = count_of(worse.outcomes.tries, "time")
    return (
        f"{_named(worse)} succeeded {worse.outcomes.successes} of {tries} here; {_named(better)} "
        f"{better.outcomes.successes} of {better.outcomes.tries}"
    )


def _named(way: Way) -> str:
    return f"{way.action} after {time_of(way.after_seconds)}" if way.after_seconds else way.action
