"""The stand-in's public API: routes, keys and scopes, on top of an engine."""

import base64
import json
import re
import secrets
from datetime import datetime
from typing import Any

import requests

from recovery.clock import utc_now
from tests.standins.n8n_engine import Engine
from tests.standins.n8n_publishing import Refused
from tests.standins.n8n_runs import Execution, iso, new_id
from tests.standins.service import Answer

SHOWN = ("id", "name", "type", "createdAt", "updatedAt")
STATUSES = ("canceled", "crashed", "error", "new", "running", "success", "unknown", "waiting")
ROUTES: list[tuple[str, re.Pattern[str], str, str]] = [
    (method, re.compile(rf"/api/v1/{path}"), scope, name)
    for method, path, scope, name in (
        ("GET", r"executions", "execution:list", "list_executions"),
        ("GET", r"executions/([^/]+)", "execution:read", "get_execution"),
        ("DELETE", r"executions/([^/]+)", "execution:delete", "delete_execution"),
        ("POST", r"executions/([^/]+)/retry", "execution:retry", "retry_execution"),
        ("POST", r"executions/([^/]+)/stop", "execution:stop", "stop_execution"),
        ("POST", r"workflows", "workflow:create", "create_workflow"),
        ("GET", r"workflows", "workflow:list", "list_workflows"),
        ("GET", r"workflows/([^/]+)", "workflow:read", "get_workflow"),
        ("PUT", r"workflows/([^/]+)", "workflow:update", "put_workflow"),
        ("POST", r"workflows/([^/]+)/(?:activate|publish)", "workflow:activate", "publish_workflow"),
        ("POST", r"workflows/([^/]+)/(?:deactivate|unpublish)", "workflow:deactivate", "unpublish_workflow"),
        ("POST", r"workflows/([^/]+)/archive", "workflow:delete", "archive_workflow"),
        ("DELETE", r"workflows/([^/]+)", "workflow:delete", "delete_workflow"),
        ("GET", r"workflows/([^/]+)/tags", "workflowTags:list", "get_workflow_tags"),
        ("PUT", r"workflows/([^/]+)/tags", "workflowTags:update", "put_workflow_tags"),
        ("GET", r"tags", "tag:list", "list_tags"),
        ("POST", r"tags", "tag:create", "create_tag"),
        ("DELETE", r"tags/([^/]+)", "tag:delete", "delete_tag"),
        ("POST", r"credentials", "credential:create", "create_credential"),
        ("GET", r"credentials", "credential:list", "list_credentials"),
        ("DELETE", r"credentials/([^/]+)", "credential:delete", "delete_credential"),
        ("PATCH", r"credentials/([^/]+)", "credential:update", "patch_credential"),
        ("POST", r"credentials/([^/]+)/test", "credential:read", "test_credential"),
        ("GET", r"discover", "", "discover"),
    )
]
ALL_SCOPES = sorted({route[2] for route in ROUTES} - {""})


