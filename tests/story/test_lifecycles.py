"""The lifecycles, line by line: what joins, what reopens, what resolves, what waits, and who is called when."""

from datetime import timedelta
from typing import Any

import pytest

from recovery.clock import utc_now
from recovery.model import ComponentPlan, ExecutionState, OrderWhat, ReplayLimits
from recovery.sources import n8n_execution
from recovery.store import database, orders, signals
from recovery.store.tables import EventRow, RecoveryRow, StepRow
from tests.conftest import FakeClock
from tests.standins.n8n import StandInN8n
from tests.standins.service import Service
from tests.story.engine import Engine, fail_component, item, restartable
from tests.story.place import Place

pytestmark = pytest.mark.usefixtures("store")


@pytest.fixture
def place(fake_clock: FakeClock) -> Any:
    with StandInN8n() as n8n, Service() as service:
        yield Place(fake_clock, n8n, service)


@pytest.fixture
def engine(fake_clock: FakeClock) -> Engine:
    return Engine(fake_clock)


# -- what is one incident


def test_three_hundred_failures_of_twelve_workflows_at_one_host_are_one_incident(engine: Engine) -> None:
    causes = [503, 500, None, 504, 429]
    for number in range(300):
        engine.hear(item(str(number + 1), status=causes[number % 5], workflow=f"w{number % 12}"))
    engine.tick()
    assert [(one.component, one.signal_count) for one in engine.incidents()] == [("orders.example.com", 300)]
    assert len(engine.chains()) == 300


def test_another_class_of_cause_at_the_same_host_is_another_incident(engine: Engine) -> None:
    engine.hear(item("1", status=503))
    engine.hear(item("2", status=401))
    engine.tick()
    assert [(one.cause_class, one.component) for one in engine.incidents()] == [
        ("unavailable", "orders.example.com"),
        ("credentials", "orders.example.com"),
    ]


def test_crashes_group_on_n8n_itself_and_not_per_workflow(engine: Engine) -> None:
    for number in (1, 2):
        crashed = item(str(number), workflow=f"w{number}")
        crashed["execution"]["error"] = {"name": "WorkflowCrashedError"}
        engine.hear(crashed)
    engine.tick()
    assert [(one.component, one.signal_count) for one in engine.incidents()] == [("n8n", 2)]


def test_a_configured_component_claims_the_hosts_that_workflows_call(fake_clock: FakeClock) -> None:
    engine = Engine(fake_clock, components={"orders": restartable("orders")})
    engine.hear(item("1", host="orders.example.com"))
    engine.probe("orders", False)
    engine.tick(1)
    assert [one.component for one in engine.incidents()] == ["orders"]
    assert engine.incident().signal_count >= 2


def test_the_same_execution_heard_twice_counts_once(engine: Engine) -> None:
    engine.hear(item("1"))
    engine.hear(item("1"))
    engine.tick()
    assert engine.incident().signal_count == 1


@pytest.mark.parametrize("mode", ["manual", "evaluation", "error"])
def test_runs_that_are_nobodys_outage_open_nothing(engine: Engine, mode: str) -> None:
    engine.hear(item("1", mode=mode))
    engine.tick()
    assert engine.incidents() == []


# -- joining, resolving, coming back


def test_a_failure_joins_while_its_incident_is_not_resolved(place: Place) -> None:
    workflow_id = place.workflow("orders")
    place.service.behave("/orders", 503)
    place.fail("orders", workflow_id, "a")
    place.poll()
    place.engine.run(90, 10)
    place.fail("orders", workflow_id, "b")
    place.poll()
    assert len(place.engine.incidents()) == 1 and len(place.engine.chains()) == 2


def heal(place: Place, path: str = "orders", *ids: str) -> str:
    """One failure that is healed and resolved; its workflow."""
    workflow_id = place.workflow(path)
    place.service.behave(f"/{path}", 503)
    place.fail(path, workflow_id, *(ids or ("a",)))
    place.service.behave(f"/{path}", 200)
    place.poll()
    place.engine.run(12)
    assert place.engine.incident().state == "resolved"
    return workflow_id


