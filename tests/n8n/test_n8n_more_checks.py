"""The checks of what n8n itself does not tell, on both n8ns: `recovery.checks.n8n_waiting`,
`recovery.checks.n8n_queue`, `recovery.checks.n8n_published`, `recovery.checks.n8n_credentials` and
`recovery.checks.n8n_pruning`.
"""

import json
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from recovery.clock import utc_now
from recovery.model import FailureType, N8nError, N8nNumbers
from recovery.outside.n8n import N8n
from tests.n8n import workflows as w
from tests.n8n.looking import look
from tests.n8n.real import RealN8n
from tests.n8n.world import World, nope
from tests.plugins.databases import redis_server
from tests.standins.n8n import StandInN8n
from tests.standins.n8n_client import wait_for

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def standin() -> Iterator[StandInN8n]:
    with StandInN8n() as standin:
        yield standin


def door_to(n8n: Any) -> N8n:
    return N8n("default", n8n.url, n8n.api_key)


# -- executions that wait


def waits(world: World, **parameters: Any) -> str:
    """The id of an execution that n8n has put away until it is woken."""
    pause = w.node("Pause", "wait", 1.1, parameters, webhookId=str(uuid.uuid4()))
    workflow_id, path = world.publish(pause)
    world.n8n.call(path, {})
    found = wait_for("the waiting execution", lambda: world.n8n.executions(workflow_id, "waiting"))
    return str(found[0]["id"])


def stop(world: World, execution_id: str) -> None:
    assert world.n8n.api("POST", f"executions/{execution_id}/stop").ok


def test_an_execution_that_was_not_woken_is_stuck_until_it_is_stopped(world: World) -> None:
    run = waits(world, amount=2, unit="hours")
    for later in (timedelta(0), 2 * HOUR, 2 * HOUR + 9 * MINUTE):
        assert look("n8n_waiting", world.door, later).healthy, "its time has not come, or only just"
    reading = look("n8n_waiting", world.door, 3 * HOUR)
    assert not reading.healthy and reading.failure_type == FailureType.WORKFLOW_STUCK and not reading.permanent
    assert reading.because.startswith(f"1 wait for ever: execution {run} of workflow ")
    assert "(due 5" in reading.because or "(due 60 min" in reading.because
    stop(world, run)
    assert look("n8n_waiting", world.door, 3 * HOUR).healthy


def test_an_execution_that_waits_for_a_call_is_stuck_after_a_week(world: World) -> None:
    run = waits(world, resume="webhook", options={})
    assert look("n8n_waiting", world.door, 6 * DAY).healthy
    reading = look("n8n_waiting", world.door, 8 * DAY)
    assert f"execution {run} of workflow" in reading.because and "waits for a call for 8 d" in reading.because
    assert look("n8n_waiting", world.door, 8 * DAY, longer_than="9d").healthy
    stop(world, run)
    assert look("n8n_waiting", world.door, 8 * DAY).healthy


def test_rows_that_cannot_be_read_wait_for_nothing() -> None:
    odd = [
        {},
        {"id": 7, "waitTill": "never"},
        {"waitTill": 5, "stoppedAt": ["x"]},
        {"startedAt": "2020-01-01T00:00:00"},
    ]
    door = SimpleNamespace(executions=lambda *a, **m: (odd, "more"))
    reading = look("n8n_waiting", door)
    assert reading.healthy and reading.because == "none of at least 16 waiting executions is stuck"


# -- the queue


def test_a_queue_that_does_not_move_is_stalled_and_one_that_moves_is_not(standin: StandInN8n) -> None:
    def numbers(waiting: int, active: int, completed: int, failed: int = 0) -> None:
        found = {"waiting": waiting, "active": active, "completed": completed, "failed": failed}
        standin.numbers = {f"scaling_mode_queue_jobs_{name}": float(value) for name, value in found.items()}

    door = door_to(standin)
    numbers(3, 0, 10)
    memory: Any = None
    for minutes, state, healthy in (
        (0, (3, 0, 10), True), (4, (5, 0, 10), True), (6, (5, 0, 10), False), (7, (5, 0, 11), True),
        (11, (9, 2, 11), True), (15, (9, 2, 11), True), (40, (9, 2, 11), True), (42, (9, 2, 11), False),
        (43, (9, 2, 11, 1), True), (44, (0, 0, 20), True), (60, (0, 0, 20), True), (61, (1, 0, 20), True),
    ):  # fmt: skip
        numbers(*state)
        reading = look("n8n_queue", door, minutes * MINUTE, memory)
        assert reading.healthy == healthy, (minutes, reading.because)
        assert healthy or reading.failure_type == FailureType.QUEUE_STALLED
        memory = json.loads(json.dumps(reading.memory))
    numbers(9, 2, 20)
    first = look("n8n_queue", door)
    because = look("n8n_queue", door, 31 * MINUTE, first.memory).because
    assert because == (
        "9 wait in the queue and 2 are worked on, as n8n's metrics tell; nothing moved for 31 min: "
        "its workers may have been killed"
    )


