"""A replay after an outage: counted, one of each workflow first, each chain at most once, whatever dies meanwhile."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recovery.clock import utc_now
from recovery.model import ReplayLimits, ReplayState
from recovery.store import database, due, maintenance, replays, sites
from recovery.store.tables import AlertRow, ExecutionRow, IncidentRow, ReplayRow
from recovery.worker.loop import tick
from recovery.worker.polling import poll_sites
from tests.conftest import FakeClock
from tests.standins.n8n import StandInN8n
from tests.standins.service import Answer, Service
from tests.story.engine import Engine
from tests.story.memory_n8n import LISTED, Flow, Killed, MemoryN8n
from tests.story.place import Place

pytestmark = pytest.mark.usefixtures("store")
FAST = ReplayLimits(rate_per_second=1000)


class Outage(Place):
    """Executions that failed before n8n-medic met their n8n, and the engine that is told to replay them."""

    def __init__(self, clock: FakeClock, n8n: StandInN8n, service: Service, **policy: Any):
        super().__init__(clock, n8n, service, is_met=False, **{"replay": FAST, **policy})
        self.began = utc_now() - timedelta(hours=1)

    def workflow(self, path: str, *nodes: Any, tag: str = "", method: str = "GET", status: int = 503) -> str:
        """A workflow that calls the service's /<path>, which fails with that status."""
        self.service.behave(f"/{path}", status)
        return super().workflow(path, *nodes, tag=tag, method=method)

    def meet(self) -> None:
        """First contact: what failed so far is old."""
        poll_sites(self.engine.ctx)
        self.clock.advance(1)

    def order(self, said_yes: bool = True, **order: Any) -> int:
        """A person orders a replay of the last hour."""
        values = {"site": "default", "since": self.began, "until": utc_now() + timedelta(seconds=1), **order}
        return replays.add_replay("kim", utc_now(), said_yes, **values).id

    def good(self, path: str) -> Counter[str]:
        """How often each id was answered with 200."""
        return Counter(call.id for call in self.service.calls(f"/{path}") if call.answered == 200)


def replay(number: int) -> ReplayRow:
    found = replays.find_replay(number)
    assert found
    return found


def total(number: int) -> dict[str, int]:
    """The counts that are not 0."""
    return {lot: count for lot, count in replay(number).counts["total"].items() if count}


@pytest.fixture
def outage(fake_clock: FakeClock) -> Any:
    with StandInN8n() as n8n, Service() as service:
        yield Outage(fake_clock, n8n, service)


def test_what_failed_before_first_contact_is_run_again_once_each_and_opens_no_incident(outage: Outage) -> None:
    orders = outage.workflow("orders", method="POST")
    ids = [f"o{number}" for number in range(7)]
    outage.fail("orders", orders, *ids)
    outage.meet()
    outage.service.behave("/orders", 200)
    number = outage.order()
    outage.engine.run(20)
    assert replay(number).state == ReplayState.DONE and "7 recovered, of 7 executions" in replay(number).because
    assert outage.good("orders") == Counter(ids)
    assert outage.engine.incidents() == [] and AlertRow.select().count() == 0
    calls = len(outage.service.calls())
    again = outage.order()
    outage.engine.run(20)
    assert replay(again).because == "nothing is to be run again" and total(again) == {"failed": 7, "succeeded": 7}
    assert len(outage.service.calls()) == calls


def test_one_goes_first_and_where_it_fails_again_the_rest_of_its_workflow_is_left(outage: Outage) -> None:
    sick, well = outage.workflow("sick"), outage.workflow("well")
    outage.fail("sick", sick, "s1", "s2", "s3")
    outage.fail("well", well, "w1", "w2")
    outage.meet()
    outage.service.forget()
    outage.service.behave("/sick", 503)
    number = outage.order()
    outage.engine.run(40)
    assert [call.id for call in outage.service.calls("/sick")] == ["s1"], "the canary alone"
    assert outage.good("well") == {"w1": 1, "w2": 1}
    told = replay(number)
    assert told.state == ReplayState.DONE and "the first of sick failed again" in told.because
    assert "2 recovered, 1 failed again, 2 were left alone" in told.because
    assert outage.engine.incidents() == [], "whoever ordered it reads it there; nobody else is called"
    outage.service.behave("/sick", 200)
    later = outage.order(workflow="sick")
    outage.engine.run(40)
    assert replay(later).state == ReplayState.DONE and outage.good("sick") == {"s1": 1, "s2": 1, "s3": 1}


