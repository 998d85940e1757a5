"""The actions that post the incident: `recovery.actions.call_webhook`, `recovery.actions.run_workflow`.

tests/n8n/test_n8n_actions.py runs the latter against n8n.
"""

import hashlib
import hmac
import json
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import ValidationError

from recovery.actions import REGISTRY
from recovery.clock import utc_now
from recovery.model import About, Done, Failed, FailureType, Severity
from recovery.outside.http import Http
from tests.plugins.servers import Site, free_port, raw_server, reset, silent

NOW = utc_now()
ABOUT = About(
    "orders-api",
    NOW,
    incident_id=7,
    failure_type=FailureType.API_TIMEOUT,
    severity=Severity.CRITICAL,
    cause='no answer\nfrom "orders"; $(reboot) http://evil.invalid/',
    opened_at=NOW - timedelta(minutes=1),
    stage=2,
    attempt=1,
    link="https://medic.example.com/incidents/7",
    key="20260131T120000Z-3.5",
)
BOTH = pytest.mark.parametrize("kind", ["call_webhook", "run_workflow"])


class Doors:
    http = Http()


def run(kind: str, about: About = ABOUT, **args):
    plugin = REGISTRY.find(kind)
    return plugin.run(plugin.args.model_validate(args), Doors(), about)


def preview(kind: str, **args):
    plugin = REGISTRY.find(kind)
    return plugin.preview(plugin.args.model_validate(args), None, ABOUT)


@BOTH
def test_the_incident_arrives_as_json_with_its_key(kind: str, site: Site) -> None:
    site.answers["/heal"] = (202, {}, b"")
    assert run(kind, url=f"{site.url}/heal") == Done("127.0.0.1 answered 202")
    ((method, path, headers, body),) = site.asked
    assert (method, path, headers["x-medic-key"]) == ("POST", "/heal", ABOUT.key)
    assert json.loads(body) == {
        "action": kind,
        "key": ABOUT.key,
        "component": "orders-api",
        "failure_type": "api_timeout",
        "severity": "critical",
        "incident_id": 7,
        "cause": 'no answer from "orders"; $(reboot) http://evil.invalid/',
        "opened_at": ABOUT.opened_at.isoformat(),
        "stage": 2,
        "attempt": 1,
        "link": ABOUT.link,
    }


@BOTH
def test_a_step_that_is_run_again_has_the_same_key_and_the_next_attempt_another(kind: str, site: Site) -> None:
    site.answers["/heal"] = (200, {}, b"")
    for about in (ABOUT, replace(ABOUT, now=NOW + timedelta(minutes=5)), replace(ABOUT, key="", attempt=2)):
        run(kind, about, url=f"{site.url}/heal")
    first, again, other = (asked[2]["x-medic-key"] for asked in site.asked)
    assert first == again and other == "7.2.2"


@BOTH
def test_what_is_not_taken_is_a_failure(kind: str, site: Site) -> None:
    site.answers |= {"/e": (500, {}, b"no room"), "/a": (401, {}, b""), "/m": (302, {"Location": "/e"}, b"")}
    assert run(kind, url=f"{site.url}/e") == Failed("127.0.0.1 answered 500: no room")
    assert run(kind, url=f"{site.url}/a") == Failed("127.0.0.1 answered 401", permanent=True)
    assert run(kind, url=f"{site.url}/m").permanent and len(site.asked) == 3, "a redirect is not followed"
    gone = run(kind, url=f"http://127.0.0.1:{free_port()}/heal")
    assert "refuses the connection" in gone.why and not gone.permanent


@BOTH
def test_one_that_hangs_or_breaks_off_is_a_failure_in_time(kind: str) -> None:
    with raw_server(silent) as port:
        began = time.monotonic()
        answer = run(kind, url=f"http://127.0.0.1:{port}/heal", timeout="300ms")
        assert answer == Failed(f"no answer from 127.0.0.1:{port} within 0.3 s")
        assert time.monotonic() - began < 2
    with raw_server(reset) as port:
        assert "broke the connection off" in run(kind, url=f"http://127.0.0.1:{port}/heal").why


