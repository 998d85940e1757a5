"""What we rely on of n8n, held on the stand-in in `make test` and on a real n8n in `make test-n8n`."""

import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest
import requests

from recovery.model import N8nError
from recovery.outside.n8n import N8n
from tests.n8n import workflows as w
from tests.n8n.world import ID_OF_BODY, ID_OF_ITEM, World, error_of, nope, statuses
from tests.standins.n8n_client import wait_for
from tests.standins.service import RESET, hang


def failed_once(world: World, status: int = 503) -> dict:
    world.service.behave("/orders", nope(status))
    return world.run(w.no_op(), w.http("Fetch", world.url("/orders")))


# -- lists


def test_a_failed_execution_is_listed_with_its_ids_as_text(world: World) -> None:
    run = failed_once(world)
    listed, _ = world.door.executions("error", run["workflowId"])
    assert [one["id"] for one in listed] == [run["id"]]
    assert listed[0] == {
        "id": run["id"],
        "finished": False,
        "mode": "webhook",
        "retryOf": None,
        "retrySuccessId": None,
        "status": "error",
        "startedAt": run["startedAt"],
        "stoppedAt": run["stoppedAt"],
        "workflowId": run["workflowId"],
        "waitTill": None,
    }


def test_a_list_with_another_status_leaves_it_out(world: World) -> None:
    run = failed_once(world)
    for status in ("success", "crashed", "running"):
        assert world.door.executions(status, run["workflowId"]) == ([], "")


def test_pages_follow_each_other_newest_first_and_end_with_no_cursor(world: World) -> None:
    workflow_id, path = world.publish(w.no_op())
    for _ in range(3):
        world.n8n.call(path, {})
    world.n8n.ended(workflow_id, 3)
    first, cursor = world.door.executions(workflow_id=workflow_id, limit=2)
    second, end = world.door.executions(workflow_id=workflow_id, limit=2, cursor=cursor)
    ids = [int(one["id"]) for one in first + second]
    assert (len(first), len(second), end) == (2, 1, "")
    assert ids == sorted(ids, reverse=True)


def test_an_execution_of_an_archived_workflow_is_retried_as_any_other(world: World) -> None:
    run = failed_once(world)
    world.begin_afresh()
    assert world.n8n.api("POST", f"workflows/{run['workflowId']}/archive").ok
    assert world.retry(run["id"])["status"] == "success"


def test_workflows_are_listed_page_by_page_each_once(world: World) -> None:
    made = {world.publish(w.no_op())[0] for _ in range(3)}
    page = world.n8n.api("GET", "workflows", limit=2).json()
    listed = list(page["data"])
    while page["nextCursor"]:
        page = world.n8n.api("GET", "workflows", limit=2, cursor=page["nextCursor"]).json()
        assert 1 <= len(page["data"]) <= 2
        listed += page["data"]
    ids = [one["id"] for one in listed]
    assert made <= set(ids) and len(ids) == len(set(ids))


def test_a_list_can_begin_at_a_moment(world: World) -> None:
    run = failed_once(world)
    later = (datetime.now(UTC) + timedelta(minutes=1)).isoformat().replace("+00:00", "Z")
    earlier = (datetime.now(UTC) - timedelta(minutes=1)).isoformat().replace("+00:00", "Z")
    assert world.door.executions(workflow_id=run["workflowId"], started_after=later) == ([], "")
    assert len(world.door.executions(workflow_id=run["workflowId"], started_after=earlier)[0]) == 1


def test_a_running_execution_is_listed_only_where_asked_for(world: World) -> None:
    world.service.behave("/orders", hang(3))
    workflow_id, path = world.publish(w.http("Fetch", world.url("/orders")))
    world.n8n.call(path, {})
    wait_for("the call", lambda: world.service.calls("/orders"))
    assert world.door.executions(workflow_id=workflow_id)[0] == []
    assert [one["status"] for one in world.door.executions("running", workflow_id)[0]] == ["running"]
    assert [one["status"] for one in world.n8n.ended(workflow_id)] == ["success"]


def test_data_comes_only_where_asked_for(world: World) -> None:
    run = failed_once(world)
    without, with_data = world.door.execution(run["id"]), world.door.execution(run["id"], with_data=True)
    assert without is not None and "data" not in without and "workflowData" not in without
    assert with_data is not None and with_data["workflowData"]["nodes"][0]["name"] == "Webhook"


def test_a_list_can_end_at_a_moment(world: World) -> None:
    run = failed_once(world)
    earlier = (datetime.now(UTC) - timedelta(minutes=1)).isoformat().replace("+00:00", "Z")
    later = (datetime.now(UTC) + timedelta(minutes=1)).isoformat().replace("+00:00", "Z")
    assert world.door.executions("error", run["workflowId"], started_before=earlier) == ([], "")
    assert len(world.door.executions("error", run["workflowId"], started_before=later)[0]) == 1


