"""The workflows that n8n-medic brings: filled in for one n8n, and compared with what is there. Pure."""

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = [
    "addresses_of",
    "calls_back",
    "credentials_of",
    "fill",
    "is_error_handler",
    "same_flow",
    "webhooks_of",
    "with_credentials",
]

HEADER_AUTH = "httpHeaderAuth"
# What a Set node holds of ours: the address of n8n-medic, the name of this n8n, and what its heartbeat is called.
ADDRESS, SITE, HEARTBEAT = "medic_url", "n8n_name", "heartbeat_name"
CALLS = "/webhooks/n8n-error"
CALLBACK = re.compile(r"(/webhooks/n8n-error)(/[a-z0-9_-]{1,40})?(?=$|[?'\"`\s}])")
BODY_KEYS = ("name", "nodes", "connections", "settings")
# What a node does. Where it stands, and the ids that n8n gives it, are nobody's business.
MEANT = (
    "type", "typeVersion", "parameters", "disabled", "retryOnFail", "maxTries", "waitBetweenTries", "onError",
    "executeOnce", "alwaysOutputData", "continueOnFail",
)  # fmt: skip


def fill(workflow: Mapping[str, Any], address: str, site: str) -> dict[str, Any]:
    """What n8n is given: with the address of n8n-medic, and calling back for that n8n. Credentials stay as named."""
    body = {key: copy.deepcopy(workflow.get(key) or {}) for key in BODY_KEYS}
    body["nodes"] = [_filled(node, address, site) for node in body["nodes"] or []]
    return body


def _filled(node: dict[str, Any], address: str, site: str) -> dict[str, Any]:
    other = "" if site == "default" else site
    for row in _settings(node):
        if row["name"] == ADDRESS:
            row["value"] = address
        elif row["name"] == SITE:
            row["value"] = other
        elif row["name"] == HEARTBEAT and other and not str(row.get("value")).endswith(f"-{other}"):
            row["value"] = f"{row.get('value')}-{other}"
    parameters = _section(node, "parameters")
    url = parameters.get("url")
    if isinstance(url, str) and _short(node) == "httpRequest":
        parameters["url"] = CALLBACK.sub(rf"\1{f'/{other}' if other else ''}", url)
    return node


def _settings(node: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The fields of a Set node that are ours to fill in."""
    if _short(node) != "set":
        return
    rows = _section(_section(node, "parameters"), "assignments").get("assignments")
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict) and row.get("name") in (ADDRESS, SITE, HEARTBEAT):
            yield row


def addresses_of(workflow: Mapping[str, Any]) -> list[str]:
    """The addresses of n8n-medic that it holds."""
    rows = [row for node in _nodes(workflow) for row in _settings(node)]
    return [str(row.get("value")) for row in rows if row["name"] == ADDRESS]


def calls_back(workflow: Mapping[str, Any]) -> bool:
    """Whether it tells n8n-medic of failures, with our nodes or with nodes made by hand."""
    urls = [str(_section(node, "parameters").get("url")) for node in _nodes(workflow) if _short(node) == "httpRequest"]
    return any(CALLS in url for url in urls)


def credentials_of(workflow: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(type, name) of each credential that its nodes name."""
    found: dict[tuple[str, str], None] = {}
    for node in _nodes(workflow):
        for kind, one in _section(node, "credentials").items():
            if isinstance(one, Mapping):
                found[str(kind), str(one.get("name"))] = None
    return list(found)


def with_credentials(body: Mapping[str, Any], ids: Mapping[str, str]) -> dict[str, Any]:
    """The same with the ids of header-auth credentials, by their names; those that are not known stay as they are."""
    filled = copy.deepcopy(dict(body))
    for node in filled.get("nodes") or ():
        one = _section(node, "credentials").get(HEADER_AUTH)
        if isinstance(one, dict) and one.get("name") in ids:
            one["id"] = ids[one["name"]]
    return filled


def same_flow(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two workflows do the same, wherever their nodes stand."""
    return _meaning(one) == _meaning(other)


def _meaning(workflow: Mapping[str, Any]) -> tuple[Any, ...]:
    nodes = {
        str(node.get("name")): (
            {key: node.get(key) for key in MEANT if node.get(key) not in (None, False)},
            {kind: _section(_section(node, "credentials"), kind).get("id") for kind in _section(node, "credentials")},
        )
        for node in _nodes(workflow)
        if _short(node) != "stickyNote"
    }
    wires = {name: wired for name, wired in _section(workflow, "connections").items() if wired}
    return nodes, wires


def webhooks_of(workflow: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(path, method) of each webhook that is registered once it is published."""
    found = []
    for node in _nodes(workflow):
        parameters = _section(node, "parameters")
        path = parameters.get("path")
        if _short(node) == "webhook" and not node.get("disabled") and isinstance(path, str) and ":" not in path:
            found.append((path, str(parameters.get("httpMethod") or "GET")))
    return found


def is_error_handler(workflow: Mapping[str, Any]) -> bool:
    """Whether it begins with an Error Trigger: such a workflow handles its own failures."""
    return any(_short(node) == "errorTrigger" and not node.get("disabled") for node in _nodes(workflow))


def _nodes(workflow: Mapping[str, Any]) -> list[dict[str, Any]]:
    nodes = workflow.get("nodes")
    return [node for node in nodes if isinstance(node, dict)] if isinstance(nodes, list) else []


def _short(node: Mapping[str, Any]) -> str:
    return str(node.get("type")).rpartition(".")[2]


def _section(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}
