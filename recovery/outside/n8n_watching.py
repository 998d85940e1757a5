"""What n8n tells beside its executions: workflows, webhooks, credentials, its numbers, and the key's end."""

import json
import math
import re
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NoReturn
from urllib.parse import quote

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from recovery.model import N8nError, N8nNumbers, tags_of

__all__ = ["ID_SHAPE", "N8nWatching", "read_numbers"]

ID_SHAPE = re.compile(r"[A-Za-z0-9_-]{1,64}")
MOST_PAGES = 20
VERSION = "version_info"
ORIGIN = "http://n8n-medic.invalid"  # n8n tells of methods only where a browser of another site might ask
NOBODYS = "n8n-medic-nothing-is-here"  # a webhook that nobody has


class N8nWatching:
    """The part of an n8n's door that is not about executions. A method raises N8nError where n8n does not answer."""

    _ask: Any
    _refuse: Callable[[Any, str], NoReturn]
    _object: Any
    _strange: Callable[[Any, str], NoReturn]
    _key: str
    _where: str

    def ready(self) -> str:
        """ "" where n8n is ready, else what is wrong, in words. Never raises."""
        try:
            return self.readiness()
        except N8nError as error:
            return str(error)

    def readiness(self) -> str:
        """The same, but where n8n does not answer: raises N8nError."""
        answer = self._ask("GET", "/healthz/readiness", {}, with_key=False)
        return "" if answer.status == 200 else f"n8n at {self._where} is not ready: it answered {answer.status}"

    def published_workflows(self) -> list[dict[str, Any]]:
        """All published workflows, with their nodes; needs the scope workflow:list."""
        rows = self._all("/api/v1/workflows", {"active": "true"}, "workflow:list")
        return [one for one in rows if one.get("active")]

    def tagged_workflows(self, tag: str) -> list[dict[str, Any]]:
        """All workflows with that tag, published or not; needs the scope workflow:list."""
        rows = self._all("/api/v1/workflows", {"tags": tag}, "workflow:list")
        return [one for one in rows if tag in tags_of(one)]  # n8n's database may compare names in its own way

    def credentials(self) -> list[dict[str, Any]]:
        """All credentials, without anything secret; needs the scope credential:list."""
        rows = self._all("/api/v1/credentials", {}, "credential:list", self._refuse_credentials)
        return [one for one in rows if isinstance(one.get("id"), str)]

    def _refuse_credentials(self, answer: Any, scope: str) -> NoReturn:
        if answer.status == 405 or (answer.status == 404 and answer.why == "not found"):
            message = f"n8n at {self._where} is too old to test credentials through its API: update n8n"
            raise N8nError(message, "too_old", permanent=True)
        self._refuse(answer, scope)

    def _all(
        self, path: str, query: dict[str, str], scope: str, refuse: Callable[[Any, str], NoReturn] | None = None
    ) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: Any = ""
        for _ in range(MOST_PAGES):
            answer = self._ask("GET", path, {**query, "limit": "250"} | ({"cursor": cursor} if cursor else {}))
            if answer.status != 200:
                (refuse or self._refuse)(answer, scope)
            page = self._object(answer)
            rows, cursor = page.get("data"), page.get("nextCursor")
            if not isinstance(rows, list):
                self._strange(answer, "a list")
            found += [one for one in rows if isinstance(one, dict)]
            if not cursor or not isinstance(cursor, str):
                break
        return found

    def test_credential(self, credential_id: str) -> tuple[bool, str] | None:
        """Let n8n try a credential: whether it works, and n8n's words; None where it is gone.

        Needs the scope credential:read. The words may be those of the service that n8n has asked.
        """
        if not ID_SHAPE.fullmatch(credential_id):
            return None
        answer = self._ask("POST", f"/api/v1/credentials/{credential_id}/test", {})
        if answer.status == 404 and answer.why not in ("", "not found"):
            return None
        if answer.status != 200:
            self._refuse_credentials(answer, "credential:read")
        told = self._object(answer)
        if told.get("status") not in ("OK", "Error"):
            raise N8nError(f"n8n at {self._where} did not say how the test of a credential went", "status")
        return told["status"] == "OK", str(told.get("message") or "")[:500]

    def numbers(self) -> N8nNumbers:
        """What n8n's `/metrics` tell; nothing where they are switched off, or hidden by a proxy."""
        answer = self._ask("GET", "/metrics", {}, with_key=False)
        return read_numbers(answer.body) if answer.status == 200 and isinstance(answer.body, str) else N8nNumbers()

    def webhook_methods(self, path: str) -> frozenset[str]:
        """The HTTP methods that are registered at a production webhook; nothing is run.

        Raises:
            N8nError: n8n does not answer; or who answers says yes to any webhook, and so tells nothing.
        """
        found = self._allowed(path)
        if len(found) > 1 and self._allowed(NOBODYS):  # a registered one mostly has one method
            message = (
                f"n8n at {self._where} says yes to any webhook: other processes answer them (n8n webhook), or a proxy "
                "speaks for it. Give as url the address where /api/v1 and /webhook are both answered"
            )
            raise N8nError(message, "client", permanent=True)
        return found

    def _allowed(self, path: str) -> frozenset[str]:
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


def read_numbers(text: str) -> N8nNumbers:
    """The numbers without labels, and the version, of n8n's metrics; nothing where they are not n8n's."""
    lines = [line for line in text.splitlines() if line[:1] != "#" and ("{" not in line or VERSION in line)]
    try:
        samples = list(_samples(lines))
    except (ValueError, IndexError, KeyError):
        return N8nNumbers()
    # Node.js tells of its version too: the shorter name is n8n's own, and begins with the prefix that it was given.
    told = min((one for one in samples if one.name.endswith(VERSION)), key=lambda one: len(one.name), default=None)
    if told is None:
        return N8nNumbers()
    prefix = told.name.removesuffix(VERSION)
    values = {
        one.name.removeprefix(prefix): one.value
        for one in samples
        if not one.labels and one.name.startswith(prefix) and math.isfinite(one.value)
    }
    return N8nNumbers(told.labels.get("version", "").removeprefix("v")[:40], values)


def _samples(lines: list[str]) -> Iterator[Sample]:
    for family in text_string_to_metric_families("\n".join(lines) + "\n"):
        yield from family.samples
