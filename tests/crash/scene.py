"""What a crash test plays in: an n8n, a shop that is called, people who are told, and an n8n-medic in pieces."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from recovery.clock import utc_now
from recovery.sources import n8n_execution
from recovery.store import database
from recovery.store.ingest import as_row
from recovery.store.ingest_engines import make_engine
from recovery.store.tables import AlertRow, ExecutionRow, IncidentRow, SignalRow, StepRow
from tests.n8n import workflows as flow
from tests.standins.n8n import StandInN8n
from tests.standins.n8n_client import wait_for
from tests.standins.receiver import Receiver
from tests.standins.service import Answer, Service
from tests.story.medic import Medic

REPOSITORY = Path(__file__).parents[2]
RESTART = Path(__file__).with_name("restart_command.py")
STAGES = {"stages": [{"after": "0s", "attempts": 2}, {"after": "1s", "attempts": 4}], "settle": "0s"}


class Shop(Service):
    """Takes orders, and has components that are up while their file lies in `folder`."""

    def __init__(self, folder: Path):
        self.folder = folder
        super().__init__()

    def take(self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: Any) -> Answer:
        """Orders as told; `/health?id=NAME` by the component's file."""
        if path == "/health":
            return Answer(200 if self.up(query["id"]).exists() else 503)
        return super().take(method, path, query, headers, body)

    def up(self, name: str) -> Path:
        """The file that says that a component works."""
        return self.folder / f"{name}.up"

    def runs(self, name: str) -> list[str]:
        """What the runs of a component's restart command wrote: "start <pid>", "end <pid>", "overlap <pid>"."""
        file = self.folder / f"{name}.runs"
        return file.read_text().splitlines() if file.exists() else []

    def placed(self) -> Counter[str]:
        """Orders that were answered with 200, by their id."""
        return Counter(call.id for call in self.calls("/order") if call.answered == 200)

    def component(self, name: str, seconds: str, *how: str, every: str = "1s") -> dict[str, Any]:
        """The configuration of a component with a check and a restart command."""
        return {
            "name": name,
            "check": {"kind": "http", "url": f"{self.url}/health?id={name}"},
            "hosts": [f"{name}.example.com"],
            "every": every,
            "failure_threshold": 1,
            "boot_grace": "0s",
            "restart": [sys.executable, str(RESTART), str(self.folder), name, seconds, *how],
        }


def chains_of(n8n: StandInN8n) -> dict[str, list[Any]]:
    """Root id -> the chain's executions, oldest first, as n8n has them."""
    runs = dict(n8n.engine.executions)
    found: dict[str, list[Any]] = {}
    for run in sorted(runs.values(), key=lambda one: int(one.id)):
        root = run
        while root.retry_of:
            root = runs[root.retry_of]
        if run.mode != "error":
            found.setdefault(root.id, []).append(run)
    return found


def at_once(runs: list[Any]) -> int:
    """How many of a chain's retries ran at the same time, at most."""
    moments = sorted((run.started, run.stopped) for run in runs if run.retry_of)
    return max((sum(b <= begin and (e is None or begin < e) for b, e in moments) for begin, _ in moments), default=0)


