"""A world in which components fail, people order and workers die, and the real engine heals: for `test_trust.py`.

The rows, the decisions and the stages of the worker are real. Time, n8n and the outside are told: what is done out
there lasts as long as it is told to, is written into a ledger of its own, and goes on where its worker is killed.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from recovery.clock import utc_now
from recovery.model import (
    Brakes,
    ComponentPlan,
    DoorError,
    HttpAnswer,
    Match,
    N8nError,
    OrderWhat,
    PlannedAction,
    PlannedCheck,
    Playbook,
    PlaybookRule,
    ShellResult,
    Stage,
)
from recovery.store import database, due, executions, maintenance, orders, recoveries, returns, steps
from recovery.store.tables import (
    ExecutionRow,
    IncidentRow,
    MaintenanceRow,
    OrderRow,
    RecoveryRow,
    StepRow,
)
from recovery.worker import executor
from recovery.worker.__main__ import prepare
from recovery.worker.context import LEASE
from recovery.worker.looks import Looks
from recovery.worker.loop import tick
from recovery.worker.polling import poll_sites
from tests.conftest import FakeClock
from tests.story.engine import Engine, Inline, InlineLoop, InlineThreads
from tests.story.memory_n8n import Flow, Killed, MemoryN8n

BRAKES = Brakes(
    per_hour=3, per_day=5, overall_per_hour=4, overall_per_day=9, cooldown_seconds=20, breaker=2,
    approve_within_seconds=600, unanswered="next_stage",
)  # fmt: skip
FLOWS = (
    Flow("w1", "api.example.com"),
    Flow("w2", "api.example.com", "POST"),
    Flow("w3", "mail.example.com", "POST", ("medic:retry-safe",)),
    Flow("w4", "mail.example.com"),
    Flow("w5", "pay.example.com"),
)
TRAPS = (
    (steps, "claim_steps"), (steps, "start_step"), (steps, "note_process"), (steps, "finish_step"),
    (steps, "requeue_step"), (steps, "lose_step"), (steps, "add_step"), (steps, "release_step"),
    (executions, "claim_chains"), (executions, "start_chain"), (executions, "finish_chain"),
    (executions, "release_chain"), (executions, "permit_asking"), (recoveries, "add_recovery"),
    (recoveries, "end_recovery"), (orders, "finish_order"), (returns, "plan_returns"),
)  # fmt: skip
WEB_UNDONE_AFTER = 300.0
LONGEST_REAL_SECONDS = 120  # of one move of a thread, however busy the machine is


def restart(name: str, word: str = "restart", **more: Any) -> PlannedAction:
    """A command that is safe to repeat and restarts something of this machine."""
    return PlannedAction("run_command", {"command": [word, name]}, restarts=True, **more)


CALL = PlannedAction("call_webhook", {"url": "http://act.example.com/heal"}, safe_to_repeat=False)
SCALE = PlannedAction(
    "scale_up",
    {"ceiling": 4, "command": {"count": ["count"], "scale": ["scale", "{{replicas}}"]}},
    safe_to_repeat=False,
    back_after_seconds=WEB_UNDONE_AFTER,
)
SWITCH = PlannedAction(
    "failover",
    {"endpoints": ["http://primary.example.com", "http://standby.example.com"]},
    back_after_seconds=WEB_UNDONE_AFTER,
)
REBOOT = restart("pay", "reboot", needs_approval=True)
RULES = (
    PlaybookRule("alternatives", Match(("web",)), (Stage(0, 3, (CALL, SCALE, SWITCH), one_of=True),), learned=True),
    PlaybookRule(
        "asks", Match(("pay",)), (Stage(0, 1, (REBOOT, CALL)), Stage(20, 1, (restart("pay"),), needs_approval=True))
    ),
    PlaybookRule("calls", Match(("c1", "c2", "c3")), (Stage(0, 1, (CALL,)),)),
    PlaybookRule("dry", Match(("dry",)), (Stage(0, 1, (restart("dry"),)),), dry_run=True),
)
NAMES = ("db", "api", "web", "pay", "c1", "c2", "c3", "dry")


def plan_of(name: str) -> ComponentPlan:
    """A component whose check and restart are real, behind doors that are not."""
    check = PlannedCheck("http", {"url": f"http://{name}.example.com/health"})
    stages = (Stage(0, 1), Stage(30, 2))
    playbook = Playbook(stages=stages, actions=(restart(name),), check=check, boot_grace_seconds=2)
    needs = ("db",) if name == "api" else ()
    return ComponentPlan(name, hosts=(f"{name}.example.com",), every_seconds=300, playbook=playbook, depends_on=needs)


@dataclass
class Effect:
    """Something that was done out there.

    `held`, `dry`: what stood against it, by the rows of that moment. `looked`: when its component was last looked at.
    """

    step: StepRow
    recovery: RecoveryRow
    began: datetime
    ends: datetime
    outcome: str
    held: str
    dry: bool
    group: int = 0
    looked: datetime | None = None
    ended: datetime | None = None

    def __str__(self) -> str:
        way = ", its way back" if self.step.back else ""
        return f"{self.step.name} {self.step.args} of step {self.recovery.id}.{self.step.number}{way}"


class Job:
    """A claimed step in a thread of its own, which runs only while the world waits for it."""

    def __init__(self, world: "World", work: Callable[..., None], ctx: Any, row: StepRow, begins: datetime):
        self.world, self.row, self.begins = world, row, begins
        self._work = lambda: work(ctx, row)
        self._stopped, self._go = threading.Event(), threading.Event()
        self.begun = self.over = self.killed = self.acted = False
        self.keep: Callable[[datetime], bool] | None = None
        self.effect: Effect | None = None
        self.problem: BaseException | None = None

    @property
    def due(self) -> datetime:
        """When it goes on."""
        return self.effect.ends if self.effect else self.begins

    def begin(self) -> None:
        """Run until it waits inside its effect, or is over."""
        self.begun = True
        threading.Thread(target=self._run, daemon=True).start()
        self._await()

    def go_on(self, killed: bool = False) -> None:
        """Leave the effect."""
        self.killed = self.killed or killed
        self._stopped.clear()
        self._go.set()
        self._await()

    def park(self) -> None:
        """Called in the thread: stay inside the effect until the world says go on."""
        self._go.clear()
        self._stopped.set()
        self._go.wait()
        if self.killed:
            raise Killed

    def _await(self) -> None:
        assert self._stopped.wait(LONGEST_REAL_SECONDS), f"step {self.row.id} does not come back"

    def _run(self) -> None:
        self.world.local.job = self
        try:
            self._work()
        except Killed:
            self.killed = True
        except Exception as problem:  # as the worker's own pool: it is logged, and found when its lease ends
            self.problem = problem
        finally:
            database.close_database()
            self.over = True
            self._stopped.set()


class HeldByWorld:
    """What renews a lease in the worker: here it is told when."""

    world: "World"

    def __init__(self, keep: Callable[[datetime], bool]):
        self._keep = keep

    def __enter__(self) -> None:
        job = getattr(self.world.local, "job", None)
        if job:
            job.keep = self._keep

    def __exit__(self, *exc: object) -> None:
        job = getattr(self.world.local, "job", None)
        if job:
            job.keep = None


class StepPool:
    """The worker's threads for steps: checks at once, actions as the world lets them."""

    def __init__(self, world: "World"):
        self._world = world

    @property
    def free(self) -> int:
        return 3 - len(self._world.jobs)

    def run(self, work: Callable[..., None], ctx: Any, row: StepRow) -> None:
        if row.kind == "check":
            work(ctx, row)
            return
        job = Job(self._world, work, ctx, row, utc_now() + timedelta(seconds=self._world.lag))
        self._world.jobs.append(job)
        if not self._world.lag:
            self._world.run_job(job)