def test_where_the_metrics_are_off_the_ids_after_the_newest_are_asked_for() -> None:
    asked: list[str] = []

    def execution(number: str) -> Any:
        asked.append(number)
        return {"id": number, "status": queued[number]} if number in queued else None

    def executions(status: str = "", **more: Any) -> Any:
        rows = {"": [{"id": "11"}, {"id": "x"}], "running": [{"id": "12"}], "new": []}[status]
        return rows, ""

    queued = {"13": "new", "14": "success", "15": "new"}
    door = SimpleNamespace(numbers=N8nNumbers, executions=executions, execution=execution)
    first = look("n8n_queue", door)
    assert asked == ["13", "14", "15", "16", "17"]
    assert first.healthy and first.because == "2 wait in the queue and 1 are worked on, as n8n's API tells"
    assert not look("n8n_queue", door, 31 * MINUTE, first.memory).healthy
    queued = {"15": "new"}
    assert look("n8n_queue", door, 31 * MINUTE, first.memory).healthy, "the oldest was begun"


@pytest.mark.n8n
def test_a_real_queue_stalls_without_a_worker_and_moves_with_one() -> None:
    with redis_server() as redis:
        queue = {"EXECUTIONS_MODE": "queue", "QUEUE_BULL_REDIS_PORT": str(redis.port)}
        metrics = {"N8N_METRICS_INCLUDE_QUEUE_METRICS": "true", "N8N_METRICS_QUEUE_METRICS_INTERVAL": "1"}
        with RealN8n(**queue, **metrics, QUEUE_BULL_REDIS_HOST="127.0.0.1") as n8n:
            door = door_to(n8n)
            workflow_id = n8n.create_workflow(w.workflow("Queued", w.webhook("queued"), w.no_op()))
            n8n.activate(workflow_id, "queued")
            for number in range(3):
                n8n.call("queued", {"id": number})
            wait_for("the gauge", lambda: door.numbers().values.get("scaling_mode_queue_jobs_waiting") == 3)
            mute = SimpleNamespace(numbers=N8nNumbers, executions=door.executions, execution=door.execution)
            assert door.executions("new")[0] == [], "n8n does not list what waits in its queue"
            firsts = [(one, look("n8n_queue", one)) for one in (door, mute)]
            for one, first in firsts:
                assert first.healthy and first.because.startswith("3 wait in the queue and 0 are worked on")
                stalled = look("n8n_queue", one, 6 * MINUTE, first.memory)
                assert stalled.failure_type == FailureType.QUEUE_STALLED and "no worker takes them" in stalled.because
            n8n.start_worker()
            n8n.ended(workflow_id, 3, 60)
            wait_for("the gauge", lambda: door.numbers().values["scaling_mode_queue_jobs_waiting"] == 0)
            for one, first in firsts:
                assert look("n8n_queue", one, 6 * MINUTE, first.memory).healthy
            leave_work_to_killed_workers(n8n, door)
            for one in (door, mute):
                first = look("n8n_queue", one)
                assert first.because.startswith("1 wait in the queue and 2 are worked on"), first.because
                assert look("n8n_queue", one, 29 * MINUTE, first.memory).healthy
                stalled = look("n8n_queue", one, 31 * MINUTE, first.memory)
                assert not stalled.healthy and "its workers may have been killed" in stalled.because


