"""Errors in the shapes that a real n8n gives them; tests/n8n/fixtures holds its own."""

from typing import Any

from recovery.clock import utc_now

STATUS_MESSAGES = {
    400: "Bad request - please check your parameters",
    401: "Authorization failed - please check your credentials",
    402: "Payment required - perhaps check your payment details?",
    403: "Forbidden - perhaps check your credentials?",
    404: "The resource you are requesting could not be found",
    405: "Method not allowed - please check you are using the right HTTP method",
    429: "The service is receiving too many requests from you",
    500: "The service was not able to process your request",
    502: "Bad gateway - the service failed to handle your request",
    503: "Service unavailable - try again later or consider setting this node to retry automatically "
    "(in the node settings)",
    504: "Gateway timed out - perhaps try again later?",
}
OTHER_MESSAGES = {
    False: "Your request is invalid or could not be processed by the service",
    True: "The service failed to process your request",
}
BATCHING_HINT = "Try spacing your requests out using the batching settings under 'Options'"
CODE_MESSAGES = {
    "ECONNREFUSED": "The service refused the connection - perhaps it is offline",
    "ECONNRESET": "The connection to the server was closed unexpectedly, perhaps it is offline. "
    "You can retry the request immediately or wait and retry later.",
    "ENOTFOUND": "The connection cannot be established, this usually occurs due to an incorrect host (domain) value",
    "ECONNABORTED": "The connection was aborted, perhaps the server is offline",
}


class NodeFailure(Exception):
    """A node failed; `error` is what n8n would keep of it."""

    def __init__(self, error: dict[str, Any]):
        super().__init__(error.get("message", ""))
        self.error = error


def _error(name: str, message: str, **more: Any) -> dict[str, Any]:
    return {
        "level": "warning",
        "shouldReport": True,
        "tags": {},
        "timestamp": int(utc_now().timestamp() * 1000),
        "context": {},
        "functionality": "regular",
        "name": name,
        **more,
        "message": message,
        "stack": f"{name}: {message}\n    at ExecuteContext.execute (stand-in)",
    }


def status_error(
    node: dict[str, Any], item: int, request: dict[str, Any], status: int, text: str, said: str
) -> dict[str, Any]:
    """An HTTP answer of 4xx or 5xx; `said` is the `message` of its body, where it has one."""
    raw = f'{status} - "{text}"'
    more = {
        "description": said or raw,
        "context": {"itemIndex": item, "request": request},
        "node": node,
        "messages": [raw if status != 429 else BATCHING_HINT],
        "httpCode": str(status),
    }
    return _error("NodeApiError", STATUS_MESSAGES.get(status) or OTHER_MESSAGES[status >= 500], **more)


def network_error(node: dict[str, Any], item: int, request: dict[str, Any], code: str, raw: str) -> dict[str, Any]:
    """No HTTP answer: n8n keeps the network's code where a status would be."""
    context = {"itemIndex": item, "request": request}
    more = {"context": context, "node": node, "messages": [raw, raw], "httpCode": code}
    return _error("NodeApiError", CODE_MESSAGES[code], **more)


def operation_error(node: dict[str, Any], message: str) -> dict[str, Any]:
    """What Stop and Error gives."""
    return _error("NodeOperationError", message, node=node, messages=[])


def sub_workflow_error(error: dict[str, Any], execution_id: str, workflow_id: str) -> dict[str, Any]:
    """What the parent keeps: the node is the sub-workflow's, and its error lies in `errorResponse`."""
    ids = {"executionId": execution_id, "workflowId": workflow_id}
    more = {key: error[key] for key in ("description", "node") if key in error}
    whole = {**error, **ids}
    return _error("NodeOperationError", error.get("message", ""), errorResponse=whole, messages=[], **more, **ids)


def code_error(message: str) -> dict[str, Any]:
    """What a Code node that throws gives: it names no node."""
    words = f"{message} [line 1]"
    return {
        "level": "info",
        "shouldReport": False,
        "description": None,
        "tags": {},
        "name": "WrappedExecutionError",
        "lineNumber": 1,
        "message": words,
        "stack": f"WrappedExecutionError: {words}",
    }


def expression_error(message: str) -> dict[str, Any]:
    """What an expression gives that cannot be worked out."""
    return {**_error("ExpressionError", message), "shouldReport": False}


def missing_credential(credential_id: str, kind: str) -> dict[str, Any]:
    """What a node gives whose credential is gone: an error with no name."""
    message = f'Credential with ID "{credential_id}" does not exist for type "{kind}".'
    return {"level": "info", "shouldReport": False, "tags": {}, "message": message, "stack": f"Error: {message}"}


def crashed_node() -> dict[str, Any]:
    """What is written at the node that ran when n8n was killed."""
    return {
        "message": "Execution stopped at this node",
        "timestamp": int(utc_now().timestamp() * 1000),
        "name": "NodeCrashedError",
        "description": "n8n may have run out of memory while running this execution.",
        "context": {},
        "cause": {"name": "Error", "message": "Node crashed, possible out-of-memory issue"},
    }


def crashed_run() -> dict[str, Any]:
    """What the API shows of a run that n8n's death ended."""
    return {
        "message": "Workflow did not finish, possible out-of-memory issue",
        "timestamp": int(utc_now().timestamp() * 1000),
        "name": "WorkflowCrashedError",
        "context": {},
    }


def stalled_run() -> dict[str, Any]:
    """What n8n makes of a run whose worker was lost: it has no name and no time."""
    words = (
        "This execution failed to be processed too many times and will no longer retry. To allow this execution to "
        "complete, please break down your workflow or scale up your workers or adjust your worker settings."
    )
    return {"level": "warning", "shouldReport": False, "tags": {}, "message": words, "stack": f"Error: {words}"}


def told_of_crash(error: dict[str, Any]) -> dict[str, Any]:
    """The same for the error workflow, which is told without a message."""
    base = {"level": "warning", "shouldReport": True, "tags": {}, "context": {}, "functionality": "regular"}
    return {**base, "timestamp": error["timestamp"], "name": error["name"]}