def test_resolved_means_all_recovered_and_quiet_for_settle(place: Place) -> None:
    workflow_id = place.workflow("orders")
    place.service.behave("/orders", 503)
    place.fail("orders", workflow_id, "a")
    place.service.behave("/orders", 200)
    place.poll()
    assert place.engine.chains() == {"1": "recovered"} and place.engine.incident().state == "recovering"
    place.engine.run(9)
    assert place.engine.incident().state == "recovering", "not before it was quiet for 10 s"
    place.engine.run(2)
    assert place.engine.incident().state == "resolved"
    assert place.engine.alerts() == ["opened", "recovered"]


def test_a_failure_within_ten_minutes_of_resolving_is_a_recurrence_of_the_same_incident(place: Place) -> None:
    workflow_id = heal(place)
    place.clock.advance(300)
    place.service.behave("/orders", 503)
    place.fail("orders", workflow_id, "b")
    place.poll()
    incident = place.engine.incident()
    assert len(place.engine.incidents()) == 1 and incident.episode == 2 and incident.state == "recovering"
    assert place.engine.alerts() == ["opened", "recovered", "opened"]


def test_a_later_failure_is_a_new_incident_that_names_the_old(place: Place) -> None:
    workflow_id = heal(place)
    place.clock.advance(700)
    place.service.behave("/orders", 503)
    place.fail("orders", workflow_id, "b")
    place.poll()
    first, second = place.engine.incidents()
    assert second.previous_id == first.id and f"incident {first.id} is back" in second.because


def test_what_failed_before_resolving_and_is_heard_late_is_replayed_and_is_no_recurrence(place: Place) -> None:
    workflow_id = place.workflow("orders")
    place.service.behave("/orders", 503)
    early, late = place.fail("orders", workflow_id, "a", "b")
    place.service.behave("/orders", 200)
    place.clock.advance(1)
    place.tell(early)
    place.engine.tick()
    place.engine.run(15)
    assert place.engine.incident().state == "resolved"
    place.tell(late)
    place.engine.tick()
    place.engine.run(15)
    incident = place.engine.incident()
    assert place.engine.chains() == {early: "recovered", late: "recovered"}
    assert incident.state == "resolved" and incident.episode == 1
    assert place.engine.alerts() == ["opened", "recovered"], "healed quietly"


def test_coming_back_more_than_five_times_an_hour_calls_a_person(place: Place) -> None:
    workflow_id = heal(place)
    for number in range(6):
        place.clock.advance(60)
        place.service.behave("/orders", 503)
        place.fail("orders", workflow_id, f"again{number}")
        place.service.behave("/orders", 200)
        place.poll()
        if number < 5:
            place.engine.run(12)
            assert place.engine.incident().state == "resolved"
    incident = place.engine.incident()
    assert incident.state == "needs_human" and "more than 5 times" in incident.because


# -- stages


def test_stages_run_at_once_after_a_minute_and_after_five_with_one_two_and_three_attempts(place: Place) -> None:
    workflow_id = place.workflow("orders")
    place.service.behave("/orders", 503)
    place.fail("orders", workflow_id, "a")
    place.poll()
    calls = lambda: len(place.service.calls("/orders")) - 1  # noqa: E731
    assert calls() == 1
    place.engine.run(58)
    assert calls() == 1
    place.engine.run(4)
    assert calls() == 3
    place.engine.run(296)
    assert calls() == 3
    place.engine.run(8)
    assert calls() == 6
    assert place.engine.incident().state == "needs_human"
    assert place.engine.alerts() == ["opened", "worsened", "needs_human"], "worse: the second stage was in vain"


def test_a_canary_that_succeeds_gives_the_stages_back_and_a_setback_waits_for_the_next(place: Place) -> None:
    workflow_id = place.workflow("orders")
    place.service.behave("/orders", 503)
    place.fail("orders", workflow_id, "a", "b", "c")
    place.service.behave("/orders", 200, 503)
    place.poll()
    recovery = place.engine.recovery()
    assert sorted(place.engine.chains().values()) == ["recovered", "waiting", "waiting"]
    assert (recovery.stage, recovery.attempt, recovery.state) == (
        2,
        1,
        "waiting",
    ) and "replay stopped" in recovery.because
    place.service.behave("/orders", 200)
    place.engine.run(75)
    assert set(place.engine.chains().values()) == {"recovered"}
    assert place.engine.incident().state == "resolved"