def leave_work_to_killed_workers(n8n: RealN8n, door: N8n) -> None:
    """Two executions that a worker had begun when it was killed, and one that waits."""
    slow = n8n.create_workflow(w.workflow("Slow", w.webhook("slow"), w.wait_seconds(50)))
    n8n.activate(slow, "slow")
    for _ in range(2):
        n8n.call("slow", {})
    wait_for("they are taken", lambda: door.numbers().values["scaling_mode_queue_jobs_active"] == 2)
    wait_for("they run", lambda: len(n8n.executions(slow, "running")) == 2)  # which the worker writes down later
    n8n.kill_workers()
    n8n.call("slow", {})
    wait_for("one waits", lambda: door.numbers().values["scaling_mode_queue_jobs_waiting"] == 1)
    assert door.numbers().values["scaling_mode_queue_jobs_active"] == 2, "n8n does not notice"


# -- workflows that are not published any more


def test_a_workflow_that_is_not_published_any_more_is_missed_until_it_is(world: World) -> None:
    workflow_id, path = world.publish(w.no_op(), name="Take orders")
    first = look("n8n_published", world.door)
    assert first.healthy
    deactivate = f"workflows/{workflow_id}/deactivate"
    assert world.n8n.api("POST", deactivate).ok
    then = look("n8n_published", world.door, memory=first.memory)
    assert then.healthy, "somebody may be putting it anew"
    missed = look("n8n_published", world.door, 2 * MINUTE, then.memory)
    assert (missed.healthy, missed.permanent) == (False, True)
    assert missed.failure_type == FailureType.WEBHOOK_UNREGISTERED
    assert f"Take orders {path} ({workflow_id}, for 2 min)" in missed.because
    assert look("n8n_published", world.door, 2 * MINUTE, then.memory, ignore=[workflow_id]).healthy
    assert look("n8n_published", world.door, 2 * DAY, missed.memory).healthy, "it is meant so by now"
    world.n8n.activate(workflow_id, path)
    again = look("n8n_published", world.door, 3 * MINUTE, missed.memory)
    assert again.healthy and again.memory and workflow_id in again.memory["known"]
    assert world.n8n.api("POST", deactivate).ok
    ahead = {**then.memory, "gone": {workflow_id: (utc_now() + 300 * DAY).timestamp()}}
    assert look("n8n_published", world.door, memory=ahead).memory["gone"][workflow_id] <= utc_now().timestamp()
    gone = look("n8n_published", world.door, 4 * MINUTE, again.memory)
    assert not look("n8n_published", world.door, 6 * MINUTE, gone.memory).healthy
    assert world.n8n.api("POST", f"workflows/{workflow_id}/archive").ok
    assert look("n8n_published", world.door, 6 * MINUTE, gone.memory).healthy, "an archived one is meant to be gone"
    assert world.n8n.api("DELETE", f"workflows/{workflow_id}").ok
    assert look("n8n_published", world.door, 6 * MINUTE, gone.memory).healthy, "so is a deleted one"


@pytest.mark.n8n
def test_a_workflow_that_n8n_unpublished_by_itself_is_missed() -> None:
    by_itself = {
        "N8N_WORKFLOW_AUTODEACTIVATION_ENABLED": "true",
        "N8N_WORKFLOW_AUTODEACTIVATION_MAX_LAST_EXECUTIONS": "1",
    }
    with RealN8n(**by_itself) as n8n:
        door = door_to(n8n)
        workflow_id = n8n.create_workflow(w.workflow("Crashes", w.webhook("crashes"), w.wait_seconds(60)))
        n8n.activate(workflow_id, "crashes")
        first = look("n8n_published", door)
        assert first.memory and first.memory["known"] == [workflow_id]
        n8n.call("crashes", {})
        wait_for("it runs", lambda: n8n.executions(workflow_id, "running"))
        time.sleep(0.5)  # n8n writes its journal just after a node began
        n8n.kill9()
        n8n.start()
        wait_for("n8n unpublishes it", lambda: not door.published_workflows(), 60)
        then = look("n8n_published", door, memory=first.memory)
        missed = look("n8n_published", door, 2 * MINUTE, then.memory)
        assert not missed.healthy and f"Crashes ({workflow_id}, for 2 min)" in missed.because
        n8n.activate(workflow_id, "crashes")
        assert look("n8n_published", door, 3 * MINUTE, missed.memory).healthy


def test_tags_choose_which_workflows_are_meant(world: World) -> None:
    workflow_id, _ = world.publish(w.no_op(), name="Tagged")
    world.n8n.tag(workflow_id, "only of this test")
    only = look("n8n_published", world.door, only=["only of this test"])
    assert only.memory and only.memory["known"] == [workflow_id]
    ignoring = look("n8n_published", world.door, ignore=["only of this test"])
    assert ignoring.memory and workflow_id not in ignoring.memory["known"]


