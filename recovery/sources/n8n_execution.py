"""What n8n's public API says of an execution, in the shape that its Error Trigger would have sent."""

from collections.abc import Mapping
from typing import Any

from recovery.model import Failure, Signal, SignalKind, Success
from recovery.sources.n8n_error import execution_key, read_failure
from recovery.sources.nodes import SUBWORKFLOW, only_reads, short_type
from recovery.sources.shapes import moment, section, text

SOURCE = "poll"
FAILED = ("error", "crashed")
UNDER_WAY = ("new", "running", "waiting")


def receive_failure(execution: Mapping[str, Any], site: str, workflow_name: str = "") -> Signal:
    """The signal of a failed execution that the API told of (with its data)."""
    body = as_error_item(execution, workflow_name)
    return Signal(execution_key(site, text(execution.get("id"))), SignalKind.FAILURE, SOURCE, site, body)


def receive_success(execution: Mapping[str, Any], site: str) -> Signal:
    """The signal of a succeeded execution that the API told of."""
    kept = {key: execution.get(key) for key in ("id", "workflowId", "retryOf", "startedAt", "stoppedAt", "mode")}
    return Signal(execution_key(site, text(execution.get("id"))), SignalKind.SUCCESS, SOURCE, site, kept)


def as_error_item(execution: Mapping[str, Any], workflow_name: str = "") -> dict[str, Any]:
    """An API execution as an Error Trigger item, so that both are read by the same reader."""
    result = section(execution, "data", "resultData")
    error = dict(section(result, "error"))
    if execution.get("status") == "crashed":
        error.setdefault("name", "WorkflowCrashedError")
    stopped = moment(execution.get("stoppedAt"))
    if stopped is not None:
        error["timestamp"] = int(stopped.timestamp() * 1000)
    workflow_id = text(execution.get("workflowId"))
    item: dict[str, Any] = {
        "id": text(execution.get("id")),
        "error": error,
        "lastNodeExecuted": text(result.get("lastNodeExecuted")),
        "mode": text(execution.get("mode")),
    }
    if execution.get("retryOf"):
        item["retryOf"] = text(execution.get("retryOf"))
    name = text(section(execution, "workflowData").get("name")) or workflow_name
    return {"execution": item, "workflow": {"id": workflow_id, "name": name or workflow_id}}


def read_failure_of(execution: Mapping[str, Any]) -> Failure:
    """The facts of a failed execution as the API gives it with its data."""
    return read_failure(as_error_item(execution))


def read_success(body: Mapping[str, Any]) -> Success:
    """The facts of a succeeded execution."""
    return Success(
        execution_id=text(body.get("id")),
        workflow_id=text(body.get("workflowId")),
        retry_of=text(body.get("retryOf")),
        finished_at=moment(body.get("stoppedAt")),
    )


def failed_node(execution: Mapping[str, Any]) -> Mapping[str, Any]:
    """The node of this workflow that failed; an error may name a node of a sub-workflow instead."""
    return _nodes(execution).get(last_node(execution), {})


def last_node(execution: Mapping[str, Any]) -> str:
    """The name of the node that ran last, which failed; "" where the data does not tell."""
    return text(section(execution, "data", "resultData").get("lastNodeExecuted"))


def fails_in_subworkflow(execution: Mapping[str, Any]) -> bool:
    """Whether the failed node calls another workflow, which a retry would begin anew."""
    return short_type(text(failed_node(execution).get("type"))) in SUBWORKFLOW


def items_into(execution: Mapping[str, Any]) -> int | None:
    """How many items the node has that a retry would run again; None where the data does not tell."""
    stack = section(execution, "data", "executionData").get("nodeExecutionStack")
    first = section(stack[0]) if isinstance(stack, list) and stack else {}
    main = section(first, "data").get("main")
    inputs = [items for items in main if isinstance(items, list)] if isinstance(main, list) else []
    return max((len(items) for items in inputs), default=None)


def has_nothing_left(execution: Mapping[str, Any]) -> bool:
    """Whether its data holds no node that a retry would begin with: n8n runs nothing then, and notes a success."""
    return section(execution, "data", "executionData").get("nodeExecutionStack") == []


def nodes_that_may_write(execution: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Names of the nodes that ran or may have begun, and may have changed something; None where nothing is known.

    n8n knows of a run that was lost what its journal has of it, and the end of that is lost as well: any node may have
    begun that follows on those which are known to have run.
    """
    nodes, ran = _nodes(execution), nodes_that_ran(execution)
    if not nodes or not ran:
        return None
    follows = _following(section(execution, "workflowData", "connections"))
    begun = list(ran)
    for name in begun:
        begun += [one for one in follows.get(name, ()) if one not in begun]
    may_run = [name for name in begun if name in ran or nodes.get(name, {}).get("disabled") is not True]
    return tuple(name for name in may_run if only_reads(nodes.get(name, {})) is not True)


def _following(connections: Mapping[str, Any]) -> dict[str, list[str]]:
    """The nodes that each node hands its items to."""
    found: dict[str, list[str]] = {}
    for name in connections:
        outputs = [one for kind in section(connections, name).values() for one in _lists_in(kind)]
        named = (text(section(one).get("node")) for output in outputs for one in output)
        found[name] = [one for one in named if one]
    return found


def _lists_in(value: Any) -> list[list[Any]]:
    return [one for one in value if isinstance(one, list)] if isinstance(value, list) else []


def nodes_that_ran(execution: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the nodes that ran, in the order of the data, and the one that was running at the end."""
    result = section(execution, "data", "resultData")
    names = [name for name in section(result, "runData") if isinstance(name, str)]
    last = text(result.get("lastNodeExecuted"))
    return tuple(names + ([last] if last and last not in names else []))


def _nodes(execution: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    nodes = section(execution, "workflowData").get("nodes")
    listed = [section(node) for node in nodes] if isinstance(nodes, list) else []
    return {text(node.get("name")): node for node in listed}
