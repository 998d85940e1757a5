"""Every kind of message in every language, what people press, and how an SMS is counted."""

import json
import re
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recovery.alerts.messages import LANGUAGES, render
from recovery.alerts.messages.clean import defang, one_line
from recovery.alerts.messages.columns import in_columns
from recovery.alerts.messages.html import Button
from recovery.alerts.messages.samples import sample_facts
from recovery.alerts.messages.short import measure
from recovery.alerts.previews import kinds_of_channels, preview
from recovery.alerts.slack_blocks import payload
from recovery.decide.auditing import RULES
from recovery.model import AlertKind
from recovery.model.links import Answer, Decision, sign_answer, sign_decision

NOW = datetime(2026, 11, 24, 3, 5, tzinfo=UTC)
BASE = "https://medic.example.com"
LINK = f"{BASE}/incidents/42"
ACK = f"{BASE}/answer/abc"

every_kind = pytest.mark.parametrize("kind", list(AlertKind))
every_language = pytest.mark.parametrize("language", LANGUAGES)


def say(kind, language="en", **changes):
    return render(sample_facts(kind, NOW, language, BASE) | changes, language, key="key", now=NOW)


@every_kind
@every_language
@pytest.mark.parametrize("channel", kinds_of_channels())
def test_every_kind_says_something_in_every_language_over_every_channel(kind, language, channel):
    said = preview(say(kind, language), channel)
    assert len(said) > 20
    assert not re.search(r"\bNone\b|\{\{|\{%|Undefined", said)
    if language == "ko":
        assert re.search("[가-힣]{2}", json.loads(said)["text"] if said.startswith("{") else said)


@every_kind
@every_language
def test_facts_that_are_missing_are_tolerated_in_every_kind(kind, language):
    said = render({"kind": kind}, language, key="key", now=NOW)
    assert said.title and said.body and said.short
    assert said.buttons == () and "http" not in said.text and "<a " not in said.html


@every_kind
@every_language
def test_facts_of_the_wrong_shape_break_no_message(kind, language):
    shapes = {
        "items": {"a": 1},
        "failing": [None, 3, {"component": None}],
        "by_type": "x",
        "top": [[]],
        "advice": [None],
    }
    wrong = {
        "healed_share": "much",
        "count": "many",
        "since": [],
        "until": {},
        "period": None,
        "link": [],
        "ack_link": 5,
    }
    assert render({"kind": kind, **shapes, **wrong}, language, key="key", now=NOW).text


@pytest.mark.parametrize(
    ("kind", "english", "korean"),
    [
        ("worsened", "🔺 Getting worse - orders-api", "🔺 장애 악화 - orders-api"),
        ("reminder", "🔔 Still failing - orders-api", "🔔 미해결 장애 - orders-api"),
        (
            "storm",
            "🌩️ 12 failures at once - orders-api, orders-database ...",
            "🌩️ 장애 12건 동시 발생 - orders-api, orders-database 등",
        ),
        (
            "held_back",
            "🗂️ 3 messages held back, 1 failure needs a person - team",
            "🗂️ 보류된 알림 3건, 대응 필요 1건 - team",
        ),
        ("digest", "📋 Summary: 4 events, 1 needs a person", "📋 알림 요약: 4건, 대응 필요 1건"),
        ("report", "📊 Daily report: 17 failures, 2 needed a person", "📊 일일 보고서: 장애 17건, 직접 대응 2건"),
        ("channel_trouble", "📵 Alerts do not arrive - mail", "📵 알림 전달 실패 - mail"),
        ("test", "🧪 Test alert - team", "🧪 테스트 알림 - team"),
    ],
)
def test_the_first_line_says_what_is_broken(kind, english, korean):
    assert (say(kind).title, say(kind, "ko").title) == (english, korean)


def test_a_reminder_names_who_has_taken_it_over():
    assert "nobody has taken it over" in say("reminder").body
    assert "kim has taken it over" in say("reminder", acknowledged_by="kim").body
    assert "kim 님이 맡고 있습니다" in say("reminder", "ko", acknowledged_by="kim").body


def test_a_report_without_failures_lets_people_sleep():
    nothing = dict.fromkeys(("by_type", "top", "advice", "failing", "items", "findings"), [])
    said = say("report", failed=0, healed=0, needs_human=0, healed_share=None, **nothing)
    assert said.body.startswith("Nothing failed. Sleep well.")
    assert "By failure type" not in said.text and "%" not in said.text


