"""Every workflow that we ship, published on a real n8n and at work with a real n8n-medic."""

import json
import re
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from recovery.model import AlertKind, Severity
from tests.n8n import install
from tests.n8n import workflows as flow
from tests.n8n.real import PASSWORD, RealN8n
from tests.n8n.shipped import CREDENTIALS, FILES, FOLDER, SCOPED, Recording, Shipped, hurried, load, nodes_of
from tests.standins.n8n_client import wait_for
from tests.standins.service import Answer, Service
from tests.standins.smtp import SmtpReceiver
from tests.story.medic import Medic

pytestmark = pytest.mark.n8n
ALL = ("Slack", "Mail", "SMS")


@pytest.fixture
def told() -> Iterator[Service]:
    """Where the channels post to."""
    with Service() as found:
        yield found


@pytest.fixture
def shipped(real_n8n: RealN8n, told: Service) -> Iterator[Shipped]:
    """Our workflows on the real n8n."""
    found = Shipped(real_n8n, told)
    yield found
    found.end()


def medic_in(folder: Path, **config: Any) -> Medic:
    """A real n8n-medic with the scoped tokens of these tests."""
    return Medic(folder, config, **SCOPED)


# -- imported


def test_imported_by_the_command_line_they_keep_their_ids_and_find_their_credentials(
    real_n8n: RealN8n, shipped: Shipped
) -> None:
    for name in CREDENTIALS:
        shipped.credential(name)
    command = [str(install.node_home() / "bin/node"), str(install.SCRIPT), "import:workflow", "--separate"]
    done = subprocess.run(
        [*command, f"--input={FOLDER}"], env=real_n8n._settings(), cwd=real_n8n.folder, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    for file in FILES:
        ours = load(file.stem)
        kept = real_n8n.api("GET", f"workflows/{ours['id']}").json()
        assert kept["name"] == ours["name"] and kept["active"] is False, "import publishes nothing"
        assert nodes_of(kept).keys() == nodes_of(ours).keys()
        assert real_n8n.api("POST", f"workflows/{ours['id']}/activate").ok, "its credentials were found by their names"
        assert real_n8n.api("POST", f"workflows/{ours['id']}/deactivate").ok


def test_made_by_the_api_with_nothing_but_address_and_credentials_they_are_published(shipped: Shipped) -> None:
    for file in FILES:
        made = shipped.publish(load(file.stem), "http://127.0.0.1:9")
        assert shipped.n8n.api("GET", f"workflows/{made}").json()["active"] is True, file.stem
        shipped.end()


def test_without_its_credential_the_router_is_not_published_and_the_handlers_runs_are_refused(shipped: Shipped) -> None:
    """n8n looks at the credentials of webhooks before it publishes, and at all others before each run."""
    router, handler = load("alert-router"), load("error-handler")
    for node in (nodes_of(router)["Alert of n8n-medic"], nodes_of(handler)["Tell n8n-medic"]):
        node["credentials"]["httpHeaderAuth"]["name"] = "one that is not there"
    answer = shipped.n8n.api("POST", f"workflows/{shipped.n8n.create_workflow(router)}/activate")
    assert answer.status_code == 400 and "Credential not configured" in answer.text
    handler_id = shipped.n8n.create_workflow(handler)
    shipped.activate(handler_id)
    fail(shipped, handler_id, "no-credential")
    assert shipped.n8n.ended(handler_id)[0]["status"] == "error"


# -- the error handler


def fail(shipped: Shipped, handler: str, name: str, message: str = "on purpose") -> str:
    """Let a workflow that has the handler fail; its id."""
    path = f"{name}-{uuid.uuid4().hex[:8]}"
    fails = flow.workflow(f"Fails at {name}", flow.webhook(path), flow.stop_and_error(message), error_workflow=handler)
    workflow_id = shipped.n8n.create_workflow(fails)
    shipped.activate(workflow_id, path)
    shipped.n8n.call(path, {})
    return workflow_id


def test_the_error_handler_tells_the_companion_and_nobody_else(shipped: Shipped, told: Service, tmp_path: Path) -> None:
    with medic_in(tmp_path) as medic:
        handler = shipped.publish(shipped.with_channels(load("error-handler"), *ALL), medic.url + "/")
        failed = fail(shipped, handler, "told-to-medic")
        incident = medic.wait("the incident", lambda: medic.incidents(), 30)[0]
        whole = medic.incident(incident["id"])
        assert incident["severity"] == "high" and "on purpose" in json.dumps(whole)
        assert medic.executions()[0]["workflow_id"] == failed
        shipped.n8n.ended(handler)
        assert not told.calls()


def test_while_the_companion_is_away_the_error_handler_tells_people_once(shipped: Shipped, told: Service) -> None:
    with Service() as companion:
        companion.behave("/webhooks/n8n-error", 503)
        handler = shipped.publish(shipped.with_channels(hurried(load("error-handler")), "Slack"), companion.url)
        fail(shipped, handler, "first", "GET https://me:s3cret@shop.example.com/a?key=s3cret failed")
        said = wait_for("the message", lambda: told.calls("/slack"), 30)[0].body
        assert "Fails at first" in said["title"] and "n8n-medic에 연결할 수 없어" in said["text"]
        assert "s3cret" not in json.dumps(said) and "/executions/" in said["text"]
        shipped.n8n.ended(handler, 1)
        assert len(companion.calls("/webhooks/n8n-error")) == 5, "tried again before people were told"
        fail(shipped, handler, "second")
        shipped.n8n.ended(handler, 2)
        assert len(told.calls("/slack")) == 1, "the second failure within the quiet time rings nobody"


def test_where_the_companion_refuses_the_token_people_hear_of_it(shipped: Shipped, told: Service) -> None:
    with Service() as companion:
        companion.behave("/webhooks/n8n-error", 401)
        handler = shipped.publish(shipped.with_channels(hurried(load("error-handler")), "Mail"), companion.url)
        fail(shipped, handler, "refused")
        wait_for("the message", lambda: told.calls("/mail"), 30)


def test_where_nobody_can_be_told_the_handlers_own_run_fails_for_all_to_see(shipped: Shipped) -> None:
    handler = shipped.publish(hurried(load("error-handler")), "http://127.0.0.1:9")
    fail(shipped, handler, "nobody")
    run = shipped.n8n.execution(shipped.n8n.ended(handler)[0]["id"])
    assert run["status"] == "error"
    assert "nobody was told: slack is switched off" in run["data"]["resultData"]["error"]["message"]


# -- the alert router


def alert(kind: str, severity: str) -> dict[str, Any]:
    """What the generic webhook channel sends."""
    facts = {"kind": kind, "severity": severity, "component": "orders-api", "link": "http://medic.example.com/i/1"}
    said = {"title": f"{kind} - orders-api", "text": f"{kind} {severity}, in full", "short": f"{kind}, {severity}"}
    return {**facts, "key": "k", **said}


def routed(kind: str, severity: str) -> set[str]:
    """Who is told, as the lines are drawn."""
    if kind == "test":
        return {"slack", "mail", "sms"}
    if kind == "recovered":
        return {"slack", "mail"}
    if kind in ("digest", "held_back", "report"):
        return {"mail"}
    by_severity = {"critical": {"slack", "mail", "sms"}, "medium": {"slack"}, "low": {"mail"}}
    return by_severity.get(severity, {"slack", "mail"})


class Router:
    """The published router; `call` gives the status and the answer."""

    def __init__(self, shipped: Shipped, workflow: dict[str, Any]):
        self.shipped = shipped
        self.id = shipped.publish(workflow, "")
        wait_for("its webhook", lambda: shipped.n8n.webhook_answers("n8n-medic-alerts"))

    def call(self, body: Any, token: str = CREDENTIALS["n8n-medic alerts"]) -> tuple[int, Any]:
        url = f"{self.shipped.n8n.url}/webhook/n8n-medic-alerts"
        headers = {"X-Medic-Token": token} if token else {}
        answer = self.shipped.n8n._session.post(url, json=body, headers=headers, timeout=30)
        return answer.status_code, answer.json() if answer.status_code in (200, 503) else {}


def test_the_router_tells_whom_the_lines_say_for_every_kind_and_severity(shipped: Shipped, told: Service) -> None:
    router = Router(shipped, shipped.with_channels(load("alert-router"), *ALL))
    for kind in [*AlertKind, "something new"]:
        for severity in [*Severity, ""]:
            told.forget()
            status, answer = router.call(alert(kind, severity))
            asked = {call.path[1:] for call in told.calls()}
            assert (status, asked) == (200, routed(kind, severity)), (kind, severity, answer)
            assert set(answer["delivered"]) == asked and answer["skipped"] == [] and answer["because"] == ""
    body = told.calls("/mail")[0].body
    assert body["text"].endswith("in full") and body["short"] == "something new, ", (
        "the SMS is what n8n-medic made of it"
    )


def test_what_is_switched_off_or_fails_is_skipped_and_the_answer_says_why(shipped: Shipped, told: Service) -> None:
    told.behave("/mail", 500)
    router = Router(shipped, shipped.with_channels(load("alert-router"), "Slack", "Mail"))
    status, answer = router.call(alert("opened", "critical"))
    assert status == 200 and answer["delivered"] == ["slack"] and answer["skipped"] == ["mail", "sms"]
    assert "mail failed: " in answer["because"] and "sms is switched off" in answer["because"]
    told.behave("/slack", 500)
    status, answer = router.call(alert("opened", "critical"))
    assert status == 503 and answer["delivered"] == [] and answer["skipped"] == ["slack", "mail", "sms"]
    assert "slack failed: " in answer["because"]


def test_as_it_is_shipped_the_router_says_that_nobody_was_told(shipped: Shipped) -> None:
    status, answer = Router(shipped, load("alert-router")).call(alert("needs_human", "high"))
    assert (status, answer["delivered"], answer["skipped"]) == (503, [], ["slack", "mail"])
    assert answer["because"] == "slack is switched off; mail is switched off"


def test_the_router_lets_nobody_in_without_its_token(shipped: Shipped, told: Service) -> None:
    router = Router(shipped, shipped.with_channels(load("alert-router"), *ALL))
    assert router.call(alert("opened", "critical"), token="")[0] == 403
    assert router.call(alert("opened", "critical"), token="wrong")[0] == 403
    assert not told.calls()


@pytest.mark.parametrize("body", [{}, {"kind": None}, {"kind": {"a": 1}, "severity": []}, {"title": "x" * 5000}, []])
def test_what_is_no_alert_is_told_all_the_same_and_breaks_nothing(shipped: Shipped, told: Service, body: Any) -> None:
    router = Router(shipped, shipped.with_channels(load("alert-router"), *ALL))
    assert router.call(body)[0] == 200
    assert {call.path for call in told.calls()} == {"/slack", "/mail"}


def test_the_mail_node_itself_delivers_and_a_real_slack_node_without_a_way_out_is_skipped(shipped: Shipped) -> None:
    with SmtpReceiver() as smtp:
        made = load("alert-router")
        nodes = nodes_of(made)
        server = {"user": "", "password": "", "host": "127.0.0.1", "port": smtp.port, "secure": False}
        mail = shipped.n8n.create_credential("smtp of the test", "smtp", {**server, "disableStartTls": True})
        slack = shipped.n8n.create_credential("slack of the test", "slackApi", {"accessToken": "xoxb-none"})
        nodes["Mail"].update(disabled=False, credentials={"smtp": {"id": mail, "name": "smtp of the test"}})
        nodes["Slack"].update(disabled=False, credentials={"slackApi": {"id": slack, "name": "slack of the test"}})
        shipped._credentials |= {"smtp of the test": mail, "slack of the test": slack}
        status, answer = Router(shipped, made).call(alert("opened", "high"))
        assert status == 200 and answer["delivered"] == ["mail"] and answer["skipped"] == ["slack"], answer
        got = smtp.wait_for(1)[0]
        assert got.message["subject"] == "opened - orders-api" and got.part("plain").strip() == "opened high, in full"
        assert got.recipients == ["you@example.com"]


def test_a_channel_of_ones_own_is_added_as_the_note_says(shipped: Shipped, told: Service) -> None:
    made = load("alert-router")
    nodes = nodes_of(made)
    post = flow.http("Teams", f"{told.url}/teams", "POST", "={{ JSON.stringify({ text: $json.text }) }}")
    said = {**nodes["What Slack said"], "name": "What Teams said", "id": str(uuid.uuid4())}
    said["parameters"] = json.loads(json.dumps(said["parameters"]).replace('"slack"', '"teams"'))
    made["nodes"] += [{**post, "onError": "continueRegularOutput"}, said]
    nodes["Together"]["parameters"]["numberInputs"] = 4
    to = lambda name, index=0: [{"node": name, "type": "main", "index": index}]  # noqa: E731
    made["connections"] |= {
        "Teams": {"main": [to("What Teams said")]}, "What Teams said": {"main": [to("Together", 3)]},
    }  # fmt: skip
    made["connections"]["How bad is it?"]["main"][0] += to("Teams")
    router = Router(shipped, made)
    status, answer = router.call(alert("opened", "critical"))
    assert (status, answer["delivered"], answer["skipped"]) == (200, ["teams"], ["slack", "mail", "sms"])
    assert router.call(alert("opened", "high"))[0] == 503, "its line is at critical alone"


def test_an_alert_of_a_real_companion_goes_its_way(shipped: Shipped, told: Service, tmp_path: Path) -> None:
    Router(shipped, shipped.with_channels(load("alert-router"), "Slack"))
    url, token = f"{shipped.n8n.url}/webhook/n8n-medic-alerts", CREDENTIALS["n8n-medic alerts"]
    hook = {"name": "router", "kind": "n8n", "url": url, "token": token}
    with medic_in(tmp_path, alerts={"hold": "0s", "channels": [hook]}) as medic:
        medic.signal("probe", {"component": "orders-api", "healthy": False})
        medic.signal("probe", {"component": "orders-api", "healthy": False})
        said = wait_for("the alert", lambda: told.calls("/slack"), 60)[0].body
        assert "orders-api" in said["title"] and f"{medic.url}/incidents/" in said["text"]
        told_by = {"channel": "router", "state": "delivered"}
        medic.wait("the outbox", lambda: any(told_by.items() <= one.items() for one in medic.api("alerts")["data"]), 60)


# -- probes


def test_probes_healthy_and_failing_are_reported_in_one_batch(shipped: Shipped, told: Service, tmp_path: Path) -> None:
    told.behave("/bad", 503)
    told.behave("/teapot", 418)
    probes = {"good": (told.url + "/good", {}), "bad": (told.url + "/bad", {}), "gone": ("http://127.0.0.1:9/", {}),
              "teapot": (told.url + "/teapot", {"expect_status": [418]})}  # fmt: skip
    components = [
        {"name": name, "severity": "critical", "every": "1h", "check": {"kind": "http", "url": url, **more}}
        for name, (url, more) in probes.items()
    ]
    with medic_in(tmp_path, components=components) as medic, Recording(medic.url) as between:
        shipped.publish(hurried(load("probe-schedule")), between.url)
        batch = wait_for("the batch", lambda: between.calls("/webhooks/probe"), 40)[0]
        seen = {one["component"]: one for one in batch.body}
        assert {name: one["healthy"] for name, one in seen.items()} == {
            "good": True, "bad": False, "gone": False, "teapot": True,
        }  # fmt: skip
        assert seen["bad"]["status_code"] == 503 and seen["gone"]["status_code"] is None
        assert "n8n got no answer" in seen["gone"]["message"] and all(one["observed_at"] for one in seen.values())
        assert batch.answered == 202 and batch.headers["x-medic-token"] == SCOPED["MEDIC_PROBES_TOKEN"]
        medic.wait("the readings", lambda: len(medic.api("components")["data"]) >= 4, 20)


def test_critical_probes_and_the_rest_have_schedules_of_their_own(shipped: Shipped, told: Service) -> None:
    with Service() as companion:
        kind = {"method": "GET", "timeout": 5.0, "every": 30.0, "good_statuses": [[200, 399]]}
        listed = [
            {"name": "now", "url": f"{told.url}/now", "severity": "critical", **kind},
            {"name": "later", "url": f"{told.url}/later", "severity": "high", **kind},
        ]
        companion.behave("/api/v1/probes", Answer(200, {"data": listed, "nextCursor": None}))
        made = load("probe-schedule")
        often = {"rule": {"interval": [{"field": "seconds", "secondsInterval": 2}]}}
        seldom = {"rule": {"interval": [{"field": "months"}]}}
        nodes_of(made)["Every 30 seconds"]["parameters"] = often
        nodes_of(made)["Every 2 minutes"]["parameters"] = seldom
        shipped.publish(made, companion.url)
        wait_for("two rounds", lambda: len(companion.calls("/webhooks/probe")) >= 2, 30)
        shipped.end()
        assert told.calls("/now") and not told.calls("/later")
        companion.forget()
        companion.behave("/api/v1/probes", Answer(200, {"data": listed, "nextCursor": None}))
        made = load("probe-schedule")
        nodes_of(made)["Every 2 minutes"]["parameters"] = often
        nodes_of(made)["Every 30 seconds"]["parameters"] = seldom
        told.forget()
        shipped.publish(made, companion.url)
        wait_for("two rounds", lambda: len(companion.calls("/webhooks/probe")) >= 2, 30)
        assert told.calls("/later") and not told.calls("/now")


def test_no_probe_run_fails_while_the_companion_is_away(shipped: Shipped) -> None:
    made = hurried(load("probe-schedule"))
    made["settings"].pop("saveDataSuccessExecution")
    workflow_id = shipped.publish(made, "http://127.0.0.1:9")
    runs = shipped.n8n.ended(workflow_id, 2)
    assert {run["status"] for run in runs} == {"success"}, "else each round would be a failure to heal"


# -- the heartbeat


def test_the_heartbeat_arrives(shipped: Shipped, tmp_path: Path) -> None:
    check = {"kind": "heartbeat", "period": "1m", "grace": "2m"}
    with medic_in(tmp_path, components=[{"name": "n8n-scheduler", "check": check}]) as medic:
        shipped.publish(hurried(load("heartbeat")), medic.url)
        health = lambda: {one["name"]: one["health"] for one in medic.api("components")["data"]}  # noqa: E731
        medic.wait("the heartbeat", lambda: health().get("n8n-scheduler") == "healthy", 40)


# -- the report


def test_the_report_is_fetched_and_sent(shipped: Shipped, told: Service, tmp_path: Path) -> None:
    with medic_in(tmp_path) as medic:
        run = {"id": "1", "mode": "trigger", "error": {"message": "a trial"}}
        medic.signal("n8n-error", {"workflow": {"id": "1", "name": "Try"}, "execution": run})
        medic.wait("the incident", lambda: medic.incidents(), 20)
        shipped.publish(shipped.with_channels(hurried(load("daily-report")), "Slack", "Mail"), medic.url)
        said = wait_for("the report", lambda: told.calls("/slack"), 30)[0].body
        assert "• Failures: 1\n" in said["text"] and "• Open now: 1\n" in said["text"]
        assert "  - Try: 1" in said["text"] or ": 1" in said["text"].splitlines()[-1]
        wait_for("the mail", lambda: told.calls("/mail"), 10)
        shipped.publish(shipped.with_channels(hurried(load("daily-report")), "Mail"), medic.url, language="ko")
        korean = lambda: [call.body for call in told.calls("/mail") if "일일 보고" in call.body["title"]]  # noqa: E731
        assert "• 새 장애: 1\n" in wait_for("the Korean report", korean, 30)[0]["text"]


def test_a_report_that_cannot_be_fetched_is_said_and_one_that_reaches_nobody_fails(
    shipped: Shipped, told: Service
) -> None:
    shipped.publish(shipped.with_channels(hurried(load("daily-report")), "Slack"), "http://127.0.0.1:9")
    said = wait_for("the message", lambda: told.calls("/slack"), 30)[0].body
    assert "could not be fetched" in said["title"]
    shipped.end()
    workflow_id = shipped.publish(hurried(load("daily-report")), "http://127.0.0.1:9")
    run = shipped.n8n.execution(shipped.n8n.ended(workflow_id)[0]["id"])
    assert run["status"] == "error" and "reached nobody" in run["data"]["resultData"]["error"]["message"]


# -- the watchdog


def test_the_watchdog_notices_the_companions_death_and_return_and_says_each_once(
    shipped: Shipped, told: Service, tmp_path: Path
) -> None:
    with medic_in(tmp_path) as medic:
        made = hurried(load("companion-watchdog"), 5)
        made["settings"].pop("saveDataSuccessExecution")
        workflow_id = shipped.publish(shipped.with_channels(made, "Slack"), medic.url)
        shipped.n8n.ended(workflow_id, 2)
        assert not told.calls(), "all is well, and nobody hears a word"
        medic.kill9()
        said = wait_for("its death", lambda: told.calls("/slack"), 60)[0].body
        assert "n8n-medic is away" in said["title"] and medic.url in said["text"]
        rounds = len(shipped.n8n.executions(workflow_id))
        wait_for("more rounds", lambda: len(shipped.n8n.executions(workflow_id)) >= rounds + 3, 60)
        assert len(told.calls("/slack")) == 1, "said once"
        medic.start()
        wait_for("its return", lambda: len(told.calls("/slack")) == 2, 60)
        assert "n8n-medic is back" in told.calls("/slack")[1].body["title"]
        rounds = len(shipped.n8n.executions(workflow_id))
        wait_for("more rounds", lambda: len(shipped.n8n.executions(workflow_id)) >= rounds + 2, 60)
        assert len(told.calls("/slack")) == 2


def test_one_bad_look_calls_nobody_and_a_failed_message_is_tried_again(shipped: Shipped, told: Service) -> None:
    with Service() as companion:
        companion.behave("/readyz", 200, 503, 200)
        shipped.publish(shipped.with_channels(hurried(load("companion-watchdog")), "Slack"), companion.url)
        wait_for("many looks", lambda: len(companion.calls("/readyz")) >= 5, 40)
        assert not told.calls(), "one bad look, then a good one"
        told.behave("/slack", 500, 200)
        companion.behave("/readyz", Answer(503, {"detail": "worker: the last heartbeat came 99 seconds ago"}))
        wait_for("the second try", lambda: len(told.calls("/slack")) == 2, 60)
        assert "it answered 503: worker: the last heartbeat" in told.calls("/slack")[1].body["text"]


# -- the form

FORM = "n8n-medic-replay"
COUNTED = Answer(202, {"id": 7, "state": "planned", "counts": {"found": 3, "to_replay": 2}, "because": "a dry run"})
TAKEN = Answer(202, {"id": 8, "state": "running", "counts": {"to_replay": 2}, "because": "one by one"})


class Form:
    """The form, published without its login, which is a page of n8n's own; the companion's API is a stand-in's."""

    def __init__(self, shipped: Shipped, companion: Service, login: str = "none"):
        made = load("replay-on-demand")
        nodes_of(made)["Which runs?"]["parameters"]["authentication"] = login
        self.n8n, self.id = shipped.n8n, shipped.publish(hurried(made), companion.url)
        self.host, self.headers, self.session = "127.0.0.1", dict[str, str](), self.n8n._session
        known = 200 if login == "none" else 302
        wait_for("the form", lambda: requests.get(self.url, allow_redirects=False, timeout=10).status_code == known)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.n8n.port}/form/{FORM}"

    def log_in(self) -> None:
        """As a browser does: n8n's login, its leave to go on, and back to the form, which holds a token then."""
        self.host, self.session = "localhost", requests.Session()  # n8n calls itself so
        rest = f"http://localhost:{self.n8n.port}/rest"
        who = {"emailOrLdapLoginId": "owner@example.com", "password": PASSWORD}
        assert self.session.post(f"{rest}/login", json=who, timeout=20).ok
        assert "/oauth/consent" in self.session.get(self.url, timeout=20).url
        allowed = self.session.post(f"{rest}/consent/approve", json={"approved": True}, timeout=20)
        page = self.session.get(allowed.json()["data"]["redirectUrl"], timeout=20).text
        found = re.search(r"const authToken = '([^']+)'", page)
        assert found, page[:500]
        self.headers = {"x-auth-token": found[1]}

    def send(self, *values: str, url: str = "") -> str:
        """Fill in a page; the address of the next one."""
        fields = {f"field-{place}": (None, value) for place, value in enumerate(values)}
        answer = self.session.post(url or self.url, files=fields, headers=self.headers, timeout=30)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["formWaitingUrl"]).replace("localhost", self.host)

    def page(self, url: str) -> str:
        """The page, once the run waits for it: asked for earlier, n8n does not answer."""
        wait_for("a waiting run", lambda: self.n8n.executions(self.id, "waiting"), 60)
        return self.session.get(url, timeout=30).text


