"""Every word of the pages is Korean too, and the compiled words are the written ones."""

import io
import string
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po

import webhook_server
from tests.web.conftest import form_token

ROOM = Path(webhook_server.__file__).parent
WORDS = ROOM / "translations" / "ko" / "LC_MESSAGES" / "messages.po"
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]
KEYWORDS = {"_": None, "gettext": None, "lazy_gettext": None, "ngettext": (1, 2)}


def read_words():
    with WORDS.open("rb") as file:
        return read_po(file, locale="ko")


def used_in_the_pages() -> set[str]:
    found = extract_from_dir(str(ROOM), method_map=METHODS, keywords=KEYWORDS)
    return {text if isinstance(text, str) else text[0] for _, _, text, _, _ in found}


def test_every_text_of_the_pages_has_korean_words_and_no_word_is_left_over():
    words = read_words()
    used = used_in_the_pages()
    assert len(used) > 150
    assert {text for text in used if not words.get(text) or not any(words.get(text).string)} == set()
    assert {message.id if isinstance(message.id, str) else message.id[0] for message in words if message.id} == used


def test_translations_keep_the_places_that_are_filled_in():
    for message in read_words():
        if not message.id:
            continue
        english = message.id if isinstance(message.id, str) else message.id[1]
        korean = message.string if isinstance(message.string, str) else message.string[0]
        assert sorted(places(english)) == sorted(places(korean)), english


def places(text: str) -> list[str]:
    return [part.split(")")[0] for part in text.split("%(")[1:]]


def pairs(words) -> list[tuple]:
    return sorted((str(message.id), str(message.string)) for message in words if message.id)


def test_the_compiled_words_are_fresh():
    buffer = io.BytesIO()
    write_mo(buffer, read_words())
    buffer.seek(0)
    with WORDS.with_suffix(".mo").open("rb") as file:
        assert pairs(read_mo(file)) == pairs(read_mo(buffer))


@pytest.mark.parametrize(
    ("query", "cookie", "accepts", "language"),
    [
        ("", None, "", "en"),
        ("", None, "ko-KR,ko;q=0.9,en;q=0.5", "ko"),
        ("", None, "fr,de", "en"),
        ("", "ko", "en", "ko"),
        ("?lang=en", "ko", "ko", "en"),
        ("?lang=xx", "zz", "ko", "ko"),
        ("?lang=%00", None, "%%%", "en"),
    ],
)
def test_the_language_is_the_address_then_the_cookie_then_the_browser(visitor, query, cookie, accepts, language):
    if cookie:
        visitor.set_cookie("medic_language", cookie)
    answer = visitor.get(f"/login{query}", headers={"Accept-Language": accepts})
    assert f'<html lang="{language}"' in answer.text


def test_the_configured_language_counts_where_nobody_says_otherwise(app, visitor, config):
    alerts = config.alerts.model_copy(update={"language": "ko"})
    app.config["MEDIC"] = config.model_copy(update={"alerts": alerts})
    assert "로그인" in visitor.get("/login").text


def test_a_language_chosen_by_the_address_is_remembered(visitor):
    visitor.get("/login?lang=ko")
    assert "로그인" in visitor.get("/login").text
    assert form_token(visitor)


def test_the_countdown_of_the_script_has_the_servers_words(visitor):
    text = visitor.get("/login?lang=ko").text
    assert 'data-text-minutes="@m분 @s초"' in text and 'data-text-in="@ 후"' in text
    assert not set(string.ascii_letters) & set(text.split('data-text-seconds="')[1].split('"')[0].replace("@s", ""))
