"""How an n8n is connected to n8n-medic: workflows, credentials and tags, made, changed and taken away again."""

import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn
from urllib.parse import quote

from recovery.model import N8nError
from recovery.outside.n8n_watching import ID_SHAPE

__all__ = ["N8nWiringDoor"]

UNPUBLISHED_SECONDS, LOOK_AGAIN_SECONDS = 60.0, 0.3


class N8nWiringDoor:
    """The part of an n8n's door that `medic connect` uses; implements `N8nWiring`."""

    _ask: Any
    _all: Callable[..., list[dict[str, Any]]]
    _refuse: Callable[[Any, str], NoReturn]
    _object: Any
    _strange: Callable[[Any, str], NoReturn]
    _where: str

    def key_scopes(self) -> frozenset[str]:
        """What the API key may do; see `N8nWiring`."""
        answer = self._ask("GET", "/api/v1/discover", {})
        if answer.status == 405 or (answer.status == 404 and answer.why == "not found"):
            message = (
                f"n8n at {self._where} is too old to be connected: it cannot say what an API key may do. Update n8n"
            )
            raise N8nError(message, "too_old", permanent=True)
        if answer.status != 200:
            self._refuse(answer, "of any kind")
        told = self._object(answer).get("data")
        scopes = told.get("scopes") if isinstance(told, dict) else None
        if not isinstance(scopes, list):
            self._strange(answer, "what the API key may do")
        return frozenset(str(one) for one in scopes)

    # -- workflows

    def workflows(self) -> list[dict[str, Any]]:
        """All workflows, published or not; needs the scope workflow:list."""
        rows = self._all("/api/v1/workflows", {"excludePinnedData": "true"}, "workflow:list")
        return [one for one in rows if isinstance(one.get("id"), str)]

    def create_workflow(self, body: dict[str, Any]) -> dict[str, Any]:
        """Make a workflow; needs the scope workflow:create."""
        made: dict[str, Any] = self._object(self._done("POST", "workflows", "workflow:create", body=body))
        return made

    def save_workflow(self, workflow_id: str, body: dict[str, Any]) -> dict[str, Any]:
        """Save a workflow anew and publish nothing; needs the scope workflow:update."""
        query = {"publishIfActive": "false"}
        path = f"workflows/{_safe(workflow_id)}"
        saved: dict[str, Any] = self._object(self._done("PUT", path, "workflow:update", query, body=body))
        return saved

    def unpublish(self, workflow_id: str) -> None:
        """Take a workflow down; needs the scope workflow:deactivate."""
        self._done("POST", f"workflows/{_safe(workflow_id)}/unpublish", "workflow:deactivate", gone=True)

    def delete_workflow(self, workflow_id: str) -> None:
        """Delete a workflow; needs the scope workflow:delete.

        n8n says that one is unpublished before it is: until then it refuses to delete it. While the last run of it is
        being saved it may answer with an error of its own; to ask again does no harm.
        """
        until = time.monotonic() + UNPUBLISHED_SECONDS
        while True:
            try:
                self._done("DELETE", f"workflows/{_safe(workflow_id)}", "workflow:delete", gone=True)
            except N8nError as error:
                is_early = "still being unpublished" in str(error) or error.kind == "status"
                if not is_early or time.monotonic() > until:
                    raise
                threading.Event().wait(LOOK_AGAIN_SECONDS)
            else:
                return

    # -- credentials and tags

    def create_credential(self, name: str, kind: str, data: dict[str, Any]) -> str:
        """Make a credential; needs the scope credential:create."""
        body = {"name": name, "type": kind, "data": data}
        return str(self._object(self._done("POST", "credentials", "credential:create", body=body)).get("id"))

    def change_credential(self, credential_id: str, data: dict[str, Any]) -> None:
        """Write a credential anew; needs the scope credential:update."""
        self._done("PATCH", f"credentials/{_safe(credential_id)}", "credential:update", body={"data": data})

    def delete_credential(self, credential_id: str) -> None:
        """Delete a credential; needs the scope credential:delete."""
        self._done("DELETE", f"credentials/{_safe(credential_id)}", "credential:delete", gone=True)

    def tags(self) -> list[dict[str, Any]]:
        """All tags; needs the scope tag:list. Of the kind "client" where n8n has none by its settings."""
        return [one for one in self._all("/api/v1/tags", {}, "tag:list") if isinstance(one.get("id"), str)]

    def create_tag(self, name: str) -> str:
        """Make a tag; needs the scope tag:create."""
        return str(self._object(self._done("POST", "tags", "tag:create", body={"name": name})).get("id"))

    def delete_tag(self, tag_id: str) -> None:
        """Delete a tag; needs the scope tag:delete."""
        self._done("DELETE", f"tags/{_safe(tag_id)}", "tag:delete", gone=True)

    # -- how

    def call_webhook(self, path: str) -> int:
        """POST to a production webhook; the key is not sent with it."""
        answer = self._ask("POST", f"/webhook/{quote(path.strip('/'), safe='/-_.~')}", {}, body={}, with_key=False)
        return int(answer.status)

    def _done(
        self,
        method: str,
        path: str,
        scope: str,
        query: dict[str, str] | None = None,
        body: Any = None,
        gone: bool = False,
    ) -> Any:
        """Ask, and refuse what is not done. `gone`: something that is not there any more counts as done."""
        answer = self._ask(method, f"/api/v1/{path}", query or {}, body=body)
        no_route = answer.status == 405 or (answer.status == 404 and answer.why == "not found")
        if no_route:
            message = f"n8n at {self._where} is too old for this ({method} /api/v1/{path.split('/')[0]}): update n8n"
            raise N8nError(message, "too_old", permanent=True)
        is_gone = gone and answer.status == 404 and bool(answer.why)
        if answer.status not in (200, 201, 204) and not is_gone:
            self._refuse(answer, scope)
        return answer


def _safe(found_id: str) -> str:
    if not ID_SHAPE.fullmatch(found_id):
        raise N8nError("n8n has nothing with such an id", "not_found", permanent=True)
    return found_id
