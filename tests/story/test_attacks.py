"""Attacks: interleavings, lost answers, odd clocks and odd names that once broke a promise."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from recovery.clock import utc_now
from recovery.model import CauseClass, N8nError, OrderWhat, ReplayLimits
from recovery.redact import redact, redact_text
from recovery.store import database, due, orders, steps
from recovery.store.tables import AlertRow, ComponentRow, EventRow, OrderRow, SignalRow, StepRow
from recovery.worker import loop, pacing
from recovery.worker.housekeeping import drop_old
from recovery.worker.ordering import carry_out_orders
from recovery.worker.polling import poll_sites
from tests.conftest import FakeClock
from tests.story.engine import Engine, item, restartable
from tests.story.memory_n8n import Flow
from tests.story.moment import HOST, Moment

pytestmark = pytest.mark.usefixtures("store")


@pytest.fixture
def moment(fake_clock: FakeClock) -> Moment:
    return Moment(fake_clock)


def end_all(n8n: Any, answer: Any = 200) -> None:
    for run in list(n8n.runs.values()):
        if run["status"] == "running":
            n8n._end(run, answer)


# --- work run twice ---------------------------------------------------------------------------------------------


def test_a_retry_by_hand_that_ends_while_we_list_is_not_run_again(moment: Moment) -> None:
    """Kim clicked retry long before we looked; it succeeds between our reading the root and our listing `running`."""
    run = moment.fail()
    moment.n8n.hosts[HOST] = "slow"
    moment.n8n.retry_by(run, "kim")
    listed = moment.n8n.executions

    def executions(status: str = "", *args: Any, **more: Any) -> Any:
        if status == "running":
            end_all(moment.n8n)
            moment.n8n.hosts.clear()
        return listed(status, *args, **more)

    moment.n8n.executions = executions  # type: ignore[method-assign]
    moment.hear(run)
    moment.engine.run(30)
    assert not any(one.succeeded_before for one in moment.n8n.retries)


@pytest.mark.parametrize("before", ["new", "waiting"])
def test_a_retry_that_starts_to_run_while_we_list_is_not_joined_by_another(moment: Moment, before: str) -> None:
    """A queued (or waiting) retry becomes `running` between our listing `running` and our listing its old status."""
    run = moment.fail()
    moment.n8n.hosts[HOST] = "slow"
    kims = moment.n8n.retry_by(run, "kim")
    kims["status"] = before
    listed = moment.n8n.executions

    def executions(status: str = "", *args: Any, **more: Any) -> Any:
        if status == before:
            kims["status"] = "running"
        return listed(status, *args, **more)

    moment.n8n.executions = executions  # type: ignore[method-assign]
    moment.hear(run)
    moment.engine.run(30)
    assert not any(one.running_before for one in moment.n8n.retries)


def test_after_n8n_begins_its_ids_anew_no_strangers_run_is_retried(moment: Moment) -> None:
    """n8n got a new database: execution 1 is another workflow's now, and is none of what we were told of."""
    run = moment.fail()
    moment.hear(run)
    moment.engine.run(2)
    assert moment.engine.chains() == {run: "waiting"}
    moment.n8n.runs.clear()
    moment.n8n.flows["pay"] = Flow("pay", "pay.example.com", "GET")
    moment.n8n.hosts["pay.example.com"] = 503
    stranger = moment.n8n.call("pay")
    assert stranger == run
    moment.n8n.retries.clear()
    moment.engine.run(600, 5)
    assert moment.ours() == 0, "an execution of another workflow was retried in the name of the old one"


def test_after_n8n_begins_its_ids_anew_a_strangers_success_is_no_recovery(moment: Moment) -> None:
    run = moment.fail()
    moment.hear(run)
    moment.n8n.runs.clear()
    moment.n8n.flows["pay"] = Flow("pay", "pay.example.com", "GET")
    assert moment.n8n.call("pay") == run
    moment.engine.run(600, 5)
    assert moment.engine.chains()[run] != "recovered", moment.engine.chain(run).because


