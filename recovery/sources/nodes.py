"""What an n8n node does to the world: does it only read, and which address does it call?"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from recovery.sources.shapes import section, text

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
DEFAULT_PORTS = {"http": 80, "https": 443}


def short_type(node_type: str) -> str:
    """A node type without its package: "n8n-nodes-base.httpRequest" is "httpRequest"."""
    return node_type.rsplit(".", 1)[-1]


def method_of(node: Mapping[str, Any]) -> str:
    """The HTTP method of an HTTP Request node; GET is n8n's default. "" for other nodes and for expressions."""
    if short_type(text(node.get("type"))) != "httpRequest":
        return ""
    parameters = section(node, "parameters")
    method = text(parameters.get("method") or parameters.get("requestMethod") or "GET").upper()
    return "" if method.startswith("=") else method


def only_reads(node: Mapping[str, Any], method: str = "") -> bool | None:
    """Whether running the node again changes nothing outside; None where that cannot be known.

    Args:
        method: the HTTP method that was really used, where it is known.
    """
    kind = short_type(text(node.get("type")))
    if kind in PURE:
        return True
    if kind == "httpRequest":
        used = (method or method_of(node)).upper()
        return used in ("GET", "HEAD") if used else None
    if kind not in DATABASES:
        return None
    parameters = section(node, "parameters")
    operation = text(parameters.get("operation")).lower()
    if operation == "executequery":
        return _is_select(text(parameters.get("query"), limit=10_000))
    return operation in READ_OPERATIONS if operation else None


def _is_select(query: str) -> bool:
    """A single plain SELECT. A second statement, INTO, a WITH, and a function that we do not know may write."""
    stripped = query.strip().rstrip(";").lower()
    if not re.match(r"select\b", stripped) or ";" in stripped or "/*" in stripped or re.search(r"\binto\b", stripped):
        return False
    return all(name in BEFORE_BRACKETS for name in CALLED.findall(stripped))


def host_of(address: Any) -> str:
    """ "host", or "host:port" where the port is not the scheme's own, of a URL; "" for anything else."""
    found = text(address)
    if "://" not in found or found.startswith("="):
        return ""
    try:
        parts = urlsplit(found)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return ""
    if not host or len(host) > 253 or any(sign in host for sign in "{}$ "):
        return ""
    return f"{host}:{port}" if port and port != DEFAULT_PORTS.get(parts.scheme) else host
