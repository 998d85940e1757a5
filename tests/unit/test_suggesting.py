"""What a taken suggestion makes of a playbook."""

from dataclasses import replace

import pytest

from recovery.decide.suggesting import as_written, offers_for, put_first, ways_of, with_taken
from recovery.model import Outcomes, PlannedAction, Playbook, Stage

RESTART, SCALE, REBOOT = (PlannedAction(name, label=name) for name in ("restart", "scale", "reboot"))
USUAL = Playbook((Stage(0, 1), Stage(60, 2), Stage(300, 3)), actions=(RESTART,))
CHOICE = Playbook((Stage(0, 3, actions=(RESTART, SCALE, REBOOT), one_of=True), Stage(300, 1, actions=(SCALE,))))


def afters(playbook: Playbook | None) -> list[float]:
    assert playbook
    return [stage.after_seconds for stage in playbook.stages]


def test_the_stage_that_helps_comes_first_and_nothing_is_taken_out() -> None:
    changed = put_first(USUAL, ("restart", 0.0), ("restart", 300.0))
    assert (
        afters(changed) == [300, 0, 60]
        and changed
        and len(changed.stages) == 3
        and all(one in changed.stages for one in USUAL.stages)
    )


def test_of_alternatives_the_one_that_helps_comes_before_the_other() -> None:
    changed = put_first(CHOICE, ("restart", 0.0), ("reboot", 0.0))
    assert changed and [one.called for one in changed.stages[0].actions or ()] == ["reboot", "restart", "scale"]


def test_what_runs_one_after_the_other_or_is_learned_already_is_not_reordered() -> None:
    both = Playbook((Stage(0, 1, actions=(RESTART, SCALE)),))
    assert put_first(both, ("restart", 0.0), ("scale", 0.0)) is None
    assert put_first(replace(CHOICE, learned=True), ("restart", 0.0), ("scale", 0.0)) is None


@pytest.mark.parametrize("way", [("restart", 61.0), ("other", 0.0)])
def test_what_the_configuration_no_longer_has_is_passed_over(way: tuple[str, float]) -> None:
    assert put_first(USUAL, ("restart", 0.0), way) is None and put_first(USUAL, way, ("restart", 0.0)) is None
    assert with_taken(USUAL, [(way, ("restart", 0.0), "kim")]) == USUAL


def test_taking_it_names_who_and_doing_it_twice_changes_nothing_more() -> None:
    taken = (("restart", 0.0), ("restart", 300.0), "kim")
    once = with_taken(USUAL, [taken])
    assert afters(once) == afters(with_taken(USUAL, [taken, taken])) == [300, 0, 60]
    assert once.because == "kim took the suggestion to try restart after 5 minutes before restart at once"


def test_it_is_offered_where_the_figures_are_clear_and_not_once_it_is_so() -> None:
    known = {("restart", 0.0): Outcomes(2, 39), ("restart", 300.0): Outcomes(38, 3)}
    (offer,) = offers_for(USUAL, known)
    assert afters(offer.playbook) == [300, 0, 60]
    assert offers_for(offer.playbook, known) == []
    assert offers_for(USUAL, {}) == []


def test_stages_are_written_with_the_names_that_people_know() -> None:
    assert as_written(CHOICE)[0] == {
        "after_seconds": 0, "attempts": 3, "actions": ["restart", "scale", "reboot"], "one_of": True,
    }  # fmt: skip
    assert ways_of(USUAL) == [("restart", 0), ("restart", 60), ("restart", 300)]
