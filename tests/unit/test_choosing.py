"""In which order alternatives are tried, why, and what is suggested. Values only; the worlds are the benchmark's."""

import subprocess
import sys
from dataclasses import replace

import pytest

from bench import learning
from bench.learning import Cause, Trait, World
from recovery.decide.choosing import Choice, Way, chance_within, choose_order, suggest
from recovery.decide.wording import time_of
from recovery.model import Outcomes

NAMES = ["run_command", "restart_service"]
BAD, GOOD = Outcomes(2, 39, 55.0, 60.0), Outcomes(38, 3, 12.2, 20.0)
CLEAR = {"run_command": BAD, "restart_service": GOOD}
SEEDS = range(200)


def choose(here: dict[str, Outcomes], seed: int | str = 1, everywhere: dict | None = None, names=NAMES) -> Choice:
    return choose_order(names, here, here if everywhere is None else everywhere, seed)


def share_first(here: dict[str, Outcomes], place: int, **more) -> float:
    """How often an action is tried first, over many seeds."""
    return sum(choose(here, seed, **more).order[0] == place for seed in SEEDS) / len(SEEDS)


# -- the order


def test_what_nearly_always_helps_is_tried_before_what_hardly_does_and_it_is_said_why():
    assert choose(CLEAR) == Choice(
        (1, 0),
        "restart_service helped 38 of 41 times here and takes 12 s, run_command 2 of 41 and takes 55 s: "
        "restart_service is tried first",
    )
    assert share_first(CLEAR, 1) == 1.0


def test_the_configured_order_that_is_the_best_stays():
    choice = choose(CLEAR, names=["restart_service", "run_command"])
    assert choice.order == (0, 1) and choice.because.endswith("2 of 41 and takes 55 s: in the configured order")


@pytest.mark.parametrize("seed", [1, "42.3"])
def test_the_same_seed_gives_the_same_order_and_others_explore(seed: int | str):
    unsure = {"run_command": Outcomes(3, 3, 20, 20), "restart_service": Outcomes(4, 2, 20, 20)}
    assert choose(unsure, seed) == choose(unsure, seed)
    assert 0.2 < share_first(unsure, 1) < 0.8


def test_a_seed_means_the_same_in_every_process():
    code = (
        "from recovery.decide.choosing import choose_order; from recovery.model import Outcomes\n"
        "a = {'a': Outcomes(3, 3, 20, 20), 'b': Outcomes(4, 2, 20, 20)}\n"
        "print([choose_order('ab', a, a, f'{n}.1').order[0] for n in range(40)])"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": hash_seed}
        )
        for hash_seed in ("1", "2")
    ]
    assert told[0].stdout == told[1].stdout and "0" in told[0].stdout and "1" in told[0].stdout


def test_of_two_that_help_alike_the_fast_one_is_first_and_a_slow_failure_counts_too():
    alike = {"run_command": Outcomes(40, 10, 180, 300), "restart_service": Outcomes(40, 10, 12, 20)}
    assert share_first(alike, 1) == 1.0
    fails_slowly = {"run_command": Outcomes(30, 20, 20, 20), "restart_service": Outcomes(30, 20, 20, 600)}
    assert share_first(fails_slowly, 0) == 1.0 and share_first(fails_slowly, 0, names=NAMES[::-1]) == 0.0


def test_the_order_has_the_least_expected_time_of_all_orders():
    """With so much evidence that the draw hardly matters: 60 % in 10 s before 90 % in 20 s, though it helps less."""
    sure = {"slow": Outcomes(9_000, 1_000, 20, 20), "fast": Outcomes(6_000, 4_000, 10, 10), "bad": Outcomes(1, 9, 5, 5)}
    assert choose(sure, names=["bad", "slow", "fast"]).order == (2, 1, 0)
    assert choose({**sure, "fast": Outcomes(4_000, 6_000, 10, 10)}, names=["bad", "slow", "fast"]).order[0] == 1


# -- until there is evidence


def test_without_evidence_the_configured_order_holds_for_every_seed():
    for here in (
        {},
        {"run_command": BAD},
        {"run_command": Outcomes(0, 9, None, 60), "restart_service": Outcomes(2, 0, 9)},
    ):
        assert {choose(here, seed).order for seed in SEEDS} == {(0, 1)}
    because = choose({"run_command": Outcomes(0, 1, None, 60)}).because
    assert because == (
        "as configured, until 3 outcomes of at least two of them are known: "
        "run_command helped 0 of 1 time, restart_service helped 0 of 0 times"
    )