def test_a_long_wait_is_put_away_until_a_time_or_until_a_call(world: World) -> None:
    far = {"amount": 2, "unit": "hours"}, {"resume": "webhook", "options": {}}
    tills = []
    for parameters in far:
        pause = w.node("Pause", "wait", 1.1, dict(parameters), webhookId=str(uuid.uuid4()))
        workflow_id, path = world.publish(pause)
        world.n8n.call(path, {})
        run = wait_for("it waits", lambda found=workflow_id: world.door.executions("waiting", found)[0])[0]
        assert (run["status"], run["finished"], bool(run["stoppedAt"])) == ("waiting", False, True)
        assert [one["id"] for one in world.door.executions(workflow_id=workflow_id)[0]] == [run["id"]]
        tills.append(datetime.fromisoformat(run["waitTill"]))
        stopped = world.n8n.api("POST", f"executions/{run['id']}/stop")
        assert (stopped.status_code, stopped.json()["status"]) == (200, "canceled")
        assert world.n8n.execution(run["id"])["waitTill"] is None
    assert abs(tills[0] - datetime.now(UTC) - timedelta(hours=2)) < timedelta(minutes=1)
    assert tills[1] == datetime(3000, 1, 1, tzinfo=UTC)


# -- workflows, credentials and numbers, as the checks of n8n use them


def test_an_unpublished_an_archived_and_a_deleted_workflow_are_told_apart(world: World) -> None:
    workflow_id, _ = world.publish(w.no_op())
    listed = {one["id"]: one for one in world.door.published_workflows()}
    assert listed[workflow_id]["active"] and listed[workflow_id]["tags"] == []
    assert world.n8n.api("POST", f"workflows/{workflow_id}/deactivate").ok
    assert workflow_id not in {one["id"] for one in world.door.published_workflows()}
    found = world.door.workflow(workflow_id)
    assert found and (found["active"], found["isArchived"], found["activeVersionId"]) == (False, False, None)
    assert world.n8n.api("POST", f"workflows/{workflow_id}/archive").ok
    found = world.door.workflow(workflow_id)
    assert found and (found["active"], found["isArchived"]) == (False, True)
    assert world.n8n.api("DELETE", f"workflows/{workflow_id}").ok
    assert world.door.workflow(workflow_id) is None


def test_credentials_are_listed_without_secrets_and_tested_by_n8n(world: World) -> None:
    data = {"server": world.service.url, "user": "o", "accessToken": "ghp_SECRET"}
    git = world.n8n.create_credential("Contract git", "githubApi", data)
    away = world.n8n.create_credential("Contract away", "githubApi", data | {"server": world.dead_url().rstrip("/")})
    header = world.n8n.create_credential("Contract header", "httpHeaderAuth", {"name": "X", "value": "ghp_SECRET"})
    listed = {one["id"]: one for one in world.door.credentials()}
    assert (listed[git]["name"], listed[git]["type"]) == ("Contract git", "githubApi")
    assert datetime.fromisoformat(listed[git]["updatedAt"]).tzinfo and "ghp_SECRET" not in str(listed)
    assert world.door.test_credential(git) == (True, "Connection successful!")
    assert world.door.test_credential(away) == (False, "ECONNREFUSED")
    assert world.door.test_credential(header) == (False, "No testing function found for this credential.")
    for status, words in (
        (401, "Unauthorized"),
        (403, "Forbidden"),
        (429, "Too Many Requests"),
        (500, "Internal Server Error"),
    ):
        world.service.behave("/user", nope(status))
        assert world.door.test_credential(git) == (False, words)
    assert world.door.test_credential("nobody") is None
    for one in (git, away, header):
        assert world.n8n.api("DELETE", f"credentials/{one}").ok
    assert world.door.test_credential(git) is None


def test_a_key_without_the_scopes_of_credentials_says_which(world: World) -> None:
    poor = N8n("main", world.n8n.url, world.n8n.new_key(["workflow:read"]))
    with pytest.raises(N8nError, match="needs the scope credential:list"):
        poor.credentials()
    with pytest.raises(N8nError, match="needs the scope credential:read"):
        poor.test_credential("nobody")


def test_the_metrics_tell_the_version_and_no_queue_where_there_is_none(world: World) -> None:
    numbers = world.door.numbers()
    assert numbers.version == "2.40.7"
    assert not [name for name in numbers.values if "queue_jobs" in name]


# -- what connect relies on


def saved(world: World, workflow_id: str, given: dict, **query: str) -> dict:
    """The workflow after a save with these settings and nothing else of it changed."""
    row = world.n8n.api("GET", f"workflows/{workflow_id}").json()
    body = {key: row[key] for key in ("name", "nodes", "connections")} | {"settings": given}
    answer = world.n8n.api("PUT", f"workflows/{workflow_id}", body, **query)
    assert answer.ok, answer.text
    return dict(answer.json())


def test_settings_that_are_not_given_stay_and_default_takes_one_out(world: World) -> None:
    workflow_id, _ = world.publish(w.no_op())
    first = saved(world, workflow_id, {"timezone": "Asia/Seoul", "executionTimeout": 60}, publishIfActive="false")
    assert first["settings"]["errorWorkflow"] == world.handler
    second = saved(world, workflow_id, {"errorWorkflow": "DEFAULT"}, publishIfActive="false")
    assert second["settings"] == {"executionOrder": "v1", "timezone": "Asia/Seoul", "executionTimeout": 60}