class Api:
    """The public API on top of an engine: each method is one route and gives what the real one gives."""

    def __init__(self, engine: Engine, api_key: str):
        self.engine = engine
        self.keys = {api_key: list(ALL_SCOPES)}
        self.ends: dict[str, int] = {}
        self.can_retry = True
        self.misbehaviour: list[tuple[str, Answer]] = []
        self.slow_seconds = 0.0
        self.numbers: dict[str, float] | None = {}
        self.can_discover = True
        self.is_older = False

    def answer(self, method: str, path: str, query: dict[str, str], key: str, body: Any) -> tuple[int, Any]:
        """Find the route, check the key, then do it. An unknown route is told before a wrong key."""
        known = [(route, found) for route in ROUTES if (found := route[1].fullmatch(path))]
        if not self.can_retry:
            known = [one for one in known if one[0][3] != "retry_execution"]
        if not self.can_discover:
            known = [one for one in known if one[0][3] != "discover"]
        if not known:
            return 404, {"message": "not found"}
        wanted = [(route, found) for route, found in known if route[0] == method]
        if not wanted:
            return 405, {"message": f"{method} method not allowed"}
        (_, _, scope, name), found = wanted[0]
        if key not in self.keys or utc_now().timestamp() >= self.ends.get(key, float("inf")):
            return 401, {"message": "Unauthorized"}
        if scope and scope not in self.keys[key]:
            return 403, {"message": "Forbidden"}
        try:
            return 200, getattr(self, name)(*found.groups(), query=query, body=body, key=key)
        except Refused as refused:
            return refused.status, {"message": str(refused)}

    # -- executions

    def list_executions(self, query: dict[str, str], **_: Any) -> Any:
        status, after = query.get("status", ""), query.get("startedAfter", "")
        if self.is_older:
            _refuse_what_is_newer(query)
        if status and status not in STATUSES:
            raise Refused(400, f"request/query/status Invalid enum value. Expected one of {STATUSES}")
        limit, below = _paging(query)
        span = _moment(after or "0001-01-01T00:00:00Z"), _moment(query.get("startedBefore") or "9999-01-01T00:00:00Z")
        with self.engine.lock:
            listed = [run for run in self.engine.executions.values() if not self.engine.hides(run)]
            found = [run for run in listed if _wanted(run, status, query, span)]
            found.sort(key=lambda run: -int(run.id))
            page = [run for run in found if below is None or int(run.id) < below]
            more = len(page) > limit
            with_data = query.get("includeData") == "true"
            rows = [run.shown(with_data) for run in page[:limit]]
        return {"data": rows, "nextCursor": _cursor(rows[-1]["id"], limit) if more else None}

    def _run(self, run_id: str) -> Execution:
        if not run_id.isdigit():
            raise Refused(400, "request/params/executionId must be a positive integer")
        found = self.engine.executions.get(run_id)
        if not found:
            raise Refused(404, "Not Found")
        return found

    def get_execution(self, run_id: str, query: dict[str, str], **_: Any) -> Any:
        with self.engine.lock:
            return self._run(run_id).shown(query.get("includeData") == "true")

    def delete_execution(self, run_id: str, **_: Any) -> Any:
        with self.engine.lock:
            shown = self._run(run_id).shown()
            del self.engine.executions[run_id]
        return shown

    def retry_execution(self, run_id: str, body: Any, **_: Any) -> Any:
        if not run_id.isdigit():
            raise Refused(400, "request/params/executionId must be a positive integer")
        run = self.engine.retry(run_id, bool((body or {}).get("loadWorkflow")))
        self.engine.start(run)  # a thread of its own: it runs on where the caller leaves
        run.ended.wait()
        return run.shown(with_data=True)

    def stop_execution(self, run_id: str, **_: Any) -> Any:
        with self.engine.lock:
            if run_id.isdigit() and run_id not in self.engine.executions:
                raise Refused(404, "Failed to find execution to stop")
            run = self._run(run_id)
            if run.status not in ("new", "running", "unknown", "waiting"):
                told = f"Only running or waiting executions can be stopped and {run.id} is currently {run.status}"
                raise Refused(409, told)
            run.cancel()
        return {key: run.shown()[key] for key in ("mode", "startedAt", "stoppedAt", "finished", "status")}

    # -- workflows

    def _workflow(self, workflow_id: str) -> dict[str, Any]:
        found = self.engine.workflows.get(workflow_id)
        if not found:
            raise Refused(404, "Not Found")
        return found

    def create_workflow(self, body: Any, **_: Any) -> Any:
        return self.engine.create_workflow(_checked(body))

    def list_workflows(self, query: dict[str, str], **_: Any) -> Any:
        found = list(self.engine.workflows.values())
        if active := query.get("active"):
            found = [one for one in found if one["active"] == (active == "true")]
        if tags := query.get("tags"):  # n8n gives those that have all of them
            names = {tag.strip() for tag in tags.split(",")}
            found = [one for one in found if names <= {tag["name"] for tag in one["tags"]}]
        begin, limit = int(query.get("cursor", "0")), min(int(query.get("limit", "100")), 250)
        page, more = found[begin : begin + limit], len(found) > begin + limit
        return {"data": page, "nextCursor": str(begin + limit) if more else None}

    def get_workflow(self, workflow_id: str, **_: Any) -> Any:
        return self._workflow(workflow_id)

    def put_workflow(self, workflow_id: str, query: dict[str, str], body: Any, **_: Any) -> Any:
        if workflow_id not in self.engine.workflows:
            raise Refused(
                404, "You do not have permission to update this workflow. Ask the owner to share it with you."
            )
        if self._workflow(workflow_id)["isArchived"]:
            raise Refused(400, "Cannot update an archived workflow.")
        publish = query.get("publishIfActive") != "false"
        return self.engine.change_workflow(workflow_id, _checked(body), publish)

    def publish_workflow(self, workflow_id: str, body: Any, **_: Any) -> Any:
        self._permitted(workflow_id, "activate")
        return self.engine.publish(workflow_id, str((body or {}).get("versionId") or ""))

    def unpublish_workflow(self, workflow_id: str, **_: Any) -> Any:
        self._permitted(workflow_id, "deactivate")
        return self.engine.unpublish(workflow_id)

    def _permitted(self, workflow_id: str, what: str) -> None:
        if workflow_id not in self.engine.workflows:
            message = f"You do not have permission to {what} this workflow. Ask the owner to share it with you."
            raise Refused(404, message)

    def archive_workflow(self, workflow_id: str, **_: Any) -> Any:
        self._workflow(workflow_id)["isArchived"] = True
        return self._workflow(workflow_id)

    def delete_workflow(self, workflow_id: str, **_: Any) -> Any:
        found = self._workflow(workflow_id)
        if found["active"]:
            raise Refused(409, "Cannot delete a published workflow. Unpublish it before deleting.")
        del self.engine.workflows[workflow_id]
        return found

    def get_workflow_tags(self, workflow_id: str, **_: Any) -> Any:
        return self._workflow(workflow_id)["tags"]

    def put_workflow_tags(self, workflow_id: str, body: Any, **_: Any) -> Any:
        tags = [self.engine.tags[one["id"]] for one in body if one["id"] in self.engine.tags]
        self._workflow(workflow_id)["tags"] = tags
        return tags

    # -- the rest

    def list_tags(self, **_: Any) -> Any:
        return {"data": list(self.engine.tags.values()), "nextCursor": None}

    def create_tag(self, body: Any, **_: Any) -> Any:
        if body["name"] in {one["name"] for one in self.engine.tags.values()}:
            raise Refused(409, "Tag already exists")
        now = iso(utc_now())
        made = {"id": new_id(), "name": body["name"], "createdAt": now, "updatedAt": now}
        self.engine.tags[made["id"]] = made
        return made

    def delete_tag(self, tag_id: str, **_: Any) -> Any:
        if tag_id not in self.engine.tags:
            raise Refused(404, "Not Found")
        return self.engine.tags.pop(tag_id)

    def create_credential(self, body: Any, **_: Any) -> Any:
        now = iso(utc_now())
        made = {"id": new_id(), "name": body["name"], "type": body["type"], "createdAt": now, "updatedAt": now}
        self.engine.credentials[made["id"]] = {**made, "data": body["data"]}
        return made

    def list_credentials(self, **_: Any) -> Any:
        rows = [{key: one[key] for key in SHOWN} | {"shared": []} for one in self.engine.credentials.values()]
        return {"data": rows[::-1], "nextCursor": None}

    def test_credential(self, credential_id: str, **_: Any) -> Any:
        found = self.engine.credentials.get(credential_id)
        if found is None:
            raise Refused(404, f'Credential with ID "{credential_id}" was not found.')
        works, words = try_credential(found)
        return {"status": "OK" if works else "Error", "message": words}

    def patch_credential(self, credential_id: str, body: Any, **_: Any) -> Any:
        found = self.engine.credentials.get(credential_id)
        if found is None:
            raise Refused(404, "Credential not found")
        found |= {key: body[key] for key in ("name", "data") if key in body} | {"updatedAt": iso(utc_now())}
        return {key: found[key] for key in SHOWN}

    def delete_credential(self, credential_id: str, **_: Any) -> Any:
        if credential_id not in self.engine.credentials:
            raise Refused(404, "Not Found")
        del self.engine.credentials[credential_id]
        return {"id": credential_id}

    def discover(self, key: str, **_: Any) -> Any:
        return {"data": {"scopes": self.keys[key]}}

    def new_key(self, scopes: list[str], ends_at: int | None = None) -> str:
        """A new key with these scopes, which says when it ends as n8n's do."""
        claims = json.dumps({"exp": ends_at} if ends_at else {}).encode()
        key = f"h.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.{secrets.token_hex(16)}"
        self.keys[key] = scopes
        if ends_at:
            self.ends[key] = ends_at
        return key