class WorldPools(dict):
    """A pool for every word."""

    def __init__(self, world: "World"):
        super().__init__()
        self._steps = StepPool(world)

    def __contains__(self, word: object) -> bool:
        return True

    def __getitem__(self, word: str) -> Any:
        return self._steps if word == "steps" else Inline()


class Doors:
    """The outside, as one step sees it."""

    def __init__(self, world: "World", started: Callable[[int, float], None] | None = None):
        self._world, self._started = world, started
        self.http = self.shell = self.machine = self.processes = self

    def n8n(self, site: str) -> Any:
        return self._world.n8n

    def request(self, method: str, url: str, **more: Any) -> HttpAnswer:
        host = url.split("/")[2]
        name = host.split(".")[0]
        if name in self._world.up:
            self._world.looked[name] = utc_now()
            if not self._world.up[name]:
                raise DoorError("connection refused", kind="refused")
        elif name in ("act", "primary", "standby"):
            self._world.act()
        return HttpAnswer(200, "ok", 1.0)

    async def ask(self, method: str, url: str, **more: Any) -> HttpAnswer:
        return self.request(method, url, **more)

    def run(self, command: Any, **more: Any) -> ShellResult:
        if command == ["count"]:
            return ShellResult(0, str(self._world.replicas))
        assert self._started
        self._started(self._world.next_group(), 1.0)
        code = self._world.act(self._world.groups)
        if command[0] == "scale" and code == 0:
            self._world.replicas = int(command[1])
        return ShellResult(code, "so it went")

    def end_group(self, group: int, started: float) -> None:
        for effect in self._world.open_effects():
            if effect.group == group:
                effect.ended = utc_now()


