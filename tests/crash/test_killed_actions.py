"""Each action, with its worker killed by `kill -9` while the effect is under way, and another worker that takes over.

What is safe to repeat is repeated, what is not becomes unknown and is asked of a person, and nothing of the first run
is left. A new action needs a case in `killed_actions.py`.
"""

import pytest

from recovery.actions import REGISTRY
from recovery.store.tables import AlertRow, EventRow, IncidentRow, RecoveryRow, StepRow
from tests.crash import killed_actions
from tests.crash.killed_actions import Case
from tests.crash.scene import Scene, is_alive

NAMES = [plugin.name for plugin in REGISTRY.all()]


def test_each_action_has_a_case_of_being_killed() -> None:
    missing = [name for name in NAMES if not hasattr(killed_actions, name)]
    assert not missing, f"write a case for {missing} in tests/crash/killed_actions.py; docs/extending.md says how"


@pytest.mark.crash
@pytest.mark.timeout(150)
@pytest.mark.parametrize("name", NAMES)
def test_an_action_killed_in_its_middle_is_repeated_or_asked_of_a_person(scene: Scene, name: str) -> None:
    scene.component = scene.shop.component("x", "0") | {"every": "1h"}
    del scene.component["restart"]
    with getattr(killed_actions, name)(scene) as case:
        scene.medic.config["agents"] = [{"name": "box", "token": "a-token-of-the-agent-alone"}]
        scene.configure(actions={"restart": {"kind": name, **case.args}})
        worker = scene.start()
        scene.wait("the effect", case.times, 40)
        left = case.left()
        scene.kill(worker)
        assert begun(name).state == "running" and begun(name).started_at
        scene.start()
        is_safe = REGISTRY.find(name).safe_to_repeat
        (was_awaited if case.then else was_repeated if is_safe else was_left_to_a_person)(scene, name, case)
        assert not any(is_alive(pid) for pid in left), "nothing of the first run is left"


def begun(name: str) -> StepRow:
    """The first step of the action."""
    return StepRow.select().where(StepRow.name == name).order_by(StepRow.id).get()


def was_repeated(scene: Scene, name: str, case: Case) -> None:
    scene.wait("the end of the step", lambda: begun(name).state in ("succeeded", "skipped"), 40)
    assert case.over()
    told = [row.because for row in EventRow.select().where(EventRow.subject == "step")]
    assert "its worker was lost while it ran; it is safe to repeat" in told


def was_awaited(scene: Scene, name: str, case: Case) -> None:
    assert case.then
    case.then()
    scene.wait("the end of the step", lambda: begun(name).state == "succeeded", 40)
    assert case.over()


def was_left_to_a_person(scene: Scene, name: str, case: Case) -> None:
    scene.wait("a person who is called", lambda: IncidentRow.get().state == "needs_human", 40)
    step = begun(name)
    assert step.state == "unknown" and "it is not safe to repeat" in step.error
    assert RecoveryRow.get_by_id(step.recovery_id).state == "failed"
    scene.wait(
        "the message", lambda: AlertRow.select().where(AlertRow.kind == "needs_human", AlertRow.state == "delivered")
    )
    assert case.times() == 1 and case.over()
    assert StepRow.select().where(StepRow.name == name).count() == 1