def test_no_more_than_a_few_hundred_are_remembered_and_those_watched_stay() -> None:
    workflows = [{"id": f"w{n:04}", "active": True} for n in range(200, 900)]
    door = SimpleNamespace(published_workflows=lambda: workflows, workflow=lambda name: {"id": name, "name": name})
    first = look("n8n_published", door)
    assert first.memory and len(first.memory["known"]) == 300
    workflows[:0] = [{"id": f"w{n:04}", "active": True} for n in range(200)]
    second = look("n8n_published", door, memory=first.memory)
    assert second.memory and second.memory["known"] == first.memory["known"]
    workflows.clear()
    third = look("n8n_published", door, memory=second.memory)
    fourth = look("n8n_published", door, 2 * MINUTE, third.memory)
    assert not fourth.healthy and "and 295 more" in fourth.because and len(fourth.because) < 1_000
    assert fourth.memory and len(fourth.memory["gone"]) == 300
    assert look("n8n_published", door, memory={"known": 7, "gone": [1]}).healthy


# -- credentials


def credential_in_use(world: World, name: str) -> str:
    data = {"server": world.service.url, "user": "octocat", "accessToken": "ghp_SECRET_of_the_test"}
    credential_id = world.n8n.create_credential(name, "githubApi", data)
    used = {"githubApi": {"id": credential_id, "name": name}}
    world.publish(w.http("Fetch", world.url("/x"), credentials=used))
    return credential_id


def test_a_credential_that_its_service_refuses_is_told_until_it_works(world: World) -> None:
    credential_in_use(world, "Our GitHub")
    world.n8n.create_credential("Old", "githubApi", {"server": world.service.url, "user": "o", "accessToken": "x"})
    header = world.n8n.create_credential("Header", "httpHeaderAuth", {"name": "X", "value": "hunter2"})
    world.publish(w.http("Call", world.url("/y"), credentials={"httpHeaderAuth": {"id": header, "name": "Header"}}))
    args = {"per_look": 50}
    assert look("n8n_credentials", world.door, **args).healthy
    assert len(world.service.calls("/user")) == 1, "the one that nobody uses is not tested"
    world.service.behave("/user", nope(401))
    reading = look("n8n_credentials", world.door, **args)
    assert (reading.healthy, reading.permanent) == (False, True)
    assert reading.failure_type == FailureType.CREDENTIAL_EXPIRED
    assert reading.because == "1 of n8n's credentials no longer work: Our GitHub (githubApi, Unauthorized)"
    assert "SECRET" not in json.dumps(reading.memory)
    world.service.behave("/user", 200)
    assert look("n8n_credentials", world.door, memory=reading.memory, **args).healthy
    world.service.behave("/user", nope(503))
    assert look("n8n_credentials", world.door, **args).healthy, "a service that is down is no fault of it"


def test_a_credential_whose_service_is_not_there_is_not_blamed(world: World) -> None:
    name, data = "Away", {"server": world.dead_url().rstrip("/"), "user": "o", "accessToken": "x"}
    away = world.n8n.create_credential(name, "githubApi", data)
    assert look("n8n_credentials", world.door, unused=True, per_look=50, ignore=["Header"]).healthy
    assert world.n8n.api("DELETE", f"credentials/{away}").ok


class Vault:
    """A door with credentials that are tested as `answers` say, and counts each test."""

    def __init__(self, count: int):
        self.listed = [{"id": f"c{n:02}", "name": f"n{n}", "type": "some"} for n in range(count)]
        self.answers: dict[str, Any] = {}
        self.tested: list[str] = []

    def credentials(self) -> Any:
        return self.listed

    def published_workflows(self) -> Any:
        return []

    def test_credential(self, credential_id: str) -> Any:
        self.tested.append(credential_id)
        answer = self.answers.get(credential_id, (True, ""))
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_a_round_that_a_clock_which_was_ahead_began_is_over() -> None:
    vault = Vault(2)
    vault.answers["c00"] = (False, "Unauthorized")
    first = look("n8n_credentials", vault, 300 * DAY, per_look=1, unused=True)
    then = look("n8n_credentials", vault, 300 * DAY, first.memory, unused=True)
    vault.tested.clear()
    vault.answers.clear()
    assert look("n8n_credentials", vault, memory=then.memory, unused=True).healthy and set(vault.tested) == {
        "c00",
        "c01",
    }


