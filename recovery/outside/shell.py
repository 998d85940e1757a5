"""Commands on this machine: in a process group of their own, ended with all of it at their deadline."""

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from recovery.model import DoorError, ShellResult
from recovery.outside.kept import Kept
from recovery.outside.ready import wait_for
from recovery.redact import redact_text

__all__ = ["MARK_VARIABLE", "Shell", "process_start"]

GRACE_SECONDS = 2.0
LAST_WORDS_BYTES = 1_048_576
MARK_VARIABLE = "MEDIC_COMMAND_GROUP"
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Waits in the new process until its group is on record, then becomes the command. A process of its own, because
# nothing but exec is safe after a fork in a program with threads. prctl 1 is PR_SET_PDEATHSIG: the kernel kills the
# command when the worker dies. The mark tells what it leaves behind from a stranger that got the same numbers.
_HELPER = """
import ctypes, os, sys
go, status, parent = map(int, sys.argv[1:4])
ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)
start = open("/proc/self/stat").read().rpartition(")")[2].split()[19]
os.environ["{mark}"] = str(os.getpid()) + "." + start
if os.getppid() != parent or os.read(go, 1) != b"g":
    os._exit(125)
os.close(go)
os.set_inheritable(status, False)
try:
    os.execvp(sys.argv[4], sys.argv[4:])
except OSError as error:
    os.write(status, str(error.errno).encode())
os._exit(127)
""".replace("{mark}", MARK_VARIABLE)


def process_start(pid: int) -> float | None:
    """When a process began, in seconds since boot; None where there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")


class Shell:
    """Commands as a `ShellDoor` runs them.

    The environment is built, not inherited: PATH, HOME and LANG of this process, and what is given. What a command
    that ended by itself leaves running in the background stays; at the deadline the whole process group is ended.
    """

    def run(
        self,
        command: list[str] | str,
        *,
        shell: bool = False,
        timeout_seconds: float = 60.0,
        env: dict[str, str] | None = None,
        cwd: str | None = None,
        started: Callable[[int, float], None] | None = None,
    ) -> ShellResult:
        """Run to its end or to its deadline. See `ShellDoor.run`; the output is merged, cut to 16 KiB and redacted."""
        deadline = time.monotonic() + timeout_seconds
        argv = _argv(command, shell)
        running = _Running(argv, _environment(env or {}), cwd)
        try:
            if started:
                started(running.pid, running.start)
            running.let_go(argv[0], deadline)
            return running.follow(deadline)
        finally:
            running.close()


def _argv(command: list[str] | str, shell: bool) -> list[str]:
    if shell and isinstance(command, str) and command.strip():
        return ["/bin/sh", "-c", command]
    if not shell and isinstance(command, list) and command and command[0]:
        return command
    raise DoorError("a command is a list of words, or one text with shell: true", "client", permanent=True)


def _environment(given: dict[str, str]) -> dict[str, str]:
    mine = {"PATH": DEFAULT_PATH, "HOME": "/", "LANG": "C.UTF-8"}
    return {name: os.environ.get(name, default) for name, default in mine.items()} | given


class _Running:
    """One command, from the helper that waits for our word to the end of its group."""

    def __init__(self, argv: list[str], env: dict[str, str], cwd: str | None):
        go, self._go = os.pipe()
        self._status, status = os.pipe()
        self._output, output = os.pipe()
        helper = [sys.executable, "-I", "-S", "-c", _HELPER, str(go), str(status), str(os.getpid())]
        try:
            self._process = subprocess.Popen(
                helper + argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=env,
                cwd=cwd,
                pass_fds=(go, status),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            self._close_pipes()
            raise _cannot_start(argv[0], getattr(error, "strerror", "") or str(error), cwd) from None
        finally:
            for end in (go, status, output):
                os.close(end)
        self.pid = self._process.pid
        self.start = process_start(self.pid) or 0.0
        self._exit = _exit_file(self.pid)
        self._kept = Kept()
        os.set_blocking(self._output, False)

    def let_go(self, name: str, deadline: float) -> None:
        """Let the helper become the command.

        Raises:
            DoorError: it could not; the words say why.
        """
        os.write(self._go, b"g")
        if not wait_for([self._status], deadline - time.monotonic()):
            return
        problem = os.read(self._status, 32)
        if problem:
            raise _cannot_start(name, os.strerror(int(problem)), None)

    def follow(self, deadline: float) -> ShellResult:
        """Read until the command has ended, or end it at its deadline."""
        self._read_until(deadline)
        timed_out = not self._has_ended()
        if timed_out:
            self._end_group()
        else:
            self._read_rest()
        code = self._process.wait()
        return ShellResult(None if timed_out else code, self._kept.text(), timed_out)

    def _read_until(self, deadline: float) -> None:
        """Until the command ends. Its output may end before it, or stay open after it in what it started."""
        watched, pause = ([self._output, self._exit], math.inf) if self._exit else ([self._output], 0.05)
        while not self._has_ended() and (left := deadline - time.monotonic()) > 0:
            ready = wait_for(watched, min(left, pause))
            if self._output in ready and not self._read_once():
                watched.remove(self._output)

    def _read_once(self) -> bool:
        try:
            piece = os.read(self._output, 65_536)
        except BlockingIOError:
            return False
        self._kept.add(piece)
        return bool(piece)

    def _read_rest(self) -> None:
        for _ in range(LAST_WORDS_BYTES // 65_536):
            if not self._read_once():
                return

    def _has_ended(self) -> bool:
        """Without taking its exit code, so that its number and its group's stay its own until we are done."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _end_group(self) -> None:
        os.killpg(self.pid, signal.SIGTERM)
        self._read_until(time.monotonic() + GRACE_SECONDS)
        os.killpg(self.pid, signal.SIGKILL)
        self._read_rest()

    def close(self) -> None:
        """Leave nothing behind, whatever went wrong."""
        if self._process.returncode is None:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()
        self._close_pipes()
        if self._exit:
            os.close(self._exit)

    def _close_pipes(self) -> None:
        for end in (self._go, self._status, self._output):
            os.close(end)


def _exit_file(pid: int) -> int:
    """A file that becomes readable when the process ends; 0 on a kernel that has none, where we look ever so often."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return 0


def _cannot_start(name: str, why: str, cwd: str | None) -> DoorError:
    place = f" in {cwd}" if cwd else ""
    return DoorError(redact_text(f"cannot start {name!r}{place}: {why}"), "client", permanent=True)
