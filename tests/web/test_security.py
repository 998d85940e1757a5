"""Who comes in, who does not, and what browsers are forbidden."""

import re

import pytest

from recovery.model import OrderWhat
from recovery.store.tables import OrderRow
from tests.web.conftest import API_TOKEN, PASSWORD, form_token, log_in, make_config
from tests.web.seed import add_incident, add_recovery, seed_story
from webhook_server.app import create_app
from webhook_server.security import is_local
from webhook_server.throttle import Throttle

OPEN_ADDRESSES = {"/login", "/static/<path:filename>", "/healthz", "/readyz", "/metrics"}


def test_every_page_sends_a_stranger_to_the_login(app, visitor):
    pages = [
        rule
        for rule in app.url_map.iter_rules()
        if rule.rule not in (*OPEN_ADDRESSES, "/decide/<token>", "/answer/<token>")
        and not rule.rule.startswith(("/api/", "/agent/", "/webhooks/"))
    ]
    assert len(pages) >= 6
    app.config["WTF_CSRF_ENABLED"] = False
    for rule in pages:
        method = "POST" if "POST" in rule.methods else "GET"
        address = re.sub(r"<[^>]*>", "1", rule.rule)
        answer = visitor.open(address, method=method)
        assert answer.status_code == 302 and "/login" in answer.headers["Location"], rule.rule


def test_the_right_password_lets_in_and_a_wrong_one_does_not(visitor):
    assert log_in(visitor, "wrong").status_code == 401
    assert visitor.get("/").status_code == 302
    assert log_in(visitor).status_code == 302
    assert visitor.get("/").status_code == 200


def test_only_the_user_admin_exists(visitor):
    data = {"csrf_token": form_token(visitor), "user": "root", "password": PASSWORD}
    assert visitor.post("/login", data=data).status_code == 401


def test_logging_out_ends_the_session(admin):
    admin.post("/logout", data={"csrf_token": form_token(admin, "/")})
    assert admin.get("/").status_code == 302


def test_a_new_password_ends_old_sessions(app, admin, config):
    app.config["MEDIC"] = config.model_copy(update={"admin_password": "another"})
    assert admin.get("/").status_code == 302


def test_no_password_set_lets_nobody_in(tmp_path):
    client = create_app(make_config(tmp_path).model_copy(update={"admin_password": ""})).test_client()
    data = {"csrf_token": form_token(client), "user": "admin", "password": " "}
    assert client.post("/login", data=data).status_code == 401


def test_a_form_without_its_token_changes_nothing(admin, now):
    incident = add_incident(now)
    add_recovery(incident, now)
    answer = admin.post(f"/incidents/{incident.id}/orders", data={"what": "pause"})
    assert answer.status_code == 400 and "Reload the page" in answer.text
    assert OrderRow.select().count() == 0
    token = form_token(admin, "/")
    admin.post(f"/incidents/{incident.id}/orders", data={"what": "pause", "csrf_token": token})
    assert OrderRow.get().what == OrderWhat.PAUSE


def test_the_login_needs_its_token_too(visitor):
    assert visitor.post("/login", data={"user": "admin", "password": PASSWORD}).status_code == 400


def test_ten_failures_close_the_door_for_a_while_even_to_the_right_password(visitor, fake_clock):
    for _ in range(10):
        assert log_in(visitor, "wrong").status_code == 401
    answer = log_in(visitor)
    assert answer.status_code == 429 and 0 < int(answer.headers["Retry-After"]) <= 300
    fake_clock.advance(301)
    assert log_in(visitor).status_code == 302


def test_the_failures_of_one_address_close_no_door_to_another(visitor):
    for _ in range(11):
        log_in(visitor, "wrong")
    assert log_in(visitor, environ_base={"REMOTE_ADDR": "10.1.2.3"}).status_code == 302


def test_a_login_that_works_forgives_the_failures_before(visitor):
    for _ in range(9):
        log_in(visitor, "wrong")
    log_in(visitor)
    visitor.post("/logout", data={"csrf_token": form_token(visitor, "/")})
    assert [log_in(visitor, "wrong").status_code for _ in range(10)] == [401] * 10


def test_processes_count_together(tmp_path, fake_clock):
    one, other = Throttle(tmp_path / "failures.json"), Throttle(tmp_path / "failures.json")
    for throttle in (one, other) * 5:
        throttle.count_failure("login", "192.0.2.1")
    assert one.seconds_to_wait("login", "192.0.2.1") == other.seconds_to_wait("login", "192.0.2.1") == 300
    assert one.seconds_to_wait("api", "192.0.2.1") == 0


