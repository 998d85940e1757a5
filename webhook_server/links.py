"""Links from our pages into n8n's."""

from typing import Any
from urllib.parse import quote

from flask import current_app


def link_execution(row: Any) -> str | None:
    """The page of a chain's leaf in n8n, at the address that the configuration gives; None where it gives none."""
    base = site_url(row.site)
    if not base or not row.workflow_id or not row.leaf_id:
        return None
    return f"{base}/workflow/{quote(row.workflow_id, safe='')}/executions/{quote(row.leaf_id, safe='')}"


def site_url(name: str) -> str:
    """The address of an n8n without its last slash; "" where none of that name is configured."""
    for site in current_app.config["MEDIC"].n8n:
        if site.name == name and str(site.url).startswith(("http://", "https://")):
            return str(site.url).rstrip("/")
    return ""
