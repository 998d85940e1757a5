"""What a replay does next, and what it counts: values in, a decision out."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recovery.decide.counting import MOST_LISTED, MOST_REASONS, OTHER, Tally
from recovery.decide.replay import Candidate
from recovery.decide.replays import LaneView, ReplayView, plan
from recovery.model import Lot, ReplayLimits, ReplayState

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
LIMITS = ReplayLimits(per_workflow=2, per_component=3, rate_per_second=10)


def candidates(workflow: str, *ids: int, retries: int = 0) -> list[Candidate]:
    return [Candidate(one, workflow, NOW - timedelta(minutes=100 - one), retries) for one in ids]


def view(
    lanes: list[LaneView], waiting: list[Candidate], busy: dict[str, int] | None = None, **more: Any
) -> ReplayView:
    return ReplayView(lanes, waiting, busy or {}, NOW - timedelta(minutes=4), **more)


def released(lanes: list[LaneView], waiting: list[Candidate], busy: dict[str, int] | None = None) -> list[int]:
    return [one for one, _ in plan(view(lanes, waiting, busy), LIMITS, NOW).release]


def test_one_of_each_workflow_goes_first_the_oldest() -> None:
    lanes = [LaneView("a", "A", waiting=3), LaneView("b", "B", waiting=2)]
    assert released(lanes, [*candidates("a", 1, 2, 3), *candidates("b", 4, 5)]) == [1, 4]


def test_while_the_first_is_under_way_the_others_of_its_workflow_wait() -> None:
    lanes = [LaneView("a", "A", waiting=2, retrying=1, busy=1)]
    assert released(lanes, candidates("a", 2, 3), {"a": 1}) == []
    lanes = [LaneView("a", "A", waiting=3, busy=1)]
    assert released(lanes, candidates("a", 2, 3), {"a": 1}) == [], "released, and not begun yet"


def test_once_it_has_recovered_the_rest_follows_as_the_brakes_allow() -> None:
    lanes = [LaneView("a", "A", waiting=5, recovered=1)]
    assert released(lanes, candidates("a", 2, 3, 4)) == [2, 3], "two of a workflow at once"
    assert released(lanes, candidates("a", 2, 3, 4), {"a": 1}) == [2]
    assert released(lanes, candidates("a", 2, 3), {"others": 3}) == [], "three at once, whoever retries them"


def test_starts_keep_to_the_rate() -> None:
    lanes = [LaneView("a", "A", waiting=5, recovered=1)]
    chosen = plan(view(lanes, candidates("a", 2, 3), released_at=NOW), LIMITS, NOW).release
    assert [at - NOW for _, at in chosen] == [timedelta(seconds=0.1), timedelta(seconds=0.2)]


def test_a_first_one_that_was_left_alone_is_followed_by_another() -> None:
    lanes = [LaneView("a", "A", waiting=2, left=1)]
    assert released(lanes, candidates("a", 2, 3)) == [2]


def test_a_first_one_that_fails_leaves_the_rest_of_its_workflow_alone() -> None:
    lanes = [LaneView("a", "A", waiting=2, failed=1, why="answered 503"), LaneView("b", "B", waiting=1)]
    first = plan(view(lanes, candidates("b", 9)), LIMITS, NOW)
    assert [one for one, _ in first.leave] == ["a"] and "answered 503" in first.leave[0][1] and first.end is None


@pytest.mark.parametrize(
    ("newest", "stops"),
    [
        (("failed", "failed", "failed"), True),
        (("failed", "failed"), False),
        (("failed", "recovered", "failed"), False),
        (("recovered", "failed", "failed"), False),
    ],
)
def test_three_failures_in_a_row_stop_a_workflow(newest: tuple[str, ...], stops: bool) -> None:
    lanes = [LaneView("a", "A", waiting=2, recovered=5, failed=3, newest=newest)]
    assert bool(plan(view(lanes, candidates("a", 2)), LIMITS, NOW).leave) is stops


def test_it_ends_when_nothing_waits_and_says_what_came_of_it() -> None:
    ended = plan(view([LaneView("a", "A", recovered=180, failed=2, left=18)], []), LIMITS, NOW)
    assert ended.end is ReplayState.DONE
    assert ended.because == "180 recovered, 2 failed again, 18 were left alone, of 200 executions, in 4 minutes"


def test_it_has_stopped_where_every_first_one_failed_and_is_done_where_one_did_not() -> None:
    sick, well = LaneView("a", "A", failed=1, left=9), LaneView("b", "B", recovered=1)
    assert plan(view([sick], []), LIMITS, NOW).end is ReplayState.STOPPED
    done = plan(view([sick, well], []), LIMITS, NOW)
    assert done.end is ReplayState.DONE and "the first of A failed again" in done.because
    assert plan(view([LaneView("a", "A", left=9)], []), LIMITS, NOW).end is ReplayState.DONE


def test_it_does_not_end_while_something_runs() -> None:
    going_on = plan(view([LaneView("a", "A", retrying=1, recovered=3)], []), LIMITS, NOW)
    assert going_on.end is None and going_on.because == "3 of 4 have ended; 3 recovered"


def test_a_tally_counts_by_workflow_lot_and_reason() -> None:
    tally = Tally()
    for number in range(3):
        tally.add("w1", "Orders", Lot.REPLAY, "only reads", str(number))
    tally.add("w1", "Orders", Lot.AMBIGUOUS, "it may have happened", "8")
    tally.add("w2", "", Lot.TAGGED, "tagged", "9")
    found = tally.as_json()
    assert tally.to_replay == 3
    assert {lot: count for lot, count in found["total"].items() if count} == {
        "failed": 5, "replay": 3, "ambiguous": 1, "tagged": 1,
    }  # fmt: skip
    assert [(one["name"], one["failed"], one["replay"]) for one in found["workflows"]] == [
        ("Orders", 4, 3),
        ("w2", 1, 0),
    ]
    assert [one["because"] for one in found["why"]] == ["it may have happened", "tagged"], "none for what is run again"
    assert [one["execution_id"] for one in found["listed"]] == ["8"]


def test_what_a_tally_keeps_is_bounded() -> None:
    tally = Tally()
    for number in range(5_000):
        tally.add("w1", "Orders", Lot.AMBIGUOUS, f"failed at item {number}", str(number))
    found = tally.as_json()
    assert found["total"]["ambiguous"] == 5_000 and len(found["listed"]) == MOST_LISTED
    assert len(found["why"]) == MOST_REASONS + 1 and found["why"][0]["because"] == OTHER