def test_a_few_are_tested_in_each_look_and_each_of_them_once_in_a_round() -> None:
    vault, memory = Vault(7), None
    for minutes, tested in (
        (0, "c00 c01 c02"),
        (2, "c03 c04 c05"),
        (4, "c06"),
        (6, ""),
        (359, ""),
        (361, "c00 c01 c02"),
    ):
        vault.tested.clear()
        reading = look("n8n_credentials", vault, minutes * MINUTE, memory, per_look=3, unused=True)
        assert (" ".join(vault.tested), reading.healthy) == (tested, True), minutes
        memory = json.loads(json.dumps(reading.memory))


def test_one_that_does_not_work_is_confirmed_then_asked_seldom_and_at_once_when_changed() -> None:
    vault = Vault(3)
    vault.answers["c01"] = (False, 'password authentication failed for user "hunter2"')
    seen, memory = [], None
    for minutes in (0, 0.1, 2, 4, 14, 16):
        vault.tested.clear()
        reading = look("n8n_credentials", vault, minutes * MINUTE, memory, unused=True, each="3m")
        assert not reading.healthy and reading.because.endswith("n1 (some)"), "nothing of what the service said"
        seen.append(vault.tested.count("c01"))
        memory = json.loads(json.dumps(reading.memory))
    assert seen == [1, 1, 0, 0, 0, 1]
    vault.listed[1]["updatedAt"] = (utc_now() + 17 * MINUTE).isoformat()
    vault.answers.clear()
    assert look("n8n_credentials", vault, 18 * MINUTE, memory, unused=True).healthy
    vault.listed.pop(1)
    assert look("n8n_credentials", vault, 18 * MINUTE, memory, unused=True).healthy, "a deleted one is forgotten"


def test_what_cannot_be_tested_uses_up_no_turn_and_one_that_hangs_only_one() -> None:
    vault = Vault(60)
    vault.answers |= {f"c{n:02}": (False, "No testing function found for this credential.") for n in range(60)}
    for one in vault.listed[50:]:
        one["type"] = "other"
    vault.answers["c55"] = N8nError("n8n did not answer within 10 s", "timeout")
    vault.answers["c54"] = (True, "")
    for one in vault.listed[54:56]:
        one["type"] = "good"
    first = look("n8n_credentials", vault, per_look=5, unused=True)
    assert first.healthy and vault.tested == ["c00", "c50", "c54", "c55"]
    second = look("n8n_credentials", vault, memory=first.memory, unused=True)
    assert second.healthy and vault.tested[4:] == ["c56"]


def test_no_more_than_fifty_bad_ones_are_remembered() -> None:
    vault, memory = Vault(80), None
    vault.answers |= {f"c{n:02}": (False, "Unauthorized") for n in range(80)}
    for look_number in range(8):
        reading = look("n8n_credentials", vault, look_number * MINUTE, memory, per_look=50, unused=True)
        memory = json.loads(json.dumps(reading.memory))
        assert reading.because.startswith("50 of n8n's credentials") and "and 45 more" in reading.because
        assert len(memory["bad"]) == 50 and len(reading.because) < 600


def test_only_what_published_workflows_use_is_tested_however_odd_they_are() -> None:
    vault = Vault(3)
    node = {"credentials": {"some": {"id": "c01"}, "x": None, "y": {"id": 7}}}
    odd = [{"nodes": [None, 7, node]}, {"nodes": None, "activeVersion": 7}, {"activeVersion": {"nodes": [node]}}]
    vault.published_workflows = lambda: odd  # type: ignore[method-assign]
    assert look("n8n_credentials", vault).healthy and vault.tested == ["c01"]
    assert look("n8n_credentials", vault, ignore=["n1"]).healthy and vault.tested == ["c01"]


# -- failures that n8n is about to delete


