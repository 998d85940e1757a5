"""Slack as a bot, with Slack's own client against a local address: one thread for each incident."""

import json
import time

import pytest

from recovery.alerts import slack
from recovery.model import Done
from tests.plugins.telling import message, refused_with, run
from tests.standins.receiver import HANG, RESET, Receiver, Reply
from tests.standins.smtp import DrippingServer

CHANNEL = "C0123456789"


def answered(status=200, headers=None, **body):
    return Reply(status, json.dumps(body), {"Content-Type": "application/json", **(headers or {})})


POSTED = answered(ok=True, channel=CHANNEL, ts="1764000000.000100")


@pytest.fixture
def receiver():
    with Receiver(POSTED) as started:
        yield started


def bot(receiver, **more):
    base = f"{receiver.url}/api/" if receiver else ""
    given = {"bot_token": "xoxb-hushhush", "channel": "#ops", "api_base": base, "timeout": 0.5}
    return slack.Args(**given | more)


def test_the_first_message_on_an_incident_is_posted_and_remembered(receiver):
    done = run("slack", bot(receiver))
    assert done == Done("told #ops", {"asked": "#ops", "channel": CHANNEL, "ts": "1764000000.000100"})
    (posted,) = receiver.requests
    assert posted.path == "/api/chat.postMessage"
    assert posted.headers["authorization"] == "Bearer xoxb-hushhush"
    assert posted.json["channel"] == "#ops" and "thread_ts" not in posted.json
    assert posted.json["text"].startswith("🚨 복구 실패 - orders-api")
    assert posted.json["blocks"][2]["elements"][0]["url"] == "https://medic.example.com/incidents/7"


def test_news_are_replies_and_the_first_message_shows_how_things_stand(receiver):
    first = run("slack", bot(receiver), message(kind="opened")).memory
    done = run("slack", bot(receiver), message(kind="recovered", thread=first))
    assert done == Done("told in the thread of #ops", first)
    _, reply, update = receiver.requests
    assert (reply.path, reply.json["thread_ts"], reply.json["channel"]) == (
        "/api/chat.postMessage",
        first["ts"],
        CHANNEL,
    )
    assert "reply_broadcast" not in reply.json
    assert (update.path, update.json["ts"], update.json["channel"]) == ("/api/chat.update", first["ts"], CHANNEL)
    assert update.json["blocks"][0]["text"]["text"] == "✅ 복구 완료 - orders-api"


@pytest.mark.parametrize("kind", ["needs_human", "worsened", "reminder"])
def test_what_needs_a_person_is_shown_in_the_channel_too_because_replies_wake_nobody(receiver, kind):
    first = run("slack", bot(receiver), message(kind="opened")).memory
    run("slack", bot(receiver), message(kind=kind, thread=first))
    assert receiver.requests[1].json["reply_broadcast"] is True


def test_a_first_message_that_cannot_be_changed_does_not_tell_the_news_twice(receiver):
    first = run("slack", bot(receiver), message(kind="opened")).memory
    receiver.then(POSTED, answered(ok=False, error="cant_update_message"))
    done = run("slack", bot(receiver), message(kind="recovered", thread=first))
    assert "its first message could not be changed" in done.detail and "cant_update_message" in done.detail
    assert done.memory == first


def test_a_thread_that_was_deleted_is_begun_anew(receiver):
    first = run("slack", bot(receiver), message(kind="opened")).memory
    receiver.then(answered(ok=False, error="thread_not_found"), answered(ok=True, channel=CHANNEL, ts="2.2"))
    done = run("slack", bot(receiver), message(kind="recovered", thread=first))
    assert done.memory["ts"] == "2.2"
    assert "thread_ts" not in receiver.requests[2].json


@pytest.mark.parametrize(
    "memory", [{"asked": "#other", "channel": "C9", "ts": "1.1"}, {"ts": "1.1"}, {"asked": "#ops"}]
)
def test_a_memory_of_another_channel_or_half_of_one_begins_a_thread(receiver, memory):
    assert run("slack", bot(receiver), message(thread=memory)).detail == "told #ops"
    assert "thread_ts" not in receiver.requests[0].json


@pytest.mark.parametrize(
    ("reply", "kind", "permanent", "wait"),
    [
        (answered(429, {"Retry-After": "17"}, ok=False, error="ratelimited"), "rate_limited", False, 17.0),
        (Reply(429, "slow down", {"Retry-After": "3"}), "rate_limited", False, 3.0),
        (answered(ok=False, error="ratelimited"), "rate_limited", False, None),
        (answered(ok=False, error="invalid_auth"), "auth", True, None),
        (answered(ok=False, error="missing_scope", needed="chat:write"), "auth", True, None),
        (answered(403, ok=False, error="x"), "auth", True, None),
        (answered(ok=False, error="channel_not_found"), "client", True, None),
        (answered(ok=False, error="not_in_channel"), "client", True, None),
        (answered(ok=False, error="internal_error"), "status", False, None),
        (answered(500, ok=False, error="fatal_error"), "status", False, None),
        (Reply(503, "<html>bad gateway</html>", {"Retry-After": "5"}), "status", False, 5.0),
        (Reply(200, "<html>captive portal</html>"), "status", False, None),
        (Reply(200, "[]", {"Content-Type": "application/json"}), "status", False, None),
        (HANG, "timeout", False, None),
        (RESET, "reset", False, None),
    ],
)
def test_what_slack_does_not_take_says_why_and_when(receiver, reply, kind, permanent, wait):
    receiver.then(reply)
    begin = time.monotonic()
    with refused_with(kind, permanent) as caught:
        run("slack", bot(receiver))
    assert caught.value.retry_after_seconds == wait
    assert "hushhush" not in str(caught.value)
    assert time.monotonic() - begin < 4
    assert len(receiver.requests) == 1, "a channel asks once"


def test_a_scope_that_is_missing_is_named(receiver):
    receiver.then(answered(ok=False, error="missing_scope", needed="chat:write"))
    with refused_with("auth", permanent=True) as caught:
        run("slack", bot(receiver))
    assert "missing_scope (needed: chat:write)" in str(caught.value)


def test_a_slack_that_is_not_there_is_refused_and_an_unknown_name_is_dns():
    with Receiver() as gone:
        pass
    with refused_with("refused"):
        run("slack", bot(gone))
    with refused_with("dns"):
        run("slack", bot(gone, api_base="http://no-such-host.invalid/api/", timeout=5))


def test_a_slack_that_drips_is_left():
    with DrippingServer(0.1) as server:
        begin = time.monotonic()
        with refused_with("timeout"):
            run("slack", bot(None, api_base=f"http://{server.host}:{server.port}/api/"))
        assert time.monotonic() - begin < 5
