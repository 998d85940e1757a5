"""A component that is now well, now not: neither count in a row says so, and its incident does not come and go."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recovery.decide.readings import flaps, last_said, triage_reading
from recovery.decide.triage import ComponentFacts, IncidentFacts, Move, View
from recovery.model import (
    FAILING,
    LOOKS,
    NO_LOOKS,
    ComponentPlan,
    Health,
    IncidentState,
    Playbook,
    Policy,
    Reading,
    Stage,
    count_turns,
    note_look,
)

NOW = datetime(2026, 11, 24, 3, tzinfo=UTC)
PRINT = "|queue|unavailable"


class Watched:
    """A component whose looks are triaged one after the other, as the worker does it."""

    def __init__(self, **plan):
        self.policy = Policy(Playbook((Stage(0, 1),)), {"queue": ComponentPlan("queue", **plan)})
        self.view, self.now, self.moves, self.said = View(), NOW, [], []

    def look(self, *healthy, certain=False):
        for one in healthy:
            self.now += timedelta(minutes=20)  # long enough for a resolved incident to be over
            reading = Reading("queue", bool(one), "because", certain=certain)
            verdict = triage_reading(reading, self.view, self.policy, self.now)
            self.moves.append(verdict.move)
            self.said.append(verdict.because)
            if verdict.cause and verdict.move in (Move.OPEN, Move.REOPEN):
                self.summary = verdict.cause.summary
                self.view.incidents[PRINT] = IncidentFacts(1, IncidentState.RECOVERING)
            if verdict.signs:
                self.view.incidents[PRINT] = IncidentFacts(1, IncidentState.RESOLVED, self.now)
            assert verdict.component
            self.view.components["queue"] = verdict.component
        return self

    @property
    def facts(self):
        return self.view.components["queue"]

    @property
    def opened(self):
        return sum(move in (Move.OPEN, Move.REOPEN) for move in self.moves)


def test_looks_are_counted_as_they_were():
    looks = NO_LOOKS
    assert count_turns(looks) == 0
    for turns, bad in enumerate([True, False, True, True, False]):
        looks = note_look(looks, bad)
        assert looks.bit_length() - 1 == turns + 1
    assert looks == 0b1_10110 and count_turns(looks) == 3


@settings(deadline=None)
@given(st.lists(st.booleans(), max_size=60))
def test_the_last_21_looks_are_kept_whatever_came(bads):
    looks = NO_LOOKS
    for bad in bads:
        looks = note_look(looks, bad)
    last = bads[-LOOKS:]
    assert looks < 2 ** (LOOKS + 1)
    assert [digit == "1" for digit in f"{looks:b}"[1:]] == last
    assert count_turns(looks) == sum(one != other for one, other in zip(last, last[1:], strict=False))


@pytest.mark.parametrize("odd", [0, -1, -(2**40)])
def test_a_number_that_no_looks_make_is_none(odd):
    assert count_turns(odd) == 0 and note_look(odd, True) == 0b11


def test_one_that_alternates_is_one_incident_that_says_so_and_stays():
    queue = Watched().look(*[1, 0] * 6)
    assert queue.opened == 1 and queue.moves[-1] is Move.OPEN
    assert queue.facts.health == Health.FLAPPING
    assert queue.summary == "flapping: changed 11 times in the last 12 looks; queue: because"
    queue.look(*[1, 0] * 50)
    assert queue.opened == 1 and Move.SIGN not in queue.moves
    assert "flapping: changed 20 times in the last 21 looks; healthy only when it has kept still" in queue.said[-2]


def test_it_ends_when_it_has_kept_still_and_not_before():
    queue = Watched().look(*[1, 0] * 20)
    for _ in range(15):
        assert queue.look(1).facts.health == Health.FLAPPING
    assert queue.moves[-1] is Move.COUNT
    assert queue.look(1).facts.health is Health.HEALTHY and queue.moves[-1] is Move.SIGN
    assert queue.look(0).facts.health is Health.HEALTHY, "and one bad look does not bring it back"


def test_one_that_then_stays_down_is_plainly_down():
    queue = Watched().look(*[1, 0] * 20).look(*[0] * 21)
    assert (queue.facts.health, queue.opened) == ("unhealthy", 1)
    assert queue.look(1).facts.health is Health.HEALTHY


@pytest.mark.parametrize("threshold", [1, 2, 3])
def test_ordinary_failures_are_untouched(threshold):
    queue = Watched(failure_threshold=threshold)
    for _ in range(10):  # down, confirmed, restarted, verified, and well for a while
        queue.look(*[0] * max(threshold, 2), 1, 1)
        assert queue.facts.health is Health.HEALTHY
    assert queue.opened == 10 and queue.moves.count(Move.SIGN) == 10


def test_a_single_bad_look_now_and_then_is_nothing():
    queue = Watched()
    for _ in range(10):
        queue.look(1, 1, 1, 1, 0)
    assert queue.opened == 0 and queue.facts.health is Health.HEALTHY


def test_what_leaves_no_doubt_turns_as_it_likes():
    queue = Watched()
    for _ in range(15):
        queue.look(0, 1, certain=True)
    assert queue.facts.health is Health.HEALTHY and queue.opened == 15
    queue = Watched().look(*[1, 0] * 10)
    assert queue.facts.health == Health.FLAPPING
    assert queue.look(1, certain=True).facts.health is Health.HEALTHY


def test_a_person_who_resolved_it_is_not_called_at_each_turn():
    queue = Watched().look(*[1, 0] * 10)
    queue.view.components["queue"] = ComponentFacts(Health.FLAPPING, 1, 0, True, queue.now, queue.facts.looks)
    queue.view.incidents[PRINT] = IncidentFacts(1, IncidentState.RESOLVED, queue.now)
    queue.look(*[1, 0] * 10)
    assert queue.opened == 1 and queue.facts.muted
    assert not queue.look(*[1] * 16).facts.muted


def test_it_can_be_switched_off_and_set():
    assert Watched(flap_threshold=0).look(*[1, 0] * 40).opened == 0
    assert Watched(flap_threshold=4).look(1, 0, 1, 0).opened == 0
    assert Watched(flap_threshold=4).look(1, 0, 1, 0, 1, 0).opened == 1


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(0, 20))
def test_it_does_not_flap_itself(threshold, turns):
    looks = NO_LOOKS
    for number in range(turns + 1):
        looks = note_look(looks, number % 2 == 1)
    begins = flaps(ComponentFacts(Health.HEALTHY, looks=looks), threshold)
    stays = flaps(ComponentFacts(Health.FLAPPING, looks=looks), threshold)
    assert begins == (turns >= threshold)
    assert stays == (2 * turns > threshold)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=200),
    st.integers(1, 4),
    st.integers(1, 3),
    st.sampled_from([0, 4, 11, 20]),
)
def test_whatever_is_seen_these_things_hold(seen, bad, good, threshold):
    queue = Watched(failure_threshold=bad, success_threshold=good, flap_threshold=threshold)
    for healthy, certain in seen:
        before = queue.view.components.get("queue", ComponentFacts())
        queue.look(healthy, certain=certain and not healthy)
        facts, found = queue.facts, queue.view.incidents.get(PRINT)
        is_open = bool(found and found.state is not IncidentState.RESOLVED)
        assert is_open == (facts.health in FAILING), "an incident exactly while it counts as failing"
        assert (facts.failures == 0) is healthy and (facts.successes == 0) is not healthy
        if facts.health == Health.FLAPPING:
            assert threshold and queue.moves[-1] is not Move.SIGN
            assert healthy or not certain
        if before.health == Health.FLAPPING and facts.health is Health.HEALTHY:
            assert count_turns(facts.looks) <= threshold // 2
    queue.look(*[True] * (LOOKS + 3))
    assert queue.facts.health is Health.HEALTHY, "it never hangs"


def test_what_one_that_flaps_said_last_is_its_last_look():
    assert last_said(ComponentFacts(Health.FLAPPING, failures=1)) is Health.UNHEALTHY
    assert last_said(ComponentFacts(Health.FLAPPING, failures=0)) is Health.HEALTHY
    for health in (Health.HEALTHY, Health.UNHEALTHY, Health.UNKNOWN):
        assert last_said(ComponentFacts(health, failures=1)) is health
