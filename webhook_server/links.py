"""Links from our pages into n8n's."""

from typing import Any
from urllib.parse import quote

from flask import current_app


def link_execution(row: Any) -> str | None:
    """The page of a chain's leaf in n8n, at the address that the configuration gives; None where it gives none."""
    return link_to(row.site, row.workflow_id, row.leaf_id)


def link_to(site: str, workflow_id: str, execution_id: str) -> str | None:
    """The page of an execution in n8n; None where no address is known."""
    base = site_url(site)
    if not base or not workflow_id or not execution_id:
        return None
    return f"{base}/workflow/{quote(workflow_id, safe='')}/executions/{quote(execution_id, safe='')}"


def site_url(name: str) -> str:
    """The address of an n8n without its last slash; "" where none of that name is configured."""
    for site in current_app.config["MEDIC"].n8n:
        if site.name == name and str(site.url).startswith(("http://", "https://")):
            return str(site.url).rstrip("/")
    return ""
