"""What holds whatever happens: random lives of failures, people, outages and killed workers, checked at each step.

`PROPERTY_SEEDS=500 pytest tests/story/test_properties.py` lives longer; a failure names its seed and its last steps.
"""

import os
import random
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from recovery.clock import utc_now
from recovery.model import N8nError, OrderWhat, ReplayState
from recovery.outside.n8n import N8n
from recovery.sources import n8n_execution as source
from recovery.store import database, due, orders, replays
from recovery.store.components import FAILING
from recovery.store.tables import (
    ComponentRow,
    EventRow,
    ExecutionRow,
    IncidentRow,
    OrderRow,
    RecoveryRow,
    ReplayRow,
    SignalRow,
    StepRow,
)
from recovery.worker.loop import tick
from recovery.worker.polling import poll_sites
from tests.conftest import FakeClock
from tests.n8n import workflows
from tests.standins.n8n import StandInN8n
from tests.standins.service import Service
from tests.story.engine import Engine, restartable
from tests.story.memory_n8n import Flow, Killed, MemoryN8n

SEEDS = range(int(os.environ.get("PROPERTY_SEEDS", "8")))
STEPS = 90
FIRST = int(os.environ.get("PROPERTY_FIRST", "0"))
FLOWS = (
    Flow("w1", "orders.example.com"),
    Flow("w2", "orders.example.com", "POST"),
    Flow("w3", "mail.example.com", "POST", ("medic:retry-safe",)),
    Flow("w4", "mail.example.com"),
    Flow("w5", "other.example.com", "POST"),
    Flow("w6", "other.example.com", "GET", ("medic:no-retry",)),
)
HOSTS = ("orders.example.com", "mail.example.com", "other.example.com")
ANSWERS = (*[200] * 5, *[503] * 4, "refused", "refused", 504, 504, 500, 401, 404, "slow", "slow")
UNRESOLVED = ("open", "recovering", "needs_human")
ENDED = ("succeeded", "failed", "cancelled")


