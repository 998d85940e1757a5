"""The main loop on an n8n: what fails is healed, each run exactly once, or a person is called."""

import itertools
from pathlib import Path
from typing import Any

import pytest

from tests.n8n import workflows as flow
from tests.n8n.real import RealN8n
from tests.standins.n8n_client import wait_for
from tests.standins.receiver import Receiver, Reply, twilio_took
from tests.standins.service import Service, hang
from tests.standins.smtp import SmtpReceiver
from tests.story.medic import SHORT_RECOVERY, TOKENS, Medic

pytestmark = pytest.mark.timeout(240)
NUMBERS = itertools.count(1)


class Stage:
    """An n8n whose workflows call a service, and an n8n-medic that looks after it."""

    def __init__(self, n8n: Any, service: Service, folder: Path):
        self.n8n, self.service, self.folder = n8n, service, folder
        self.handler = ""

    def medic(self, **config: Any) -> Medic:
        """An n8n-medic for this n8n; with short stages unless told otherwise."""
        whole = {
            "n8n": {"url": self.n8n.url, "api_key": self.n8n.api_key},
            "recovery": SHORT_RECOVERY,
            "poll_every": "2s",
            "replay": {"rate": "20/s"},
            **config,
        }
        return Medic(self.folder / "medic", whole)

    def wire(self, medic: Medic) -> None:
        """Publish an error workflow that calls the companion."""
        self.handler = self.n8n.errors_to(f"{medic.url}/webhooks/n8n-error", TOKENS["MEDIC_WEBHOOK_TOKEN"])

    def workflow(self, *nodes: Any, tag: str = "", **settings: Any) -> tuple[str, str]:
        """Publish a workflow behind a webhook of its own; its id and the webhook's path."""
        path = f"story-{next(NUMBERS)}"
        made = flow.workflow(path, flow.webhook(path), *nodes, error_workflow=self.handler, **settings)
        workflow_id = self.n8n.create_workflow(made)
        if tag:
            self.n8n.tag(workflow_id, tag)
        self.n8n.activate(workflow_id, path)
        return workflow_id, path

    def call_service(self, method: str = "GET", name: str = "Call", **more: Any) -> Any:
        """A node that calls the service's /order with the id that the webhook was given."""
        url = f"={self.service.url}/order?id={{{{ $json.body.id }}}}"
        return flow.http(name, url, method, **more)


@pytest.fixture
def stage(n8n: Any, service: Service, tmp_path: Path) -> Stage:
    return Stage(n8n, service, tmp_path)


def test_a_503_is_healed_by_the_canary_and_twenty_more_are_replayed_exactly_once(stage: Stage) -> None:
    patient = {"stages": [{"after": "0s", "attempts": 1}, {"after": "10s", "attempts": 2}], "settle": "1s"}
    with stage.medic(recovery=patient) as medic:
        stage.wire(medic)
        workflow_id, path = stage.workflow(stage.call_service("POST"))
        stage.service.behave("/order", 503)
        for number in range(21):
            stage.n8n.call(path, {"id": f"o{number}"})
        stage.n8n.ended(workflow_id, 21)
        incident = medic.wait_for_incident("recovering")
        assert incident["failure_type"] == "api_error" and incident["component"] == stage.service.url[7:]
        medic.wait("all 21 to be heard of", lambda: len(medic.incident(incident["id"])["executions"]) == 21)
        before = stage.service.counts("/order")
        stage.service.behave("/order", 200)
        healed = medic.wait_for_incident("resolved", 90)
        assert len(medic.incidents()) == 1, "21 failures of one cause are one incident"
        assert [one["state"] for one in healed["executions"]] == ["recovered"] * 21
        good = [call.id for call in stage.service.calls("/order") if call.answered == 200]
        assert sorted(good) == sorted(f"o{number}" for number in range(21)), "each order was placed exactly once"
        assert sum(before.values()) >= 21


def _heard(receiver: Receiver, words: str) -> str:
    """The message with these words, once it has come: as it was opened, grew worse, or called a person."""
    for count in range(1, 9):
        posted = receiver.wait_for(count)[count - 1]
        text = str(posted.json if posted.body.startswith(b"{") else posted.form)
        if words in text:
            return text
    raise AssertionError(f"nothing says {words}")


