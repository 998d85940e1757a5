"""`make test-crash`: our own processes killed at random moments lose nothing, and do nothing twice.

KILLS says how often (100 unless told otherwise), SEED repeats a run's choices.
"""

import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.scene import at_once, is_alive
from tests.crash.storm import Storm

KILLS = int(os.environ.get("KILLS") or 100)
SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(1_000_000))
AT_ONCE = 30
BATCHES = [min(AT_ONCE, KILLS - first) for first in range(0, KILLS, AT_ONCE)]


@pytest.mark.crash
@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", range(len(BATCHES)))
def test_killed_at_random_moments_nothing_is_lost_and_nothing_is_done_twice(
    number: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    record_property("told", f"{BATCHES[number]} kills, seed {SEED + number} (again: KILLS={KILLS} SEED={SEED})")
    with Storm(tmp_path, SEED + number) as storm:
        storm.kill(BATCHES[number])
        storm.calm()
        storm.drain(240)
        assert storm.rows("PRAGMA integrity_check") == [("ok",)]
        check_everything(storm)
        record_property("told", summary(storm))


def check_everything(storm: Storm) -> None:
    """What has to hold, however and whenever it was killed."""
    for check in (signals_are_kept, executions_ran_once, alerts_came, recoveries_ended, commands_ran_alone):
        check(storm)


def signals_are_kept(storm: Storm) -> None:
    stored = dict(storm.rows("SELECT id, triaged_at FROM signals"))
    lost = {delivery for delivery, row_id in storm.promised.items() if not stored.get(row_id)}
    assert not lost, "each 202 has its row, which was triaged"
    rows = Counter(name for (name,) in storm.rows("SELECT delivery FROM signals WHERE delivery IS NOT NULL"))
    sent = {f"probe:{delivery}": 1 for delivery in storm.promised}
    assert rows == sent, "and each delivery one row"


def executions_ran_once(storm: Storm) -> None:
    chains = storm.chains()
    known = dict(storm.rows("SELECT root_id, state FROM executions"))
    failed = {root for root, runs in chains.items() if runs[0].status == "error"}
    assert set(known) == failed and len(failed) == len(storm.orders), "each failed execution is a chain"
    assert set(known.values()) == {"recovered"}
    assert storm.shop.placed() == dict.fromkeys(storm.orders, 1), "each order was placed exactly once"
    assert {sum(run.status == "success" for run in runs) for runs in chains.values()} == {1}
    assert max(map(at_once, chains.values())) == 1, "no chain had two retries at the same time"


def alerts_came(storm: Storm) -> None:
    owed = dict(storm.rows("SELECT key, kind FROM alerts"))
    came = Counter(posted.json["key"] for posted in storm.hook.requests)
    assert set(came) == set(owed), "each alert came, and nothing else did"
    told = {(posted.json["key"], posted.json["incident_id"], posted.json["kind"]) for posted in storm.hook.requests}
    assert len(told) == len(owed), "what came twice was the same both times"
    assert sum(came.values()) - len(came) <= sum(storm.killed.values()), "and only a kill makes it come twice"


def recoveries_ended(storm: Storm) -> None:
    incidents = storm.rows("SELECT id, component, state, because FROM incidents")
    needs = {component: state for _, component, state, _ in incidents if component in storm.broken}
    assert needs == dict.fromkeys(storm.broken, "needs_human")
    assert len(incidents) == len({component for _, component, _, _ in incidents}), "one incident for each cause"
    mine = [one for one in incidents if one[1] not in storm.broken]
    assert {state for _, _, state, _ in mine} == {"resolved"}, mine
    newest = (
        "SELECT incident_id, state FROM recoveries WHERE id IN (SELECT MAX(id) FROM recoveries GROUP BY incident_id)"
    )
    assert set(dict(storm.rows(newest)).values()) == {"succeeded"}
    # Every opening was told of, and every resolution: a lost decision would be missing here.
    told = Counter(kind for (kind,) in storm.rows("SELECT kind FROM alerts"))
    assert told["opened"] == told["recovered"] and told["needs_human"] == len(storm.broken), told


def commands_ran_alone(storm: Storm) -> None:
    for name in storm.components:
        words = [line.split()[0] for line in storm.plant.runs(name)]
        assert "overlap" not in words, f"two restarts of {name} ran at the same time"
        assert storm.plant.up(name).exists()
        assert not [pid for pid in storm.pids(name) if is_alive(pid)], "no command is left running"


def summary(storm: Storm) -> str:
    """What the kills have hit, so that a run that hit nothing is seen."""
    words = Counter(line.split()[0] for name in storm.components for line in storm.plant.runs(name))
    owed = storm.rows("SELECT COUNT(*) FROM alerts")[0][0]
    killed = ", ".join(f"{part} {count}" for part, count in storm.killed.most_common())
    caught = ", ".join(f"{count} {what}" for what, count in storm.caught.most_common())
    return (
        f"killed: {killed}; caught in the act: {caught}; {len(storm.orders)} orders, {len(storm.promised)} signals, "
        f"{words['start']} restarts of which {words['start'] - words['end']} were cut short, "
        f"{owed} alerts and {len(storm.hook.requests) - owed} repeats"
    )