def test_where_every_canary_fails_it_has_stopped(outage: Outage) -> None:
    outage.fail("sick", outage.workflow("sick"), "s1", "s2")
    outage.meet()
    number = outage.order()
    outage.engine.run(40)
    assert replay(number).state == ReplayState.STOPPED and "answered 503" in replay(number).because


def test_three_failures_in_a_row_stop_a_workflow_and_one_does_not(outage: Outage) -> None:
    orders = outage.workflow("orders")
    outage.fail("orders", orders, *"abcdefgh")
    outage.meet()
    outage.service.forget()
    outage.service.behave("/orders", 200)
    for one in "bdefg":
        outage.service.behave("/orders", 503, id=one)
    number = outage.order()
    outage.engine.run(90)
    assert [call.id for call in outage.service.calls("/orders")] == list("abcdef")
    assert "3 of orders in a row failed again" in replay(number).because
    assert "2 recovered, 4 failed again, 2 were left alone" in replay(number).because


@pytest.mark.parametrize("tag", ["medic:no-retry", "medic:ignore"])
def test_what_is_found_is_told_apart(outage: Outage, tag: str) -> None:
    outage.meet()
    plain = outage.workflow("plain")
    mended, *_ = outage.fail("plain", plain, "by hand", "p1", "p2")
    outage.service.behave("/plain", 200)
    outage.n8n.retry(mended)
    tagged = outage.workflow("tagged", tag=tag)
    outage.fail("tagged", tagged, "t1")
    lost = outage.workflow("lost", method="POST", status=504)
    outage.fail("lost", lost, "l1", "l2")
    stored = outage.workflow("stored")
    outage.fail("stored", stored, "s1")
    assert outage.n8n.api("POST", f"workflows/{stored}/archive").ok
    number = outage.order(said_yes=False)
    outage.engine.tick()
    assert total(number) == {"failed": 7, "replay": 2, "succeeded": 1, "tagged": 1, "ambiguous": 2, "left_alone": 1}
    assert [one["because"] for one in replay(number).counts["why"] if one["lot"] == "left_alone"] == [
        "its workflow is archived in n8n: restore it there to run it again"
    ]
    assert replay(number).state == ReplayState.ASKING
    names = [one["name"] for one in replay(number).counts["workflows"]]
    assert names[:2] == ["plain", "lost"] and set(names[2:]) == {"tagged", "stored"}
    assert "so its effect may have happened" in replay(number).counts["listed"][0]["because"]
    assert outage.good("plain") == {"by hand": 1} and ExecutionRow.select().count() == 0, "nothing before a yes"
    assert replays.say_yes(number, utc_now())
    outage.engine.run(20)
    assert replay(number).state == ReplayState.DONE
    assert outage.good("plain") == {"by hand": 1, "p1": 1, "p2": 1}
    assert [len(outage.service.calls(f"/{one}")) for one in ("lost", "tagged", "stored")] == [2, 1, 1]


@pytest.mark.parametrize(("ambiguous", "calls", "listed"), [("ask", 1, 1), ("leave", 1, 0), ("retry", 2, 0)])
def test_what_may_repeat_an_effect_follows_the_order(outage: Outage, ambiguous: str, calls: int, listed: int) -> None:
    outage.fail("lost", outage.workflow("lost", method="POST", status=504), "l1")
    outage.meet()
    outage.service.behave("/lost", 200)
    number = outage.order(ambiguous=ambiguous)
    outage.engine.run(20)
    assert len(outage.service.calls("/lost")) == calls
    assert len(replay(number).counts["listed"]) == listed


def test_a_dry_run_writes_nothing_but_its_answer(outage: Outage) -> None:
    outage.fail("orders", outage.workflow("orders"), "a", "b")
    outage.meet()
    number = outage.order(dry=True)
    outage.engine.run(20)
    assert replay(number).state == ReplayState.DONE and "2 would be run again" in replay(number).because
    assert ExecutionRow.select().count() == 0 and len(outage.service.calls()) == 2


