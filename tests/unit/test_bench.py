"""The benchmarks' own sums: a figure that cannot be bad says nothing."""

from datetime import UTC, datetime

import pytest

from bench.probes import EVERY, lateness
from recovery.worker.checking import next_in_phase

BEGAN = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()
DUE = next_in_phase("a", EVERY, datetime.fromtimestamp(BEGAN, UTC)).timestamp()


@pytest.mark.parametrize(
    ("looked", "late"),
    [
        ([0.2, 30.1, 60.4], [0.2, 0.1, 0.4]),
        ([-0.1, 35, 60], [35, 5, 0]),
        ([70], [70, 40, 10]),
        ([], [80, 50, 20]),
    ],
    ids=["in time", "one passed over", "one of three", "none"],
)
def test_a_look_that_is_a_whole_period_late_is_seen(looked: list[float], late: list[float]) -> None:
    found = lateness("a", [DUE + at for at in looked], BEGAN, DUE + 80)
    assert found == pytest.approx(late)
