"""What n8n tells beside its executions: published workflows, registered webhooks, its numbers, and the key's end."""

import json
from base64 import urlsafe_b64decode
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from recovery.model import N8nError

__all__ = ["N8nWatching"]

MOST_PAGES = 20
ORIGIN = "http://n8n-medic.invalid"  # n8n tells of methods only where a browser of another site might ask


class N8nWatching:
    """The part of an n8n's door that only checks use. Every method raises N8nError where n8n does not answer."""

    _ask: Any
    _refuse: Any
    _object: Any
    _key: str
    _where: str

    def server_time(self) -> str:
        """n8n's own clock, as the Date header of an answer; "" where it sends none. Raises N8nError."""
        return self._ask("GET", "/healthz", {}, with_key=False).headers.get("date", "")

    def published_workflows(self) -> list[dict[str, Any]]:
        """All published workflows, with their nodes; needs the scope workflow:list."""
        found: list[dict[str, Any]] = []
        cursor = ""
        for _ in range(MOST_PAGES):
            query = {"active": "true", "limit": "250"} | ({"cursor": cursor} if cursor else {})
            answer = self._ask("GET", "/api/v1/workflows", query)
            if answer.status != 200:
                self._refuse(answer, "workflow:list")
            page = self._object(answer)
            found += [one for one in page.get("data") or () if isinstance(one, dict) and one.get("active")]
            cursor = page.get("nextCursor") or ""
            if not cursor:
                break
        return found

    def webhook_methods(self, path: str) -> frozenset[str]:
        """The HTTP methods that are registered at a production webhook; nothing is run."""
        address = f"/webhook/{quote(path.strip('/'), safe='/-_.~')}"
        answer = self._ask("OPTIONS", address, {}, with_key=False, headers={"Origin": ORIGIN})
        if answer.status >= 500:
            raise N8nError(f"n8n at {self._where} answered {answer.status} to a webhook's OPTIONS", "status")
        told = answer.headers.get("access-control-allow-methods", "")
        return frozenset(word.strip().upper() for word in told.split(",") if word.strip()) - {"OPTIONS"}

    def key_ends(self) -> datetime | None:
        """When the API key ends, as the key itself says; None where it does not."""
        try:
            part = self._key.split(".")[1]
            claims = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
            return datetime.fromtimestamp(float(claims["exp"]), UTC)
        except (IndexError, KeyError, TypeError, ValueError, OverflowError):
            return None
