"""Exact moments between us and an n8n in memory: what a person or n8n does while it is looked at."""

from typing import Any

from recovery.clock import utc_now
from recovery.model import OrderWhat
from recovery.store import orders
from recovery.worker.ordering import carry_out_orders
from recovery.worker.polling import poll_sites
from tests.conftest import FakeClock
from tests.story.engine import Engine
from tests.story.memory_n8n import Flow, MemoryN8n

HOST = "orders.example.com"


class Moment:
    """One failing workflow, and an engine that looks after it."""

    def __init__(self, clock: FakeClock, method: str = "GET"):
        self.clock = clock
        self.n8n = MemoryN8n({"w": Flow("w", HOST, method)}, {HOST: 503})
        self.engine = Engine(clock, sites=("default",))
        self.engine.outside._n8n = {"default": self.n8n}
        poll_sites(self.engine.ctx)

    def fail(self) -> str:
        return self.n8n.call("w")

    def hear(self, *runs: str) -> None:
        for one in runs:
            self.engine.hear(self.n8n.tell(one))
        self.engine.tick()

    def order(self, what: OrderWhat) -> None:
        orders.add_order(self.engine.incident().id, what, "kim", utc_now())

    def while_looking(self, what: OrderWhat) -> None:
        """A person's order arrives, and is carried out, while the workflow's tags are read."""
        read = self.n8n.workflow

        def workflow(workflow_id: str) -> dict[str, Any] | None:
            self.n8n.workflow = read  # type: ignore[method-assign]
            self.order(what)
            carry_out_orders(self.engine.ctx, utc_now())
            return read(workflow_id)

        self.n8n.workflow = workflow  # type: ignore[method-assign]

    def ours(self) -> int:
        return sum(one.by == "medic" for one in self.n8n.retries)
