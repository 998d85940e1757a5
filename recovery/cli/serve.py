"""Keeps the web and the worker running: starts them, starts them again when they die, stops them all."""

import ctypes
import errno
import logging
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from recovery.config.types import split_bind

log = logging.getLogger("medic.serve")

STOPPING = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
WATCHED = STOPPING | {signal.SIGCHLD}
PR_SET_PDEATHSIG = 1
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 60.0
STOP_SECONDS = 20.0
BACKLOG = 2048


class CannotListen(Exception):
    """The address cannot be listened on; the message says why and what to do."""


def listen(bind: str) -> socket.socket:
    """A listening socket, which the web processes inherit: no caller is refused while they are started again.

    Raises:
        CannotListen: the port is taken, or the address is not this machine's.
    """
    host, port = split_bind(bind)
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, kind)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(BACKLOG)
    except OSError as error:
        raise CannotListen(_why_not(bind, port, error)) from None
    return found


def _why_not(bind: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} is taken: another program listens on {bind} (maybe n8n-medic itself, started earlier).\n"
            "Stop it, or choose another port with MEDIC_BIND=127.0.0.1:<port>."
        )
    if error.errno == errno.EACCES:
        return f"Listening on {bind} is not allowed: ports below 1024 belong to root. Choose another with MEDIC_BIND."
    return f"Cannot listen on {bind}: {error.strerror}. Correct bind (or MEDIC_BIND) to an address of this machine."


@dataclass
class Service:
    """One process that is kept running.

    Fields:
        name: how it is called in the log.
        command: program and arguments.
        keeps: file descriptors that it inherits.
    """

    name: str
    command: Sequence[str]
    keeps: tuple[int, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    due_at: float = 0.0
    deaths: int = 0

    def start(self, now: float) -> int:
        """Start it in a process group of its own, which dies with this process; its process id."""
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            pass_fds=self.keeps,
            process_group=0,
            preexec_fn=_make_child_setup(os.getpid()),  # noqa: PLW1509 - this process has one thread
        )
        self.started_at = now
        return self.process.pid

    def has_ended(self) -> bool:
        """Whether it runs no more. It is not reaped yet, so that its group's number cannot be taken by another."""
        if self.process is None:
            return False
        return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def tell(self, number: signal.Signals) -> None:
        """Send a signal to the process itself."""
        if self.process is not None:
            self.process.send_signal(number)

    def clear(self) -> int:
        """End what is left of its group, and give its exit code."""
        if self.process is None:
            return 0
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):  # nobody left
            pass
        code = self.process.wait()
        self.process = None
        return code

    def plan_restart(self, now: float) -> float:
        """Set when to start it again; the pause in seconds: 1, 2, 4 ... 30, and 1 again once it ran steadily."""
        self.deaths = 1 if now - self.started_at >= STEADY_SECONDS else self.deaths + 1
        pause = min(2.0 ** (self.deaths - 1), LONGEST_PAUSE_SECONDS)
        self.due_at = now + pause
        return pause


def _make_child_setup(parent: int) -> Callable[[], None]:
    libc = ctypes.CDLL(None, use_errno=True)

    def set_up() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before we asked to follow it
            os._exit(1)

    return set_up


def describe_end(code: int) -> str:
    """How a process ended, in words."""
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


@dataclass
class Supervisor:
    """Runs services until it is told to stop by SIGINT, SIGTERM or SIGHUP; a second signal ends them at once.

    To be run in the main thread of a process that has no other children to wait for.
    """

    services: Sequence[Service]
    stop_seconds: float = STOP_SECONDS
    tell: Callable[[int, str], None] = log.log

    def run(self) -> int:
        """Start everything, keep it running, stop it when told; the exit code."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
        try:
            self._keep_running()
            return self._stop()
        finally:
            for service in self.services:
                service.clear()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _keep_running(self) -> None:
        while True:
            now = time.monotonic()
            for service in self.services:
                self._look_after(service, now)
            found = signal.sigtimedwait(WATCHED, self._pause(now))
            if found is not None and found.si_signo in STOPPING:
                self.tell(logging.INFO, f"stopping, because of {signal.Signals(found.si_signo).name}")
                return

    def _look_after(self, service: Service, now: float) -> None:
        if service.has_ended():
            end, pause = describe_end(service.clear()), service.plan_restart(now)
            self.tell(logging.WARNING, f"{service.name} {end}; starting it again in {pause:g} s")
        if service.process is None and service.due_at <= now:
            pid = service.start(now)
            again = " again" if service.deaths else ""
            self.tell(logging.INFO, f"{service.name} started{again} (process {pid})")

    def _pause(self, now: float) -> float:
        waiting = [service.due_at - now for service in self.services if service.process is None]
        return max(0.0, min([*waiting, LONGEST_PAUSE_SECONDS]))

    def _stop(self) -> int:
        for service in self.services:
            service.tell(signal.SIGTERM)
        deadline = time.monotonic() + self.stop_seconds
        while any(service.process and not service.has_ended() for service in self.services):
            left = deadline - time.monotonic()
            found = signal.sigtimedwait(WATCHED, max(0.0, left))
            if left <= 0 or (found is not None and found.si_signo in STOPPING):
                self.tell(logging.WARNING, "not everything stopped in time; ending the rest")
                break
        for service in self.services:
            service.clear()
        self.tell(logging.INFO, "everything stopped")
        return 0
