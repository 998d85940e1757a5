"""What an alert says, word for word, and that nothing from outside can change what it is."""

import json
import re
import unicodedata
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recovery.alerts.messages import render
from recovery.alerts.messages.clean import one_line, own_link, readable
from recovery.alerts.messages.short import cut, measure, units
from recovery.alerts.slack_blocks import payload

NOW = datetime(2026, 11, 24, 3, 5, tzinfo=UTC)
LINK = "https://medic.example.com/incidents/7"
FACTS = {
    "kind": "needs_human",
    "incident_id": 7,
    "component": "orders-api",
    "failure_type": "api_timeout",
    "severity": "critical",
    "opened_at": "2026-11-24T03:04:05.678901+00:00",
    "resolved_at": None,
    "message": "connect ETIMEDOUT 10.0.0.1:443",
    "attempts": 6,
    "link": LINK,
    "site": "default",
    "language": "ko",
}


def say(language="ko", **changes):
    return render(FACTS | changes, language, key="7/needs_human/team", now=NOW)


KOREAN = """\
{head} - orders-api

• 장애 유형: api_timeout
• 심각도: critical
• 발생 시간: 2026-11-24 03:04:05 UTC
• 메시지: connect ETIMEDOUT 10.0.0.1:443
• 복구 시도: 6회

{end}
"""
ENGLISH = """\
{head} - orders-api

• Failure type: api_timeout
• Severity: critical
• Since: 2026-11-24 03:04:05 UTC
• Message: connect ETIMEDOUT 10.0.0.1:443
• Recovery attempts: 6

{end}
"""


@pytest.mark.parametrize(
    ("kind", "head", "end"),
    [
        ("needs_human", "🚨 복구 실패", "즉시 대응이 필요합니다!"),
        ("opened", "⚠️ 장애 감지", "자동 복구를 시도 중입니다."),
        ("recovered", "✅ 복구 완료", "정상으로 돌아왔습니다."),
    ],
)
def test_the_korean_message_is_the_promised_one_word_for_word(kind, head, end):
    said = say(kind=kind)
    assert said.text == KOREAN.format(head=head, end=end) + f"\n장애 보기: {LINK}\n"
    assert said.title == f"{head} - orders-api"
    assert say(kind=kind, link="").text == KOREAN.format(head=head, end=end)


@pytest.mark.parametrize(
    ("kind", "head", "end"),
    [
        ("needs_human", "🚨 Recovery failed", "Act now: this needs a person!"),
        ("opened", "⚠️ Failure detected", "Automatic recovery is under way."),
        ("recovered", "✅ Recovered", "Everything is back to normal."),
    ],
)
def test_the_english_message_says_the_same(kind, head, end):
    assert say("en", kind=kind).text == ENGLISH.format(head=head, end=end) + f"\nOpen the incident: {LINK}\n"


def test_what_is_known_beyond_that_follows_below():
    said = say(executions=300, asks=2, because="every stage was used up", advice="renew the key", site="shop")
    assert said.text.startswith(KOREAN.format(head="🚨 복구 실패", end="즉시 대응이 필요합니다!"))
    assert said.text.splitlines()[10:] == [
        "• 이유: every stage was used up",
        "• 할 일: renew the key",
        "• 사람의 결정이 필요한 실행: 2건 (다시 실행하면 같은 작업이 반복될 수 있습니다)",
        "• 영향받은 실행: 300건",
        "• n8n: shop",
        "",
        f"장애 보기: {LINK}",
    ]


def test_a_recovered_one_says_when_and_how_long_it_took_and_gives_no_advice():
    said = say("en", kind="recovered", resolved_at="2026-11-24T05:10:00Z", advice="renew the key")
    assert "• Recovered at: 2026-11-24 05:10:00 UTC (it lasted 2 h 5 min)\n" in said.text
    assert "renew the key" not in said.text
    assert "(장애 지속: 54초)" in say(kind="recovered", resolved_at="2026-11-24T03:05:00Z").text


@pytest.mark.parametrize(("language", "known"), [("ko-KR", "ko"), ("KO", "ko"), ("", "ko"), ("fr", "en"), ("..", "en")])
def test_the_language_is_that_asked_for_or_that_of_the_facts_or_english(language, known):
    assert ("복구 실패" in say(language).title) is (known == "ko")


def test_a_time_without_a_zone_and_an_unknown_kind_are_mistakes():
    with pytest.raises(ValueError, match="aware"):
        render(FACTS, "ko", key="k", now=datetime(2026, 11, 24))
    with pytest.raises(ValueError, match="party"):
        say(kind="party")


