"""The agent: looks at its own machine with the checks of n8n-medic, and reports what it sees as pushed probes."""

import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from recovery.cli.agent_plan import AgentPlan
from recovery.cli.agent_telling import NotTaken, Teller
from recovery.cli.checking import look
from recovery.clock import utc_now
from recovery.config import Component
from recovery.model import DoorError, FailureType, Reading
from recovery.model.durations import write_duration
from recovery.outside.doors import OpenDoors
from recovery.outside.http import Http

log = logging.getLogger("medic.agent")
LONGEST_MESSAGE = 500
LONGEST_PAUSE = 60.0


class Looks:
    """The looks at one component, each in a thread of its own: one that hangs holds up neither others nor the end."""

    def __init__(self, component: Component, doors: OpenDoors, memory: dict[str, Any]):
        self.component, self._doors = component, doors
        self.memory = memory
        self._told = (Reading("", None, "not looked at yet"), utc_now())
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Look, unless the last look is still under way."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._look, daemon=True)
            self._thread.start()

    def _look(self) -> None:
        try:
            reading = look(self.component, self._doors, self.memory)
        except DoorError as problem:
            reading = Reading("", False, str(problem), FailureType.SERVER_UNRESPONSIVE)
        except Exception as problem:
            log.debug("a check broke", exc_info=True)
            reading = Reading(
                "", False, f"the check itself broke: {problem}", FailureType.SERVER_UNRESPONSIVE, memory={}
            )
        if reading.memory is not None:
            self.memory = reading.memory
        self._told = (reading, utc_now())

    def end(self, seconds: float) -> tuple[Reading, datetime]:
        """What it saw and when; a bad reading where it takes longer."""
        if self._thread:
            self._thread.join(max(0.0, seconds))
            if self._thread.is_alive():
                because = "the look at it does not end"
                return Reading("", False, because, FailureType.SERVER_UNRESPONSIVE), utc_now()
        return self._told


@dataclass(frozen=True, slots=True)
class Batch:
    """What one round saw: sent in one call, under one delivery id however often."""

    readings: list[dict[str, Any]]
    delivery: str = field(default_factory=lambda: uuid.uuid4().hex)


class Agent:
    """Rounds of looks, and one call for each. Only the newest round is kept for a server that cannot be reached."""

    def __init__(
        self,
        plan: AgentPlan,
        wait: Callable[[float], object] | None = None,
        memories: Mapping[str, dict[str, Any]] | None = None,
    ):
        doors = self.doors = OpenDoors(plan.config)
        self._plan = plan
        self._looks = [
            Looks(one, doors, dict((memories or {}).get(remembered_as(one), {}))) for one in plan.config.components
        ]
        self.http = Http(plan.ca_file)
        self._teller = Teller(plan.to, plan.read_token, self.http)
        self._wait = wait or threading.Event().wait
        self._said = ""
        self._newest: Batch | None = None
        self._look_at, self._try_at, self._failures = time.monotonic(), 0.0, 0

    def memories(self) -> dict[str, dict[str, Any]]:
        """What its checks remember, for the next agent."""
        return {remembered_as(one.component): one.memory for one in self._looks}

    def look(self) -> Batch:
        """One round: all looks at once, none waited for longer than a round takes."""
        until = time.monotonic() + self._plan.every_seconds
        for one in self._looks:
            one.begin()
        ended = [(one, *one.end(until - time.monotonic())) for one in self._looks]
        found = [self._told(*one) for one in ended if one[1].healthy is not None]  # else it says nothing
        if self._plan.name not in (body["component"] for body in found):
            every = write_duration(self._plan.every_seconds)
            because = f"the agent looks at {len(ended)} components every {every}"
            found.insert(0, self._body(self._plan.name, Reading("", True, because), utc_now()))
        return Batch(found)

    def _told(self, one: Looks, reading: Reading, at: datetime) -> dict[str, Any]:
        body = self._body(one.component.name, reading, at)
        if "severity" in one.component.model_fields_set:
            body["severity"] = str(one.component.severity)
        return body

    def _body(self, name: str, reading: Reading, at: datetime) -> dict[str, Any]:
        """Only the agent's own component says when it is silent, so that its end is one incident and not many."""
        body = {
            "component": name,
            "healthy": reading.healthy,
            "message": reading.because[:LONGEST_MESSAGE],
            "failure_type": str(reading.failure_type) if reading.failure_type else None,
            "status_code": reading.status_code,
            "latency_ms": reading.latency_ms,
            "observed_at": self._teller.servers_time(at).isoformat(),
            "silent_after": self._plan.silent_after_seconds if name == self._plan.name else None,
        }
        return {key: value for key, value in body.items() if value is not None}

    def tell(self, batch: Batch) -> None:
        """Send a round. Raises NotTaken."""
        self._teller.send(batch.readings, batch.delivery)
        if self._said:
            log.info("reports are taken again")
        self._said = ""

    def run(self) -> None:
        """Round after round, without end."""
        while True:
            try:
                self._round()
            except Exception:
                log.exception("a round failed; the next one carries on")
                self._look_at = time.monotonic() + self._plan.every_seconds
            next_at = min(self._look_at, self._try_at) if self._newest else self._look_at
            self._wait(max(0.0, next_at - time.monotonic()))

    def _round(self) -> None:
        """Look where it is time to, and send what has not been sent where it is time to."""
        if time.monotonic() >= self._look_at:
            self._newest = self.look()
            self._look_at = max(self._look_at + self._plan.every_seconds, time.monotonic())
        if self._newest is None or time.monotonic() < self._try_at:
            return
        try:
            self.tell(self._newest)
            self._newest, self._failures = None, 0
        except NotTaken as problem:
            self._failures += 1
            self._try_at = time.monotonic() + self._pause(problem)

    def _pause(self, problem: NotTaken) -> float:
        """Seconds to the next try: 1, 2, 4 ... 60; a refusal that only a person can mend waits the longest.

        Never so long that a server which is back would think that the agent is silent.
        """
        longest = min(LONGEST_PAUSE, self._plan.silent_after_seconds / 2)
        pause = longest if problem.permanent else min(2.0 ** min(self._failures - 1, 10), longest)
        pause = max(pause, problem.wait_seconds)
        if str(problem) != self._said:
            log.warning("%s; the newest state is sent again in %g s, and so on", problem, pause)
        self._said = str(problem)
        return pause


def remembered_as(component: Component) -> str:
    """What a component's memory is called: of another kind of check it would make no sense."""
    return f"{component.check.kind if component.check else ''} {component.name}"


def show(batch: Batch) -> str:
    """A round as it would be sent."""
    return json.dumps(batch.readings, indent=2, ensure_ascii=False)
