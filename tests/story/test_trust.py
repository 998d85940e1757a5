"""Healing is safe to trust: whatever fails, is ordered or is killed, in whatever order, no promise is ever broken.

`TRUST_EXAMPLES=2000 pytest tests/story/test_trust.py` looks longer and elsewhere; a failure shows the shortest moves.
"""

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recovery import clock
from recovery.decide import planner, replay
from recovery.decide.moves import AddAction, StartCanary
from recovery.model import OrderWhat, ReplayLimits
from recovery.store import acted, database, steps
from recovery.worker import beginning, cases, executor, holding, ordering, replaying
from tests.conftest import FakeClock
from tests.story.trust_promises import Broken, Promises
from tests.story.trust_world import NAMES, TRAPS, World, install

LONGER = os.environ.get("TRUST_EXAMPLES", "")
ANSWERS = (200, 503, 503, 504, 500, 401, "refused", "slow")
WHAT = [one.value for one in OrderWhat if one is not OrderWhat.SNOOZE]

names = st.sampled_from(NAMES)
MOVES = st.one_of(
    st.tuples(st.just("fail"), names),
    st.tuples(st.just("fail"), names, names, names),
    st.just(("fail", *NAMES)),
    st.tuples(st.just("mend"), names),
    st.tuples(st.just("mend_and_wait"), names),
    st.tuples(st.just("run"), st.sampled_from(("w1", "w2", "w3", "w4", "w5")), st.sampled_from(ANSWERS)),
    st.tuples(st.just("poll")),
    st.tuples(st.just("n8n_up"), st.booleans()),
    st.tuples(st.just("cut"), st.sampled_from(("killed before", "killed after", "lost before", "lost after", "busy"))),
    st.tuples(
        st.just("effects"), st.sampled_from((0, 4, 45, 400)), st.sampled_from(("heals", "in vain", "fails", "lost"))
    ),
    st.tuples(st.just("slow_pool"), st.sampled_from((0, 0, 3, 40))),
    st.tuples(
        st.just("order"), st.sampled_from(WHAT), st.integers(0, 4), st.sampled_from(("right", "right", "none", "stale"))
    ),
    st.tuples(st.just("order"), st.just("approve"), st.integers(0, 4), st.sampled_from(("right", "none", "stale"))),
    st.tuples(st.just("order"), st.just("retry_now"), st.integers(0, 4), st.just("none")),
    st.tuples(st.just("maintain"), st.sampled_from((*NAMES, "*")), st.sampled_from((5, 60, 900))),
    st.tuples(st.just("end_maintenance")),
    st.tuples(st.just("set_trap"), st.integers(0, len(TRAPS) - 1), st.sampled_from(("before", "after"))),
    st.tuples(st.just("crash"), st.booleans()),
    st.tuples(st.just("turn_dry"), st.booleans()),
    st.tuples(st.just("wait"), st.sampled_from((3, 25, 65, 400, 4000))),
)


@pytest.fixture
def live(
    prepared_sqlite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[list[tuple[Any, ...]]], World]]:
    """Lives through moves in a fresh world, whose promises are looked at after each thing that happens."""
    numbers, worlds = itertools.count(), []
    install(monkeypatch, worlds)

    def run(moves: list[tuple[Any, ...]], **policy: Any) -> World:
        worlds.clear()
        file = tmp_path / f"world{next(numbers)}.db"
        shutil.copy(prepared_sqlite, file)
        database.open_database(f"sqlite:///{file}", migrate=False)
        fake = FakeClock()
        fake.now = datetime(2026, 3, 2, 12, tzinfo=UTC)
        clock.use_source(fake)
        world = World(fake, Promises(), **policy)
        worlds.append(world)
        try:
            for move in moves:
                world.do(move)
            world.wait(60)
        finally:
            worlds.clear()
            for job in world.jobs:
                if job.begun and not job.over:
                    job.go_on(killed=True)
            database.close_database()
            clock.use_source(None)
            file.unlink()
        return world

    yield run


FREE = settings(database=None, deadline=None, suppress_health_check=list(HealthCheck))


