"""`recovery.checks.process` and the door to this host's processes, with real processes that really die."""

import subprocess
import threading
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from recovery.checks import REGISTRY
from recovery.clock import utc_now
from recovery.model import DoorError, FailureType, Past
from recovery.outside.processes import Processes
from tests.plugins.plugins import run_plugin

PLUGIN = REGISTRY.find("process")


def look(memory=None, doors=None, **args):
    doors = doors or SimpleNamespace(processes=Processes())
    return run_plugin(PLUGIN, PLUGIN.args.model_validate(args), doors, memory)


@pytest.fixture
def sleeper():
    """A process with a command line of its own."""
    started = []

    def start(seconds="300.25"):
        one = subprocess.Popen(["sleep", seconds])
        started.append(one)
        return one

    yield start
    for one in started:
        one.kill()
        one.wait()


@pytest.mark.parametrize("how", ["command", "pid_file"])
def test_a_process_is_found_dies_and_comes_back(sleeper, tmp_path, how):
    args = {"command": "sleep 300.25"} if how == "command" else {"pid_file": str(tmp_path / "pid")}
    one = sleeper()
    (tmp_path / "pid").write_text(f"{one.pid}\n")
    reading = look(**args)
    assert reading.healthy and reading.memory["pids"] == [one.pid]
    one.kill()
    one.wait()
    reading = look(reading.memory, **args)
    assert not reading.healthy and reading.certain and "gone" in reading.because
    assert reading.failure_type == FailureType.SERVER_UNRESPONSIVE
    other = sleeper()
    (tmp_path / "pid").write_text(str(other.pid))
    assert look(reading.memory, **args).healthy


def test_a_zombie_is_not_alive(sleeper, tmp_path):
    one = sleeper()
    (tmp_path / "pid").write_text(str(one.pid))
    one.kill()
    until = time.monotonic() + 5
    while look(pid_file=str(tmp_path / "pid")).healthy and time.monotonic() < until:
        time.sleep(0.01)
    assert not look(pid_file=str(tmp_path / "pid")).healthy, "its parent has not taken its exit code yet"


def test_by_name_all_of_them_count(sleeper):
    sleeper("301.5")
    sleeper("301.5")
    assert look(command="sleep 301.5", count=2).healthy
    few = look(command="sleep 301.5", count=3)
    assert not few.healthy and "2 times instead of 3" in few.because
    assert look(name="sleep").healthy and not look(name="no-such-program-x").healthy


def test_more_starts_than_allowed_are_a_loop_and_a_quiet_time_ends_it(sleeper, tmp_path):
    memory, args = None, {"pid_file": str(tmp_path / "pid"), "restarts": 2, "within": "10m"}
    for _ in range(4):
        one = sleeper()
        time.sleep(0.02)  # starts are told apart by ticks of 10 ms
        (tmp_path / "pid").write_text(str(one.pid))
        reading = look(memory, **args)
        memory = reading.memory
    assert not reading.healthy and reading.failure_type == FailureType.HIGH_ERROR_RATE
    assert "3 times within 10 minutes" in reading.because
    later = Past(utc_now() + timedelta(minutes=11), memory)
    assert PLUGIN.run(PLUGIN.args.model_validate(args), SimpleNamespace(processes=Processes()), later).healthy


def test_a_pid_file_that_cannot_be_read_says_so(tmp_path):
    reading = look(pid_file=str(tmp_path))
    assert not reading.healthy and "cannot be read" in reading.because
    (tmp_path / "odd").write_bytes(b"\xff\x00 no number" * 1000)
    assert not look(pid_file=str(tmp_path / "odd")).healthy
    with pytest.raises(DoorError):
        Processes().find(pid_file=str(tmp_path))


@pytest.mark.parametrize("args", [{}, {"name": "a\0b"}, {"name": "x", "count": 0}, {"pid_file": ""}])
def test_what_names_no_process_is_refused(args):
    with pytest.raises(ValidationError):
        PLUGIN.args.model_validate(args)


def test_odd_memory_stops_nothing(sleeper):
    sleeper("302.75")
    for memory in ({"starts": "x", "known": [None, "y", 1]}, {"known": 7}, {"starts": [True]}):
        assert look(memory, command="sleep 302.75").healthy


def test_a_watched_death_is_told_at_once(sleeper):
    one, told = sleeper(), threading.Event()
    names = []
    Processes().watch("till", [one.pid], lambda name: (names.append(name), told.set()))
    assert not told.wait(0.05)
    one.kill()
    assert told.wait(2) and names == ["till"]


def test_one_that_is_gone_already_is_told_and_one_no_longer_watched_is_not(sleeper):
    first, second, told = sleeper(), sleeper(), []
    door = Processes()
    door.watch("till", [first.pid], told.append)
    door.watch("till", [second.pid], told.append)
    first.kill()
    first.wait()
    time.sleep(0.1)
    assert told == [], "its place was taken"
    door.watch("other", [first.pid], told.append)
    assert told == ["other"]