class Life:
    """One random life, and everything that must hold in it."""

    def __init__(self, seed: int, clock: FakeClock):
        self.random = random.Random(seed)
        self.clock = clock
        self.n8n = MemoryN8n({one.id: one for one in FLOWS}, before_retry=self.before, after_retry=self.after)
        self.told: list[str] = []
        self.allowed: Counter[str] = Counter()
        self.checked = 0
        self.trouble = ""
        self.said = 0
        self.engine = self.start()
        poll_sites(self.engine.ctx)
        self.n8n.hosts = {host: self.random.choice(ANSWERS) for host in HOSTS}

    def start(self) -> Engine:
        orders_api = restartable("orders", hosts=("orders.example.com",))
        engine = Engine(self.clock, components={"orders": orders_api}, sites=("default",))
        engine.outside._n8n = {"default": self.n8n}
        return engine

    # -- trouble between us and n8n, once each time

    def before(self) -> None:
        trouble, self.trouble = self.trouble, ""
        if trouble == "killed before":
            raise Killed
        if trouble == "lost before":
            raise N8nError("the connection was cut", "reset")
        if trouble == "busy":
            raise N8nError("n8n asks for fewer calls", "rate_limited")
        self.trouble = trouble

    def after(self) -> None:
        trouble, self.trouble = self.trouble, ""
        if trouble == "killed after":
            raise Killed
        if trouble == "lost after":
            raise N8nError("the connection was cut", "reset")

    # -- what may happen

    def step(self) -> None:
        what = self.random.choice(STEPS_OF_LIFE)
        self.told.append(f"{utc_now():%H:%M:%S} {what.__name__} {what(self) or ''}")
        self.live(self.random.choice((0, 0, 1, 3, 12, 20, 62)))
        self.check()

    def fail(self) -> str:
        """A workflow runs; where it fails, its error workflow tells of it more often than not."""
        flow_id = self.random.choice(FLOWS).id
        run = self.n8n.call(flow_id)
        status = self.n8n.runs[run]["status"]
        if status == "error" and self.random.random() < 0.7:
            self.engine.hear(self.n8n.tell(run))
        return f"{flow_id} {run} {status}"

    def fail_often(self) -> str:
        return ", ".join(self.fail() for _ in range(self.random.randint(2, 6)))

    def tell(self) -> str:
        failed = self.n8n.failed[-8:]
        if failed:
            one = self.random.choice(failed)
            self.engine.hear(self.n8n.tell(one))
            return one
        return "nothing"

    def poll(self) -> None:
        poll_sites(self.engine.ctx)

    def change_host(self) -> str:
        host, answer = self.random.choice(HOSTS), self.random.choice(ANSWERS)
        self.n8n.hosts[host] = answer
        if host == HOSTS[0]:
            self.engine.outside.up = answer == 200
            self.engine.outside.heals_on_restart = self.random.random() < 0.5
        return f"{host} {answer}"

    def mend_all(self) -> None:
        self.n8n.hosts.clear()
        self.engine.outside.up = True

    def probe(self) -> str:
        name, healthy = self.random.choice(("orders", "queue")), self.random.random() < 0.5
        self.engine.probe(name, healthy)
        return f"{name} {healthy}"

    def flap(self) -> str:
        """It is now well, now not, in each order and for a while."""
        name, times, first = self.random.choice(("orders", "queue")), self.random.choice((5, 14)), self.random.random()
        for number in range(times):
            self.engine.probe(name, (number % 2 == 0) is (first < 0.5))
        return f"{name} {times} times"

    def person_retries(self) -> str:
        failed = [one for one in self.n8n.failed if self.n8n.runs[one]["status"] == "error"]
        if not failed:
            return "nothing"
        one = self.random.choice(failed)
        self.n8n.retry_by(one, "kim")
        return one

    def order(self) -> str:
        incidents = list(IncidentRow.select().where(IncidentRow.state.in_(UNRESOLVED)))
        if not incidents:
            return "nothing"
        incident = self.random.choice(incidents)
        what = self.random.choice(WHAT)
        awaiting = orders.find_standing(incident.id).awaiting
        try:
            orders.add_order(incident.id, what, "kim", utc_now(), step=awaiting)
        except (orders.OrderRefused, orders.StaleOrder) as refused:
            return f"{what} of {incident.id} refused: {refused}"
        if what is OrderWhat.APPROVE:
            asking = ExecutionRow.select().where(ExecutionRow.incident_id == incident.id, ExecutionRow.asks)
            self.allowed.update(row.root_id for row in asking)
        return f"{what} of {incident.id}"

    def replay(self) -> str:
        """A person orders a replay of what failed lately, says yes or no to one, or has had enough of it."""
        for number, state in replays.find_active().items():
            if state == ReplayState.ASKING and self.random.random() < 0.7:
                return f"yes to {number} {replays.say_yes(number, utc_now())}"
            if self.random.random() < 0.3:
                return f"cancel {number} {replays.ask_to_cancel(number, 'kim', utc_now())}"
        ambiguous = self.random.choice(("ask", "retry", "leave"))
        workflow = self.random.choice(("", "", FLOWS[1].id, FLOWS[4].id))
        since = utc_now() - timedelta(minutes=self.random.choice((5, 60, 600)))
        order = {"site": "default", "workflow": workflow, "since": since, "until": utc_now(), "ambiguous": ambiguous}
        row = replays.add_replay("kim", utc_now(), self.random.random() < 0.7, **order)
        if ambiguous == "retry":
            self.allowed.update({self.n8n.chain_of(one)[0]["id"] for one in self.n8n.failed})
        return f"{row.id} of {workflow or 'all'}, {ambiguous}, {'said yes' if row.yes_at else 'to be asked'}"

    def n8n_goes(self) -> str:
        """It is away, its key is revoked, or all is well again."""
        self.n8n.up, self.n8n.key = self.random.choice(((True, True), (True, True), (False, True), (True, False)))
        return f"up {self.n8n.up}, key {self.n8n.key}"

    def trouble_comes(self) -> str:
        self.trouble = self.random.choice(("killed before", "killed after", "lost before", "lost after", "busy"))
        return self.trouble

    def restart(self) -> None:
        """A new worker on the same rows; nobody holds what the old one had claimed."""
        up = self.engine.outside.up
        self.engine = self.start()
        self.engine.outside.up = up
        with database.write():
            due.void_leases(utc_now())

    def wait_long(self) -> None:
        self.live(self.random.choice((61, 301, 960, 3_700)))

    # -- time

    def live(self, seconds: float) -> None:
        """Let time pass, looking whenever something is due."""
        until = utc_now() + timedelta(seconds=seconds)
        while True:
            self.n8n.end_slow_runs()
            self.work()
            planned = [at for at in due.read_agenda().values() if at > utc_now()]
            now = min([until, utc_now() + timedelta(seconds=60), *planned])
            if now >= until and utc_now() >= until:
                return
            self.clock.now = max(now, utc_now() + timedelta(microseconds=1))

    def work(self) -> None:
        for _ in range(40):
            if not any(at <= utc_now() for at in due.read_agenda().values()):
                return
            try:
                tick(self.engine.ctx, utc_now())
            except Killed:
                self.told.append("    the worker was killed")
                self.restart()
        raise AssertionError(f"it never comes to rest: {due.read_agenda()} at {utc_now()}")

    # -- what must hold

    def check(self) -> None:
        self.check_retries()
        self.check_incidents()
        self.check_chains()
        if self.random.random() < 0.1:
            self.check_history()

    def check_retries(self) -> None:
        used: Counter[str] = Counter()
        for one in self.n8n.retries[self.checked :]:
            if one.by == "medic":
                assert not one.succeeded_before, f"chain {one.root_id} was retried after it had succeeded"
                assert not one.running_before, f"chain {one.root_id} was retried while a run of it was under way"
                if one.ambiguous and not one.tagged:
                    used[one.root_id] += 1
        for root_id, number in used.items():
            assert self.allowed[root_id] >= number, f"the ambiguous chain {root_id} was retried without a permit"
            self.allowed[root_id] -= number
        self.checked = len(self.n8n.retries)
        ours = Counter(one.root_id for one in self.n8n.retries if one.by == "medic")
        if not any(number > 6 for number in ours.values()):
            return
        permits = Counter(row.subject_id for row in EventRow.select().where(EventRow.because.contains("allowed it to")))
        taken_in = EventRow.select().where(EventRow.because.contains("is to run it again"))
        permits.update(row.subject_id for row in taken_in)
        for root_id, number in ours.items():
            assert number <= 6 + permits[root_id], f"chain {root_id} was retried {number} times by itself"

    def check_incidents(self) -> None:
        rows = list(IncidentRow.select())
        active = {row.incident_id: row for row in RecoveryRow.select().where(RecoveryRow.active_key.is_null(False))}
        unresolved = {row.id: row for row in rows if row.state in UNRESOLVED}
        prints = Counter(row.fingerprint for row in unresolved.values())
        assert all(number == 1 for number in prints.values()), "two open incidents of one cause"
        assert {row.id for row in rows if row.open_key} == set(unresolved), "the open key follows the state"
        assert set(active) <= set(unresolved), "a recovery of a resolved incident is active"
        for row in unresolved.values():
            told = row.told_at or row.acknowledged_at
            assert row.escalate_at and row.escalate_at <= utc_now() + timedelta(seconds=900)
            assert told or utc_now() <= row.escalate_at + timedelta(seconds=1), f"nobody was told of incident {row.id}"
            due_again = row.wake_at or (row.id in active) or told
            assert due_again, f"incident {row.id} is stuck: {row.state}, {row.because}"
        for row in RecoveryRow.select():
            assert (row.active_key is None) == (row.state in ENDED)
        for row in ComponentRow.select().where(ComponentRow.health.in_(FAILING), ~ComponentRow.muted):
            assert f"|{row.name}|unavailable" in prints, f"{row.name} is {row.health}, and there is no incident of it"

    def check_chains(self) -> None:
        resolved = IncidentRow.select(IncidentRow.id).where(IncidentRow.state == "resolved")
        held = ExecutionRow.select().where(ExecutionRow.incident_id.in_(resolved))
        for row in held:
            assert row.state != "waiting", f"chain {row.root_id} waits in the resolved incident {row.incident_id}"
            by_hand = IncidentRow.get_by_id(row.incident_id).because.startswith("kim")
            assert row.state != "retrying" or by_hand, f"chain {row.root_id} is retried in a resolved incident"
            assert not row.asks
        for row in ExecutionRow.select().where(ExecutionRow.state == "recovered"):
            if not self.n8n.chain_of(row.root_id):
                continue
            assert any(run["status"] == "success" for run in self.n8n.chain_of(row.root_id))
        for row in ExecutionRow.select().where(ExecutionRow.state == "retrying"):
            assert row.run_at or row.lease_until, f"chain {row.root_id} is followed by nobody"
        for row in ExecutionRow.select().where(ExecutionRow.replay_id.is_null(False)):
            assert row.incident_id is None, f"chain {row.root_id} belongs to a replay and to an incident"
            assert row.state != "waiting" or row.replay_id in replays.find_active(), f"nobody runs {row.root_id} again"
        over = RecoveryRow.select(RecoveryRow.id).where(RecoveryRow.active_key.is_null())
        left = StepRow.select().where(StepRow.recovery_id.in_(over), StepRow.state.in_(("queued", "running")))
        for step in left:
            chain = ExecutionRow.get_or_none(ExecutionRow.id == step.chain_id) if step.chain_id else None
            assert chain and chain.state == "retrying", f"step {step.id} {step.name} stays {step.state} for ever"

    def check_history(self) -> None:
        last: dict[tuple[str, str], str] = {}
        for row in EventRow.select().order_by(EventRow.id):
            assert row.because, f"no because: {row.subject} {row.subject_id} {row.after}"
            last[row.subject, row.subject_id] = row.after
        for row in IncidentRow.select():
            assert last["incident", str(row.id)] == row.state and row.because
        for row in ReplayRow.select():
            assert last["replay", str(row.id)] == row.state and row.because
            assert (row.ended_at is None) == (row.id in replays.find_active())
        for row in RecoveryRow.select():
            assert last["recovery", str(row.id)].split(",")[0] == row.state and row.because
        for row in ExecutionRow.select():
            assert last["execution", row.root_id] == row.state and row.because
        assert not OrderRow.select().where(OrderRow.taken_at.is_null()).count()
        assert not SignalRow.select().where(SignalRow.triaged_at.is_null()).count()

    def end_well(self) -> None:
        """Everything works again, nobody holds anything back: what is not resolved has been told to a person."""
        self.mend_all()
        self.n8n.up = self.n8n.key = True
        self.trouble = ""
        self.poll()
        for row in RecoveryRow.select().where(RecoveryRow.state == "paused"):
            orders.add_order(row.incident_id, OrderWhat.RESUME, "kim", utc_now())
        for number in replays.find_active():
            replays.say_yes(number, utc_now())
        for _ in range(4):
            self.live(310)
            self.poll()
        self.check()
        assert not replays.find_active(), [row.because for row in ReplayRow.select()]
        for row in IncidentRow.select().where(IncidentRow.state.in_(UNRESOLVED)):
            assert row.told_at or row.acknowledged_at, f"incident {row.id} stays {row.state}, and nobody knows"
        for one in self.n8n.failed:
            chain = self.n8n.chain_of(one)
            known = ExecutionRow.get_or_none(ExecutionRow.root_id == chain[0]["id"])
            assert known, f"the failure {one} was never heard of"