def try_credential(credential: dict[str, Any]) -> tuple[bool, str]:
    """Whether a credential works, and the words. The stand-in tries those of GitHub only, as n8n tries them."""
    if credential["type"] != "githubApi":
        return False, "No testing function found for this credential."
    data = credential["data"]
    try:
        with requests.Session() as session:
            session.trust_env = False
            headers = {"Authorization": f"token {data['accessToken']}"}
            answer = session.get(f"{data['server']}/user", headers=headers, timeout=20)
    except requests.ConnectionError:
        return False, "ECONNREFUSED"
    return (True, "Connection successful!") if answer.ok else (False, answer.reason)


def _checked(body: Any) -> dict[str, Any]:
    known = ("name", "nodes", "connections", "settings")
    for name in known:
        if name not in (body or {}):
            raise Refused(400, f"request/body must have required property '{name}'")
    if strange := [name for name in body if name not in known]:
        raise Refused(400, f"request/body Unrecognized key(s) in object: '{strange[0]}'")
    return dict(body)


def _refuse_what_is_newer(query: dict[str, str]) -> None:
    """What n8n 1.113 does not know of this list."""
    for name in ("startedAfter", "startedBefore"):
        if name in query:
            raise Refused(400, f"Unknown query parameter '{name}'")
    known = ("canceled", "error", "running", "success", "waiting")
    if query.get("status", "error") not in known:
        raise Refused(400, f"request/query/status must be equal to one of the allowed values: {', '.join(known)}")


def _wanted(run: Execution, status: str, query: dict[str, str], span: tuple[datetime, datetime]) -> bool:
    if run.status != status if status else run.status == "running":
        return False
    workflow_id = query.get("workflowId")
    return (not workflow_id or run.workflow["id"] == workflow_id) and span[0] <= run.started <= span[1]


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise Refused(400, "request/query/startedAfter Invalid datetime") from None


def _paging(query: dict[str, str]) -> tuple[int, int | None]:
    limit = int(query.get("limit", 100))
    if not query.get("cursor"):
        return max(1, min(limit, 250)), None
    try:
        found = json.loads(base64.b64decode(query["cursor"]))
        return max(1, min(int(found["limit"]), 250)), int(found["lastId"])
    except (ValueError, KeyError, TypeError):
        raise Refused(400, "An invalid cursor was provided") from None


def _cursor(last_id: str, limit: int) -> str:
    content = json.dumps({"lastId": last_id, "limit": limit}, separators=(",", ":"))
    return base64.b64encode(content.encode()).decode()
