"""Actions that reach beyond the component at work: a standby that becomes live and goes back, a call with its key."""

from typing import Any

import pytest

from recovery.model import DoorError, HttpAnswer, PlannedAction, Stage
from recovery.store import database, steps
from recovery.store.tables import RecoveryRow, StepRow
from tests.conftest import FakeClock
from tests.story.engine import Engine, fail_component
from tests.story.test_playbooks import engine_of

pytestmark = pytest.mark.usefixtures("store")

A, B = "http://a.example.com", "http://b.example.com"


def live() -> Any:
    with database.read():
        return steps.last_memory("orders", "failover").get("live")


def with_standby(engine: Engine) -> list[str]:
    """The component and its primary are up or down together; the standby is always up. What was asked, as it comes."""
    asked: list[str] = []

    def request(method: str, url: str, **more: Any) -> HttpAnswer:
        asked.append(url)
        if url != B and not engine.outside.up:
            raise DoorError("connection refused", kind="refused")
        return HttpAnswer(200, "ok", 1.0)

    engine.outside.request = request  # type: ignore[method-assign]
    return asked


def failing_over(clock: FakeClock) -> Engine:
    action = PlannedAction("failover", {"endpoints": [A, B]}, back_after_seconds=600)
    return engine_of(clock, Stage(0, 2, actions=(action,)))


def test_a_standby_is_live_until_the_primary_has_long_been_well(fake_clock: FakeClock) -> None:
    engine = failing_over(fake_clock)
    with_standby(engine)
    fail_component(engine)
    engine.run(60)
    assert live() == B
    states = [row.state for row in StepRow.select().where(StepRow.name == "failover").order_by(StepRow.id)]
    assert states == ["succeeded", "skipped"], "a healthy standby is kept, though the check still fails"
    engine.outside.up = True
    engine.probe("orders", True)
    engine.run(400, 10)
    assert engine.incident().state == "resolved" and live() == B
    engine.run(400, 10)
    assert live() is None, "nothing is switched any more"
    back = StepRow.get(StepRow.back == True)  # noqa: E712
    assert (back.state, back.result) == ("succeeded", f"switched from {B} to {A}")


def test_in_a_dry_run_nothing_is_switched(fake_clock: FakeClock) -> None:
    action = PlannedAction("failover", {"endpoints": [A, B]})
    engine = engine_of(fake_clock, Stage(0, 1, actions=(action,)), dry_run=True)
    with_standby(engine)
    fail_component(engine)
    engine.run(60)
    assert live() is None
    assert StepRow.get(StepRow.name == "failover").result == f"dry run: would switch from {A} to {B}"


def test_a_call_has_the_same_key_when_its_step_is_run_again_and_another_in_the_next_attempt(
    fake_clock: FakeClock,
) -> None:
    action = PlannedAction("call_webhook", {"url": "http://ops.example.com/hook"})
    engine = engine_of(fake_clock, Stage(0, 2, actions=(action,)))
    fail_component(engine)
    engine.run(60)

    def keys() -> list[str]:  # alerts go to a hook as well
        calls = [sent for sent in engine.outside.sent if b'"action": "call_webhook"' in sent["data"]]
        return [sent["headers"]["X-Medic-Key"] for sent in calls]

    first, second = keys()
    assert first != second
    row = StepRow.select().where(StepRow.name == "call_webhook").order_by(StepRow.id).get()
    StepRow.update(state="queued", run_at=fake_clock.now, finished_at=None).where(StepRow.id == row.id).execute()
    alive = {"active_key": row.incident_id, "first_step": row.number}
    RecoveryRow.update(**alive).where(RecoveryRow.id == row.recovery_id).execute()
    engine.run(1)
    assert keys() == [first, second, first]