@pytest.mark.parametrize("how", ["callback", "poll"])
def test_after_n8n_begins_its_ids_anew_failures_are_still_heard(moment: Moment, how: str) -> None:
    run = moment.fail()
    moment.n8n.hosts.clear()
    moment.hear(run)
    moment.engine.run(60)
    assert moment.engine.incident().state == "resolved"
    poll_sites(moment.engine.ctx)
    moment.clock.advance(86_400)
    moment.n8n.runs.clear()
    moment.n8n.flows["pay"] = Flow("pay", "pay.example.com", "GET")
    moment.n8n.hosts["pay.example.com"] = 503
    new = moment.n8n.call("pay")
    if how == "callback":
        moment.hear(new)
    poll_sites(moment.engine.ctx)
    moment.engine.run(5)
    assert any(one.component == "pay.example.com" for one in moment.engine.incidents()), "lost in silence"


def test_a_permit_that_was_cancelled_is_not_used_later(fake_clock: FakeClock) -> None:
    moment = Moment(fake_clock, "POST")
    moment.n8n.hosts[HOST] = 504
    run = moment.fail()
    moment.hear(run)
    moment.order(OrderWhat.APPROVE)
    moment.order(OrderWhat.CANCEL)
    moment.engine.run(60)
    assert moment.ours() == 0 and moment.engine.incident().state == "needs_human"
    assert OrderRow.get().because == "1 run may be retried"
    moment.n8n.hosts.clear()
    moment.fail()  # a success of the same workflow: a sign of health
    moment.clock.advance(5)
    poll_sites(moment.engine.ctx)
    moment.engine.run(60)
    assert moment.ours() == 0, moment.engine.history("execution")[-3:]


@pytest.mark.parametrize("kind", ["refused", "conflict"])
def test_a_permit_that_is_cancelled_while_n8n_is_asked_is_not_used_later(fake_clock: FakeClock, kind: str) -> None:
    """n8n does not take the call, so that what was allowed would still be allowed."""
    moment = Moment(fake_clock, "POST")
    moment.n8n.hosts[HOST] = 504
    run = moment.fail()
    moment.hear(run)
    real = moment.n8n.retry

    def retry(execution_id: str) -> Any:
        moment.n8n.retry = real  # type: ignore[method-assign]
        moment.order(OrderWhat.CANCEL)
        carry_out_orders(moment.engine.ctx, utc_now())
        raise N8nError("n8n does not take it", kind, permanent=kind == "conflict")

    moment.n8n.retry = retry  # type: ignore[method-assign]
    moment.order(OrderWhat.APPROVE)
    moment.engine.run(60)
    assert moment.engine.incident().state == "needs_human" and moment.ours() == 0
    moment.n8n.hosts.clear()
    moment.fail()  # a success of the same workflow: a sign of health
    moment.clock.advance(5)
    poll_sites(moment.engine.ctx)
    moment.engine.run(60)
    assert moment.ours() == 0 and moment.engine.chains() == {run: "left_alone"}


def test_a_permit_that_is_cancelled_during_a_look_is_not_used_by_what_is_ordered_next(fake_clock: FakeClock) -> None:
    moment = Moment(fake_clock, "POST")
    moment.n8n.hosts[HOST] = 504
    run = moment.fail()
    moment.hear(run)
    read = moment.n8n.workflow

    def workflow(workflow_id: str) -> Any:
        moment.n8n.workflow = read  # type: ignore[method-assign]
        moment.order(OrderWhat.CANCEL)
        carry_out_orders(moment.engine.ctx, utc_now())
        moment.order(OrderWhat.RETRY_NOW)
        carry_out_orders(moment.engine.ctx, utc_now())
        return read(workflow_id)

    moment.n8n.workflow = workflow  # type: ignore[method-assign]
    moment.order(OrderWhat.APPROVE)
    moment.engine.run(120)
    assert moment.ours() == 0 and moment.engine.recovery().state == "awaiting_approval"


def test_a_permit_is_spent_by_a_retry_by_hand_that_failed(fake_clock: FakeClock) -> None:
    """Kim allows one more run, and then makes that run by hand: its own effect may have happened too."""
    moment = Moment(fake_clock, "POST")
    moment.n8n.hosts[HOST] = 504
    run = moment.fail()
    moment.hear(run)
    moment.order(OrderWhat.APPROVE)
    moment.n8n.retry_by(run, "kim")
    moment.engine.run(900, 5)
    assert moment.ours() == 0, moment.engine.history("execution")