STEPS_OF_LIFE = (
    *[Life.fail] * 3, *[Life.fail_often] * 2, Life.tell, *[Life.poll] * 3, *[Life.change_host] * 4, Life.mend_all,
    *[Life.probe] * 2, Life.flap, *[Life.person_retries] * 2, *[Life.order] * 4, Life.n8n_goes,
    *[Life.trouble_comes] * 4, Life.restart, *[Life.replay] * 2, Life.wait_long,
)  # fmt: skip
WHAT = (*[one for one in OrderWhat if one is not OrderWhat.SNOOZE], *[OrderWhat.RETRY_NOW, OrderWhat.APPROVE] * 2)


@pytest.fixture
def sqlite_store(tmp_path: Any) -> Iterator[None]:
    """A SQLite file alone: a life is long, and the store's tests compare the engines."""
    database.open_database(f"sqlite:///{tmp_path}/life.db")
    yield
    database.close_database()


@pytest.mark.usefixtures("sqlite_store")
@pytest.mark.parametrize("seed", [FIRST + seed for seed in SEEDS])
def test_whatever_happens_these_things_hold(fake_clock: FakeClock, seed: int) -> None:
    life = Life(seed, fake_clock)
    try:
        for _ in range(STEPS):
            life.step()
        life.end_well()
    except Exception as wrong:
        raise AssertionError(f"seed {seed}: {wrong!r}\n" + "\n".join(life.told[-60:])) from wrong
    assert life.n8n.runs


