"""`make test-crash`: a worker that is killed while alerts flow loses none, and repeats one only with its key."""

import os
import random
from pathlib import Path

import pytest

from tests.crash.alert_storm import AlertStorm

KILLS = int(os.environ.get("KILLS") or 100)
SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(1_000_000))
AT_ONCE = 50  # with many at once less time goes into waiting until all is told
BATCHES = [min(AT_ONCE, KILLS - first) for first in range(0, KILLS, AT_ONCE)]


@pytest.mark.crash
@pytest.mark.timeout(900)
@pytest.mark.parametrize("number", range(len(BATCHES)))
def test_a_worker_killed_while_alerts_flow_loses_none(
    number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = SEED + number
    with capsys.disabled():
        print(f"\n{BATCHES[number]} kills while alerts flow, seed {seed} ...", end="")
    with AlertStorm(tmp_path, seed) as storm:
        storm.kill_often(BATCHES[number])
        storm.drain(400)  # a heal that waits for three pushed words in vain takes four minutes
        storm.check()
        with capsys.disabled():
            print(f" {storm.summary()}")