def test_facts_that_are_missing_leave_a_message_that_still_says_something():
    said = render({"kind": "opened"}, "en", key="k", now=NOW)
    assert said.title == "⚠️ Failure detected - ?"
    assert "• Message: -\n• Recovery attempts: 0\n" in said.text
    assert said.link == ""


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("2026-11-24T12:04:05+09:00", "2026-11-24 03:04:05 UTC"),
        ("2026-11-24T03:04:05", "2026-11-24 03:04:05 UTC"),
        ("yesterday", "yesterday"),
        (None, "None"),
        ("0001-01-01T00:00:00+23:00", "0001-01-01T00:00:00+23:00"),
    ],
)
def test_times_are_shown_in_utc(given, shown):
    assert readable(given) == ("" if given is None else shown)


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        'https://h/"onclick=',
        "https://h/<b>",
        "https://h/ x",
        "https://h/\u202ex",
        "//h",
        None,
        5,
    ],
)
def test_what_is_no_plain_web_address_is_no_link(link):
    assert own_link(link) == ""
    assert "<a " not in say(link=link).html


# --- hostile text --------------------------------------------------------------------------------------------------

NASTY = [
    "<!channel>",
    "<@U123>",
    "<https://evil.example|Open the incident>",
    "<script>alert(1)</script>",
    '"><a href="https://evil.example">x</a>',
    "&lt;!here&gt;",
    "@everyone",
    "\r\nBcc: evil@example.com",
    "\u2028• 심각도: low",
    "\u202egnp.exe",
    "\u200b\u2066\ufeff",
    "\x00\x07\x1b[31m",
    "\ud800",
    "\u3164",
    "{{ 7 * 7 }}{% raw %}",
    "%s %(x)s {0}",
    "[Open the incident](evil.example)",
    "é" * 40,
    "🚨" * 300,
]
hostile = st.lists(st.one_of(st.sampled_from(NASTY), st.text(max_size=80)), max_size=6).map("".join)
fields = st.fixed_dictionaries(
    dict.fromkeys(("component", "failure_type", "severity", "message", "because", "advice", "site"), hostile)
    | {"opened_at": st.one_of(hostile, st.just(FACTS["opened_at"])), "resolved_at": hostile, "key": hostile}
    | {"attempts": st.one_of(hostile, st.integers(), st.floats(), st.none(), st.lists(st.integers(), max_size=3))},
)
kinds = st.sampled_from(["needs_human", "opened", "recovered"])
languages = st.sampled_from(["ko", "en"])


class Tags(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs).get("href")))


def texts_in(blocks):
    held = [block.get("text") for block in blocks]
    held += [element.get("text") for block in blocks for element in block.get("elements", [])]
    return [text for text in held if isinstance(text, dict)]


def pressed_in(blocks):
    return [element for block in blocks for element in block.get("elements", []) if element.get("type") == "button"]


def is_visible_line(text):
    return all(unicodedata.category(letter) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} for letter in text)


@settings(deadline=None, max_examples=150)
@given(fields, kinds, languages)
def test_no_text_from_outside_adds_a_line_a_link_a_mention_or_markup(given_facts, kind, language):
    said = say(language, **given_facts, kind=kind)
    plain = say(language, kind=kind, because="b", advice="a", site="s", resolved_at=given_facts["resolved_at"])
    assert is_visible_line(said.title)
    assert all(map(is_visible_line, said.text.split("\n")))
    assert len(said.text.split("\n")) <= len(plain.text.split("\n"))
    assert {tag for tag, _ in Tags(said.html).found} <= {tag for tag, _ in Tags(plain.html).found} | {"span"}
    assert [href for tag, href in Tags(said.html).found if tag == "a"] == [LINK]
    sent = payload(said)
    assert re.findall(r"<[^>]*>", sent["text"]) == [f"<{LINK}|{said.open_words}>"]
    assert not re.search(r"@(channel|here|everyone)\b", sent["text"], re.IGNORECASE)
    assert "](" not in sent["text"], "no link in the Markdown of look-alikes"
    assert all(text["type"] == "plain_text" for text in texts_in(sent["blocks"]))
    assert [found["url"] for found in pressed_in(sent["blocks"])] == [LINK]
    json.dumps(said.facts).encode()


@settings(deadline=None, max_examples=150)
@given(fields, kinds, languages)
def test_a_short_message_fits_two_segments_with_its_link_whole(given_facts, kind, language):
    said = say(language, **given_facts, kind=kind).short
    assert measure(said).segments <= 2
    assert said.endswith("\n" + LINK)
    assert said.startswith(("🚨", "⚠️", "✅", "Recover", "Failure"))
    assert all(map(is_visible_line, said.split("\n")))