def test_a_report_names_what_needs_a_person_what_was_quiet_and_what_an_audit_found():
    said = say("report").body
    assert "Still needs a person\n\n• orders-api: critical, since 2026-11-24 00:05:00 UTC, orders.example.com" in said
    assert "• browserless: healed by itself (medium, 2026-11-23 23:05:00 UTC) browserless is healthy" in said
    assert "New in the audit of n8n\n\n• Orders: no error workflow\n• n8n itself: the API key ends" in said
    assert "Still needs a person: orders-api" in say("report").short
    korean = say("report", "ko", found=7).body
    assert "아직 대응이 필요한 장애\n\n• orders-api: critical, 2026-11-24 00:05:00 UTC 발생" in korean
    assert "• Orders: 오류 워크플로 없음" in korean and "외 5건" in korean
    old = say("report", failed=0, healed=0, needs_human=0, healed_share=None).body
    assert old.startswith("Nothing new failed.\nPlease look at what still needs a person.")


@every_language
def test_every_rule_of_an_audit_has_words(language):
    for rule in RULES:
        found = [{"site": "shop", "workflow": "Orders", "rule": rule.name}]
        said = say("report", language, findings=found, found=1).body
        assert f"• Orders: {rule.name}" not in said and "(n8n shop)" in said


def test_what_was_tried_is_said_with_how_often():
    assert "• Tried: restart 3 times, scale_up 3 times\n" in say("needs_human").text
    assert "• 시도한 조치: restart 3회, scale_up 3회\n" in say("needs_human", "ko").text
    assert "Tried" not in say("opened").text


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("Asia/Seoul", "2026-11-24 11:49:00 KST"),
        ("America/Sao_Paulo", "2026-11-23 23:49:00 UTC-03"),
        ("UTC", "2026-11-24 02:49:00 UTC"),
        ("No/Where", "2026-11-24 02:49:00 UTC"),
        ("../../etc/passwd", "2026-11-24 02:49:00 UTC"),
        (None, "2026-11-24 02:49:00 UTC"),
    ],
)
def test_times_are_those_of_the_clock_on_the_wall(zone, shown):
    assert f"• Since: {shown}\n" in say("needs_human", timezone=zone).text


def test_a_storm_of_more_than_are_listed_says_how_many_more():
    many = [{"component": f"c{number}", "severity": "high", "state": "open"} for number in range(40)]
    said = say("storm", failing=many, count=40)
    assert said.body.count("\n• c") == 15 and "and 25 more" in said.body
    assert "외 25건" in say("storm", "ko", failing=many, count=40).body


def test_a_part_that_is_left_out_leaves_no_gap():
    for kind in AlertKind:
        for language in LANGUAGES:
            assert "\n\n\n" not in say(kind, language).text


@every_kind
@every_language
def test_text_is_read_in_seventy_two_columns_with_its_addresses_whole(kind, language):
    long = f"{BASE}/answer/{'x' * 90}"
    said = say(kind, language, ack_link=long, message="결제 서버에 연결할 수 없습니다 " * 12).text
    shown = in_columns(said)
    wide = [line for line in shown.split("\n") if _width(line) > 72 and "https://" not in line]
    assert wide == [], wide
    assert " ".join(shown.split()) == " ".join(said.split()), "no word is lost or broken"
    assert kind == "recovered" or long not in said or f"\n  {long}\n" in shown


def _width(line):
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in line)


# --- what people press ---------------------------------------------------------------------------------------------


def test_whoever_is_called_first_says_that_they_are_on_it():
    said = say("needs_human", ack_link=ACK)
    assert said.buttons == (Button("I am on it", ACK), Button("Open the incident", LINK))
    assert said.text.endswith(f"\nI am on it: {ACK}\nOpen the incident: {LINK}\n")


def test_a_question_is_answered_before_anything_else():
    question = f"{BASE}/decide/abc"
    said = say("needs_human", "ko", ack_link=ACK, link=question)
    assert [button.words for button in said.buttons] == ["승인 또는 거절하기", "제가 맡겠습니다"]
    assert said.short.endswith(question)


def test_nobody_takes_over_what_is_whole_again():
    assert [button.words for button in say("recovered", ack_link=ACK).buttons] == ["Open the incident"]


