"""Starts n8n-medic's worker or web part with a trap: at one chosen call its process is killed, or frozen.

    python -m tests.crash.trapped worker --before recovery.store.executions:start_chain
    python -m tests.crash.trapped web --after recovery.store.ingest_engines:SqliteEngine.write --listen 127.0.0.1:8808

Everything else is the product's own code, started by its own command.
"""

import argparse
import functools
import importlib
import itertools
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["worker", "web"])
    parser.add_argument("--before", default="", help="module:function, the trap springs before it runs")
    parser.add_argument("--after", default="", help="the same, after it has run")
    parser.add_argument("--nth", type=int, default=1, help="at which of its calls")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between reaching the call and the trap")
    parser.add_argument("--freeze", action="store_true", help="SIGSTOP instead of SIGKILL")
    parser.add_argument("--lease", type=float, default=0.0, help="seconds that a claim is held for")
    parser.add_argument("--listen", default="", help="where the web part listens")
    given = parser.parse_args()
    hurry(given.lease)
    for place, first in ((given.before, True), (given.after, False)):
        if place:
            set_trap(place, first, given.nth, given.pause, signal.SIGSTOP if given.freeze else signal.SIGKILL)
    run_worker() if given.what == "worker" else run_web(given.listen)


def hurry(lease: float) -> None:
    """Waits that are long enough for a busy n8n are too long for a test."""
    from recovery.worker import context, recording, replaying, retrying, upkeep

    for module in (replaying, retrying, recording):
        module.SOON = timedelta(seconds=0.3)  # type: ignore[attr-defined]
    replaying.SECOND_LOOK = retrying.SECOND_LOOK = timedelta(seconds=1)  # type: ignore[attr-defined]
    if lease:
        context.LEASE = upkeep.LEASE = timedelta(seconds=lease)
        upkeep.RENEW_SECONDS = lease / 3


def set_trap(place: str, first: bool, nth: int, pause: float, number: signal.Signals) -> None:
    """Replace a function by one that ends (or freezes) this process at its nth call."""
    module, _, path = place.partition(":")
    *owners, name = path.split(".")
    owner: Any = functools.reduce(getattr, owners, importlib.import_module(module))
    original = getattr(owner, name)
    calls = itertools.count(1)

    def spring() -> None:
        time.sleep(pause)
        print(f"the trap at {place} springs", file=sys.stderr, flush=True)
        os.kill(os.getpid(), number)

    @functools.wraps(original)
    def trapped(*args: Any, **more: Any) -> Any:
        mine = next(calls) == nth
        if mine and first:
            spring()
        answer = original(*args, **more)
        if mine and not first:
            spring()
        return answer

    setattr(owner, name, trapped)


def run_worker() -> None:
    from recovery.cli import main as medic

    medic(["worker"])


def run_web(listen: str) -> None:
    from gunicorn.app.wsgiapp import run

    sys.argv = ["gunicorn", "-c", "python:recovery.cli.gunicorn_settings", "--workers", "1", "--bind", listen]
    run_gunicorn: Callable[[], None] = run
    sys.argv.append("webhook_server.wsgi:app")
    run_gunicorn()


if __name__ == "__main__":
    main()
