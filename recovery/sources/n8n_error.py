"""An n8n Error Trigger item: an execution that failed, or a trigger that could not start."""

import re
from collections.abc import Mapping
from typing import Any

from recovery.model import Failure, Signal, SignalKind, without_hidden
from recovery.sources.nodes import DATABASES, host_of, method_of, only_reads, short_type
from recovery.sources.shapes import BadPayload, identity, moment, section, text, whole

SOURCE = "n8n-error"
CODES = re.compile(
    r"\b(ECONNREFUSED|ECONNRESET|ECONNABORTED|ETIMEDOUT|ESOCKETTIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|"
    r"EPIPE|EPROTO|ENOSPC|ENOMEM|EMFILE|CERT_HAS_EXPIRED|DEPTH_ZERO_SELF_SIGNED_CERT|ERR_TLS_CERT_ALTNAME_INVALID|"
    r"SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_VERIFY_LEAF_SIGNATURE)\b"
)
TOLD_HOST = re.compile(
    r"(?:ECONNREFUSED|ETIMEDOUT|ECONNRESET|EHOSTUNREACH|ENOTFOUND|EAI_AGAIN)\s+([A-Za-z0-9_.\-\[\]:]{1,253})"
)
REFUSED_WORDS = re.compile(r"connection refused|refused the connection", re.IGNORECASE)
HOST_AND_PORT = re.compile(r"[A-Za-z0-9_.\-]{1,253}:\d{1,5}")
TOLD_STATUS = re.compile(r"(?:^|status code )([1-5]\d\d)(?= - |\b)")


def receive(payload: Any, site: str, delivery: str | None = None) -> Signal:
    """The signal in an Error Trigger item. The same execution of one n8n has the same key, however it was heard of.

    Raises:
        BadPayload: what is missing, and where.
    """
    if not isinstance(payload, Mapping):
        raise BadPayload("the body must be a JSON object: one item of n8n's Error Trigger")
    execution, trigger = (payload.get(name) for name in ("execution", "trigger"))
    if isinstance(execution, Mapping) and (execution or not isinstance(trigger, Mapping)):
        execution_id = identity(execution.get("id"), "execution.id")
        key = execution_key(site, execution_id)
    elif isinstance(trigger, Mapping):
        key = ""
    else:
        raise BadPayload('the body has neither an "execution" nor a "trigger" object, so it is no Error Trigger item')
    workflow_id = identity(section(payload, "workflow").get("id"), "workflow.id")
    stamp = whole(section(payload, "trigger", "error").get("timestamp"))
    if not key and stamp is not None:
        key = f"n8n:{site}:trigger:{workflow_id}:{stamp}"
    return Signal(key, SignalKind.FAILURE, SOURCE, site, dict(payload), delivery)


def execution_key(site: str, execution_id: str) -> str:
    """The key of everything that is said of one n8n execution's end."""
    return f"n8n:{site}:execution:{execution_id}"


def read_failure(body: Mapping[str, Any]) -> Failure:
    """The facts of a failed execution or trigger. Never raises: what is absent or odd stays empty."""
    execution = section(body, "execution")
    source = execution or section(body, "trigger")
    error = section(source, "error")
    node = section(error, "node")
    workflow = section(body, "workflow")
    words = said(error)
    method = next((used for place in _places(error) if (used := _method(place))), "") or method_of(node)
    return Failure(
        execution_id=text(execution.get("id")),
        workflow_id=text(workflow.get("id")),
        workflow_name=without_hidden(text(workflow.get("name"), 200)) or text(workflow.get("id")),
        mode=text(source.get("mode")) or ("trigger" if not execution else ""),
        retry_of=text(execution.get("retryOf")),
        error_name=text(error.get("name"), 100),
        error_code=_code(error, words),
        http_code=_status(error),
        message=text(error.get("message")) or text(error.get("description")),
        description=text(error.get("description")),
        host=_host(error, node, words),
        method=method,
        node_name=text(node.get("name"), 200) or text(execution.get("lastNodeExecuted"), 200),
        node_type=text(node.get("type"), 200),
        node_reads=only_reads(node, method) if node else None,
        last_node=text(execution.get("lastNodeExecuted"), 200),
        item_index=whole(section(error, "context").get("itemIndex")),
        url=text(execution.get("url"), 500),
        failed_at=moment(error.get("timestamp")),
    )


def said(error: Mapping[str, Any]) -> str:
    """Everything that an error says in words, in one text."""
    messages = error.get("messages")
    parts = [text(error.get("message")), text(error.get("description"))]
    parts += [text(one) for one in messages[:5]] if isinstance(messages, list) else []
    parts += [
        text(section(error, "cause").get("message")),
        text(section(error, "errorResponse").get("message")),
    ]
    inner = section(error, "errorResponse").get("messages")
    parts += [text(one) for one in inner[:5]] if isinstance(inner, list) else []
    return "\n".join(part for part in parts if part)


def _places(error: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Where facts may be: the error, what caused it, and the error of the sub-workflow that it stands for."""
    return (error, section(error, "cause"), section(error, "errorResponse"))


def _method(error: Mapping[str, Any]) -> str:
    return text(section(error, "context", "request").get("method"), 20).upper()


def _code(error: Mapping[str, Any], words: str) -> str:
    """A network code: n8n puts it where an HTTP status would be, libraries elsewhere."""
    for place in _places(error):
        for key in ("code", "httpCode"):
            code = text(place.get(key), 60)
            if code and not code.isdigit():
                return code
    found = CODES.search(words)
    if found:
        return found.group(1)
    return "ECONNREFUSED" if REFUSED_WORDS.search(words) else ""


def _status(error: Mapping[str, Any]) -> int | None:
    for place in _places(error):
        for key in ("httpCode", "statusCode", "status"):
            status = whole(place.get(key))
            if status is not None and 100 <= status <= 599:
                return status
    messages = error.get("messages")
    for one in messages[:5] if isinstance(messages, list) else []:
        found = TOLD_STATUS.search(text(one))
        if found:
            return int(found.group(1))
    return None


def _host(error: Mapping[str, Any], node: Mapping[str, Any], words: str) -> str:
    requests = [section(place, "context", "request") for place in _places(error)]
    addresses = [request.get(key) for request in requests for key in ("uri", "url")]
    for address in (*addresses, section(node, "parameters").get("url")):
        host = host_of(address)
        if host:
            return host
    told = TOLD_HOST.search(words)
    if told:
        return told.group(1).strip(".:").lower()
    kind = short_type(text(node.get("type")))
    if kind in DATABASES and HOST_AND_PORT.fullmatch(text(error.get("description"))):
        return text(error.get("description")).lower()
    return _credential(node, kind) if kind in DATABASES else ""


def _credential(node: Mapping[str, Any], kind: str) -> str:
    """A database node's address is in its credential, which payloads do not hold: its name stands for it."""
    for credential in section(node, "credentials").values():
        name = text(section(credential).get("name"), 100)
        if name:
            return f"{kind} {name}"
    return kind
