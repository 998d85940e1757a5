"""Suggestions on the pages: shown, confirmed, taken and taken back; a look at one changes nothing."""

import pytest

from recovery.clock import utc_now
from recovery.store import suggestions
from recovery.store.tables import SuggestionRow
from tests.web.conftest import form_token
from tests.web.seed import add_incident


@pytest.fixture
def row(app) -> SuggestionRow:
    def way(after: float, successes: int, action: str = "<restart>") -> dict:
        return {"action": action, "after_seconds": after, "successes": successes, "tries": 41}

    def stage(after: float, attempts: int) -> dict:
        return {"after_seconds": after, "attempts": attempts, "actions": ["<restart>"], "one_of": False}

    first, last = stage(0, 1), stage(300, 3)
    found = {"worse": way(0, 2), "better": way(300, 38), "before": [first, last], "after": [last, first]}
    suggestions.offer("orders", "api_error", "", [found], utc_now())
    return SuggestionRow.get()


def test_it_is_shown_on_the_override_page_and_on_the_page_of_its_incident(admin, now, row) -> None:
    told = "&lt;restart&gt; helped 2 of 41 times here, &lt;restart&gt; after 5 min 38 of 41"
    incident = add_incident(now, component="orders", failure_type="api_error")
    other = add_incident(now, component="orders", failure_type="api_timeout")
    assert told in admin.get("/override").text and told in admin.get(f"/incidents/{incident.id}").text
    assert told not in admin.get(f"/incidents/{other.id}").text


def test_the_page_shows_what_would_change_and_changes_nothing(admin, row) -> None:
    page = admin.get(f"/suggestions/{row.id}").text
    assert "1. at once: &lt;restart&gt; (1 attempt)" in page
    assert "2. <del>5 min later: &lt;restart&gt; (3 attempts)</del>" in page
    assert "1. <ins>5 min later: &lt;restart&gt; (3 attempts)</ins>" in page
    assert "2. right after that: &lt;restart&gt; (1 attempt)" in page
    assert SuggestionRow.get().taken_at is None


def test_it_is_taken_and_taken_back_by_one_click_each(admin, row) -> None:
    token = form_token(admin, f"/suggestions/{row.id}")
    page = admin.post(f"/suggestions/{row.id}/take", data={"csrf_token": token}, follow_redirects=True).text
    assert "Taken: recoveries that begin from now on" in page and "Taken by admin" in page
    again = admin.post(f"/suggestions/{row.id}/take", data={"csrf_token": token}, follow_redirects=True).text
    assert "Things have moved on" in again
    assert "Take it back" in admin.get(f"/suggestions/{row.id}").text
    admin.post(f"/suggestions/{row.id}/back", data={"csrf_token": token})
    assert SuggestionRow.get().taken_at is None and SuggestionRow.get().taken_by is None


@pytest.mark.parametrize("number", ["0", "99", "x", "1'--", "9" * 30, "%00"])
def test_one_that_there_is_not_is_not_found(admin, row, number: str) -> None:
    token = form_token(admin, "/override")
    assert admin.get(f"/suggestions/{number}").status_code == 404
    answer = admin.post(f"/suggestions/{number}/take", data={"csrf_token": token})
    assert answer.status_code in (302, 404) and SuggestionRow.get().taken_at is None


def test_a_get_or_a_form_without_its_token_or_login_never_takes_it(visitor, admin, row) -> None:
    assert admin.get(f"/suggestions/{row.id}/take").status_code == 405
    assert admin.post(f"/suggestions/{row.id}/take").status_code == 400
    assert visitor.get(f"/suggestions/{row.id}").status_code in (302, 401)
    token = form_token(visitor)
    assert visitor.post(f"/suggestions/{row.id}/take", data={"csrf_token": token}).status_code in (302, 401)
    assert SuggestionRow.get().taken_at is None
