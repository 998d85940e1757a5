"""What keeps healing from doing harm, and phones from ringing for ever."""

from dataclasses import replace

import pytest

from recovery.clock import utc_now
from recovery.model import ComponentPlan, Match, PlannedAction, PlaybookRule, Stage, StepState
from recovery.store import acted, database, orders
from recovery.store.tables import StepRow
from tests.conftest import FakeClock
from tests.n8n import workflows as flow
from tests.standins.n8n import StandInN8n
from tests.standins.service import Service
from tests.story.engine import Engine, fail_component, item, restartable
from tests.story.place import Place

pytestmark = pytest.mark.usefixtures("store")


def trusting(name: str = "orders") -> ComponentPlan:
    """A component that is restarted on pushed probes, without a check of its own."""
    plan = restartable(name)
    assert plan.playbook
    return replace(plan, playbook=replace(plan.playbook, check=None, trust_probes=True))


def test_no_n8n_payload_starts_a_restart_even_where_pushed_probes_are_trusted(fake_clock: FakeClock) -> None:
    engine = Engine(fake_clock, components={"orders": trusting()})
    engine.hear(item("1", host="orders.example.com"))
    engine.run(400, 5)
    assert engine.outside.commands == [] and engine.incident().state == "needs_human"


def test_no_n8n_payload_starts_a_restart_where_its_executions_can_be_retried(fake_clock: FakeClock) -> None:
    with StandInN8n() as n8n, Service() as service:
        plan = replace(trusting(), hosts=(service.url.removeprefix("http://"),))
        place = Place(fake_clock, n8n, service, components={"orders": plan})
        workflow_id = place.workflow("orders")
        service.behave("/orders", 503)
        place.fail("orders", workflow_id, "a")
        place.poll()
        place.engine.run(70, 5)
        assert place.engine.outside.commands == [] and ("run_command", "skipped") in place.engine.steps()


def test_pushed_probes_that_are_not_trusted_start_no_restart_though_executions_wait(fake_clock: FakeClock) -> None:
    with StandInN8n() as n8n, Service() as service:
        plan = replace(trusting(), hosts=(service.url.removeprefix("http://"),))
        assert plan.playbook
        plan = replace(plan, playbook=replace(plan.playbook, trust_probes=False))
        place = Place(fake_clock, n8n, service, components={"orders": plan})
        workflow_id = place.workflow("orders")
        service.behave("/orders", 503)
        place.fail("orders", workflow_id, "a")
        fail_component(place.engine)
        place.poll()
        place.engine.run(70, 5)
        assert place.engine.outside.commands == [] and ("run_command", "skipped") in place.engine.steps()


@pytest.mark.parametrize("well", [True, False])
def test_a_person_who_says_retry_now_confirms_what_has_no_check(fake_clock: FakeClock, well: bool) -> None:
    plan = trusting()
    assert plan.playbook
    plan = replace(plan, playbook=replace(plan.playbook, trust_probes=False))
    engine = Engine(fake_clock, components={"orders": plan})
    fail_component(engine)
    engine.run(400, 20)
    assert engine.outside.commands == [] and engine.incident().state == "needs_human"
    orders.add_order(engine.incident().id, "retry_now", "kim", utc_now())
    engine.run(5)
    assert engine.outside.commands == [["restart", "orders"]], "once, and what it did is awaited"
    engine.probe("orders", well)
    engine.run(15)
    assert engine.incident().state == ("resolved" if well else "needs_human")
    assert engine.outside.commands == [["restart", "orders"]]


def test_nobody_can_have_an_action_run_on_what_only_a_payload_names(fake_clock: FakeClock) -> None:
    """Its name would be a word of the command."""
    anything = PlannedAction("run_command", {"command": ["clean", "{{component}}"]})
    rule = PlaybookRule("all", Match(), (Stage(0, 1, (anything,)),))
    engine = Engine(fake_clock, playbooks=(rule,))
    fail_component(engine, "--force")
    engine.run(400, 20)
    orders.add_order(engine.incident().id, "retry_now", "kim", utc_now())
    engine.run(100, 10)
    assert engine.outside.commands == [] and engine.incident().state == "needs_human"


def test_a_second_action_on_a_component_waits_for_the_first(fake_clock: FakeClock) -> None:
    engine = Engine(fake_clock, components={"orders": restartable("orders")})
    fail_component(engine)
    with database.write():
        running = StepRow.get(StepRow.name == "run_command")
        later = utc_now().replace(year=2100)
        StepRow.update(state=StepState.RUNNING, lease_until=later, finished_at=None).where(
            StepRow.id == running.id
        ).execute()
    assert acted.find_acting("orders", utc_now()) == "run_command"
    before = len(engine.outside.commands)
    for what in ("cancel", "retry_now"):
        orders.add_order(engine.incident().id, what, "kim", utc_now())
        engine.tick()
    engine.run(20)
    assert len(engine.outside.commands) == before
    with database.write():
        StepRow.update(state=StepState.SUCCEEDED, lease_until=None, finished_at=utc_now()).where(
            StepRow.id == running.id
        ).execute()
    engine.run(70)
    assert len(engine.outside.commands) > before


def test_flapping_rings_a_few_times_an_hour_and_not_at_every_turn(fake_clock: FakeClock) -> None:
    engine = Engine(fake_clock)
    for _ in range(60):
        for _ in range(2):
            engine.probe("mailer", False)
            engine.tick(1)
        engine.run(5, 5)
        engine.probe("mailer", True)
        engine.run(25, 5)
    assert len(engine.alerts()) <= 20, engine.alerts()
    assert engine.incident().state == "needs_human"


def test_a_stream_of_ambiguous_failures_asks_once_and_does_not_ring_for_each(fake_clock: FakeClock) -> None:
    with StandInN8n() as n8n, Service() as service:
        place = Place(fake_clock, n8n, service)
        url = f"={service.url}/pay?id={{{{ $json.body.id }}}}"
        workflow_id = place.workflow("pay", flow.http("Pay", url, "POST"))
        for number in range(10):
            service.behave("/pay", 500)
            place.fail("pay", workflow_id, f"a{number}")
            place.poll()
            service.behave("/pay", 200)
            place.fail("pay", workflow_id, f"b{number}")
            place.engine.run(30, 5)
            place.poll()
            place.engine.run(30, 5)
        assert max(service.counts("/pay").values()) == 1, "nothing was paid twice"
        assert place.engine.alerts().count("needs_human") <= 2, place.engine.alerts()


def test_a_recovery_in_which_nothing_could_be_retried_calls_a_person_at_once(fake_clock: FakeClock) -> None:
    with StandInN8n() as n8n, Service() as service:
        place = Place(fake_clock, n8n, service)
        workflow_id = place.workflow("orders", tag="medic:no-retry")
        service.behave("/orders", 503)
        place.fail("orders", workflow_id, "a")
        place.poll()
        place.engine.run(5)
        assert place.engine.incident().state == "needs_human" and place.engine.recovery().state == "failed"


def test_two_incidents_of_one_component_share_its_limit(fake_clock: FakeClock) -> None:
    from recovery.store import executions

    engine = Engine(fake_clock)
    engine.hear(item("1", status=503))
    engine.hear(item("2", status=401))
    engine.tick()
    with database.write():
        for root in ("1", "2"):
            executions.release_chain(engine.chain(root).id, utc_now())
    assert executions.count_busy("orders.example.com", [])[0] == 2
