"""The router in n8n, the terminal, bodies of the user's own, and the threads of mails."""

import json
import re

import pytest
from pydantic import ValidationError

from recovery.alerts import console, n8n, webhook
from recovery.alerts import email as email_channel
from recovery.alerts.bodies import check_body
from recovery.config import load_config
from recovery.config.notes import notes_on
from tests.plugins.telling import message, refused_with, run
from tests.standins.receiver import HANG, RESET, Receiver, Reply
from tests.standins.smtp import SmtpReceiver


@pytest.fixture
def receiver():
    with Receiver() as started:
        yield started


# --- n8n: the workflow alert-router --------------------------------------------------------------------------------


def router(receiver, **more):
    return n8n.Args(**{"url": f"{receiver.url}/webhook/alert-router", "token": "hushhush"} | more)


def told(*delivered, skipped=()):
    return Reply(200, json.dumps({"delivered": list(delivered), "skipped": list(skipped)}))


def test_the_router_gets_the_alert_with_its_header_and_says_whom_it_told(receiver):
    receiver.then(told("telegram", {"channel": "gmail"}, skipped=[{"channel": "pagerduty", "reason": "no credential"}]))
    done = run("n8n", router(receiver))
    assert done.detail == "127.0.0.1: alert-router told telegram, gmail; skipped: pagerduty (no credential)"
    (posted,) = receiver.requests
    assert posted.headers["x-medic-token"] == "hushhush"
    assert posted.json["key"] == posted.headers["x-medic-key"] == "7/needs_human/phone"
    assert posted.json["title"] == "🚨 복구 실패 - orders-api"
    assert posted.json["buttons"] == [{"text": "장애 보기", "link": "https://medic.example.com/incidents/7"}]


def test_the_answer_may_come_as_n8n_gives_items(receiver):
    receiver.then(Reply(200, '[{"delivered": ["telegram"]}]'))
    assert run("n8n", router(receiver)).detail == "127.0.0.1: alert-router told telegram"


@pytest.mark.parametrize(
    ("reply", "kind", "permanent"),
    [
        (told(), "status", False),
        (told(skipped=["telegram"]), "status", False),
        (Reply(200, '{"message": "Workflow was started"}'), "client", True),
        (Reply(200, "ok"), "client", True),
        (Reply(200, "[]"), "client", True),
        (Reply(503, '{"delivered": []}'), "status", False),
        (Reply(403, "Authorization data is wrong!"), "auth", True),
        (Reply(404, "not registered"), "client", True),
        (Reply(429, "", {"Retry-After": "9"}), "rate_limited", False),
        (HANG, "timeout", False),
        (RESET, "reset", False),
    ],
)
def test_an_alert_that_the_router_gave_to_nobody_is_not_taken(receiver, reply, kind, permanent):
    receiver.then(reply)
    with refused_with(kind, permanent) as caught:
        run("n8n", router(receiver))
    assert "hushhush" not in str(caught.value)
    assert len(receiver.requests) == 1


def test_what_the_router_says_is_one_clean_line(receiver):
    receiver.then(told("a\nb\u202e", {"channel": "c" * 200, "reason": "x"}, 5, None, {}))
    detail = run("n8n", router(receiver)).detail
    assert "\n" not in detail and "\u202e" not in detail and len(detail) < 200


def test_an_alert_about_n8n_never_goes_through_the_router_alone(tmp_path):
    (tmp_path / "medic.yaml").write_text(
        "alerts: {channels: [{name: r, kind: n8n, url: 'http://h/x', token: t}, {name: here, kind: console}]}"
    )
    plans = {plan.name: plan.through_n8n for plan in load_config(tmp_path / "medic.yaml", env={}).channel_plans()}
    assert plans == {"r": True, "here": False}


def test_a_header_that_cannot_be_sent_is_told():
    with pytest.raises(ValidationError, match="no name of a header") as caught:
        n8n.Args(url="http://h/", token="hushhush", header="X Y")
    assert "hushhush" not in str(caught.value.errors())


# --- the terminal --------------------------------------------------------------------------------------------------


def test_the_terminal_shows_the_message(capsys):
    done = run("console", console.Args())
    assert done.detail.startswith("printed")
    assert message().text in capsys.readouterr().out


def test_a_terminal_that_is_gone_has_not_taken_it(monkeypatch):
    class Gone:
        def write(self, text):
            raise BrokenPipeError("gone")

        def flush(self):
            pass

    monkeypatch.setattr("sys.stdout", Gone())
    with refused_with("network"):
        run("console", console.Args())


# --- a webhook's body of the user's own ----------------------------------------------------------------------------


TEAMS = '{"summary": "{{ title }}", "n": {{ attempts }}, "all": {{ facts | tojson }}, "by": "{{ acknowledged_by }}"}'


def hook(receiver, **more):
    return webhook.Args(url=f"{receiver.url}/alerts", **more)


def test_a_template_makes_the_body(receiver):
    args = hook(receiver, template='{"text": "{{ title }}: {{ message }}", "count": {{ attempts }}}', secret="s")
    run("webhook", args, message(message='say "hi"\\ to </script>'))
    assert receiver.requests[0].json == {
        "text": '🚨 복구 실패 - orders-api: say "hi"\\ to </script>',
        "count": 6,
    }
    assert "x-medic-signature" in receiver.requests[0].headers