def test_a_permit_does_not_outlive_the_resolution(fake_clock: FakeClock) -> None:
    moment = Moment(fake_clock, "POST")
    moment.n8n.hosts[HOST] = 504
    run = moment.fail()
    moment.hear(run)
    moment.order(OrderWhat.APPROVE)
    moment.order(OrderWhat.RESOLVE)
    moment.engine.run(60)
    assert moment.ours() == 0 and moment.engine.chains() == {run: "left_alone"}
    moment.clock.advance(3600)
    again = moment.n8n.retry_by(run, "kim")["id"]
    moment.hear(again)
    moment.engine.run(900, 5)
    assert moment.ours() == 0, moment.engine.history("execution")


def test_a_sibling_that_succeeded_is_seen_though_the_root_is_pruned(moment: Moment) -> None:
    run = moment.fail()
    moment.hear(run)
    assert moment.ours() == 1 and moment.engine.chain(run).leaf_id == "2"
    moment.n8n.hosts.clear()
    moment.n8n.retry_by(run, "kim")
    del moment.n8n.runs[run]
    asked: list[str] = []
    moment.n8n.retry = lambda one: asked.append(one)  # type: ignore[method-assign,assignment,func-returns-value]
    moment.engine.run(120, 5)
    assert asked == [], "the chain had succeeded by Kim's hand"


# --- never lose, never hold up ----------------------------------------------------------------------------------


def test_one_signal_from_a_clock_that_is_ahead_holds_up_no_other(fake_clock: FakeClock) -> None:
    """A web machine's clock (or this one's, before it was set right) is an hour ahead."""
    engine = Engine(fake_clock)
    fake_clock.advance(3600)
    engine.hear(item("1", host="a.example.com"))
    fake_clock.advance(-3600)
    engine.hear(item("2", host="b.example.com"))
    engine.run(120, 5)
    assert "2" in engine.chains(), "accepted, and not looked at for an hour"


def test_one_order_from_a_clock_that_is_ahead_holds_up_no_other(moment: Moment) -> None:
    moment.hear(moment.fail())
    moment.clock.advance(3600)
    moment.order(OrderWhat.ACKNOWLEDGE)
    moment.clock.advance(-3600)
    moment.order(OrderWhat.PAUSE)
    moment.engine.run(30)
    assert moment.engine.recovery().state == "paused"


def test_after_the_clock_was_set_back_a_component_is_still_watched(fake_clock: FakeClock) -> None:
    if not database.is_sqlite():
        pytest.skip("on PostgreSQL the clocks of other machines may be right")
    engine = Engine(fake_clock, components={"orders": restartable("orders")})
    engine.outside.up = True
    ComponentRow.insert(name="orders", configured=True, run_at=utc_now()).execute()
    engine.tick()
    fake_clock.advance(86_400)
    engine.run(31)
    fake_clock.advance(-86_400)
    engine.outside.up = False
    engine.run(600, 5)
    assert engine.component("orders").health == "unhealthy", "nobody looks for a day"


def test_after_the_clock_was_set_back_pushed_probes_are_still_believed(fake_clock: FakeClock) -> None:
    engine = Engine(fake_clock)
    fake_clock.advance(86_400)
    engine.probe("orders", True)
    engine.tick()
    fake_clock.advance(-86_400)
    for _ in range(5):
        engine.probe("orders", False)
    engine.run(10)
    assert engine.component("orders").health == "unhealthy", [row.because for row in SignalRow.select()]


def test_one_execution_too_large_to_read_does_not_make_us_deaf(moment: Moment) -> None:
    """n8n is ready, but this one's data takes longer than any timeout."""
    huge = moment.fail()
    read = moment.n8n.execution

    def execution(name: str, with_data: bool = False) -> Any:
        if name == huge and with_data:
            raise N8nError("n8n did not answer within 10 s", "timeout")
        return read(name, with_data)

    moment.n8n.execution = execution  # type: ignore[method-assign]
    moment.clock.advance(5)
    later = moment.fail()
    for _ in range(20):
        moment.clock.advance(60)
        poll_sites(moment.engine.ctx)
        moment.engine.tick()
    assert later in moment.engine.chains(), "every later failure of this n8n goes unheard"


