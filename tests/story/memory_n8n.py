"""An n8n in memory, behind the same door, for thousands of steps; `test_properties.py` holds it to the stand-in."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from recovery.clock import utc_now
from recovery.model import N8nError
from recovery.sources import n8n_execution

LISTED = 50


class Killed(BaseException):
    """The worker was killed at this very moment."""


@dataclass
class Flow:
    """A workflow of a webhook and one HTTP Request node."""

    id: str
    host: str
    method: str = "GET"
    tags: tuple[str, ...] = ()


@dataclass
class Retry:
    """A retry that n8n carried out, and how its chain stood just before."""

    root_id: str
    by: str
    at: datetime
    succeeded_before: bool
    running_before: bool
    ambiguous: bool
    tagged: bool


@dataclass
class MemoryN8n:
    """One n8n whose hosts answer as `hosts` says: 200, another status, "refused" or "slow" (200 after a minute)."""

    flows: dict[str, Flow]
    hosts: dict[str, Any] = field(default_factory=dict)
    site: str = "default"
    up: bool = True
    key: bool = True
    retries: list[Retry] = field(default_factory=list)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    before_retry: Callable[[], None] = lambda: None
    after_retry: Callable[[], None] = lambda: None
    failed: list[str] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)

    # -- the world

    def call(self, workflow_id: str) -> str:
        """The webhook is called; the id of its run."""
        return self._run(self.flows[workflow_id], "webhook", "")

    def retry_by(self, execution_id: str, by: str) -> dict[str, Any]:
        """Retry as n8n does; what it gives. n8n refuses only what has itself succeeded, or still runs."""
        run = self.runs.get(execution_id)
        if run is None:
            raise N8nError("it does not exist", "not_found", permanent=True)
        if run["status"] in ("success", "running"):
            raise N8nError("the execution succeeded or is not over", "conflict", permanent=True)
        chain = self.chain_of(execution_id)
        flow = self.flows[run["workflowId"]]
        status = _status_of(run)
        ambiguous = flow.method != "GET" and status in (500, 502, 504)
        tagged = bool({"medic:retry-safe", "medic:retry-from-start"} & set(flow.tags))
        done = any(one["status"] == "success" for one in chain)
        runs = any(one["status"] == "running" for one in chain)
        self.retries.append(Retry(chain[0]["id"], by, utc_now(), done, runs, ambiguous, tagged))
        new_id = self._run(flow, "retry", execution_id)
        return self.runs[new_id]

    def chain_of(self, execution_id: str) -> list[dict[str, Any]]:
        """The whole chain of an execution, root first."""
        root = self.runs[execution_id]
        while root["retryOf"]:
            root = self.runs[root["retryOf"]]
        found = [root]
        for one in found:
            found += [run for run in self.runs.values() if run["retryOf"] == one["id"]]
        return found

    def tell(self, execution_id: str) -> dict[str, Any]:
        """What the Error Trigger gives for a failed run."""
        return n8n_execution.as_error_item(self.runs[execution_id])

    def end_slow_runs(self) -> None:
        """Slow runs end with success a minute after they began."""
        for run in self.runs.values():
            if run["status"] == "running" and utc_now() - _moment(run["startedAt"]) >= timedelta(seconds=60):
                self._end(run, 200)

    def _run(self, flow: Flow, mode: str, retry_of: str) -> str:
        now, run_id = utc_now(), str(len(self.runs) + 1)
        self.runs[run_id] = run = {
            "id": run_id,
            "workflowId": flow.id,
            "mode": mode,
            "retryOf": retry_of or None,
            "retrySuccessId": None,
            "status": "running",
            "finished": False,
            "startedAt": now.isoformat(),
            "stoppedAt": None,
            "workflowData": {
                "id": flow.id,
                "name": f"Workflow {flow.id}",
                "nodes": _nodes(flow),
                "settings": dict(self.settings),
            },
        }
        answer = self.hosts.get(flow.host, 200)
        if answer != "slow":
            self._end(run, answer)
        return run_id

    def _end(self, run: dict[str, Any], answer: Any) -> None:
        flow = self.flows[run["workflowId"]]
        run["stoppedAt"] = utc_now().isoformat()
        run["finished"] = answer == 200
        run["status"] = "success" if run["finished"] else "error"
        result: dict[str, Any] = {"runData": {"Webhook": [{}], "Call": [{}]}, "lastNodeExecuted": "Call"}
        if answer != 200:
            result["error"] = _error(flow, answer)
            self.failed.append(run["id"])
        elif run["retryOf"]:
            self.runs[run["retryOf"]]["retrySuccessId"] = run["id"]
        stack = [{"node": _nodes(flow)[1], "data": {"main": [[{"json": {}}]]}}]
        run["data"] = {"resultData": result, "executionData": {"nodeExecutionStack": stack}}

    # -- the door

    def _reach(self) -> None:
        if not self.up:
            raise N8nError("n8n cannot be reached: the connection was refused", "refused")
        if not self.key:
            raise N8nError("n8n refused the API key", "auth", permanent=True)

    def ready(self) -> str:
        return "" if self.up else "n8n cannot be reached"

    def execution(self, execution_id: str, with_data: bool = False) -> dict[str, Any] | None:
        self._reach()
        run = self.runs.get(execution_id)
        return None if run is None else dict(run) if with_data else _bare(run)

    def executions(
        self,
        status: str = "",
        workflow_id: str = "",
        started_after: str = "",
        cursor: str = "",
        limit: int = 100,
        started_before: str = "",
    ) -> tuple[list[dict[str, Any]], str]:
        self._reach()
        found = [
            _bare(run)
            for run in reversed(self.runs.values())
            if (run["status"] == status if status else run["status"] != "running")
            and (not workflow_id or run["workflowId"] == workflow_id)
            and (not started_after or _moment(run["startedAt"]) >= _moment(started_after))
            and (not started_before or _moment(run["startedAt"]) <= _moment(started_before))
        ]
        first, size = int(cursor or 0), min(limit, LISTED)
        return found[first : first + size], str(first + size) if len(found) > first + size else ""

    def workflow(self, workflow_id: str) -> dict[str, Any] | None:
        self._reach()
        flow = self.flows.get(workflow_id)
        tags = [{"name": tag} for tag in flow.tags] if flow else []
        return {"id": workflow_id, "tags": tags, "settings": self.settings} if flow else None

    def tagged_workflows(self, tag: str) -> list[dict[str, Any]]:
        self._reach()
        tagged = [one for one in self.flows.values() if tag in one.tags]
        return [{"id": one.id, "name": one.id, "tags": [{"name": name} for name in one.tags]} for one in tagged]

    def retry(self, execution_id: str) -> dict[str, Any] | None:
        self._reach()
        self.before_retry()
        run = self.retry_by(execution_id, "medic")
        self.after_retry()
        return None if run["status"] == "running" else dict(run)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _bare(run: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in run.items() if key not in ("data", "workflowData")}


def _nodes(flow: Flow) -> list[dict[str, Any]]:
    call = {"method": flow.method, "url": f"http://{flow.host}/x"}
    return [
        {"name": "Webhook", "type": "n8n-nodes-base.webhook", "parameters": {}},
        {"name": "Call", "type": "n8n-nodes-base.httpRequest", "parameters": call},
    ]


def _error(flow: Flow, answer: Any) -> dict[str, Any]:
    code = "ECONNREFUSED" if answer == "refused" else str(answer)
    request = {"method": flow.method, "uri": f"http://{flow.host}/x"}
    return {
        "name": "NodeApiError",
        "httpCode": code,
        "message": f"answered {answer}",
        "timestamp": int(utc_now().timestamp() * 1000),
        "context": {"itemIndex": 0, "request": request},
        "node": _nodes(flow)[1],
    }


def _status_of(run: dict[str, Any]) -> Any:
    code = run["data"]["resultData"]["error"]["httpCode"]
    return int(code) if code.isdigit() else code
