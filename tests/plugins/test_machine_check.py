"""The check of this machine, with readings that the test gives, and real ones; `recovery.checks.machine`."""

import json
import os
import subprocess
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from recovery.checks import REGISTRY
from recovery.model import DoorError, FailureType, Past, Room, Usage
from recovery.outside.bounded import Bounded
from recovery.outside.usage import MachineUsage

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GIB = 1024**3
CALM = Usage(
    1_000.0,
    900.0,
    2 * GIB,
    8 * GIB,
    0,
    2 * GIB,
    1.0,
    4,
    100,
    1_024,
    "n8n (42)",
    {"/": Room(40 * GIB, 60 * GIB, 10, 90)},
)


class Machine:
    """Looks at a machine, with readings that the test gives or those of `door`; it remembers as the worker does."""

    def __init__(self, door=None, **args):
        self.plugin = REGISTRY.find("machine")
        self.args = self.plugin.args.model_validate(args)
        self.usage, self.memory, self.seconds = door or Given(), {}, 0

    def look(self, seconds=0, **now):
        """One look, `seconds` after the last; `now` is what has changed of the given usage."""
        if now:
            self.usage.told = replace(self.usage.told, **now)
        self.seconds += seconds
        reading = self.plugin.run(self.args, self, Past(NOW + timedelta(seconds=self.seconds), self.memory))
        if reading.memory is not None:
            self.memory = json.loads(json.dumps(reading.memory))
        return reading


class Given:
    """A door that tells what the test says."""

    told = CALM

    def look(self, paths, timeout_seconds):
        return self.told


def exhausted(reading):
    assert (reading.healthy, reading.failure_type) == (False, FailureType.RESOURCE_EXHAUSTED), reading
    return reading.because


def test_a_calm_machine_is_healthy_and_names_what_is_fullest():
    reading = Machine().look()
    assert reading.healthy
    assert reading.because == "disk / 40 %, memory 25 %, inodes of / 10 %, open files of n8n (42) 10 %"


FULL = [
    ({"memory_used": 8 * GIB}, "memory 100 % used (limit 95 %): 8 GiB of 8 GiB"),
    ({"swap_used": 2 * GIB}, "swap 100 % used (limit 90 %): 2 GiB of 2 GiB"),
    ({"rooms": {"/": Room(95 * GIB, 5 * GIB)}}, "disk / 95 % used (limit 90 %): 95 GiB of 100 GiB"),
    ({"rooms": {"/": Room(1, 9, 99, 1)}}, "inodes of / 99 % used (limit 90 %): 99 of 100"),
    ({"load": 20.0}, "load 5.0 per core (limit 4): 20.0 on 4 cores"),
    ({"files_used": 1_000}, "open files of n8n (42) 98 % used (limit 90 %): 1000 of 1024"),
]


@pytest.mark.parametrize(("full", "because"), FULL)
def test_what_is_too_full_counts_after_it_was_for_a_while_and_is_good_at_once(full, because):
    machine = Machine(hold="5m")
    assert machine.look(**full).healthy
    assert machine.look(299).healthy
    assert exhausted(machine.look(1)) == because
    assert machine.look(30, **{name: getattr(CALM, name) for name in full}).healthy
    assert machine.look(30, **full).healthy


def test_a_short_peak_in_between_begins_the_while_anew():
    machine = Machine(hold="2m")
    for _ in range(5):
        assert machine.look(60, load=20.0).healthy
        assert machine.look(60, load=1.0).healthy


def test_the_cpu_is_measured_from_look_to_look():
    machine = Machine(hold="0s", cpu=90)
    assert machine.look().healthy
    said = exhausted(machine.look(30, cpu_seconds=1_120.0, cpu_idle_seconds=902.0))
    assert said == "CPU 98 % used (limit 90 %)"
    assert machine.look(30, cpu_seconds=1_240.0, cpu_idle_seconds=1_000.0).healthy
    assert machine.look(30, cpu_seconds=5.0, cpu_idle_seconds=1.0).healthy  # it was started anew


def test_the_worst_is_named_first():
    machine = Machine(hold="0s")
    rooms = {"/": Room(95 * GIB, 5 * GIB)}
    said = exhausted(machine.look(load=40.0, rooms=rooms, memory_used=8 * GIB)).split("; ")
    assert [part.split()[0] for part in said] == ["load", "disk", "memory"]


def test_what_is_not_wanted_is_not_looked_at():
    wanted = {"cpu": None, "memory": None, "swap": None, "disk": None, "inodes": None, "load": None, "files": None}
    machine = Machine(hold="0s", full_within=None, **wanted)
    assert machine.look(load=999.0, memory_used=8 * GIB).because == "nothing is looked at"


def test_a_machine_without_swap_or_inodes_is_no_trouble():
    assert Machine().look(swap_total=0, files_most=0, rooms={"/": Room(1, 9)}).healthy


def fill(machine, minutes, used, hourly):
    for minute in range(minutes):
        reading = machine.look(
            60, rooms={"/": Room(int(used + hourly * minute / 60), int(100 * GIB - used - hourly * minute / 60))}
        )
    return reading