def test_one_execution_too_large_to_read_holds_up_no_other_of_its_incident(moment: Moment) -> None:
    huge, other = moment.fail(), moment.fail()
    moment.n8n.hosts.clear()
    read = moment.n8n.execution

    def execution(name: str, with_data: bool = False) -> Any:
        if name == huge and with_data:
            raise N8nError("n8n did not answer within 10 s", "timeout")
        return read(name, with_data)

    moment.n8n.execution = execution  # type: ignore[method-assign]
    moment.hear(huge, other)
    moment.engine.run(1800, 5)
    assert moment.engine.chains()[other] == "recovered", moment.engine.chains()


@pytest.mark.parametrize(("kind", "permanent"), [("forbidden", True), ("too_old", True), ("rate_limited", False)])
def test_an_n8n_that_refuses_every_retry_is_not_asked_for_ever(moment: Moment, kind: str, permanent: bool) -> None:
    """The key may read but not retry (or n8n is too old, or a proxy limits POSTs): reading goes on working."""
    run = moment.fail()
    asked: list[str] = []

    def retry(name: str) -> Any:
        asked.append(name)
        raise N8nError("it refuses", kind, permanent=permanent)

    moment.n8n.retry = retry  # type: ignore[method-assign]
    moment.hear(run)
    before = EventRow.select().count()
    for _ in range(60):
        moment.engine.run(60, 5)
        poll_sites(moment.engine.ctx)
    events = EventRow.select().count() - before
    assert len(asked) < 50 and events < 200, (len(asked), events, moment.engine.recovery().state)


# --- storms -----------------------------------------------------------------------------------------------------


def test_escalate_clicked_many_times_calls_once(moment: Moment) -> None:
    moment.hear(moment.fail())
    for _ in range(10):
        moment.order(OrderWhat.ESCALATE)
    moment.engine.tick()
    assert moment.engine.alerts().count("needs_human") == 1


def test_a_service_that_falls_over_after_each_start_is_not_restarted_without_end(fake_clock: FakeClock) -> None:
    engine = Engine(fake_clock, components={"orders": restartable("orders")})
    engine.outside.heals_on_restart = True
    for _ in range(2):
        engine.probe("orders", False)
    engine.tick()
    for _ in range(450):
        fake_clock.advance(2)
        engine.tick(1)
        if engine.outside.up:
            engine.outside.up = False
        engine.probe("orders", False)
    assert len(engine.outside.commands) <= 12, (len(engine.outside.commands), engine.incident().episode)


def test_a_clock_of_n8n_that_is_behind_does_not_lift_the_limit_on_flapping(moment: Moment) -> None:
    moment.n8n.hosts.clear()
    engine = moment.engine
    for _ in range(20):
        moment.n8n.hosts[HOST] = 503
        run = moment.fail()
        moment.n8n.hosts.clear()
        body = moment.n8n.tell(run)
        body["execution"]["error"]["timestamp"] -= 120_000  # n8n's clock is two minutes behind
        engine.hear(body)
        engine.run(60, 2)
    states = [line.split(":")[0] for line in engine.history("incident")]
    assert "needs_human" in states or engine.incident().episode > 1, states


# --- always say why, and a person is told -----------------------------------------------------------------------


def test_a_call_for_a_person_survives_the_renaming_of_a_channel(fake_clock: FakeClock) -> None:
    from recovery.model.plans import ChannelPlan

    engine = Engine(fake_clock)
    sent, engine.outside.request = engine.outside.request, _refuse  # type: ignore[method-assign]
    engine.hear(item("1"))
    engine.tick()
    assert engine.incident().state == "needs_human"
    engine.outside.request = sent  # type: ignore[method-assign]
    engine.ctx.channels = (ChannelPlan("renamed", "webhook"),)
    engine.ctx.channel_args = {"renamed": engine.ctx.channel_args["hook"]}
    engine.run(3600, 10)
    assert engine.outside.sent, [(row.state, row.because) for row in AlertRow.select()]


