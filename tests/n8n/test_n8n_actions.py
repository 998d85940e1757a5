"""The actions on n8n itself, on both n8ns: `recovery.actions.republish_workflow`, `recovery.actions.stop_execution`,
and `recovery.actions.run_workflow`.
"""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from recovery.actions import REGISTRY
from recovery.clock import utc_now
from recovery.model import About, Done, DoorError, Failed, FailureType, N8nError, NotNeeded
from recovery.outside.http import Http
from recovery.outside.n8n import N8n
from tests.n8n import workflows as w
from tests.n8n.real import free_port
from tests.n8n.world import World, nope
from tests.standins.n8n_client import wait_for
from tests.standins.service import Answer

NONE = timedelta(0)


def doors_to(door: Any) -> Any:
    return SimpleNamespace(n8n=lambda site: door if site == "default" else None)


def act(kind: str, door: Any, later: timedelta = NONE, preview: bool = False, why: str = "", **args: Any) -> Any:
    """What an action answers, or would do, that much later and for a failure of type `why`."""
    plugin = REGISTRY.find(kind)
    about = About("n8n", utc_now() + later, failure_type=FailureType(why or "webhook_unregistered"))
    run = plugin.preview if preview else plugin.run
    return run(plugin.args.model_validate(args), doors_to(door), about)