def test_an_action_that_is_hardly_known_keeps_its_place_while_others_change_theirs():
    names = ["run_command", "reboot_host", "restart_service"]
    assert {choose(CLEAR, seed, names=names).order for seed in SEEDS} == {(2, 1, 0)}
    assert {choose(CLEAR, seed, names=["reboot_host", *NAMES]).order for seed in SEEDS} == {(0, 2, 1)}


def test_of_equals_the_configured_one_leads_more_often():
    same = Outcomes(30, 10, 20, 20)
    assert share_first({"run_command": same, "restart_service": same}, 0) > 0.8


def test_one_action_or_none_is_no_choice():
    assert choose({"run_command": BAD}, names=["run_command"]) == Choice((0,), "there is no alternative to choose from")
    assert choose({}, names=[]).order == ()


def test_two_actions_of_one_name_share_their_outcomes_and_each_is_tried_once():
    names = ["run_command", "restart_service", "run_command"]
    assert choose(CLEAR, names=names).order == (1, 0, 2)


# -- elsewhere


def test_what_happened_on_all_components_counts_until_this_one_has_outcomes_of_its_own_and_is_called_so():
    choice = choose({}, everywhere=CLEAR)
    assert choice.order == (1, 0)
    assert (
        "restart_service helped 38 of 41 times over all components and takes 12 s, run_command 2 of" in choice.because
    )
    turned = {"run_command": GOOD, "restart_service": BAD}
    assert {choose(CLEAR, seed, everywhere=turned).order for seed in SEEDS} == {(1, 0)}
    mixed = choose({"run_command": BAD}, everywhere=CLEAR)
    assert "over all components and takes 12 s, run_command helped 2 of 41 times here" in mixed.because


def test_what_happened_elsewhere_counts_less_than_what_happened_here():
    close = {"run_command": Outcomes(26, 24, 20, 20), "restart_service": Outcomes(46, 4, 20, 20)}
    assert share_first(close, 0) == 0.0 < share_first({}, 0, everywhere=close) < 0.5


# -- words


def test_a_draw_against_the_odds_is_called_what_it_is():
    close = {"run_command": Outcomes(30, 20, 20, 20), "restart_service": Outcomes(28, 22, 20, 20)}
    swapped = [choose(close, seed) for seed in SEEDS if choose(close, seed).order == (1, 0)]
    assert swapped
    assert all(
        one.because.endswith("restart_service is tried first this time, for it may be the better one")
        for one in swapped
    )


def test_where_only_the_later_ones_change_places_that_is_said():
    names = ["restart_service", "run_command", "clear_cache"]
    choice = choose({**CLEAR, "clear_cache": Outcomes(30, 10, 60, 60)}, names=names)
    assert choice.order == (0, 2, 1)
    assert choice.because.endswith("restart_service is tried first, as configured, and then clear_cache")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0.0 s"), (0.44, "0.4 s"), (12.2, "12 s"), (59.7, "1 minute"), (60, "1 minute"), (90, "90 s"),
     (119.8, "2 minutes"), (300, "5 minutes"), (310, "5.2 minutes"), (9_000, "2.5 hours")],
)  # fmt: skip
def test_times_are_said_as_people_say_them(seconds: float, words: str):
    assert time_of(seconds) == words


@pytest.mark.parametrize(
    "odd", [Outcomes(9, 9, 0.0, 0.0), Outcomes(9, 9), Outcomes(0, 50, None, 9), Outcomes(50, 0, 0)]
)
def test_no_outcomes_are_too_odd_to_choose_from(odd: Outcomes):
    assert sorted(choose({"run_command": odd, "restart_service": GOOD}).order) == [0, 1]
    assert sorted(choose({"run_command": odd, "restart_service": odd}).order) == [0, 1]


def test_where_no_time_passes_the_chance_decides():
    no_time = {"run_command": Outcomes(5, 45, 0, 0), "restart_service": Outcomes(45, 5, 0, 0)}
    assert share_first(no_time, 1) == 1.0


# -- suggestions