@settings(FREE, max_examples=20, derandomize=True)
@given(moves=st.lists(MOVES, min_size=5, max_size=50))
def test_no_promise_is_ever_broken(live: Callable[..., World], moves: list[tuple[Any, ...]]) -> None:
    live(moves)


@pytest.mark.again
@pytest.mark.timeout(0 if LONGER else 300)
@settings(FREE, max_examples=int(LONGER or 100))
@given(moves=st.lists(MOVES, min_size=5, max_size=50))
def test_no_promise_is_broken_by_other_moves_each_time(
    live: Callable[..., World], moves: list[tuple[Any, ...]]
) -> None:
    live(moves)


class Brake(NamedTuple):
    """A brake to be broken: where, by what, the moves that need it, and the promise that must notice.

    Without `place` the moves alone are lived through.
    """

    promise: str
    moves: list[tuple[Any, ...]]
    places: tuple[tuple[Any, str, Any], ...]
    policy: dict[str, Any] = {}


IN_VAIN, LONG = ("effects", 0, "in vain"), ("effects", 400, "in vain")
NONE, NOTHING, NO, FALSE, TRUE = (
    (lambda *_, **__: None),
    (lambda *_, **__: ""),
    (lambda *_, **__: 0),
    (lambda *_, **__: False),
    (lambda *_, **__: True),
)
DOWN_AND_UP = [("fail", "db"), ("mend_and_wait", "db")]
BEGINS_AGAIN = [("crash", True), ("wait", 3)]
RELEASED = [("n8n_up", False), ("run", "w4", 503), ("wait", 3)]
START = steps.start_step


def at_any_price(ctx: Any, row: Any, now: datetime) -> None:
    steps.requeue_step(row, "repeated", now)


def without_asking(*args: Any, **more: Any) -> AddAction:
    return AddAction(*args, **{**more, "ask": False})


def whatever_waits(case: Any) -> Any:
    recovery = case.active()
    return recovery, steps.find_steps_from(recovery.id, recovery.first_step)[-1]


def blind(root: Any, members: Any) -> replay.Chain:
    return replay.Chain(root, (str(root["id"]),))


def forgetful(door: Any, execution_id: str) -> Any:
    return {**door.execution(execution_id, with_data=True), "retrySuccessId": None}


