"""n8n in queue mode: what we rely on, on the stand-in and on a real one with workers; the main loop on the real one."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import fresh_postgres
from tests.n8n import workflows as w
from tests.n8n.queued import queued_n8n
from tests.n8n.real import RealN8n
from tests.n8n.world import ID_OF_BODY, World, nope
from tests.standins.n8n import StandInN8n
from tests.standins.n8n_client import wait_for
from tests.standins.service import Service, hang
from tests.story.medic import Medic
from tests.story.test_n8n_stories import Stage

SLOW = 120  # seconds that a worker may take until it is there, on a machine that does much else


@pytest.fixture(scope="module")
def queued(postgres_server: str) -> Iterator[RealN8n]:
    """The real one, for all tests of this file: its first start makes its database."""
    for url in fresh_postgres(postgres_server):
        with queued_n8n(url) as n8n:
            yield n8n


@pytest.fixture(scope="module", params=["stand-in", pytest.param("real", marks=pytest.mark.n8n)])
def either(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "real":
        with World(request.getfixturevalue("queued")) as world:
            yield world
        return
    with StandInN8n() as n8n, World(n8n) as world:
        yield world


def running(n8n: StandInN8n | RealN8n) -> set[str]:
    """The ids of what runs, as n8n has it: for ever what a killed worker ran by itself, such as an error workflow."""
    return {one["id"] for one in n8n.executions(status="running")}


@pytest.fixture
def world(either: World) -> Iterator[World]:
    """With a worker at its begin and at its end, and a service that is forgetful of earlier tests."""
    either.begin_afresh()
    yield either
    either.n8n.kill_workers()
    either.n8n.start_worker()


def begun(world: World, path: str = "/second") -> str:
    """A workflow of two calls whose second hangs; the id of its run, once that has begun."""
    world.service.behave(path, hang(60))
    first = w.http("First", world.url("/first"), "POST", ID_OF_BODY)
    workflow_id, hook = world.publish(first, w.http("Second", world.url(path)))
    world.n8n.call(hook, {"id": "a"})
    wait_for("the second call", lambda: world.service.calls(path), SLOW)
    [run] = wait_for("its run", lambda: world.n8n.executions(workflow_id, "running"))
    time.sleep(1.0 if world.is_real else 0.0)  # n8n writes its journal just after a node began
    return str(run["id"])


def has_status(world: World, execution_id: str, status: str) -> dict[str, Any]:
    """The execution with its data, once it has that status."""
    look = lambda: (one := world.n8n.execution(execution_id))["status"] == status and one  # noqa: E731
    return dict(wait_for(f"execution {execution_id} is {status}", look, SLOW))


# -- what we rely on


def test_a_retry_is_answered_at_its_end_and_without_the_data_of_nodes(world: World) -> None:
    world.service.behave("/order", nope(503), 200)
    workflow_id, hook = world.publish(w.no_op(), w.http("Call", world.url("/order")))
    world.n8n.call(hook, {})
    failed = world.n8n.ended(workflow_id, 1, SLOW)[0]["id"]
    again = world.retry(failed)
    assert (again["status"], again["retryOf"], again["mode"]) == ("success", failed, "retry")
    assert not world.is_real or again["data"]["resultData"]["runData"] == {}
    assert world.n8n.execution(failed)["retrySuccessId"] == again["id"]


def test_what_waits_for_a_worker_is_in_no_list_and_is_given_by_its_number(world: World) -> None:
    left = running(world.n8n)
    world.service.behave("/order", nope(503), 200)
    workflow_id, hook = world.publish(w.http("Call", world.url("/order")))
    world.n8n.call(hook, {})
    failed = world.n8n.ended(workflow_id, 1, SLOW)[0]["id"]
    wait_for("its error workflow", lambda: world.told.calls("/errors"), SLOW)
    wait_for("that one's end", lambda: not running(world.n8n) - left)
    world.n8n.kill_workers()
    newest = int(world.n8n.executions()[0]["id"])
    threading.Thread(target=world.n8n.retry, args=(failed,), daemon=True).start()
    queued = str(newest + 1)
    look = lambda: world.n8n.api("GET", f"executions/{queued}")  # noqa: E731
    wait_for("the retry", lambda: look().status_code == 200)
    assert (look().json()["status"], look().json()["retryOf"]) == ("new", failed)
    listed = [one for status in ("", "new", "running", "waiting") for one in world.n8n.executions(workflow_id, status)]
    assert {one["id"] for one in listed} == {failed}
    assert world.n8n.api("POST", f"executions/{queued}/retry", {}).status_code == 409
    assert world.door.executions("new")[0] == []
    world.n8n.start_worker()
    has_status(world, queued, "success")
    assert len(world.service.calls("/order")) == 2


def test_a_lost_workers_run_is_given_up_with_all_its_data_and_its_retry_runs_nothing(world: World) -> None:
    run = begun(world)
    world.n8n.kill_workers()
    time.sleep(0.5)
    assert world.n8n.execution(run)["status"] == "running", "nobody notices"
    assert not world.told.calls("/errors")
    world.service.behave("/second", 200)
    world.n8n.start_worker()
    given_up = has_status(world, run, "error")
    error = given_up["data"]["resultData"]["error"]
    assert error["message"].startswith("This execution failed to be processed too many times")
    assert not {"name", "node", "timestamp"} & set(error)
    assert given_up["data"]["resultData"]["runData"] == {}
    assert given_up["data"]["executionData"]["nodeExecutionStack"] == []
    told = world.item_of(run, SLOW)["execution"]
    assert told["error"]["message"] == error["message"] and not told.get("lastNodeExecuted")
    again = world.retry(run)
    assert again["status"] == "error"
    kept = has_status(world, again["id"], "error")
    assert (kept["finished"], world.n8n.execution(run)["retrySuccessId"]) == (True, again["id"])
    assert [len(world.service.calls(path)) for path in ("/first", "/second")] == [1, 1], "nothing was run again"


@pytest.mark.n8n
def test_a_worker_that_comes_back_to_its_folder_tells_of_the_crash_before_all_is_given_up(queued: RealN8n) -> None:
    with World(queued) as world:
        queued.kill_workers()
        queued.start_worker("kept")
        run = begun(world)
        queued.kill_workers()
        world.service.behave("/second", 200)
        queued.start_worker("kept")
        crashed = has_status(world, run, "crashed")
        assert [entry["node"]["name"] for entry in crashed["data"]["executionData"]["nodeExecutionStack"]] == [
            "Webhook"
        ]
        assert {"Webhook", "First", "Second"} == set(crashed["data"]["resultData"]["runData"])
        given_up = has_status(world, run, "error")
        assert given_up["data"]["executionData"]["nodeExecutionStack"] == []
        assert len(world.service.calls("/second")) == 1


@pytest.mark.n8n
def test_two_workers_on_one_folder_take_each_others_runs_for_crashed(queued: RealN8n) -> None:
    with World(queued) as world:
        queued.kill_workers()
        queued.start_worker("shared")
        run = begun(world)
        queued.start_worker("shared")
        has_status(world, run, "crashed")


# -- the loop


class Queue(Stage):
    """A real n8n in queue mode, and an n8n-medic that looks after it and its queue."""

    left: set[str] = set()  # what was running when its worker was killed, before this test

    @property
    def flag(self) -> Path:
        """What a restart of the worker leaves, where the restart is a test's own."""
        return self.folder / "restarted"

    def rest(self) -> None:
        """Wait until no worker has a run, such as the error workflow's, which we have heard before it ends.

        A killed worker's run counts as worked on until another one takes it over, and so no queue would stall at once.
        """
        wait_for("no run", lambda: not running(self.n8n) - self.left, SLOW)
        time.sleep(0.5)  # n8n writes its end down just before it takes it out of the queue

    def medic(self, **config: Any) -> Medic:
        restart = ["touch", str(self.flag)]
        check = {"kind": "n8n_queue", "after": "2s"}
        queue = {"name": "queue of n8n", "check": check, "every": "1s", "restart": restart, "boot_grace": "60s"}
        return super().medic(components=[queue], **config)