def test_a_failure_that_nobody_retried_is_told_before_n8n_deletes_it(world: World) -> None:
    world.service.behave("/orders", nope(503))
    run = world.run(w.http("Fetch", world.url("/orders")))
    only = {"max_count": 0}
    assert f"execution {run['id']} " not in look("n8n_pruning", world.door, 12 * DAY, **only).because
    reading = look("n8n_pruning", world.door, 13 * DAY + 2 * HOUR, **only)
    assert (reading.healthy, reading.permanent) == (False, True)
    assert reading.failure_type == FailureType.WORKFLOW_FAILED
    rest = {"max_count": 0, "ignore": [one["workflowId"] for one in world.n8n.executions() if one["id"] != run["id"]]}
    because = look("n8n_pruning", world.door, 13 * DAY + 2 * HOUR, **rest).because
    assert f"1 failed executions that nobody retried: {run['id']} of workflow" in because
    assert because.endswith(("(in 21 h)", "(in 22 h)"))
    leaf = world.retry(run["id"])
    because = look("n8n_pruning", world.door, 13 * DAY + 2 * HOUR, **rest).because
    assert f"{leaf['id']} of workflow" in because and f" {run['id']} of workflow" not in because, (
        "the leaf is what counts"
    )
    world.service.behave("/orders", 200)
    world.retry(leaf["id"])
    assert look("n8n_pruning", world.door, 13 * DAY + 2 * HOUR, **rest).healthy


def test_one_that_too_many_newer_ones_follow_is_told_by_number() -> None:
    now = datetime.now(UTC)

    def row(number: int, status: str, **more: Any) -> dict[str, Any]:
        at = (now - timedelta(minutes=5)).isoformat()
        return {"id": str(number), "workflowId": "w", "mode": "webhook", "status": status, "stoppedAt": at, **more}

    def door(newest: int, step: int, *failed: dict[str, Any]) -> Any:
        rows = [row(newest - place * step, "success") for place in range(250)]

        def executions(status: str = "", started_before: str = "", **more: Any) -> Any:
            return ({"": rows, "error": list(failed)}.get(status, []) if not started_before else []), ""

        return SimpleNamespace(executions=executions, tagged_workflows=lambda tag: [])

    failed = row(1_000, "error")
    assert look("n8n_pruning", door(9_900, 1, failed)).healthy
    reading = look("n8n_pruning", door(10_100, 1, failed))
    assert not reading.healthy and "1000 of workflow w (by number)" in reading.because
    assert look("n8n_pruning", door(10_100, 2, failed)).healthy, "half of the ids left no execution"
    assert look("n8n_pruning", door(10_100, 1, failed), max_count=0).healthy
    for mode in ("manual", "integrated", "error"):
        assert look("n8n_pruning", door(10_100, 1, {**failed, "mode": mode})).healthy
    assert look("n8n_pruning", door(10_100, 1, {**failed, "retrySuccessId": "9"})).healthy
    assert look("n8n_pruning", door(10_100, 1, {"id": "x"}, {"id": None, "stoppedAt": 7}, {})).healthy


def test_one_near_its_end_is_found_behind_thousands_of_newer_ones_and_not_while_it_is_retried() -> None:
    old = {"id": "5", "workflowId": "w", "mode": "webhook", "stoppedAt": (utc_now() - timedelta(days=13.5)).isoformat()}
    asked: list[str] = []
    running: list[Any] = []

    def executions(status: str = "", started_before: str = "", **more: Any) -> Any:
        asked.append(status)
        if status == "running":
            return running, ""
        return ([old], "") if started_before and status == "crashed" else ([], "more" if status else "")

    door = SimpleNamespace(executions=executions, tagged_workflows=lambda tag: [])
    assert "5 of workflow w (in 11 h)" in look("n8n_pruning", door).because
    assert len(asked) <= 2 + 2 * 4 + 4 + 1, "a few pages in each look"
    running.append({"id": "99", "retryOf": "5"})
    assert look("n8n_pruning", door).healthy