def test_other_settings_make_no_new_version_and_leave_a_draft_unpublished(world: World) -> None:
    workflow_id, path = world.publish(w.no_op())
    draft = world.draft(workflow_id, w.webhook(f"{path}-draft"), w.stop_and_error("unfinished"))
    before = world.door.workflow(workflow_id) or {}
    after = saved(world, workflow_id, {"errorWorkflow": world.handler}, publishIfActive="false")
    assert (after["versionId"], after["activeVersionId"]) == (draft, before["activeVersionId"])
    assert world.n8n.webhook_answers(path) and not world.n8n.webhook_answers(f"{path}-draft")


def test_the_settings_of_a_published_workflow_hold_at_once(world: World) -> None:
    handler = world.n8n.errors_to(f"{world.told.url}/others")
    workflow_id, path = world.publish(w.stop_and_error("no"))
    saved(world, workflow_id, {"errorWorkflow": handler}, publishIfActive="false")
    wait_for("its webhook", lambda: world.n8n.webhook_answers(path))
    world.n8n.call(path, {})
    wait_for("the other handler", lambda: world.told.calls("/others"))


def test_a_published_workflow_is_deleted_only_once_it_is_unpublished(world: World) -> None:
    workflow_id, _ = world.publish(w.no_op())
    with pytest.raises(N8nError) as caught:
        world.door.delete_workflow(workflow_id)
    assert caught.value.kind == "conflict"
    world.door.unpublish(workflow_id)
    world.door.delete_workflow(workflow_id)
    world.door.delete_workflow(workflow_id)
    assert world.door.workflow(workflow_id) is None


def test_a_node_is_saved_with_the_name_that_its_credential_has_today(world: World) -> None:
    key = world.door.create_credential("Before", "httpHeaderAuth", {"name": "X", "value": "y"})
    used = {"httpHeaderAuth": {"id": None, "name": "Before"}}
    workflow_id, _ = world.publish(w.http("Fetch", world.url("/x"), credentials=used))
    assert world.n8n.api("PATCH", f"credentials/{key}", {"name": "After"}).ok
    kept = (world.door.workflow(workflow_id) or {})["nodes"][1]["credentials"]
    assert kept == {"httpHeaderAuth": {"id": key, "name": "Before"}}
    nodes = saved(world, workflow_id, {"timezone": "Asia/Seoul"}, publishIfActive="false")["nodes"]
    assert nodes[1]["credentials"] == {"httpHeaderAuth": {"id": key, "name": "After"}}
    world.door.change_credential(key, {"name": "X", "value": "z"})
    world.door.delete_credential(key)
    world.door.delete_credential(key)


def test_a_node_with_a_key_that_the_api_does_not_know_is_refused(world: World) -> None:
    made = w.workflow("Strange", w.webhook("strange"), w.no_op())
    made["nodes"][1]["color"] = "red"
    with pytest.raises(N8nError, match="Unrecognized key") as caught:
        world.door.create_workflow(made)
    assert caught.value.permanent


def test_tags_are_made_once_and_deleted(world: World) -> None:
    made = world.door.create_tag("contract")
    with pytest.raises(N8nError) as caught:
        world.door.create_tag("contract")
    assert caught.value.kind == "conflict"
    assert made in {one["id"] for one in world.door.tags()}
    world.door.delete_tag(made)
    world.door.delete_tag(made)
    assert made not in {one["id"] for one in world.door.tags()}


def test_a_key_tells_what_it_may_do_and_a_wrong_one_nothing(world: World) -> None:
    poor = N8n("main", world.n8n.url, world.n8n.new_key(["workflow:read"]), 60)
    assert poor.key_scopes() == {"workflow:read"}
    with pytest.raises(N8nError, match="needs the scope workflow:list"):
        poor.workflows()
    with pytest.raises(N8nError, match="refused the API key"):
        N8n("main", world.n8n.url, "wrong", 60).key_scopes()


# -- retries


def test_a_retry_goes_on_at_the_failed_node(world: World) -> None:
    world.service.behave("/second", nope(503))
    first = w.http("First", world.url("/first"), "POST", ID_OF_BODY)
    run = world.run(first, w.http("Second", world.url("/second")))
    world.service.behave("/second", 200)
    again = world.retry(run["id"])
    assert (again["status"], again["mode"], again["retryOf"]) == ("success", "retry", run["id"])
    assert (len(world.service.calls("/first")), len(world.service.calls("/second"))) == (1, 2)


def test_what_a_retry_will_run_again_stands_in_the_data(world: World) -> None:
    run = failed_once(world)
    stack = run["data"]["executionData"]["nodeExecutionStack"]
    assert [entry["node"]["name"] for entry in stack] == ["Fetch"]
    assert len(stack[0]["data"]["main"][0]) == 1


