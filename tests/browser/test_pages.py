"""What a person sees and does in a browser."""

from datetime import timedelta

import pytest

from recovery import clock
from recovery.model import OrderWhat
from recovery.model.links import Decision, sign_decision
from recovery.store.database import write
from recovery.store.orders import find_untaken, finish_order
from recovery.store.tables import EventRow, IncidentRow, OrderRow
from tests.browser.conftest import keep_screenshot
from tests.web.seed import HELD, add_alert, add_incident, add_recovery, add_step


def test_a_stranger_sees_only_the_login(open_page, story):
    page = open_page()
    page.goto(f"/incidents/{story['healing'].id}")
    assert "/login" in page.url
    assert page.locator("body").inner_text().find("orders.example.com") == -1
    keep_screenshot(page, "login")


def test_the_system_page_says_what_needs_a_person_first(enter, story):
    page = enter()
    assert page.locator("h1").inner_text() == "2 problems need you"
    text = page.locator("main").inner_text()
    assert text.index("Stripe account") < text.index("orders.example.com answered 503")
    assert "mail.example.com:587 refused the connection" in text
    keep_screenshot(page, "system")


def test_payload_text_is_shown_as_text_and_never_as_markup(enter, story):
    page = enter()
    page.goto(f"/incidents/{story['needing'].id}")
    assert "Charge cards <b>nightly</b>" in page.locator("#executions").inner_text()
    assert page.locator("#executions b").count() == 0


def test_a_person_pauses_a_recovery_and_sees_the_order(enter, story):
    page = enter()
    page.get_by_role("link", name="orders.example.com").first.click()
    keep_screenshot(page, "incident")
    page.get_by_label("Note (optional): why you do this").fill("the provider works on it")
    page.get_by_role("button", name="Pause").click()
    page.wait_for_selector("text=Ordered: Pause")
    order = OrderRow.get()
    assert (order.what, order.who, order.note) == (OrderWhat.PAUSE, "admin", "the provider works on it")
    row = page.locator("#controls table tbody tr")
    assert "the provider works on it" in row.inner_text() and "waits for the worker" in row.inner_text()


def test_the_order_shows_what_became_of_it_without_a_reload(enter, story):
    page = enter()
    page.goto(f"/incidents/{story['healing'].id}")
    page.get_by_role("button", name="Acknowledge").click()
    page.wait_for_selector("text=waits for the worker")
    finish_order(find_untaken(1)[0], "done", "acknowledged", clock.utc_now())
    page.wait_for_selector("#controls tbody .badge:has-text('done')", timeout=15_000)


def test_the_countdown_runs(enter, story):
    page = enter()
    page.goto(f"/incidents/{story['healing'].id}")
    first = page.locator("#next time").inner_text()
    page.wait_for_function("first => document.querySelector('#next time').textContent !== first", arg=first)
    assert first.startswith("in 1 min")


def test_a_refresh_shows_new_facts_and_keeps_a_note_being_typed(enter, story):
    page = enter()
    page.goto(f"/incidents/{story['healing'].id}")
    note = page.get_by_label("Note (optional): why you do this")
    note.fill("half a sen")
    with write():
        IncidentRow.update(cause="now it answers 500").where(IncidentRow.id == story["healing"].id).execute()
    page.wait_for_selector("#what >> text=now it answers 500", timeout=15_000)
    assert note.input_value() == "half a sen"


def test_the_override_page_holds_every_open_incident_and_decides(enter, story):
    page = enter()
    page.goto("/override")
    assert page.locator("#cards article").count() == 3
    keep_screenshot(page, "override")
    card = page.locator(f"#incident-{story['asking'].id}")
    assert "Pay suppliers" in card.inner_text()
    card.get_by_role("button", name="Run again").click()
    page.wait_for_selector("text=Ordered: Run again")
    order = OrderRow.get()
    assert (order.what, order.step, order.incident_id) == (OrderWhat.APPROVE, 1, story["asking"].id)
    assert EventRow.select().where(EventRow.subject == "order", EventRow.who == "admin").count() == 1


def test_the_pages_speak_korean(enter, story):
    page = enter(locale="ko-KR")
    assert "장애가 2건" in page.locator("h1").inner_text()
    keep_screenshot(page, "system-ko")
    page.goto(f"/incidents/{story['asking'].id}")
    because = page.locator("dt", has_text="이유").first.locator("xpath=following-sibling::dd[1]").inner_text()
    assert "사람이 결정해야 합니다" in because, "and the reasons are in Korean too"
    keep_screenshot(page, "incident-ko")
    page.get_by_role("link", name="English").click()
    assert page.locator("html").get_attribute("lang") == "en"