class Scene:
    """The pieces of one deterministic crash test; the database is open in the test's own process."""

    def __init__(self, folder: Path, n8n: StandInN8n, hook: Receiver, database_url: str = ""):
        self.n8n, self.hook, self.folder = n8n, hook, folder
        self.shop = Shop(folder)
        self.url = database_url or f"sqlite:///{folder}/medic/data/medic.db"
        self.component: dict[str, Any] | None = None
        self.processes: list[subprocess.Popen[bytes]] = []
        self._paths = itertools.count(1)
        self._medic: Medic | None = None
        database.open_database(self.url)

    @property
    def medic(self) -> Medic:
        """Its folder, its configuration and its environment; never started as a whole."""
        if self._medic is None:
            config = {
                "n8n": {"url": self.n8n.url, "api_key": self.n8n.api_key},
                "recovery": STAGES,
                "poll_every": "1h",
                "replay": {"rate": "50/s"},
                "alerts": {
                    "hold": "0s",
                    "reports": {"daily": False},
                    "channels": [{"name": "hook", "kind": "webhook", "url": f"{self.hook.url}/alerts"}],
                },
                "components": [self.component] if self.component else [],
            }
            self._medic = Medic(self.folder / "medic", config, self.url, PYTHONPATH=str(REPOSITORY))
        return self._medic

    def configure(self, **more: Any) -> None:
        """Say more of the component, before anything of the product runs."""
        assert self.component is not None
        self.component |= more
        self.medic.configure({**self.medic.config, "components": [self.component]})

    def close(self) -> None:
        """End what runs."""
        for process in self.processes:
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
        database.close_database()
        self.shop.stop()

    # -- what goes wrong

    def fail(self, *answers: Answer | int, order: str = "a") -> str:
        """An order that the shop turned away with 503, of which the product is told; the execution's id."""
        path = f"crash-{next(self._paths)}"
        node = flow.http("Order", f"={self.shop.url}/order?id={{{{ $json.body.id }}}}", "POST")
        workflow_id = self.n8n.create_workflow(
            flow.workflow(path, flow.webhook(path), node, saveDataSuccessExecution="all")
        )
        self.n8n.activate(workflow_id, path)
        self.shop.behave("/order", 503, *(answers or (200,)), id=order)
        self.n8n.call(path, {"id": order})
        failed = self.n8n.ended(workflow_id)[0]
        self.tell(n8n_execution.receive_failure(self.n8n.execution(failed["id"]), "default"))
        return str(failed["id"])

    def tell(self, signal_: Any) -> None:
        """Store a signal as the web part does."""
        with database.turn():
            make_engine(self.url).write([as_row(signal_, utc_now())])

    # -- the product in pieces

    def start(self, what: str = "worker", *trap: str) -> subprocess.Popen[bytes]:
        """The worker or the web part in a process of its own, with a trap where one is given."""
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.crash.trapped", what, *trap],
                cwd=self.medic.folder, env=self.medic.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        self.processes.append(process)
        return process

    def start_until_killed(self, *trap: str) -> None:
        """Run a worker into its trap."""
        process = self.start("worker", *trap)
        try:
            assert process.wait(30) == -signal.SIGKILL, f"it was not killed at {trap}: {self.log()}"
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it never came to {trap}: {self.log()}") from None

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """SIGKILL to the process alone, not to what it started."""
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-5000:]

    # -- what came of it

    def wait(self, what: str, look: Callable[[], Any], seconds: float = 30.0) -> Any:
        """Look until the answer is truthy; what the processes said is told where it does not come."""
        try:
            return wait_for(what, look, seconds)
        except AssertionError as late:
            told = "\n".join(f"{row.state} {row.because}" for row in (*IncidentRow.select(), *ExecutionRow.select()))
            told += "".join(f"\n{row.name} {row.state} {row.error or row.result}" for row in StepRow.select())
            raise AssertionError(f"{late}\n{told}\n{self.log()}") from None

    def heal(self, seconds: float = 30.0) -> None:
        """A worker without a trap comes, and stays until everything is well and at rest."""
        worker = self.start()
        self.wait("the end of every incident", self.is_over, seconds)
        worker.terminate()
        worker.wait(20)

    def is_over(self) -> bool:
        """Whether every incident is resolved, and nothing is owed, unread or under way."""
        states = {row.state for row in IncidentRow.select(IncidentRow.state)}
        owed = AlertRow.select().where(AlertRow.state != "delivered").exists()
        unread = SignalRow.select().where(SignalRow.triaged_at.is_null()).exists()
        busy = StepRow.select().where(StepRow.state.in_(("queued", "running"))).exists()
        return states == {"resolved"} and not (owed or unread or busy)

    def chain(self) -> ExecutionRow:
        """The one broken chain."""
        return ExecutionRow.get()

    def retries(self) -> list[Any]:
        """The retries that n8n began, oldest first."""
        return [run for runs in chains_of(self.n8n).values() for run in runs if run.retry_of]

    def alert_keys(self) -> list[str]:
        """The keys of the alerts that came, in their order."""
        return [posted.json["key"] for posted in list(self.hook.requests)]


def is_alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def settle(seconds: float) -> None:
    """Let things happen that must not happen."""
    time.sleep(seconds)
