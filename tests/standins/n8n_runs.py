"""One run of a workflow, in the shapes that n8n's API gives."""

import copy
import secrets
import string
import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from recovery.clock import utc_now

Item = dict[str, Any]


def iso(moment: datetime | None) -> str | None:
    """As n8n writes times: UTC, milliseconds, Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z" if moment else None


def new_id() -> str:
    """An id as n8n makes them."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(16))


def first_data(node: dict[str, Any], items: list[Item]) -> dict[str, Any]:
    """The data of a run that is about to begin at `node`."""
    stack = [{"node": node, "data": {"main": [items]}, "source": None}]
    return {
        "version": 1,
        "startData": {},
        "resultData": {"runData": {}},
        "executionData": {"contextData": {}, "nodeExecutionStack": stack, "metadata": {}, "waitingExecution": {}},
    }


@dataclass
class Execution:
    """One run. `saved` is the data it began with: all that is left of it when n8n is killed."""

    id: str
    workflow: dict[str, Any]
    mode: str
    data: dict[str, Any]
    retry_of: str | None = None
    status: str = "running"
    started: datetime = field(default_factory=lambda: utc_now())
    stopped: datetime | None = None
    retry_success_id: str | None = None
    saved: dict[str, Any] = field(default_factory=dict)
    now_at: str = ""
    begun: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    last_items: list[Item] = field(default_factory=list)
    wait_till: datetime | None = None
    tells_its_root: bool = True  # not where n8n begins it at its start
    ran_to_its_end: bool = False  # n8n calls it finished, also where it kept an old error because nothing ran

    def park(self, till: datetime) -> None:
        """It waits in the database from now on."""
        self.status, self.wait_till, self.stopped = "waiting", till, utc_now()

    def cancel(self) -> None:
        """Somebody stopped it."""
        self.status, self.wait_till, self.stopped = "canceled", None, utc_now()
        self.ended.set()

    def shown(self, with_data: bool = False) -> dict[str, Any]:
        """As the public API gives it."""
        found: dict[str, Any] = {
            "id": self.id,
            "finished": self.ran_to_its_end,
            "mode": self.mode,
            "retryOf": self.retry_of,
            "retrySuccessId": self.retry_success_id,
            "status": self.status,
            "startedAt": None if self.status == "new" else iso(self.started),
            "stoppedAt": iso(self.stopped),
            "workflowId": self.workflow["id"],
            "waitTill": iso(self.wait_till),
        }
        if with_data:
            data = self.saved if self.status in ("new", "running") else self.data
            found |= {"data": copy.deepcopy(data), "workflowData": self.workflow, "customData": {}}
        return found
