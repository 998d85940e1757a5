"""Killed exactly there: at each line where a kill could lose something, or do it twice."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from recovery.store import database
from recovery.store.tables import AlertRow, EventRow, ExecutionRow, IncidentRow, SignalRow, StepRow
from tests.crash.scene import Scene, at_once, chains_of, is_alive, settle
from tests.n8n.real import free_port
from tests.standins.n8n_client import wait_for
from tests.standins.service import hang
from tests.story.medic import TOKENS

pytestmark = [pytest.mark.timeout(90), pytest.mark.crash]


def assert_placed_once(scene: Scene, retries: int = 1) -> None:
    assert scene.shop.placed() == {"a": 1}, "the order was placed exactly once"
    assert len(scene.retries()) == retries
    assert max(at_once(runs) for runs in chains_of(scene.n8n).values()) <= 1
    assert scene.chain().state == "recovered"
    assert set(scene.alert_keys()) == {row.key for row in AlertRow.select()}


# -- executions


def test_killed_after_the_intent_and_before_n8n_is_asked_it_asks_once(scene: Scene) -> None:
    scene.fail()
    scene.start_until_killed("--before", "recovery.outside.n8n:N8n.retry")
    assert scene.chain().state == "retrying" and not scene.retries()
    scene.heal()
    assert_placed_once(scene)
    assert "two looks" in _history("execution")


def test_killed_while_n8n_has_heard_but_not_begun_it_looks_twice_before_asking_again(scene: Scene) -> None:
    scene.fail(hang(0.5))
    worker = scene.start()
    retry, asked = scene.n8n.engine.retry, []

    def begin_late(*args: Any) -> Any:
        """The caller is killed, another worker comes and looks, and only then the run begins."""
        asked.append(args)
        if len(asked) == 1:
            scene.kill(worker)
            threading.Thread(target=scene.start).start()
            wait_for("the first look of the next worker", lambda: scene.chain().looks == 1, 20)
        return retry(*args)

    scene.n8n.engine.retry = begin_late  # type: ignore[method-assign]
    scene.wait("the healing", scene.is_over)
    settle(0.5)
    assert len(asked) == 1, "n8n was asked once"
    assert_placed_once(scene)


def test_killed_between_n8n_s_answer_and_its_record_it_finds_the_success_in_n8n(scene: Scene) -> None:
    scene.fail()
    scene.start_until_killed("--before", "recovery.worker.retrying:_answered")
    assert scene.shop.placed() == {"a": 1} and scene.chain().state == "retrying"
    scene.heal()
    assert_placed_once(scene)


def test_killed_between_a_failed_answer_and_its_record_it_hears_of_the_failure_once(scene: Scene) -> None:
    scene.fail(503, 200)
    scene.start_until_killed("--before", "recovery.worker.retrying:hear")
    assert len(scene.retries()) == 1 and scene.chain().state == "retrying"
    scene.heal()
    assert_placed_once(scene, retries=2)
    failed = SignalRow.select().where(SignalRow.kind == "failure")
    assert failed.count() == 2 and IncidentRow.get().signal_count == 2


def test_killed_while_the_retry_runs_it_follows_that_run(scene: Scene) -> None:
    scene.fail(hang(2.5))
    worker = scene.start()
    scene.wait("the retry", lambda: scene.retries())
    scene.kill(worker)
    scene.heal()
    assert_placed_once(scene)


def test_killed_with_the_record_written_and_not_committed_nothing_of_it_stands(scene: Scene) -> None:
    scene.fail()
    scene.start_until_killed("--after", "recovery.store.executions:finish_chain")
    assert scene.chain().state == "retrying", "the record was not committed"
    scene.heal()
    assert_placed_once(scene)
    assert _history("execution").count("recovered") == 1


def test_a_frozen_worker_that_wakes_after_it_was_taken_over_does_nothing(shared: Scene) -> None:
    shared.fail(hang(3.0))
    frozen = shared.start("worker", "--freeze", "--before", "recovery.worker.replaying:_judge", "--lease", "1.5")
    shared.wait("the trap", lambda: "springs" in shared.log())
    shared.start("worker", "--lease", "1.5")
    shared.wait("the other worker's retry", lambda: shared.retries())
    os.kill(frozen.pid, signal.SIGCONT)
    shared.wait("the healing", shared.is_over)
    assert_placed_once(shared)


def test_a_slow_n8n_does_not_outlast_the_claim(scene: Scene) -> None:
    scene.fail()
    scene.n8n.slow_seconds = 0.4
    scene.start("worker", "--lease", "1")
    scene.wait("the healing", scene.is_over, 20)
    assert_placed_once(scene)


# -- signals and decisions


@pytest.mark.parametrize(
    "place",
    [
        "recovery.store.executions:add_members",  # triage
        "recovery.store.recoveries:add_recovery",  # looking at the incident
        "recovery.store.executions:release_chain",  # planning
        "recovery.store.incidents:resolve_incident",
    ],
)
def test_killed_inside_a_decision_it_is_taken_anew_and_once(scene: Scene, place: str) -> None:
    scene.fail()
    scene.start_until_killed("--after", place)
    scene.heal()
    assert_placed_once(scene)
    assert IncidentRow.select().count() == 1 and StepRow.select().count() == 1
    assert sorted(row.kind for row in AlertRow.select()) == ["opened", "recovered"]


@pytest.fixture
def web(scene: Scene) -> Callable[..., requests.Response | None]:
    """Starts a web part, with a trap where one is given, and sends it a signal; None: no answer came."""
    scene.medic.port = free_port()

    def send(*trap: str) -> requests.Response | None:
        scene.medic.url = f"http://127.0.0.1:{scene.medic.port}"
        process = scene.start("web", "--listen", f"127.0.0.1:{scene.medic.port}", *trap)
        wait_for("the web part", lambda: _lives(scene), 20)
        try:
            return scene.medic.signal("probe", PROBE, **{"X-Medic-Delivery": "delivery-1"})
        except requests.RequestException:
            return None
        finally:
            process.terminate()
            process.wait(20)

    return send


PROBE = {"component": "till", "healthy": False}


def _lives(scene: Scene) -> bool:
    try:
        return scene.medic.session.get(f"{scene.medic.url}/healthz", timeout=2).ok
    except requests.RequestException:
        return False


def test_a_web_process_killed_before_the_commit_has_not_said_202(scene: Scene, web: Callable[..., Any]) -> None:
    write = "recovery.store.ingest_engines:SqliteEngine.write"
    assert web("--before", write, "--pause", "0.5") is None, "nothing may be promised before it is on the disk"
    assert SignalRow.select().count() == 0
    again = web()
    assert again.status_code == 202 and not again.json()["signals"][0]["duplicate"]
    assert [row.id for row in SignalRow.select()] == [again.json()["signals"][0]["id"]]


def test_a_web_process_killed_after_the_commit_knows_the_signal_when_it_is_sent_again(
    scene: Scene, web: Callable[..., Any]
) -> None:
    assert web("--after", "recovery.store.ingest_engines:SqliteEngine.write") is None
    assert SignalRow.select().count() == 1
    again = web()
    assert again.status_code == 202 and again.json()["signals"][0]["duplicate"]
    assert SignalRow.select().count() == 1
    assert TOKENS["MEDIC_WEBHOOK_TOKEN"] not in scene.log()


# -- alerts


def test_an_alert_handed_over_and_not_recorded_comes_again_with_the_same_key(scene: Scene) -> None:
    scene.fail()
    scene.start_until_killed("--before", "recovery.worker.sending:_taken")
    assert len(scene.alert_keys()) == 1 and AlertRow.get().state == "sending"
    scene.heal()
    keys = scene.alert_keys()
    assert len(keys) == 3 and keys[0] == keys[1] and len(set(keys)) == 2
    assert scene.hook.requests[0].json["kind"] == scene.hook.requests[1].json["kind"] == "opened"


def test_an_alert_claimed_and_not_handed_over_comes_once(scene: Scene) -> None:
    scene.fail()
    scene.start_until_killed("--before", "recovery.worker.sending:render")
    assert not scene.alert_keys()
    scene.heal()
    assert sorted(scene.alert_keys()) == sorted(row.key for row in AlertRow.select())


# -- steps and commands


def test_killed_after_claiming_a_restart_and_before_starting_it_the_restart_runs_once(scene: Scene) -> None:
    scene.component = scene.shop.component("till", "0.1")
    # The first step that is started is the check that confirms; the second is the restart.
    scene.start_until_killed("--before", "recovery.store.steps:start_step", "--nth", "2")
    assert not scene.shop.runs("till")
    scene.heal()
    assert [line.split()[0] for line in scene.shop.runs("till")] == ["start", "end"]
    assert "before it began" in _history("step")


def test_killed_between_the_start_of_a_restart_and_its_command_no_command_is_left(scene: Scene) -> None:
    scene.component = scene.shop.component("till", "0.1")
    scene.start_until_killed("--before", "recovery.store.steps:note_process")
    settle(0.3)
    assert not scene.shop.runs("till"), "a command that is not on record does nothing"
    scene.heal()
    assert [line.split()[0] for line in scene.shop.runs("till")] == ["start", "end"]


@pytest.mark.parametrize("how", ["", "stubborn"])
def test_a_command_that_survives_its_worker_is_ended_before_the_next_one_starts(scene: Scene, how: str) -> None:
    scene.component = scene.shop.component("till", "60,0.1", how)
    worker = scene.start()
    scene.wait("the command", lambda: scene.shop.runs("till"))
    survivor = int(scene.shop.runs("till")[0].split()[1])
    scene.kill(worker)
    settle(0.2)
    assert is_alive(survivor), "only what the worker itself started dies with it"
    scene.heal()
    words = [line.split()[0] for line in scene.shop.runs("till")]
    assert words == ["start", "start", "end"], "no two runs at the same time, and the first one never ended"
    assert not is_alive(survivor)
    assert "safe to repeat" in _history("step")


def test_killed_between_the_end_of_a_command_and_its_record_the_restart_is_repeated_alone(scene: Scene) -> None:
    scene.component = scene.shop.component("till", "0.1")
    scene.start_until_killed("--before", "recovery.worker.executor:_record", "--nth", "2")
    assert [line.split()[0] for line in scene.shop.runs("till")] == ["start", "end"]
    scene.heal()
    assert [line.split()[0] for line in scene.shop.runs("till")] == ["start", "end", "start", "end"]


def test_a_lost_action_that_is_not_safe_to_repeat_is_unknown_and_a_person_is_called(scene: Scene) -> None:
    scene.component = scene.shop.component("till", "60")
    worker = scene.start()
    scene.wait("the command", lambda: scene.shop.runs("till"))
    scene.kill(worker)
    with database.write():
        StepRow.update(safe_to_repeat=False).execute()
    scene.start()
    scene.wait("a person's call", lambda: _states(IncidentRow) == {"needs_human"})
    assert [line.split()[0] for line in scene.shop.runs("till")] == ["start"]
    assert StepRow.get(StepRow.name == "run_command").state == "unknown"


def _states(table: Any) -> set[str]:
    return {row.state for row in table.select()}


def _history(subject: str) -> str:
    query = EventRow.select().where(EventRow.subject == subject).order_by(EventRow.id)
    return "\n".join(f"{row.after}: {row.because}" for row in query)


def test_the_worker_s_lock_dies_with_it(scene: Scene, tmp_path: Path) -> None:
    first = scene.start()
    scene.wait("the first worker", lambda: "ready" in scene.log())
    second = scene.start()
    assert second.wait(20) != 0 and "another worker" in scene.log()
    scene.kill(first)
    third = scene.start()
    scene.wait("the next worker", lambda: scene.log().count("the worker is ready") == 2)
    assert third.poll() is None
    assert not ExecutionRow.select().exists()