def test_a_workflow_is_found_by_its_tag_to_the_letter_and_left_out_or_critical(world: World) -> None:
    """The tags that n8n lists by, and what the checks make of them."""
    ours: dict[str, str] = {}
    for tag in ("medic:critical", "medic:ignore", "Medic:Ignore", "medic:retry-safe"):
        ours[tag], path = world.publish(w.http("Call", world.url("/tagged")), name=tag)
        world.n8n.tag(ours[tag], tag)
        world.n8n.tag(ours[tag], "another one")
        world.service.behave("/tagged", 503)
        world.n8n.call(path, {"id": tag})
        world.n8n.ended(ours[tag])
    for tag in ("medic:critical", "medic:ignore"):
        found = {str(one["id"]) for one in world.door.tagged_workflows(tag)}
        assert ours[tag] in found and not found & {one for name, one in ours.items() if name != tag}
    readings = {tag: look("error_rate", world.door, workflow=one, at_least=1) for tag, one in ours.items()}
    assert (readings["medic:critical"].healthy, readings["medic:critical"].critical) == (False, True)
    assert (readings["medic:retry-safe"].healthy, readings["medic:retry-safe"].critical) == (False, False)
    assert readings["medic:ignore"].healthy and "medic:ignore" in readings["medic:ignore"].because
    published = look("n8n_published", world.door).memory or {}
    assert ours["medic:ignore"] not in published["known"] and ours["medic:critical"] in published["known"]


def long_ago(number: int, workflow_id: str) -> dict[str, Any]:
    began = (utc_now() - timedelta(days=30)).isoformat()
    return {"id": str(number), "workflowId": workflow_id, "mode": "webhook", "startedAt": began, "stoppedAt": began}


@pytest.mark.parametrize("kind", ["n8n_stuck", "n8n_waiting", "n8n_pruning"])
def test_what_hangs_of_an_ignored_workflow_is_nobodys_and_of_a_critical_one_is_critical(kind: str) -> None:
    tags = {"medic:ignore": ["draft"], "medic:critical": ["orders"]}

    def door(*workflows: str, refuses: bool = False) -> Any:
        def tagged(tag: str) -> Any:
            if refuses:
                raise N8nError("the API key needs the scope workflow:list", "forbidden", permanent=True)
            return [{"id": one} for one in tags[tag]]

        rows = [long_ago(number, one) for number, one in enumerate(workflows)]
        return SimpleNamespace(executions=lambda *a, **m: (rows, ""), tagged_workflows=tagged)

    assert look(kind, door("draft")).healthy
    plain, both = look(kind, door("draft", "plain")), look(kind, door("draft", "orders"))
    assert not plain.healthy and not plain.critical and "draft" not in plain.because
    assert not both.healthy and both.critical == (kind != "n8n_pruning")
    untold = look(kind, door("draft", refuses=True))
    assert not untold.healthy and "draft" in untold.because, "a tag that n8n does not tell counts as none"


@pytest.mark.parametrize("tag", ["medic:ignore", "medic:critical", "medic:retry-safe"])
def test_a_lost_webhook_and_a_stopped_schedule_heed_the_tags(tag: str) -> None:
    nodes = [
        {"type": "n8n-nodes-base.webhook", "parameters": {"path": "x"}},
        {"type": "n8n-nodes-base.scheduleTrigger", "parameters": {"rule": {"interval": [{"field": "minutes"}]}}},
    ]
    workflow = {"id": "w", "name": "W", "active": True, "nodes": nodes, "tags": [{"name": tag}]}
    workflow["settings"] = {"saveDataSuccessExecution": "all"}
    door = SimpleNamespace(
        published_workflows=lambda: [workflow],
        webhook_methods=lambda path: frozenset(),
        executions=lambda *a, **m: ([], ""),
        workflow=lambda one: {**workflow, "active": False},
    )
    known = {"known": ["w"], "gone": {"w": (utc_now() - timedelta(minutes=5)).timestamp()}}
    for kind, memory in (("n8n_webhooks", {}), ("n8n_schedules", {}), ("n8n_published", known)):
        if kind == "n8n_published":
            door.published_workflows = list
        reading = look(kind, door, memory=memory)
        assert (reading.healthy, reading.critical) == (tag == "medic:ignore", tag == "medic:critical"), kind


def test_a_credential_that_only_an_ignored_workflow_uses_is_not_tried() -> None:
    node = {"credentials": {"githubApi": {"id": "c1", "name": "GitHub"}}}
    workflow = {"id": "w", "active": True, "nodes": [node], "tags": [{"name": "medic:ignore"}]}
    tried: list[str] = []
    door = SimpleNamespace(
        published_workflows=lambda: [workflow],
        credentials=lambda: [{"id": "c1", "name": "GitHub", "type": "githubApi"}],
        test_credential=lambda one: tried.append(one) or (False, "refused"),
    )
    assert look("n8n_credentials", door).healthy and tried == []
    workflow["tags"] = []
    look("n8n_credentials", door)
    assert tried == ["c1"]