def ways(*counts: tuple[int, int]) -> list[Way]:
    names = (("restart", 0.0), ("retry_executions", 300.0), ("reboot", 0.0))
    return [Way(*name, Outcomes(good, bad, 9, 9)) for name, (good, bad) in zip(names, counts, strict=False)]


def test_a_later_way_that_clearly_helps_more_is_suggested_in_words():
    (found,) = suggest(ways((2, 39), (38, 3)))
    assert found.text == "restart succeeded 2 of 41 times here; retry_executions after 5 minutes 38 of 41"
    assert (found.worse.action, found.better.action) == ("restart", "retry_executions")


@pytest.mark.parametrize(
    ("counts", "why"),
    [(((2, 17), (38, 3)), "19 outcomes"), (((2, 39), (19, 0)), "19 outcomes"), (((20, 21), (26, 15)), "not certain"),
     (((38, 3), (2, 39)), "the better one is first already"), (((2, 39),), "one alone"), ((), "none")],
)  # fmt: skip
def test_nothing_is_suggested_without_enough_evidence(counts, why):
    assert suggest(ways(*counts)) == [], why


def test_the_best_later_way_is_named_and_the_clearest_suggestion_comes_first():
    found = suggest(ways((15, 26), (2, 39), (40, 1)))
    assert [(one.worse.action, one.better.action) for one in found] == [
        ("retry_executions", "reboot"), ("restart", "reboot"),
    ]  # fmt: skip


def test_the_interval_of_a_chance_is_wilsons():
    assert chance_within(Outcomes(38, 3)) == pytest.approx((0.8057, 0.9748), abs=1e-3)
    assert chance_within(Outcomes(0, 20)) == pytest.approx((0.0, 0.1611), abs=1e-3)
    assert chance_within(Outcomes()) == (0.0, 1.0)


# -- the bound, where the truth is known


@pytest.mark.parametrize("world", learning.WORLDS, ids=lambda one: one.name)
def test_the_learned_order_keeps_to_its_bound_in_every_world(world: World):
    for seed in range(3):
        run = learning.simulate(world, seed)
        assert run.best <= run.learned * (1 + 1e-9) and run.learned <= run.allowed, (seed, run)


@pytest.mark.parametrize(("truths", "causes"), learning.RANDOM.values(), ids=learning.RANDOM)
def test_and_in_worlds_that_nobody_thought_of(truths: int, causes: int):
    runs = [learning.simulate(one, 1) for one in learning.random_worlds(25, truths, causes)]
    assert max(run.used for run in runs) <= 1.0
    assert sum(run.learned for run in runs) < 0.97 * sum(run.configured for run in runs)


def test_it_recovers_several_times_faster_where_the_configured_order_is_a_bad_one():
    for world in learning.WORLDS[:3]:
        run = learning.simulate(world, 1)
        assert run.learned < 0.5 * run.configured and run.learned < 1.5 * run.best


def test_the_bound_is_one_that_a_bad_order_breaks(monkeypatch: pytest.MonkeyPatch):
    """Else the bound says nothing: an order that always turns the configured one round is caught."""
    monkeypatch.setattr(learning, "choose_order", lambda names, *_: Choice(tuple(range(len(names)))[::-1], ""))
    run = learning.simulate(learning.WORLDS[3], 1)
    assert run.used > 1.0 and run.learned > run.allowed


def test_what_an_order_takes_in_the_mean_is_summed_over_causes():
    actions = (Trait("a", 10, 20), Trait("b", 30, 40))
    assert learning.expected(actions, (Cause(1, (0.5, 0.5)),), (0, 1)) == pytest.approx(15 + 0.5 * 35)
    either = (Cause(0.7, (1, 0)), Cause(0.3, (0, 1)))
    assert learning.expected(actions, either, (0, 1)) == pytest.approx(0.7 * 10 + 0.3 * (20 + 30))
    assert learning.expected(actions, either, (1, 0)) == pytest.approx(0.3 * 30 + 0.7 * (40 + 10))


def test_a_world_that_changes_has_each_truth_for_its_part_of_the_time():
    world = replace(learning.WORLDS[-1], name="turns")
    chances = [world.causes(incident)[0].chances[0] for incident in (0, 66, 67, 133, 134, 199)]
    assert chances == [0.9, 0.9, 0.1, 0.1, 0.9, 0.9]
