"""n8n in queue mode, when its workers are lost: nothing runs twice, nothing is called done that is not."""

import re
import threading
from typing import Any

import pytest

from recovery.alerts.messages.phrases import said_in
from recovery.model import OrderWhat
from recovery.outside.n8n import N8n
from recovery.store import orders
from recovery.worker import reading_n8n
from tests.conftest import FakeClock
from tests.n8n import workflows as flow
from tests.standins.n8n import StandInN8n
from tests.standins.n8n_client import wait_for
from tests.standins.service import Service, hang
from tests.story.place import Place

pytestmark = pytest.mark.usefixtures("store")
PATIENCE = 0.3  # seconds of real time until a retry's answer is no longer waited for


@pytest.fixture
def place(fake_clock: FakeClock) -> Any:
    with StandInN8n() as n8n, Service() as service:
        found = Place(fake_clock, n8n, service)
        found.engine.outside._n8n["default"] = N8n("default", n8n.url, n8n.api_key, timeout_seconds=PATIENCE)
        yield found


def is_korean(text: str) -> bool:
    """Whether a Korean page says it in Korean."""
    return said_in("ko", text) != text and not re.search("[a-z]{4}", said_in("ko", text))


def failed(place: Place) -> str:
    """A run that failed while the service was away, which is back; n8n's id of it."""
    workflow_id = place.workflow("orders")
    place.n8n.call("orders", {"id": "good"})  # so that n8n is known to save successes
    place.n8n.ended(workflow_id)
    place.service.behave("/orders", 503)
    [run] = place.fail("orders", workflow_id, "a")
    place.service.behave("/orders", 200)
    return run


def test_a_retry_that_waits_in_the_queue_is_followed_and_not_begun_again(place: Place) -> None:
    run = failed(place)
    place.n8n.kill_workers()
    place.poll()
    place.engine.run(200, 5)
    chain = place.engine.chain(run)
    assert chain.because == "execution 3 of its chain waits in n8n's queue" and chain.retries == 1
    assert set(place.n8n.engine.executions) == {"1", run, "3"} and is_korean(chain.because)
    place.n8n.start_worker()
    wait_for("the retry", lambda: place.service.counts("/orders")["a"] == 2)
    place.engine.run(60, 5)
    assert place.engine.chains() == {run: "recovered"}
    assert place.service.counts("/orders")["a"] == 2


def test_a_retry_by_hand_that_waits_in_the_queue_is_not_joined_by_ours(place: Place) -> None:
    run = failed(place)
    place.n8n.kill_workers()
    threading.Thread(target=place.n8n.retry, args=(run,), daemon=True).start()
    wait_for("it waits", lambda: "3" in place.n8n.engine.executions)
    for _ in range(2):
        place.n8n.call("orders", {"id": "later"})  # they wait behind it
    place.poll()
    place.engine.run(30, 5)
    assert len(place.n8n.engine.executions) == 5, "ours would be the sixth"
    place.n8n.start_worker()
    wait_for("the retry", lambda: place.service.counts("/orders").get("a") == 2)
    place.engine.run(60, 5)
    assert place.engine.chains() == {run: "recovered"} and place.service.counts("/orders")["a"] == 2


def lost(place: Place) -> str:
    """A run whose worker was killed in its middle, and that n8n has given up; n8n's id of it."""
    first = flow.http("First", f"={place.service.url}/first?id={{{{ $json.body.id }}}}", "POST")
    workflow_id = place.workflow("two", first, flow.http("Second", f"{place.service.url}/second"))
    place.service.behave("/second", hang(30), 200)
    place.n8n.call("two", {"id": "a"})
    wait_for("it runs", lambda: place.service.calls("/second"))
    [run] = place.n8n.executions(workflow_id, "running")
    place.n8n.kill_workers()
    place.n8n.start_worker()
    return str(run["id"])


def test_what_a_lost_worker_ran_is_left_to_a_person_whatever_they_click(place: Place) -> None:
    run = lost(place)
    place.poll()
    incident = place.engine.incident()
    assert (incident.component, incident.failure_type, incident.state) == ("n8n", "queue_stalled", "needs_human")
    assert "needs_human" in place.engine.alerts() and "Begin it anew where it came from" in incident.advice
    orders.add_order(incident.id, OrderWhat.RETRY_NOW, "kim", place.clock.now)
    place.engine.run(30, 5)
    assert place.engine.chains() == {run: "left_alone"}
    assert "a retry would run nothing" in place.engine.chain(run).because
    told = (
        incident.advice,
        place.engine.chain(run).because,
        "more executions wait in n8n's queue than can be looked through",
    )
    assert all(is_korean(one) for one in told), [said_in("ko", one) for one in told]
    assert list(place.n8n.engine.executions) == [run], "no retry was begun, and none could be"


def test_a_retry_that_ran_nothing_is_no_success_though_n8n_notes_one(place: Place) -> None:
    run = lost(place)
    place.poll()
    assert place.n8n.retry(run).json()["status"] == "error"
    assert place.n8n.execution(run)["retrySuccessId"] == "2"
    orders.add_order(place.engine.incident().id, OrderWhat.RETRY_NOW, "kim", place.clock.now)
    place.engine.run(30, 5)
    assert place.engine.chains() == {run: "waiting"} and place.engine.incident().state == "needs_human"
    assert place.service.counts("/first") == {"a": 1}


def test_a_queue_that_is_too_long_to_be_looked_through_lets_nothing_begin(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_n8n, "MOST_UNLISTED", 5)
    run = failed(place)
    place.n8n.kill_workers()
    for _ in range(6):
        place.n8n.call("orders", {"id": "later"})
    place.poll()
    assert place.engine.chain(run).because.startswith("n8n cannot be asked now: more executions wait")
    assert place.service.counts("/orders")["a"] == 1


def test_where_nobody_can_know_whether_our_retry_waits_a_person_is_asked(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = failed(place)
    for _ in range(6):  # n8n saves none of these, so that their numbers are gaps
        place.n8n.engine.begin(place.n8n.engine.executions[run].workflow, "webhook", {})
    for number in range(3, 9):
        del place.n8n.engine.executions[str(number)]
    place.n8n.kill_workers()
    monkeypatch.setattr(place.engine.outside.n8n("default"), "retry", lambda _: None)
    place.n8n.start_worker()
    place.n8n.call("orders", {"id": "newer"})
    wait_for("it", lambda: place.service.counts("/orders").get("newer"))
    monkeypatch.setattr(reading_n8n, "MOST_UNLISTED", 5)
    place.poll()
    place.engine.run(120, 5)
    chain = place.engine.chain(run)
    assert (chain.state, chain.retries) == ("left_alone", 1) and "more executions wait" in chain.because
    assert place.service.counts("/orders")["a"] == 1