def test_dry_run_of_everything_makes_a_replay_one_too(outage: Outage) -> None:
    outage.fail("orders", outage.workflow("orders"), "a")
    outage.meet()
    outage.engine.ctx.dry_run = True
    number = outage.order()
    outage.engine.run(20)
    assert "a dry run" in replay(number).because and len(outage.service.calls()) == 1


def test_a_chain_of_an_open_incident_is_left_to_it(outage: Outage) -> None:
    outage.meet()
    orders = outage.workflow("orders")
    outage.fail("orders", orders, "a")
    poll_sites(outage.engine.ctx)
    outage.engine.run(5)
    assert outage.engine.incident().state != "resolved"
    number = outage.order(said_yes=False)
    outage.engine.tick()
    assert total(number) == {"failed": 1, "incident": 1}
    assert "is open: it is left to that" in replay(number).counts["why"][0]["because"]


def test_a_chain_that_a_resolved_incident_left_is_taken_over(outage: Outage) -> None:
    outage.meet()
    lost = outage.workflow("lost", method="POST", status=504)
    outage.fail("lost", lost, "a")
    poll_sites(outage.engine.ctx)
    outage.engine.run(3)
    incident = outage.engine.incident()
    IncidentRow.update(open_key=None, state="resolved", resolved_at=utc_now()).where(
        IncidentRow.id == incident.id
    ).execute()
    outage.service.behave("/lost", 200)
    number = outage.order(ambiguous="retry")
    outage.engine.run(20)
    assert replay(number).state == ReplayState.DONE and outage.good("lost") == {"a": 1}
    row = ExecutionRow.get()
    assert (row.incident_id, row.replay_id, row.state) == (None, number, "recovered")


def test_a_person_who_retries_in_between_is_noticed(outage: Outage) -> None:
    orders = outage.workflow("orders", method="POST")
    first, second = outage.fail("orders", orders, "a", "b")
    outage.meet()
    outage.service.behave("/orders", 200)
    number = outage.order(said_yes=False)
    outage.engine.tick()
    outage.n8n.retry(second)
    replays.say_yes(number, utc_now())
    outage.engine.run(20)
    assert outage.good("orders") == {"a": 1, "b": 1}
    assert total(number) == {"failed": 2, "replay": 1, "succeeded": 1}


def test_a_person_who_retries_after_it_was_taken_in_is_noticed_too(outage: Outage) -> None:
    orders = outage.workflow("orders", method="POST")
    first, second, third = outage.fail("orders", orders, "a", "b", "c")
    outage.meet()
    number = outage.order(at_once=1)
    outage.service.behave("/orders", 200)
    outage.service.behave("/orders", 503, 200, id="c")
    tick(outage.engine.ctx, utc_now())
    assert len(outage.service.calls()) < 6, "not all of them have been retried yet"
    outage.n8n.retry(second)
    outage.n8n.retry(third)
    outage.engine.run(60)
    assert outage.good("orders") == {"a": 1, "b": 1, "c": 1}
    assert replay(number).state == ReplayState.DONE and "3 recovered" in replay(number).because


def test_cancelled_it_begins_nothing_more(outage: Outage) -> None:
    orders = outage.workflow("orders")
    outage.fail("orders", orders, *"abcd")
    outage.meet()
    outage.service.behave("/orders", 200)
    number = outage.order(rate_per_second=0.5)
    outage.engine.run(3)
    begun = sum(outage.good("orders").values())
    assert 0 < begun < 4
    assert replays.ask_to_cancel(number, "lee", utc_now())
    outage.engine.run(60)
    assert sum(outage.good("orders").values()) == begun
    told = replay(number)
    assert told.state == ReplayState.CANCELLED and told.because.startswith("lee cancelled it")
    assert not replays.ask_to_cancel(number, "lee", utc_now())
    assert set(outage.engine.chains().values()) == {"recovered", "left_alone"}


def test_nobody_says_yes_and_it_is_over(outage: Outage) -> None:
    outage.fail("orders", outage.workflow("orders"), "a")
    outage.meet()
    number = outage.order(said_yes=False)
    outage.engine.tick()
    outage.engine.run(3700, 60)
    assert replay(number).state == ReplayState.CANCELLED and not replays.say_yes(number, utc_now())