def test_one_that_keeps_failing_goes_through_all_stages_and_reaches_every_channel(stage: Stage) -> None:
    stage.service.behave("/order", 503)
    with Receiver() as slack, Receiver(twilio_took()) as sms, Receiver() as hook, SmtpReceiver() as smtp:
        channels = [
            {"name": "team", "kind": "slack", "webhook_url": f"{slack.url}/hook"},
            {"name": "hook", "kind": "webhook", "url": f"{hook.url}/alerts"},
            {"name": "mail", "kind": "email", "to": ["ops@example.com"], "sender": "medic@example.com",
             "smtp": {"host": "127.0.0.1", "port": smtp.port, "starttls": False}},
            {"name": "phone", "kind": "sms", "to": ["+15550100"], "sender": "+15550199", "account_sid": "ACx",
             "auth_token": "y", "api_base": sms.url},
        ]  # fmt: skip
        host = stage.service.url[7:]
        orders = {"name": "orders-api", "hosts": [host], "severity": "critical"}
        with stage.medic(alerts={"language": "ko", "hold": "0s", "channels": channels}, components=[orders]) as medic:
            stage.wire(medic)
            _, path = stage.workflow(stage.call_service())
            stage.n8n.call(path, {"id": "never"})
            incident = medic.wait_for_incident("needs_human", 90)
            assert incident["component"] == "orders-api"
            canaries = [(step["stage"], step["attempt"]) for step in incident["steps"]]
            assert canaries == [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3)]
            assert incident["recovery"]["state"] == "failed"
            called = {one: _heard(one, "복구 실패") for one in (slack, hook, sms)}
            assert "복구 실패 - orders-api" in called[slack]
            mail = next(one for one in smtp.wait_for(3) if "복구 실패" in str(one.part("plain")))
            assert "• 복구 시도: 6회" in mail.part("plain")
            assert f"/incidents/{incident['id']}" in mail.part("plain")
            assert stage.service.counts("/order")["never"] == 7, "once by itself, and once for each attempt"


def test_a_credential_failure_is_not_retried_and_says_what_to_fix(stage: Stage) -> None:
    stage.service.behave("/order", 401)
    with stage.medic() as medic:
        stage.wire(medic)
        _, path = stage.workflow(stage.call_service())
        stage.n8n.call(path, {"id": "secret"})
        incident = medic.wait_for_incident("needs_human")
        assert incident["failure_type"] == "credential_expired" and "credential" in incident["advice"].lower()
        assert stage.service.counts("/order")["secret"] == 1
        assert incident["executions"][0]["state"] == "waiting"


def test_a_retry_by_hand_in_between_is_noticed_and_not_repeated(stage: Stage) -> None:
    slow = {"stages": [{"after": "10s", "attempts": 1}], "settle": "1s"}
    with stage.medic(recovery=slow) as medic:
        stage.wire(medic)
        workflow_id, path = stage.workflow(stage.call_service("POST"))
        stage.service.behave("/order", 503, 200)
        stage.n8n.call(path, {"id": "mine"})
        failed = stage.n8n.ended(workflow_id)[0]
        medic.wait_for_incident("recovering")
        assert stage.n8n.retry(failed["id"]).ok
        incident = medic.wait_for_incident("resolved", 60)
        assert stage.service.counts("/order")["mine"] == 2, "the hand-made retry was the only one"
        assert incident["executions"][0]["state"] == "recovered"


def test_what_may_have_had_its_effect_is_not_run_twice_and_a_person_is_asked(stage: Stage) -> None:
    with stage.medic() as medic:
        stage.wire(medic)
        _, timed_out = stage.workflow(stage.call_service("POST", timeout_ms=500))
        stage.service.behave("/order", hang(3), id="slow")
        stage.n8n.call(timed_out, {"id": "slow"})
        incident = medic.wait_for_incident("needs_human", 60)
        assert incident["recovery"]["state"] == "awaiting_approval"
        chain = incident["executions"][0]
        assert chain["state"] == "left_alone" and "effect" in chain["because"]
        assert stage.service.counts("/order")["slow"] == 1
        stage.service.behave("/order", 200, id="slow")
        step = incident["steps"][-1]["number"]
        assert medic.order(incident["id"], "approve", step=step).status_code == 202
        medic.wait_for_incident("resolved", 60)
        assert stage.service.counts("/order")["slow"] == 2, "only after a person's yes"


def test_a_list_that_failed_at_its_third_item_is_not_sent_again(stage: Stage) -> None:
    items = flow.split_out("body.list")
    url = f"={stage.service.url}/order?id={{{{ $json.id }}}}"
    stage.service.behave("/order", 503, id="c")
    with stage.medic() as medic:
        stage.wire(medic)
        _, path = stage.workflow(items, flow.http("Send each", url, "POST"))
        stage.n8n.call(path, {"list": [{"id": "a"}, {"id": "b"}, {"id": "c"}]})
        incident = medic.wait_for_incident("needs_human", 60)
        assert "item" in incident["executions"][0]["because"]
        assert stage.service.counts("/order") == {"a": 1, "b": 1, "c": 1}


def test_a_parent_and_its_sub_workflow_are_not_run_twice(stage: Stage) -> None:
    url = f"{stage.service.url}/sub?id=sub"
    with stage.medic() as medic:
        stage.wire(medic)
        first = flow.http("First", f"{stage.service.url}/first?id=first", "POST")
        sub = flow.workflow("sub", flow.sub_trigger(), first, flow.http("Then", url), error_workflow=stage.handler)
        sub_id = stage.n8n.create_workflow(sub)
        stage.n8n.activate(sub_id)
        stage.service.behave("/sub", 503)
        parent_id, path = stage.workflow(flow.call_workflow(sub_id))
        stage.n8n.call(path, {})
        stage.n8n.ended(parent_id)
        medic.wait("both runs", lambda: len(medic.executions()) == 2, 30)
        incident = medic.wait_for_incident("needs_human", 60)
        medic.wait("both judged", lambda: {one["state"] for one in medic.executions()} == {"left_alone"}, 30)
        stage.service.behave("/sub", 200)
        states = {one["workflow_id"]: one for one in medic.incident(incident["id"])["executions"]}
        assert states[sub_id]["state"] == "left_alone" and "workflow that called it" in states[sub_id]["because"]
        assert states[parent_id]["state"] == "left_alone" and "begin that one anew" in states[parent_id]["because"]
        assert stage.service.counts("/first") == {"first": 1}


