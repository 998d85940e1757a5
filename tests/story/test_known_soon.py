"""How soon a failure is known: at the next look, and confirmed 5 seconds later, not a whole interval later."""

from dataclasses import replace

import pytest

from recovery.clock import utc_now
from recovery.store import components, database
from recovery.store.tables import ComponentRow
from tests.conftest import FakeClock
from tests.story.engine import Engine, restartable

pytestmark = pytest.mark.usefixtures("store")


@pytest.mark.parametrize(("every_seconds", "known_within"), [(30.0, 40.0), (120.0, 135.0)])
def test_a_failure_right_after_a_look_is_known_soon_after_the_next(
    fake_clock: FakeClock, every_seconds: float, known_within: float
) -> None:
    plan = replace(restartable("api"), every_seconds=every_seconds)
    engine = Engine(fake_clock, components={"api": plan})
    engine.outside.up = True
    with database.write():
        components.configure_components({"api": utc_now()}, utc_now())
    engine.run(2 * every_seconds, 0.5)
    seen_at = engine.component("api").seen_at
    while engine.component("api").seen_at == seen_at:
        engine.run(0.5, 0.5)
    engine.outside.up, failed_at = False, utc_now()
    while not engine.incidents():
        engine.run(0.5, 0.5)
        assert (utc_now() - failed_at).total_seconds() <= known_within
    assert ComponentRow.get().failures >= plan.failure_threshold, "not by chance: it was confirmed"