def test_the_form_counts_first_and_replays_only_after_a_yes(shipped: Shipped) -> None:
    with Service() as companion:
        companion.behave("/api/v1/replays", COUNTED, TAKEN)
        companion.behave("/api/v1/replays/8", Answer(200, {**TAKEN.body, "counts": {"replayed": 1, "to_replay": 2}}))
        form = Form(shipped, companion)
        page = form.send("Orders", "the last 6 hours", "", "")
        assert "found: 3, to replay: 2. a dry run" in form.page(page)
        assert len(companion.calls()) == 1, "nothing runs before the yes"
        form.send("Yes, once each", url=page)
        wait_for("the look at it", lambda: companion.calls("/api/v1/replays/8"), 30)
        shipped.n8n.ended(form.id)
        dry, real = companion.bodies("/api/v1/replays")
        assert (dry["dry_run"], real["dry_run"]) == (True, False) and dry["workflow"] == "Orders"
        assert {**dry, "dry_run": False} == real, "what was counted is what is replayed"
        assert all(call.headers["x-medic-token"] == SCOPED["MEDIC_REPLAY_TOKEN"] for call in companion.calls())


def test_whoever_is_logged_in_to_n8n_goes_through_the_form_and_is_named(shipped: Shipped) -> None:
    with Service() as companion:
        companion.behave("/api/v1/replays", COUNTED, TAKEN)
        companion.behave("/api/v1/replays/8", Answer(200, {**TAKEN.body, "counts": {"replayed": 1, "to_replay": 2}}))
        form = Form(shipped, companion, "n8nUserAuth")
        form.log_in()
        page = form.send("Orders", "the last hour", "", "")
        assert "found: 3, to replay: 2. a dry run" in form.page(page)
        form.send("Yes, once each", url=page)
        wait_for("the look at it", lambda: companion.calls("/api/v1/replays/8"), 30)
        assert [body["who"] for body in companion.bodies("/api/v1/replays")] == ["owner@example.com"] * 2


