"""Apprise itself against local addresses: what was taken, and the reason that it tells only its log."""

import importlib
import json
import logging
import re
import threading
import time

import pytest
from pydantic import ValidationError

from recovery.alerts import apprise
from recovery.outside.apprise import _heard
from tests.plugins.telling import message, refused_with, run
from tests.standins.receiver import HANG, RESET, Receiver, Reply
from tests.standins.smtp import DrippingServer


@pytest.fixture(scope="module", autouse=True)
def loaded():
    """Apprise loads a hundred services at its first use, which takes longer than a test waits."""
    import apprise as library

    library.Apprise.instantiate("json://127.0.0.1/")


@pytest.fixture
def receiver():
    with Receiver() as started:
        yield started


def url_of(receiver, path="hushhush-token"):
    return f"json{receiver.url.removeprefix('http')}/{path}"


def one(receiver, **more):
    return apprise.Args(**{"url": url_of(receiver), "timeout": 1.0} | more)


def test_a_service_gets_title_and_text_with_our_link(receiver):
    assert run("apprise", one(receiver)).detail == "told json"
    (posted,) = receiver.requests
    assert posted.path == "/hushhush-token"
    assert posted.json["title"] == "🚨 복구 실패 - orders-api"
    assert posted.json["message"].startswith("• 장애 유형: api_timeout")
    assert posted.json["message"].endswith("장애 보기: https://medic.example.com/incidents/7")
    assert posted.json["type"] == "failure"


@pytest.mark.parametrize(
    ("kind", "tone"), [("opened", "warning"), ("recovered", "success"), ("digest", "info"), ("storm", "failure")]
)
def test_the_tone_tells_how_bad_it_is(receiver, kind, tone):
    run("apprise", one(receiver), message(kind=kind))
    assert receiver.requests[0].json["type"] == tone


def test_what_came_from_outside_mentions_nobody_and_makes_no_link(receiver):
    hostile = "@everyone <@123> <!here> [Open](https://evil.example) a < b mail@example.com"
    run("apprise", one(receiver), message(message=hostile, component=hostile))
    sent = json.dumps(receiver.requests[0].json, ensure_ascii=False)
    assert "@" not in sent and "<!" not in sent and "<@" not in sent
    assert "evil.example" not in sent and "a < b" in sent
    assert sent.count("https://") == 1


# The real code of services with languages of their own: Markdown, HTML, Slack's, plain text.
SERVICES = {
    "discord": ("notify_url", "", "discord://111111111111111111/" + "a" * 60),
    "telegram": ("notify_url", "/bot", "tgram://123456789:abcdefghijklmnopqrstuvwxyz_ABCDEFGH/12345"),
    "google_chat": ("notify_url", "/spaces/{workspace}/messages", "gchat://room/key/token"),
    "slack": ("webhook_url", "/services", "slack://TAAAAAAAA/BAAAAAAAA/" + "a" * 24 + "/#ops"),
    "mattermost": ("", "", "mmost://HOST/" + "a" * 26),
    "rocketchat": ("", "", "rocket://" + "a" * 24 + "/" + "b" * 43 + "@HOST/#ops"),
    "gotify": ("", "", "gotify://HOST/abcdefghijklmno"),
}
IN_ALL_LANGUAGES = (
    "<!channel> <@U1> @here [Open](evil.example) <evil.example|Open> <b>bold</b> &lt;i&gt; https://evil.example/x"
)


@pytest.mark.parametrize("service", SERVICES)
def test_in_no_language_of_a_service_a_payload_says_more_than_words_and_our_link_is_whole(
    receiver, monkeypatch, service
):
    attribute, path, url = SERVICES[service]
    if attribute:
        plugin = importlib.import_module(f"apprise.plugins.{service}")
        (kind,) = [
            found for name, found in vars(plugin).items() if name.startswith("Notify") and attribute in vars(found)
        ]
        monkeypatch.setattr(kind, attribute, f"{receiver.url}{path}")
    receiver.usual = Reply(200, '{"ok": true}' if service == "telegram" else "ok", {"Content-Type": "application/json"})
    link = "https://medic.example.com/answer/WzEs.EE_x-y"
    said = message("en", component=IN_ALL_LANGUAGES, message=IN_ALL_LANGUAGES, ack_link=link)
    run("apprise", apprise.Args(url=url.replace("HOST", receiver.url.removeprefix("http://")), timeout=5), said)
    sent = receiver.requests[-1].body.decode()
    posted = json.dumps(json.loads(sent), ensure_ascii=False) if sent.startswith("{") else sent
    posted = posted.replace("\\r", "")
    assert f"{link}\\n" in posted or f"<{link}>\\n" in posted, "the address by itself, with nothing escaped in it"
    assert "](" not in posted.replace("\\\\", "") and "<!" not in posted and "@here" not in posted
    assert not re.search(r"<(?!https://medic|b>🚨|/b>)", posted), "no markup, and no link, but ours"
    assert "evil.example/x" not in posted


