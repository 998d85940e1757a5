import hashlib
import hmac
import json
import re
import threading
import time
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from recovery.alerts import REGISTRY, slack, sms, webhook
from recovery.alerts import email as email_channel
from recovery.model import Done, DoorError
from recovery.outside.mail import Mail
from tests.plugins.telling import FACTS, NOW, message, refused_with, run
from tests.standins.receiver import HANG, RESET, Receiver, Reply, twilio_refused, twilio_took
from tests.standins.smtp import DrippingServer, SmtpReceiver


@pytest.fixture
def receiver():
    with Receiver() as started:
        yield started


# --- every channel over HTTP ---------------------------------------------------------------------------------------


def slack_args(base):
    return slack.Args(webhook_url=f"{base}/services/T0/B0/hushhush")


def webhook_args(base, **more):
    return webhook.Args(url=f"{base}/alerts?token=hushhush", **more)


BOTH = pytest.mark.parametrize(("name", "make"), [("slack", slack_args), ("webhook", webhook_args)])


@BOTH
@pytest.mark.parametrize(
    ("reply", "kind", "permanent", "wait"),
    [
        (Reply(429, "slow down", {"Retry-After": "17"}), "rate_limited", False, 17.0),
        (Reply(429, "", {"Retry-After": "Tue, 24 Nov 2026 03:06:00 GMT"}), "rate_limited", False, 60.0),
        (Reply(429, "", {"Retry-After": "soon"}), "rate_limited", False, None),
        (Reply(500, "oops"), "status", False, None),
        (Reply(503, "", {"Retry-After": "5"}), "status", False, 5.0),
        (Reply(400, "invalid_payload"), "client", True, None),
        (Reply(404, "no_service"), "client", True, None),
        (Reply(403, "invalid_token"), "auth", True, None),
        (HANG, "timeout", False, None),
        (RESET, "reset", False, None),
    ],
)
def test_an_answer_that_takes_nothing_says_why_and_when(receiver, name, make, reply, kind, permanent, wait):
    receiver.then(reply)
    begin = time.monotonic()
    with refused_with(kind, permanent) as caught:
        run(name, make(receiver.url))
    assert caught.value.retry_after_seconds == wait
    assert time.monotonic() - begin < 5
    assert len(receiver.requests) == 1, "a channel asks once"


@BOTH
def test_a_receiver_that_is_not_there_is_refused(name, make):
    with Receiver() as gone:
        pass
    with refused_with("refused"):
        run(name, make(gone.url))


@BOTH
def test_a_redirect_is_not_followed_because_the_body_would_be_lost(receiver, name, make):
    receiver.then(Reply(302, "", {"Location": f"{receiver.url}/login"}))
    with refused_with("client", permanent=True) as caught:
        run(name, make(receiver.url))
    assert "redirect" in str(caught.value)
    assert len(receiver.requests) == 1


@BOTH
def test_an_echoing_receiver_brings_no_secret_into_the_error(receiver, name, make):
    args = make(receiver.url)
    whole = (args.webhook_url if name == "slack" else args.url).get_secret_value()
    receiver.then(Reply(500, f"no route {whole}, no {whole.removeprefix(receiver.url)}, no hushhush"))
    with pytest.raises(DoorError) as caught:
        run(name, args)
    assert "hushhush" not in str(caught.value)
    assert "500" in str(caught.value)


def test_a_door_that_repeats_the_address_brings_no_secret_into_the_error():
    def request(method, url, **rest):
        raise DoorError(f"Max retries exceeded with url: {url.partition('.com')[2]}", "refused")

    doors = SimpleNamespace(http=SimpleNamespace(request=request))
    with refused_with("refused") as caught:
        slack.tell_slack(slack_args("https://hooks.example.com"), message(), doors)
    assert "hushhush" not in str(caught.value)


# --- Slack ---------------------------------------------------------------------------------------------------------


