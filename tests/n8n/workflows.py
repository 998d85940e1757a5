"""Workflow JSON for the tests, made of a few kinds of nodes; the stand-in runs the same ones."""

import uuid
from typing import Any

Node = dict[str, Any]


def node(name: str, kind: str, version: float, parameters: dict[str, Any], **more: Any) -> Node:
    """One node of n8n's own."""
    return {
        "id": str(uuid.uuid4()),
        "name": name,
        "type": f"n8n-nodes-base.{kind}",
        "typeVersion": version,
        "position": [0, 0],
        "parameters": parameters,
        **more,
    }


def workflow(name: str, *nodes: Node, error_workflow: str = "", **settings: Any) -> dict[str, Any]:
    """Nodes one after the other."""
    connections = {
        one["name"]: {"main": [[{"node": after["name"], "type": "main", "index": 0}]]}
        for one, after in zip(nodes, nodes[1:], strict=False)
    }
    settings = {"executionOrder": "v1", **settings}
    if error_workflow:
        settings["errorWorkflow"] = error_workflow
    for place, one in enumerate(nodes):
        one["position"] = [220 * place, 0]
    return {"name": name, "nodes": list(nodes), "connections": connections, "settings": settings}


def webhook(path: str, mode: str = "onReceived") -> Node:
    """A POST webhook that answers at once; with mode "lastNode" when the run has ended."""
    parameters = {"httpMethod": "POST", "path": path, "responseMode": mode, "options": {}}
    return node("Webhook", "webhook", 2.1, parameters, webhookId=str(uuid.uuid4()))


def http(name: str, url: str, method: str = "GET", body: str = "", timeout_ms: int = 0, **more: Any) -> Node:
    """An HTTP Request node; `body` is JSON text or an expression."""
    parameters: dict[str, Any] = {"method": method, "url": url, "options": {}}
    if timeout_ms:
        parameters["options"] = {"timeout": timeout_ms}
    if body:
        parameters |= {"sendBody": True, "specifyBody": "json", "jsonBody": body}
    credentials = more.pop("credentials", None)
    if credentials:
        parameters |= {"authentication": "genericCredentialType", "genericAuthType": next(iter(credentials))}
        more["credentials"] = credentials
    return node(name, "httpRequest", 4.2, parameters, **more)


def no_op(name: str = "Nothing") -> Node:
    """A node that does nothing."""
    return node(name, "noOp", 1, {})


def stop_and_error(message: str, name: str = "Stop") -> Node:
    """A node that ends the run with an error."""
    return node(name, "stopAndError", 1, {"errorMessage": message})


def code(source: str, name: str = "Code") -> Node:
    """A Code node."""
    return node(name, "code", 2, {"jsCode": source})


def split_out(field: str, name: str = "Split") -> Node:
    """One item for each element of a list."""
    return node(name, "splitOut", 1, {"fieldToSplitOut": field, "options": {}})


def wait_seconds(seconds: float, name: str = "Wait") -> Node:
    """A Wait node."""
    return node(name, "wait", 1.1, {"amount": seconds, "unit": "seconds"}, webhookId=str(uuid.uuid4()))


def call_workflow(workflow_id: str, name: str = "Call sub-workflow") -> Node:
    """Run another workflow and wait for it."""
    target = {"__rl": True, "value": workflow_id, "mode": "id"}
    inputs = {"mappingMode": "defineBelow", "value": {}, "matchingColumns": [], "schema": []}
    parameters = {"workflowId": target, "workflowInputs": inputs, "options": {"waitForSubWorkflow": True}}
    return node(name, "executeWorkflow", 1.2, parameters)


def sub_trigger() -> Node:
    """What a sub-workflow begins with."""
    return node("When called", "executeWorkflowTrigger", 1.1, {"inputSource": "passthrough"})


def error_handler(url: str, token: str = "") -> dict[str, Any]:
    """Posts the Error Trigger item to `url`, with a bearer token where there is one."""
    parameters: dict[str, Any] = {
        "method": "POST",
        "url": url,
        "sendBody": True,
        "specifyBody": "json",
        "jsonBody": "={{ JSON.stringify($json) }}",
        "options": {},
    }
    if token:
        header = {"name": "Authorization", "value": f"Bearer {token}"}
        parameters |= {"sendHeaders": True, "headerParameters": {"parameters": [header]}}
    return workflow(
        "Tell the companion",
        node("Error Trigger", "errorTrigger", 1, {}),
        node("Tell", "httpRequest", 4.2, parameters),
    )