def test_success_is_written_on_the_immediate_parent_only(world: World) -> None:
    root = failed_once(world)
    leaf = world.retry(root["id"])
    world.service.behave("/orders", 200)
    last = world.retry(leaf["id"])
    seen = {one["id"]: (one["retryOf"], one["retrySuccessId"]) for one in world.n8n.executions(root["workflowId"])}
    assert seen == {
        root["id"]: (None, None),
        leaf["id"]: (root["id"], last["id"]),
        last["id"]: (leaf["id"], None),
    }


def test_n8n_runs_again_what_was_already_retried_with_success(world: World) -> None:
    run = failed_once(world)
    world.service.behave("/orders", 200)
    assert [world.retry(run["id"])["status"] for _ in range(2)] == ["success", "success"]
    assert len(world.service.calls("/orders")) == 3


def test_a_retry_answers_only_when_the_run_has_ended(world: World) -> None:
    run = failed_once(world)
    world.service.behave("/orders", hang(1.5))
    began = time.monotonic()
    again = world.door.retry(run["id"])
    assert time.monotonic() - began >= 1.4
    assert again is not None and (again["status"], again["retryOf"]) == ("success", run["id"])


def test_a_retry_that_is_let_go_runs_on_in_n8n(world: World) -> None:
    run = failed_once(world)
    world.service.behave("/orders", hang(3))
    impatient = N8n("main", world.n8n.url, world.n8n.api_key, timeout_seconds=0.7)
    assert impatient.retry(run["id"]) is None
    running = world.n8n.executions(run["workflowId"], "running")
    assert [(one["retryOf"], one["mode"]) for one in running] == [(run["id"], "retry")]
    ended = world.n8n.ended(run["workflowId"], 2)
    assert (ended[0]["status"], ended[0]["retryOf"]) == ("success", run["id"])
    assert len(world.service.calls("/orders")) == 2


def test_a_succeeded_execution_is_not_retried(world: World) -> None:
    run = world.run(w.no_op())
    with pytest.raises(N8nError, match="succeeded") as caught:
        world.door.retry(run["id"])
    assert (caught.value.kind, caught.value.permanent) == ("conflict", True)


def test_a_stop_and_error_fails_again_at_every_retry(world: World) -> None:
    run = world.run(w.stop_and_error("Order has no customer"))
    assert error_of(run)["message"] == "Order has no customer"
    assert world.retry(run["id"])["status"] == "error"


# -- what the error workflow is told


def test_the_error_item_and_the_data_tell_the_same(world: World) -> None:
    run = failed_once(world)
    item = world.item_of(run["id"])
    assert item["workflow"] == {"id": run["workflowId"], "name": run["workflowData"]["name"]}
    told, error = item["execution"], error_of(run)
    assert (told["mode"], told["lastNodeExecuted"]) == ("webhook", "Fetch")
    assert "retryOf" not in told
    for key in ("name", "message", "httpCode", "description", "messages", "node"):
        assert told["error"][key] == error[key], key
    assert (error["name"], error["httpCode"], error["description"]) == ("NodeApiError", "503", "nope")
    assert error["context"]["itemIndex"] == 0
    assert error["context"]["request"]["method"] == "GET"
    assert world.told.calls("/errors")[0].headers["authorization"] == "Bearer secret-token"


def test_a_failed_retry_is_told_with_what_it_was_a_retry_of(world: World) -> None:
    run = failed_once(world)
    again = world.retry(run["id"])
    told = world.item_of(again["id"])["execution"]
    assert (told["mode"], told["retryOf"]) == ("retry", run["id"])


def test_an_unpublished_error_workflow_is_told_nothing(world: World) -> None:
    handler = world.n8n.create_workflow(w.error_handler(f"{world.told.url}/errors"))
    made = w.workflow("Silent", w.webhook("hook-silent"), w.stop_and_error("no"), error_workflow=handler)
    workflow_id = world.n8n.create_workflow(made)
    world.n8n.activate(workflow_id, "hook-silent")
    world.n8n.call("hook-silent", {})
    run = world.n8n.ended(workflow_id)[0]
    time.sleep(1)
    assert run["id"] not in [body["execution"]["id"] for body in world.told.bodies("/errors")]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500, 502, 504])
def test_a_status_is_told_as_text_with_n8ns_own_sentence(world: World, status: int) -> None:
    error = error_of(failed_once(world, status))
    assert (error["name"], error["httpCode"]) == ("NodeApiError", str(status))
    assert error["message"] == MESSAGES[status]
    hint = "Try spacing your requests out using the batching settings under 'Options'"
    raw = f'{status} - "{{\\"message\\": \\"nope\\"}}"'
    assert error["messages"] == [hint if status == 429 else raw]


MESSAGES = {
    400: "Bad request - please check your parameters",
    401: "Authorization failed - please check your credentials",
    403: "Forbidden - perhaps check your credentials?",
    404: "The resource you are requesting could not be found",
    422: "Your request is invalid or could not be processed by the service",
    429: "The service is receiving too many requests from you",
    500: "The service was not able to process your request",
    502: "Bad gateway - the service failed to handle your request",
    504: "Gateway timed out - perhaps try again later?",
}


