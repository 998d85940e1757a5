"""From `kill -9` of a local process to the start of its restart action."""

import os
import signal
import tempfile
import time
from datetime import datetime
from pathlib import Path

from bench.tables import percentile, show
from tests.story.medic import Medic

KILLS = 60
RESTART = """import subprocess, sys, time
print(time.time(), file=open(sys.argv[1] + "/started", "a"))
one = subprocess.Popen(["sleep", "3600"], start_new_session=True)
open(sys.argv[1] + "/new", "w").write(str(one.pid))
import os
os.replace(sys.argv[1] + "/new", sys.argv[1] + "/pid")
"""

# As many restarts as are measured.
FREE = {"per_hour": 1000, "per_day": 1000, "overall_per_hour": 1000, "overall_per_day": 1000, "cooldown": "0s"}


def main() -> None:
    """One component, killed again and again, at odd moments."""
    with tempfile.TemporaryDirectory(prefix="medic-bench-") as name:
        folder = Path(name)
        (folder / "restart.py").write_text(RESTART)
        restart = ["python3", "-I", "-S", str(folder / "restart.py"), name]
        component = {"name": "till", "check": {"kind": "process", "pid_file": f"{name}/pid", "restarts": 0}}
        component |= {"every": "30s", "restart": restart}
        patient = {"settle": "0s", "recurrences_per_hour": 1000, "recurrence_within": "0s"}
        with Medic(folder / "medic", {"components": [component], "recovery": patient, "brakes": FREE}) as medic:
            took = [_kill(medic, folder) for _ in range(KILLS)]
        os.kill(_pid(folder), signal.SIGKILL)
    heads = ["from kill -9", "kills", "p50 ms", "p99 ms", "worst ms"]
    rows = [_figures(name, times) for name, times in zip(("to its action started", "to the command's own first line"),
                                                         zip(*took, strict=True), strict=True)]  # fmt: skip
    show("A killed local process, to its restart", heads, rows)


def _figures(name: str, took: tuple[float, ...]) -> list[object]:
    return [
        name,
        len(took),
        *(f"{percentile(took, share) * 1000:.0f}" for share in (0.5, 0.99)),
        f"{max(took) * 1000:.0f}",
    ]


def _kill(medic: Medic, folder: Path) -> tuple[float, float]:
    """Seconds to the action's start as it is on record, written just before the command, and to the command itself."""
    medic.wait("the process is up", lambda: _pid(folder) and _alive(_pid(folder)), 60)
    medic.wait("it is known to be healthy", lambda: _healthy(medic), 60)
    time.sleep(0.2 + 0.3 * (time.time() % 1))
    known, began = _starts(folder), time.time()
    os.kill(_pid(folder), signal.SIGKILL)
    medic.wait("its restart", lambda: len(_starts(folder)) > len(known), 60)
    return _action_began(medic) - began, _starts(folder)[len(known)] - began


def _action_began(medic: Medic) -> float:
    newest = medic.incident(medic.incidents()[0]["id"])
    actions = [one for one in newest["steps"] if one["kind"] == "action" and one["started_at"]]
    return datetime.fromisoformat(actions[-1]["started_at"]).timestamp()


def _healthy(medic: Medic) -> bool:
    shown = [one for one in medic.api("components")["data"] if one["name"] == "till"]
    quiet = all(one["state"] == "resolved" for one in medic.incidents())
    return bool(shown) and shown[0]["health"] == "healthy" and quiet


def _starts(folder: Path) -> list[float]:
    file = folder / "started"
    return [float(line) for line in file.read_text().split()] if file.exists() else []


def _pid(folder: Path) -> int:
    file = folder / "pid"
    return int(file.read_text()) if file.exists() else 0


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