@pytest.mark.parametrize(
    ("facts", "title", "lead", "korean"),
    [
        ({}, "🌩️ 12 failures at once - ", "Act now: 1 of them needs a person! 11 are still being healed.", "즉시"),
        ({"needs_human": 0}, "🌩️ 12 failures at once - ", "Automatic recovery is under way; nobody is", "자동 복구"),
        (
            {"needs_human": 0, "resolved": 12, "failing": []},
            "✅ 12 failures resolved",
            "Everything is back",
            "정상으로",
        ),
        ({"needs_human": 4, "count": 4, "reminder": True}, "🔔 4 failures still need a person", "They came", "맡지"),
    ],
)
def test_a_storm_says_how_it_stands(facts, title, lead, korean):
    said = say("storm", **facts)
    assert said.title.startswith(title) and said.body.startswith(lead)
    assert korean in say("storm", "ko", **facts).body.split("\n")[0]
    assert ("and 8 more" in said.body) == (not facts.get("resolved") and "reminder" not in facts)
    red, green = "#b3261e" in said.html, "#1a6e3c" in said.html
    assert (red, green) == (facts.get("needs_human") != 0, bool(facts.get("resolved"))), "its colour says so too"


def test_what_was_held_back_and_needs_a_person_comes_first_and_in_red():
    said = say("held_back")
    assert said.body.startswith("Act now: 1 failure needs a person!") and "(now: needs a person)" in said.body
    assert "#b3261e" in said.html and "#b3261e" not in say("held_back", needs_human=0, items=[]).html
    assert said.buttons[0] == Button("Open browserless", LINK)


def test_a_storm_leads_to_those_that_need_a_person():
    assert say("storm").buttons == (Button("Open orders-api", LINK), Button("Open the overview", f"{BASE}/"))


@every_kind
def test_a_test_says_that_it_is_one_wherever_it_is_read(kind):
    for language, mark, words in (("en", "TEST", "nothing is broken"), ("ko", "테스트", "장애가 아니")):
        said = say(kind, language, test=True)
        assert mark.lower() in said.title.lower() and mark.lower() in said.short.lower()
        assert words in said.body.split("\n\n")[0].lower()


# --- addresses of others -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://a.example.com/x answered 503", "https[:]//a[.]example[.]com/x answered 503"),
        ("HTTPS://A.EXAMPLE", "HTTPS[:]//A[.]EXAMPLE"),
        ("postgresql://u@db/x", "postgresql[:]//u@db/x"),
        ("https:\\\\evil.example", "https[:]\\\\evil[.]example"),
        ("https:/evil.example", "https[:]/evil[.]example"),
        ("http://2130706433/", "http[:]//2130706433/"),
        ("see www.evil.example now", "see www[.]evil[.]example now"),
        ("evil.example/medic/incidents/7", "evil[.]example/medic/incidents/7"),
        ("evil.example:8080/x?y", "evil[.]example:8080/x?y"),
        ("https://ev。il．example", "https[:]//ev[.]il[.]example"),
        ("//evil.example/x", "//evil[.]example/x"),
        ("a\\www.evil.example \\www.evil.example", "a\\www[.]evil[.]example \\www[.]evil[.]example"),
        ("https\ufe0f://evil.example/x", "https[:]//evil[.]example/x"),
        ("ev\ufe0fil\U000e0101.example/x", "evil[.]example/x"),
        ("at /usr/lib/index.js?x /index.js?x", "at /usr/lib/index.js?x /index.js?x"),
        ("orders.example.com answered 503", "orders.example.com answered 503"),
        ("connect ETIMEDOUT 10.0.0.1:443", "connect ETIMEDOUT 10.0.0.1:443"),
        ("C:\\x\\y.txt node_modules/lodash/index.js", "C:\\x\\y.txt node_modules/lodash/index.js"),
        ("at 2026-11-24T03:04:05Z, 3/4 done", "at 2026-11-24T03:04:05Z, 3/4 done"),
    ],
)
def test_an_address_of_somebody_else_is_no_link_and_still_readable(text, shown):
    assert defang(one_line(text)) == shown
    assert defang(shown) == shown