def test_a_canary_that_is_left_alone_uses_no_attempt(place: Place) -> None:
    tagged = place.workflow("never", tag="medic:no-retry")
    plain = place.workflow("orders")
    place.service.behave("/never", 503)
    place.service.behave("/orders", 503)
    place.fail("never", tagged, "x")
    place.clock.advance(1)
    place.fail("orders", plain, "a")
    place.service.behave("/orders", 200)
    place.poll()
    assert [state for _, state in place.engine.steps()] == ["skipped", "succeeded"]
    assert place.engine.recovery().stage == 1
    assert place.service.counts("/never") == {"x": 1}


def test_the_stages_of_a_recovery_survive_a_restart_at_any_moment(place: Place) -> None:
    workflow_id = place.workflow("orders")
    place.service.behave("/orders", 503)
    place.fail("orders", workflow_id, "a")
    place.poll()
    place.engine.run(30)
    place.engine = Engine(place.clock, place.n8n.url, place.n8n.api_key)
    place.engine.run(28)
    assert len(place.service.calls("/orders")) == 2
    place.engine.run(4)
    assert len(place.service.calls("/orders")) == 4


# -- chains


def test_a_chain_that_fails_for_another_cause_moves_to_that_causes_incident(place: Place) -> None:
    workflow_id = place.workflow("orders")
    place.service.behave("/orders", 503, 401)
    place.fail("orders", workflow_id, "a")
    place.poll()
    place.engine.tick()
    chain = place.engine.chain("1")
    assert chain.incident_id == place.engine.incident().id and chain.retries == 1
    assert place.engine.incident().cause_class == "credentials"
    assert [state for _, state in place.engine.steps()] == ["skipped"], "it used no attempt"


def test_a_chain_that_succeeded_by_anybodys_hand_is_never_run_again(place: Place) -> None:
    workflow_id = place.workflow("orders")
    place.service.behave("/orders", 503)
    [failed] = place.fail("orders", workflow_id, "a")
    place.poll()
    place.service.behave("/orders", 503, 200)
    second = place.n8n.retry(failed).json()
    assert second["status"] == "error"
    assert place.n8n.retry(second["id"]).json()["status"] == "success"
    calls = len(place.service.calls("/orders"))
    place.engine.run(80)
    assert place.engine.chains() == {failed: "recovered"} and len(place.service.calls("/orders")) == calls


def test_a_chain_gets_at_most_six_automatic_retries(place: Place) -> None:
    place.engine.ctx.policy = place.engine.policy.__class__(
        **{**_fields(place.engine.policy), "replay": ReplayLimits(max_retries=2)}
    )
    workflow_id = place.workflow("orders")
    place.service.behave("/orders", 503)
    place.fail("orders", workflow_id, "a")
    place.poll()
    place.engine.run(400, 2)
    assert len(place.service.calls("/orders")) == 1 + 2
    assert place.engine.chain("1").asks and place.engine.incident().state == "needs_human"


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def test_a_failure_older_than_max_age_is_left_alone(place: Place) -> None:
    workflow_id = place.workflow("orders")
    place.service.behave("/orders", 503)
    [failed] = place.fail("orders", workflow_id, "a")
    place.service.behave("/orders", 200)
    place.clock.advance(25 * 3600)
    place.tell(failed)
    place.engine.tick()
    assert place.engine.chains() == {failed: "left_alone"} and "24 hours" in place.engine.chain(failed).because
    assert len(place.service.calls("/orders")) == 1


def test_failures_before_first_contact_are_counted_and_never_replayed(fake_clock: FakeClock) -> None:
    with StandInN8n() as n8n, Service() as service:
        place = Place.__new__(Place)
        place.clock, place.n8n, place.service = fake_clock, n8n, service
        workflow_id = place.workflow("orders")
        old = n8n.add_old_failures(workflow_id, 40)
        place.engine = Engine(fake_clock, n8n.url, n8n.api_key)
        place.poll()
        place.poll()
        place.tell(old[0])
        place.engine.tick()
        assert place.engine.incidents() == [] and place.engine.chains() == {}


def test_replay_goes_oldest_first_one_per_workflow_at_a_time(place: Place) -> None:
    workflow_id = place.workflow("orders")
    place.service.behave("/orders", 503)
    for one in "abcd":
        place.fail("orders", workflow_id, one)
        place.clock.advance(1)
    place.service.behave("/orders", 200)
    place.poll()
    place.engine.run(5)
    again = [call.id for call in place.service.calls("/orders") if call.answered == 200]
    assert again == ["a", "b", "c", "d"]


# -- a person is needed