def test_slack_gets_the_words_once_with_key_and_link(receiver):
    assert isinstance(run("slack", slack_args(receiver.url)), Done)
    (posted,) = receiver.requests
    assert posted.path == "/services/T0/B0/hushhush"
    assert posted.headers["content-type"].startswith("application/json")
    assert posted.json["text"].startswith("🚨 복구 실패 - orders-api\n\n• 장애 유형: api_timeout\n• 심각도: critical\n")
    assert posted.json["text"].endswith("<https://medic.example.com/incidents/7|장애 보기>")
    header, body, actions, context = posted.json["blocks"]
    assert header["text"]["text"] == "🚨 복구 실패 - orders-api"
    assert "즉시 대응이 필요합니다!" in body["text"]["text"]
    assert "https://" not in body["text"]["text"]
    (button,) = actions["elements"]
    assert (button["text"]["text"], button["url"]) == ("장애 보기", "https://medic.example.com/incidents/7")
    assert context["elements"][0]["text"] == "7/needs_human/phone"


def test_slack_makes_nothing_of_what_came_from_outside(receiver):
    hostile = "<!channel> <@U123> <https://evil.example|Open the incident> & *bold* @here"
    said = message(message=hostile, component=hostile, because=hostile, advice=hostile, severity=hostile)
    run("slack", slack_args(receiver.url), said)
    posted = receiver.requests[0].json
    assert re.findall(r"<[^>]*>", posted["text"]) == ["<https://medic.example.com/incidents/7|장애 보기>"]
    assert "@here" not in posted["text"]
    assert "mrkdwn" not in json.dumps(posted["blocks"])
    assert re.findall(r'"url": "([^"]*)"', json.dumps(posted["blocks"])) == ["https://medic.example.com/incidents/7"]


def test_slack_blocks_stay_within_its_limits(receiver):
    long = "가나 " * 2_000
    run("slack", slack_args(receiver.url), message(message=long, because=long, advice=long, component=long))
    header, body, *_ = receiver.requests[0].json["blocks"]
    assert len(header["text"]["text"]) <= 150
    assert 0 < len(body["text"]["text"]) <= 3_000


# --- webhook -------------------------------------------------------------------------------------------------------


def test_a_webhook_gets_facts_key_title_and_text(receiver):
    run("webhook", webhook_args(receiver.url, headers={"Authorization": "Bearer abc"}))
    (posted,) = receiver.requests
    body = posted.json
    assert {name: body[name] for name in FACTS} == FACTS
    assert body["title"] == "🚨 복구 실패 - orders-api"
    assert body["text"].startswith(body["title"])
    assert body["key"] == posted.headers["x-medic-key"] == "7/needs_human/phone"
    assert posted.headers["authorization"] == "Bearer abc"
    assert "x-medic-signature" not in posted.headers


def test_a_signed_webhook_can_be_checked_by_its_receiver(receiver):
    run("webhook", webhook_args(receiver.url, secret="s3cret"))
    (posted,) = receiver.requests
    stamp, mac = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", posted.headers["x-medic-signature"]).groups()
    assert int(stamp) == int(NOW.timestamp())
    assert mac == hmac.new(b"s3cret", stamp.encode() + b"." + posted.body, hashlib.sha256).hexdigest()


def test_a_key_that_fits_no_header_is_sent_as_its_digest(receiver):
    run("webhook", webhook_args(receiver.url), message(key="열쇠"))
    (posted,) = receiver.requests
    assert posted.json["key"] == "열쇠"
    assert re.fullmatch("[0-9a-f]{64}", posted.headers["x-medic-key"])


def test_a_lone_surrogate_or_a_nan_in_the_facts_still_makes_json(receiver):
    said = message(message="a\ud800b", extra={"deep": [float("nan"), "x\x00y"]})
    run("webhook", webhook_args(receiver.url), said)
    assert receiver.requests[0].json["message"] == "ab"
    assert receiver.requests[0].json["extra"] == {"deep": ["nan", "xy"]}


# --- e-mail --------------------------------------------------------------------------------------------------------


def email_args(server, to=("ops@example.com",), **smtp):
    settings = {"host": server.host, "port": server.port, "timeout": 0.5} | smtp
    return email_channel.Args(to=list(to), sender="n8n medic <medic@example.com>", smtp=settings)