def test_a_timed_out_post_is_an_aborted_connection(world: World) -> None:
    world.service.behave("/orders", hang(3))
    run = world.run(w.http("Send", world.url("/orders"), "POST", ID_OF_BODY, timeout_ms=500))
    error = error_of(run)
    assert (error["name"], error["httpCode"]) == ("NodeApiError", "ECONNABORTED")
    assert error["messages"] == ["timeout of 500ms exceeded"] * 2
    assert error["context"]["request"]["method"] == "POST"
    assert world.item_of(run["id"])["execution"]["error"]["httpCode"] == "ECONNABORTED"


def test_refused_unknown_and_cut_connections_are_told_apart(world: World) -> None:
    world.service.behave("/reset", RESET)
    runs = {
        "ECONNREFUSED": world.run(w.http("Send", world.dead_url())),
        "ENOTFOUND": world.run(w.http("Send", "http://orders.invalid/x")),
        "ECONNRESET": world.run(w.http("Send", world.url("/reset"))),
    }
    assert {code: error_of(run)["httpCode"] for code, run in runs.items()} == {code: code for code in runs}
    assert error_of(runs["ENOTFOUND"])["messages"][0] == "getaddrinfo ENOTFOUND orders.invalid"
    assert error_of(runs["ECONNREFUSED"])["messages"][0].startswith("connect ECONNREFUSED 127.0.0.1:")


def test_a_credential_that_is_refused_names_itself_and_hides_its_header(world: World) -> None:
    world.service.behave("/orders", nope(401))
    key = world.n8n.create_credential("Orders key", "httpHeaderAuth", {"name": "X-Key", "value": "SECRETKEY"})
    used = {"httpHeaderAuth": {"id": key, "name": "Orders key"}}
    run = world.run(w.http("Fetch", world.url("/orders"), credentials=used))
    item = world.item_of(run["id"])
    assert world.service.calls("/orders")[0].headers["x-key"] == "SECRETKEY"
    assert item["execution"]["error"]["httpCode"] == "401"
    assert item["execution"]["error"]["node"]["credentials"] == used
    assert "SECRETKEY" not in str(item)


def test_a_credential_that_is_gone_gives_an_error_without_a_name(world: World) -> None:
    key = world.n8n.create_credential("Gone", "httpHeaderAuth", {"name": "X-Key", "value": "S"})
    workflow_id, path = world.publish(
        w.http("Fetch", world.url("/orders"), credentials={"httpHeaderAuth": {"id": key, "name": "Gone"}})
    )
    assert world.n8n.api("DELETE", f"credentials/{key}").ok
    world.n8n.call(path, {})
    error = error_of(world.n8n.execution(world.n8n.ended(workflow_id)[0]["id"]))
    assert error["message"] == f'Credential with ID "{key}" does not exist for type "httpHeaderAuth".'
    assert "name" not in error and "node" not in error


def test_code_that_throws_names_no_node(world: World) -> None:
    run = world.run(w.code("throw new Error('cannot read order')"))
    error = error_of(run)
    assert (error["name"], error["message"]) == ("WrappedExecutionError", "cannot read order [line 1]")
    assert "node" not in error
    assert world.item_of(run["id"])["execution"]["lastNodeExecuted"] == "Code"


# -- items


@pytest.mark.parametrize("bad", [1, 3])
def test_all_items_are_sent_though_one_fails_and_all_are_sent_again(world: World, bad: int) -> None:
    world.service.behave("/item", 500, id=str(bad))
    send = w.http("Send each", world.url("/item"), "POST", ID_OF_ITEM)
    body = {"orders": [{"id": str(number)} for number in range(1, 6)]}
    run = world.run(w.split_out("body.orders"), send, body=body)
    assert error_of(run)["context"]["itemIndex"] == bad - 1
    assert len(run["data"]["executionData"]["nodeExecutionStack"][0]["data"]["main"][0]) == 5
    assert set(world.service.counts("/item").values()) == {1}
    world.service.behave("/item", 200, id=str(bad))
    assert world.retry(run["id"])["status"] == "success"
    assert set(world.service.counts("/item").values()) == {2}


def test_a_code_node_gives_several_items(world: World) -> None:
    send = w.http("Send each", world.url("/item"), "POST", ID_OF_ITEM)
    run = world.run(w.code('return [{"json": {"id": "x"}}, {"json": {"id": "y"}}]'), send)
    assert run["status"] == "success"
    assert world.service.counts("/item") == {"x": 1, "y": 1}


def test_an_address_may_be_an_expression(world: World) -> None:
    run = world.run(w.http("Fetch", f"={world.url('/orders')}?id={{{{ $json.body.id }}}}"), body={"id": "q7"})
    assert run["status"] == "success"
    assert world.service.counts("/orders") == {"q7": 1}


# -- sub-workflows


