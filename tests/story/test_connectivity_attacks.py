"""Attacks on the guard against being offline: outages that come back, workers that differ, anchors that lie."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from recovery.clock import utc_now
from recovery.model import ComponentPlan, DoorError, HttpAnswer, N8nNumbers, PlannedCheck
from recovery.store import components, database
from recovery.store.tables import AlertRow
from recovery.worker import checking
from recovery.worker.connectivity import Connectivity
from tests.story.engine import STAGES, Engine, Inline, item
from tests.story.test_connectivity import NAMES, Net, look_by_itself, outside, restarted

pytestmark = pytest.mark.usefixtures("store")


@pytest.fixture
def engine(fake_clock):
    plans = {name: outside(name) for name in NAMES}
    found = Engine(fake_clock, components=plans, anchors=("1.1.1.1:443", "9.9.9.9:443"))
    look_by_itself(found)
    return found


@pytest.fixture
def net(engine):
    found = Net(engine)
    engine.run(35, 5)
    assert {engine.component(name).health for name in NAMES} == {"healthy"}
    return found


def test_second_outage_after_a_quiet_first_one_restarts_nothing(engine, net):
    net.works = False
    engine.run(60, 1)
    assert engine.ctx.connectivity.offline_since
    net.works = True
    engine.run(120, 1)
    engine.run(3600, 10)
    before = len(engine.outside.commands)
    net.works = False
    engine.run(120, 1)
    assert len(engine.outside.commands) == before, engine.outside.commands[before:]


def test_verdict_survives_a_transaction_that_fails(engine, net, monkeypatch):
    net.works = False
    plain, broke = components.claim_components, []

    def claim(*args, **more):
        if engine.ctx.connectivity.offline_since and not broke:
            broke.append(1)
            raise RuntimeError("the disk is full for a moment")
        return plain(*args, **more)

    monkeypatch.setattr(components, "claim_components", claim)
    engine.run(1800, 5)
    assert broke
    assert engine.ctx.connectivity.offline_since
    told = [(r.facts["component"], r.kind) for r in AlertRow.select()]
    assert told, "offline for 30 minutes, everything is held, and nobody was told anything"


def test_anchors_that_are_never_reachable_do_not_hold_healthy_hosts_for_ever(engine, net):
    async def reach(*a, **k):
        raise DoorError("filtered", kind="timeout")

    engine.outside.reach = reach
    net.broken = set(NAMES[:5])
    engine.run(60, 5)
    assert engine.ctx.connectivity.offline_since
    net.broken = set()
    engine.run(3600, 10)
    assert {engine.component(name).health for name in NAMES} == {"healthy"}
    before = AlertRow.select().count()
    net.broken = {"api3"}
    engine.run(3600, 10)
    assert AlertRow.select().count() > before or "api3" in restarted(engine), (
        "api3 was down for an hour: nobody was told"
    )


def test_a_host_that_answers_with_an_error_while_offline_is_told_of(engine, net):
    plain = net.ask

    async def ask(method, url, **more):
        if "api3" in url:
            return HttpAnswer(503, "", 1.0)
        return await plain(method, url, **more)

    engine.outside.ask = ask
    net.works = False  # the line to the internet; api3 is in the LAN, answers, and is broken
    engine.run(3600, 5)
    assert [r.kind for r in AlertRow.select() if r.facts["component"] == "api3"], engine.incident("api3").because


def test_heartbeats_that_cannot_arrive_while_offline_call_nobody(fake_clock):
    from recovery.model import Playbook
    from recovery.sources import heartbeat

    plans = {name: outside(name) for name in NAMES}
    for n in range(4):
        plans[f"job{n}"] = ComponentPlan(
            f"job{n}",
            every_seconds=30.0,
            playbook=Playbook(stages=STAGES, check=PlannedCheck("heartbeat", {"period": 60, "grace": 30})),
        )
    engine = Engine(fake_clock, components=plans, anchors=("1.1.1.1:443",))
    look_by_itself(engine)
    net = Net(engine)

    def beat():
        for n in range(4):
            engine._store(heartbeat.receive(f"job{n}", "success", ""))

    for _ in range(5):
        beat()
        engine.run(60, 5)
    assert not AlertRow.select().count()
    net.works = False
    engine.run(600, 5)
    told = [(r.facts["component"], r.kind) for r in AlertRow.select()]
    assert {c for c, _ in told} == {"connectivity"}, told


def test_offline_told_but_not_triaged_when_killed_ends_one_day(engine, net):
    net.works = False
    now = utc_now()
    for _ in range(400):
        engine.clock.advance(1)
        now = utc_now()
        from recovery.worker.looking import look_at_incidents
        from recovery.worker.triaging import triage_signals

        triage_signals(engine.ctx, now)
        look_at_incidents(engine.ctx, now)
        checking.run_checks(engine.ctx, now)
        if engine.ctx.connectivity.offline_since:
            break
    assert engine.ctx.connectivity.offline_since
    # killed here: the signal is stored, and not triaged. The line comes back meanwhile.
    engine.ctx.connectivity = Connectivity()
    net.works = True
    look_by_itself(engine)
    engine.run(3600, 10)
    found = [(i.component, i.state) for i in engine.incidents() if i.component == "connectivity"]
    assert found in ([], [("connectivity", "resolved")]), found


def test_threshold_one_is_held_in_time(fake_clock):
    plans = {name: replace(outside(name), failure_threshold=1) for name in NAMES}
    engine = Engine(fake_clock, components=plans, anchors=("1.1.1.1:443",))
    look_by_itself(engine)
    net = Net(engine)
    engine.run(35, 5)
    net.works = False
    engine.run(120, 1)
    assert not engine.outside.commands, engine.outside.commands


class Two:
    """Two workers of one database: `a` loses its line, `b` does not."""

    def __init__(self, clock):
        plans = {name: outside(name) for name in NAMES}
        self.a = Engine(clock, components=plans, anchors=("1.1.1.1:443",))
        self.b = Engine(clock, components=plans, anchors=("1.1.1.1:443",))
        self.a.ctx.worker, self.b.ctx.worker = "a", "b"
        self.net_a, self.net_b = Net(self.a), Net(self.b)
        look_by_itself(self.a)
        self.clock = clock

    def run(self, seconds):
        for _ in range(seconds):
            self.clock.advance(1)
            for one in (self.a, self.b) if self.clock.now.second % 3 else (self.b, self.a):
                one.tick(1)


def test_of_two_workers_one_offline_nothing_is_restarted(fake_clock):
    two = Two(fake_clock)
    two.run(60)
    assert not two.a.outside.commands + two.b.outside.commands
    two.net_a.works = False
    two.run(3600)
    assert two.a.ctx.connectivity.offline_since
    commands = two.a.outside.commands + two.b.outside.commands
    told = [(r.facts["component"], r.kind) for r in AlertRow.select()]
    assert not commands and {name for name, _ in told} == {"connectivity"}, (commands, told)


def test_of_two_workers_the_offline_one_takes_the_steps(fake_clock):
    class Full(Inline):
        free = 0

    two = Two(fake_clock)
    two.b.ctx.pools = type(
        "P",
        (dict,),
        {"__contains__": lambda s, w: True, "__getitem__": lambda s, w: Full() if w == "steps" else Inline()},
    )()
    two.run(60)
    two.net_a.works = False
    two.run(1800)
    commands = two.a.outside.commands + two.b.outside.commands
    told = [(r.facts["component"], r.kind) for r in AlertRow.select()]
    assert not commands, (commands, told)


def test_of_two_workers_one_offline_and_gone_its_incident_ends(fake_clock):
    two = Two(fake_clock)
    two.run(60)
    two.net_a.works = False
    two.run(60)
    assert two.a.ctx.connectivity.offline_since
    for _ in range(720):  # worker a is gone for good; b is well
        two.clock.advance(5)
        two.b.tick(1)
    found = [(i.component, i.state) for i in two.a.incidents() if i.component == "connectivity"]
    assert found == [("connectivity", "resolved")], found


@pytest.mark.parametrize("up", [1, 4, 8, 12])
def test_a_line_that_comes_back_for_seconds_only_restarts_nothing(engine, net, up):
    net.works = False
    engine.run(120, 1)
    assert engine.ctx.connectivity.offline_since
    while net.asked and engine.ctx.connectivity._standing.back_at is None:
        net.works = True
        engine.run(1, 1)
    engine.run(up, 1)
    net.works = False
    engine.run(300, 1)
    assert not engine.outside.commands, engine.outside.commands


def test_flapping_of_two_workers_does_not_flood_history(fake_clock):
    from recovery.store.tables import EventRow

    two = Two(fake_clock)
    two.run(60)
    two.net_a.works = two.net_b.works = False  # nothing is well; b finds out by itself too
    two.net_b.works = True
    before = EventRow.select().count()
    two.run(1800)
    found = EventRow.select().count() - before
    assert found < 100, f"{found} lines of history in 30 minutes"


@pytest.mark.parametrize("later", [8, 16, 20, 24, 28])
def test_one_that_fell_silent_shortly_before_does_not_delay_the_verdict(engine, net, later):
    net.broken = {"api3"}
    for _ in range(60):
        engine.run(1, 1)
        if engine.ctx.connectivity._silent:
            break
    engine.run(later, 1)
    net.works = False
    engine.run(120, 1)
    assert engine.ctx.connectivity.offline_since
    assert restarted(engine) <= {"api3"}, restarted(engine)


def test_a_clock_that_is_set_back_does_not_keep_it_offline(engine, net):
    net.works = False
    engine.run(60, 1)
    assert engine.ctx.connectivity.offline_since
    net.works = True  # and with the line comes the right time
    engine.clock.advance(-3600)
    asked = net.asked
    engine.run(600, 5)
    assert net.asked > asked, "the anchors are not asked any more: the last time they were is an hour ahead"
    if database.is_sqlite():  # on PostgreSQL rows keep the times of other machines' clocks
        assert engine.incident("connectivity").state == "resolved", "ten minutes after the line is back"


def test_a_worker_that_begins_does_not_end_the_incident_of_another(fake_clock):
    two = Two(fake_clock)
    two.run(60)
    two.net_a.works = False
    two.run(60)
    assert two.a.ctx.connectivity.offline_since
    two.b.ctx.connectivity = Connectivity()  # b is restarted
    look_by_itself(two.b)
    two.run(60)
    assert two.a.ctx.connectivity.offline_since and not two.a.ctx.connectivity._standing.back_at
    assert two.a.incident("connectivity").state != "resolved", (
        "a is offline still, holds everything, and nothing says so"
    )


def outage_of_ours(engine, net):
    """What people hear of agents that report each minute, where we are offline for five."""
    agents = [f"agent{n}" for n in range(6)]

    def push():
        for name in agents:
            engine.probe(name, True, silent_after=120)

    for _ in range(5):
        push()
        engine.run(60, 5)
    net.works = False
    engine.run(300, 5)  # nothing arrives either
    assert engine.ctx.connectivity.offline_since
    net.works = True
    engine.run(40, 1)  # each agent reports every 60 s; 40 s after we are back
    push()
    engine.run(60, 5)
    return [(r.facts["component"], r.kind) for r in AlertRow.select() if r.facts["component"] in agents]


def test_pushed_components_are_no_alert_storm_after_an_outage_of_ours(engine, net):
    assert outage_of_ours(engine, net) == []


@pytest.fixture
def that_second(fake_clock):
    """A moment at which the look for the silence of agent2 ends together with the outage."""
    fake_clock.now = datetime(2026, 11, 24, 20, 8, 15, tzinfo=UTC)


def test_a_look_that_ends_as_we_come_back_tells_of_no_silence(that_second, engine, net):
    assert outage_of_ours(engine, net) == []


def test_whoever_speaks_of_our_own_connection_cannot_have_its_silence_missed(engine, net):
    engine.probe("connectivity", True, silent_after=30)
    engine.run(300, 5)
    assert not engine.incidents() and not components.find_components(["connectivity"])


def test_a_host_that_is_called_as_our_own_connection_is_another(engine, net):
    engine.hear(item("1", host="connectivity", status=None))
    engine.run(5, 1)
    assert engine.incident().component == "host connectivity"
    engine.ctx.connectivity = Connectivity()
    look_by_itself(engine)
    assert engine.ctx.connectivity.offline_since is None, "whoever sends a payload made it believe so at its next start"


class FarN8n:
    """An n8n over the way out, as its door tells of it."""

    def __init__(self, net):
        self.net = net

    def readiness(self):
        if not self.net.works:
            raise DoorError("cannot be reached", "timeout")
        return ""

    def executions(self, *args, **more):
        return [], ""

    def key_ends(self):
        return None

    def numbers(self):
        return N8nNumbers()


def test_an_n8n_that_is_far_away_is_not_restarted_while_this_machine_is_offline(fake_clock):
    plans = {name: outside(name) for name in NAMES}
    check = PlannedCheck("n8n", {})
    plan = outside("n8n")
    plans["n8n"] = replace(plan, playbook=replace(plan.playbook, check=check))
    engine = Engine(fake_clock, components=plans, anchors=("1.1.1.1:443",))
    look_by_itself(engine)
    net = Net(engine)
    engine.outside.n8n = lambda site: FarN8n(net)
    engine.run(60, 5)
    assert engine.component("n8n").health == "healthy"
    net.works = False
    engine.run(1800, 5)
    assert restarted(engine) == set(), engine.incident("n8n").because
    assert {row.facts["component"] for row in AlertRow.select()} == {"connectivity"}