@pytest.mark.parametrize("kind", ["republish_workflow", "stop_execution"])
def test_an_n8n_that_is_away_or_not_configured_is_a_failure(kind: str) -> None:
    away = N8n("default", f"http://127.0.0.1:{free_port()}", "key", 1.0)
    assert act(kind, away).why.endswith("the connection was refused") and not act(kind, away).permanent
    assert act(kind, None, site="other") == Failed("no n8n named 'other' with an API key is configured", True)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("republish_workflow", {"workflows": ["../users"]}),
        ("republish_workflow", {"workflows": ["a b"]}),
        ("republish_workflow", {"workflows": [""]}),
        ("republish_workflow", {"most": 0}),
        ("republish_workflow", {"most": "5"}),
        ("republish_workflow", {"timeout": 0}),
        ("stop_execution", {"workflows": ["?x=1"]}),
        ("stop_execution", {"longer_than": "59s"}),
        ("stop_execution", {"at_least": 0}),
        ("stop_execution", {"factor": 0.5}),
        ("stop_execution", {"most": 101}),
    ],
)
def test_arguments_that_could_do_harm_are_refused(kind: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        REGISTRY.find(kind).args.model_validate(wrong)


# -- publishing again


@pytest.fixture
def lost(world: World) -> Iterator[tuple[str, str, str, str]]:
    """A published workflow with a draft beside it, whose webhook n8n has lost: id, path, live version, draft."""
    workflow_id, path = world.publish(w.no_op("Live"), name="Take orders")
    live = str(world.n8n.api("GET", f"workflows/{workflow_id}").json()["activeVersionId"])
    draft = world.draft(workflow_id, w.webhook(f"{path}-draft"), w.stop_and_error("unfinished"))
    world.n8n.lose_triggers(workflow_id)
    yield workflow_id, path, live, draft
    assert world.n8n.api("POST", f"workflows/{workflow_id}/unpublish").ok


def standing(world: World, workflow_id: str) -> tuple[Any, ...]:
    found = world.n8n.api("GET", f"workflows/{workflow_id}").json()
    return found["active"], found["activeVersionId"], found["versionId"]


@pytest.mark.parametrize("by_name", [True, False])
def test_a_lost_webhook_is_back_and_the_draft_stays_unpublished(world: World, lost: Any, by_name: bool) -> None:
    workflow_id, path, live, draft = lost
    answer = act("republish_workflow", world.door, workflows=[workflow_id] if by_name else [])
    assert answer == Done(f"published version {live} of Take orders {path} again; 1 webhooks answer")
    assert standing(world, workflow_id) == (True, live, draft)
    assert world.n8n.webhook_answers(path) and not world.n8n.webhook_answers(f"{path}-draft")
    world.n8n.call(path, {})
    run = world.n8n.execution(world.n8n.ended(workflow_id)[0]["id"])
    assert run["status"] == "success" and "Live" in run["data"]["resultData"]["runData"]
    assert act("republish_workflow", world.door) == NotNeeded("nothing of what is published is found missing")
    again = act("republish_workflow", world.door, workflows=[workflow_id])
    assert isinstance(again, Done) and standing(world, workflow_id) == (True, live, draft), "safe to repeat"


def test_a_dry_run_names_workflow_and_version_and_touches_nothing(world: World, lost: Any) -> None:
    workflow_id, path, live, draft = lost
    said = f"publish again Take orders {path} ({workflow_id}, its live version {live})"
    assert act("republish_workflow", world.door, preview=True) == said
    assert act("republish_workflow", world.door, preview=True, workflows=[workflow_id]) == said
    assert not world.n8n.webhook_answers(path) and standing(world, workflow_id) == (True, live, draft)


def test_a_workflow_that_is_unpublished_or_gone_is_for_a_person(world: World) -> None:
    workflow_id, path = world.publish(w.no_op(), name="Off")
    assert world.n8n.api("POST", f"workflows/{workflow_id}/unpublish").ok
    answer = act("republish_workflow", world.door, workflows=[workflow_id])
    assert answer == Failed(f"Off {path} is not published, and only a person can say whether it should be", True)
    wait_for("the webhook to go", lambda: not world.n8n.webhook_answers(path))
    assert standing(world, workflow_id)[0] is False
    gone = act("republish_workflow", world.door, workflows=["nobody"])
    assert gone == Failed("n8n has no workflow nobody", True)


def test_only_so_many_are_published_in_one_run(world: World, lost: Any) -> None:
    other, path = world.publish(w.no_op())
    answer = act("republish_workflow", world.door, workflows=[lost[0], lost[0], other], most=1)
    assert answer.detail.count("published") == 1 and world.n8n.webhook_answers(lost[1])


@pytest.fixture
def on_stand_in(world: World) -> World:
    if world.is_real:
        pytest.skip("only the stand-in can be made to misbehave so")
    return world


def test_a_timeout_is_a_failure_and_the_next_run_finds_it_done(on_stand_in: World, lost: Any) -> None:
    """n8n went on with what it was asked, as it does where a worker is killed meanwhile."""
    world, (workflow_id, _, live, draft) = on_stand_in, lost
    slow = N8n("main", world.n8n.url, world.n8n.api_key, timeout_seconds=0.3)
    publish, slow.publish = slow.publish, lambda *asked: slowly(world, publish, *asked)  # type: ignore[method-assign]
    answer = act("republish_workflow", slow, workflows=[workflow_id])
    assert "did not answer within 0.3 s" in answer.why and not answer.permanent
    assert standing(world, workflow_id) == (True, live, draft)
    assert act("republish_workflow", world.door) == NotNeeded("nothing of what is published is found missing")


def slowly(world: World, call: Any, *asked: Any) -> Any:
    world.n8n.slow_seconds = 0.6  # type: ignore[union-attr]
    try:
        return call(*asked)
    finally:
        world.n8n.slow_seconds = 0.0  # type: ignore[union-attr]


def test_a_webhook_that_stays_away_is_a_failure_that_says_which(on_stand_in: World, lost: Any) -> None:
    door = N8n("main", on_stand_in.n8n.url, on_stand_in.n8n.api_key)
    door.webhook_methods = lambda path: frozenset({"GET"})  # type: ignore[method-assign]
    began = time.monotonic()
    answer = act("republish_workflow", door, workflows=[lost[0]], timeout="500ms")
    assert time.monotonic() - began < 3
    said = (
        f"published Take orders {lost[1]} again, and n8n still does not register its webhook POST {lost[1]} after 0.5 s"
    )
    assert answer == Failed(said)


def test_an_n8n_that_does_not_know_versions_is_asked_for_nothing(on_stand_in: World, lost: Any) -> None:
    world = on_stand_in
    world.n8n.misbehave(Answer(404, {"message": "not found"}), path="/publish")
    answer = act("republish_workflow", world.door, workflows=[lost[0]])
    assert answer.permanent and "is too old to publish a version by its name" in answer.why
    assert not world.n8n.webhook_answers(f"{lost[1]}-draft")
    found = {"name": "Old", "active": True, "nodes": []}
    old = SimpleNamespace(workflow=lambda one: found, publish=lambda *asked: pytest.fail("a draft may go live"))
    said = "this n8n does not say which version of Old is live: update n8n"
    assert act("republish_workflow", old, workflows=["x"]) == Failed(said, True)


def unruly(after: dict[str, Any], publish: Any) -> Any:
    states = iter([{"name": "W", "active": True, "activeVersionId": "v1", "nodes": []}, after])
    return SimpleNamespace(workflow=lambda one: next(states), publish=publish)


def test_what_n8n_has_done_instead_is_told() -> None:
    def refuse(*asked: Any) -> Any:
        raise N8nError("n8n did not take the request: no such token", "client", permanent=True)

    down = act("republish_workflow", unruly({"active": False}, refuse), workflows=["x"])
    assert down.permanent
    assert down.why == (
        "W: n8n did not take the request: no such token; n8n has unpublished it, so publish its version v1 by hand"
    )
    up = act("republish_workflow", unruly({"active": True}, refuse), workflows=["x"])
    assert up.why == "W: n8n did not take the request: no such token"
    other = act("republish_workflow", unruly({}, lambda *asked: {"activeVersionId": "v2"}), workflows=["x"])
    assert other == Failed("n8n did not publish version v1 of W: look at it", True)


def every(seconds: int) -> w.Node:
    rule = {"rule": {"interval": [{"field": "seconds", "secondsInterval": seconds}]}}
    return w.node("Every so often", "scheduleTrigger", 1.2, rule)


def test_stopped_schedules_are_found_where_they_were_missed() -> None:
    asked: list[tuple[str, str]] = []
    began = (utc_now() - timedelta(hours=1)).isoformat()
    workflow = {
        "id": "w1",
        "name": "Tick",
        "active": True,
        "activeVersionId": "v1",
        "activeVersion": {"nodes": [every(60)]},
    }
    door = SimpleNamespace(
        published_workflows=lambda: [workflow],
        executions=lambda status, *a, **m: ([{"startedAt": began}] if status != "running" else [], ""),
        workflow=lambda one: workflow,
        publish=lambda *both: asked.append(both) or {"activeVersionId": "v1"},
    )
    assert act("republish_workflow", door) == NotNeeded("nothing of what is published is found missing")
    answer = act("republish_workflow", door, why="schedule_missed")
    assert (answer, asked) == (Done("published version v1 of Tick again"), [("w1", "v1")])


@pytest.mark.n8n
def test_a_schedule_of_a_real_n8n_lives_on_and_is_not_doubled(real_n8n: Any) -> None:
    door = N8n("default", real_n8n.url, real_n8n.api_key)
    workflow_id = real_n8n.create_workflow(w.workflow("Tock", every(1), w.no_op()))
    real_n8n.activate(workflow_id)
    real_n8n.ended(workflow_id, 2)
    answer = act("republish_workflow", door, workflows=[workflow_id])
    assert isinstance(answer, Done), answer
    before = utc_now()
    real_n8n.ended(workflow_id, len(real_n8n.executions(workflow_id)) + 4)
    took = (utc_now() - before).total_seconds()
    assert 2 < took < 8, "once a second, as before"
    assert real_n8n.api("POST", f"workflows/{workflow_id}/unpublish").ok


# -- stopping


def running(world: World, count: int = 1) -> tuple[str, list[str]]:
    """Executions that wait for long; the workflow's id and theirs, oldest first."""
    workflow_id, path = world.publish(w.wait_seconds(60), w.http("After", world.url("/after"), "POST", "{}"))
    for number in range(count):
        world.n8n.call(path, {})
        wait_for("a run", lambda n=number: len(world.n8n.executions(workflow_id, "running")) == n + 1)
    return workflow_id, [one["id"] for one in world.n8n.executions(workflow_id, "running")][::-1]


HOURS = timedelta(hours=2)


def test_what_runs_too_long_is_stopped_and_what_does_not_is_left(world: World) -> None:
    workflow_id, (run,) = running(world)
    mine = {"workflows": [workflow_id]}
    assert act("stop_execution", world.door, **mine) == NotNeeded("no execution is stuck")
    assert act("stop_execution", world.door, HOURS, workflows=["other"]) == NotNeeded("no execution is stuck")
    answer = act("stop_execution", world.door, HOURS, **mine)
    assert isinstance(answer, Done) and answer.detail.startswith(
        f"stopped execution {run} of workflow {workflow_id} (for "
    )
    assert world.n8n.execution(run)["status"] == "canceled"
    assert act("stop_execution", world.door, HOURS, **mine) == NotNeeded("no execution is stuck"), "safe to repeat"


def test_the_oldest_are_stopped_first_and_only_so_many(world: World) -> None:
    workflow_id, runs = running(world, 3)
    mine = {"workflows": [workflow_id], "most": 2}
    told = act("stop_execution", world.door, HOURS, preview=True, **mine)
    assert told.startswith(f"stop execution {runs[0]} of ") and f"{runs[1]} of" in told and f"{runs[2]} of" not in told
    assert len(world.n8n.executions(workflow_id, "running")) == 3, "a dry run stops nothing"
    detail = act("stop_execution", world.door, HOURS, **mine).detail
    assert f"{runs[0]} of" in detail and f"{runs[1]} of" in detail
    assert [one["id"] for one in world.n8n.executions(workflow_id, "running")] == [runs[2]]
    assert world.door.stop(runs[2])


def test_a_dry_run_without_anything_stuck_says_so(world: World) -> None:
    assert act("stop_execution", world.door, preview=True) == "stop no execution"


def run_of(number: int, began: datetime, mode: str = "webhook") -> dict[str, Any]:
    return {"id": str(number), "workflowId": "w", "mode": mode, "startedAt": began.isoformat()}


def door_with(stop: Any, *runs: dict[str, Any]) -> Any:
    def executions(status: str = "", *a: Any, **m: Any) -> Any:
        return (list(runs) if status == "running" else [], "")

    return SimpleNamespace(executions=executions, stop=stop, tagged_workflows=lambda tag: [])


def test_one_that_ended_by_itself_is_left_and_one_by_hand_is_never_stopped() -> None:
    old = utc_now() - timedelta(hours=3)
    asked: list[str] = []
    door = door_with(lambda one: bool(asked.append(one)), run_of(1, old), run_of(2, old, "manual"))
    answer = act("stop_execution", door)
    assert (answer, asked) == (NotNeeded("execution 1 of workflow w (for 3 h) ended by itself"), ["1"])
    mixed = act("stop_execution", door_with(lambda one: one == "1", run_of(1, old), run_of(3, old)))
    assert mixed.detail == "stopped execution 1 of workflow w (for 3 h); 3 of workflow w (for 3 h) ended by itself"


def test_a_failure_half_way_says_what_was_stopped_and_the_next_run_stops_the_rest() -> None:
    old = utc_now() - timedelta(hours=3)

    def stop(one: str) -> bool:
        if one == "2":
            raise DoorError("n8n did not answer within 10 s", "timeout")
        return True

    answer = act("stop_execution", door_with(stop, run_of(1, old), run_of(2, old)))
    assert answer == Failed(
        "n8n did not answer within 10 s; it had stopped execution 1 of workflow w (for 3 h)", permanent=False
    )


# -- a workflow that heals


def run_workflow(**args: Any) -> Any:
    plugin = REGISTRY.find("run_workflow")
    about = About("orders-api", utc_now(), incident_id=7, cause="no answer", key="k-3.5")
    return plugin.run(plugin.args.model_validate(args), SimpleNamespace(http=Http()), about)


def test_a_workflow_is_run_with_the_incident_and_its_failure_is_one(world: World) -> None:
    body = "={{ JSON.stringify($json.body) }}"
    workflow_id, path = world.publish(w.http("Heal", world.url("/heal"), "POST", body), mode="lastNode")
    url = f"{world.n8n.url}/webhook/{path}"
    assert run_workflow(url=url) == Done("127.0.0.1 answered 200")
    sent = world.service.bodies("/heal")[0]
    assert (sent["component"], sent["incident_id"], sent["cause"], sent["key"]) == (
        "orders-api",
        7,
        "no answer",
        "k-3.5",
    )
    world.service.behave("/heal", nope(500))
    failed = run_workflow(url=url)
    assert "answered 500" in failed.why and not failed.permanent
    assert world.n8n.api("POST", f"workflows/{workflow_id}/unpublish").ok
    wait_for("the webhook to go", lambda: not world.n8n.webhook_answers(path))
    away = run_workflow(url=url)
    assert "is the workflow published" in away.why and not away.permanent


@pytest.mark.n8n
def test_a_real_webhook_wants_the_token(real_n8n: Any) -> None:
    name = "Heal token"
    made = real_n8n.create_credential(name, "httpHeaderAuth", {"name": "X-Medic-Token", "value": "hunter2"})
    hook = w.webhook("heal-with-token")
    hook["parameters"]["authentication"] = "headerAuth"
    hook["credentials"] = {"httpHeaderAuth": {"id": made, "name": name}}
    workflow_id = real_n8n.create_workflow(w.workflow("Heal", hook, w.no_op()))
    real_n8n.activate(workflow_id, "heal-with-token")
    url = f"{real_n8n.url}/webhook/heal-with-token"
    assert run_workflow(url=url, token="hunter2") == Done("127.0.0.1 answered 200")
    for wrong in ({}, {"token": "other"}):
        answer = run_workflow(url=url, **wrong)
        assert "answered 403" in answer.why and answer.permanent
    assert real_n8n.api("POST", f"workflows/{workflow_id}/unpublish").ok