def test_one_ipv6_subscriber_counts_as_one(tmp_path, fake_clock):
    throttle = Throttle(tmp_path / "failures.json")
    for last in range(10):
        throttle.count_failure("login", f"2001:db8:1:2::{last}")
    assert throttle.seconds_to_wait("login", "2001:db8:1:2:ffff::1") > 0
    assert throttle.seconds_to_wait("login", "2001:db8:1:3::1") == 0


@pytest.mark.parametrize("damage", ["", "{", "[1]", '{"a": 1}', '{"a": [1]}', '{"a": ["x", "y"]}', "null", "\x00\xff"])
def test_a_damaged_or_missing_count_locks_nobody_out(tmp_path, damage):
    path = tmp_path / "failures.json"
    path.write_text(damage, encoding="latin-1")
    throttle = Throttle(path)
    throttle.count_failure("login", "192.0.2.1")
    assert throttle.seconds_to_wait("login", "192.0.2.1") == 0


def test_a_disk_that_cannot_be_written_locks_nobody_out(tmp_path):
    (tmp_path / "file").write_text("no folder")
    throttle = Throttle(tmp_path / "file" / "failures.json")
    throttle.count_failure("login", "192.0.2.1")
    throttle.forgive("login", "192.0.2.1")
    assert throttle.seconds_to_wait("login", "192.0.2.1") == 0


def test_wrong_tokens_are_throttled_and_the_right_one_never(visitor):
    def ask(token: str):
        return visitor.get("/api/v1/incidents", headers={"Authorization": f"Bearer {token}"})

    assert [ask("wrong").status_code for _ in range(10)] == [401] * 10
    answer = ask("wrong")
    assert answer.status_code == 429 and answer.headers["Retry-After"]
    assert answer.content_type == "application/problem+json"
    assert ask(API_TOKEN).status_code == 200


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", f"Basic {API_TOKEN}", API_TOKEN, f"Bearer {API_TOKEN}x", "Bearer é", "Bearer \udcff"],
)
def test_what_is_not_the_token_is_401(visitor, header):
    environ = {"HTTP_AUTHORIZATION": header.encode("utf-8", "surrogateescape").decode("latin-1")}
    assert visitor.get("/api/v1/incidents", environ_base=environ).status_code == 401


def test_an_api_without_a_token_set_opens_to_nobody(tmp_path):
    client = create_app(make_config(tmp_path).model_copy(update={"api_token": ""})).test_client()
    for header in ("Bearer ", "Bearer  "):
        assert client.get("/api/v1/incidents", headers={"Authorization": header}).status_code == 401


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "javascript:alert(1)",
        "evil.example",
        "",
        " /",
    ],
)
def test_a_redirect_never_leaves_this_place(visitor, target):
    assert not is_local(target)
    token = form_token(visitor)
    data = {"csrf_token": token, "user": "admin", "password": PASSWORD, "next": target}
    assert visitor.post("/login", data=data).headers["Location"] == "/"


def test_the_login_leads_back_to_the_page_that_was_wanted(visitor, now):
    wanted = visitor.get("/override?a=1").headers["Location"]
    assert log_in(visitor, address=wanted).headers["Location"] == "/override?a=1"


def test_every_answer_forbids_what_no_page_needs(visitor, admin):
    for answer in (visitor.get("/login"), admin.get("/"), admin.get("/nothing"), admin.get("/healthz")):
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize(("url", "secure"), [("http://127.0.0.1:8808", False), ("https://medic.example.com", True)])
def test_cookies_are_kept_from_scripts_and_are_secure_behind_https(tmp_path, url, secure):
    client = create_app(make_config(tmp_path, public_url=url)).test_client()
    cookies = client.get("/login?lang=ko").headers.getlist("Set-Cookie")
    assert len(cookies) == 2
    for cookie in cookies:
        assert "HttpOnly" in cookie and "SameSite=Lax" in cookie
        assert ("Secure" in cookie) is secure


def test_no_page_holds_inline_scripts_or_styles(admin, now):
    story = seed_story(now)
    for address in ("/", "/override", "/reports", f"/incidents/{story['asking'].id}"):
        text = admin.get(address).text
        assert " style=" not in text and "<style" not in text and " onclick" not in text
        assert text.count("<script") == text.count("<script src=")
