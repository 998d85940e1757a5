"""`recovery.checks.process` and the door to this host's processes, with real processes that really die."""

import json
import os
import subprocess
import threading
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from recovery.checks import REGISTRY
from recovery.clock import utc_now
from recovery.model import DoorError, FailureType, FoundProcess, Past
from recovery.outside.bounded import Bounded
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


def found(*roots, workers=()):
    """Doors to processes of these start times, each with so many workers of those start times."""
    listed = [FoundProcess(100 * number, at, "nginx") for number, at in enumerate(roots, 1)]
    listed += [FoundProcess(1_000 + number, at, "nginx", parent=100) for number, at in enumerate(workers)]
    return SimpleNamespace(processes=SimpleNamespace(find=lambda *names: listed))


def see(*sights, every=30, **args):
    """Looks one after the other; the last of them."""
    memory = {}
    for number, doors in enumerate(sights):
        past = Past(utc_now() + timedelta(seconds=number * every), memory)
        reading = PLUGIN.run(PLUGIN.args.model_validate({"name": "nginx", **args}), doors, past)
        memory = json.loads(json.dumps(reading.memory))
    return reading


def test_workers_that_their_server_replaces_are_no_new_start():
    reloads = [found(1000.0, workers=[1001.0 + 10 * turn] * 8) for turn in range(9)]
    last = see(*reloads, restarts=1)
    assert last.healthy and last.memory["starts"] == []


def test_a_restart_of_a_server_with_all_its_workers_is_one_start():
    last = see(found(1000.0, workers=[1001.0] * 8), found(2000.0, workers=[2001.0] * 8), restarts=1)
    assert last.healthy and len(last.memory["starts"]) == 1
    assert see(found(1000.0, 1001.0, 1002.0), found(2000.0, 2001.0, 2002.0), restarts=1).healthy, "started together"
    one_of_them = [found(1000.0, 1001.0 + 10 * turn) for turn in range(4)]
    assert not see(*one_of_them, restarts=2).healthy, "the others go on"


def test_one_that_is_found_gone_each_time_between_its_starts_is_a_loop_all_the_same():
    sights = [doors for turn in range(7) for doors in (found(1000.0 + 20 * turn), found())]
    assert see(*sights[:11], every=10).healthy
    looping = see(*sights[:13], every=10)
    assert looping.failure_type == FailureType.HIGH_ERROR_RATE and "6 times within 10 minutes" in looping.because


def test_as_many_starts_as_may_be_configured_can_be_a_loop():
    starts = [found(1000.0 + turn) for turn in range(53)]
    assert see(*starts[:51], every=5, restarts=50).healthy
    looping = see(*starts, every=5, restarts=50)
    assert not looping.healthy and len(looping.memory["starts"]) == 51


def test_a_reboot_is_a_start_of_which_nothing_is_known():
    assert see(found(90_000.0), found(12.0), found(20.0), restarts=1).healthy


def test_workers_are_known_by_their_parent(sleeper):
    one = sleeper("303.5")
    assert [(it.pid, it.parent) for it in Processes().find(command="sleep 303.5")] == [(one.pid, os.getpid())]


@pytest.mark.parametrize("odd", ["pipe", "/dev/zero"])
def test_a_pid_file_that_is_a_pipe_or_a_device_is_refused_at_once(tmp_path, odd):
    os.mkfifo(tmp_path / "pipe")
    ended, readings = threading.Event(), []

    def work():
        readings.append(look(pid_file=str(tmp_path / odd)))
        ended.set()

    threading.Thread(target=work, daemon=True).start()
    assert ended.wait(3), "it is waited for without end"
    assert not readings[0].healthy and "no regular file" in readings[0].because


def test_a_pid_file_on_a_dead_disk_costs_one_thread_and_is_told(monkeypatch):
    going_on = threading.Event()
    monkeypatch.setattr("recovery.outside.processes._text_of", lambda path: going_on.wait(10) and "1")
    monkeypatch.setattr("recovery.outside.processes.READ_SECONDS", 0.1)
    doors, before = SimpleNamespace(processes=Processes()), threading.active_count()
    said = [look(doors=doors, pid_file="/dead/pid").because for _ in range(3)]
    assert said[0] == "no answer from the PID file /dead/pid within 0.1 s"
    assert said[1:] == ["the PID file /dead/pid still does not answer"] * 2
    assert threading.active_count() == before + 1
    going_on.set()
    assert look(doors=doors, pid_file="/dead/pid").healthy


def test_many_may_ask_for_the_same_at_once():
    bounded, answers = Bounded(), []
    ask = lambda: answers.append(bounded.call("disk", lambda: 7, 5))  # noqa: E731
    threads = [threading.Thread(target=ask) for _ in range(50)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert answers == [7] * 50


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
    for memory in ({"starts": "x", "newest": [1]}, {"newest": "7"}, {"starts": [True, None, "y"]}):
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