def test_needs_human_is_not_the_end_a_success_of_the_same_workflow_lets_one_try_and_then_the_rest(place: Place) -> None:
    workflow_id = place.workflow("orders")
    place.service.behave("/orders", 503)
    place.fail("orders", workflow_id, "a", "b", "c")
    place.poll()
    place.engine.run(380, 2)
    assert place.engine.incident().state == "needs_human"
    place.clock.advance(3600)
    place.service.behave("/orders", 200)
    place.n8n.call("orders", {"id": "fresh"})
    place.n8n.ended(workflow_id, 10)
    place.clock.advance(2)
    place.poll()
    place.engine.run(15)
    assert set(place.engine.chains().values()) == {"recovered"} and place.engine.incident().state == "resolved"
    assert place.engine.alerts() == ["opened", "worsened", "needs_human", "reminder", "recovered"], "an hour later"


def test_a_renewed_credential_is_noticed_by_a_success_and_what_waited_is_replayed(place: Place) -> None:
    workflow_id = place.workflow("orders")
    place.service.behave("/orders", 401)
    place.fail("orders", workflow_id, "a", "b")
    place.poll()
    place.engine.run(60, 5)
    assert len(place.service.calls("/orders")) == 2 and place.engine.incident().state == "needs_human"
    place.service.behave("/orders", 200)
    place.n8n.call("orders", {"id": "fresh"})
    place.n8n.ended(workflow_id, 3)
    place.clock.advance(2)
    place.poll()
    place.engine.run(15)
    assert place.service.counts("/orders") == {"a": 2, "b": 2, "fresh": 1}
    assert place.engine.incident().state == "resolved"


def test_nothing_known_to_do_calls_a_person_at_once(engine: Engine) -> None:
    engine.probe("mailer", False, message="timeout")
    engine.tick()
    assert engine.incidents() == [], "one bad reading is none"
    engine.probe("mailer", False, message="timeout")
    engine.tick()
    assert engine.incident().state == "needs_human" and engine.alerts() == ["needs_human"]
    engine.probe("mailer", True)
    engine.tick()
    engine.run(11)
    assert engine.incident().state == "resolved" and engine.alerts() == ["needs_human", "recovered"]


def test_whatever_happens_a_person_is_told_within_fifteen_minutes(fake_clock: FakeClock) -> None:
    engine = Engine(fake_clock, components={"orders": restartable("orders")})
    for _ in range(2):
        engine.probe("orders", False)
    engine.tick(1)
    orders.add_order(engine.incident().id, "pause", "kim", utc_now())
    engine.run(895, 5)
    assert engine.alerts() == ["opened"]
    engine.run(10)
    assert engine.alerts() == ["opened", "needs_human"] and engine.incident().state == "needs_human"


# -- components


def test_a_restart_needs_the_components_own_check_to_confirm(fake_clock: FakeClock) -> None:
    engine = Engine(fake_clock, components={"orders": restartable("orders")})
    engine.outside.up = True
    fail_component(engine)
    assert engine.outside.commands == [] and ("run_command", "skipped") in engine.steps()
    engine.run(12)
    assert engine.incident().state == "resolved"


def test_a_confirmed_failure_is_restarted_and_verified_with_the_same_check(fake_clock: FakeClock) -> None:
    engine = Engine(fake_clock, components={"orders": restartable("orders")})
    engine.outside.heals_on_restart = True
    fail_component(engine)
    engine.tick()
    assert engine.outside.commands == [["restart", "orders"]]
    assert engine.steps() == [("http", "failed"), ("run_command", "succeeded"), ("http", "succeeded")]
    engine.run(12)
    assert engine.incident().state == "resolved"


def test_the_check_may_fail_for_as_long_as_the_boot_grace(fake_clock: FakeClock) -> None:
    engine = Engine(fake_clock, components={"orders": restartable("orders")})
    fail_component(engine)
    engine.run(1)
    engine.outside.up = True
    engine.run(2)
    assert len(engine.outside.commands) == 1 and engine.recovery().state == "succeeded"


def test_a_component_without_a_check_is_not_restarted_on_pushed_probes_alone(fake_clock: FakeClock) -> None:
    from dataclasses import replace

    plan = restartable("orders")
    assert plan.playbook
    unchecked = replace(plan, playbook=replace(plan.playbook, check=None))
    engine = Engine(fake_clock, components={"orders": unchecked})
    fail_component(engine)
    assert engine.outside.commands == [] and "trust_probes is off" in engine.incident().because
    trusted = replace(plan, name="mail", playbook=replace(plan.playbook, check=None, trust_probes=True))
    engine = Engine(fake_clock, components={"mail": trusted})
    fail_component(engine, "mail")
    assert len(engine.outside.commands) == 1
    engine.clock.advance(1)
    engine.probe("mail", True)
    engine.tick()
    engine.run(12)
    assert engine.incident("mail").state == "resolved"