def test_a_parent_keeps_the_error_of_its_sub_workflow(world: World) -> None:
    world.service.behave("/orders", nope(503))
    sub = world.publish_sub(w.http("Sub fetch", world.url("/orders")))
    run = world.run(w.no_op("Before"), w.call_workflow(sub))
    child = world.n8n.execution(world.n8n.ended(sub)[0]["id"])
    error = error_of(run)
    assert (error["name"], error["node"]["name"]) == ("NodeOperationError", "Sub fetch")
    assert "httpCode" not in error
    inner = error["errorResponse"]
    assert (inner["httpCode"], inner["node"]["name"], inner["context"]["itemIndex"]) == ("503", "Sub fetch", 0)
    assert (error["executionId"], error["workflowId"]) == (child["id"], sub)
    assert run["data"]["resultData"]["lastNodeExecuted"] == "Call sub-workflow"
    assert (child["mode"], child["data"]["parentExecution"]["executionId"]) == ("integrated", run["id"])
    assert world.item_of(run["id"])["execution"]["error"]["errorResponse"]["httpCode"] == "503"
    told = world.item_of(child["id"])["execution"]
    assert (told["mode"], told["error"]["httpCode"]) == ("integrated", "503")


def test_retrying_a_parent_runs_the_whole_sub_workflow_again(world: World) -> None:
    world.service.behave("/second", nope(503))
    first = w.http("First", world.url("/first"), "POST", '{"id": "s"}')
    sub = world.publish_sub(first, w.http("Second", world.url("/second")))
    run = world.run(w.call_workflow(sub))
    world.service.behave("/second", 200)
    assert world.retry(run["id"])["status"] == "success"
    assert len(world.service.calls("/first")) == 2
    assert [one["mode"] for one in world.n8n.executions(sub)] == ["integrated", "integrated"]


# -- webhooks, tags, health


def test_a_webhook_is_there_only_while_its_workflow_is_published(world: World) -> None:
    workflow_id, path = world.publish(w.no_op())
    assert world.n8n.call(path, {}).json() == {"message": "Workflow was started"}
    assert world.n8n.api("POST", f"workflows/{workflow_id}/deactivate", {}).ok
    wait_for("the webhook to go", lambda: not world.n8n.webhook_answers(path))
    assert world.n8n.call(path, {}).status_code == 404


def test_a_webhook_that_waits_answers_with_the_last_node_or_with_500(world: World) -> None:
    world.service.behave("/orders", nope(503))
    _, path = world.publish(w.http("Fetch", world.url("/orders")), mode="lastNode")
    refused = world.n8n.call(path, {})
    assert (refused.status_code, refused.json()) == (500, {"message": "Error in workflow"})
    world.service.behave("/orders", 200)
    assert world.n8n.call(path, {}).json() == {"status": 200}


def test_a_workflow_comes_with_its_tags(world: World) -> None:
    workflow_id, _ = world.publish(w.no_op())
    world.n8n.tag(workflow_id, "medic:retry-safe")
    world.n8n.tag(workflow_id, "billing")
    found = world.door.workflow(workflow_id)
    assert found is not None and found["id"] == workflow_id and found["active"] is True
    assert {tag["name"] for tag in found["tags"]} == {"medic:retry-safe", "billing"}


def test_a_ready_n8n_says_so(world: World) -> None:
    assert world.door.ready() == ""


# -- versions: what is live, and what is only saved


def test_a_draft_is_saved_beside_the_version_that_is_live(world: World) -> None:
    workflow_id, path = world.publish(w.no_op("Live"))
    live = world.n8n.api("GET", f"workflows/{workflow_id}").json()["activeVersionId"]
    draft = world.draft(workflow_id, w.webhook(f"{path}-draft"), w.no_op("Draft"))
    listed = [one for one in world.door.published_workflows() if one["id"] == workflow_id]
    for found in (world.door.workflow(workflow_id), *listed):
        assert found is not None
        assert (found["versionId"], found["activeVersionId"], found["activeVersion"]["versionId"]) == (
            draft,
            live,
            live,
        )
        assert [node["name"] for node in found["nodes"]] == ["Webhook", "Draft"]
        assert [node["name"] for node in found["activeVersion"]["nodes"]] == ["Webhook", "Live"]
    world.n8n.call(path, {})
    run = world.n8n.execution(world.n8n.ended(workflow_id)[0]["id"])
    assert "Live" in run["data"]["resultData"]["runData"], "what is live runs"
    assert not world.n8n.webhook_answers(f"{path}-draft")


def test_publishing_the_live_version_again_brings_back_its_webhook_and_leaves_the_draft(world: World) -> None:
    workflow_id, path = world.publish(w.no_op())
    live = world.n8n.api("GET", f"workflows/{workflow_id}").json()["activeVersionId"]
    draft = world.draft(workflow_id, w.webhook(f"{path}-draft"), w.no_op())
    world.n8n.lose_triggers(workflow_id)
    assert not world.n8n.webhook_answers(path)
    published = world.door.publish(workflow_id, live)
    assert (published["activeVersionId"], published["versionId"], published["active"]) == (live, draft, True)
    assert world.door.await_webhook(path, "POST", 5)
    assert not world.n8n.webhook_answers(f"{path}-draft")