def test_a_mail_over_starttls_with_a_password_reads_the_same_in_both_parts():
    with SmtpReceiver("starttls", "medic", "pass word") as server:
        login = {"user": "medic", "password": "pass word", "starttls": True, "ca_file": server.ca_file}
        done = run("email", email_args(server, to=["ops@example.com", "boss@example.com"], timeout=10, **login))
        (mail,) = server.wait_for(1)
    assert done.detail == "told ops@example.com, boss@example.com"
    assert (mail.user, mail.over_tls, mail.sender) == ("medic", True, "medic@example.com")
    assert mail.recipients == ["ops@example.com", "boss@example.com"]
    assert mail.message["Subject"] == "🚨 복구 실패 - orders-api"
    assert mail.message["To"] == "ops@example.com, boss@example.com"
    assert "n8n medic" in mail.message["From"]
    assert mail.message["Date"].datetime == NOW
    assert mail.part("plain").replace("\r\n", "\n") == message().text
    assert "즉시 대응이 필요합니다!" in mail.part("html")
    assert '<a href="https://medic.example.com/incidents/7"' in mail.part("html")


def test_a_mail_over_tls_from_the_first_byte_arrives():
    with SmtpReceiver("tls") as server:
        run("email", email_args(server, tls=True, ca_file=server.ca_file, timeout=10))
        assert server.wait_for(1)[0].over_tls


def test_a_mail_without_tls_and_password_arrives_with_a_message_id_of_its_key():
    with SmtpReceiver() as server:
        run("email", email_args(server))
        run("email", email_args(server))
        run("email", email_args(server), message(key="another"))
        first, again, other = server.wait_for(3)
    assert first.message["Message-ID"] == again.message["Message-ID"] != other.message["Message-ID"]
    assert re.fullmatch(r"<[0-9a-f]{32}@example\.com>", first.message["Message-ID"])
    assert first.message["X-Medic-Key"] == "7/needs_human/phone"
    assert first.message["References"] == other.message["References"], "one thread per incident"
    assert [len(first.message.get_all(name)) for name in ("From", "To", "Subject", "Date", "Message-ID")] == [1] * 5


@pytest.mark.parametrize("encryption", ["starttls", "tls"])
def test_a_certificate_that_nobody_trusts_gets_no_mail_and_no_password(encryption):
    with SmtpReceiver(encryption, "medic", "hushhush") as server:
        secure = {"starttls": True} if encryption == "starttls" else {"tls": True}
        with refused_with("tls"):
            run("email", email_args(server, user="medic", password="hushhush", timeout=5, **secure))
        assert server.mails == []


def test_a_wrong_password_is_a_permanent_auth_error_without_the_password():
    with SmtpReceiver("starttls", "medic", "right") as server:
        login = {"user": "medic", "password": "hushhush", "starttls": True, "ca_file": server.ca_file, "timeout": 10}
        with refused_with("auth", permanent=True) as caught:
            run("email", email_args(server, **login))
        assert "535" in str(caught.value)
        assert "hushhush" not in str(caught.value)
        with refused_with("auth", permanent=True):
            run("email", email_args(server, starttls=True, ca_file=server.ca_file, timeout=10))


def test_starttls_where_the_server_has_none_is_refused_rather_than_sent_in_the_clear():
    with SmtpReceiver() as server:
        with refused_with("client", permanent=True):
            run("email", email_args(server, starttls=True, timeout=5))
        assert server.mails == []


def test_refused_recipients_are_named_and_the_others_get_their_mail():
    with SmtpReceiver() as server:
        server.refused = {"gone@example.com": "550 no such user"}
        done = run("email", email_args(server, to=["gone@example.com", "ops@example.com"]))
        assert done.detail == "told ops@example.com; refused: gone@example.com: 550 no such user"
        assert server.mails[0].recipients == ["ops@example.com"]
        with refused_with("client", permanent=True) as caught:
            run("email", email_args(server, to=["gone@example.com"]))
        assert "no such user" in str(caught.value)


def test_a_greylisted_mail_is_transient_and_taken_the_next_time():
    with SmtpReceiver() as server:
        server.greylisted = 1
        with refused_with("status"):
            run("email", email_args(server))
        run("email", email_args(server))
        assert len(server.mails) == 1


@pytest.mark.parametrize(
    ("fault", "kind", "permanent"),
    [("hang", "timeout", False), ("drop", "reset", False), ("554 spam", "client", True), ("452 full", "status", False)],
)
def test_a_mail_that_is_not_taken_says_why_and_soon(fault, kind, permanent):
    with SmtpReceiver() as server:
        server.fault = fault
        begin = time.monotonic()
        with refused_with(kind, permanent):
            run("email", email_args(server))
        assert time.monotonic() - begin < 4