SAME = ("status", "mode", "retryOf", "retrySuccessId", "finished")


def story_on(n8n: Any, fail: Any, retry: Any, mend: Any, read: Any) -> list[Any]:
    """Two failures, a retry that fails, one of that which succeeds, and one of the succeeded; ids as they count up."""
    first, second = fail(), fail()
    told: list[Any] = []
    failed = retry(second)["id"]
    details = read(failed)
    failure = source.read_failure_of(details)
    facts = (failure.http_code, failure.host != "", failure.method, failure.item_index, failure.node_reads)
    told.append((facts, failure.mode, failure.last_node, source.items_into(details), source.nodes_that_ran(details)))
    mend()
    good = retry(failed)["id"]
    for again in (good, "9999"):
        try:
            n8n.retry(again)
        except N8nError as refused:
            told.append((refused.kind, refused.permanent))
    ids = {first: "first", second: "second", failed: "failed", good: "good", None: None, "": None}
    for status in ("error", "success", ""):
        page, cursor = n8n.executions(status)
        told.append([(ids[run["id"]], *(ids.get(run[key], run[key]) for key in SAME)) for run in page] + [cursor])
    return told


def test_the_n8n_in_memory_tells_the_same_story_as_the_stand_in(fake_clock: FakeClock) -> None:
    memory = MemoryN8n({"w": Flow("w", "orders.example.com", "POST")}, {"orders.example.com": 503})
    in_memory = story_on(
        memory,
        lambda: memory.call("w"),
        lambda one: memory.retry(one),
        lambda: memory.hosts.clear(),
        lambda one: memory.execution(one, with_data=True),
    )
    with StandInN8n() as n8n, Service() as service:
        service.behave("/x", 503)
        workflow_id = n8n.create_workflow(
            workflows.workflow("w", workflows.webhook("w"), workflows.http("Call", f"{service.url}/x", "POST"))
        )
        n8n.activate(workflow_id, "w")
        door = N8n("default", n8n.url, n8n.api_key)

        def fail() -> str:
            before = len(n8n.executions(workflow_id))
            n8n.call("w", {"id": "a"})
            return str(n8n.ended(workflow_id, before + 1)[0]["id"])

        told = story_on(
            door, fail, door.retry, lambda: service.behave("/x", 200), lambda one: door.execution(one, with_data=True)
        )
    assert in_memory == told
