"""The learned order of a stage's alternatives against the configured one and the best one, where the truth is known.

A made-up world says how likely each action helps and how long it takes. What happens at a try is drawn from it; an
order is weighed by the time that it takes in the mean, by the truth, so that luck counts for nobody. The learned order
knows only what came of its own tries. An oracle knows the truth, also when it changes.

The bound: over 200 incidents, in each run, the learned order takes at most 10 % longer than the configured one, and
beyond that as long as 5 whole stages (every action once, at its slowest). The method takes each action's chance as its
own and as steady. Where the actions help against different causes, or the truth changes meanwhile, it is 20 whole
stages, for each truth that there was. This is measured, also in random worlds, and not proven.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

from bench.tables import show
from recovery.decide.choosing import choose_order
from recovery.model import Outcomes
from recovery.store.outcomes import FORGET_AFTER, NEWEST

INCIDENTS, SEEDS, RANDOM_WORLDS = 200, 20, 100
RANDOM = {"one cause": (1, 1), "three causes": (1, 3), "three truths": (3, 1)}  # how many truths, and causes at a time
SHARE, STAGES, STAGES_WHERE_HARD = 0.10, 5, 20

Told = tuple[int, bool, float]  # an outcome: of which incident, whether it helped, seconds


@dataclass(frozen=True)
class Trait:
    """An action in truth: seconds until healthy where it helps, and until it is known that it did not."""

    name: str
    healthy_seconds: float
    failed_seconds: float


@dataclass(frozen=True)
class Cause:
    """Why it fails: how often this is the cause, and how likely each action then helps."""

    share: float
    chances: tuple[float, ...]


@dataclass(frozen=True)
class World:
    """Actions in their configured order, and the causes; each list of causes holds for an equal part of the time."""

    name: str
    actions: tuple[Trait, ...]
    times: tuple[tuple[Cause, ...], ...]

    def causes(self, incident: int) -> tuple[Cause, ...]:
        """Those that there are at the time of an incident."""
        return self.times[incident * len(self.times) // INCIDENTS]

    @property
    def stages_allowed(self) -> int:
        """How many whole stages the bound lets it lose here."""
        is_plain = len(self.times) == 1 and len(self.times[0]) == 1
        return STAGES if is_plain else STAGES_WHERE_HARD * len(self.times)


@dataclass(frozen=True)
class Run:
    """Seconds over all incidents of one run, by the truth.

    Fields:
        stage: every action once, at its slowest.
        stages: so many of them the bound allows.
    """

    configured: float
    learned: float
    best: float
    stage: float
    stages: int

    @property
    def allowed(self) -> float:
        """What the bound lets the learned order take."""
        return self.configured * (1 + SHARE) + self.stages * self.stage

    @property
    def used(self) -> float:
        """How much of what the bound lets it lose it lost; below 0: it won."""
        return (self.learned - self.configured) / (self.allowed - self.configured)


def world(name: str, *actions: tuple[str, float, float, float]) -> World:
    """One cause, of which every action knows nothing of the others: (name, chance, healthy, failed seconds)."""
    traits = tuple(Trait(action, healthy, failed) for action, _, healthy, failed in actions)
    return World(name, traits, ((Cause(1.0, tuple(chance for _, chance, _, _ in actions)),),))


RESTART, RUN = Trait("restart", 12, 20), Trait("run_command", 60, 60)
WORLDS = (
    world("the second helps, the first hardly", ("run", 0.05, 60, 60), ("restart", 0.93, 12, 20)),
    world("the last of four helps", ("a", 0.1, 20, 30), ("b", 0.1, 20, 30), ("c", 0.2, 20, 30), ("d", 0.9, 20, 30)),
    world("both help, the second is fast", ("reboot", 0.8, 180, 300), ("restart", 0.8, 12, 20)),
    world("the first is the best already", ("restart", 0.93, 12, 20), ("run", 0.05, 60, 60)),
    world("the first is the best by little", ("restart", 0.7, 12, 20), ("run", 0.6, 12, 20)),
    world("both alike", ("restart", 0.7, 12, 20), ("run", 0.7, 12, 20)),
    world("the best first, the other fails slowly", ("restart", 0.6, 20, 20), ("reboot", 0.5, 20, 600)),
    world("nothing helps", ("restart", 0.0, 12, 20), ("run", 0.0, 60, 60), ("reboot", 0.0, 180, 300)),
    World("each helps against another cause", (RESTART, RUN), ((Cause(0.7, (1, 0)), Cause(0.3, (0, 1))),)),
    World("it turns round half way", (RESTART, RUN), ((Cause(1, (0.95, 0.1)),), (Cause(1, (0.1, 0.95)),))),
    World("it turns round, and back", (RESTART, RUN),
          ((Cause(1, (0.9, 0.1)),), (Cause(1, (0.1, 0.9)),), (Cause(1, (0.9, 0.1)),))),
)  # fmt: skip


CHANCES = (0, 0.02, 0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.98, 1)


def random_worlds(number: int, truths: int, causes: int, seed: int = 7) -> Iterator[World]:
    """Worlds that nobody thought of: two to four actions that take 1 to 300 seconds, with any chances.

    In every other one the configured order is the best there is, at first.
    """
    draw = random.Random(f"{seed} {truths} {causes}")
    for count in range(number):
        actions = tuple(Trait(f"a{place}", *_times(draw)) for place in range(draw.choice((2, 2, 3, 4))))
        told = tuple(_causes(draw, causes, len(actions)) for _ in range(truths))
        places = tuple(range(len(actions)))
        if count % 2:
            places = min(permutations(places), key=lambda order: expected(actions, told[0], order))
        yield World(f"random {count}", tuple(actions[place] for place in places), _moved(told, places))


def _times(draw: random.Random) -> tuple[float, float]:
    return 10 ** draw.uniform(0, 2.5), 10 ** draw.uniform(0, 2.5)


def _causes(draw: random.Random, number: int, actions: int) -> tuple[Cause, ...]:
    shares = [draw.random() for _ in range(number)]
    return tuple(Cause(share / sum(shares), tuple(draw.choices(CHANCES, k=actions))) for share in shares)


def _moved(told: tuple[tuple[Cause, ...], ...], places: Sequence[int]) -> tuple[tuple[Cause, ...], ...]:
    return tuple(
        tuple(Cause(cause.share, tuple(cause.chances[place] for place in places)) for cause in causes)
        for causes in told
    )


def simulate(one: World, seed: int) -> Run:
    """One run of 200 incidents."""
    draw = random.Random(f"{one.name} {seed}")
    configured = tuple(range(len(one.actions)))
    history: list[list[Told]] = [[] for _ in one.actions]
    spent = {"configured": 0.0, "learned": 0.0, "best": 0.0}
    for incident in range(INCIDENTS):
        causes = one.causes(incident)
        known = {action.name: _count(told, incident) for action, told in zip(one.actions, history, strict=True)}
        choice = choose_order([action.name for action in one.actions], known, known, f"{seed}.{incident}")
        spent["configured"] += expected(one.actions, causes, configured)
        spent["learned"] += expected(one.actions, causes, choice.order)
        spent["best"] += min(expected(one.actions, causes, order) for order in permutations(configured))
        _try(
            one.actions,
            draw.choices(causes, [cause.share for cause in causes])[0],
            choice.order,
            incident,
            history,
            draw,
        )
    stage = sum(max(action.healthy_seconds, action.failed_seconds) for action in one.actions)
    return Run(**spent, stage=stage, stages=one.stages_allowed)


def expected(actions: Sequence[Trait], causes: Sequence[Cause], order: Sequence[int]) -> float:
    """Seconds until one of the actions helps, or all were tried, in the mean."""
    total = 0.0
    for cause in causes:
        still_failing = cause.share
        for place in order:
            chance, action = cause.chances[place], actions[place]
            total += still_failing * (chance * action.healthy_seconds + (1 - chance) * action.failed_seconds)
            still_failing *= 1 - chance
    return total


def _try(
    actions: Sequence[Trait],
    cause: Cause,
    order: Sequence[int],
    incident: int,
    history: list[list[Told]],
    draw: random.Random,
) -> None:
    """What happens at one incident; times vary around their means, by half as much again or less."""
    for place in order:
        helps = draw.random() < cause.chances[place]
        mean = actions[place].healthy_seconds if helps else actions[place].failed_seconds
        history[place].append((incident, helps, mean * draw.lognormvariate(-0.125, 0.5)))
        if helps:
            return


def _count(told: list[Told], incident: int) -> Outcomes:
    """As the store counts them, with an incident a day."""
    newest = [(helped, seconds) for day, helped, seconds in told[-NEWEST:] if day >= incident - FORGET_AFTER.days]
    good = [seconds for helped, seconds in newest if helped]
    bad = [seconds for helped, seconds in newest if not helped]
    return Outcomes(len(good), len(bad), _mean(good), _mean(bad))


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def main() -> None:
    """Every world with every seed."""
    found = {one.name: [simulate(one, seed) for seed in range(SEEDS)] for one in WORLDS}
    for name, (truths, causes) in RANDOM.items():
        worlds = list(random_worlds(RANDOM_WORLDS, truths, causes))
        found[f"{RANDOM_WORLDS} random worlds, {name}"] = [simulate(one, seed) for one in worlds for seed in range(5)]
    heads = ["world", "configured s", "learned s", "best s", "learned / configured", "worst run", "of the bound used"]
    title = f"Mean time to recovery by the order of a stage's alternatives, over {INCIDENTS} incidents"
    show(title, heads, [_row(name, runs) for name, runs in found.items()])
    every = [run for runs in found.values() for run in runs]
    broken = sum(run.learned > run.allowed for run in every)
    print(
        f"  The bound: the configured order's time and {SHARE:.0%}, and {STAGES} whole stages; where the actions help"
    )
    print(f"  against different causes, or the truth changes, {STAGES_WHERE_HARD} for each truth that there was")
    print(f"  Runs that broke it: {broken} of {len(every):,}")


def _row(name: str, runs: Sequence[Run]) -> list[object]:
    """Means over the runs, and the worst of them."""
    configured, learned, best = (
        sum(getattr(run, what) for run in runs) / len(runs) / INCIDENTS for what in ("configured", "learned", "best")
    )
    worst = max(run.learned / run.configured for run in runs)
    figures = [f"{configured:.1f}", f"{learned:.1f}", f"{best:.1f}", f"{learned / configured:.2f}", f"{worst:.2f}"]
    return [name, *figures, f"{max(run.used for run in runs):.0%}"]