def test_a_no_replays_nothing(shipped: Shipped) -> None:
    with Service() as companion:
        companion.behave("/api/v1/replays", COUNTED)
        form = Form(shipped, companion)
        page = form.send("Orders", "the last hour", "", "")
        form.page(page)
        form.send("No", url=page)
        shipped.n8n.ended(form.id)
        assert [body["dry_run"] for body in companion.bodies("/api/v1/replays")] == [True]


def test_a_workflows_id_and_times_of_ones_own_are_understood(shipped: Shipped) -> None:
    with Service() as companion:
        companion.behave("/api/v1/replays", COUNTED)
        form = Form(shipped, companion)
        form.send(" dXqfEcvX2ULoQmH5 ", "the times below", "2026-01-31 22:00", "2026-02-01T06:00")
        asked = wait_for("the count", lambda: companion.bodies("/api/v1/replays"), 20)[0]
        assert asked["workflow_id"] == "dXqfEcvX2ULoQmH5" and "workflow" not in asked
        assert asked["since"] < asked["until"] and asked["since"].endswith("00:00.000Z")


@pytest.mark.parametrize(
    ("begin", "until"), [("", ""), ("yesterday", "today"), ("2026-02-01 06:00", "2026-01-31 22:00"), ("2026-01-31", "")]
)
def test_what_is_no_range_of_time_asks_the_companion_nothing(shipped: Shipped, begin: str, until: str) -> None:
    with Service() as companion:
        form = Form(shipped, companion)
        form.send("Orders", "the times below", begin, until)
        shipped.n8n.ended(form.id)
        assert not companion.calls()


@pytest.mark.parametrize("answers", [(COUNTED, 503), (COUNTED, 404)])
def test_a_replay_that_is_not_taken_is_asked_for_once(shipped: Shipped, answers: tuple[Any, ...]) -> None:
    with Service() as companion:
        companion.behave("/api/v1/replays", *answers)
        form = Form(shipped, companion)
        page = form.send("Orders", "the last hour", "", "")
        form.page(page)
        form.send("Yes, once each", url=page)
        shipped.n8n.ended(form.id)
        assert [body["dry_run"] for body in companion.bodies("/api/v1/replays")] == [True, False]


def test_only_who_is_logged_in_to_n8n_gets_to_the_form(shipped: Shipped) -> None:
    with Service() as companion:
        shipped.publish(load("replay-on-demand"), companion.url)
        url = f"{shipped.n8n.url}/form/{FORM}"
        wait_for("the form", lambda: requests.get(url, allow_redirects=False, timeout=10).status_code == 302)
        asked = requests.get(url, allow_redirects=False, timeout=10)
        assert "/oauth/authorize" in asked.headers["location"]
        assert requests.post(url, files={"field-0": (None, "Orders")}, timeout=10).status_code == 401
        assert not companion.calls()
