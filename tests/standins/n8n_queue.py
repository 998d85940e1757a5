"""Queue mode of the stand-in: workers that come and go, what waits for them, and what becomes of a lost one's runs."""

import copy
import threading
from typing import Any

from recovery.clock import utc_now
from tests.standins import n8n_errors as errors
from tests.standins.n8n_runs import Execution


class Queueing:
    """The part of the engine that is about workers. Until they are lost, all runs at once, as in regular mode."""

    executions: dict[str, Execution]
    lock: Any
    start: Any
    tell_error_workflow: Any
    life: threading.Event
    queue: list[Execution] | None = None  # what waits for a worker; None while there is one

    def takes(self, run: Execution) -> bool:
        """Whether it waits in the queue now, because no worker is there."""
        if self.queue is None:
            return False
        run.status = "new"
        self.queue.append(run)
        return True

    def hides(self, run: Execution) -> bool:
        """Whether n8n lists it nowhere."""
        return self.queue is not None and run.status == "new"

    def lose_workers(self) -> None:
        """kill -9 to every worker: what they ran stays as running, and what comes waits."""
        with self.lock:
            self.queue = []
            self.life.set()
            self.life = threading.Event()

    def start_worker(self) -> None:
        """A worker comes: what the lost ones ran is given up, and what waits is run."""
        with self.lock:
            waiting, self.queue = self.queue or [], None
            lost = [run for run in self.executions.values() if run.status == "running"]
        for run in lost:
            self._give_up(run)
        for run in waiting:
            run.status, run.started = "running", utc_now()
            self.start(run)

    def _give_up(self, run: Execution) -> None:
        error = errors.stalled_run()
        run.data = copy.deepcopy(run.data) | {"resultData": {"runData": {}, "error": error}}
        run.data["executionData"] = {**run.data["executionData"], "nodeExecutionStack": []}
        run.status, run.stopped = "error", utc_now()
        self.tell_error_workflow(run, error)
        run.ended.set()