@pytest.mark.parametrize("hostile", ['", "admin": "yes', "\\", '\\"', "\n", "{{ 7 * 7 }}", "\ud800", "</script>"])
def test_no_payload_gets_out_of_its_place_in_the_body(receiver, hostile):
    run(
        "webhook",
        hook(receiver, template=TEAMS.replace("{{ acknowledged_by }}", "{{ message }}")),
        message(message=hostile),
    )
    body = receiver.requests[0].json
    assert set(body) == {"summary", "n", "all", "by"}
    assert "49" not in body["by"]


@pytest.mark.parametrize("how", ["e", "escape", "safe", "upper | safe", "replace('a', 'b') | e"])
@pytest.mark.parametrize("hostile", ['", "admin": "yes', "\\", '\\"'])
def test_no_filter_opens_a_way_out_of_its_place(receiver, how, hostile):
    template = '{"text": "{{ message | HOW }}", "why": "{{ because | HOW }}"}'.replace("HOW", how)
    run("webhook", hook(receiver, template=template), message(message=hostile, because=', "admin": "yes'))
    assert set(receiver.requests[0].json) == {"text", "why"}


@pytest.mark.parametrize(
    ("template", "what"),
    [
        ('{"text": {{ title }}}', "no JSON"),
        ('{"text": "{{ titel }}"}', "titel"),
        ('{"text": "{{ title }"}', "line 1"),
        ('{"x": "{{ \'\'.__class__.__mro__ }}"}', "unsafe"),
        ('{% for x in range(10000000) %}{% endfor %}"x"', "more than a message can hold"),
        ("{% for x in range(90000) %}" * 3 + "{% endfor %}" * 3 + '"x"', "does not come to an end"),
        ('"{{ "x" * 10 ** 12 }}"', "more than a message can hold"),
        ('{"n": {{ 1 // attempts }}}', "for opened"),
    ],
)
def test_a_template_that_makes_no_json_is_found_when_the_settings_are_read(template, what):
    with pytest.raises(ValidationError, match=re.escape(what)):
        webhook.Args(url="http://h/", template=template)


def test_a_template_that_fails_on_one_alert_does_not_lose_it(receiver):
    args = hook(receiver, template='{"n": {{ 1 // (component | length - 3) }}}')
    done = run("webhook", args, message(component="abc"))
    assert "sent in the usual form, for the template" in done.detail and "ZeroDivision" in done.detail
    assert receiver.requests[0].json["component"] == "abc"


def test_a_template_fits_every_kind_of_alert():
    assert check_body(TEAMS) == TEAMS


# --- the threads of mails ------------------------------------------------------------------------------------------


def mail_args(server):
    smtp = {"host": server.host, "port": server.port, "timeout": 2}
    return email_channel.Args(to=["ops@example.com"], sender="medic@example.com", smtp=smtp)


def test_news_on_an_incident_answer_its_first_mail():
    with SmtpReceiver() as server:
        first = run("email", mail_args(server), message(kind="opened", key="1")).memory
        second = run("email", mail_args(server), message(kind="needs_human", key="2", thread=first)).memory
        run("email", mail_args(server), message(kind="recovered", key="3", thread=second))
        one, two, three = (mail.message for mail in server.wait_for(3))
    assert one["In-Reply-To"] is None
    assert two["In-Reply-To"] == one["Message-ID"] and three["In-Reply-To"] == two["Message-ID"]
    root = one["References"]
    assert three["References"].split() == [root, one["Message-ID"], two["Message-ID"]]
    assert second == {"first": one["Message-ID"], "last": two["Message-ID"]}


def test_a_mail_that_is_sent_again_does_not_answer_itself():
    with SmtpReceiver() as server:
        memory = run("email", mail_args(server), message(key="1")).memory
        run("email", mail_args(server), message(key="1", thread=memory))
        again = server.wait_for(2)[1].message
    assert again["In-Reply-To"] is None and again["Message-ID"] == memory["first"]


@pytest.mark.parametrize("memory", [{"first": "<a@b>\r\nBcc: evil@example.com"}, {"first": 5, "last": None}, {"x": 1}])
def test_a_memory_that_holds_no_id_adds_no_header(memory):
    with SmtpReceiver() as server:
        run("email", mail_args(server), message(thread=memory))
        sent = server.wait_for(1)[0].message
    assert sent["In-Reply-To"] is None and sent["Bcc"] is None


def test_a_mail_about_many_hangs_on_no_incident():
    with SmtpReceiver() as server:
        run("email", mail_args(server), message(kind="digest", incident_id=None))
        assert server.wait_for(1)[0].message["References"] is None


def test_channels_that_all_go_through_n8n_are_worth_a_look(tmp_path):
    router_alone = "alerts: {channels: [{name: r, kind: n8n, url: 'http://h/x', token: t}]}"
    (tmp_path / "medic.yaml").write_text(router_alone)
    said = "Every alert channel goes through n8n"
    assert any(said in note for note in notes_on(load_config(tmp_path / "medic.yaml", env={}), {}))
    (tmp_path / "medic.yaml").write_text(router_alone.replace("[{", "[{name: here, kind: console}, {"))
    assert not any(said in note for note in notes_on(load_config(tmp_path / "medic.yaml", env={}), {}))