def test_a_healthy_component_starts_the_replay_of_what_waits(fake_clock: FakeClock) -> None:
    with StandInN8n() as n8n, Service() as service:
        host = service.url.removeprefix("http://")
        plan = restartable("orders", hosts=(host,))
        place = Place(fake_clock, n8n, service, components={"orders": plan})
        workflow_id = place.workflow("orders")
        service.behave("/orders", 503)
        place.fail("orders", workflow_id, "a")
        place.poll()
        place.engine.run(30)
        assert place.engine.chains() == {"1": "waiting"} and len(service.calls("/orders")) == 1
        place.engine.outside.up = True
        service.behave("/orders", 200)
        place.engine.probe("orders", True)
        place.engine.tick()
        place.engine.run(1)
        assert place.engine.chains() == {"1": "recovered"}


def test_what_a_person_resolved_while_it_fails_is_silent_until_it_was_healthy_once(engine: Engine) -> None:
    fail_component(engine, "mailer")
    orders.add_order(engine.incident().id, "resolve", "kim", utc_now())
    engine.tick()
    engine.clock.advance(1)
    fail_component(engine, "mailer")
    assert [one.state for one in engine.incidents()] == ["resolved"]
    engine.clock.advance(1)
    engine.probe("mailer", True)
    engine.tick()
    engine.clock.advance(700)
    fail_component(engine, "mailer")
    assert [one.state for one in engine.incidents()] == ["resolved", "needs_human"]


# -- orders


@pytest.fixture
def stuck(place: Place) -> Place:
    """A recovery that waits for its second stage."""
    workflow_id = place.workflow("orders")
    place.service.behave("/orders", 503)
    place.fail("orders", workflow_id, "a")
    place.poll()
    assert place.engine.recovery().state == "waiting"
    return place


def order(place: Place, what: str, **more: Any) -> None:
    orders.add_order(place.engine.incident().id, what, "kim", utc_now(), **more)
    place.engine.tick()


def test_retry_now_does_not_wait_for_the_stage(stuck: Place) -> None:
    stuck.service.behave("/orders", 200)
    order(stuck, "retry_now")
    assert stuck.engine.chains() == {"1": "recovered"}
    assert "kim asked for the next attempt now" in " ".join(stuck.engine.history("recovery"))


def test_pause_holds_everything_and_resume_carries_on(stuck: Place) -> None:
    order(stuck, "pause")
    stuck.service.behave("/orders", 200)
    stuck.engine.run(200, 10)
    assert stuck.engine.chains() == {"1": "waiting"} and stuck.engine.recovery().state == "paused"
    order(stuck, "resume")
    stuck.engine.run(2)
    assert stuck.engine.chains() == {"1": "recovered"}


def test_skip_stage_begins_the_next_one_now(stuck: Place) -> None:
    order(stuck, "skip_stage", stage=2)
    stuck.engine.tick(12)
    recovery = stuck.engine.recovery()
    assert len(stuck.service.calls("/orders")) == 1 + 1 + 3 and recovery.state == "failed"


def test_cancel_leads_to_needs_human_without_waking_anybody(stuck: Place) -> None:
    order(stuck, "cancel")
    stuck.engine.run(1000, 50)
    assert stuck.engine.incident().state == "needs_human" and stuck.engine.alerts() == ["opened"]
    assert stuck.engine.chains() == {"1": "waiting"} and len(stuck.service.calls("/orders")) == 2


def test_resolve_by_a_person_leaves_alone_what_waits(stuck: Place) -> None:
    order(stuck, "resolve")
    assert stuck.engine.incident().state == "resolved" and stuck.engine.chains() == {"1": "left_alone"}
    assert "kim" in stuck.engine.chain("1").because


def test_acknowledge_is_noted_with_the_name(stuck: Place) -> None:
    order(stuck, "acknowledge")
    assert stuck.engine.incident().acknowledged_by == "kim"


