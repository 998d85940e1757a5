"""`medic test-alert` and `medic preview-alert`: what they send and print, and their exit codes."""

import json
import os

import pytest
from click.testing import CliRunner

from recovery.cli import main
from recovery.model import AlertKind
from tests.standins.receiver import Receiver, Reply, twilio_refused, twilio_took
from tests.standins.smtp import SmtpReceiver

FILE = """
public_url: https://medic.example.com
alerts:
  language: en
  channels:
    - {{name: hook, kind: webhook, url: "{url}/hushhush"}}
    - {{name: here, kind: console}}
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("MEDIC_")]:
        monkeypatch.delenv(name)

    def go(*words, file=""):
        (tmp_path / "medic.yaml").write_text(file)
        return CliRunner().invoke(main, list(words), prog_name="medic")

    return go


@pytest.fixture
def receiver():
    with Receiver() as started:
        yield started


def test_a_test_reaches_its_channel_and_says_that_it_is_one(run, receiver):
    tried = run("test-alert", "--channel", "hook", file=FILE.format(url=receiver.url))
    assert (tried.exit_code, tried.output) == (0, "hook (webhook): taken: 127.0.0.1 answered 200\n")
    body = receiver.requests[0].json
    assert body["title"] == "🧪 Test alert - hook" and body["test"] is True
    assert body["link"] == "https://medic.example.com/"


@pytest.mark.parametrize("kind", list(AlertKind))
def test_every_kind_can_be_tried_in_korean_and_leads_nowhere_wrong(run, receiver, kind):
    words = ("test-alert", "--channel", "hook", "--kind", kind.value, "--language", "ko")
    assert run(*words, file=FILE.format(url=receiver.url)).exit_code == 0
    body = receiver.requests[0].json
    assert "테스트" in body["title"]
    assert {button["link"] for button in body["buttons"]} == {"https://medic.example.com/"}


def test_a_channel_that_does_not_take_it_is_told_with_what_the_provider_said(run, receiver):
    receiver.usual = Reply(403, "invalid_token")
    tried = run("test-alert", "--channel", "hook", file=FILE.format(url=receiver.url))
    assert tried.exit_code == 1
    assert "hook (webhook): NOT TAKEN (auth): 127.0.0.1 answered 403: invalid_token" in tried.output
    assert "trying again cannot help" in tried.output
    assert "hushhush" not in tried.output


SLACK_TOOK = Reply(200, '{"ok": true, "channel": "C1", "ts": "1.2"}', {"Content-Type": "application/json"})
SLACK_REFUSED = Reply(200, '{"ok": false, "error": "invalid_auth"}', {"Content-Type": "application/json"})
# What each provider answers to a message that it takes, and to a wrong key.
PROVIDERS = {
    "slack": ("webhook_url: 'URL/services/hushhush'", Reply(200, "ok"), Reply(403, "invalid_token")),
    "slack bot": ("bot_token: xoxb-hushhush, channel: C1, api_base: 'URL/api/'", SLACK_TOOK, SLACK_REFUSED),
    "sms": (
        "to: ['+15550100'], sender: '+15550199', account_sid: AC1, auth_token: hushhush, api_base: 'URL'",
        twilio_took(),
        twilio_refused(401, 20003, "Authenticate"),
    ),
    "apprise": ("url: 'jsonHOST/hushhush'", Reply(200), Reply(401, "no")),
    "webhook": ("url: 'URL/hushhush'", Reply(204, ""), Reply(401, "who are you?")),
    "n8n": (
        "url: 'URL/webhook/x', token: hushhush",
        Reply(200, '{"delivered": ["mail"], "skipped": []}'),
        Reply(403, "Authorization data is wrong!"),
    ),
}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_each_provider_said_is_printed(run, receiver, provider):
    settings, took, refused = PROVIDERS[provider]
    settings = settings.replace("URL", receiver.url).replace("HOST", receiver.url.removeprefix("http"))
    file = f"alerts: {{channels: [{{name: one, kind: {provider.split()[0]}, {settings}}}]}}"
    receiver.then(took, refused, Reply(429, "slow down", {"Retry-After": "30"}))
    tried = [run("test-alert", "--channel", "one", file=file) for _ in range(3)]
    receiver.stop()
    tried.append(run("test-alert", "--channel", "one", file=file))
    assert [one.exit_code for one in tried] == [0, 1, 1, 1]
    well, key, busy, gone = (one.output for one in tried)
    assert ": taken: " in well
    assert "NOT TAKEN (auth)" in key and "trying again cannot help: correct the channel's settings" in key
    assert "NOT TAKEN (rate_limited)" in busy and ("it asks for 30 s of patience" in busy or provider == "apprise")
    assert "NOT TAKEN (refused)" in gone
    assert "hushhush" not in well + key + busy + gone


def test_all_channels_are_tried_though_one_fails(run, receiver):
    receiver.usual = Reply(429, "", {"Retry-After": "7"})
    tried = run("test-alert", "--all", file=FILE.format(url=receiver.url))
    assert tried.exit_code == 1
    assert "it asks for 7 s of patience" in tried.output
    assert "here (console): taken" in tried.output


def test_a_mail_is_really_sent(run):
    with SmtpReceiver() as server:
        smtp = f"{{host: 127.0.0.1, port: {server.port}}}"
        mail = f"{{name: mail, kind: email, to: [ops@example.com], sender: medic@example.com, smtp: {smtp}}}"
        tried = run("test-alert", "--channel", "mail", file=f"alerts: {{channels: [{mail}]}}")
        assert (tried.exit_code, tried.output) == (0, "mail (email): taken: told ops@example.com\n")
        assert server.wait_for(1)[0].message["Subject"] == "🧪 Test alert - mail"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--channel", "hok"), "no channel named 'hok' is configured; there are: hook, here"),
        ((), "which channel? Give --channel NAME, or --all; there are: hook, here"),
        (("--all", "--kind", "party"), "'party' is not one of"),
    ],
)
def test_a_channel_that_is_not_there_is_a_mistake(run, words, said):
    tried = run("test-alert", *words, file=FILE.format(url="http://127.0.0.1:1"))
    assert tried.exit_code == 2 and said in tried.output


def test_without_channels_there_is_nothing_to_try(run):
    assert "there are: none" in run("test-alert", "--all").output


# --- what it would look like ---------------------------------------------------------------------------------------


def test_a_preview_shows_the_message_and_sends_nothing(run):
    shown = run("preview-alert", "--kind", "opened", "--language", "ko")
    assert shown.exit_code == 0
    assert shown.output.startswith("⚠️ 장애 감지 - orders-api\n\n• 장애 유형: api_error\n")


def test_a_preview_shows_it_as_each_kind_of_channel_gets_it(run):
    assert "(GSM-7, " in run("preview-alert", "--channel", "sms").output
    assert json.loads(run("preview-alert", "--channel", "slack").output)["blocks"][0]["type"] == "header"
    assert json.loads(run("preview-alert", "--channel", "n8n").output)["kind"] == "needs_human"
    assert run("preview-alert", "--channel", "html").output.startswith("<!doctype html>")
    assert run("preview-alert", "--channel", "email").output.startswith("Subject: 🚨")
    wrong = run("preview-alert", "--channel", "fax")
    assert wrong.exit_code == 2 and "no channel named 'fax'" in wrong.output


def test_a_preview_of_ones_own_facts(run, tmp_path):
    (tmp_path / "facts.json").write_text(json.dumps({"kind": "opened", "component": "till", "language": "ko"}))
    assert run("preview-alert", "--facts", "facts.json").output.startswith("⚠️ 장애 감지 - till\n")


@pytest.mark.parametrize(
    ("content", "said"),
    [("[]", "one JSON object"), ("{", "is no JSON"), ('{"kind": "party"}', "party"), (None, "cannot read")],
)
def test_facts_that_are_none_are_told(run, tmp_path, content, said):
    if content is not None:
        (tmp_path / "facts.json").write_text(content)
    shown = run("preview-alert", "--facts", "facts.json")
    assert shown.exit_code == 2 and said in shown.output


# --- templates of the user's own -----------------------------------------------------------------------------------


def test_check_config_finds_what_is_wrong_in_a_template(run, tmp_path):
    (tmp_path / "words" / "en").mkdir(parents=True)
    own = tmp_path / "words" / "en" / "incident.j2"
    own.write_text("{% macro title(f) %}Hey: {{ f.component }}{% endmacro %}")
    file = "alerts: {templates: words}"
    assert run("check-config", file=file).exit_code == 0
    assert run("preview-alert", file=file).output.startswith("Hey: orders-api\n")
    own.write_text("{% macro title(f) %}\n{{ f.componet }}{% endmacro %}")
    checked = run("check-config", file=file)
    assert checked.exit_code == 2
    assert "en/incident.j2" in checked.output and "componet" in checked.output
    shown = run("preview-alert", file=file)
    assert "a template of yours could not be used: en/incident.j2" in shown.output
    assert "🚨 Recovery failed - orders-api" in shown.output


def test_a_folder_that_is_not_there_is_found(run):
    checked = run("check-config", file="alerts: {templates: /no/such/folder}")
    assert checked.exit_code == 2 and "there is no folder '/no/such/folder'" in checked.output