def test_a_disk_that_will_be_full_within_a_day_is_told_before_it_is():
    machine = Machine()
    assert fill(machine, 29, 40 * GIB, 6 * GIB).healthy
    said = exhausted(fill(machine, 10, 43 * GIB, 6 * GIB))
    assert said.startswith("disk / will be full in ")
    assert "GiB are free, and it fills by " in said
    assert "hours (limit 1d)" in said
    assert fill(machine, 60, 20 * GIB, 0).healthy


def test_a_disk_that_fills_slowly_is_not_told():
    assert fill(Machine(), 120, 40 * GIB, 1 * GIB).healthy
    assert exhausted(fill(Machine(full_within="100h"), 120, 40 * GIB, 1 * GIB))
    assert fill(Machine(full_within=None), 120, 40 * GIB, 10 * GIB).healthy


def test_what_is_remembered_stays_small():
    machine = Machine(paths=[f"/{number}" for number in range(8)], hold="0s")
    rooms = {f"/{number}": Room(95 * GIB, 5 * GIB, 99, 1) for number in range(8)}
    for _ in range(500):
        machine.look(60, rooms=rooms, memory_used=8 * GIB, load=99.0)
    assert len(json.dumps(machine.memory)) < 12_000


def test_this_very_machine_tells():
    machine = Machine(door=MachineUsage(), hold="10m")
    first, second = machine.look(), machine.look(30)
    assert first.healthy
    assert second.healthy
    usage = MachineUsage().look(["/", "/tmp"], 5)
    assert 0 < usage.cpu_idle_seconds < usage.cpu_seconds
    assert 0 < usage.memory_used < usage.memory_total
    assert usage.cores >= 1
    assert usage.files_of
    assert usage.rooms["/"].used > 0
    assert set(usage.rooms) == {"/", "/tmp"}


def test_open_files_of_a_process_near_its_limit_are_seen():
    script = "import os, resource, sys\nresource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
    script += "kept = [open('/dev/null') for _ in range(58)]\nprint('ready', flush=True)\nsys.stdin.read()\n"
    command = ["python3", "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        machine = Machine(door=MachineUsage(), hold="0s")
        said = machine.look().because
        process.stdin.close()
    assert f"({process.pid})" in said
    assert "of 64" in said
    assert f"({process.pid})" not in machine.look(30).because


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    if (
        os.geteuid()
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "medic", place], capture_output=True).returncode
    ):
        pytest.skip("a disk of 4 MiB cannot be mounted here: it needs root and the right to mount")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_real_disk_that_is_filled_and_emptied(small_disk):
    machine = Machine(
        door=MachineUsage(), paths=[str(small_disk)], hold="0s", cpu=None, memory=None, load=None, swap=None, files=None
    )
    assert machine.look().healthy
    (small_disk / "big").write_bytes(b"x" * 3_900_000)
    assert f"disk {small_disk} 9" in exhausted(machine.look(30))
    (small_disk / "big").unlink()
    assert machine.look(30).healthy


def test_a_path_that_is_gone_is_a_failure_and_what_was_remembered_stays(tmp_path):
    machine = Machine(door=MachineUsage(), paths=[str(tmp_path / "gone")])
    reading = machine.look()
    assert (reading.healthy, reading.failure_type) == (False, FailureType.SERVER_UNRESPONSIVE)
    assert reading.because == f"{tmp_path}/gone: No such file or directory"
    assert reading.memory is None
    (tmp_path / "gone").mkdir()
    assert machine.look().healthy


def test_a_call_that_hangs_costs_one_thread_however_often_it_is_made():
    bounded, ended = Bounded(), threading.Event()
    before = threading.active_count()
    begin = time.monotonic()
    with pytest.raises(DoorError, match="no answer from /mnt within 0.1 s") as problem:
        bounded.call("/mnt", ended.wait, 0.1)
    assert problem.value.kind == "timeout"
    for _ in range(5):
        with pytest.raises(DoorError, match="/mnt still does not answer"):
            bounded.call("/mnt", ended.wait, 0.1)
    assert time.monotonic() - begin < 3
    assert threading.active_count() == before + 1
    assert bounded.call("/other", lambda: 7, 1) == 7
    ended.set()
    assert bounded.call("/mnt", lambda: 8, 5) == 8
    with pytest.raises(ZeroDivisionError):
        bounded.call("/mnt", lambda: 1 // 0, 5)


@pytest.mark.parametrize(
    "args",
    [
        {"cpu": 0},
        {"cpu": 101},
        {"disk": 0.9},
        {"disk": "90%"},
        {"memory": True},
        {"load": 0},
        {"load": "nan"},
        {"paths": []},
        {"paths": "/"},
        {"paths": ["relative"]},
        {"paths": ["/\0"]},
        {"paths": ["/", "/"]},
        {"paths": [f"/{number}" for number in range(9)]},
        {"hold": -1},
        {"hold": "soon"},
        {"full_within": 0},
        {"timeout": 0},
    ],
)
def test_arguments_that_make_no_sense_are_refused(args):
    with pytest.raises(ValidationError):
        REGISTRY.find("machine").args.model_validate(args)
