"""The shell door with real processes: what it runs, what it keeps, and that it leaves nothing running."""

import gc
import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc
from pathlib import Path

import psutil
import pytest

from recovery.model import DoorError
from recovery.outside.machine import Machine, living_members
from recovery.outside.shell import Shell, process_start

ROOT = Path(__file__).parents[2]


def until(holds, seconds=5.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.01)
    return False


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def read_pid(path):
    assert until(lambda: path.exists() and path.read_text().strip())
    return int(path.read_text())


def test_a_command_runs_and_tells_its_exit_code_and_output():
    got = Shell().run([sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"])
    assert got.code == 3
    assert sorted(got.output.split()) == ["err", "out"]
    assert not got.timed_out


def test_words_are_not_read_by_a_shell():
    assert Shell().run(["echo", "$HOME; echo more", "*"]).output == "$HOME; echo more *"


def test_a_shell_reads_the_text_where_it_is_asked_for():
    assert Shell().run("echo one && echo two | tr t T", shell=True).output == "one\nTwo"


@pytest.mark.parametrize(
    ("command", "shell"), [("echo hi", False), (["echo"], True), ([], False), ("", True), ([""], False)]
)
def test_a_command_in_the_wrong_form_is_refused(command, shell):
    with pytest.raises(DoorError) as problem:
        Shell().run(command, shell=shell)
    assert problem.value.permanent


def test_a_command_that_cannot_start_says_why(tmp_path):
    plain = tmp_path / "plain.txt"
    plain.write_text("not a program")
    for command, why in [
        (["no-such-program"], "No such file"),
        ([str(plain)], "Permission denied"),
        ([str(tmp_path)], "Permission denied"),
        (["echo", "a\0b"], "null byte"),
    ]:
        with pytest.raises(DoorError, match=why) as problem:
            Shell().run(command)
        assert problem.value.permanent
    with pytest.raises(DoorError, match="cannot start 'echo' in /no/such/place"):
        Shell().run(["echo"], cwd="/no/such/place")


def test_a_file_of_no_known_kind_says_so(tmp_path):
    odd = tmp_path / "odd"
    odd.write_bytes(b"\x00\x01\x02")
    odd.chmod(0o755)
    with pytest.raises(DoorError, match="Exec format error"):
        Shell().run([str(odd)])


def test_the_environment_is_built_and_not_inherited(monkeypatch):
    monkeypatch.setenv("MEDIC_API_TOKEN", "do-not-hand-me-on")
    got = Shell().run(["env"], env={"GIVEN": "yes"})
    names = {line.split("=")[0] for line in got.output.splitlines()}
    assert "do-not-hand-me-on" not in got.output
    assert names == {"PATH", "HOME", "LANG", "GIVEN", "MEDIC_COMMAND_GROUP"}


def test_the_place_to_run_in_is_obeyed(tmp_path):
    assert Shell().run(["pwd"], cwd=str(tmp_path)).output == str(tmp_path)


def test_there_is_nothing_to_read():
    assert Shell().run(["cat"], timeout_seconds=5).code == 0


def test_a_command_gets_none_of_our_files(tmp_path):
    kept = (tmp_path / "file").open("w")
    os.set_inheritable(kept.fileno(), True)
    got = Shell().run("ls /proc/self/fd | wc -l", shell=True)
    kept.close()
    assert int(got.output) <= 4  # its three, and the one that ls reads the folder with


def test_a_command_that_hangs_is_ended_at_its_deadline():
    begin = time.monotonic()
    got = Shell().run(["sleep", "60"], timeout_seconds=0.3)
    assert (got.code, got.timed_out) == (None, True)
    assert time.monotonic() - begin < 1.5


def test_a_command_may_end_in_order_when_it_is_asked_to():
    got = Shell().run("trap 'echo goodbye; exit 0' TERM; echo hello; sleep 60 & wait", shell=True, timeout_seconds=0.5)
    assert got.timed_out
    assert got.output == "hello\ngoodbye"


def test_a_command_that_will_not_end_is_killed_with_its_children(tmp_path):
    child = tmp_path / "child"
    script = f"trap '' TERM; (trap '' TERM; sleep 60) & echo $! > {child}; while true; do sleep 1; done"
    begin = time.monotonic()
    got = Shell().run(script, shell=True, timeout_seconds=0.4)
    assert got.timed_out
    assert 2.0 < time.monotonic() - begin < 4.5
    assert until(lambda: not alive(read_pid(child)), 1)


def test_a_grandchild_that_ignores_the_end_of_its_parent_is_ended_at_the_deadline(tmp_path):
    child = tmp_path / "child"
    Shell().run(f"(trap '' TERM; sleep 60) & echo $! > {child}; sleep 60", shell=True, timeout_seconds=0.4)
    assert until(lambda: not alive(read_pid(child)), 1)


def test_a_child_that_keeps_the_output_open_does_not_hold_us_up(tmp_path):
    child = tmp_path / "child"
    begin = time.monotonic()
    got = Shell().run(f"sleep 60 & echo $! > {child}; echo started", shell=True, timeout_seconds=20)
    assert (got.code, got.output) == (0, "started")
    assert time.monotonic() - begin < 3
    assert alive(read_pid(child))  # a service that the command brought up stays up
    os.kill(read_pid(child), signal.SIGKILL)


def test_a_child_that_goes_on_writing_does_not_hold_us_up(tmp_path):
    child = tmp_path / "child"
    begin = time.monotonic()
    got = Shell().run(f"yes & echo $! > {child}; exit 4", shell=True, timeout_seconds=20)
    assert got.code == 4
    assert time.monotonic() - begin < 3


def test_a_command_that_closes_its_output_is_still_waited_for():
    used = time.process_time()
    got = Shell().run("exec >&- 2>&-; sleep 0.5; exit 5", shell=True, timeout_seconds=10)
    assert got.code == 5
    assert time.process_time() - used < 0.25  # it waits, it does not spin


def test_a_hundred_megabytes_are_cut_to_their_beginning_and_end():
    script = "print('FIRST'); [print('x' * 99) for _ in range(1_000_000)]; print('LAST')"
    tracemalloc.start()
    got = Shell().run([sys.executable, "-c", script], timeout_seconds=60)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert got.code == 0
    assert got.output.startswith("FIRST\n")
    assert got.output.endswith("\nLAST")
    assert "[cut: 999" in got.output
    assert len(got.output) < 17_000
    assert peak < 2_000_000


def test_output_that_is_no_text_is_kept_as_well_as_it_can_be():
    got = Shell().run([sys.executable, "-c", "import os; os.write(1, b'caf\\xff\\x00\\xc3\\xa9')"])
    assert got.output == "caf\ufffd\ufffd\u00e9"


def test_secrets_in_the_output_are_taken_out():
    got = Shell().run(["echo", "connecting to postgres://app:hunter2@db with --password hunter3 and token=abc"])
    assert "hunter" not in got.output
    assert "abc" not in got.output


def test_half_a_secret_beside_the_cut_does_not_stay():
    secret = "S3cretS3cret" * 400
    script = f"print('password=' + {secret!r}, end=''); print('y' * 50_000); print('end')"
    got = Shell().run([sys.executable, "-c", script])
    assert "S3cret" not in got.output
    script = "print('x' * 4_085, 'ghp_' + 'abcdefghij' * 4); print('y' * 50_000)"
    assert "ghp_" not in Shell().run([sys.executable, "-c", script]).output
    body = "\n".join("QUJDREVG" * 8 for _ in range(400))
    script = f"print('-----BEGIN PRIVATE KEY-----'); print({body!r}); print('-----END PRIVATE KEY-----'); print('end')"
    got = Shell().run([sys.executable, "-c", script])
    assert "QUJDREVG" not in got.output
    assert got.output.endswith("end")


def test_the_group_is_on_record_before_the_command_does_anything(tmp_path):
    trace = tmp_path / "trace"
    seen = []

    def note(group, start):
        time.sleep(0.2)
        seen.append((group, start, trace.exists(), os.getpgid(group), process_start(group)))

    Shell().run(f"echo $$ > {trace}", shell=True, started=note)
    group, start, had_run, its_group, its_start = seen[0]
    assert not had_run
    assert int(trace.read_text()) == group == its_group
    assert start == its_start


def test_a_command_does_not_run_where_it_could_not_be_put_on_record(tmp_path):
    trace = tmp_path / "trace"
    noted = []

    def refuse(group, start):
        noted.append(group)
        raise RuntimeError("someone took it over")

    with pytest.raises(RuntimeError):
        Shell().run(["touch", str(trace)], started=refuse)
    assert not trace.exists()
    assert not alive(noted[0])


def test_no_file_and_no_zombie_stays():
    Shell().run(["true"])
    gc.collect()  # what earlier tests left to it is closed now, not in the middle
    before = set(Path("/proc/self/fd").iterdir())
    for _ in range(20):
        Shell().run(["true"])
        with pytest.raises(DoorError):
            Shell().run(["no-such-program"])
        with pytest.raises(DoorError):
            Shell().run(["true"], cwd="/no/such/place")
    assert len(set(Path("/proc/self/fd").iterdir()) - before) < 20, "one that stays open each time is 20"
    assert not [one for one in psutil.Process().children() if one.status() == psutil.STATUS_ZOMBIE]


def test_commands_run_side_by_side():
    done = []

    def go(number):
        done.append(Shell().run(["sh", "-c", f"sleep 0.3; echo {number}"]).output)

    threads = [threading.Thread(target=go, args=(number,)) for number in range(6)]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [str(number) for number in range(6)]
    assert time.monotonic() - begin < 2.5


WORKER = """
from pathlib import Path
from recovery.outside.shell import Shell
note = Path({note!r})
def started(group, start):
    note.with_suffix(".new").write_text(f"{{group}} {{start}}")
    note.with_suffix(".new").rename(note)
    {wait}
Shell().run({command!r}, shell=True, timeout_seconds=60, started=started)
"""


def worker_killed(tmp_path, command, wait="pass", ready=lambda: True):
    """Runs a worker of its own, kills it while its command runs, and tells the group and start that it noted."""
    note = tmp_path / "note"
    code = textwrap.dedent(WORKER).format(note=str(note), command=command, wait=wait)
    worker = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    assert until(lambda: note.exists() and ready(), 10)
    worker.kill()
    worker.wait()
    group, start = note.read_text().split()
    return int(group), float(start)


def test_a_command_dies_with_its_worker(tmp_path):
    begun = tmp_path / "begun"
    group, start = worker_killed(tmp_path, f"touch {begun}; exec sleep 60", ready=begun.exists)
    assert until(lambda: not alive(group))
    assert not living_members(group, start)


def test_a_command_never_begins_where_its_worker_died_before_its_word(tmp_path):
    trace = tmp_path / "trace"
    group, _ = worker_killed(tmp_path, f"touch {trace}", wait="import time; time.sleep(60)")
    assert until(lambda: not alive(group))
    assert not trace.exists()


def test_what_a_dead_command_left_behind_is_found_and_ended(tmp_path):
    child = tmp_path / "child"
    command = f"(trap '' TERM; while true; do sleep 0.2; done) & echo $! > {child}; wait"
    group, start = worker_killed(tmp_path, command, ready=lambda: child.exists() and child.read_text().strip())
    left = read_pid(child)
    assert until(lambda: not alive(group))
    assert alive(left)
    assert living_members(group, start)
    assert not living_members(group, start + 10)
    Machine().end_group(group, start + 10)
    assert alive(left)
    Machine().end_group(group, start)
    assert not alive(left)
    assert not living_members(group, start)


@pytest.fixture
def stranger():
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def test_a_stranger_with_the_same_number_is_left_alone(stranger):
    start = process_start(stranger.pid)
    assert living_members(stranger.pid, start)
    assert not living_members(stranger.pid, start - 5)
    Machine().end_group(stranger.pid, start - 5)
    assert stranger.poll() is None
    Machine().end_group(stranger.pid, start)
    assert stranger.wait(2) == -signal.SIGTERM


def test_a_group_of_strangers_whose_leader_has_ended_is_left_alone(tmp_path):
    child = tmp_path / "child"
    leader = subprocess.Popen(["sh", "-c", f"sleep 60 & echo $! > {child}"], start_new_session=True)
    start = process_start(leader.pid)
    leader.wait()
    left = read_pid(child)
    assert os.getpgid(left) == leader.pid
    Machine().end_group(leader.pid, start)
    assert not living_members(leader.pid, start)
    assert alive(left)
    os.kill(left, signal.SIGKILL)


def test_our_own_group_and_impossible_numbers_are_left_alone():
    for group in (os.getpgrp(), 0, 1, -1, 4_000_000_000):
        assert not living_members(group, process_start(os.getpgrp()) or 0.0)
        Machine().end_group(group, 0.0)


def test_a_command_runs_while_more_than_a_thousand_files_are_open():
    """As where as many checks look at once; a container lets a process open that many by default."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1_500:
        pytest.skip("so many files may not be opened here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1_500), hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1_100)]
    try:
        assert Shell().run(["echo", "here"], timeout_seconds=20).output == "here"
    finally:
        for file in held:
            os.close(file)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
