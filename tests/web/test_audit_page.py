"""The page of audits: what it shows of the last one, that it escapes it, and that its button only asks the worker."""

from datetime import timedelta
from typing import Any

import pytest

from recovery.clock import to_micros
from recovery.model import Audit, AuditFinding, AuditSeverity, Fix
from recovery.store import audits
from recovery.store.database import write
from recovery.store.tables import AuditRow, EventRow
from tests.web.conftest import form_token, make_config
from webhook_server.app import create_app

EVIL = "<script>alert('x')</script>\"'><img src=x onerror=alert(1)>"


def finding(workflow: str = "Orders", rule: str = "unwired", **more: Any) -> AuditFinding:
    values = {"workflow_id": "w1", "severity": AuditSeverity.BAD, "because": "it names no error workflow"} | more
    return AuditFinding(workflow=workflow, rule=rule, **values)


def keep(now: Any, *found: AuditFinding, score: int = 50) -> None:
    with write():
        audits.keep_audit(Audit("default", now, 2, score, found), now, "medic")


def plan(now: Any, due: Any = None) -> None:
    """The worker knows the n8n."""
    with write():
        audits.plan_audits({"default": due})


def ask(client: Any, site: str = "default") -> Any:
    data = {"csrf_token": form_token(client, "/audit")}
    return client.post(f"/audit/{site}", data=data, follow_redirects=True)


def test_the_page_shows_the_last_audit_with_its_age_and_what_to_do(admin, now):
    made = now - timedelta(hours=2)
    keep(made, finding(fix=Fix.ERROR_WORKFLOW), finding("", "key_ends", workflow_id="", todo="make a new key"))
    text = admin.get("/audit").text
    for words in ("no error workflow", "it names no error workflow", "n8n itself", "make a new key", "2 hours ago"):
        assert words in text
    assert "`medic audit --fix` gives it the error workflow" in text and "<strong>50</strong>" in text
    assert 'href="/audit" aria-current="page"' in text


def test_what_is_the_same_of_many_workflows_is_one_row(admin, now):
    keep(now, *(finding(f"Flow {n}", "no_timeout", workflow_id=f"w{n}") for n in range(12)))
    text = admin.get("/audit").text
    assert text.count("<strong>no time limit</strong>") == 1
    assert "Flow 0" in text and "w9" in text and "Flow 11" not in text and "and 2 more" in text


def test_the_page_is_korean_too(admin, now):
    keep(now, finding(fix=Fix.REPUBLISH, rule="webhook_dead"), finding(todo="renew it in n8n: Credentials"))
    text = admin.get("/audit?lang=ko").text
    assert "오류 워크플로가 지정되어 있지 않습니다" in text and "n8n의 Credentials에서 갱신하세요" in text
    assert "웹훅이 등록되지 않음" in text and "새로 발견" in text and "지금 다시 점검" in text
    assert "Look again" not in text and "What to do" not in text


def test_hostile_names_are_escaped(admin, now):
    keep(now, finding(EVIL, EVIL, because=EVIL, todo=EVIL, workflow_id=EVIL))
    text = admin.get("/audit").text
    assert "<script>alert" not in text and "<img src=x" not in text and "&lt;script&gt;alert" in text


def test_before_the_first_audit_the_page_says_when_it_comes(admin, now):
    assert "The worker does not know this n8n yet" in admin.get("/audit").text
    plan(now, now + timedelta(minutes=9, seconds=30))
    text = admin.get("/audit").text
    assert "Not looked at yet." in text and "in 9 min" in text


def test_the_button_asks_the_worker_once_and_decides_nothing(admin, now):
    plan(now)
    assert "Ordered: an audit of n8n default" in ask(admin).text
    row = AuditRow.get()
    assert row.asked_by == "admin" and row.run_at is not None and row.made_at is None and row.findings == []
    assert [(one.subject, one.after, one.who) for one in EventRow.select()] == [("audit", "asked", "admin")]
    again = ask(admin).text
    assert "has been asked already" in again and "waits for the worker" in again and "disabled" in again


def test_only_who_has_logged_in_may_look_or_ask(visitor, admin, now):
    plan(now)
    assert visitor.get("/audit").status_code == 302
    visitor.post("/audit/default", data={"csrf_token": form_token(visitor)})
    assert admin.post("/audit/default", data={}).status_code == 400, "without the form's token"
    assert AuditRow.get().asked_at is None
    assert ask(admin, "other").status_code == 404


def test_without_an_n8n_the_page_says_so(tmp_path, now):
    from tests.web.conftest import log_in

    client = create_app(make_config(tmp_path, n8n=[])).test_client()
    log_in(client)
    assert "No n8n is connected yet." in client.get("/audit").text


def test_what_was_found_before_keeps_its_day_and_the_rest_is_new(admin, now):
    keep(now - timedelta(days=7), finding())
    keep(now, finding(), finding(rule="no_timeout", severity=AuditSeverity.INFO))
    since = {one["rule"]: one["since"] for one in AuditRow.get().findings}
    assert since == {"unwired": to_micros(now - timedelta(days=7)), "no_timeout": to_micros(now)}
    assert admin.get("/audit").text.count("<strong>new</strong>") == 1


@pytest.mark.parametrize("words", ["token=ghp_1234567890abcdefghijklmnopqrstuvwxyz12"])
def test_what_looks_like_a_secret_is_not_kept(admin, now, words):
    keep(now, finding(because=words, workflow=words))
    assert "ghp_1234567890abcdef" not in admin.get("/audit").text
