"""Which address an n8n node calls; what it does to the world is told by `recovery.model.n8n_nodes`."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from recovery.model import n8n_nodes
from recovery.model.n8n_nodes import DATABASES, SUBWORKFLOW, only_reads, short_type
from recovery.sources.shapes import text

__all__ = ["DATABASES", "SUBWORKFLOW", "host_of", "method_of", "only_reads", "short_type"]

DEFAULT_PORTS = {"http": 80, "https": 443}


def method_of(node: Mapping[str, Any]) -> str:
    """The HTTP method of an HTTP Request node, fit to be stored; "" for other nodes and for expressions."""
    return text(n8n_nodes.method_of(node))


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
