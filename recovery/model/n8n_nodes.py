"""What n8n's nodes do to the world: which only read, and which may write."""

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["DATABASES", "SUBWORKFLOW", "is_idempotent", "may_write", "method_of", "only_reads", "short_type"]

# Nodes that change nothing outside the run. Code nodes are missing on purpose: they may call anything.
PURE = frozenset(
    """aggregate compareDatasets compression crypto dateTime editImage executeWorkflowTrigger errorTrigger
    extractFromFile filter formTrigger html if itemLists limit manualTrigger markdown merge noOp removeDuplicates
    renameKeys
    respondToWebhook scheduleTrigger set sort splitInBatches splitOut stickyNote stopAndError summarize switch wait
    webhook xml cron interval start convertToFile""".split()
)
DATABASES = frozenset(
    "postgres mySql microsoftSql mongoDb redis mariaDb timescaleDb questDb snowflake oracleDatabase".split()
)
READ_OPERATIONS = frozenset("get getall getmany select search find findall read list keys info count aggregate".split())
CALLED = re.compile(r"([\w.$\"`\]]+)\s*\(")
# What may stand before a bracket in a query that only reads: words of SQL, and functions that change nothing.
BEFORE_BRACKETS = frozenset(
    """select from where and or not in exists any all some on using as over by when then else case filter values having
    distinct between like ilike interval join union except intersect limit offset
    count sum avg min max coalesce nullif greatest least lower upper trim length substr substring concat replace round
    abs floor ceil now date time extract date_trunc to_char to_date to_timestamp cast varchar char numeric decimal
    string_agg array_agg json_agg jsonb_agg row_number rank dense_rank lag lead""".split()
)
SUBWORKFLOW = frozenset(("executeWorkflow", "toolWorkflow"))


def short_type(node_type: str) -> str:
    """A node type without its package: "n8n-nodes-base.httpRequest" is "httpRequest"."""
    return node_type.rsplit(".", 1)[-1]


def method_of(node: Mapping[str, Any]) -> str:
    """The HTTP method of an HTTP Request node; GET is n8n's default. "" for other nodes and for expressions."""
    if short_type(_text(node.get("type"))) != "httpRequest":
        return ""
    parameters = _section(node, "parameters")
    method = _text(parameters.get("method") or parameters.get("requestMethod") or "GET").upper()
    return "" if method.startswith("=") else method


def only_reads(node: Mapping[str, Any], method: str = "") -> bool | None:
    """Whether running the node again changes nothing outside; None where that cannot be known.

    Args:
        method: the HTTP method that was really used, where it is known.
    """
    kind = short_type(_text(node.get("type")))
    if kind in PURE:
        return True
    if kind == "httpRequest":
        used = (method or method_of(node)).upper()
        return used in ("GET", "HEAD") if used else None
    if kind not in DATABASES:
        return None
    parameters = _section(node, "parameters")
    operation = _text(parameters.get("operation")).lower()
    if operation == "executequery":
        return _is_select(_text(parameters.get("query"), limit=10_000))
    return operation in READ_OPERATIONS if operation else None


def _is_select(query: str) -> bool:
    """A single plain SELECT. A second statement, INTO, a WITH, and a function that we do not know may write."""
    stripped = query.strip().rstrip(";").lower()
    if not re.match(r"select\b", stripped) or ";" in stripped or "/*" in stripped or re.search(r"\binto\b", stripped):
        return False
    return all(name in BEFORE_BRACKETS for name in CALLED.findall(stripped))


def may_write(node: Mapping[str, Any]) -> bool:
    """Whether running the node again may do something twice: it writes, or is of a service that can be written to.

    Code, sub-workflows and AI nodes are not told of: what they do is not to be seen from here. A request with an
    idempotency key does nothing twice.
    """
    package, _, kind = str(node.get("type")).rpartition(".")
    reads = only_reads(node)
    if reads is not None:
        return not reads and not is_idempotent(node)
    if kind == "httpRequest":
        return not is_idempotent(node)
    operation = _text(_section(node, "parameters").get("operation")).lower()
    unclear = kind == "code" or kind in SUBWORKFLOW or "langchain" in package or kind.endswith("Trigger")
    return not unclear and not operation.startswith(("get", "search", "list", "read", "find"))


def is_idempotent(node: Mapping[str, Any]) -> bool:
    """Whether an HTTP Request node sends a key by which the other side drops repeats."""
    rows = _section(_section(node, "parameters"), "headerParameters").get("parameters")
    headers = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    return any("idempotency" in str(row.get("name")).lower() for row in headers)


def _section(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    return found if isinstance(found, Mapping) else {}


def _text(value: Any, limit: int = 2_000) -> str:
    return value[:limit] if isinstance(value, str) else ""
