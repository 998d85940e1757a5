"""A clock that was a day ahead is put right: what was written down by it holds nothing up, and hides nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest

from recovery.clock import utc_now
from recovery.model import Brakes, Match, OrderWhat, PlannedAction, PlaybookRule, ReplayLimits, Stage
from recovery.store import database, orders
from recovery.store.tables import TABLES, RecoveryRow, TimeField
from recovery.worker import calling
from recovery.worker.polling import poll_sites
from tests.conftest import FakeClock
from tests.story.desk import ALL, Desk
from tests.story.engine import Engine, fail_component, restartable
from tests.story.moment import HOST, Moment

DAY = 86_400


@pytest.fixture(autouse=True)
def _on_sqlite(store: str) -> None:
    if not database.is_sqlite():
        pytest.skip("on PostgreSQL the clocks of other machines may be right")


def set_back(engine: Engine) -> None:
    engine.clock.advance(-DAY)
    engine.run(2)


def given_up(clock: FakeClock) -> Moment:
    """An execution whose stages are used up."""
    moment = Moment(clock)
    limits = ReplayLimits(rate_per_second=1000, max_retries=20)
    moment.engine.ctx.policy = replace(moment.engine.ctx.policy, replay=limits)
    moment.hear(moment.fail())
    moment.engine.run(400, 5)
    assert moment.engine.incident().state == "needs_human"
    set_back(moment.engine)
    moment.n8n.hosts.clear()
    return moment


def test_a_component_that_fails_after_its_resolution_is_heard(fake_clock: FakeClock) -> None:
    engine = Engine(fake_clock, components={"orders": restartable("orders")})
    engine.outside.heals_on_restart = True
    for _ in range(2):
        engine.probe("orders", False)
    engine.run(60)
    assert engine.incident().state == "resolved"
    set_back(engine)
    engine.outside.up = engine.outside.heals_on_restart = False
    for _ in range(2):
        engine.probe("orders", False)
    engine.run(10)
    assert engine.incident().state == "recovering"


def test_a_recovery_that_a_person_orders_begins_at_once_and_ends_it(fake_clock: FakeClock) -> None:
    moment = given_up(fake_clock)
    moment.order(OrderWhat.RETRY_NOW)
    moment.engine.run(60)
    assert moment.engine.incident().state == "resolved"


def test_a_sign_of_health_is_believed(fake_clock: FakeClock) -> None:
    moment = given_up(fake_clock)
    moment.fail()
    poll_sites(moment.engine.ctx)
    moment.engine.run(60)
    assert moment.engine.incident().state == "resolved"


def test_a_check_after_an_action_looks_no_longer_than_the_boot_grace(fake_clock: FakeClock) -> None:
    engine = Engine(fake_clock, components={"orders": restartable("orders")})
    for _ in range(2):
        engine.probe("orders", False)
    engine.tick()
    assert engine.steps()[1] == ("run_command", "succeeded") and engine.recovery().stage == 1
    set_back(engine)
    engine.run(10)
    assert engine.recovery().stage == 2


def test_a_retry_under_way_is_still_followed_often(fake_clock: FakeClock) -> None:
    moment = Moment(fake_clock)
    moment.n8n.settings["saveDataSuccessExecution"] = "all"
    run = moment.fail()
    moment.n8n.hosts[HOST] = "slow"
    moment.hear(run)
    set_back(moment.engine)
    moment.engine.run(10)
    for one in moment.n8n.runs.values():
        if one["status"] == "running":
            moment.n8n._end(one, 200)
    moment.engine.run(31)
    assert moment.ours() == 1 and moment.engine.chains() == {run: "recovered"}


def test_nothing_that_is_decided_by_lies_ahead(fake_clock: FakeClock) -> None:
    """But for what only people read, and what they or n8n set by another clock."""
    moment = given_up(fake_clock)
    moment.engine.run(60)
    assert RecoveryRow.select().exists()
    ahead = {
        f"{table.__name__}.{field.name}"
        for table in TABLES
        for field in table._meta.sorted_fields
        if isinstance(field, TimeField) and table.select().where(field > utc_now() + timedelta(hours=1)).exists()
    }
    history = {
        "AlertRow.created_at", "AlertRow.delivered_at", "EventRow.at", "ExecutionRow.heard_at", "IncidentRow.told_at",
        "ExecutionRow.failed_at", "SignalRow.received_at", "SignalRow.triaged_at", "SiteRow.checked_at",
        "SiteRow.contact_at", "SiteRow.newest_at",
    }  # fmt: skip
    assert ahead <= history


def test_a_retry_whose_root_began_by_the_old_clock_is_seen_and_not_run_twice(fake_clock: FakeClock) -> None:
    """n8n's own record of the root keeps the old time, so that its retry seems older than what it retries."""
    moment = Moment(fake_clock)
    moment.n8n.settings["saveDataSuccessExecution"] = "all"
    run = moment.fail()
    moment.hear(run)
    set_back(moment.engine)
    moment.n8n.hosts[HOST] = "slow"
    moment.engine.run(115)
    assert moment.ours() == 2 and moment.engine.chains() == {run: "retrying"}
    moment.engine.run(10)
    moment.n8n.end_slow_runs()
    moment.engine.run(60)
    assert moment.ours() == 2 and moment.engine.chains() == {run: "recovered"}