def test_no_more_than_were_asked_for(outage: Outage) -> None:
    outage.fail("orders", outage.workflow("orders"), *"abcd")
    outage.meet()
    outage.service.behave("/orders", 200)
    number = outage.order(most=2)
    outage.engine.run(20)
    assert outage.good("orders") == {"a": 1, "b": 1}, "the oldest first"
    assert total(number) == {"failed": 4, "replay": 2, "over_limit": 2}


def test_the_brakes_hold_whatever_is_under_way(outage: Outage) -> None:
    slow = Answer(200, hang_seconds=0.0)
    for name in ("one", "two", "three"):
        outage.fail(name, outage.workflow(name), *"abc")
    outage.meet()
    for name in ("one", "two", "three"):
        outage.service.behave(f"/{name}", slow)
    outage.engine.ctx.policy = type(outage.engine.policy)(
        **{**{f: getattr(outage.engine.policy, f) for f in outage.engine.policy.__slots__},
           "replay": ReplayLimits(per_component=2, rate_per_second=1.0)}
    )  # fmt: skip
    number = outage.order()
    seen = []
    for _ in range(12):
        outage.engine.run(1)
        seen.append(sum(sum(outage.good(name).values()) for name in ("one", "two", "three")))
    steps = [after - before for before, after in zip([0, *seen], seen, strict=False)]
    assert max(steps) <= 2 and seen[-1] == 9, "one a second, never all at once"
    assert replay(number).state == ReplayState.DONE


def test_a_second_replay_waits_for_the_first_and_takes_nothing_of_it(outage: Outage) -> None:
    outage.fail("orders", outage.workflow("orders"), *"abc")
    outage.fail("bills", outage.workflow("bills"), *"xy")
    outage.meet()
    for name in ("orders", "bills"):
        outage.service.behave(f"/{name}", 200)
    first = outage.order(workflow="orders", rate_per_second=0.5)
    outage.engine.run(1)
    second = outage.order()
    outage.engine.run(2)
    assert "is under way on the same n8n" in replay(second).because and not outage.good("bills")
    outage.engine.run(40)
    assert replay(first).state == replay(second).state == ReplayState.DONE
    assert outage.good("orders") == dict.fromkeys("abc", 1) and outage.good("bills") == dict.fromkeys("xy", 1)


def test_maintenance_holds_it_and_lets_it_go(outage: Outage) -> None:
    outage.fail("orders", outage.workflow("orders"), *"ab")
    outage.meet()
    outage.service.behave("/orders", 200)
    with database.write():
        window = maintenance.add_window(["*"], utc_now(), utc_now() + timedelta(hours=1), "night", "kim", utc_now())
    number = outage.order()
    outage.engine.run(30)
    assert not outage.good("orders") and "everything is paused" in replay(number).because
    maintenance.end_window(window.id, "kim", utc_now())
    outage.engine.run(30)
    assert replay(number).state == ReplayState.DONE and outage.good("orders") == {"a": 1, "b": 1}


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (
            "orderz",
            "no workflow with failed executions in that time is called 'orderz'; those that have some: orders (",
        ),
        ("twice", "2 workflows are called 'twice': name one by its id ("),
    ],
)
def test_a_workflow_that_nobody_knows_or_two_of_one_name_are_told(outage: Outage, asked: str, says: str) -> None:
    outage.fail("orders", outage.workflow("orders"), "a")
    for path in ("twice-1", "twice-2"):
        workflow_id = outage.workflow(path)
        outage.n8n.engine.workflows[workflow_id]["name"] = "twice"
        outage.fail(path, workflow_id, "a")
    outage.meet()
    number = outage.order(workflow=asked)
    outage.engine.tick()
    assert replay(number).state == ReplayState.STOPPED and replay(number).because.startswith(says)


@pytest.mark.parametrize("how", ["id", "name", "NAME", "tag"])
def test_a_workflow_is_found_by_its_id_its_name_and_its_tag(outage: Outage, how: str) -> None:
    orders = outage.workflow("orders", tag="shop")
    outage.fail("orders", orders, "a")
    outage.fail("other", outage.workflow("other"), "b")
    outage.meet()
    asked = {"id": {"workflow": orders}, "name": {"workflow": "orders"}, "NAME": {"workflow": "ORDERS"}}
    number = outage.order(**asked.get(how, {"tag": "shop"}), dry=True)
    outage.engine.tick()
    assert total(number) == {"failed": 1, "replay": 1} and replay(number).counts["workflows"][0]["id"] == orders