def test_an_unpublished_workflow_does_not_tell_what_was_live(world: World) -> None:
    workflow_id, path = world.publish(w.no_op())
    assert world.n8n.api("POST", f"workflows/{workflow_id}/unpublish").ok
    found = world.door.workflow(workflow_id)
    assert found is not None and (found["active"], found["activeVersionId"], found["activeVersion"]) == (
        False,
        None,
        None,
    )
    wait_for("the webhook to go", lambda: not world.n8n.webhook_answers(path))


def test_what_cannot_be_published_is_told_apart(world: World) -> None:
    workflow_id, _ = world.publish(w.no_op())
    live = world.n8n.api("GET", f"workflows/{workflow_id}").json()["activeVersionId"]
    poor = N8n("main", world.n8n.url, world.n8n.new_key(["workflow:read"]))
    assert world.n8n.api("POST", f"workflows/{workflow_id}/archive").ok
    for door, name, version, kind, words in (
        (world.door, workflow_id, str(uuid.uuid4()), "client", "archived"),
        (world.door, workflow_id, live, "client", "archived"),
        (world.door, "nobody", live, "not_found", "You do not have permission to activate this workflow"),
        (world.door, "../x", live, "not_found", "no workflow with such an id"),
        (world.door, workflow_id, "../x", "not_found", "no workflow with such an id"),
        (poor, workflow_id, live, "forbidden", "needs the scope workflow:activate"),
    ):
        with pytest.raises(N8nError, match=words) as caught:
            door.publish(name, version)
        assert (caught.value.kind, caught.value.permanent) == (kind, True)


def test_a_version_that_is_not_there_is_not_published(world: World) -> None:
    workflow_id, path = world.publish(w.no_op())
    with pytest.raises(N8nError, match="Version not found"):
        world.door.publish(workflow_id, str(uuid.uuid4()))
    assert world.n8n.webhook_answers(path)


# -- stopping what runs


def test_a_running_execution_is_stopped_once_and_stays_canceled(world: World) -> None:
    workflow_id, path = world.publish(w.wait_seconds(20), w.http("After", world.url("/after"), "POST", "{}"))
    world.n8n.call(path, {})
    run = wait_for("the run", lambda: world.n8n.executions(workflow_id, "running"))[0]
    assert world.door.stop(run["id"]) is True
    assert world.n8n.execution(run["id"])["status"] == "canceled"
    assert world.n8n.executions(workflow_id, "running") == []
    assert world.door.stop(run["id"]) is False, "it is over"
    again = world.n8n.api("POST", f"executions/{run['id']}/stop")
    told = f"Only running or waiting executions can be stopped and {run['id']} is currently canceled"
    assert (again.status_code, again.json()["message"]) == (409, told)


def test_what_is_not_there_is_not_stopped(world: World) -> None:
    answer = world.n8n.api("POST", "executions/99999999/stop")
    assert (answer.status_code, answer.json()["message"]) == (404, "Failed to find execution to stop")
    assert world.door.stop("99999999") is False
    poor = N8n("main", world.n8n.url, world.n8n.new_key(["workflow:read"]))
    with pytest.raises(N8nError, match="needs the scope execution:stop"):
        poor.stop("99999999")
    with pytest.raises(N8nError, match="no execution with such an id"):
        world.door.stop("../1")


# -- first answers


def test_first_answers_are_told_apart(world: World) -> None:
    run = failed_once(world)
    ask = world.n8n.api
    poor = world.n8n.new_key(["workflow:read"])
    seen = {
        "wrong key": ask("GET", "executions", key="nonsense"),
        "no scope": ask("GET", "executions", key=poor),
        "no scope to retry": ask("POST", f"executions/{run['id']}/retry", {}, key=poor),
        "no such execution": ask("GET", "executions/99999999"),
        "no such workflow": ask("GET", "workflows/nobody"),
        "retry of none": ask("POST", "executions/99999999/retry", {}),
        "no such route": ask("POST", f"executions/{run['id']}/nonsense", {}),
        "no such route, wrong key": ask("POST", f"executions/{run['id']}/nonsense", {}, key="nonsense"),
        "another method": ask("PUT", f"executions/{run['id']}/retry", {}),
        "no number": ask("GET", "executions/abc"),
        "a bad cursor": ask("GET", "executions", cursor="zzz"),
        "an unknown key": ask("POST", "workflows", {**w.workflow("x"), "zzz": 1}),
    }
    assert {what: (answer.status_code, answer.json()["message"]) for what, answer in seen.items()} == {
        "wrong key": (401, "Unauthorized"),
        "no scope": (403, "Forbidden"),
        "no scope to retry": (403, "Forbidden"),
        "no such execution": (404, "Not Found"),
        "no such workflow": (404, "Not Found"),
        "retry of none": (404, 'The execution with the ID "99999999" does not exist.'),
        "no such route": (404, "not found"),
        "no such route, wrong key": (404, "not found"),
        "another method": (405, "PUT method not allowed"),
        "no number": (400, "request/params/executionId must be a positive integer"),
        "a bad cursor": (400, "An invalid cursor was provided"),
        "an unknown key": (400, "request/body Unrecognized key(s) in object: 'zzz'"),
    }