@pytest.fixture
def stage(queued: RealN8n, tmp_path: Path) -> Iterator[Queue]:
    with Service() as service:
        queued.kill_workers()
        found = Queue(queued, service, tmp_path)
        found.left = running(queued)
        queued.start_worker()
        yield found


@pytest.mark.n8n
def test_callbacks_and_polls_of_queue_mode_are_healed_by_a_canary_and_each_is_run_once(stage: Queue) -> None:
    patient = {"stages": [{"after": "0s", "attempts": 1}, {"after": "10s", "attempts": 3}], "settle": "1s"}
    with stage.medic(recovery=patient) as medic:
        medic.wait_for_n8n()
        unwired, alone = stage.workflow(stage.call_service("POST"))
        stage.wire(medic)
        wired, path = stage.workflow(stage.call_service("POST"))
        stage.service.behave("/order", 503)
        for number in range(10):
            stage.n8n.call(path, {"id": f"wired{number}"})
            stage.n8n.call(alone, {"id": f"alone{number}"})
        for one in (unwired, wired):
            stage.n8n.ended(one, 10, SLOW)
        medic.wait("all are known", lambda: len(medic.executions()) == 20, 60)
        stage.service.behave("/order", 200)
        healed = medic.wait_for_incident("resolved", 150, component=stage.service.url[7:])
        assert [one["state"] for one in healed["executions"]] == ["recovered"] * 20
        good = [call.id for call in stage.service.calls("/order") if call.answered == 200]
        assert sorted(good) == sorted(f"{one}{number}" for one in ("wired", "alone") for number in range(10))