def test_nothing_failed_is_an_answer_too(outage: Outage) -> None:
    orders = outage.workflow("orders", status=200)
    outage.meet()
    for order in ({}, {"workflow": orders}):
        number = outage.order(**order)
        outage.engine.tick()
        assert replay(number).state == ReplayState.DONE and total(number) == {}


def test_only_what_failed_in_that_time_is_meant(outage: Outage) -> None:
    orders = outage.workflow("orders")
    outage.n8n.add_old_failures(orders, 3, 7200)
    inside = outage.fail("orders", orders, "a")
    outage.meet()
    number = outage.order(dry=True)
    earlier = outage.order(dry=True, since=utc_now() - timedelta(hours=3), until=utc_now() - timedelta(hours=1))
    outage.engine.tick(6)
    assert total(number)["failed"] == 1 and total(earlier)["failed"] == 3 and inside


def test_since_the_beginning_of_time_is_a_time(outage: Outage) -> None:
    outage.fail("orders", outage.workflow("orders"), "a")
    outage.meet()
    number = outage.order(dry=True, since=datetime(1, 1, 1, tzinfo=UTC))
    outage.engine.tick()
    assert replay(number).state == ReplayState.DONE and total(number)["failed"] == 1


def test_an_n8n_that_is_away_is_asked_again(outage: Outage) -> None:
    outage.fail("orders", outage.workflow("orders"), *"ab")
    outage.meet()
    outage.service.behave("/orders", 200)
    outage.n8n.stop()
    number = outage.order()
    outage.engine.run(25)
    assert replay(number).state == ReplayState.READING and "asked again" in replay(number).because
    outage.n8n.start()
    outage.engine.run(30)
    assert replay(number).state == ReplayState.DONE and outage.good("orders") == {"a": 1, "b": 1}


def test_a_key_that_is_refused_stops_the_reading_and_says_so(outage: Outage) -> None:
    outage.fail("orders", outage.workflow("orders"), "a")
    outage.meet()
    outage.n8n._api.keys.clear()
    number = outage.order()
    outage.engine.run(5)
    assert replay(number).state == ReplayState.STOPPED and "refused the API key" in replay(number).because


def test_a_key_that_is_refused_in_the_middle_is_waited_for(outage: Outage) -> None:
    outage.fail("orders", outage.workflow("orders"), *"abcd")
    outage.meet()
    outage.service.behave("/orders", 200)
    number = outage.order(rate_per_second=0.5)
    outage.engine.run(1)
    keys = dict(outage.n8n._api.keys)
    outage.n8n._api.keys.clear()
    outage.engine.run(30)
    assert replay(number).state == ReplayState.RUNNING and "waits until n8n takes retries" in replay(number).because
    outage.n8n._api.keys.update(keys)
    with database.write():
        sites.set_well("default", utc_now())
    outage.engine.run(60)
    assert replay(number).state == ReplayState.DONE and outage.good("orders") == dict.fromkeys("abcd", 1)


# -- what dies meanwhile


FLOWS = {"w1": Flow("w1", "orders.example.com", "POST"), "w2": Flow("w2", "mail.example.com")}


@pytest.mark.parametrize("at", range(8))
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_worker_killed_at_any_retry_goes_on_at_the_right_place(fake_clock: FakeClock, at: int, when: str) -> None:
    n8n = MemoryN8n(FLOWS, {"orders.example.com": 503, "mail.example.com": "refused"})
    runs = [n8n.call(name) for name in ("w1", "w2") for _ in range(4)]
    engine = _engine(fake_clock, n8n)
    poll_sites(engine.ctx)
    fake_clock.advance(2)
    n8n.hosts.clear()
    calls = iter(range(100))

    def die() -> None:
        if next(calls) == at:
            raise Killed

    setattr(n8n, f"{when}_retry", die)
    since = utc_now() - timedelta(hours=1)
    number = replays.add_replay("kim", utc_now(), True, site="default", since=since, until=utc_now()).id
    for _ in range(120):
        try:
            engine.tick(1)
        except Killed:
            engine = _engine(fake_clock, n8n)
            with database.write():
                due.void_leases(utc_now())
        fake_clock.advance(1)
    assert replay(number).state == ReplayState.DONE, replay(number).because
    done = Counter(one["retryOf"] for one in n8n.runs.values() if one["retryOf"] and one["status"] == "success")
    assert done == Counter(runs), "each exactly once"
    assert not any(one.succeeded_before or one.running_before for one in n8n.retries)


