"""The page that shows what people are told."""

import pytest

from recovery.model import AlertKind
from tests.web.conftest import log_in, make_config
from webhook_server.app import create_app


def test_a_stranger_sees_no_message(visitor):
    for path in ("/alerts/preview", "/alerts/preview/mail"):
        assert visitor.get(path).status_code == 302


@pytest.mark.parametrize("kind", list(AlertKind))
@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_kind_is_shown_in_every_language(admin, kind, language):
    page = admin.get(f"/alerts/preview?kind={kind}&language={language}")
    assert page.status_code == 200
    assert "GSM-7" in page.text or "UCS-2" in page.text
    mail = admin.get(f"/alerts/preview/mail?kind={kind}&language={language}")
    assert mail.text.startswith("<!doctype html>") and f'lang="{language}"' in mail.text


def test_the_mail_may_do_nothing_but_be_shown_in_our_own_page(admin):
    page, mail = admin.get("/alerts/preview"), admin.get("/alerts/preview/mail")
    assert "frame-src 'self'" in page.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert '<iframe class="mail" sandbox=""' in page.text
    policy = mail.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "; sandbox;" in policy and "frame-ancestors 'self'" in policy
    assert mail.headers["X-Frame-Options"] == "SAMEORIGIN"


@pytest.mark.parametrize("query", ["kind=party", "language=fr", "kind=opened&language=<script>"])
def test_what_does_not_exist_is_not_shown(admin, query):
    assert admin.get(f"/alerts/preview?{query}").status_code == 404


def test_the_page_speaks_the_language_of_its_reader(admin):
    text = admin.get("/alerts/preview?lang=ko").text
    assert "알림 미리 보기" in text and "🚨 복구 실패 - orders-api" in text


def test_words_of_ones_own_are_shown_and_so_is_what_is_wrong_with_them(app, tmp_path):
    (tmp_path / "words" / "en").mkdir(parents=True)
    own = tmp_path / "words" / "en" / "incident.j2"
    own.write_text("{% macro title(f) %}Hey <b>{{ f.component }}</b>{% endmacro %}")
    client = create_app(make_config(tmp_path, alerts={"templates": tmp_path / "words"})).test_client()
    log_in(client)
    assert "Hey &lt;b&gt;orders-api&lt;/b&gt;" in client.get("/alerts/preview").text
    own.write_text("{% macro title(f) %}{{ f.componet }}{% endmacro %}")
    text = client.get("/alerts/preview").text
    assert "A template of yours could not be used: en/incident.j2" in text and "🚨 Recovery failed" in text


def test_a_broken_template_is_named_whatever_is_previewed(app, tmp_path):
    own = tmp_path / "words" / "ko" / "storm.j2"
    own.parent.mkdir(parents=True)
    own.write_text("{% macro title(f) %}{{ f.nosuch }}{% endmacro %}")
    client = create_app(make_config(tmp_path, alerts={"templates": tmp_path / "words"})).test_client()
    log_in(client)
    assert "ko/storm.j2" in client.get("/alerts/preview?kind=opened&language=en").text