@pytest.mark.parametrize("every_seconds", [0.0, 0.1], ids=["silent", "a letter at a time"])
def test_a_mail_server_that_never_gets_to_the_point_is_left(every_seconds):
    with DrippingServer(every_seconds) as server:
        begin = time.monotonic()
        with refused_with("timeout"):
            run("email", email_args(server))
        assert time.monotonic() - begin < 5
        handovers = [thread for thread in threading.enumerate() if thread.name.startswith("mail to")]
        if not every_seconds:
            for handover in handovers:
                handover.join(3)
                assert not handover.is_alive(), "a handover that nobody waits for ends by itself"


def test_a_mail_server_that_is_not_there_is_refused_and_an_unknown_name_is_dns():
    with SmtpReceiver() as gone:
        pass
    with refused_with("refused") as caught:
        run("email", email_args(gone))
    assert str(caught.value) == f"{gone.host} refuses the connection"
    with refused_with("dns") as caught:
        run("email", email_args(SimpleNamespace(host="no-such-host.invalid", port=25), timeout=5))
    assert str(caught.value) == "the name of no-such-host.invalid cannot be resolved", "in no library's words"


PARTS = ["multipart/mixed", "multipart/alternative", "text/plain", "text/html"]


def test_hostile_text_adds_no_header_no_part_no_attachment_and_no_markup(tmp_path):
    planted = tmp_path / "hushhush.txt"
    planted.write_text("hushhush content")
    hostile = (
        f"x\r\nBcc: evil@example.com\r\n\r\n<script>alert(1)</script><a href='https://evil.example'>Open</a>{planted}"
    )
    said = message(component=hostile, message=hostile, because=str(planted), advice="\r\n.\r\nMAIL FROM:<a@b.c>")
    with SmtpReceiver() as server:
        run("email", email_args(server), said)
        (mail,) = server.wait_for(1)
    assert mail.recipients == ["ops@example.com"]
    assert mail.message["Bcc"] is None
    assert [part.get_content_type() for part in mail.message.walk()] == PARTS
    assert re.findall(r'<a [^>]*?href="([^"]*)"', mail.part("html")) == ["https://medic.example.com/incidents/7"]
    assert "<script" not in mail.part("html")


def test_text_that_is_the_name_of_a_file_is_sent_as_text(tmp_path):
    planted = tmp_path / "planted"
    planted.write_text("hushhush content")
    with SmtpReceiver() as server:
        mail = Mail(email_args(server))
        mail.send(["ops@example.com"], "=?utf-8?q?forged?=", str(planted), str(planted), {"X-A": "b\r\nX-C: d"})
        (taken,) = server.wait_for(1)
    assert taken.part("plain").strip() == str(planted)
    assert [part.get_content_type() for part in taken.message.walk()] == PARTS
    assert taken.message["Subject"] == "=?utf-8?q?forged?="
    assert taken.message["X-C"] is None


# --- SMS -----------------------------------------------------------------------------------------------------------


def sms_args(receiver, *to, **more):
    given = {"account_sid": "AC" + "1" * 32, "auth_token": "hushhush", "timeout": 0.5, "api_base": receiver.url}
    return sms.Args(to=list(to) or ["+15550100"], sender="+15550199", **given | more)


def test_twilio_gets_the_short_text_once_for_each_number(receiver):
    receiver.usual = twilio_took()
    done = run("sms", sms_args(receiver, "+15550100", "+15550101", "+15550100"))
    assert done == Done("told +15550100, +15550101")
    assert [posted.form["To"] for posted in receiver.requests] == ["+15550100", "+15550101"]
    first = receiver.requests[0]
    assert first.path == f"/2010-04-01/Accounts/AC{'1' * 32}/Messages.json"
    assert first.headers["authorization"].startswith("Basic ")
    assert first.form["From"] == "+15550199"
    assert first.form["Body"] == message().short


def test_a_messaging_service_sends_under_its_own_name(receiver):
    receiver.usual = twilio_took()
    args = sms.Args(**sms_args(receiver).model_dump() | {"sender": "MG" + "a" * 32})
    run("sms", args)
    assert receiver.requests[0].form["MessagingServiceSid"] == "MG" + "a" * 32
    assert "From" not in receiver.requests[0].form


