"""When this machine itself is offline, nothing is restarted for it, and people hear of it once."""

import asyncio
from dataclasses import replace

import pytest

from recovery.clock import utc_now
from recovery.decide.connectivity import is_unanswered
from recovery.model import ComponentPlan, DoorError, FailureType, HttpAnswer, Reading
from recovery.store import components, database
from recovery.store.tables import AlertRow
from recovery.worker.connectivity import Connectivity
from tests.conftest import FakeClock
from tests.story.engine import Engine, item, restartable

pytestmark = pytest.mark.usefixtures("store")
NAMES = [f"api{number}" for number in range(6)]


def outside(name: str) -> ComponentPlan:
    return restartable(name, outside=f"{name}.example.com", every_seconds=30.0)


class Net:
    """The way out: broken as a whole, or to some hosts; and whether a broken host answers with an error instead."""

    def __init__(self, engine: Engine):
        self.works, self.broken, self.errors, self.asked = True, set[str](), False, 0
        engine.outside.ask, engine.outside.reach = self.ask, self.reach

    async def ask(self, method: str, url: str, **more: object) -> HttpAnswer:
        if self.errors:
            return HttpAnswer(503, "", 1.0)
        if not self.works or any(name in url for name in self.broken):
            raise DoorError("no answer", kind="timeout")
        return HttpAnswer(200, "ok", 1.0)

    async def reach(self, host: str, port: int, timeout_seconds: float) -> float:
        await asyncio.sleep(0)
        self.asked += 1
        if not self.works:
            raise DoorError("no answer", kind="timeout")
        return 1.0


@pytest.fixture
def engine(fake_clock: FakeClock) -> Engine:
    plans = {name: outside(name) for name in NAMES} | {"local": restartable("local")}
    found = Engine(fake_clock, components=plans, anchors=("1.1.1.1:443", "9.9.9.9:443"))
    look_by_itself(found)
    return found


def look_by_itself(engine: Engine) -> None:
    """As a worker does when it begins."""
    with database.write():
        components.configure_components(dict.fromkeys(engine.ctx.policy.components, utc_now()), utc_now())
        engine.ctx.connectivity.resume(engine.ctx, utc_now())


@pytest.fixture
def net(engine: Engine) -> Net:
    found = Net(engine)
    engine.run(35, 5)
    assert {engine.component(name).health for name in NAMES} == {"healthy"}
    return found


def restarted(engine: Engine) -> set[str]:
    return {command[1] for command in engine.outside.commands}


def test_a_machine_that_is_offline_restarts_nothing_outside_and_says_so_once(engine: Engine, net: Net) -> None:
    net.works = False
    engine.run(180, 5)
    assert restarted(engine) <= {"local"}, "no mass restart"
    told = [row for row in AlertRow.select() if row.kind not in ("opened", "worsened")]
    assert [(row.facts["component"]) for row in told] == ["connectivity"], "one alert, and it says why"
    assert "offline" in told[0].facts["message"] and "1.1.1.1:443" in told[0].facts["message"]


def test_once_it_is_back_it_is_resolved_and_what_is_really_broken_is_healed(engine: Engine, net: Net) -> None:
    net.works = False
    engine.run(120, 5)
    net.works, net.broken = True, {"api3"}
    engine.run(120, 5)
    assert engine.incident("connectivity").state == "resolved"
    assert restarted(engine) - {"local"} == {"api3"}
    assert not {row.facts["component"] for row in AlertRow.select()} & {"api0", "api1", "api2", "api4", "api5"}


def test_many_hosts_that_fail_while_an_anchor_answers_are_failures_of_theirs(engine: Engine, net: Net) -> None:
    net.broken = set(NAMES)
    engine.run(60, 5)
    assert net.asked > 0 and restarted(engine) >= set(NAMES)
    assert not [one for one in engine.incidents() if one.component == "connectivity"]