def test_old_failures_at_first_contact_cause_no_retry(stage: Stage) -> None:
    if isinstance(stage.n8n, RealN8n):
        stage.service.behave("/order", 503)
        workflow_id, path = stage.workflow(stage.call_service())
        for number in range(500):
            stage.n8n.call(path, {"id": str(number)})
        wait_for("500 runs", lambda: len(stage.service.calls("/order")) == 500, 120)
        wait_for("their end", lambda: not stage.n8n.executions(workflow_id, "running"), 60)
        wanted = 500
    else:
        workflow_id, _ = stage.workflow(stage.call_service())
        wanted = len(stage.n8n.add_old_failures(workflow_id, 500))
    stage.service.behave("/order", 200)
    calls = len(stage.service.calls("/order"))
    with stage.medic() as medic:
        medic.wait_for_n8n()
        stage.service.behave("/fresh", 404)
        _, fresh = stage.workflow(flow.http("Fresh", f"{stage.service.url}/fresh"))
        stage.n8n.call(fresh, {})
        medic.wait_for_incident("needs_human", 30)
        assert len(medic.incidents()) == 1, "only the fresh failure opened an incident"
        assert len(stage.service.calls("/order")) == calls, f"none of the {wanted} old ones was retried"


def test_after_n8n_was_killed_a_tagged_run_is_healed_and_an_untagged_one_asks_a_person(
    service: Service, tmp_path: Path, request: pytest.FixtureRequest, n8n: Any
) -> None:
    stage = Stage(n8n, service, tmp_path)
    with stage.medic() as medic:
        stage.wire(medic)
        nodes = lambda: (stage.call_service("POST", "First"), flow.http("Hangs", f"{service.url}/hang", "POST"))  # noqa: E731
        tagged, tagged_path = stage.workflow(*nodes(), tag="medic:retry-from-start")
        untagged, untagged_path = stage.workflow(*nodes())
        service.behave("/hang", hang(60))
        n8n.call(tagged_path, {"id": "tagged"})
        n8n.call(untagged_path, {"id": "untagged"})
        medic.wait("both hang", lambda: len(service.calls("/order")) == 2, 20)
        medic.wait("both reached the second node", lambda: len(n8n.executions(status="running")) >= 2, 10)
        n8n.kill9()
        service.behave("/hang", 200)
        n8n.start()
        medic.wait("both are known", lambda: len(medic.executions()) == 2, 90)
        medic.wait("the tagged one", lambda: _state(medic, tagged) == "recovered", 60)
        medic.wait("the untagged one", lambda: _state(medic, untagged) == "left_alone", 60)
        incident = medic.wait_for_incident("needs_human", 30)
        assert incident["component"] == "n8n" and incident["failure_type"] == "workflow_crashed"
        assert service.counts("/order") == {"tagged": 2, "untagged": 1}


def _state(medic: Medic, workflow_id: str) -> str:
    return next((one["state"] for one in medic.executions() if one["workflow_id"] == workflow_id), "")


def test_a_person_is_told_while_a_retry_still_runs(stage: Stage) -> None:
    with Receiver(Reply()) as hook:
        recovery = SHORT_RECOVERY | {"escalate_after": "6s"}
        channels = [{"name": "hook", "kind": "webhook", "url": hook.url}]
        with stage.medic(recovery=recovery, alerts={"hold": "0s", "channels": channels}) as medic:
            stage.wire(medic)
            _, path = stage.workflow(stage.call_service())
            stage.service.behave("/order", 503, hang(3600))
            stage.n8n.call(path, {"id": "long"})
            incident = medic.wait_for_incident("needs_human", 40)
            assert incident["executions"][0]["state"] == "retrying", "the retry is followed, not waited for"
            told = [posted.json["kind"] for posted in hook.wait_for(2)]
            assert told == ["opened", "needs_human"]
            assert stage.service.counts("/order")["long"] == 2


def test_failures_are_found_without_any_error_workflow(stage: Stage) -> None:
    with stage.medic() as medic:
        medic.wait_for_n8n()
        workflow_id, path = stage.workflow(stage.call_service())
        stage.service.behave("/order", 503, 200)
        stage.n8n.call(path, {"id": "unwired"})
        stage.n8n.ended(workflow_id)
        incident = medic.wait_for_incident("resolved", 60)
        assert incident["signal_count"] == 1 and stage.service.counts("/order")["unwired"] == 2