class World:
    """Everything that lives on when a worker dies, and what may happen."""

    def __init__(self, clock: FakeClock, check: Callable[["World"], None], **policy: Any):
        self.clock, self.check, self.policy = clock, check, policy
        self.local = threading.local()
        self.up = dict.fromkeys(NAMES, True)
        self.looked: dict[str, datetime] = {}
        self.n8n = MemoryN8n({one.id: one for one in FLOWS}, before_retry=self._before, after_retry=self._after)
        self.ledger: list[Effect] = []
        self.jobs: list[Job] = []
        self.yes: set[tuple[int, int]] = set()
        self.allowed: list[str] = []
        self.retried: list[tuple[str, tuple[Any, ...], bool, bool]] = []
        self.trap: tuple[str, str] | None = None
        self.trouble = ""
        self.problem: BaseException | None = None
        self.lasts, self.outcome, self.lag = 0.0, "heals", 0.0
        self.replicas, self.groups, self.dry = 1, 0, False
        HeldByWorld.world = self
        self.engine = self._start()
        prepare(self.engine.ctx)
        poll_sites(self.engine.ctx)

    def _start(self) -> Engine:
        plans = {name: plan_of(name) for name in NAMES}
        known: dict[str, Any] = {"components": plans, "playbooks": RULES, "brakes": BRAKES, "sites": ("default",)}
        engine = Engine(self.clock, **{**known, **self.policy})
        ctx = engine.ctx
        ctx.doors, ctx.pools, ctx.background, ctx.dry_run = Doors(self), WorldPools(self), InlineLoop(), self.dry
        ctx.doors_for_step = lambda started: Doors(self, started)
        ctx.looks = Looks(ctx.doors, ctx.background, lambda: None)
        ctx.looks._threads = InlineThreads()
        return engine

    # -- what is done out there

    def next_group(self) -> int:
        self.groups += 1
        return self.groups

    def open_effects(self) -> list[Effect]:
        """What is under way out there."""
        return [one for one in self.ledger if one.ended is None]

    def act(self, group: int = 0) -> int:
        """Something is done, for as long as the world lets it last; its exit code. Once for each run of an action."""
        job: Job = self.local.job
        if job.acted:
            return 0
        job.acted = True
        row = StepRow.get_by_id(job.row.id)
        recovery = RecoveryRow.get_by_id(row.recovery_id)
        dry = self.dry or bool(recovery.playbook["dry_run"])
        ends = utc_now() + timedelta(seconds=self.lasts)
        standing = self._held(row.component), dry, group, self.looked.get(row.component)
        effect = Effect(row, recovery, utc_now(), ends, self.outcome, *standing)
        job.effect = effect
        self.ledger.append(effect)
        if self.lasts:
            job.park()
        self._take_place(effect)
        if effect.outcome == "lost":
            raise DoorError("the connection was cut", kind="reset")
        return 0 if effect.outcome in ("heals", "in vain") else 1

    def _take_place(self, effect: Effect) -> None:
        effect.ended = utc_now()
        if effect.outcome in ("heals", "lost"):
            self.up[effect.step.component] = True

    def _held(self, component: str) -> str:
        """What stands against doing anything about a component, by the rows."""
        for window in MaintenanceRow.select():
            is_open = window.starts_at <= utc_now() and (window.ends_at is None or utc_now() < window.ends_at)
            if is_open and {component, "*"} & set(window.components):
                return f"maintenance {window.id}"
        if component == "api":
            down = (IncidentRow.component == "db") & IncidentRow.open_key.is_null(False)
            if IncidentRow.select().where(down, IncidentRow.cause_class == "unavailable").exists():
                return "db is down"
        return ""

    # -- what n8n does

    def _before(self) -> None:
        trouble, self.trouble = self.trouble, ""
        if trouble == "killed before":
            raise Killed
        if trouble in ("lost before", "busy"):
            raise N8nError("it did not come through", "reset" if trouble == "lost before" else "rate_limited")
        self.trouble = trouble

    def _after(self) -> None:
        self._note_retry()
        trouble, self.trouble = self.trouble, ""
        if trouble == "killed after":
            raise Killed
        if trouble == "lost after":
            raise N8nError("the connection was cut", "reset")

    def _note_retry(self) -> None:
        """Which attempt of which recovery a retry of ours belongs to, and what stood against it."""
        root = self.n8n.retries[-1].root_id
        chain = ExecutionRow.get(ExecutionRow.root_id == root)
        active = RecoveryRow.get_or_none(RecoveryRow.active_key == chain.incident_id)
        made = (active.id, active.attempts_made, active.stage, active.attempt) if active else (0,)
        component = IncidentRow.get_by_id(chain.incident_id).component if chain.incident_id else ""
        permitted = chain.because.endswith("allowed it to run again")
        self.retried.append((root, made, permitted, self.dry or bool(self._held(component))))

    # -- what may happen

    def do(self, move: tuple[Any, ...]) -> None:
        """One move, and a moment after it."""
        getattr(self, str(move[0]))(*move[1:])
        self.wait(1)

    def fail(self, *names: str) -> None:
        """They fail at once, and are seen to."""
        for name in names:
            self.up[name] = False
            self.n8n.hosts[f"{name}.example.com"] = 503
            for _ in range(2):
                self.engine.probe(name, False)
        self.wait(7)

    def mend(self, name: str) -> None:
        self.up[name] = True
        self.n8n.hosts.pop(f"{name}.example.com", None)
        self.engine.probe(name, True)

    def mend_and_wait(self, name: str) -> None:
        """Well for so long that the next failure is a new incident."""
        self.mend(name)
        self.wait(700)

    def run(self, flow: str, answer: Any) -> None:
        """A workflow runs against a host that answers so, and n8n tells of it where it failed."""
        self.n8n.hosts[self.n8n.flows[flow].host] = answer
        run_id = self.n8n.call(flow)
        if self.n8n.runs[run_id]["status"] == "error":
            self.engine.hear(self.n8n.tell(run_id))

    def poll(self) -> None:
        poll_sites(self.engine.ctx)

    def n8n_up(self, up: bool) -> None:
        self.n8n.up = up

    def cut(self, trouble: str) -> None:
        """The next retry ends badly between us and n8n."""
        self.trouble = trouble

    def effects(self, lasts: float, outcome: str) -> None:
        self.lasts, self.outcome = lasts, outcome

    def slow_pool(self, seconds: float) -> None:
        """So long between the claim of an action and its beginning."""
        self.lag = seconds

    def order(self, what: str, which: int, step: str) -> None:
        """A person orders something of an incident; with its step, without one, or with one that is long past."""
        rows = list(IncidentRow.select().where(IncidentRow.open_key.is_null(False)).order_by(IncidentRow.id))
        if not rows:
            return
        incident = rows[which % len(rows)]
        standing = orders.find_standing(incident.id)
        named = {"right": standing.awaiting, "none": None}.get(step, max((standing.awaiting or 1) - 1, 1))
        stands = step != "stale" and standing.awaiting is not None and standing.recovery is not None
        if step == "stale":  # past what the web refuses, as where things move on while an order waits
            OrderRow.create(incident_id=incident.id, what=what, step=named, who="kim", asked_at=utc_now())
            return
        with suppress(orders.OrderRefused, orders.StaleOrder):
            orders.add_order(incident.id, OrderWhat(what), "kim", utc_now(), step=named)
            if what == "approve" and stands and standing.recovery and standing.awaiting:
                self.yes.add((standing.recovery.id, standing.awaiting))
                asking = ExecutionRow.select().where(ExecutionRow.incident_id == incident.id, ExecutionRow.asks)
                self.allowed += [row.root_id for row in asking]

    def maintain(self, name: str, seconds: float) -> None:
        now = utc_now()
        maintenance.add_window([name], now, now + timedelta(seconds=seconds), "", "kim", now)

    def end_maintenance(self) -> None:
        for row in maintenance.find_open_windows(utc_now()):
            maintenance.end_window(row.id, "kim", utc_now())

    def set_trap(self, place: int, when: str) -> None:
        """The worker is killed before or after it next does that."""
        self.trap = (TRAPS[place % len(TRAPS)][1], when)

    def spring(self, name: str, when: str) -> None:
        if self.trap == (name, when):
            self.trap = None
            raise Killed

    def crash(self, at_once: bool = True) -> None:
        """The worker is gone with all that it held; commands that it began go on. Another one takes over.

        `at_once`: as on SQLite, where a new worker knows that it is alone; else when the leases have run out.
        """
        held, self.jobs = self.jobs, []
        for job in held:
            if job.begun and not job.over:
                job.go_on(killed=True)
        for effect in self.open_effects():
            if not effect.group:
                self._take_place(effect)
        self.engine = self._start()
        if at_once:
            prepare(self.engine.ctx)

    def turn_dry(self, dry: bool) -> None:
        """A person sets `dry_run`, and starts it again."""
        self.dry = dry
        self.crash()

    # -- time

    def wait(self, seconds: float) -> None:
        """Let time pass, doing what is due when it is due."""
        until = utc_now() + timedelta(seconds=seconds)
        while True:
            self._work()
            if utc_now() >= until:
                return
            planned = [*due.read_agenda().values(), *self._ends()]
            later = [at for at in planned if at > utc_now()]
            self.clock.now = min([until, *later])
            self._pass()
            self.look()

    def _ends(self) -> list[datetime]:
        return [one.ends for one in self.open_effects()] + [job.begins for job in self.jobs if not job.begun]

    def _pass(self) -> None:
        """What ends or begins by itself at this moment."""
        self.n8n.end_slow_runs()
        for job in self.jobs:
            if job.keep:
                with database.write():
                    job.keep(utc_now() + LEASE)
        for job in list(self.jobs):
            if job in self.jobs and job.due <= utc_now():
                self.run_job(job)
        held = [job.effect for job in self.jobs]
        for effect in self.open_effects():
            if effect.ends <= utc_now() and effect not in held:  # its worker is long gone
                self._take_place(effect)

    def run_job(self, job: Job) -> None:
        """Let a job go on to its effect, or from it to its end."""
        job.go_on() if job.begun else job.begin()
        self.problem = self.problem or job.problem
        if job.over and job in self.jobs:
            self.jobs.remove(job)
        if job.killed:
            self.crash()

    def look(self) -> None:
        """Complain of what is broken. Not within a tick, which survives whatever is raised in it."""
        if self.problem:
            raise AssertionError(f"a step broke: {self.problem!r}") from self.problem
        self.check(self)

    def _work(self) -> None:
        for _ in range(200):
            agenda = due.read_agenda()
            busy = {"steps"} if len(self.jobs) >= 3 else set()
            if not any(at <= utc_now() for word, at in agenda.items() if word not in busy):
                return
            try:
                tick(self.engine.ctx, utc_now())
            except Killed:
                self.crash()
            self.look()
        raise AssertionError(f"it never comes to rest: {due.read_agenda()} at {utc_now()}")


def install(monkeypatch: Any, worlds: list[World]) -> None:
    """Traps at what the worker writes, and leases that the world renews; `worlds[-1]` is the one that lives."""
    for module, name in TRAPS:
        monkeypatch.setattr(module, name, _trapped(getattr(module, name), name, worlds))
    monkeypatch.setattr(executor, "Keeper", HeldByWorld)


def _trapped(original: Callable[..., Any], name: str, worlds: list[World]) -> Callable[..., Any]:
    def trapped(*args: Any, **more: Any) -> Any:
        if worlds:
            worlds[-1].spring(name, "before")
        answer = original(*args, **more)
        if worlds:
            worlds[-1].spring(name, "after")
        return answer

    return trapped