def _refuse(*args: Any, **more: Any) -> Any:
    from recovery.model import DoorError

    raise DoorError("away", kind="refused")


def trigger(host: str, status: int, workflow: str = "t", seconds_ago: float = 0) -> dict[str, Any]:
    body = item("0", host=host, status=status, workflow=workflow, at=utc_now() - timedelta(seconds=seconds_ago))
    return {"trigger": {"error": body["execution"]["error"], "mode": "trigger"}, "workflow": body["workflow"]}


def test_a_late_failure_of_an_acknowledged_incident_is_not_left_open_in_silence(fake_clock: FakeClock) -> None:
    engine = Engine(fake_clock)
    engine.hear(trigger(HOST, 503))
    engine.tick()
    for what in (OrderWhat.ACKNOWLEDGE, OrderWhat.RESOLVE):
        orders.add_order(engine.incident().id, what, "kim", utc_now())
    engine.tick()
    assert engine.incident().state == "resolved"
    told = len(engine.outside.sent)
    fake_clock.advance(60)
    engine.hear(trigger(HOST, 503, seconds_ago=61))
    engine.run(7200, 30)
    row = engine.incident()
    assert row.state == "resolved" or len(engine.outside.sent) > told, (row.state, row.because, row.wake_at)


def test_who_was_called_for_a_late_failure_hears_that_it_is_over(fake_clock: FakeClock) -> None:
    moment = Moment(fake_clock)
    engine, n8n = moment.engine, moment.n8n
    engine.ctx.policy = replace(engine.ctx.policy, replay=ReplayLimits(rate_per_second=1000, max_retries=20))
    late = moment.fail()
    fake_clock.advance(1)
    run = moment.fail()
    n8n.hosts.clear()
    moment.hear(run)
    engine.run(30)
    assert engine.incident().state == "resolved" and engine.alerts() == ["opened", "recovered"]
    n8n.hosts[HOST] = 503
    moment.hear(late)
    engine.run(900, 5)
    assert engine.alerts()[-1] == "needs_human"
    n8n.hosts.clear()
    moment.order(OrderWhat.RETRY_NOW)
    engine.run(60)
    assert engine.incident().state == "resolved"
    assert engine.alerts()[-1] == "recovered", engine.alerts()


def test_a_refused_credential_is_not_resolved_because_the_host_answers(fake_clock: FakeClock) -> None:
    engine = Engine(fake_clock, components={"orders": restartable("orders")})
    engine.probe("orders", True)
    engine.tick()
    fake_clock.advance(100)
    engine.hear(trigger("orders.example.com", 401))
    engine.run(60)
    assert engine.incident().state == "needs_human", engine.incident().because


def test_an_old_reading_is_no_proof_that_a_later_failure_is_over(fake_clock: FakeClock) -> None:
    engine = Engine(fake_clock)
    engine.probe(HOST, True)
    engine.tick()
    fake_clock.advance(7 * 86_400)
    engine.hear(trigger(HOST, 503))
    engine.run(60)
    assert engine.incident(HOST).state == "needs_human", engine.incident(HOST).because


def test_a_recurrence_of_another_outlook_is_met_by_what_it_is(fake_clock: FakeClock) -> None:
    """An expired certificate was mended; five minutes later the same host answers 503 for a moment."""
    moment = Moment(fake_clock)
    moment.hear_item = moment.engine.hear  # type: ignore[attr-defined]
    body = item("900", host=HOST, status=None, code="CERT_HAS_EXPIRED", workflow="w")
    moment.engine.hear(body)
    moment.engine.tick()
    moment.order(OrderWhat.RESOLVE)
    moment.engine.tick()
    assert moment.engine.incident().state == "resolved"
    fake_clock.advance(300)
    run = moment.fail()
    moment.n8n.hosts.clear()
    moment.hear(run)
    moment.engine.run(30)
    assert moment.engine.chains()[run] == "recovered", moment.engine.incident().because