def test_a_stage_that_waits_begins_when_it_was_to(fake_clock: FakeClock) -> None:
    engine = Engine(fake_clock, components={"orders": restartable("orders")})
    fail_component(engine)
    engine.run(5)
    assert len(engine.outside.commands) == 1 and engine.recovery().state == "waiting"
    set_back(engine)
    engine.run(70, 5)
    assert len(engine.outside.commands) >= 2


def test_the_limits_hold_for_as_long_as_they_say(fake_clock: FakeClock) -> None:
    known = {name: restartable(name) for name in ("orders", "mail")}
    brakes = Brakes(overall_per_hour=1, cooldown_seconds=600)
    engine = Engine(fake_clock, components=known, brakes=brakes)
    engine.outside.heals_on_restart = True
    fail_component(engine)
    engine.run(30)
    assert engine.outside.commands == [["restart", "orders"]]
    fake_clock.advance(-3_600)
    engine.outside.up = False
    fail_component(engine, "mail")
    engine.run(30)
    assert engine.outside.commands == [["restart", "orders"]], "it is no hour ago"
    assert "within an hour" in engine.incident("mail").because
    engine.run(3_660, 60)
    order = orders.add_order(engine.incident("mail").id, OrderWhat.RETRY_NOW, "kim", utc_now())
    engine.run(20)
    assert order.id and ["restart", "mail"] in engine.outside.commands, "nor does it hold for two"


def test_a_yes_is_waited_for_no_longer(fake_clock: FakeClock) -> None:
    asks = PlannedAction("run_command", {"command": ["careful"]}, needs_approval=True)
    rule = PlaybookRule("asks", Match(), (Stage(0, 1, (asks,)),))
    engine = Engine(fake_clock, components={"orders": restartable("orders")}, playbooks=(rule,))
    fail_component(engine)
    set_back(engine)
    engine.run(1_700, 100)
    assert engine.recovery().state == "awaiting_approval"
    engine.run(200, 100)
    assert engine.recovery().state == "failed" and "nobody said yes by" in engine.recovery().because


def test_who_answered_by_the_old_clock_is_reminded_of_a_later_call(
    fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(fake_clock, monkeypatch, ALL[:1])
    desk.fail("db")
    desk.order(OrderWhat.ACKNOWLEDGE, "db")
    set_back(desk.engine)
    calling.call_person(desk.engine.ctx, desk.engine.incident("db"), "something new", utc_now())
    desk.wait(3_700, 60)
    assert desk.kinds()[-1] == "reminder"
