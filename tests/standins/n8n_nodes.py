"""The nodes that the stand-in runs: each takes one run's items and gives the outputs, or raises NodeFailure."""

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import requests

from recovery.clock import utc_now
from tests.standins import n8n_errors as errors
from tests.standins.n8n_errors import NodeFailure
from tests.standins.n8n_expressions import ExpressionError, Seen, evaluate

NO_END = datetime(3000, 1, 1, tzinfo=UTC)
UNITS = {"seconds": 1, "minutes": 60, "hours": 3_600, "days": 86_400}
Item = dict[str, Any]
Outputs = list[list[Item]]


class Parked(Exception):
    """The run waits in the database: until a time, or, at NO_END, for a call."""

    def __init__(self, till: datetime):
        super().__init__(till)
        self.till = till


class Host(Protocol):
    """What a node may ask of the engine that runs it."""

    credentials: dict[str, dict[str, Any]]
    executions: dict[str, Any]

    def run_child(self, workflow_id: str, items: list[Item], parent_id: str) -> tuple[str, list[Item]]:
        """Run a sub-workflow to its end; its execution id and its last items. Raises NodeFailure."""

    def wait(self, seconds: float) -> None:
        """Wait, unless n8n is killed."""


def run_node(host: Host, node: dict[str, Any], items: list[Item], execution_id: str) -> Outputs:
    """Run one node once."""
    kind = node["type"].removeprefix("n8n-nodes-base.")
    ran = host.executions[execution_id].data["resultData"]["runData"]
    items = [
        {**item, "json": Seen(item["json"], ran)} if isinstance(item.get("json"), dict) else item for item in items
    ]
    try:
        return RUNNERS[kind](host, node, items, execution_id)
    except ExpressionError as error:
        raise NodeFailure(errors.expression_error(str(error))) from error


def pass_on(host: Host, node: dict[str, Any], items: list[Item], execution_id: str) -> Outputs:
    return [items]


def stop_and_error(host: Host, node: dict[str, Any], items: list[Item], execution_id: str) -> Outputs:
    raise NodeFailure(errors.operation_error(node, str(evaluate(node["parameters"]["errorMessage"], _first(items)))))


def run_code(host: Host, node: dict[str, Any], items: list[Item], execution_id: str) -> Outputs:
    """Runs `throw new Error('...')`, `return [...JSON...]` and `return items`, nothing else."""
    source = node["parameters"]["jsCode"].strip().rstrip(";")
    thrown = re.fullmatch(r"throw new Error\((['\"])(.*)\1\)", source)
    if thrown:
        raise NodeFailure(errors.code_error(thrown[2]))
    given = source.removeprefix("return").strip()
    return [items if given in ("items", "$input.all()") else json.loads(given)]


def split_out(host: Host, node: dict[str, Any], items: list[Item], execution_id: str) -> Outputs:
    path = node["parameters"]["fieldToSplitOut"]
    found: list[Item] = []
    for item in items:
        for one in evaluate(f"={{{{ $json.{path} }}}}", item["json"]) or []:
            found.append({"json": one if isinstance(one, dict) else {path.split(".")[-1]: one}})
    return [found]


def set_fields(host: Host, node: dict[str, Any], items: list[Item], execution_id: str) -> Outputs:
    rows = node["parameters"].get("assignments", {}).get("assignments", [])
    return [[{"json": {row["name"]: evaluate(row["value"], item["json"]) for row in rows}} for item in items]]


def wait_a_while(host: Host, node: dict[str, Any], items: list[Item], execution_id: str) -> Outputs:
    """Short waits are waited for; from 65 s on n8n puts the run away."""
    parameters = node["parameters"]
    if parameters.get("resume") == "webhook":
        raise Parked(NO_END)
    seconds = float(parameters.get("amount", 1)) * UNITS[parameters.get("unit", "hours")]
    if seconds >= 65:
        raise Parked(utc_now() + timedelta(seconds=seconds))
    host.wait(seconds)
    return [items]


def call_workflow(host: Host, node: dict[str, Any], items: list[Item], execution_id: str) -> Outputs:
    target = node["parameters"]["workflowId"]
    workflow_id = target["value"] if isinstance(target, dict) else target
    return [host.run_child(workflow_id, items, execution_id)[1]]


