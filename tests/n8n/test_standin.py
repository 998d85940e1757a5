"""What the stand-in can do beside being n8n: be old, slow, down, full of old failures, or a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import requests

from recovery.model import N8nError
from recovery.outside.n8n import N8n
from tests.n8n import workflows as w
from tests.standins.n8n import StandInN8n
from tests.standins.n8n_client import wait_for
from tests.standins.service import Answer, Service


@pytest.fixture
def n8n() -> Iterator[StandInN8n]:
    with StandInN8n() as n8n:
        yield n8n


def door_to(n8n: StandInN8n) -> N8n:
    return N8n("main", n8n.url, n8n.api_key, timeout_seconds=2)


def test_five_hundred_old_failures_are_there_quickly_and_old(n8n: StandInN8n) -> None:
    made = w.workflow("W", w.webhook("h"), w.http("F", "http://orders.invalid/"))
    workflow_id = n8n.create_workflow(made)
    began = time.monotonic()
    ids = n8n.add_old_failures(workflow_id, 500, age_seconds=7200)
    assert time.monotonic() - began < 2
    first, cursor = door_to(n8n).executions("error", limit=250)
    second, end = door_to(n8n).executions("error", limit=250, cursor=cursor)
    assert ([one["id"] for one in first + second], end) == (ids[::-1], "")
    full = door_to(n8n).execution(ids[0], with_data=True)
    assert full is not None and full["data"]["resultData"]["error"]["httpCode"] == "503"


def test_an_old_failure_can_be_retried(n8n: StandInN8n) -> None:
    with Service() as service:
        made = w.workflow("W", w.webhook("h"), w.http("F", f"{service.url}/orders", "POST", '{"id": "o"}'))
        old = n8n.add_old_failures(n8n.create_workflow(made), 1)[0]
        again = door_to(n8n).retry(old)
        assert again is not None and (again["status"], service.counts("/orders")) == ("success", {"o": 1})


def test_it_misbehaves_as_often_as_it_was_told(n8n: StandInN8n) -> None:
    n8n.misbehave(Answer(503), times=2)
    for _ in range(2):
        with pytest.raises(N8nError):
            door_to(n8n).executions()
    assert door_to(n8n).executions() == ([], "")


def test_it_can_answer_slowly(n8n: StandInN8n) -> None:
    n8n.slow_seconds = 0.3
    began = time.monotonic()
    door_to(n8n).executions()
    assert time.monotonic() - began >= 0.3


def test_it_refuses_a_workflow_that_it_cannot_run(n8n: StandInN8n) -> None:
    answer = n8n.api("POST", "workflows", w.workflow("W", w.node("Query", "postgres", 2.6, {})))
    assert (answer.status_code, "n8n-nodes-base.postgres" in answer.text) == (400, True)


def test_a_stop_lets_runs_end_and_a_start_shows_them(n8n: StandInN8n) -> None:
    workflow_id = n8n.create_workflow(w.workflow("W", w.webhook("h"), w.wait_seconds(0.3)))
    n8n.activate(workflow_id, "h")
    n8n.call("h", {})
    n8n.stop()
    with pytest.raises(requests.ConnectionError):
        n8n.api("GET", "executions")
    n8n.start()
    assert n8n.ended(workflow_id)[0]["status"] == "success"


def test_a_retry_may_use_the_saved_version(n8n: StandInN8n) -> None:
    with Service() as service:
        service.behave("/broken", 500)
        made = w.workflow("W", w.webhook("h"), w.http("F", f"{service.url}/broken"))
        workflow_id = n8n.create_workflow(made)
        n8n.activate(workflow_id, "h")
        n8n.call("h", {})
        failed = n8n.ended(workflow_id)[0]["id"]
        made["nodes"][1]["parameters"]["url"] = f"{service.url}/mended"
        assert n8n.api("PUT", f"workflows/{workflow_id}", made).ok
        assert n8n.retry(failed).json()["status"] == "error"
        again = n8n.api("POST", f"executions/{failed}/retry", {"loadWorkflow": True})
        assert again.json()["status"] == "success"


def test_as_a_process_it_tells_its_address_and_ends_when_asked(tmp_path) -> None:
    with Service() as told:
        path = tmp_path / "failing.json"
        path.write_text(json.dumps(w.workflow("W", w.webhook("h"), w.stop_and_error("no"))))
        options = ["--callback", f"{told.url}/errors", "--token", "t", "--workflow", str(path)]
        command = [sys.executable, "-m", "tests.standins.n8n", *options]
        with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
            try:
                url = json.loads(process.stdout.readline())["url"]
                assert requests.post(f"{url}/webhook/h", json={}, timeout=5).ok
                call = wait_for("the error item", lambda: told.calls("/errors"))[0]
                assert call.body["execution"]["error"]["message"] == "no"
                assert call.headers["authorization"] == "Bearer t"
                process.send_signal(signal.SIGTERM)
                assert process.wait(10) == 0
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