def test_a_short_message_says_what_matters_first():
    said = say(executions=300).short
    assert said.splitlines() == [
        "🚨 복구 실패 - orders-api",
        "api_timeout, critical",
        "connect ETIMEDOUT 10.0.0.1:443",
        "시도 6회, 실행 300건",
        LINK,
    ]
    long = say("en", component="c" * 300, message="m" * 300).short
    assert long.startswith("Recovery failed - ccccccccc")
    assert long.endswith(LINK)


def test_a_link_too_long_for_an_sms_is_left_out_rather_than_cut():
    assert "https" not in say(link="https://medic.example.com/" + "x" * 90).short


@given(st.text(max_size=50), st.integers(0, 60))
def test_a_cut_text_never_takes_more_room_than_it_has(text, room):
    assert units(cut(text, room)) <= room


@given(st.text(max_size=300), st.integers(1, 100))
def test_one_line_is_one_visible_line_within_its_limit(text, limit):
    line = one_line(text, limit)
    assert is_visible_line(line)
    assert len(line) <= limit
    assert one_line(line, limit) == line


def test_line_breaks_of_every_kind_become_spaces():
    assert one_line(" a\nb\r\nc\td\x0be\x85f\u2028g\u2029h ") == "a b c d e f g h"


def test_readable_text_is_left_as_it_is():
    kept = "주문 API — “503” für Müller ⚠️ 日本語 عربى"
    assert one_line(kept) == kept


REASONS = [
    "healing begins: first failure of this cause: orders.example.com answered 503",
    "a retry cannot help: first failure of this cause: the error speaks of credentials",
    "not resolved within 15 minutes; what is under way goes on",
    "all 3 stages are used up; at last the canary failed: its retry 7 failed again: orders answered 503",
    "a retry may repeat the effect of 1 execution: a person decides",
    "a retry may repeat the effect of 3 executions: a person decides (all 3 stages are used up; at last x)",
    "it came back more than 5 times within an hour",
    "it was healed 6 times within an hour, and fails again",
    "no action is known for it",
    "21 executions recovered, 2 were left alone, orders is healthy",
    "kim resolved it",
    "healing begins: first failure of this cause: looked at orders: 127.0.0.1:80 refuses the connection",
    "healing begins: first failure of this cause: looked at orders: 10.0.0.1:80 refuses the connection; what usually"
    " helps against server_unresponsive: restart, then scale_up",
    "healing begins: it is no longer held; the playbook shop is for it",
    "now something can be done: waiting for a replay: 3 executions",
    "a sign of health: one execution tries it",
    "its severity rose from medium to critical: looked at orders: answered 503, expected 200",
    "stage 2 did not heal it: run_command failed: the command ended with exit code 1, without a word",
    "all 3 stages are used up; at last run_command failed: the command ended with exit code 7: boom",
    "maintenance until 2026-01-01 10:00 UTC: disks; not resolved within 15 minutes; what is under way goes on",
    "nobody knows whether restart_service happened: lost",
    "flapping: changed 12 times in the last 21 looks; looked at orders: answered 503",
    "orders needs db, which is down: that comes first",
]


@pytest.mark.parametrize("reason", REASONS)
def test_reasons_are_said_in_korean(reason):
    said = render({**FACTS, "because": reason}, "ko", key="k", now=NOW).text
    line = next(one for one in said.splitlines() if one.startswith("• 이유: "))
    assert re.search("[가-힣]", line.removeprefix("• 이유: ")), line
    assert not re.search(r"\b(the|of|is|was|are|it|its|no|for|by|again|with|did|this)\b", line), line
    assert reason in render({**FACTS, "because": reason}, "en", key="k", now=NOW).text


def test_every_advice_is_said_in_korean():
    source = Path("recovery/decide/classify.py").read_text()
    advice = re.findall(r'advice = f?"([^"]+)"', source)
    assert len(advice) >= 5
    for one in advice:
        said = render({**FACTS, "advice": one.replace("{host}", "a.example.com")}, "ko", key="k", now=NOW).text
        assert re.search("• 할 일: .*[가-힣]{2}", said), one


def test_a_dry_run_does_not_say_that_it_heals():
    for language, words in (("en", "nothing is done"), ("ko", "아무것도 실행하지 않습니다")):
        said = render({**FACTS, "kind": "opened", "dry_run": True}, language, key="k", now=NOW).text
        assert words in said and "under way" not in said and "시도 중" not in said
