"""Words of the user's own: they are used where they can be, and an alert goes out whatever they do."""

import sys
import time
from datetime import UTC, datetime

import pytest

from recovery.alerts.messages import render
from recovery.alerts.messages.checking import template_problems
from recovery.alerts.messages.samples import sample_facts
from recovery.alerts.messages.words import OURS, names_of_files

NOW = datetime(2026, 11, 24, 3, 5, tzinfo=UTC)
BASE = "https://medic.example.com"


@pytest.fixture
def folder(tmp_path):
    def write(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_j2", ".j2").replace("_html", ".html")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


def say(folder, language="en", kind="needs_human", **changes):
    facts = sample_facts(kind, NOW, language, BASE) | changes
    return render(facts, language, key="key", now=NOW, templates=folder)


def ours(language="en", kind="needs_human"):
    return say(None, language, kind)


def test_a_template_of_the_users_own_is_used_and_the_rest_stays_ours(folder):
    own = folder(en__incident_j2="{% macro title(f) %}Wake up: {{ f.component }}{% endmacro %}")
    said = say(own)
    assert said.title == "Wake up: orders-api"
    assert said.body == ours().body and said.faults == ()
    assert said.short.startswith("Wake up: orders-api")
    assert "Wake up: orders-api" in said.html and said.mrkdwn.startswith("Wake up: orders-api\n\n")
    assert say(own, "ko").title == ours("ko").title
    assert say(own, kind="storm").title == ours(kind="storm").title
    assert template_problems(own) == []


def test_a_users_template_may_import_ours_and_change_a_term(folder):
    own = folder(
        en__incident_j2='{% import "en/common.j2" as c %}{% macro body(f) %}{{ c.took(7500) }}{% endmacro %}',
        en__common_j2='{% set open_words = "Look" %}{% macro took(s) %}{{ s }} seconds{% endmacro %}',
    )
    assert say(own).body == "7500 seconds"
    assert say(own).open_words == "Look"
    assert say(own).buttons[0].words == ours().buttons[0].words


def test_a_changed_template_is_used_at_once(folder):
    own = folder(en__incident_j2="{% macro title(f) %}one{% endmacro %}")
    assert say(own).title == "one"
    folder(en__incident_j2="{% macro title(f) %}two, which is longer{% endmacro %}")
    assert say(own).title == "two, which is longer"


DOUBLED = (
    "{{% macro title(f) %}}{{% set own = namespace(text={begin}) %}}{{% for x in range(60) %}}"
    "{{% set own.text = {more} %}}{{% endfor %}}{{{{ own.text }}}}{{% endmacro %}}"
)
BROKEN = {
    "no jinja": "{% macro title(f) %}{{ f.",
    "no end": "{% macro title(f) %}x",
    "no such fact": "{% macro title(f) %}{{ f.nosuch }}{% endmacro %}",
    "no such name": "{% macro title(f) %}{{ nosuch }}{% endmacro %}",
    "a division by zero": "{% macro title(f) %}{{ 1 // 0 }}{% endmacro %}",
    "an escape": "{% macro title(f) %}{{ f.__class__.__mro__[1].__subclasses__() }}{% endmacro %}",
    "another escape": "{% macro title(f) %}{{ ''.__class__ }}{% endmacro %}",
    "a file that is not there": '{% include "../../etc/passwd" %}{% macro title(f) %}x{% endmacro %}',
    "a title of two lines": "{% macro title(f) %}a\nb{% endmacro %}",
    "no title": "{% macro title(f) %} {% endmacro %}",
    "an endless loop": "{% macro title(f) %}{% for x in range(10 ** 9) %}{% endfor %}{% endmacro %}",
    "a loop in a loop": "{% macro title(f) %}"
    + "{% for x in range(90000) %}" * 3
    + "{% endfor %}" * 3
    + "{% endmacro %}",
    "a macro that calls itself": "{% macro title(f) %}{{ title(f) }}{% endmacro %}",
    "a huge title": "{% macro title(f) %}{{ 'x' * 10 ** 12 }}{% endmacro %}",
    "a title of many words": "{% macro title(f) %}{% for x in range(30000) %}x {% endfor %}{% endmacro %}",
    "a text that is doubled": DOUBLED.format(begin="'x'", more="own.text ~ own.text"),
    "a text that is added to itself": DOUBLED.format(begin="'x'", more="own.text + own.text"),
    "a list that is doubled": DOUBLED.format(begin="[1]", more="own.text + own.text"),
    "a wide column": "{% macro title(f) %}{{ f.component.center(10 ** 10) }}{% endmacro %}",
    "a huge number": "{% macro title(f) %}{{ 9 ** 9999999 }}{% endmacro %}",
    "a change of the facts": "{% macro title(f) %}{{ f.update({}) }}{% endmacro %}",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_an_alert_is_never_lost_by_a_template(folder, text):
    own = folder(en__incident_j2=text)
    said = say(own)
    assert said.title == ours().title
    assert said.text.startswith(ours().text.split("\n\n")[0])
    assert len(said.faults) >= 1 and said.faults[0].startswith("en/incident.j2")
    assert "(A template of yours could not be used" in said.body
    assert said.short == ours().short
    assert template_problems(own) != []


def test_a_template_that_does_not_end_holds_no_alert_up(folder):
    loops = "{% for x in range(90000) %}" * 3 + "{% endfor %}" * 3
    own = folder(
        en__incident_j2="".join(
            f"{{% macro {name}(f) %}}{loops}{{% endmacro %}}" for name in ("title", "body", "short")
        ),
        mail_html=loops,
    )
    begin = time.process_time()
    said = say(own)
    assert time.process_time() - begin < 20, "seconds of a whole processor, traced: it would take a year"
    assert (said.title, said.short, said.html) == (ours().title, ours().short, ours().html)
    assert "does not come to an end" in said.faults[0]
    assert sys.gettrace() is None or "coverage" in repr(sys.gettrace()), "nothing is traced any more"


@pytest.mark.parametrize("what", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error")])
def test_a_folder_that_cannot_be_read_loses_no_alert(folder, monkeypatch, what):
    own = folder(en__incident_j2="{% macro title(f) %}x{% endmacro %}")

    def refuse(path):
        raise what

    monkeypatch.setattr("pathlib.Path.is_file", refuse)
    said = say(own)
    assert said.title == ours().title and what.strerror in said.faults[0]


def test_a_file_that_is_no_text_loses_no_alert(folder):
    own = folder(en__incident_j2="x")
    (own / "en" / "incident.j2").write_bytes(b"\xff\xfe\x00")
    assert say(own).title == ours().title and "UnicodeDecodeError" in say(own).faults[0]


def test_a_mail_that_says_too_much_is_ours(folder):
    own = folder(mail_html="{% for x in range(90000) %}xxx{% endfor %}")
    assert say(own).html == ours().html and say(own).faults == ("mail.html: says too much",)


def test_a_broken_template_is_told_in_the_language_of_the_message(folder):
    own = folder(ko__incident_j2="{% macro body(f) %}{{ f.nosuch }}{% endmacro %}")
    assert "사용자 템플릿에 문제가 있어" in say(own, "ko").body
    assert say(own, "en").faults == ()


def test_a_broken_mail_template_does_not_lose_the_mail(folder):
    own = folder(mail_html="<h1>{{ nosuch }}</h1>")
    assert say(own).html == ours().html
    assert "mail.html" in say(own).faults[0]


def test_a_users_mail_template_escapes_what_payloads_say(folder):
    own = folder(mail_html="<h1>{{ title }}</h1>")
    assert say(own, component="<script>").html == "<h1>🚨 Recovery failed - &lt;script&gt;</h1>"


def test_a_fault_says_in_which_line_it_is(folder):
    own = folder(en__storm_j2="{% macro title(f) %}x{% endmacro %}\n{% macro body(f) %}\n{% if %}\n{% endmacro %}")
    assert template_problems(own)[0].startswith("en/storm.j2, line 3: ")


def test_a_fault_that_shows_only_where_little_is_known_is_found_too(folder):
    own = folder(en__digest_j2="{% macro title(f) %}{{ f.entries[0].component }}{% endmacro %}")
    assert say(own, kind="digest").faults == ()
    assert any("en/digest.j2" in one for one in template_problems(own))


def test_a_file_that_no_message_is_made_of_is_told(folder):
    (problem,) = template_problems(folder(en__incidents_j2="x"))
    assert problem.startswith("en/incidents.j2: no message is made of it; there are mail.html, en/")
    assert template_problems(folder() / "nowhere")[0].startswith("there is no folder")


def test_every_template_of_ours_can_stand_in_a_users_folder(tmp_path):
    for name in names_of_files():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text((OURS / name).read_text())
    assert template_problems(tmp_path) == []
    assert say(tmp_path, "ko").text == ours("ko").text
