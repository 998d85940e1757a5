"""What a test about n8n needs: an n8n, our door to it, a service that workflows call, and who is told of errors."""

import itertools
from typing import Any, Self

from recovery.outside.n8n import N8n
from tests.n8n import workflows as w
from tests.n8n.real import RealN8n, free_port
from tests.standins.n8n import StandInN8n
from tests.standins.n8n_client import wait_for
from tests.standins.service import Answer, Service

ID_OF_BODY = "={{ JSON.stringify({id: $json.body.id}) }}"
ID_OF_ITEM = "={{ JSON.stringify({id: $json.id}) }}"
_numbers = itertools.count(1)


class World:
    """Fields: `n8n`, `door`, `service` (what workflows call), `told` (where the error workflow posts)."""

    def __init__(self, n8n: StandInN8n | RealN8n):
        self.n8n = n8n
        self.is_real = isinstance(n8n, RealN8n)
        self.service, self.told = Service(), Service()
        self.handler = n8n.errors_to(f"{self.told.url}/errors", "secret-token")
        self.door = N8n("main", n8n.url, n8n.api_key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.service.stop()
        self.told.stop()

    def begin_afresh(self) -> None:
        """Forget earlier calls and behaviours."""
        self.service.forget()
        self.told.forget()

    def url(self, path: str) -> str:
        """An address of the service."""
        return self.service.url + path

    def dead_url(self) -> str:
        """An address where nobody listens."""
        return f"http://127.0.0.1:{free_port()}/"

    def publish(self, *nodes: w.Node, name: str = "Orders", mode: str = "onReceived") -> tuple[str, str]:
        """Publish a workflow that begins with a webhook; its id and the webhook's path."""
        path = f"hook-{next(_numbers)}"
        made = w.workflow(f"{name} {path}", w.webhook(path, mode), *nodes, error_workflow=self.handler)
        workflow_id = self.n8n.create_workflow(made)
        self.n8n.activate(workflow_id, path)
        return workflow_id, path

    def draft(self, workflow_id: str, *nodes: w.Node) -> str:
        """Save another version beside the one that is live, and leave it unpublished; its version id."""
        name = self.n8n.api("GET", f"workflows/{workflow_id}").json()["name"]
        body = w.workflow(name, *nodes)
        saved = self.n8n.api("PUT", f"workflows/{workflow_id}", body, publishIfActive="false")
        assert saved.ok, saved.text
        return str(saved.json()["versionId"])

    def publish_sub(self, *nodes: w.Node) -> str:
        """Publish a sub-workflow; its id."""
        made = w.workflow(f"Sub {next(_numbers)}", w.sub_trigger(), *nodes, error_workflow=self.handler)
        sub = self.n8n.create_workflow(made)
        self.n8n.activate(sub)
        return sub

    def run(self, *nodes: w.Node, body: Any = None) -> dict[str, Any]:
        """Publish, call once and wait for the end; the execution with its data."""
        workflow_id, path = self.publish(*nodes)
        self.n8n.call(path, body or {"id": "a1"})
        return self.n8n.execution(self.n8n.ended(workflow_id)[0]["id"])

    def retry(self, execution_id: str) -> dict[str, Any]:
        """Retry and wait; the new execution."""
        answer = self.n8n.retry(execution_id)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def item_of(self, execution_id: str, seconds: float = 10.0) -> dict[str, Any]:
        """The Error Trigger's item about an execution."""

        def look() -> list[dict[str, Any]]:
            bodies = [body for body in self.told.bodies("/errors") if isinstance(body, dict)]
            return [body for body in bodies if body["execution"]["id"] == execution_id]

        return dict(wait_for(f"the error item of {execution_id}", look, seconds)[0])


def error_of(execution: dict[str, Any]) -> dict[str, Any]:
    """The error of an execution that was read with its data."""
    return dict(execution["data"]["resultData"]["error"])


def statuses(execution: dict[str, Any]) -> dict[str, list[str]]:
    """How each node ended."""
    rows = execution["data"]["resultData"]["runData"]
    return {name: [row["executionStatus"] for row in runs] for name, runs in rows.items()}


def nope(status: int) -> Answer:
    """A failure that says why."""
    return Answer(status, {"message": "nope"})
