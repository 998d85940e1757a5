"""`recovery.actions.kill_process` and the door that ends processes, with real processes and trees of them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from recovery.actions import REGISTRY
from recovery.clock import utc_now
from recovery.model import About, Done, Ended, Failed, FoundProcess, NotNeeded
from recovery.outside import ending
from recovery.outside.proc import look_at
from recovery.outside.processes import Processes

PLUGIN = REGISTRY.find("kill_process")
ABOUT = About("orders; reboot", utc_now())
DOORS = SimpleNamespace(processes=Processes())
NAME = Path(sys.executable).name[:15]
# Begins children that sleep, and says so; `how` is what it and they do with TERM.
TREE = """
import os, signal, sys, time
how, depth = sys.argv[1], int(sys.argv[2])
for _ in range(2 if depth else 0):
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-S", "-c", os.environ["TREE"], how, str(depth - 1), *sys.argv[3:]])
if how == "deaf" or (how == "root deaf" and depth == 2):
    signal.signal(signal.SIGTERM, lambda *told: None)
os.write(1, b"up\\n")
until = time.monotonic() + 100
while time.monotonic() < until:
    time.sleep(1)
"""


def run(doors=DOORS, **args):
    return PLUGIN.run(PLUGIN.args.model_validate(args), doors, ABOUT)


def preview(doors=DOORS, **args):
    return PLUGIN.preview(PLUGIN.args.model_validate(args), doors, ABOUT)


@pytest.fixture
def start():
    """Starts a tree of `depth`; its command line ends in a mark of its own."""
    started, marks = [], []

    def begin(mark, how="hears", depth=0):
        command = [sys.executable, "-S", "-c", TREE, how, str(depth), mark]
        one = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "TREE": TREE})
        started.append(one)
        marks.append(mark)
        for _ in range(2 ** (depth + 1) - 1):
            assert one.stdout.readline() == b"up\n"
        return one

    yield begin
    for one in started:
        one.kill()
        one.wait()
        one.stdout.close()
    for pid in [pid for mark in marks for pid in living(mark)]:
        os.kill(pid, signal.SIGKILL)


def living(mark):
    return [one.pid for one in Processes().find(command=f" {mark}")]


def test_a_process_is_ended(start):
    one = start("mark-one")
    assert run(command="0 mark-one") == Done(f"ended process {one.pid} ({NAME})")
    assert one.wait(5) == -signal.SIGTERM


def test_it_is_ended_with_all_that_it_began(start):
    one = start("mark-tree", depth=2)
    assert len(living("mark-tree")) == 7
    answer = run(command="2 mark-tree")
    assert answer == Done(f"ended process {one.pid} ({NAME}) and 6 that it began")
    assert living("mark-tree") == []


@pytest.mark.parametrize(("how", "killed"), [("deaf", 7), ("root deaf", 1)])
def test_what_does_not_listen_is_killed_after_the_grace(start, how, killed):
    one = start("mark-deaf", how, depth=2)
    begin = time.monotonic()
    answer = run(command="2 mark-deaf", grace="600ms")
    took = time.monotonic() - begin
    assert answer == Done(f"ended process {one.pid} ({NAME}) and 6 that it began; {killed} had to be killed")
    assert 0.6 <= took < 5 and living("mark-deaf") == []
    assert one.wait(5) == -signal.SIGKILL


def test_what_is_begun_while_it_is_waited_for_is_ended_too():
    script = (
        "import os,signal,sys,time\n"
        "def again(*more):\n"
        "    if os.fork() == 0:\n"
        "        os.execvp('sleep', ['sleep', '299.75'])\n"
        "signal.signal(signal.SIGTERM, again)\n"
        "print('up', flush=True)\n"
        "while True: time.sleep(1)\n"
    )
    one = subprocess.Popen([sys.executable, "-c", script, "mark-again"], stdout=subprocess.PIPE)
    assert one.stdout.readline() == b"up\n"
    answer = run(command="mark-again", grace="500ms")
    left = [begun.pid for begun in Processes().find(command="sleep 299.75")]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert isinstance(answer, Done) and answer.detail.endswith("2 had to be killed")
    assert left == []
    one.wait(5)
    one.stdout.close()


def test_one_that_begins_others_without_pause_leaves_none_behind():
    script = (
        "import os,signal,time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "os.write(1, b'up\\n')\n"
        "for turn in range(400):\n"
        "    if os.fork() == 0: break\n"
        "    time.sleep(0.002)\n"
        "time.sleep(20)\n"
    )
    one = subprocess.Popen([sys.executable, "-S", "-c", script, "mark-many"], stdout=subprocess.PIPE)
    assert one.stdout.readline() == b"up\n"
    answer = run(command=" mark-many", grace="150ms")
    assert isinstance(answer, Done) and Processes().find(command=" mark-many") == []
    assert one.wait(5) == -signal.SIGKILL
    one.stdout.close()


def test_one_that_has_ended_needs_nothing(start):
    one = start("mark-gone")
    one.kill()  # a zombie: its parent has not taken its exit code yet
    until = time.monotonic() + 5
    while living("mark-gone") and time.monotonic() < until:
        time.sleep(0.01)
    assert run(command="mark-gone") == NotNeeded("the process 'mark-gone' is gone already")
    assert preview(command="mark-gone") == "do nothing: the process 'mark-gone' is gone already"
    assert run(name="no-such-program") == NotNeeded("no-such-program is gone already")


def test_by_name_and_by_pid_file(start, tmp_path):
    (tmp_path / "report-maker").symlink_to("/bin/sleep")
    named = subprocess.Popen([tmp_path / "report-maker", "300"])
    other = start("mark-file")
    file = tmp_path / "pid"
    file.write_text(f"{other.pid}\n")
    assert run(name="report-maker", pid_file=str(file)) == NotNeeded("report-maker is gone already"), "a stranger"
    assert isinstance(run(name="report-maker"), Done)
    assert named.wait(5) == -signal.SIGTERM
    assert other.poll() is None
    assert isinstance(run(command="mark-file", pid_file=str(file)), Done)
    assert other.wait(5) == -signal.SIGTERM


def test_where_more_fit_than_may_be_ended_none_is(start):
    pair = [start("mark-pair"), start("mark-pair")]
    answer = run(command="0 mark-pair")
    assert isinstance(answer, Failed) and answer.permanent
    assert answer.why.startswith("2 processes are the process '0 mark-pair' (process ")
    assert "at most 1 may be ended" in answer.why
    assert preview(command="0 mark-pair") == f"fail: {answer.why}"
    assert [one.poll() for one in pair] == [None, None]
    assert isinstance(run(command="0 mark-pair", at_most=2), Done)
    assert [one.wait(5) for one in pair] == [-signal.SIGTERM] * 2


def test_a_dry_run_tells_which_and_ends_none(start):
    one = start("mark-dry", depth=1)
    assert preview(command="1 mark-dry", grace="90s") == (
        f"end process {one.pid} ({NAME}) and 2 that it began: TERM, and after 90s KILL for what lives on"
    )
    assert len(living("mark-dry")) == 3


def test_a_number_that_another_process_has_got_is_never_touched(start):
    one = start("mark-other")
    mine = look_at(one.pid)
    stranger = FoundProcess(mine.pid, mine.started - 100, mine.name, mine.parent)
    assert Processes().trees([stranger]) == []
    assert Processes().end([stranger], 0.1) == Ended()
    assert ending._send(stranger, signal.SIGKILL)
    with pytest.raises(subprocess.TimeoutExpired):
        one.wait(0.5)


def test_one_whose_number_changes_hands_while_it_is_waited_for_is_gone(start, monkeypatch):
    one = start("mark-hands", "deaf")
    mine, real = look_at(one.pid), ending.look_at
    changed = FoundProcess(mine.pid, mine.started + 100, mine.name, mine.parent)
    sent = []

    def look(pid, *words):
        return changed if pid == one.pid and sent else real(pid, *words)

    monkeypatch.setattr(ending, "look_at", look)
    send = ending._send
    monkeypatch.setattr(ending, "_send", lambda process, number: (sent.append(number), send(process, number))[1])
    ended = Processes().end([mine], 0.3)
    assert [process.pid for process in ended.gone] == [one.pid]
    assert sent == [signal.SIGTERM] and one.poll() is None


def ancestors():
    pid, found = os.getpid(), []
    while pid > 0 and (one := look_at(pid)):
        found.append(one)
        pid = one.parent
    return found


def test_we_ourselves_our_parents_and_the_first_process_are_never_touched(monkeypatch):
    family = ancestors()
    assert family[0].pid == os.getpid() and len(family) > 2
    monkeypatch.setattr(signal, "pidfd_send_signal", lambda *more: pytest.fail("it would have been signalled"))
    monkeypatch.setattr(os, "kill", lambda *more: pytest.fail("it would have been signalled"))
    first = look_at(1)
    for one in [*family, *filter(None, [first])]:
        assert Processes().trees([one]) == []
        assert Processes().end([one], 0.1) == Ended()
        assert ending._send(one, signal.SIGKILL)
        doors = SimpleNamespace(processes=SimpleNamespace(find=lambda *words, it=one: [it], trees=Processes().trees))
        why = "it is n8n-medic itself, or what it runs under"
        assert run(doors, name="it") == Failed(why, permanent=True)
        assert preview(doors, name="it") == f"fail: {why}"


def test_what_may_not_be_ended_is_a_permanent_failure(start, monkeypatch):
    one = start("mark-root", depth=1)

    def refuse(file, number):
        raise PermissionError

    monkeypatch.setattr(signal, "pidfd_send_signal", refuse)
    begin = time.monotonic()
    answer = run(command="1 mark-root", grace="30s")
    assert answer.permanent and answer.why.startswith(f"n8n-medic's user may not end process {one.pid} (")
    assert time.monotonic() - begin < 5, "nobody is waited for that was not asked"


def test_what_waits_in_the_kernel_is_a_failure_that_may_pass(start, monkeypatch):
    one = start("mark-kernel")
    monkeypatch.setattr(signal, "pidfd_send_signal", lambda file, number: None)
    monkeypatch.setattr(ending, "KILLED_SECONDS", 0.1)
    answer = run(command="0 mark-kernel", grace="100ms")
    assert not answer.permanent
    assert answer.why.startswith(f"process {one.pid} (") and "lives on after KILL" in answer.why


def test_a_kernel_without_pidfds_will_do(start, monkeypatch):
    def missing(pid, flags=0):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", missing)
    one = start("mark-old", "deaf")
    assert isinstance(run(command="0 mark-old", grace="100ms"), Done)
    assert one.wait(5) == -signal.SIGKILL


def test_a_second_run_after_half_a_one_ends_the_rest(start):
    one = start("mark-half", "deaf", depth=1)
    one.kill()  # the first run had killed the first of them, when its worker was killed
    one.wait()
    assert len(living("mark-half")) == 2
    answer = run(command="0 mark-half", at_most=2, grace="100ms")
    assert isinstance(answer, Done) and living("mark-half") == []


def test_a_pid_file_that_cannot_be_read_is_a_failure(tmp_path):
    answer = run(name="sleep", pid_file=str(tmp_path))
    assert isinstance(answer, Failed) and "no regular file" in answer.why


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"pid_file": "/run/x.pid"},
        {"name": " "},
        {"command": "\t"},
        {"name": "a\0b"},
        {"name": "a", "pid_file": "/run/\0"},
        {"name": "n" * 300},
        {"name": ["sleep"]},
        {"name": "a", "grace": "-1s"},
        {"name": "a", "grace": "11m"},
        {"name": "a", "at_most": 0},
        {"name": "a", "at_most": "5"},
        {"name": "a", "signal": 9},
    ],
)
def test_what_names_no_process_is_refused(args):
    with pytest.raises(ValidationError):
        PLUGIN.args.model_validate(args)
