"""Runs workflows as n8n does: a stack of nodes, what each gave, and where a retry goes on."""

import copy
import threading
from datetime import timedelta
from typing import Any

from recovery.clock import utc_now
from tests.standins import n8n_errors as errors
from tests.standins.n8n_errors import NodeFailure
from tests.standins.n8n_nodes import TRIGGERS, Parked, run_node
from tests.standins.n8n_publishing import WORKFLOW_KEYS, Publishing, Refused
from tests.standins.n8n_queue import Queueing
from tests.standins.n8n_runs import Execution, Item, first_data

ARTIFICIAL = {"main": [[{"json": {"isArtificialRecoveredEventItem": True}}]]}


class Killed(BaseException):
    """n8n was killed while this ran, or somebody stopped it; nothing of it may be written any more."""


class Engine(Publishing, Queueing):
    """All workflows and executions of one stand-in n8n."""

    def __init__(self) -> None:
        super().__init__()
        self.base_url = ""
        self.executions: dict[str, Execution] = {}
        self.tags: dict[str, dict[str, Any]] = {}
        self._last_id = 0
        self.life = threading.Event()  # set when this life is over

    # -- runs

    def begin(
        self, workflow: dict[str, Any], mode: str, data: dict[str, Any], retry_of: str | None = None
    ) -> Execution:
        """Write down a run that is about to begin."""
        kept = copy.deepcopy({key: workflow[key] for key in WORKFLOW_KEYS})
        with self.lock:
            self._last_id += 1
            run = Execution(str(self._last_id), kept, mode, data, retry_of, saved=copy.deepcopy(data))
            self.executions[run.id] = run
        return run

    def start(self, run: Execution) -> None:
        """Run in a thread of its own, in queue mode as soon as a worker takes it."""
        if self.takes(run):
            return
        threading.Thread(target=self.run, args=(run,), daemon=True).start()

    def run(self, run: Execution) -> None:
        """Run to the end, unless n8n is killed in between."""
        life = self.life
        try:
            error = self._run_nodes(run, life)
            with self.lock:
                self._alive(life, run)
                self._write_end(run, error)
        except Killed:
            return
        except Parked as parked:
            run.park(parked.till)
            return
        if kept := error or run.data["resultData"].get("error"):
            self.tell_error_workflow(run, kept)
        run.ended.set()

    def _run_nodes(self, run: Execution, life: threading.Event) -> dict[str, Any] | None:
        stack = run.data["executionData"]["nodeExecutionStack"]
        index = 0
        while stack:
            entry, began = stack[0], utc_now().timestamp()
            run.now_at = entry["node"]["name"]
            run.begun.append(run.now_at)
            self._alive(life, run)
            try:
                outputs = run_node(self, entry["node"], entry["data"]["main"][0], run.id)
            except NodeFailure as failure:
                self._alive(life, run)
                self._write_node(run, entry, began, index, error=failure.error)
                return failure.error
            self._alive(life, run)
            self._write_node(run, entry, began, index, outputs=outputs)
            stack.pop(0)
            stack[:0] = self._following(run.workflow, entry["node"]["name"], outputs)
            run.last_items = outputs[0] if outputs else []
            index += 1
        return None

    def _alive(self, life: threading.Event, run: Execution) -> None:
        if life.is_set() or run.status == "canceled":
            raise Killed

    def _write_node(self, run: Execution, entry: dict[str, Any], began: float, index: int, **what: Any) -> None:
        name = entry["node"]["name"]
        row = {
            "startTime": int(began * 1000),
            "executionIndex": index,
            "source": (entry["source"] or {"main": []})["main"],
            "hints": [],
            "executionTime": int((utc_now().timestamp() - began) * 1000),
            "executionStatus": "error" if "error" in what else "success",
        }
        row |= {"error": what["error"]} if "error" in what else {"data": {"main": what["outputs"]}}
        result = run.data["resultData"]
        result["runData"].setdefault(name, []).append(row)
        result["lastNodeExecuted"] = name

    def _following(self, workflow: dict[str, Any], name: str, outputs: list[list[Item]]) -> list[dict[str, Any]]:
        nodes = {node["name"]: node for node in workflow["nodes"]}
        wires = workflow["connections"].get(name, {}).get("main", [])
        found = []
        for output, (targets, items) in enumerate(zip(wires, outputs, strict=False)):
            source = {"previousNode": name, "previousNodeOutput": output, "previousNodeRun": 0}
            for target in targets if items else ():
                one = {"node": nodes[target["node"]], "data": {"main": [items]}, "source": {"main": [source]}}
                found.append(one)
        return found

    def _write_end(self, run: Execution, error: dict[str, Any] | None) -> None:
        run.ran_to_its_end, run.stopped = error is None, utc_now()
        if error:
            run.data["resultData"]["error"] = error
        elif run.retry_of and run.retry_of in self.executions and run.tells_its_root:
            self.executions[run.retry_of].retry_success_id = run.id
        run.status = "error" if run.data["resultData"].get("error") else "success"

    # -- what nodes may ask (see n8n_nodes.Host)

    def run_child(self, workflow_id: str, items: list[Item], parent_id: str) -> tuple[str, list[Item]]:
        workflow = self.workflows.get(str(workflow_id))
        if not workflow:
            raise NodeFailure(errors.expression_error("Workflow does not exist."))
        workflow = self.live(workflow)
        trigger = next(node for node in workflow["nodes"] if node["type"].endswith("executeWorkflowTrigger"))
        run = self.begin(workflow, "integrated", first_data(trigger, items))
        run.data["parentExecution"] = {
            "executionId": parent_id,
            "workflowId": self.executions[parent_id].workflow["id"],
        }
        self.run(run)
        if run.status == "running":
            raise Killed
        if run.status != "success":
            error = errors.sub_workflow_error(run.data["resultData"]["error"], run.id, str(workflow_id))
            raise NodeFailure(error)
        return run.id, run.last_items

    def wait(self, seconds: float) -> None:
        if self.life.wait(seconds):
            raise Killed

    # -- errors, retries, crashes

    def tell_error_workflow(self, run: Execution, error: dict[str, Any]) -> None:
        """Run the error workflow that the failed one names, where that is published."""
        handler = self.workflows.get(run.workflow["settings"].get("errorWorkflow", ""))
        if run.mode in ("manual", "error") or not handler or not handler["active"]:
            return
        handler = self.live(handler)
        execution = {
            "id": run.id,
            "url": f"{self.base_url}/workflow/{run.workflow['id']}/executions/{run.id}",
            "error": error,
            "lastNodeExecuted": run.data["resultData"].get("lastNodeExecuted"),
            "mode": run.mode,
        }
        if run.retry_of:
            execution["retryOf"] = run.retry_of
        item = {"execution": execution, "workflow": {key: run.workflow[key] for key in ("id", "name")}}
        trigger = next((node for node in handler["nodes"] if node["type"].endswith("errorTrigger")), None)
        if trigger is None:
            return  # n8n writes a line into its log
        self.start(self.begin(handler, "error", first_data(trigger, [{"json": copy.deepcopy(item)}])))

    def retry(self, execution_id: str, load_workflow: bool = False) -> Execution:
        """Begin a retry where the run failed; a crashed one begins where it had begun. Raises Refused."""
        with self.lock:
            old = self.executions.get(execution_id)
            if not old:
                raise Refused(404, f'The execution with the ID "{execution_id}" does not exist.')
            if old.status == "new":
                raise Refused(409, "Execution is queued to run (not yet started) so it cannot be retried")
            if old.status == "success":
                raise Refused(409, "The execution succeeded, so it cannot be retried.")
            data = copy.deepcopy(old.saved if old.status == "running" else old.data)
            result = data["resultData"]
            if last := result.get("lastNodeExecuted"):
                result.pop("error", None)
                rows = result["runData"].get(last) or [{}]
                if "error" in rows[-1]:
                    rows.pop()
            workflow = self.workflows[old.workflow["id"]] if load_workflow else old.workflow
            nodes = {node["name"]: node for node in workflow["nodes"]}
            for entry in data["executionData"]["nodeExecutionStack"]:
                entry["node"] = nodes[entry["node"]["name"]]
            return self.begin(workflow, "retry", data, retry_of=execution_id)

    def kill(self) -> None:
        """End every run at once, leaving what was on disk."""
        self.life.set()

    def come_back(self) -> None:
        """What n8n does at its next start: what ran is crashed, error workflows are told, what had not begun begins."""
        with self.lock:
            self.life = threading.Event()
            lost = [run for run in self.executions.values() if run.status == "running"]
            for run in lost:
                self._mark_crashed(run)
            unbegun = [run for run in self.executions.values() if run.status == "new" and self.queue is None]
        for run in unbegun:
            run.status, run.tells_its_root = "running", False
            run.data, run.begun = copy.deepcopy(run.saved), []
            self.start(run)
        for run in lost:
            if error := run.data["resultData"].get("error"):
                self.tell_error_workflow(run, errors.told_of_crash(error))
            run.ended.set()

    def _mark_crashed(self, run: Execution) -> None:
        run.data, run.status, run.stopped = copy.deepcopy(run.saved), "crashed", utc_now()
        result = run.data["resultData"]
        for name in run.begun:
            if name in result["runData"]:  # a killed retry keeps what it had begun with, and gets no error
                continue
            done = name != run.now_at
            row = {"startTime": int(utc_now().timestamp()), "executionIndex": 0, "executionTime": 0, "source": [None]}
            row["executionStatus"] = "success" if done else "crashed"
            row |= {"data": ARTIFICIAL} if done else {"error": errors.crashed_node()}
            result["runData"][name] = [row]
            result["lastNodeExecuted"] = name
            if not done:
                result["error"] = errors.crashed_run()

    def add_old_failures(self, workflow_id: str, count: int, age_seconds: float = 86_400.0) -> list[str]:
        """Write down `count` runs that failed long ago with a 503 at the first HTTP node; their ids."""
        workflow = self.workflows[workflow_id]
        first = next(n for n in workflow["nodes"] if n["type"].removeprefix("n8n-nodes-base.") in TRIGGERS)
        failing = next(n for n in workflow["nodes"] if n["type"].endswith("httpRequest"))
        request = {"method": failing["parameters"]["method"], "uri": failing["parameters"]["url"]}
        made = []
        for number in range(count):
            item = {"json": {"body": {"id": f"old-{number}"}}}
            run = self.begin(workflow, "webhook", first_data(first, [item]))
            error = errors.status_error(failing, 0, request, 503, "", "")
            stack = [{"node": failing, "data": {"main": [[item]]}, "source": None}]
            run.data["executionData"]["nodeExecutionStack"] = stack
            self._write_node(run, stack[0], utc_now().timestamp(), 1, error=error)
            self._write_end(run, error)
            run.started = run.stopped = utc_now() - timedelta(seconds=age_seconds)
            run.ended.set()
            made.append(run.id)
        return made
