"""A tick with nothing due, with 10 and with 100,000 rows that wait."""

import tempfile
import time
from datetime import timedelta
from types import SimpleNamespace

from bench.tables import median, show
from recovery.clock import utc_now
from recovery.model import Playbook, Policy, Stage
from recovery.store import bulk, database
from recovery.store.tables import ExecutionRow, IncidentRow, RecoveryRow
from recovery.worker.context import Context
from recovery.worker.loop import tick

SIZES = (10, 100_000)
TICKS, ROUNDS = 300, 5


def main() -> None:
    """Two databases, measured in turn."""
    contexts = {}
    ctx = Context("bench", Policy(Playbook((Stage(0, 1),))), None, lambda: None)  # type: ignore[arg-type]
    ctx.looks = SimpleNamespace(ended=False, died=False)
    with tempfile.TemporaryDirectory(prefix="medic-bench-") as folder:
        for size in SIZES:
            contexts[size] = f"sqlite:///{folder}/{size}.db"
            database.open_database(contexts[size])
            with database.write():
                _fill(size)
        taken: dict[int, list[float]] = {size: [] for size in SIZES}
        for _ in range(ROUNDS):
            for size in SIZES:
                database.open_database(contexts[size], migrate=False)
                taken[size].append(_ticks(ctx))
        database.close_database()
    smallest = median(taken[SIZES[0]])
    rows = [[f"{size:,}", f"{median(taken[size]):.0f}", f"{median(taken[size]) / smallest:.2f}"] for size in SIZES]
    show("A tick with nothing due", ["rows that wait", "us per tick", "ratio"], rows)


def _ticks(ctx: Context) -> float:
    began = time.perf_counter()
    for _ in range(TICKS):
        tick(ctx, utc_now())
    return (time.perf_counter() - began) / TICKS * 1e6


def _fill(size: int) -> None:
    """Open incidents that are looked at tomorrow, recoveries that wait for tomorrow, executions that wait for both."""
    now = utc_now()
    later = now + timedelta(days=1)
    times = {
        "opened_at": now,
        "episode_at": now,
        "last_signal_at": now,
        "failed_at": now,
        "wake_at": later,
        "escalate_at": later,
    }
    words = {"component": "c", "cause_class": "unavailable", "failure_type": "api_error", "outlook": "transient"}
    more = {"severity": "high", "state": "recovering", "cause": "", "because": "", "advice": "", "site": ""}
    zero = {"signal_count": 1, "episode": 1, "recurred_at": [], "asked": 0, "flapping": False, "held": False}
    keys = ({"fingerprint": f"f{n}", "open_key": f"f{n}"} for n in range(size))
    bulk.add_rows(IncidentRow, [{**key, **times, **words, **more, **zero} for key in keys])
    recovery = {"state": "waiting", "playbook": {}, "stage": 1, "attempt": 1, "attempts_made": 0, "first_step": 1}
    recovery |= {"replaying": False, "next_at": later, "wake_at": later, "because": "", "started_at": now}
    bulk.add_rows(RecoveryRow, [{"incident_id": n, "active_key": n, **recovery} for n in range(1, size + 1)])
    chain = {"fence": 0, "site": "default", "workflow_id": "w", "workflow_name": "w", "state": "waiting", "because": ""}
    chain |= {
        "mode": "",
        "facts": {},
        "retries": 0,
        "asks": False,
        "looks": 0,
        "unread": 0,
        "failed_at": now,
        "heard_at": now,
    }
    rows = ({"root_id": str(n), "leaf_id": str(n), "incident_id": n, **chain} for n in range(1, size + 1))
    bulk.add_rows(ExecutionRow, list(rows))