@pytest.mark.n8n
def test_a_stalled_queue_is_told_and_restarted_and_what_waits_in_it_is_retried_once(stage: Queue) -> None:
    later = {"stages": [{"after": "6s", "attempts": 1}], "settle": "1s"}
    with stage.medic(recovery=later) as medic:
        stage.wire(medic)
        workflow_id, path = stage.workflow(stage.call_service("POST"))
        stage.service.behave("/order", 503)
        stage.n8n.call(path, {"id": "once"})
        stage.n8n.ended(workflow_id, 1, SLOW)
        medic.wait("it is heard", medic.executions, 60)
        stage.rest()
        stage.n8n.kill_workers()
        stage.service.behave("/order", 200)
        waits = lambda: "waits in n8n's queue" in medic.executions()[0]["because"]  # noqa: E731
        medic.wait("its retry waits in the queue", waits, 90)
        stalled = medic.wait("the stalled queue", lambda: medic.incidents(component="queue of n8n"), 60)[0]
        assert stalled["failure_type"] == "queue_stalled"
        medic.wait("the restart", stage.flag.exists, 60)
        stage.n8n.start_worker()
        medic.wait_for_incident("resolved", 120, component="queue of n8n")
        healed = medic.wait_for_incident("resolved", 90, component=stage.service.url[7:])
        assert [one["state"] for one in healed["executions"]] == ["recovered"]
        assert stage.service.counts("/order") == {"once": 2}, "it failed, and its one retry placed it"


@pytest.mark.n8n
def test_what_a_killed_worker_ran_is_never_run_twice_and_a_person_is_called(stage: Queue) -> None:
    with stage.medic() as medic:
        stage.wire(medic)
        _, path = stage.workflow(stage.call_service("POST"), w.http("Hangs", f"{stage.service.url}/hang", "POST"))
        stage.service.behave("/hang", hang(60))
        stage.n8n.call(path, {"id": "killed"})
        wait_for("it hangs", lambda: stage.service.calls("/hang"), SLOW)
        stage.n8n.kill_workers()
        stage.service.behave("/hang", 200)
        stage.n8n.start_worker()
        incident = medic.wait_for_incident("needs_human", 120, component="n8n")
        assert incident["failure_type"] == "queue_stalled" and "Begin it anew" in incident["advice"]
        medic.order(incident["id"], "retry_now")
        look = lambda: medic.incident(incident["id"])["executions"][0]  # noqa: E731
        medic.wait("it is left alone", lambda: look()["state"] == "left_alone", 60)
        assert "a retry would run nothing" in look()["because"]
        assert stage.service.counts("/order") == {"killed": 1} and len(stage.service.calls("/hang")) == 1
