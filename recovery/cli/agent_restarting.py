"""The agent's other half: asks n8n-medic what to restart here, does what its own file allows, and tells what came."""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from recovery.cli.agent_asking import Asking, Refused, Request
from recovery.cli.agent_journal import Journal
from recovery.cli.agent_restarts import Restartable
from recovery.cli.agent_telling import NotTaken
from recovery.model import DoorError, Doors

log = logging.getLogger("medic.agent")
ASK_EVERY = 3.0
LONGEST_PAUSE, PERMANENT_PAUSE = 10.0, 60.0  # soon enough not to be taken for silent
SPARE_SECONDS = 5.0  # for the answer's way back
MOST_OUTPUT = 8_000


class Restarting:
    """Asks, restarts and tells, in a thread of its own: one thing at a time, and each request once."""

    def __init__(
        self,
        restarts: Mapping[str, Restartable],
        asking: Asking,
        journal: Journal,
        doors: Doors,
        wait: Callable[[float], object] | None = None,
    ):
        self._restarts, self._asking, self._journal, self._doors = restarts, asking, journal, doors
        self._wait = wait or threading.Event().wait
        self._failures, self._said = 0, ""
        self._busy = self._over = False

    def start(self) -> None:
        """Begin, without end."""
        threading.Thread(target=self._run, name="restarting", daemon=True).start()

    def leave(self, *_: object) -> None:
        """End the process: at once, or, where something is being restarted, after that. Asked again, at once."""
        if not self._busy or self._over:
            os._exit(0)
        self._over = True

    def _run(self) -> None:
        while True:
            try:
                pause = self.turn()
            except Exception:
                log.exception("asking what to restart failed; it is asked again")
                pause = LONGEST_PAUSE
            if self._over:
                os._exit(0)
            self._wait(pause)

    def settle_past(self) -> None:
        """What was begun and did not end, by an agent before this one, say: nobody knows whether it happened."""
        entry = self._journal.entry
        if entry.request_id is None or entry.answer is not None:
            return
        if entry.process:
            self._doors.machine.end_group(*entry.process)
        log.warning("request %s was begun and did not end: it is not begun again", entry.request_id)
        told = "the agent was ended in the middle; what it had begun was ended when it was started again"
        self._journal.end(entry.request_id, {"how": "unknown", "output": told})

    def turn(self) -> float:
        """Tell what is still to be told, else ask, and do it; seconds to the next turn."""
        try:
            self.settle_past()
            self._tell()
            asked_at = time.monotonic()
            request = self._asking.take(self._journal.entry.mark, list(self._restarts))
            if request:
                self._busy = True
                self._carry_out(request, asked_at)
                self._tell()
        except NotTaken as problem:
            return self._pause(problem)
        finally:
            self._busy = False
        self._failures, self._said = 0, ""
        return 0.0 if request else ASK_EVERY

    def _tell(self) -> None:
        entry = self._journal.entry
        if entry.request_id is None or entry.answer is None:
            return
        try:
            self._asking.tell(entry.request_id, entry.mark, entry.answer)
        except Refused as refused:
            log.warning("what came of request %s is not taken: %s", entry.request_id, refused)
        self._journal.clear()

    def _carry_out(self, request: Request, asked_at: float) -> None:
        """Do it, with the intent on disk before. What is not in our own file is refused."""
        found = self._restarts.get(request.what)
        left = request.seconds - SPARE_SECONDS - (time.monotonic() - asked_at)
        if found is None:
            return self._refuse(request, "nothing here is called so")
        if left < 1:
            return self._refuse(request, "it came too late to be ended in time")
        try:
            self._journal.begin(request.id)
        except OSError as error:
            return self._refuse(request, f"what is done cannot be written down before: {error.strerror}")
        log.info("request %s: restarts %s", request.id, request.what)
        answer = self._run_command(found, min(found.timeout.total_seconds(), left))
        log.info("request %s: %s %s", request.id, answer["how"], answer.get("code", ""))
        return self._journal.end(request.id, answer)

    def _refuse(self, request: Request, why: str) -> None:
        log.warning("request %s for %r is refused: %s", request.id, request.what, why)
        self._journal.end(request.id, {"how": "refused", "output": why})

    def _run_command(self, found: Restartable, seconds: float) -> dict[str, Any]:
        try:
            ended = self._doors.shell.run(found.words, timeout_seconds=seconds, started=self._journal.note_process)
        except (DoorError, OSError) as problem:
            return {"how": "refused", "output": str(problem)[:MOST_OUTPUT]}
        output = ended.output[-MOST_OUTPUT:]
        if ended.timed_out:
            return {"how": "timed_out", "output": output}
        return {"how": "ended", "code": ended.code, "output": output}

    def _pause(self, problem: NotTaken) -> float:
        self._failures += 1
        soon = max(min(2.0 ** min(self._failures - 1, 10), LONGEST_PAUSE), problem.wait_seconds)
        if str(problem) != self._said:
            log.warning("cannot ask what to restart: %s; it is asked again, and so on", problem)
        self._said = str(problem)
        return PERMANENT_PAUSE if problem.permanent else soon
