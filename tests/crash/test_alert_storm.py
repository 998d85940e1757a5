"""`make test-crash`: a worker that is killed while alerts flow loses none, and repeats one only with its key.

KILLS says how often in all, half of them on each engine; SEED repeats a run's choices.
"""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.alert_storm import AlertStorm

KILLS = int(os.environ.get("KILLS") or 100)
SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(1_000_000))
AT_ONCE = 50  # with many at once less time goes into waiting until all is told
SHARES = {"sqlite": KILLS - KILLS // 2, "postgresql": KILLS // 2}
BATCHES = [
    (engine, first // AT_ONCE, min(AT_ONCE, share - first))
    for engine, share in SHARES.items()
    for first in range(0, share, AT_ONCE)
]


@pytest.mark.crash
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("engine", "number", "kills"), BATCHES)
def test_a_worker_killed_while_alerts_flow_loses_none(
    engine: str,
    number: int,
    kills: int,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
) -> None:
    seed = SEED + number
    record_property("told", f"{kills} kills on {engine} while alerts flow, seed {seed}")
    url = request.getfixturevalue("postgres_url") if engine == "postgresql" else ""
    with AlertStorm(tmp_path, seed, url) as storm:
        storm.kill_often(kills)
        storm.drain(400)  # a heal that waits for three pushed words in vain takes four minutes
        storm.check()
        record_property("told", storm.summary())