def test_a_conflict_is_no_retry_and_is_not_told_as_one(moment: Moment) -> None:
    run = moment.fail()

    def retry(name: str) -> Any:
        raise N8nError("n8n refused: the execution is not over", "conflict", permanent=True)

    moment.n8n.retry = retry  # type: ignore[method-assign]
    moment.hear(run)
    moment.engine.run(900, 5)
    assert moment.engine.chain(run).retries == 0, moment.engine.chain(run).because


def test_a_workflow_that_bears_a_components_name_is_not_that_component(fake_clock: FakeClock) -> None:
    engine = Engine(fake_clock, components={"orders": restartable("orders")})
    for _ in range(2):
        engine.probe("orders", False)
    engine.run(700, 10)
    assert engine.incident("orders").state == "needs_human"
    restarts = len(engine.outside.commands)
    body = item("7", workflow="w7")
    body["workflow"]["name"] = "orders"
    body["execution"]["error"] = {"name": "Strange", "message": "odd", "node": {"name": "Odd", "type": "x.odd"}}
    engine.hear(body)
    engine.tick()
    theirs = engine.incident()
    assert theirs.cause_class == CauseClass.CODE
    engine.run(60)
    assert len(engine.outside.commands) == restarts, "an odd error in a workflow restarted a service of the same name"


def test_resolving_a_workflow_mutes_no_component_of_the_same_name(fake_clock: FakeClock) -> None:
    engine = Engine(fake_clock, components={"orders": restartable("orders")})
    for _ in range(2):
        engine.probe("orders", False)
    engine.tick()
    body = item("7", workflow="w7")
    body["workflow"]["name"] = "orders"
    body["execution"]["error"] = {"name": "TypeError", "message": "odd", "node": {"name": "Odd", "type": "x.odd"}}
    engine.hear(body)
    engine.tick()
    orders.add_order(engine.incident().id, OrderWhat.RESOLVE, "kim", utc_now())
    engine.tick()
    assert not engine.component("orders").muted


def test_two_actions_on_one_component_never_begin_together(fake_clock: FakeClock, monkeypatch: Any) -> None:
    moment = Moment(fake_clock)
    engine = moment.engine
    engine.policy = engine.ctx.policy = replace(engine.ctx.policy, components={"orders": restartable("orders")})
    engine.hear(item("901", status=401, host="orders.example.com"))
    engine.tick()
    orders.add_order(engine.incident().id, OrderWhat.RETRY_NOW, "kim", utc_now())
    for _ in range(2):
        engine.probe("orders", False)
    claimed: list[int] = []
    real = steps.claim_steps

    def claim_steps(*args: Any) -> Any:
        found = real(*args)
        claimed.append(sum(row.name == "run_command" for row in found))
        return found

    monkeypatch.setattr(steps, "claim_steps", claim_steps)
    engine.run(5)
    assert max(claimed) <= 1, [(row.incident_id, row.name, row.state) for row in StepRow.select()]


def test_what_was_dropped_by_retention_is_not_heard_as_new(moment: Moment) -> None:
    run = moment.fail()
    moment.n8n.hosts.clear()
    moment.hear(run)
    moment.engine.run(60)
    assert moment.engine.incident().state == "resolved"
    moment.clock.advance(8 * 86_400)
    moment.engine.ctx.failures_kept = timedelta(days=7)
    drop_old(timedelta(days=7), timedelta(days=7))
    assert not moment.engine.incidents()
    poll_sites(moment.engine.ctx)
    moment.engine.run(60)
    assert not moment.engine.incidents() and not moment.engine.alerts()[2:], [
        one.cause for one in moment.engine.incidents()
    ]


@pytest.mark.parametrize(
    "text",
    ["비밀번호: {}", "암호={}", "<password>{}</password>", "<wsse:Password Type='t'>{}</wsse:Password>",
     "password is {}", "https://f.azurewebsites.net/api/f?code={}", "X-Auth: {}"],
)  # fmt: skip
def test_a_secret_in_a_text_is_taken_out(text: str) -> None:
    assert "hunter2secret" not in redact_text(text.format("hunter2secret"))


@pytest.mark.parametrize(
    "value",
    [{"비밀번호": "hunter2secret"}, {"Name": "Authorization", "Value": "Token hunter2secret"},
     {"privateKeyPem": "hunter2secret"}, {"accessTokenData": "hunter2secret"}, {"auth": ["bob", "hunter2secret"]}],
)  # fmt: skip
def test_a_secret_in_a_value_is_taken_out(value: Any) -> None:
    assert "hunter2secret" not in str(redact(value))


