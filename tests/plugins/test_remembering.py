"""What checks remember; `recovery.checks.remembering` and `recovery.checks.filling`."""

import json
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as some

from recovery.checks.filling import Filling
from recovery.checks.remembering import MOST_STEPS, Growth, held_seconds, known_seconds, known_time

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds):
    return START + timedelta(seconds=seconds)


def grow(counts, every=60, within=600):
    memory = None
    for step, count in enumerate(counts):
        growth = Growth(memory, count, at(step * every), within)
        memory = json.loads(json.dumps(growth.memory))
    return growth


def test_the_first_look_knows_of_no_growth():
    assert grow([7]).total == 0


def test_growth_is_added_up_and_forgotten_after_a_while():
    assert grow([0, 1, 1, 3]).total == 3
    assert grow([0, 2] + [2] * 9).total == 2
    assert grow([0, 2] + [2] * 10).total == 0


def test_a_counter_that_began_anew_forgets_what_was_before():
    assert grow([0, 5, 0]).total == 0
    assert grow([0, 5, 2]).total == 2
    assert grow([0, 5, 0, 1]).total == 1


@given(some.lists(some.integers(0, 1_000_000), min_size=1, max_size=200))
def test_memory_stays_small_and_loses_nothing(counts):
    rising = sorted(counts)
    growth = grow(rising, every=1, within=1_000_000)
    assert growth.total == rising[-1] - rising[0]
    assert len(growth.memory["steps"]) <= MOST_STEPS


def test_what_is_bad_is_counted_from_its_first_look():
    since = {}
    assert held_seconds(since, "disk", True, at(0)) == 0
    assert held_seconds(since, "disk", True, at(90)) == 90
    assert held_seconds(since, "disk", False, at(120)) is None
    assert held_seconds(since, "disk", True, at(150)) == 0


YEAR = 365 * 86_400


def test_a_time_that_lies_ahead_is_forgotten_but_for_what_another_machine_may_be_ahead():
    for ahead, known in ((-5, -5), (0, 0), (30, 0), (61, None), (YEAR, None)):
        assert known_seconds(at(ahead).timestamp(), at(0)) == (None if known is None else at(known).timestamp())
        assert known_time(at(ahead).isoformat(), at(0)) == (None if known is None else at(known))
    for odd in (None, "x", True, float("nan"), float("inf"), [], {}, "2026"):
        assert known_seconds(odd, at(0)) is None and known_time(odd, at(0)) is None


def test_growth_that_was_seen_by_a_clock_that_was_ahead_is_forgotten():
    first = Growth(None, 0, at(YEAR), 600)
    second = Growth(first.memory, 9, at(YEAR + 30), 600)
    assert second.total == 9 and Growth(second.memory, 9, at(YEAR + 60), 600).total == 9
    assert Growth(second.memory, 9, at(0), 600).total == 0


def test_what_is_bad_since_a_time_to_come_counts_from_now():
    since = {"disk": at(YEAR).timestamp()}
    assert held_seconds(since, "disk", True, at(0)) == 0
    assert held_seconds(since, "disk", True, at(90)) == 90


def fill(used, every=60):
    memory = None
    for step, count in enumerate(used):
        filling = Filling(memory, {"/": int(count)}, at(step * every))
        memory = json.loads(json.dumps(filling.memory))
    return filling


def test_a_disk_is_known_to_fill_after_half_an_hour():
    assert fill(range(0, 29_000, 1_000)).bytes_per_second("/") == 0
    assert abs(fill(range(0, 32_000, 1_000)).bytes_per_second("/") - 1_000 / 60) < 0.1


def test_a_disk_that_was_cleaned_up_or_stopped_filling_does_not_fill():
    rising = list(range(0, 120_000, 1_000))
    assert fill(rising).bytes_per_second("/") > 0
    assert fill([*rising, *[10_000] * 30]).bytes_per_second("/") == 0
    assert fill([*rising, *[119_000] * 150]).bytes_per_second("/") < 0.01
    assert fill([5_000] * 120).bytes_per_second("/") == 0
    assert fill(range(120_000, 0, -1_000)).bytes_per_second("/") == 0


def test_samples_are_few_however_often_one_looks():
    filling = fill(range(5_000), every=10)
    assert len(filling.memory["/"]) <= 60
    many = {f"/{number}": 1 for number in range(8)}
    memory = None
    for step in range(1_000):
        filling = Filling(memory, many, at(step * 60))
        memory = filling.memory
    assert sum(len(samples) for samples in filling.memory.values()) <= 240


def test_a_clock_that_was_set_back_does_no_harm():
    filling = Filling({"/": [[int(at(9_999).timestamp()), 5]]}, {"/": 7}, at(0))
    assert filling.memory["/"] == [[int(at(0).timestamp()), 7]]
    assert filling.bytes_per_second("/") == 0
