"""The worker's engine in one thread and with a clock that is told: hours of a recovery in a moment.

Everything is real but the threads, the clock and the component's own door: rows, decisions, and n8n over HTTP.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime
from typing import Any

from recovery.clock import utc_now
from recovery.model import (
    AlertPolicy,
    ComponentPlan,
    DoorError,
    HttpAnswer,
    PlannedAction,
    PlannedCheck,
    Playbook,
    Policy,
    ReplayLimits,
    Severity,
    ShellResult,
    Stage,
)
from recovery.model.plans import ChannelPlan
from recovery.outside.n8n import N8n
from recovery.sources import n8n_error, probe
from recovery.store import database
from recovery.store.ingest import as_row
from recovery.store.ingest_engines import make_engine
from recovery.store.tables import (
    AlertRow,
    ComponentRow,
    EventRow,
    ExecutionRow,
    IncidentRow,
    RecoveryRow,
    StepRow,
)
from recovery.worker.context import Context
from recovery.worker.looks import Looks
from recovery.worker.loop import tick

STAGES = (Stage(0, 1), Stage(60, 2), Stage(300, 3))


class Inline:
    """Runs at once what a pool would run in a thread."""

    free = 100

    def run(self, work: Callable[..., None], *args: Any) -> None:
        work(*args)


class Pools(dict):
    """A pool for every word."""

    def __contains__(self, word: object) -> bool:
        return True

    def __getitem__(self, word: str) -> Inline:
        return Inline()


class FakeOutside:
    """Doors whose component is up or down as the test says; n8n is a real door."""

    def __init__(self, n8n: dict[str, N8n]):
        self._n8n = n8n
        self.http = self.shell = self.machine = self.processes = self
        self.up = False
        self.heals_on_restart = False
        self.heals_on = ""
        self.commands: list[Any] = []
        self.environments: list[Any] = []
        self.sent: list[Any] = []

    def n8n(self, site: str) -> N8n | None:
        return self._n8n.get(site)

    def request(self, method: str, url: str, **more: Any) -> HttpAnswer:
        if "hook" in url:
            self.sent.append(more)
            return HttpAnswer(200, "ok", 1.0)
        if not self.up:
            raise DoorError("connection refused", kind="refused")
        return HttpAnswer(200, "ok", 1.0)

    async def ask(self, method: str, url: str, **more: Any) -> HttpAnswer:
        return self.request(method, url, **more)

    def run(self, command: Any, **more: Any) -> ShellResult:
        self.commands.append(command)
        self.environments.append(more.get("env"))
        self.up = self.up or self.heals_on_restart or bool(self.heals_on and self.heals_on == command[0])
        return ShellResult(0, "restarted")

    def end_group(self, group: int, started: float) -> None:
        self.commands.append(f"end {group}")


class InlineLoop:
    """Runs at once what would run on the event loop of the background. One loop for all: making one costs more."""

    loop = asyncio.new_event_loop()

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def start(self, work: Any, ended: Callable[[Any], None]) -> None:
        future: Future[Any] = Future()
        try:
            future.set_result(self.run(work))
        except Exception as problem:
            future.set_exception(problem)
        ended(future)


class InlineThreads:
    """Runs at once what would run in a thread."""

    def submit(self, work: Callable[..., Any], *args: Any) -> Any:
        future: Future[Any] = Future()
        try:
            future.set_result(work(*args))
        except Exception as problem:
            future.set_exception(problem)
        return future


class Engine:
    """The worker, told when to tick and what time it is."""

    def __init__(self, clock: Any, n8n_url: str = "", api_key: str = "", **policy: Any):
        self.clock = clock
        self.outside = FakeOutside({"default": N8n("default", n8n_url, api_key)} if n8n_url else {})
        alerting = policy.pop("alerting", None) or AlertPolicy(hold_seconds=0)  # these stories are about healing
        plain = Playbook(stages=STAGES)
        sites = ("default",) if n8n_url else ()
        self.policy = Policy(
            **{"playbook": plain, "sites": sites, "replay": ReplayLimits(rate_per_second=1000), **policy}
        )
        channel = ChannelPlan("hook", "webhook")
        self.ctx = Context("test", self.policy, self.outside, lambda: None, (channel,), pools=Pools())
        self.ctx.alerting = alerting
        self.ctx.background = InlineLoop()
        self.ctx.looks = Looks(self.outside, self.ctx.background, lambda: None)
        self.ctx.looks._threads = InlineThreads()
        self.ctx.channel_args = {"hook": _hook_args()}
        self._writer = make_engine(database.database_url())

    def hear(self, payload: dict[str, Any], site: str = "default") -> None:
        """n8n's error workflow calls back."""
        self._store(n8n_error.receive(payload, site))

    def probe(self, component: str, healthy: bool, **more: Any) -> None:
        """A pushed probe."""
        for signal in probe.receive({"component": component, "healthy": healthy, **more}):
            self._store(signal)

    def _store(self, signal: Any) -> None:
        with database.turn():
            self._writer.write([as_row(signal, utc_now())])

    def tick(self, times: int = 3) -> None:
        """Do what is due now."""
        for _ in range(times):
            tick(self.ctx, utc_now())

    def run(self, seconds: float, step: float = 1.0) -> None:
        """Let time pass, ticking as it does."""
        self.tick()
        passed = 0.0
        while passed < seconds:
            self.clock.advance(step)
            passed += step
            self.tick(1)

    def incident(self, component: str = "") -> IncidentRow:
        """The newest incident (of a component)."""
        query = IncidentRow.select().order_by(IncidentRow.id.desc())
        found = query.where(IncidentRow.component == component).first() if component else query.first()
        assert found, f"no incident {component}"
        return found

    def incidents(self) -> list[IncidentRow]:
        return list(IncidentRow.select().order_by(IncidentRow.id))

    def recovery(self) -> RecoveryRow:
        return RecoveryRow.select().order_by(RecoveryRow.id.desc()).first()

    def chain(self, root_id: str) -> ExecutionRow:
        return ExecutionRow.get(ExecutionRow.root_id == root_id)

    def chains(self) -> dict[str, str]:
        return {row.root_id: row.state for row in ExecutionRow.select()}

    def steps(self) -> list[tuple[str, str]]:
        return [(row.name, row.state) for row in StepRow.select().order_by(StepRow.id)]

    def alerts(self) -> list[str]:
        return [row.kind for row in AlertRow.select().order_by(AlertRow.id)]

    def component(self, name: str) -> ComponentRow:
        return ComponentRow.get(ComponentRow.name == name)

    def history(self, subject: str) -> list[str]:
        query = EventRow.select().where(EventRow.subject == subject).order_by(EventRow.id)
        return [f"{row.after}: {row.because}" for row in query]