@BOTH
def test_a_dry_run_names_the_address_without_its_query_and_sends_nothing(kind: str) -> None:
    told = preview(kind, url="https://ops.example.com/heal?key=hunter2", timeout="5s")
    assert "https://ops.example.com/heal, for at most 5 s" in told.replace("the workflow at ", "")
    assert told.startswith("post the incident as JSON to ") and "hunter2" not in told


def test_it_would_sign_or_send_a_header_where_it_does(tmp_path) -> None:
    held = tmp_path / "secret"
    held.write_text("hunter2\n")
    assert ", signed," in preview("call_webhook", url="https://a.example.com/", secret_file=str(held))
    told = preview("run_workflow", url="https://a.example.com/webhook/x", token_file=str(held))
    assert " with the header X-Medic-Token," in told and "hunter2" not in told


def test_headers_and_signature_are_sent_and_never_shown(site: Site, tmp_path) -> None:
    held = tmp_path / "secret"
    held.write_text("hunter2\n")
    site.answers["/heal/long-key"] = (503, {}, b"hunter2 and s3cret-token are known at /heal/long-key")
    args = {"url": f"{site.url}/heal/long-key", "secret_file": str(held), "headers": {"Authorization": "s3cret-token"}}
    answer = run("call_webhook", **args)
    assert answer == Failed("127.0.0.1 answered 503: [redacted] and [redacted] are known at [redacted]")
    headers, body = site.asked[0][2:]
    unix = int(NOW.timestamp())
    wanted = hmac.new(b"hunter2", f"{unix}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["x-medic-signature"] == f"t={unix},v1={wanted}" and headers["authorization"] == "s3cret-token"
    assert not {"hunter2", "s3cret-token"} & set(
        repr(REGISTRY.find("call_webhook").args.model_validate(args)).split("'")
    )


def test_a_workflow_is_called_with_its_token_and_404_is_tried_again(site: Site, tmp_path) -> None:
    held = tmp_path / "token"
    held.write_text("hunter2\n")
    site.answers["/webhook/heal"] = (200, {}, b'{"message": "Workflow was started"}')
    args = {"header": "X-Heal", "token_file": str(held)}
    assert isinstance(run("run_workflow", url=f"{site.url}/webhook/heal", **args), Done)
    assert site.asked[0][2]["x-heal"] == "hunter2"
    answer = run("run_workflow", url=f"{site.url}/webhook/other", **args)
    assert not answer.permanent and "is the workflow published" in answer.why
    assert run("call_webhook", url=f"{site.url}/webhook/other").permanent


BAD_URLS = [
    "",
    "ftp://a/",
    "http://",
    "http://a b/",
    "http://u:hunter2@a.example.com/",
    "http://a:0/",
    "//a/x",
    "http://a/\n",
]


@BOTH
@pytest.mark.parametrize("url", BAD_URLS)
def test_an_address_that_is_none_is_refused_without_repeating_it(kind: str, url: str) -> None:
    with pytest.raises(ValidationError) as problem:
        REGISTRY.find(kind).args.model_validate({"url": url})
    assert "hunter2" not in str(problem.value)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("call_webhook", {"headers": {"X-Medic-Key": "hunter2"}}),
        ("call_webhook", {"headers": {"A": "hunter2\r\nX: y"}}),
        ("call_webhook", {"headers": {"A b": "hunter2"}}),
        ("call_webhook", {"secret_file": "/no/such/file"}),
        ("call_webhook", {"timeout": "2d"}),
        ("run_workflow", {"header": "X Y"}),
        ("run_workflow", {"header": "Content-Type"}),
        ("run_workflow", {"token": "hunter2\nx"}),
        ("run_workflow", {"token_file": "/no/such/file"}),
        ("run_workflow", {"url": "http://n8n.example.com/webhook-test/heal"}),
    ],
)
def test_other_wrong_arguments_are_refused(kind: str, wrong: dict) -> None:
    with pytest.raises(ValidationError) as problem:
        REGISTRY.find(kind).args.model_validate({"url": "https://a.example.com/x"} | wrong)
    assert "hunter2" not in str(problem.value)