def test_a_setback_of_n8n_itself_uses_up_no_attempt(stuck: Place) -> None:
    stuck.n8n.stop()
    stuck.engine.run(65, 5)
    assert stuck.engine.recovery().stage == 2 and stuck.engine.recovery().attempt == 1
    stuck.n8n.start()
    stuck.service.behave("/orders", 200)
    stuck.engine.run(30)
    assert stuck.engine.chains() == {"1": ExecutionState.RECOVERED}


def test_a_success_heard_of_by_polling_is_a_signal_like_any_other(stuck: Place) -> None:
    leaf = stuck.engine.chain("1").leaf_id
    told = {
        "id": "900",
        "workflowId": stuck.engine.chain("1").workflow_id,
        "retryOf": leaf,
        "stoppedAt": (utc_now() + timedelta(seconds=1)).isoformat(),
    }
    with database.write():
        signals.add_signals([n8n_execution.receive_success(told, "default")], utc_now())
    stuck.engine.tick()
    assert stuck.engine.chains() == {"1": "recovered"}


def test_a_sub_workflows_run_waits_for_its_parent_before_anybody_is_called(place: Place) -> None:
    sub = item("9001", host=place.host, mode="integrated", workflow="sub")
    place.engine.hear(sub)
    place.engine.tick()
    assert place.engine.incident().state == "open" and place.engine.alerts() == []
    workflow_id = place.workflow("orders")
    place.service.behave("/orders", 503)
    place.fail("orders", workflow_id, "a")
    place.service.behave("/orders", 200)
    place.poll()
    place.engine.run(15)
    assert place.engine.incident().state == "resolved" and place.engine.alerts() == ["opened", "recovered"]


def test_a_sub_workflows_run_whose_parent_never_comes_calls_a_person(engine: Engine) -> None:
    engine.hear(item("1", mode="integrated"))
    engine.run(12)
    assert engine.incident().state == "needs_human"


def test_what_can_be_healed_after_a_person_was_called_for_want_of_anything_to_do_is_healed(
    fake_clock: FakeClock,
) -> None:
    with StandInN8n() as n8n, Service() as service:
        plan = ComponentPlan("orders", hosts=(service.url.removeprefix("http://"),))
        place = Place(fake_clock, n8n, service, components={"orders": plan})
        fail_component(place.engine)
        assert place.engine.incident().state == "needs_human"
        workflow_id = place.workflow("orders")
        service.behave("/orders", 503)
        place.fail("orders", workflow_id, "a")
        service.behave("/orders", 200)
        place.poll()
        place.engine.run(2)
        assert len(place.engine.incidents()) == 1 and place.engine.chains() == {"1": "recovered"}


def test_the_environment_of_a_restart_comes_from_the_configuration_and_is_never_stored(fake_clock: FakeClock) -> None:
    engine = Engine(fake_clock, components={"orders": restartable("orders", env={"SESSION": "s3cret"})})
    fail_component(engine)
    engine.tick()
    assert engine.outside.environments == [{"SESSION": "s3cret"}]
    stored = [str(row) for table in (StepRow, RecoveryRow, EventRow) for row in table.select().dicts()]
    assert stored and not any("s3cret" in one for one in stored)


def test_the_component_that_names_the_port_claims_it_before_one_that_names_the_host(fake_clock: FakeClock) -> None:
    wide = ComponentPlan("wide", hosts=("api.example.com",))
    exact = ComponentPlan("exact", hosts=("api.example.com:8443",))
    engine = Engine(fake_clock, components={"wide": wide, "exact": exact})
    engine.hear(item("1", host="api.example.com:8443"))
    engine.hear(item("2", host="api.example.com:9000"))
    engine.tick()
    assert [one.component for one in engine.incidents()] == ["exact", "wide"]


def test_history_tells_what_an_order_did_before_it_is_done(fake_clock: FakeClock) -> None:
    engine = Engine(fake_clock, components={"orders": restartable("orders")})
    for _ in range(2):
        engine.probe("orders", False)
    engine.tick()
    last = EventRow.select().order_by(EventRow.id.desc()).first().id
    orders.add_order(engine.incident().id, OrderWhat.PAUSE, "ann", utc_now())
    engine.tick(1)
    ours = EventRow.subject.in_(["order", "recovery"])
    lines = EventRow.select(EventRow.subject).where(EventRow.id > last, ours).order_by(EventRow.id)
    assert [row.subject for row in lines] == ["order", "recovery", "order"]