def _hook_args() -> Any:
    from recovery import alerts

    return alerts.REGISTRY.find("webhook").args.model_validate({"url": "http://127.0.0.1:1/hook"})


def restartable(name: str, severity: Severity = Severity.HIGH, **changes: Any) -> ComponentPlan:
    """A component with a check and a restart."""
    playbook = Playbook(
        stages=STAGES,
        actions=(PlannedAction("run_command", {"command": ["restart", name]}),),
        check=PlannedCheck("http", {"url": f"http://{name}.example.com/health"}),
        boot_grace_seconds=2,
    )
    plan = ComponentPlan(name, severity, hosts=(f"{name}.example.com",), every_seconds=30, playbook=playbook)
    return replace(plan, **changes)


def fail_component(engine: Engine, name: str = "orders") -> None:
    """Two pushed probes say that it fails, which is enough."""
    for _ in range(2):
        engine.probe(name, False, message="refused")
    engine.tick()


def item(
    execution_id: str,
    host: str = "orders.example.com",
    status: int | None = 503,
    workflow: str = "w1",
    at: datetime | None = None,
    **more: Any,
) -> dict[str, Any]:
    """An Error Trigger item of an HTTP GET that failed."""
    method = more.pop("method", "GET")
    error = {
        "name": "NodeApiError",
        "httpCode": str(status) if status else more.pop("code", "ECONNREFUSED"),
        "message": more.pop("message", f"answered {status}"),
        "timestamp": int((at or utc_now()).timestamp() * 1000),
        "context": {"itemIndex": more.pop("item_index", 0), "request": {"method": method, "uri": f"http://{host}/x"}},
        "node": {"name": "Call", "type": "n8n-nodes-base.httpRequest", "parameters": {"method": method}},
    }
    execution = {"id": execution_id, "mode": more.pop("mode", "webhook"), "lastNodeExecuted": "Call", "error": error}
    return {"execution": execution | more, "workflow": {"id": workflow, "name": f"Workflow {workflow}"}}