@pytest.mark.parametrize(
    ("reply", "kind", "permanent", "wait"),
    [
        (twilio_refused(401, 20003, "Authenticate"), "auth", True, None),
        (twilio_refused(429, 20429, "Too many", Retry_After="9"), "rate_limited", False, 9.0),
        (twilio_refused(400, 21211, "Invalid 'To' Phone Number"), "client", True, None),
        (twilio_refused(500, 20500, "Internal"), "status", False, None),
        (Reply(502, "<html>bad gateway</html>"), "status", False, None),
        (Reply(200, "<html>captive portal</html>"), "status", False, None),
        (Reply(201, "[]"), "status", False, None),
        (Reply(200, "{}"), "status", False, None),
        (Reply(302, "", {"Location": "/login"}), "client", True, None),
        (HANG, "timeout", False, None),
        (RESET, "reset", False, None),
    ],
)
def test_what_twilio_does_not_take_says_why_and_when(receiver, reply, kind, permanent, wait):
    receiver.then(reply)
    begin = time.monotonic()
    with refused_with(kind, permanent) as caught:
        run("sms", sms_args(receiver))
    assert caught.value.retry_after_seconds == wait
    assert "hushhush" not in str(caught.value)
    assert "\033" not in str(caught.value)
    assert time.monotonic() - begin < 3
    assert len(receiver.requests) == 1


def test_a_twilio_that_drips_is_left():
    with DrippingServer(0.1) as server:
        begin = time.monotonic()
        with refused_with("timeout"):
            run("sms", sms_args(SimpleNamespace(url=f"http://{server.host}:{server.port}")))
        assert time.monotonic() - begin < 5


def test_a_number_that_twilio_refuses_does_not_keep_the_others_from_being_told(receiver):
    receiver.usual = twilio_took()
    receiver.then(twilio_refused(400, 21211, "Invalid 'To' Phone Number"))
    done = run("sms", sms_args(receiver, "+15550100", "+15550101"))
    assert done.detail.startswith("told +15550101, not told: +15550100: Twilio answered 400")


def test_a_twilio_that_went_away_after_the_first_number_is_not_waited_for_again(receiver):
    receiver.then(twilio_took(), RESET)
    done = run("sms", sms_args(receiver, "+15550100", "+15550101", "+15550102"))
    assert done.detail.startswith("told +15550100, not told: +15550101")
    assert done.detail.endswith("not tried: +15550102")
    assert len(receiver.requests) == 2


def test_nobody_told_is_transient_where_one_number_may_still_be_told(receiver):
    receiver.then(twilio_refused(400, 21211, "Invalid"), twilio_refused(500, 20500, "Internal"))
    with refused_with("status") as caught:
        run("sms", sms_args(receiver, "+15550100", "+15550101"))
    assert "+15550100" in str(caught.value) and "+15550101" in str(caught.value)


# --- settings ------------------------------------------------------------------------------------------------------


def problems(model, given):
    with pytest.raises(ValidationError) as caught:
        model.model_validate(given)
    assert "hushhush" not in str(caught.value)
    assert "hushhush" not in str(caught.value.errors()), "not even in an error's input"
    return {".".join(map(str, one["loc"])): one["msg"] for one in caught.value.errors()}


SMTP = {"host": "mail.example.com"}