BRAKES = {
    "two recoveries at once": Brake(
        "one at a time",
        [LONG, ("fail", "db"), ("order", "cancel", 0, "none"), ("order", "retry_now", 0, "none"), ("wait", 3)],
        ((acted, "find_acting", NOTHING), (acted, "find_restarting", NOTHING), (acted, "find_in_the_way", NOTHING)),
    ),
    "a survivor of a killed worker": Brake(
        "one at a time", [LONG, ("fail", "db"), *BEGINS_AGAIN], ((executor, "_end_survivor", NONE),)
    ),
    "a yes while another restarts": Brake(
        "one restart on a host",
        [LONG, ("fail", "pay"), ("fail", "db"), ("order", "approve", 0, "right"), ("wait", 3)],
        ((acted, "find_in_the_way", NOTHING),),
    ),
    "many fail at once": Brake("budget", [IN_VAIN, ("fail", *NAMES)], ((acted, "count_begun", lambda *_: (0, 0)),)),
    "one fails again and again": Brake("budget", DOWN_AND_UP * 4, ((acted, "find_begun", lambda *_: []),)),
    "it fails again at once": Brake(
        "cooldown", [("fail", "db"), ("wait", 5), ("fail", "db")], ((acted, "last_acted", NONE),)
    ),
    "recoveries in vain": Brake(
        "breaker",
        [IN_VAIN, *[("fail", "c1"), ("wait", 30), ("mend_and_wait", "c1")] * 3],
        ((acted, "count_in_vain", NO),),
    ),
    "what it needs is down": Brake(
        "held",
        [IN_VAIN, ("fail", "db"), ("fail", "api"), ("wait", 60)],
        ((holding, "why_held", NONE), (beginning, "hold_of", NONE)),
    ),
    "a yes in a maintenance": Brake(
        "held",
        [IN_VAIN, ("fail", "pay"), ("maintain", "pay", 900), ("order", "approve", 0, "right"), ("wait", 3)],
        ((beginning, "hold_of", NONE),),
    ),
    "a way back in a maintenance": Brake(
        "held",
        [IN_VAIN, ("fail", "web"), ("mend", "web"), ("maintain", "web", 4000), ("wait", 700)],
        ((beginning, "hold_of", NONE),),
    ),
    "nobody is asked": Brake("a yes for it", [("fail", "pay")], ((planner, "AddAction", without_asking),)),
    "a yes to another step": Brake(
        "a yes for it", [("fail", "pay"), ("order", "approve", 0, "stale")], ((ordering, "_awaiting", whatever_waits),)
    ),
    "a playbook that is tried": Brake("dry run", [("fail", "dry")], ((cases.Case, "dry", False),)),
    "a dry run while a yes is waited for": Brake(
        "dry run",
        [("fail", "pay"), ("turn_dry", True), ("order", "approve", 0, "right"), ("wait", 3)],
        ((steps, "start_step", lambda row, now, until, dry=False: START(row, now, until)),),
    ),
    "a dry run before the way back": Brake(
        "dry run",
        [IN_VAIN, ("fail", "web"), ("mend", "web"), ("turn_dry", True), ("wait", 700)],
        (
            (beginning, "_too_early", NONE),
            (steps, "start_step", lambda row, now, until, dry=False: START(row, now, until)),
        ),
    ),
    "a yes long after the look": Brake(
        "a fresh look",
        [IN_VAIN, ("fail", "pay"), ("wait", 65), ("order", "approve", 0, "right"), ("wait", 3)],
        ((executor, "still_fails", TRUE),),
    ),
    "killed in the middle": Brake(
        "at most once", [LONG, ("fail", "c1"), *BEGINS_AGAIN], ((executor, "_take_over", at_any_price),)
    ),
    "killed by what it does": Brake(
        "three beginnings", [LONG, ("fail", "db"), *BEGINS_AGAIN * 4], ((executor, "MOST_BEGINNINGS", 99),)
    ),
    "killed after a retry that succeeded": Brake(
        "an execution once",
        [*RELEASED, ("run", "w3", 200), ("cut", "killed after"), ("n8n_up", True), ("wait", 120)],
        (
            (replay, "read_chain", blind),
            (replaying, "read_details", forgetful),
            (replaying, "orphan_success", NOTHING),
        ),
    ),
    "an effect that may have happened": Brake(
        "an ambiguous one asks", [("run", "w2", 500), ("wait", 10)], ((replay, "why_doubted", NOTHING),)
    ),
    "a chain that always fails": Brake(
        "six retries",
        [("run", "w4", 503), ("wait", 1500), *[("order", "retry_now", 0, "none"), ("wait", 30)] * 3],
        (),
        {"replay": ReplayLimits(rate_per_second=1000, max_retries=99)},
    ),
    "an attempt that never ends": Brake(
        "one retry an attempt",
        [("run", "w4", 503), ("wait", 30)],
        ((planner, "failed", lambda view, now, because: StartCanary(because)),),
    ),
    "a dry run in the middle of a replay": Brake(
        "no retry while held",
        [*[("run", "w4", 503)] * 3, ("run", "w3", "slow"), ("wait", 135), ("turn_dry", True), ("wait", 200)],
        ((replaying, "is_held_back", FALSE), (cases.Case, "dry", False)),
    ),
    "a dry run after a release": Brake(
        "no retry while held",
        [*RELEASED, ("turn_dry", True), ("n8n_up", True), ("wait", 60)],
        ((replaying, "is_held_back", FALSE),),
    ),
}


@pytest.mark.parametrize("name", BRAKES)
def test_each_brake_holds_and_is_missed_where_it_is_broken(
    live: Callable[..., World], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    brake = BRAKES[name]
    live(brake.moves)
    for owner, what, broken in brake.places:
        monkeypatch.setattr(owner, what, broken)
    with pytest.raises(Broken) as missed:
        live(brake.moves, **brake.policy)
    assert missed.value.promise == brake.promise