WEB = re.compile(r"[a-z][a-z0-9+.-]+:[/\\]+[^\s\"<>|]+|(?<![\w./@-])www\.[^\s\"<>|]+", re.IGNORECASE)
EVIL = [
    "https://evil.example/incidents/42",
    "www.evil.example",
    "evil.example/login?x=1",
    "[Open the incident](https://evil.example)",
    "<https://evil.example|Open the incident>",
    "<a href='https://evil.example'>x</a>",
    "• Open the incident: https://evil.example",
    "\n\nOpen the incident: https://evil.example\n",
    "{{ 7 * 7 }}",
    "@channel <!here> <@U1>",
    "｡．。://",
    "🚨" * 50,
]
evil = st.lists(st.one_of(st.sampled_from(EVIL), st.text(max_size=40)), max_size=4).map("".join)
entry = st.dictionaries(
    st.sampled_from(["component", "severity", "state", "what", "kind", "message", "failure_type", "at", "link"]), evil
)
hostile = st.fixed_dictionaries(
    dict.fromkeys(
        "component failure_type severity message because site acknowledged_by channel period since until".split(), evil
    )
    | {"advice": st.one_of(evil, st.lists(evil, max_size=3))}
    | dict.fromkeys(["items", "failing", "by_type", "top"], st.lists(entry, max_size=3))
    | {"count": st.integers(0, 99), "failed": st.integers(0, 99), "needs_human": st.integers(0, 9)}
)


@settings(deadline=None, max_examples=200)
@given(hostile, st.sampled_from(list(AlertKind)), st.sampled_from(LANGUAGES))
def test_no_payload_makes_a_link_in_any_kind_of_message(facts, kind, language):
    own = {LINK, ACK}
    linked = {one.get("link") for name in ("items", "failing") for one in facts[name]}
    said = say(kind, language, **facts, link=LINK, ack_link=ACK)
    read = (said.text, said.short, payload(said)["text"], re.sub("<[^>]*>", " ", said.html))
    found = {one.rstrip(")'") for text in read for one in WEB.findall(text)}
    assert found <= own | linked, found
    assert set(re.findall(r'<a href="([^"]*)"', said.html)) <= own | linked
    assert measure(said.short).segments <= 2
    assert not re.search(r"@(channel|here)\b", payload(said)["text"])


# --- SMS -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "alphabet", "units", "segments"),
    [
        ("a" * 160, "GSM-7", 160, 1),
        ("a" * 161, "GSM-7", 161, 2),
        ("a" * 306, "GSM-7", 306, 2),
        ("a" * 307, "GSM-7", 307, 3),
        ("[" * 80, "GSM-7", 160, 1),
        ("a" * 152 + "[" + "a" * 153, "GSM-7", 307, 3),
        ("£ñ€", "GSM-7", 4, 1),
        ("가" * 70, "UCS-2", 70, 1),
        ("가" * 71, "UCS-2", 71, 2),
        ("가" * 134, "UCS-2", 134, 2),
        ("가" * 66 + "🚨" + "가" * 66, "UCS-2", 134, 3),
        ("", "GSM-7", 0, 1),
    ],
)
def test_an_sms_is_counted_as_phone_companies_do(text, alphabet, units, segments):
    found = measure(text)
    assert (found.alphabet, found.units, found.segments) == (alphabet, units, segments)


@every_kind
def test_english_goes_in_the_alphabet_with_more_room(kind):
    assert measure(say(kind).short).alphabet == "GSM-7"


def test_english_about_a_korean_component_keeps_its_name():
    said = say("opened", component="주문 API").short
    assert measure(said).alphabet == "UCS-2" and measure(said).segments <= 2
    assert said.startswith("⚠️ Failure detected - 주문 API")


def test_a_long_link_leaves_room_for_words_where_a_shorter_one_leads_there_too():
    long = f"{BASE}/answer/{'x' * 80}"
    assert say("needs_human", ack_link=long).short.endswith(LINK)
    assert "api_error, critical" in say("needs_human", "ko", ack_link=long).short


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_sms_that_asks_for_a_yes_says_so_and_has_the_link_to_it_or_to_the_page_that_asks_for_it(language):
    until = datetime(2030, 1, 1, tzinfo=UTC)
    token = sign_decision("key", Decision(123_456, 123_456, 12, until))
    ack = f"{BASE}/answer/{sign_answer('key', Answer(1, 1, 1, until))}"
    asked = say("needs_human", language, link=f"{BASE}/decide/{token}", ack_link=ack).short
    assert asked.endswith(f"/decide/{token}") and "orders-api" in asked.split("\n")[0]
    assert asked.split("\n")[1] == {"en": "Decide: yes or no", "ko": "승인 또는 거절하기"}[language]
    assert measure(asked).segments == 2
    far = "https://n8n-medic.operations.internal.example.co.kr:8443"
    long = say("needs_human", language, link=f"{far}/decide/{token}{'x' * 60}", ack_link=ack).short
    assert long.endswith(f"{far}/incidents/42")