def test_our_door_says_what_is_wrong_with_a_key(world: World) -> None:
    run = failed_once(world)
    poor = N8n("main", world.n8n.url, world.n8n.new_key(["workflow:read"]))
    wrong = N8n("main", world.n8n.url, "nonsense")
    for ask, kind, words in (
        (lambda: poor.executions(), "forbidden", "needs the scope execution:list"),
        (lambda: poor.execution(run["id"]), "forbidden", "needs the scope execution:read"),
        (lambda: poor.retry(run["id"]), "forbidden", "needs the scope execution:retry"),
        (lambda: wrong.executions(), "auth", "refused the API key"),
    ):
        with pytest.raises(N8nError, match=words) as caught:
            ask()
        assert (caught.value.kind, caught.value.permanent) == (kind, True)


def test_what_is_gone_is_told_as_gone(world: World) -> None:
    run = failed_once(world)
    assert world.n8n.api("DELETE", f"executions/{run['id']}").ok
    assert world.door.execution(run["id"]) is None
    assert world.door.workflow("nobody") is None
    with pytest.raises(N8nError) as caught:
        world.door.retry(run["id"])
    assert (caught.value.kind, caught.value.permanent) == ("not_found", True)


# -- a killed n8n (last, because the real one needs seconds to come back)


def kill_while_it_hangs(world: World, path: str) -> None:
    wait_for("the call that hangs", lambda: world.service.calls(path))
    time.sleep(0.5 if world.is_real else 0)  # the real one writes its journal just after a node began
    world.n8n.kill9()
    world.service.behave(path, 200)
    world.n8n.start()


def test_a_killed_run_is_crashed_and_a_retry_begins_at_its_trigger(world: World) -> None:
    world.service.behave("/hangs", hang(20))
    first = w.http("First", world.url("/first"), "POST", ID_OF_BODY)
    workflow_id, path = world.publish(first, w.http("Hangs", world.url("/hangs")))
    world.n8n.call(path, {"id": "c1"})
    kill_while_it_hangs(world, "/hangs")
    run = world.n8n.execution(world.n8n.ended(workflow_id)[0]["id"])
    assert run["status"] == "crashed"
    assert world.door.executions("error", workflow_id)[0] == []
    assert [one["id"] for one in world.door.executions("crashed", workflow_id)[0]] == [run["id"]]
    assert statuses(run) == {"Webhook": ["success"], "First": ["success"], "Hangs": ["crashed"]}
    assert run["data"]["resultData"]["lastNodeExecuted"] == "Hangs"
    assert error_of(run)["name"] == "WorkflowCrashedError"
    lost = run["data"]["resultData"]["runData"]["First"][0]["data"]["main"][0]
    assert lost == [{"json": {"isArtificialRecoveredEventItem": True}}]
    again = [entry["node"]["name"] for entry in run["data"]["executionData"]["nodeExecutionStack"]]
    assert again == ["Webhook"]
    told = world.item_of(run["id"])["execution"]
    assert (told["error"]["name"], told["lastNodeExecuted"]) == ("WorkflowCrashedError", "Hangs")
    assert "message" not in told["error"] and "node" not in told["error"]
    assert world.retry(run["id"])["status"] == "success"
    assert world.service.counts("/first") == {"c1": 2}


def test_a_killed_retry_is_crashed_without_an_error_and_goes_on_at_the_failed_node(world: World) -> None:
    world.service.behave("/hangs", nope(503))
    first = w.http("First", world.url("/first"), "POST", ID_OF_BODY)
    run = world.run(first, w.http("Hangs", world.url("/hangs")))
    world.service.behave("/hangs", hang(20))
    before = len(world.service.calls("/hangs"))
    impatient = N8n("main", world.n8n.url, world.n8n.api_key, timeout_seconds=0.5)
    assert impatient.retry(run["id"]) is None
    wait_for("the retry's call", lambda: len(world.service.calls("/hangs")) > before)
    kill_while_it_hangs(world, "/hangs")
    lost = world.n8n.execution(world.n8n.ended(run["workflowId"], 2)[0]["id"])
    assert (lost["status"], lost["retryOf"]) == ("crashed", run["id"])
    assert "error" not in lost["data"]["resultData"]
    again = [entry["node"]["name"] for entry in lost["data"]["executionData"]["nodeExecutionStack"]]
    assert again == ["Hangs"]
    assert world.retry(lost["id"])["status"] == "success"
    assert len(world.service.calls("/first")) == 1
    assert lost["id"] not in [body["execution"]["id"] for body in world.told.bodies("/errors")]


def test_a_stopped_n8n_is_unreachable_and_says_so(world: World) -> None:
    world.n8n.stop()
    try:
        assert "the connection was refused" in world.door.ready()
        with pytest.raises(N8nError) as caught:
            world.door.executions()
        assert (caught.value.kind, caught.value.permanent) == ("refused", False)
        with pytest.raises(requests.ConnectionError):
            world.n8n.call("hook-1", {})
    finally:
        world.n8n.start()