def http_request(host: Host, node: dict[str, Any], items: list[Item], execution_id: str) -> Outputs:
    """All items at once, as n8n does; where some fail, the first of them is the error."""
    secret = _credential_headers(host, node)
    with ThreadPoolExecutor(max(1, min(len(items), 32))) as pool:
        answers = list(pool.map(lambda pair: _call_once(node, pair[0], pair[1], secret), enumerate(items)))
    for answer in answers:
        if isinstance(answer, NodeFailure):
            raise answer
    return [[one for answer in answers if not isinstance(answer, NodeFailure) for one in answer]]


def _credential_headers(host: Host, node: dict[str, Any]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for kind, wanted in node.get("credentials", {}).items():
        found = host.credentials.get(str(wanted.get("id")))
        if found is None:
            raise NodeFailure(errors.missing_credential(str(wanted.get("id")), kind))
        headers[found["data"]["name"]] = found["data"]["value"]
    return headers


def _call_once(node: dict[str, Any], index: int, item: Item, secret: dict[str, str]) -> list[Item] | NodeFailure:
    request = _request_of(node, item)
    if secret:
        request["headers"] = {"**hidden**": "**hidden**"}
    headers = {**_headers_of(node, item), **secret}
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(
                request["method"],
                request["uri"],
                json=request.get("body"),
                headers=headers,
                timeout=request["timeout"] / 1000,
            )
    except requests.RequestException as error:
        code, raw = _network_code(error, request)
        return NodeFailure(errors.network_error(node, index, request, code, raw))
    if answer.status_code >= 400:
        said = _said(answer)
        text = json.dumps(answer.text)[1:-1]
        return NodeFailure(errors.status_error(node, index, request, answer.status_code, text, said))
    return _items_of(answer)


def _request_of(node: dict[str, Any], item: Item) -> dict[str, Any]:
    parameters, data = node["parameters"], item.get("json", {})
    request: dict[str, Any] = {"headers": {"accept": "application/json"}}
    request |= {"method": parameters.get("method", "GET"), "uri": str(evaluate(parameters["url"], data))}
    if parameters.get("sendBody"):
        body = evaluate(parameters["jsonBody"], data)
        request["body"] = json.loads(body) if isinstance(body, str) else body
    request["timeout"] = parameters.get("options", {}).get("timeout", 300_000)
    return request


def _headers_of(node: dict[str, Any], item: Item) -> dict[str, str]:
    rows = node["parameters"].get("headerParameters", {}).get("parameters", [])
    return {row["name"]: str(evaluate(row["value"], item.get("json", {}))) for row in rows}


def _network_code(error: requests.RequestException, request: dict[str, Any]) -> tuple[str, str]:
    if isinstance(error, requests.Timeout):
        return "ECONNABORTED", f"timeout of {request['timeout']}ms exceeded"
    words = str(error)
    if "NameResolutionError" in words or "getaddrinfo" in words:
        return "ENOTFOUND", f"getaddrinfo ENOTFOUND {requests.utils.urlparse(request['uri']).hostname}"
    if "refused" in words:
        return "ECONNREFUSED", f"connect ECONNREFUSED {requests.utils.urlparse(request['uri']).netloc}"
    return "ECONNRESET", "read ECONNRESET"


def _said(answer: requests.Response) -> str:
    try:
        found = answer.json()
    except ValueError:
        return ""
    return str(found.get("message", "")) if isinstance(found, dict) else ""


def _items_of(answer: requests.Response) -> list[Item]:
    try:
        found = answer.json()
    except ValueError:
        return [{"json": {"data": answer.text}}]
    rows = found if isinstance(found, list) else [found]
    return [{"json": row if isinstance(row, dict) else {"data": row}} for row in rows]


def _first(items: list[Item]) -> dict[str, Any]:
    return items[0].get("json", {}) if items else {}


RUNNERS: dict[str, Callable[[Host, dict[str, Any], list[Item], str], Outputs]] = {
    "webhook": pass_on,
    "errorTrigger": pass_on,
    "executeWorkflowTrigger": pass_on,
    "manualTrigger": pass_on,
    "noOp": pass_on,
    "stickyNote": pass_on,
    "set": set_fields,
    "stopAndError": stop_and_error,
    "code": run_code,
    "splitOut": split_out,
    "wait": wait_a_while,
    "executeWorkflow": call_workflow,
    "httpRequest": http_request,
}
TRIGGERS = frozenset({"webhook", "errorTrigger", "executeWorkflowTrigger", "manualTrigger"})
