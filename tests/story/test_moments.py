"""Exact moments between us and n8n: an order while it is looked at, a retry heard before its parent, an answer lost."""

from collections.abc import Callable
from typing import Any

import pytest

from recovery.model import N8nError, OrderWhat
from recovery.store.tables import ExecutionRow
from recovery.worker import loop, replaying
from recovery.worker.polling import poll_sites
from tests.conftest import FakeClock
from tests.story.engine import Engine, restartable
from tests.story.memory_n8n import Flow
from tests.story.moment import HOST, Moment

pytestmark = pytest.mark.usefixtures("store")


@pytest.fixture
def moment(fake_clock: FakeClock) -> Moment:
    return Moment(fake_clock)


@pytest.mark.parametrize("what", [OrderWhat.PAUSE, OrderWhat.CANCEL])
def test_nothing_begins_after_a_person_held_it_back_while_n8n_was_looked_at(moment: Moment, what: OrderWhat) -> None:
    run = moment.fail()
    moment.n8n.hosts.clear()
    moment.while_looking(what)
    moment.hear(run)
    moment.engine.run(120, 10)
    assert moment.ours() == 0 and moment.engine.chains() == {run: "waiting"}
    moment.order(OrderWhat.RETRY_NOW)
    moment.engine.run(2)
    assert moment.engine.chains() == {run: "recovered"}
    assert moment.engine.recovery().attempts_made == 1, "what was held back used no attempt"


