"""When the worker ticks: at a wake-up (a signal was stored, an order was given, a thread is free), else when the next
stored time has come. Nothing sleeps.
"""

import logging
import os
import time

import schedule

from recovery.clock import utc_now
from recovery.outside.ready import wait_for
from recovery.store import database, due
from recovery.store.wake import WakeListener
from recovery.worker.context import Context
from recovery.worker.housekeeping import run_due
from recovery.worker.loop import tick

log = logging.getLogger("medic.worker")
LONGEST_WAIT = 1.0
SHORTEST_PAUSE, LONGEST_PAUSE = 0.002, 0.02
STORM, STORM_PAUSE = 20, 0.2


class Loop:
    """Ticks when something is due, or when it is woken."""

    def __init__(self) -> None:
        self._listener = WakeListener()
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._waker, False)
        self._over = False

    def wake(self) -> None:
        """Have another tick soon; safe from any thread and from a signal handler."""
        try:
            os.write(self._waker, b"w")
        except BlockingIOError:  # full of wake-ups already
            pass

    def stop(self) -> None:
        """End after the present tick."""
        self._over = True
        self.wake()

    def run(self, ctx: Context, periodic: schedule.Scheduler) -> None:
        """Tick until stopped. A tick that fails is logged and tried again: its transaction left nothing behind."""
        periodic.run_all()
        while not self._over:
            began = time.monotonic()
            wait = self._tick(ctx)
            try:
                run_due(periodic)
            except Exception:
                log.exception("periodic work could not begin; it is tried again when it is next due")
            self._wait(wait, self._pause(ctx, time.monotonic() - began))

    def _tick(self, ctx: Context) -> float:
        """One tick; how long the loop may wait for the next: what failed is not tried again without a pause."""
        try:
            return self._seconds_to_next(ctx) if tick(ctx, utc_now()) else LONGEST_WAIT
        except Exception as problem:
            log.exception("a tick failed; the next one carries on")
            database.close_broken(problem)
            return LONGEST_WAIT

    def _seconds_to_next(self, ctx: Context) -> float:
        # What finds no free thread is looked at again when one is freed.
        busy = ctx.full() | ctx.connectivity.leaves()
        times = [at for word, at in due.read_agenda().items() if word not in busy]
        if not times:
            return LONGEST_WAIT
        return min(max((min(times) - utc_now()).total_seconds(), 0.02), LONGEST_WAIT)

    @staticmethod
    def _pause(ctx: Context, took: float) -> float:
        """In a storm the next tick takes many signals at once, and leaves time to those who take them in."""
        storm, ctx.taken = ctx.taken >= STORM, 0
        return STORM_PAUSE if storm else min(max(2 * took, SHORTEST_PAUSE), LONGEST_PAUSE)

    def _wait(self, seconds: float, pause: float) -> None:
        """Until something is due, or somebody wakes us; new signals wake us only after the pause."""
        if not wait_for([self._woken], min(pause, seconds)):
            self._wait_for_signals(max(0.0, seconds - pause))
        else:
            os.read(self._woken, 65_536)

    def _wait_for_signals(self, seconds: float) -> None:
        told = self._listener.files()
        ready = wait_for([*told, self._woken], seconds)
        if any(file in ready for file in told):
            self._listener.drain()
        if self._woken in ready:
            os.read(self._woken, 65_536)
