"""A process of this machine that dies is restarted at once, however seldom it is looked at."""

import os
import signal
from pathlib import Path

import pytest

from tests.story.medic import SHORT_RECOVERY, Medic

RESTART = """import os, subprocess, sys
one = subprocess.Popen(["sleep", "3600.5"], start_new_session=True)
open(sys.argv[1] + "/new", "w").write(str(one.pid))
os.replace(sys.argv[1] + "/new", sys.argv[1] + "/pid")
"""


@pytest.mark.again
@pytest.mark.timeout(60)
def test_a_killed_process_is_restarted_at_once_again_and_again(tmp_path: Path) -> None:
    (tmp_path / "restart.py").write_text(RESTART)
    restart = ["python3", "-I", "-S", str(tmp_path / "restart.py"), str(tmp_path)]
    check = {"kind": "process", "pid_file": str(tmp_path / "pid")}
    component = {"name": "till", "check": check, "every": "1h", "failure_threshold": 5, "restart": restart}
    with Medic(tmp_path / "medic", {"components": [component], "recovery": SHORT_RECOVERY}) as medic:
        pids = []
        for _ in range(3):
            pids.append(medic.wait("another process", lambda: _pid(tmp_path, pids), 15))
            medic.wait_for_incident("resolved", 15)
            os.kill(pids[-1], signal.SIGKILL)
        pids.append(medic.wait("the last one", lambda: _pid(tmp_path, pids), 15))
        steps = medic.incidents()
        assert len(steps) == 1, "one that comes back soon is the same incident"
        os.kill(pids[-1], signal.SIGKILL)


def _pid(folder: Path, known: list[int]) -> int:
    file = folder / "pid"
    pid = int(file.read_text()) if file.exists() else 0
    return 0 if pid in known else pid
