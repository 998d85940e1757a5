"""The supervisor keeps small commands running, and leaves none behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from recovery.cli.serve import CannotListen, Service, describe_end, listen

RUN = """
import logging, sys
from recovery.cli.serve import Service, Supervisor
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
services = [Service(f"service {n}", ["/bin/sh", "-c", command]) for n, command in enumerate(sys.argv[2:])]
sys.exit(Supervisor(services, stop_seconds=float(sys.argv[1])).run())
"""


class Running:
    """A supervisor in a process of its own, and what it says."""

    def __init__(self, out: Path, commands: list[str], stop_seconds: float):
        self.out = out
        with out.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-u", "-c", RUN, str(stop_seconds), *commands], stdout=file, stderr=file
            )

    def said(self) -> str:
        return self.out.read_text()


def wait_for(found: Callable[[], object], seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def numbers_in(path: Path) -> list[int]:
    return [int(text) for text in path.read_text().split()] if path.exists() else []


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    made: list[Running] = []

    def begin(*commands: str, stop_seconds: float = 5.0) -> Running:
        made.append(Running(tmp_path / f"said-{len(made)}", list(commands), stop_seconds))
        return made[-1]

    yield begin
    for running in made:
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait()


def test_a_killed_service_is_started_again_and_said(tmp_path: Path, start: Callable[..., Running]) -> None:
    pids = tmp_path / "pids"
    running = start(f"echo $$ >> {pids}; exec sleep 60")
    wait_for(lambda: len(numbers_in(pids)) == 1)
    os.kill(numbers_in(pids)[0], signal.SIGKILL)
    wait_for(lambda: len(numbers_in(pids)) == 2)
    assert "service 0 was killed by SIGKILL; starting it again in 1 s" in running.said()
    assert psutil.pid_exists(numbers_in(pids)[1])


def test_a_service_that_keeps_dying_is_started_after_longer_and_longer_pauses() -> None:
    service = Service("web", ["false"])
    assert [service.plan_restart(now=5.0) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]


def test_a_service_that_ran_steadily_is_started_after_a_second_again() -> None:
    service = Service("web", ["false"], deaths=6, started_at=0.0)
    assert service.plan_restart(now=61.0) == 1
    assert service.due_at == 62.0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_signal_ends_every_process_and_what_they_started(
    tmp_path: Path, start: Callable[..., Running], number: signal.Signals
) -> None:
    pids = tmp_path / "pids"
    running = start(*[f"sleep 60 & echo $! $$ >> {pids}; wait"] * 2)
    wait_for(lambda: len(numbers_in(pids)) == 4)
    running.process.send_signal(number)
    assert running.process.wait(timeout=10) == 0
    assert all(gone(pid) for pid in numbers_in(pids))
    assert f"stopping, because of {number.name}" in running.said()


def test_a_service_is_asked_to_stop_and_given_the_time_for_it(tmp_path: Path, start: Callable[..., Running]) -> None:
    pids, tidied = tmp_path / "pids", tmp_path / "tidied"
    running = start(f"trap 'sleep 0.3; echo done > {tidied}; exit' TERM; echo $$ > {pids}; while :; do sleep 0.1; done")
    wait_for(lambda: numbers_in(pids))
    running.process.terminate()
    assert running.process.wait(timeout=10) == 0
    assert tidied.read_text() == "done\n"
    assert "not everything stopped in time" not in running.said()


def test_a_service_that_ignores_sigterm_is_ended_at_the_deadline(tmp_path: Path, start: Callable[..., Running]) -> None:
    pids = tmp_path / "pids"
    running = start(f"trap '' TERM; echo $$ >> {pids}; while :; do sleep 0.1; done", stop_seconds=0.5)
    wait_for(lambda: numbers_in(pids))
    began = time.monotonic()
    running.process.terminate()
    assert running.process.wait(timeout=10) == 0
    assert time.monotonic() - began >= 0.5
    assert all(gone(pid) for pid in numbers_in(pids))
    assert "not everything stopped in time" in running.said()


def test_a_second_signal_does_not_wait_for_the_deadline(tmp_path: Path, start: Callable[..., Running]) -> None:
    pids = tmp_path / "pids"
    running = start(f"trap '' TERM; echo $$ >> {pids}; while :; do sleep 0.1; done", stop_seconds=60.0)
    wait_for(lambda: numbers_in(pids))
    running.process.send_signal(signal.SIGINT)
    wait_for(lambda: "stopping" in running.said())
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(timeout=10) == 0
    assert all(gone(pid) for pid in numbers_in(pids))


def test_services_die_with_a_supervisor_that_is_killed(tmp_path: Path, start: Callable[..., Running]) -> None:
    pids = tmp_path / "pids"
    running = start(f"echo $$ >> {pids}; exec sleep 60", f"echo $$ >> {pids}; exec sleep 60")
    wait_for(lambda: len(numbers_in(pids)) == 2)
    running.process.kill()
    running.process.wait()
    wait_for(lambda: all(gone(pid) for pid in numbers_in(pids)), 5)


def test_what_a_dead_service_left_running_is_ended_before_it_is_started_again(
    tmp_path: Path, start: Callable[..., Running]
) -> None:
    pids, left = tmp_path / "pids", tmp_path / "left"
    start(f"sleep 60 & echo $! >> {left}; echo $$ >> {pids}; wait")
    wait_for(lambda: numbers_in(pids))
    os.kill(numbers_in(pids)[0], signal.SIGKILL)
    wait_for(lambda: len(numbers_in(pids)) == 2)
    assert gone(numbers_in(left)[0])


def test_a_taken_port_is_said_plainly() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(CannotListen, match=rf"(?s)Port {port} is taken.*MEDIC_BIND"):
            listen(f"127.0.0.1:{port}")


def test_an_address_of_another_machine_is_said_plainly() -> None:
    with pytest.raises(CannotListen, match="Correct bind"):
        listen("192.0.2.1:8808")


def test_a_listening_socket_takes_connections_before_any_service_runs() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with listen(f"127.0.0.1:{port}"), socket.create_connection(("127.0.0.1", port), timeout=2) as caller:
        assert caller.getpeername()[1] == port


def test_the_end_of_a_process_is_told_in_words() -> None:
    assert describe_end(3) == "ended with exit code 3"
    assert describe_end(-9) == "was killed by SIGKILL"
