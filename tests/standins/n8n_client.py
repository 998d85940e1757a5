"""What the tests do with an n8n through its API, the same for the stand-in and for the real one."""

import time
from collections.abc import Callable
from typing import Any

import requests


def wait_for(what: str, look: Callable[[], Any], seconds: float = 30.0, every: float = 0.05) -> Any:
    """Look until the answer is truthy, and give it.

    Raises:
        AssertionError: it did not come in time.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(every)
    raise AssertionError(f"{what} did not come within {seconds} s")


class N8nClient:
    """The public API and the webhooks of one n8n; `url` and `api_key` are set by who starts it."""

    url: str
    api_key: str
    publishes_all = True  # n8n 1 runs error workflows and sub-workflows unpublished, and refuses to publish them

    def __init__(self) -> None:
        self._session = requests.Session()
        self._session.trust_env = False

    def api(self, method: str, path: str, body: Any = None, key: str | None = None, **query: Any) -> requests.Response:
        """One call of the public API, with another key where one is given."""
        with requests.Session() as session:
            session.trust_env = False
            headers = {"X-N8N-API-KEY": self.api_key if key is None else key}
            url = f"{self.url}/api/v1/{path}"
            return session.request(method, url, json=body, params=query, headers=headers, timeout=60)

    def _ok(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        answer = self.api(method, path, body, **query)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    def create_workflow(self, workflow: dict[str, Any]) -> str:
        """Create; its id."""
        keys = ("name", "nodes", "connections", "settings")
        return str(self._ok("POST", "workflows", {key: workflow[key] for key in keys})["id"])

    def activate(self, workflow_id: str, webhook: str = "") -> None:
        """Publish, and wait until its webhook (a path) really answers: n8n says 200 before that."""
        if not webhook and not self.publishes_all:
            return
        self._ok("POST", f"workflows/{workflow_id}/activate")
        if webhook:
            wait_for(f"webhook {webhook}", lambda: self.webhook_answers(webhook))

    def webhook_answers(self, path: str) -> bool:
        """Whether a POST webhook is registered, asked without running it."""
        headers = {"Origin": "http://example.com"}
        answer = self._session.options(f"{self.url}/webhook/{path}", headers=headers, timeout=5)
        return "POST" in answer.headers.get("Access-Control-Allow-Methods", "")

    def create_credential(self, name: str, kind: str, data: dict[str, Any]) -> str:
        """Create a credential; its id."""
        return str(self._ok("POST", "credentials", {"name": name, "type": kind, "data": data})["id"])

    def tag(self, workflow_id: str, name: str) -> None:
        """Give a workflow a tag beside those it has, making the tag where there is none."""
        known = {one["name"]: one["id"] for one in self._ok("GET", "tags", limit=250)["data"]}
        tag_id = known.get(name) or self._ok("POST", "tags", {"name": name})["id"]
        has = [{"id": one["id"]} for one in self._ok("GET", f"workflows/{workflow_id}/tags")]
        self._ok("PUT", f"workflows/{workflow_id}/tags", [*has, {"id": tag_id}])

    def call(self, path: str, body: Any = None, timeout: float = 30.0) -> requests.Response:
        """Call a production webhook with POST."""
        return self._session.post(f"{self.url}/webhook/{path}", json=body, timeout=timeout)

    def executions(self, workflow_id: str = "", status: str = "", with_data: bool = False) -> list[dict[str, Any]]:
        """Executions, newest first; running ones only with that status."""
        query = {"workflowId": workflow_id, "status": status, "limit": 250, "includeData": str(with_data).lower()}
        return list(self._ok("GET", "executions", **{key: value for key, value in query.items() if value})["data"])

    def execution(self, execution_id: str) -> dict[str, Any]:
        """One execution with its data."""
        return dict(self._ok("GET", f"executions/{execution_id}", includeData="true"))

    def ended(self, workflow_id: str, count: int = 1, seconds: float = 30.0) -> list[dict[str, Any]]:
        """The executions of a workflow once `count` of them have ended, newest first."""

        def look() -> list[dict[str, Any]]:
            found = [one for one in self.executions(workflow_id) if one["stoppedAt"]]
            return found if len(found) >= count else []

        return list(wait_for(f"{count} ended executions of {workflow_id}", look, seconds))

    def retry(self, execution_id: str) -> requests.Response:
        """Retry; answers when the retry has ended."""
        return self.api("POST", f"executions/{execution_id}/retry", {})

    def errors_to(self, url: str, token: str = "") -> str:
        """Publish an error workflow that posts its Error Trigger item to `url`; its id."""
        from tests.n8n import workflows

        handler = self.create_workflow(workflows.error_handler(url, token))
        self.activate(handler)
        return handler