def test_a_canary_that_is_held_back_before_it_began_uses_no_attempt(
    moment: Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = moment.fail()
    moment.n8n.hosts.clear()
    with monkeypatch.context() as busy:
        busy.setitem(loop.STAGES, "executions", lambda ctx, now: None)
        moment.hear(run)
        assert moment.engine.steps() == [("retry_executions", "running")]
        moment.order(OrderWhat.PAUSE)
        moment.engine.run(5)
    assert moment.ours() == 0 and moment.engine.steps() == [("retry_executions", "skipped")]
    moment.order(OrderWhat.RESUME)
    moment.engine.run(2)
    assert moment.engine.chains() == {run: "recovered"} and moment.engine.recovery().attempts_made == 1


def test_what_was_released_waits_for_the_canary_of_the_stage_that_a_person_skipped_to(
    moment: Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment.n8n.flows["x"] = Flow("x", HOST)
    runs = [moment.n8n.call(name) for name in "wwxx"]
    moment.n8n.hosts.clear()
    with monkeypatch.context() as busy:
        moment.n8n.after_retry = lambda: busy.setitem(loop.STAGES, "executions", lambda ctx, now: None)
        moment.hear(*runs)
        assert moment.engine.recovery().replaying and moment.ours() == 1
        moment.order(OrderWhat.SKIP_STAGE)
        moment.engine.tick()
    moment.n8n.after_retry = lambda: None
    moment.n8n.hosts[HOST] = 503
    moment.engine.run(3)
    canaries = [state for name, state in moment.engine.steps() if name == "retry_executions"]
    assert canaries == ["succeeded", "failed", "failed"] and moment.ours() == 3


def test_what_recovered_before_is_no_proof_when_it_comes_back(moment: Moment) -> None:
    moment.n8n.flows["x"] = Flow("x", HOST, tags=("medic:no-retry",))
    run = moment.fail()
    moment.n8n.hosts.clear()
    moment.hear(run)
    moment.engine.run(15)
    assert moment.engine.incident().state == "resolved"
    moment.n8n.hosts[HOST] = 503
    moment.hear(moment.n8n.call("x"))
    moment.engine.run(5)
    incident = moment.engine.incident()
    assert (incident.episode, incident.state) == (2, "needs_human") and "may be retried" in incident.because


def test_what_a_person_resolved_while_n8n_was_looked_at_is_left_alone(moment: Moment) -> None:
    run = moment.fail()
    moment.n8n.hosts.clear()
    moment.while_looking(OrderWhat.RESOLVE)
    moment.hear(run)
    moment.engine.run(60, 10)
    assert moment.ours() == 0 and moment.engine.chains() == {run: "left_alone"}
    assert moment.engine.incident().state == "resolved"


def test_a_retry_heard_before_what_it_retries_is_healed_once_with_its_chain(moment: Moment) -> None:
    root = moment.fail()
    second = moment.n8n.retry_by(root, "kim")["id"]
    leaf = moment.n8n.retry_by(second, "kim")["id"]
    moment.n8n.hosts.clear()
    moment.engine.hear(moment.n8n.tell(leaf))
    moment.engine.hear(moment.n8n.tell(second))
    moment.hear(root)
    moment.engine.run(30)
    assert moment.ours() == 1 and not any(one.succeeded_before for one in moment.n8n.retries)
    assert sorted(moment.engine.chains().values()) == ["left_alone", "recovered"]
    assert moment.engine.incident().state == "resolved"


def test_retries_of_a_chain_that_has_succeeded_are_no_new_chain(moment: Moment) -> None:
    root = moment.fail()
    moment.n8n.hosts.clear()
    moment.hear(root)
    assert moment.engine.chains() == {root: "recovered"}
    moment.n8n.hosts[HOST] = 503
    again = moment.n8n.retry_by(root, "kim")["id"]
    moment.hear(again)
    moment.hear(moment.n8n.retry_by(again, "kim")["id"])
    assert ExecutionRow.select().count() == 1 and moment.ours() == 1


def lose(moment: Moment, times: int, kind: str) -> Callable[[], None]:
    """The next calls for a retry fail before they begin."""
    left = [N8nError("it went wrong", kind) for _ in range(times)]

    def before() -> None:
        if left:
            raise left.pop()

    return before


def test_that_a_retry_never_began_is_believed_after_two_looks_fifteen_seconds_apart(moment: Moment) -> None:
    moment.n8n.settings = {"saveDataSuccessExecution": "all"}
    run = moment.fail()
    moment.n8n.hosts.clear()
    moment.n8n.before_retry = lose(moment, 1, "reset")
    moment.hear(run)
    moment.engine.run(29)
    assert moment.ours() == 0 and moment.engine.chains() == {run: "retrying"}
    moment.engine.run(2)
    assert moment.ours() == 1 and moment.engine.chains() == {run: "recovered"}


def test_it_is_not_believed_while_n8n_is_not_ready(moment: Moment) -> None:
    moment.n8n.settings = {"saveDataSuccessExecution": "all"}
    run = moment.fail()
    moment.n8n.hosts.clear()
    moment.n8n.before_retry = lose(moment, 1, "reset")
    moment.n8n.ready = lambda: "its database is away"  # type: ignore[method-assign]
    moment.hear(run)
    moment.engine.run(300, 5)
    assert moment.ours() == 0 and moment.engine.chains() == {run: "retrying"}


def test_whether_successes_are_saved_is_what_the_failed_run_was_begun_with(moment: Moment) -> None:
    """A retry goes by the settings of then: its success is gone, whatever a person has set since."""
    moment.n8n.settings = {"saveDataSuccessExecution": "none"}
    run = moment.fail()
    moment.n8n.settings = {"saveDataSuccessExecution": "all"}
    moment.n8n.hosts.clear()
    moment.n8n.before_retry = lose(moment, 1, "reset")
    moment.hear(run)
    moment.engine.run(60)
    assert moment.ours() == 0 and moment.engine.chain(run).asks, moment.engine.chain(run).because
    assert "may not save successes" in moment.engine.chain(run).because


def test_what_hung_between_its_intent_and_its_call_looks_at_n8n_before_it_calls(
    moment: Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit's answer comes two minutes late: another worker has found no retry by then, and made one."""
    moment.n8n.settings = {"saveDataSuccessExecution": "all"}
    run = moment.fail()
    moment.n8n.hosts.clear()
    call = replaying.ask_n8n

    def late(*args: Any) -> None:
        monkeypatch.setattr(replaying, "ask_n8n", call)
        moment.clock.advance(60)
        moment.engine.run(60)
        assert moment.engine.chains() == {run: "recovered"}
        call(*args)

    monkeypatch.setattr(replaying, "ask_n8n", late)
    moment.hear(run)
    moment.engine.run(60)
    assert moment.ours() == 1 and moment.engine.chains() == {run: "recovered"}


def doubtful(clock: FakeClock) -> tuple[Moment, str]:
    """A run that may have had its effect; Kim's retry of it was turned away, and the service is well again."""
    moment = Moment(clock, "POST")
    moment.n8n.hosts[HOST] = 504
    run = moment.fail()
    moment.hear(run)
    moment.n8n.hosts[HOST] = 503
    moment.hear(moment.n8n.retry_by(run, "kim")["id"])
    moment.n8n.hosts.clear()
    return moment, run


def test_what_may_have_been_done_is_not_repeated_because_somebodys_retry_was_turned_away(fake_clock: FakeClock) -> None:
    moment, run = doubtful(fake_clock)
    moment.order(OrderWhat.RETRY_NOW)
    moment.engine.run(60)
    assert moment.ours() == 0 and moment.engine.chain(run).asks
    assert "execution 1 of its chain" in moment.engine.chain(run).because
    moment.order(OrderWhat.APPROVE)
    moment.engine.run(60)
    assert moment.ours() == 1 and moment.engine.chains() == {run: "recovered"}


def test_a_yes_to_what_may_have_been_done_is_good_for_one_retry_that_was_turned_away(fake_clock: FakeClock) -> None:
    moment = Moment(fake_clock, "POST")
    moment.n8n.hosts[HOST] = 504
    run = moment.fail()
    moment.hear(run)
    moment.n8n.hosts[HOST] = 503
    moment.order(OrderWhat.APPROVE)
    moment.engine.run(60)
    moment.n8n.hosts.clear()
    moment.engine.run(600, 5)
    assert moment.ours() == 1 and moment.engine.chain(run).asks


@pytest.mark.parametrize("kind", ["rate_limited", "refused", "dns"])
def test_a_retry_that_certainly_did_not_begin_is_not_counted(moment: Moment, kind: str) -> None:
    run = moment.fail()
    moment.n8n.hosts.clear()
    moment.n8n.before_retry = lose(moment, 3, kind)
    moment.hear(run)
    moment.engine.run(120)
    assert moment.engine.chains() == {run: "recovered"} and moment.engine.chain(run).retries == 1


def test_a_permit_is_good_for_one_retry_and_is_kept_where_none_began(fake_clock: FakeClock) -> None:
    moment = Moment(fake_clock, "POST")
    moment.n8n.hosts[HOST] = 504
    run = moment.fail()
    moment.hear(run)
    assert moment.engine.recovery().state == "awaiting_approval" and moment.ours() == 0
    moment.n8n.before_retry = lose(moment, 2, "rate_limited")
    moment.order(OrderWhat.APPROVE)
    moment.engine.run(900, 5)
    assert moment.ours() == 1, "the second ambiguous answer asks again"
    assert moment.engine.chain(run).asks and moment.engine.recovery().state == "awaiting_approval"
    assert moment.engine.incident().asked == 2


def test_a_queued_retry_is_followed_and_not_asked_for_again(moment: Moment) -> None:
    run = moment.fail()
    moment.n8n.hosts[HOST] = "slow"
    moment.hear(run)
    moment.n8n.runs["2"]["status"] = "new"
    moment.engine.run(120, 5)
    assert moment.ours() == 1 and moment.engine.chains() == {run: "retrying"}


def test_our_retry_that_n8n_ran_at_its_next_start_is_seen_though_its_root_does_not_tell(moment: Moment) -> None:
    """n8n died between writing it down and beginning it: that run is begun when n8n starts, and noted nowhere else."""
    run = moment.fail()
    moment.n8n.hosts.clear()

    def die() -> None:
        moment.n8n.after_retry = lambda: None
        moment.n8n.runs[run]["retrySuccessId"] = None
        raise N8nError("the connection was cut", "reset")

    moment.n8n.after_retry = die
    moment.hear(run)
    moment.engine.run(120, 5)
    assert moment.ours() == 1 and moment.engine.chains() == {run: "recovered"}


def test_neither_is_a_persons_retry_of_which_its_root_does_not_tell_made_again(moment: Moment) -> None:
    run = moment.fail()
    moment.n8n.hosts.clear()
    moment.n8n.retry_by(run, "kim")
    moment.n8n.runs[run]["retrySuccessId"] = None
    moment.hear(run)
    moment.engine.run(120, 5)
    assert moment.ours() == 0 and moment.engine.chains() == {run: "recovered"}


def test_a_sign_of_health_that_proves_wrong_lets_one_try_only(moment: Moment) -> None:
    run = moment.fail()
    moment.hear(run)
    moment.engine.run(400, 5)
    assert moment.engine.incident().state == "needs_human"
    before = moment.ours()
    moment.n8n.hosts.clear()
    moment.fail()
    moment.n8n.hosts[HOST] = 503
    moment.clock.advance(1)
    poll_sites(moment.engine.ctx)
    moment.engine.run(60)
    assert moment.ours() <= before + 1 and moment.engine.incident().state == "needs_human"


def test_a_dry_run_tries_nothing_and_ends_with_a_person(fake_clock: FakeClock) -> None:

    engine = Engine(fake_clock, components={"orders": restartable("orders")})
    engine.ctx.dry_run = True
    for _ in range(2):
        engine.probe("orders", False)
    engine.run(30)
    assert engine.outside.commands == [] and engine.steps() == [("http", "failed"), ("run_command", "skipped")]
    assert engine.incident().state == "needs_human" and "dry run" in engine.incident().because