def test_the_pages_fit_a_phone(enter, story):
    page = enter(viewport={"width": 375, "height": 740}, device_scale_factor=2)
    for name, address in [
        ("system", "/"),
        ("incident", f"/incidents/{story['healing'].id}"),
        ("decision", f"/incidents/{story['asking'].id}"),
        ("override", "/override"),
        ("reports", "/reports"),
        ("replays", "/replays"),
        ("alerts", "/alerts"),
    ]:
        page.goto(address)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 375, f"{address} is {width} wide"
        heights = page.locator(".top nav a").evaluate_all("links => links.map(link => link.clientHeight)")
        assert max(heights) < 45, "each name in one line"
        ends = page.locator(".top nav a").evaluate_all("links => links.map(link => link.getBoundingClientRect().right)")
        assert max(ends) <= 375, "no page is hidden behind the edge"
        keep_screenshot(page, f"phone-{name}")


def test_a_number_names_its_column_on_a_phone_where_tables_have_no_heads(enter, story):
    now = clock.utc_now()
    add_alert(story["asking"], "team", now, released_at=now, delivered_at=now + timedelta(seconds=3))
    page = enter(viewport={"width": 375, "height": 740})
    page.goto("/alerts")
    cells = page.locator("#channels td").evaluate_all(
        "cells => cells.map(cell => [cell.innerText, getComputedStyle(cell, '::before').content])"
    )
    numbers = [label for text, label in cells if text[:1].isdigit()]
    assert numbers and all(label.endswith(': "') for label in numbers), cells


@pytest.mark.parametrize("locale", ["en-US", "ko-KR"])
def test_a_table_of_few_columns_is_not_cut_off_on_a_desk(enter, story, locale):
    now = clock.utc_now()
    add_alert(story["asking"], "team", now, released_at=now, delivered_at=now + timedelta(seconds=3))
    page = enter(locale=locale, viewport={"width": 1280, "height": 800})
    page.goto("/alerts")
    assert page.locator("#channels .wide").evaluate("box => box.scrollWidth <= box.clientWidth")


def test_the_pages_are_dark_where_the_person_wants_it(enter, story):
    page = enter(color_scheme="dark")
    page.goto(f"/incidents/{story['asking'].id}")
    keep_screenshot(page, "dark-incident")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(19, 24, 22)"
    page.goto("/reports")
    keep_screenshot(page, "dark-reports")


def test_the_report_shows_the_numbers(enter, story):
    page = enter()
    page.goto("/reports")
    assert "retry_executions" in page.locator("main").inner_text()
    keep_screenshot(page, "reports")


def test_the_controls_work_without_javascript(enter, story):
    page = enter(java_script_enabled=False)
    page.goto(f"/incidents/{story['healing'].id}")
    assert page.locator("#next time").inner_text().startswith("in ")
    page.get_by_role("button", name="Retry now").click()
    assert OrderRow.get().what == OrderWhat.RETRY_NOW


def test_the_keyboard_reaches_the_content_and_the_buttons(enter, story):
    page = enter()
    page.goto(f"/incidents/{story['healing'].id}")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.value || ''"))
    assert {"retry_now", "pause", "resolve"} <= reached


def test_a_person_with_only_the_message_says_yes_on_a_phone(open_page, app):
    now = clock.utc_now()
    incident = add_incident(now, component="db-server", cause="the server does not answer")
    recovery = add_recovery(incident, now, state="awaiting_approval", because="reboot_host needs a person's yes")
    step = add_step(recovery, 2, now, name="reboot_host", **{**HELD, "because": "the check confirmed the failure"})
    decision = Decision(incident.id, recovery.id, step.number, now + timedelta(minutes=30))
    page = open_page(viewport={"width": 390, "height": 844})
    page.goto(f"/decide/{sign_decision('session-key-of-the-tests', decision)}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    keep_screenshot(page, "decide-phone")
    page.get_by_role("button", name="Yes, do it").click()
    page.wait_for_selector("text=It is with the worker.")
    assert [(row.what, row.step) for row in OrderRow.select()] == [("approve", 2)]