# --- more -------------------------------------------------------------------------------------------------------


def test_a_success_that_ended_before_the_last_failure_is_no_sign_of_health(moment: Moment) -> None:
    """Needs a person; the success was over before the failure that came after it, but is polled only now."""
    run = moment.fail()
    moment.hear(run)
    moment.engine.run(420, 5)
    assert moment.engine.incident().state == "needs_human"
    before = moment.ours()
    moment.engine.ctx.policy = replace(moment.engine.ctx.policy, replay=ReplayLimits(max_retries=20))
    moment.n8n.hosts.clear()
    moment.fail()
    moment.clock.advance(20)
    moment.n8n.hosts[HOST] = 503
    last = moment.fail()
    moment.hear(last)
    moment.clock.advance(10)
    poll_sites(moment.engine.ctx)
    moment.engine.run(60)
    assert moment.ours() == before, "an old success let one try"


def test_a_chain_that_cannot_be_worked_on_holds_up_no_other_and_says_why(
    moment: Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recovery.worker import replaying

    bad, good = moment.fail(), moment.fail()
    moment.n8n.hosts.clear()
    real = replaying._look

    def look(ctx: Any, row: Any, door: Any) -> None:
        if row.root_id == bad:
            raise KeyError("odd")
        real(ctx, row, door)

    monkeypatch.setattr(replaying, "_look", look)
    moment.hear(bad, good)
    moment.engine.run(3600, 10)
    assert moment.engine.chains()[good] == "recovered", (moment.engine.chains(), moment.engine.chain(bad).because)


def test_full_pools_do_not_make_the_loop_spin(fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading
    import time

    import schedule

    from recovery import clock
    from recovery.store import alerts
    from recovery.worker.context import Context

    engine = Engine(fake_clock)
    clock.use_source(None)
    now = utc_now()
    for number in range(9):  # one more than the pool has threads
        alerts.add_alert(f"k{number}", 1, "opened", "hook", "high", {}, now)
    over, looks = threading.Event(), []
    from recovery.worker import sending

    def send(ctx: Any, row: Any) -> None:
        over.wait(10)

    monkeypatch.setattr(sending, "send_alert", send)
    real = due.read_agenda
    monkeypatch.setattr(loop.due, "read_agenda", lambda: looks.append(1) or real())
    running = pacing.Loop()
    ctx = Context("test", engine.policy, engine.outside, running.wake, engine.ctx.channels)
    threading.Timer(2, running.stop).start()
    before = time.process_time()
    running.run(ctx, schedule.Scheduler())
    over.set()
    used = time.process_time() - before
    assert len(looks) < 60, f"{len(looks)} looks at the agenda in 2 s, {used:.2f} s of CPU"


def test_skip_stage_does_not_ring_again_for_a_question_that_is_asked_already(fake_clock: FakeClock) -> None:
    moment = Moment(fake_clock, "POST")
    moment.n8n.hosts[HOST] = 504
    moment.hear(moment.fail())
    assert moment.engine.recovery().state == "awaiting_approval" and moment.engine.incident().asked == 1
    with pytest.raises(orders.OrderRefused, match="decision"):
        moment.order(OrderWhat.SKIP_STAGE)
    assert moment.engine.incident().asked == 1


def test_skip_stage_does_not_lift_a_pause(moment: Moment) -> None:
    run = moment.fail()
    moment.hear(run)
    moment.order(OrderWhat.PAUSE)
    moment.engine.tick()
    before = moment.ours()
    with pytest.raises(orders.OrderRefused, match="resume"):
        moment.order(OrderWhat.SKIP_STAGE)
    moment.engine.run(30)
    assert moment.engine.recovery().state == "paused" and moment.ours() == before


def test_where_n8n_saves_no_success_by_its_own_default_a_lost_answer_is_not_run_again(moment: Moment) -> None:
    """EXECUTIONS_DATA_SAVE_ON_SUCCESS=none: no workflow's settings say so, and n8n deletes the run at its end."""
    run = moment.fail()
    moment.n8n.hosts.clear()

    def after_retry() -> None:
        done = moment.n8n.runs.pop(str(len(moment.n8n.runs)))
        assert done["status"] == "success"
        moment.n8n.runs[run]["retrySuccessId"] = None
        raise N8nError("the connection was cut", "reset")

    moment.n8n.after_retry = after_retry
    moment.hear(run)
    moment.engine.run(300, 5)
    assert moment.ours() == 1, moment.engine.history("execution")


def test_the_end_of_our_own_retry_does_not_reopen_what_a_person_resolved(moment: Moment) -> None:
    run = moment.fail()
    moment.n8n.hosts[HOST] = "slow"
    moment.hear(run)
    assert moment.engine.chains() == {run: "retrying"}
    moment.order(OrderWhat.RESOLVE)
    moment.engine.run(5)
    assert moment.engine.incident().state == "resolved"
    end_all(moment.n8n, 503)
    moment.n8n.hosts[HOST] = 503
    moment.engine.run(300, 5)
    assert moment.ours() == 1 and moment.engine.incident().state == "resolved", moment.engine.history("incident")


# --- what polling hears ------------------------------------------------------------------------------------------


def test_after_a_long_silence_of_ours_everything_that_failed_meanwhile_is_heard(moment: Moment) -> None:
    """Three days without us, a failure every ten minutes: more than a page, and most of it older than a day."""
    poll_sites(moment.engine.ctx)
    failed = []
    for _ in range(432):
        moment.clock.advance(600)
        failed.append(moment.fail())
    poll_sites(moment.engine.ctx)
    assert SignalRow.select().count() == len(failed)


def test_a_manual_run_that_somebody_retries_is_still_nobodys_outage(moment: Moment) -> None:
    run = moment.fail()
    moment.n8n.runs[run]["mode"] = "manual"
    poll_sites(moment.engine.ctx)
    moment.engine.tick()
    moment.hear(moment.n8n.retry_by(run, "kim")["id"])
    assert moment.engine.incidents() == [] and moment.ours() == 0


def test_a_sub_workflows_own_run_is_left_alone_though_somebody_retried_it(moment: Moment) -> None:
    run = moment.fail()
    moment.n8n.runs[run]["mode"] = "integrated"
    moment.hear(run)
    moment.hear(moment.n8n.retry_by(run, "kim")["id"])
    moment.n8n.hosts.clear()
    moment.engine.run(900, 5)
    assert moment.ours() == 0 and moment.engine.chains() == {run: "left_alone"}


def test_who_may_decide_is_asked_also_where_the_stages_are_used_up_by_others(fake_clock: FakeClock) -> None:
    """One run may have had its effect; another one only reads, and keeps failing."""
    moment = Moment(fake_clock, "POST")
    limits = ReplayLimits(rate_per_second=1000, max_retries=20)
    moment.engine.ctx.policy = replace(moment.engine.ctx.policy, replay=limits)
    moment.n8n.flows["read"] = Flow("read", HOST, "GET")
    moment.n8n.hosts[HOST] = 500
    asks = moment.fail()
    fake_clock.advance(1)
    reads = moment.n8n.call("read")
    moment.hear(asks, reads)
    moment.engine.run(1200, 5)
    assert (
        moment.engine.recovery().state == "awaiting_approval"
        and "stages are used up" in moment.engine.recovery().because
    )
    moment.n8n.hosts.clear()
    moment.order(OrderWhat.APPROVE)
    moment.engine.run(30)
    assert moment.engine.chains() == {asks: "recovered", reads: "recovered"}


def test_a_decision_to_leave_them_does_not_call_the_others_well(fake_clock: FakeClock) -> None:
    moment = Moment(fake_clock, "POST")
    moment.n8n.flows["read"] = Flow("read", HOST, "GET")
    moment.n8n.hosts[HOST] = 500
    moment.hear(moment.fail(), moment.n8n.call("read"))
    moment.engine.run(1200, 5)
    before = moment.ours()
    moment.order(OrderWhat.REJECT)
    moment.engine.run(300, 5)
    assert moment.ours() == before and moment.engine.incident().state == "needs_human"