@pytest.mark.parametrize(
    ("model", "given", "where", "what"),
    [
        (slack.Args, {}, "", "webhook_url_file"),
        (slack.Args, {"bot_token": "hushhush"}, "", "channel"),
        (slack.Args, {"bot_token": "hushhush", "channel": "c", "webhook_url": "https://h/hushhush"}, "", "either"),
        (slack.Args, {"bot_token": "hush hush", "channel": "c"}, "bot_token", "token"),
        (slack.Args, {"webhook_url": "ftp://hushhush"}, "webhook_url", "https://"),
        (slack.Args, {"webhook_url": "https://"}, "webhook_url", "https://"),
        (slack.Args, {"webhook_url": "https://h/ hushhush"}, "webhook_url", "https://"),
        (slack.Args, {"webhook_url": "https://h/hushhush", "chanel": "x"}, "chanel", "not permitted"),
        (webhook.Args, {"url": "javascript:alert(1)"}, "url", "https://"),
        (webhook.Args, {"url": "https:/h?token=hushhush"}, "url", "https://"),
        (webhook.Args, {"url": "http://h:99999/"}, "url", "https://"),
        (webhook.Args, {"url": "http://h", "headers": {"A\nB": "hushhush"}}, "headers", "no name"),
        (webhook.Args, {"url": "http://h", "headers": {"A": "hushhush\r\nB: c"}}, "headers", "one line"),
        (webhook.Args, {"url": "http://h", "headers": {"x-medic-key": "hushhush"}}, "headers", "itself"),
        (sms.Args, {"to": ["5550100"], "sender": "+15550199"}, "to", "country"),
        (sms.Args, {"to": [], "sender": "+15550199"}, "to", "at least 1"),
        (
            email_channel.Args,
            {"to": ["a@b\r\nBcc: c@d"], "sender": "m@e.c", "smtp": SMTP},
            "to",
            "a mail address, such as",
        ),
        (email_channel.Args, {"to": ["a@b.c"], "sender": "medic", "smtp": SMTP}, "sender", "a mail address, such as"),
        (email_channel.Smtp, SMTP | {"tls": True, "starttls": True}, "", "exclude"),
        (email_channel.Smtp, SMTP | {"password": "hushhush"}, "", "belong together"),
        (email_channel.Smtp, SMTP | {"user": "u", "password": "hushhushé"}, "", "ASCII"),
        (email_channel.Smtp, SMTP | {"port": 25, "user": "u", "password": "hushhush"}, "", "in the clear"),
        (email_channel.Smtp, SMTP | {"timeout": 0}, "timeout", "greater than 0"),
    ],
)
def test_settings_that_cannot_work_are_told_at_their_key(model, given, where, what):
    assert what in problems(model, given)[where]


def test_settings_report_everything_at_once():
    found = problems(sms.Args, {"to": ["5"], "sender": "", "auth_token_file": "/no/such/file"})
    assert set(found) == {"to", "sender", "account_sid", "auth_token_file"}


def test_a_secret_may_stand_in_a_file(tmp_path):
    secret = tmp_path / "token"
    secret.write_text("hushhush\n")
    args = webhook.Args(url="http://h", secret_file=str(secret), headers_file={"Authorization": str(secret)})
    assert args.secret.get_secret_value() == "hushhush"
    assert args.headers["Authorization"].get_secret_value() == "hushhush"
    assert "hushhush" not in repr(args)
    assert email_channel.Smtp(host="h", user="u", password_file=str(secret)).password.get_secret_value() == "hushhush"


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfehushhush", b"x" * 70_000])
def test_a_secret_file_that_holds_none_is_told_without_its_content(tmp_path, content):
    secret = tmp_path / "token"
    if content is not None:
        secret.write_bytes(content)
    found = problems(slack.Args, {"webhook_url_file": str(secret)})
    assert set(found) == {"webhook_url_file"}
    assert str(secret) in found["webhook_url_file"]


def test_a_secret_given_twice_is_told(tmp_path):
    found = problems(slack.Args, {"webhook_url": "https://h/hushhush", "webhook_url_file": str(tmp_path)})
    assert "keep one" in found["webhook_url_file"]


@pytest.mark.parametrize(
    ("given", "port", "encryption"),
    [
        ({}, 587, "starttls"),
        ({"tls": True}, 465, "tls"),
        ({"port": 465}, 465, "tls"),
        ({"port": 25}, 25, "none"),
        ({"port": 2525, "starttls": True}, 2525, "starttls"),
        ({"port": 587, "starttls": False}, 587, "none"),
    ],
)
def test_a_mail_server_is_reached_as_its_port_suggests(given, port, encryption):
    smtp = email_channel.Smtp(**SMTP | given)
    assert (smtp.reached_at, smtp.encryption) == (port, encryption)


def test_every_channel_has_settings_that_make_a_schema():
    assert {plugin.name for plugin in REGISTRY.all()} >= {"slack", "email", "sms", "webhook"}
    for plugin in REGISTRY.all():
        schema = json.dumps(plugin.args.model_json_schema())
        assert "properties" in schema
    assert "webhook_url_file" in json.dumps(slack.Args.model_json_schema())