@pytest.mark.parametrize(
    ("reply", "kind", "permanent"),
    [
        (Reply(401, "no"), "auth", True),
        (Reply(403, "no"), "auth", True),
        (Reply(404, "no"), "client", True),
        (Reply(429, "no", {"Retry-After": "7"}), "rate_limited", False),
        (Reply(500, "no"), "status", False),
        (Reply(503, "no"), "status", False),
        (HANG, "timeout", False),
        (RESET, "reset", False),
    ],
)
def test_what_a_service_does_not_take_says_why(receiver, reply, kind, permanent):
    receiver.then(reply)
    begin = time.monotonic()
    with refused_with(kind, permanent) as caught:
        run("apprise", one(receiver))
    assert "JSON" in str(caught.value) and "hushhush" not in str(caught.value)
    assert time.monotonic() - begin < 4
    assert len(receiver.requests) == 1, "a channel asks once"


def test_a_service_that_is_not_there_is_refused_and_an_unknown_name_is_dns():
    with Receiver() as gone:
        pass
    with refused_with("refused"):
        run("apprise", one(gone))
    with refused_with("dns"):
        run("apprise", apprise.Args(url="json://no-such-host.invalid/", timeout=10))


def test_a_service_that_drips_is_left():
    with DrippingServer(0.1) as server:
        begin = time.monotonic()
        with refused_with("timeout"):
            run("apprise", apprise.Args(url=f"json://{server.host}:{server.port}/hushhush", timeout=0.5))
        assert time.monotonic() - begin < 5


@pytest.mark.parametrize("url", ["nosuch://hushhush-token/x", "discord://hushhush-token", "tgram://hushhush-token/"])
def test_a_url_that_names_no_service_is_a_mistake_of_the_settings(url):
    with refused_with("client", permanent=True) as caught:
        run("apprise", apprise.Args(url=url))
    assert "names no service" in str(caught.value)
    assert "hushhush" not in str(caught.value)


def test_each_of_several_services_is_told_and_named_without_its_url(receiver):
    receiver.then(Reply(500), Reply(200))
    urls = {"pager": url_of(receiver, "hushhush-a"), "desk": url_of(receiver, "hushhush-b")}
    done = run("apprise", apprise.Args(urls=urls, timeout=1))
    assert done.detail.startswith("told desk, not told: pager: JSON: ")
    assert "hushhush" not in done.detail


def test_the_reasons_of_two_services_at_once_are_not_mixed_up(receiver):
    run("apprise", one(receiver))  # from then on its log is listened to
    log = logging.getLogger("apprise")
    with _heard.listening() as mine:
        other = threading.Thread(target=log.warning, args=("of somebody else",))
        other.start()
        other.join()
        log.warning("of mine")
    assert mine == ["of mine"]


def test_no_url_reaches_our_log(receiver):
    logged = []
    handler = logging.Handler(logging.DEBUG)
    handler.emit = logged.append
    logging.getLogger().addHandler(handler)
    try:
        receiver.then(Reply(500))
        with refused_with("status"):
            run("apprise", one(receiver))
    finally:
        logging.getLogger().removeHandler(handler)
    assert not [record for record in logged if record.name.startswith("apprise")]


@pytest.mark.parametrize(
    ("given", "what"),
    [({}, "give `url`"), ({"url": "hushhush"}, "Apprise URL"), ({"urls": {"a": "http:/hushhush"}}, "Apprise URL")],
)
def test_settings_that_cannot_work_are_told_without_the_url(given, what):
    with pytest.raises(ValidationError) as caught:
        apprise.Args.model_validate(given)
    assert what in str(caught.value) and "hushhush" not in str(caught.value.errors())


def test_urls_may_stand_in_files(tmp_path):
    (tmp_path / "url").write_text("json://127.0.0.1/hushhush\n")
    args = apprise.Args(urls_file={"desk": str(tmp_path / "url")})
    assert list(args.named) == ["desk"] and "hushhush" not in repr(args)
