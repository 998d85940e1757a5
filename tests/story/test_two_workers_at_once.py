"""Two real workers on one PostgreSQL, and everything fails at once: one restart at a time, and no limit is passed."""

import subprocess
import sys
from pathlib import Path

import pytest

from recovery.store import database
from recovery.store.tables import IncidentRow, StepRow
from tests.n8n.real import free_port
from tests.story.medic import Medic

NAMES = [f"c{number}" for number in range(8)]
WRITES = """
import os, sys, time
log, name = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT), sys.argv[2]
os.write(log, f"begin {name}\\n".encode())
time.sleep(0.2)
os.write(log, f"end {name}\\n".encode())
"""
BRAKES = {"per_hour": 2, "overall_per_hour": 11, "cooldown": "0s"}


def config_of(log: Path) -> dict[str, object]:
    closed = free_port()
    check = {"kind": "tcp", "host": "127.0.0.1", "port": closed, "timeout": "1s"}
    restart = [sys.executable, "-c", WRITES, str(log)]
    return {
        "components": [
            {"name": name, "check": check, "every": "1s", "restart": [*restart, name], "boot_grace": "0s"}
            for name in NAMES
        ],
        "recovery": {"stages": [{"after": "0s", "attempts": 4}], "settle": "1s"},
        "brakes": BRAKES,
    }


@pytest.mark.again
@pytest.mark.timeout(120)
def test_one_restart_at_a_time_and_no_more_than_allowed(tmp_path: Path, postgres_url: str) -> None:
    log = tmp_path / "restarts"
    with Medic(tmp_path / "medic", config_of(log), postgres_url) as medic:
        command = [sys.executable, "-m", "recovery", "worker"]
        with (tmp_path / "second.log").open("wb") as said:
            second = subprocess.Popen(command, cwd=medic.folder, env=medic.env, stdout=said, stderr=said)
        try:
            medic.wait("all are left to a person", lambda: _left_to_a_person(medic) == len(NAMES), 90)
        finally:
            second.terminate()
            second.wait(20)
        lines = log.read_text().splitlines()
        database.open_database(postgres_url, migrate=False)
        workers = {row.worker for row in StepRow.select() if row.started_at}
        told = [row.because for row in IncidentRow.select()]
        database.close_database()
    pairs = list(zip(lines[::2], lines[1::2], strict=True))
    assert all(begin.split()[0] == "begin" and end == begin.replace("begin", "end") for begin, end in pairs), lines
    assert len(workers) == 2, "both had their part"
    assert len(pairs) == BRAKES["overall_per_hour"], told
    assert max(lines.count(f"begin {name}") for name in NAMES) <= 2


def _left_to_a_person(medic: Medic) -> int:
    return len(medic.api("incidents", state="needs_human")["data"])
