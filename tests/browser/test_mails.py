"""Mails as a phone shows them, by day and in the dark, and the page that shows what people are told."""

from datetime import UTC, datetime

import pytest

from recovery.alerts.messages import LANGUAGES, render
from recovery.alerts.messages.samples import sample_facts
from recovery.model import AlertKind
from tests.browser.conftest import keep_screenshot

NOW = datetime(2026, 11, 24, 3, 5, tzinfo=UTC)
PHONE = {"width": 360, "height": 740}
CONTRAST = """
() => {
  const light = (c) => { const [r, g, b] = c.match(/[\\d.]+/g).map((v) => { v /= 255;
    return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4 }); return 0.2126 * r + 0.7152 * g + 0.0722 * b };
  const ground = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (c !== "rgba(0, 0, 0, 0)") return c } return "rgb(255, 255, 255)" };
  const poor = [];
  for (const e of document.querySelectorAll("h1, p, span, a, .label, .value")) {
    if (!e.textContent.trim()) continue;
    const [a, b] = [light(getComputedStyle(e).color), light(ground(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) poor.push([e.textContent.trim(), (a + 0.05) / (b + 0.05)]);
  }
  return poor;
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_mail_is_readable_on_a_phone(browser, language, scheme):
    context = browser.new_context(viewport=PHONE, color_scheme=scheme)
    page = context.new_page()
    for kind in AlertKind:
        facts = sample_facts(kind, NOW, language, "https://medic.example.com")
        page.set_content(render(facts, language, key=f"42.1.{kind}.mail", now=NOW).html)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], kind
        assert page.evaluate(CONTRAST) == [], kind
        for box in (button.bounding_box() for button in page.locator("a").all()):
            assert box["height"] >= 44, "a thumb hits it"
        keep_screenshot(page, f"mail-{kind}-{language}-{scheme}")
    context.close()


def test_a_long_word_of_a_payload_does_not_make_a_mail_wider_than_the_phone(browser):
    context = browser.new_context(viewport=PHONE)
    page = context.new_page()
    facts = sample_facts("needs_human", NOW, "en") | {"component": "x" * 90, "message": "y" * 400}
    page.set_content(render(facts, "en", key="k" * 150, now=NOW).html)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    context.close()


def test_a_person_sees_what_people_are_told(enter):
    page = enter()
    page.goto("/alerts/preview")
    page.get_by_label("Message").select_option("storm")
    page.get_by_label("Language").select_option("ko")
    page.get_by_role("button", name="Show").click()
    assert "장애 12건 동시 발생" in page.locator("pre").first.inner_text()
    mail = page.frame_locator("iframe.mail")
    assert "즉시 대응이 필요합니다" in mail.locator("body").inner_text()
    assert mail.locator("a").count() == 2
    keep_screenshot(page, "preview")