def test_what_a_person_had_retried_is_known_where_n8n_noted_it_in_its_list_alone(fake_clock: FakeClock) -> None:
    """Such a retry has waited, or n8n was killed before it; by now many newer ones have succeeded."""
    n8n = MemoryN8n(FLOWS, {"orders.example.com": 503})
    run, other = n8n.call("w1"), n8n.call("w1")
    n8n.hosts.clear()
    n8n.retry_by(run, "kim")
    n8n.runs[run]["retrySuccessId"] = None
    for _ in range(3 * LISTED):
        n8n.call("w1")
    engine = _engine(fake_clock, n8n)
    poll_sites(engine.ctx)
    since = utc_now() - timedelta(hours=1)
    fake_clock.advance(2)
    number = replays.add_replay("kim", utc_now(), True, site="default", since=since, until=utc_now()).id
    for _ in range(60):
        engine.tick(1)
        fake_clock.advance(1)
    assert replay(number).state == ReplayState.DONE and total(number)["succeeded"] == 1
    assert [one.root_id for one in n8n.retries if one.by == "medic"] == [other]


@pytest.mark.parametrize("at", range(0, 40, 3))
def test_a_worker_killed_while_it_reads_takes_each_in_once(fake_clock: FakeClock, at: int, monkeypatch: Any) -> None:
    n8n = MemoryN8n(FLOWS, {"orders.example.com": 503}, settings={"saveDataSuccessExecution": "all"})
    runs = [n8n.call("w1") for _ in range(6)]
    engine = _engine(fake_clock, n8n)
    poll_sites(engine.ctx)
    fake_clock.advance(2)
    n8n.hosts.clear()
    monkeypatch.setattr("recovery.worker.counting.PART", 2)
    asked, plain = iter(range(10_000)), n8n._reach

    def reach() -> None:
        if next(asked) == at:
            raise Killed
        plain()

    monkeypatch.setattr(n8n, "_reach", reach)
    since = utc_now() - timedelta(hours=1)
    number = replays.add_replay("kim", utc_now(), True, site="default", since=since, until=utc_now()).id
    for _ in range(100):
        try:
            engine.tick(1)
        except Killed:
            engine = _engine(fake_clock, n8n)
        fake_clock.advance(1)
    assert replay(number).state == ReplayState.DONE and "6 recovered" in replay(number).because
    done = Counter(one["retryOf"] for one in n8n.runs.values() if one["retryOf"] and one["status"] == "success")
    assert done == Counter(runs)


def test_a_retry_that_n8n_lost_in_a_crash_is_told_and_stops_nothing(outage: Outage) -> None:
    orders = outage.workflow("orders", method="POST")
    outage.fail("orders", orders, *"ab")
    outage.meet()
    outage.service.behave("/orders", 200)
    number = outage.order()
    original = outage.n8n.engine.retry

    def crash(*args: Any) -> Any:
        run = original(*args)
        outage.n8n.engine.retry = original
        run.status = "crashed"
        run.stopped = utc_now()
        run.ended.set()
        return run

    outage.n8n.engine.retry = crash
    outage.n8n.engine.start, start = (lambda run: run.ended.is_set() or start(run)), outage.n8n.engine.start
    outage.engine.run(60)
    assert outage.good("orders") == {"b": 1}
    assert replay(number).state == ReplayState.DONE
    assert "1 recovered, 1 were left alone" in replay(number).because


def _engine(clock: FakeClock, n8n: MemoryN8n) -> Engine:
    engine = Engine(clock, sites=("default",), replay=FAST)
    engine.outside._n8n = {"default": n8n}
    return engine