def test_few_hosts_that_fail_make_no_machine_offline_even_where_the_anchors_fail(engine: Engine, net: Net) -> None:
    net.broken = set(NAMES[:4])
    engine.run(60, 5)
    assert net.asked == 0 and restarted(engine) >= set(NAMES[:4])


def test_answers_with_errors_prove_that_the_way_out_works(engine: Engine, net: Net) -> None:
    net.errors = True
    engine.run(60, 5)
    assert net.asked == 0 and restarted(engine) >= set(NAMES)


def test_what_others_tell_us_never_makes_this_machine_offline(engine: Engine, net: Net) -> None:
    for name in NAMES:
        for _ in range(2):
            engine.probe(f"pushed {name}", False)
        engine.hear(item(name, host=f"{name}.example.org"))
    net.works = False
    engine.tick(1)
    assert net.asked == 0 and engine.ctx.connectivity.offline_since is None


def test_nobody_else_can_tell_of_this_machines_connection(engine: Engine, net: Net) -> None:
    for _ in range(3):
        engine.probe("connectivity", False)
    engine.tick()
    assert not engine.incidents()
    net.works = False
    engine.run(60, 5)
    engine.probe("connectivity", True)
    engine.run(30, 5)
    assert engine.incident("connectivity").state == "needs_human"


def test_what_is_looked_at_on_the_machine_itself_is_healed_all_the_same(engine: Engine, net: Net) -> None:
    net.works = False
    engine.run(60, 5)
    assert engine.ctx.connectivity.offline_since
    engine.run(120, 5)
    assert restarted(engine) == {"local"}


def test_without_anchors_it_is_never_called_offline(engine: Engine, net: Net) -> None:
    engine.ctx.policy = replace(engine.ctx.policy, anchors=())
    net.works = False
    engine.run(60, 5)
    assert net.asked == 0 and restarted(engine) >= set(NAMES)


def test_the_others_are_looked_at_at_once_so_that_it_is_known_within_seconds(engine: Engine, net: Net) -> None:
    net.works = False
    engine.run(40, 1)
    since = engine.ctx.connectivity.offline_since
    first = min(silence.since for silence in engine.ctx.connectivity._silent.values())
    assert since is not None and (since - first).total_seconds() <= 5


def test_a_new_worker_knows_that_the_machine_was_offline(engine: Engine, net: Net) -> None:
    net.works = False
    engine.run(60, 5)
    engine.ctx.connectivity = Connectivity()
    look_by_itself(engine)
    assert engine.ctx.connectivity.offline_since, "before its first look"
    net.works = True
    engine.run(60, 5)
    assert engine.incident("connectivity").state == "resolved" and restarted(engine) <= {"local"}


def test_where_it_is_no_longer_configured_its_incident_is_closed(engine: Engine, net: Net) -> None:
    net.works = False
    engine.run(60, 5)
    engine.ctx.policy, engine.ctx.connectivity = replace(engine.ctx.policy, anchors=()), Connectivity()
    look_by_itself(engine)
    net.works = True
    engine.run(60, 5)
    assert engine.incident("connectivity").state == "resolved"


def test_two_components_of_one_host_are_no_two_hosts(engine: Engine, net: Net) -> None:
    plans = {name: replace(outside(name), outside="one.example.com") for name in NAMES}
    engine.ctx.policy = replace(engine.ctx.policy, components=plans)
    net.works = False
    engine.run(60, 5)
    assert net.asked == 0 and engine.ctx.connectivity.offline_since is None


def test_a_host_that_is_slow_or_wrong_is_not_silent() -> None:
    assert is_unanswered(Reading("x", False, "", FailureType.API_TIMEOUT))
    assert not is_unanswered(Reading("x", False, "", FailureType.API_TIMEOUT, latency_ms=900.0))
    assert not is_unanswered(Reading("x", False, "", FailureType.API_ERROR))
    assert not is_unanswered(Reading("x", True, ""))
