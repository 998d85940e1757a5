"""A place where workflows call a service: a stand-in n8n, and the engine that looks after it in told time."""

from typing import Any

from recovery.sources import n8n_execution
from recovery.worker.polling import poll_sites
from tests.conftest import FakeClock
from tests.n8n import workflows as flow
from tests.standins.n8n import StandInN8n
from tests.standins.service import Service
from tests.story.engine import Engine


class Place:
    """A stand-in n8n whose workflows call a service, and the engine that looks after it.

    `is_met`: the engine knows that n8n already; what failed before first contact is old.
    """

    def __init__(self, clock: FakeClock, n8n: StandInN8n, service: Service, is_met: bool = True, **policy: Any):
        self.clock, self.n8n, self.service = clock, n8n, service
        self.engine = Engine(clock, n8n.url, n8n.api_key, **policy)
        self.host = service.url.removeprefix("http://")
        if is_met:
            poll_sites(self.engine.ctx)

    def workflow(self, path: str, *nodes: Any, tag: str = "", method: str = "GET") -> str:
        """A workflow that calls the service's /<path>; its id."""
        url = f"={self.service.url}/{path}?id={{{{ $json.body.id }}}}"
        made = flow.workflow(path, flow.webhook(path), *(nodes or (flow.http("Call", url, method),)))
        workflow_id = self.n8n.create_workflow(made)
        if tag:
            self.n8n.tag(workflow_id, tag)
        self.n8n.activate(workflow_id, path)
        return workflow_id

    def fail(self, path: str, workflow_id: str, *ids: str) -> list[str]:
        """Run the workflow once for each id; n8n's ids of the runs, oldest first."""
        known = {one["id"] for one in self.n8n.executions(workflow_id)}
        for one in ids:
            self.n8n.call(path, {"id": one})
        ended = self.n8n.ended(workflow_id, len(known) + len(ids))
        return sorted((one["id"] for one in ended if one["id"] not in known), key=int)

    def poll(self) -> None:
        poll_sites(self.engine.ctx)
        self.engine.tick()

    def tell(self, execution_id: str) -> None:
        """The error workflow calls back for an execution."""
        self.engine.hear(n8n_execution.as_error_item(self.n8n.execution(execution_id)))
