"""The pages: what they say first, what they offer, and what they escape."""

from datetime import UTC, datetime, timedelta

import pytest

from recovery.model import ExecutionState, IncidentState, OrderWhat, RecoveryState
from recovery.store import tagged
from recovery.store.tables import OrderRow
from tests.web.conftest import form_token, log_in, make_config
from tests.web.seed import (
    add_component,
    add_event,
    add_execution,
    add_incident,
    add_recovery,
    add_site,
    add_step,
    add_worker,
    seed_story,
)
from webhook_server.app import create_app

EVIL = "<script>alert('x')</script>\"'><img src=x onerror=alert(1)>"


def headline(client) -> str:
    text = client.get("/").text
    return text.split('<h1 role="status">')[1].split("</h1>")[0]


def press(client, incident, **fields):
    """Send the form of a button, and follow it back."""
    data = {"csrf_token": form_token(client, "/"), **fields}
    return client.post(f"/incidents/{incident.id}/orders", data=data, follow_redirects=True)


def test_the_headline_says_the_worst_thing_first(admin, now):
    assert headline(admin) == "Nothing is being healed: the worker is silent"
    add_worker(now)
    assert headline(admin) == "No incident, but n8n cannot be watched: default"
    add_site(now)
    assert headline(admin) == "All is well"
    add_component("crm", now, health="unhealthy")
    assert headline(admin) == "No incident, but a component is failing: crm"
    incident = add_incident(now)
    assert headline(admin) == "1 problem is being healed"
    add_execution(incident, "1", now, asks=True)
    assert headline(admin) == "1 problem is being healed"
    add_recovery(incident, now, state=RecoveryState.AWAITING_APPROVAL)
    assert headline(admin) == "1 decision waits for you"
    add_incident(now, state=IncidentState.NEEDS_HUMAN)
    assert headline(admin) == "1 problem needs you"


def test_no_sign_of_a_payload_turns_a_page_round_or_hides(admin, now):
    hidden = "exe.\u202egnp \u2066x\u200b\x1b[31m"
    incident = add_incident(now, component=f"c{hidden}", cause=hidden, because=hidden, advice=hidden)
    add_event(incident, now, before="", after="open", because=hidden)
    add_component(f"c{hidden}", now, health="unhealthy", because=hidden)
    for path in ("/", "/override", f"/incidents/{incident.id}"):
        text = admin.get(path).text
        assert "exe.gnp" in text and not set(text) & set("\u202e\u2066\u200b\x1b"), path


def test_times_are_those_of_the_clock_that_messages_go_by(app, tmp_path, now):
    incident = add_incident(now)
    add_event(incident, datetime(2026, 11, 29, 20, 30, 5, tzinfo=UTC), before="", after="open", because="x")
    for zone, shown in (("UTC", "2026-11-29 20:30:05 UTC"), ("Asia/Seoul", "2026-11-30 05:30:05 KST")):
        client = create_app(make_config(tmp_path, alerts={"timezone": zone})).test_client()
        log_in(client)
        assert shown in client.get(f"/incidents/{incident.id}").text


def test_reasons_are_said_in_the_language_of_the_page(admin, now):
    reason = "all 3 stages are used up; at last run_command failed: the command ended with exit code 1, without a word"
    incident = add_incident(now, because=reason, state=IncidentState.NEEDS_HUMAN)
    add_event(incident, now, before="", after="open", because=reason)
    korean = admin.get(f"/incidents/{incident.id}?lang=ko").text
    assert korean.count("3단계를 모두 시도했습니다. 마지막 결과: run_command 실패") == 2 and "used up" not in korean
    assert reason in admin.get(f"/incidents/{incident.id}?lang=en").text


def test_the_page_names_what_tags_leave_alone_or_call_critical_and_how_much_was_left(admin, now):
    add_site(now)
    assert "medic:ignore" not in admin.get("/").text and "medic:critical" not in admin.get("/").text
    both = frozenset(["medic:ignore", "medic:critical"])
    found = {
        "w": ("Orders", frozenset(["medic:critical"])),
        "x": (f"{EVIL}\u202e", both),
        "y": ("", frozenset(["medic:ignore"])),
    }
    tagged.set_tagged("default", found, now)
    tagged.set_tagged("gone", {"z": ("Of another n8n", both)}, now)
    tagged.count_ignored({("default", "x"): (3, now - timedelta(hours=2))})
    text = admin.get("/").text
    critical, left = text.split("Critical by the tag medic:critical: ")[1].split("Left alone by the tag medic:ignore: ")
    assert critical.startswith("Orders</p>") and "&lt;script&gt;" in left and "3 failures" in left and "y" in left
    assert EVIL not in text and "\u202e" not in text and "Of another n8n" not in text


def test_with_no_n8n_the_page_says_what_to_do(tmp_path, now):
    app = create_app(make_config(tmp_path, n8n=[], components=[]))
    client = app.test_client()
    log_in(client)
    add_worker(now)
    text = client.get("/").text
    assert "Nothing is being watched yet" in text and "medic connect --url" in text


def test_a_dry_run_is_told_on_every_page(tmp_path, now):
    client = create_app(make_config(tmp_path, dry_run=True)).test_client()
    log_in(client)
    for address in ("/", "/override", "/reports"):
        text = client.get(address).text
        assert "DRY RUN" in text and "no messages" not in text and "Messages are sent" in text


def test_a_dry_run_is_told_to_who_has_not_logged_in_too(tmp_path, now):
    """Whoever opens the link of a message must know that their yes does nothing."""
    client = create_app(make_config(tmp_path, dry_run=True)).test_client()
    for address in ("/login", "/decide/anything", "/no/such/page"):
        assert "DRY RUN" in client.get(address).text, address


def test_no_page_says_dry_run_without_one(admin):
    assert "DRY RUN" not in admin.get("/").text


def test_text_of_a_payload_is_escaped_everywhere(admin, now):
    incident = add_incident(now, component=EVIL, cause=EVIL, because=EVIL, advice=EVIL, state=IncidentState.NEEDS_HUMAN)
    recovery = add_recovery(incident, now, because=EVIL)
    add_step(recovery, 1, now, name=EVIL, because=EVIL, result=EVIL, error=EVIL)
    add_execution(
        incident, EVIL, now, workflow_name=EVIL, workflow_id=EVIL, because=EVIL, facts={"message": EVIL}, asks=True
    )
    add_event(incident, now, before=EVIL, after=EVIL, because=EVIL, who=EVIL)
    add_component(EVIL, now, because=EVIL, health="unhealthy")
    press(admin, incident, what="acknowledge", note=EVIL)
    for address in ("/", "/override", "/reports", f"/incidents/{incident.id}"):
        text = admin.get(address).text
        assert "alert(" in text, address
        assert "<script>" not in text and "<img src=x" not in text, address


def test_an_incident_page_tells_what_comes_next_and_when(admin, now):
    incident = add_incident(now)
    add_recovery(incident, now, next_at=now + timedelta(seconds=125))
    text = admin.get(f"/incidents/{incident.id}").text
    assert "Stage 2, attempt 1" in text and "in 2 min" in text and "data-countdown" in text


@pytest.mark.parametrize(
    ("incident_state", "recovery_state", "said"),
    [
        (IncidentState.RECOVERING, RecoveryState.PAUSED, "Nothing, until you resume."),
        (IncidentState.NEEDS_HUMAN, RecoveryState.AWAITING_APPROVAL, "Your decision."),
        (IncidentState.NEEDS_HUMAN, None, "it waits for you"),
        (IncidentState.RESOLVED, None, "the incident is resolved"),
        (IncidentState.OPEN, None, "The worker is about to look at it."),
        (IncidentState.RECOVERING, RecoveryState.HELD, "Nothing for now: "),
    ],
)
def test_what_comes_next_is_said_for_every_standing(admin, now, incident_state, recovery_state, said):
    incident = add_incident(now, state=incident_state)
    if recovery_state:
        add_recovery(incident, now, state=recovery_state)
    assert said in admin.get(f"/incidents/{incident.id}").text


def test_what_is_held_says_why(admin, now):
    incident = add_incident(now, state=IncidentState.OPEN, held=True, because="maintenance until noon")
    assert "Nothing for now: maintenance until noon" in admin.get(f"/incidents/{incident.id}").text


def test_buttons_that_make_no_sense_are_disabled_and_say_why(admin, now):
    incident = add_incident(now, state=IncidentState.NEEDS_HUMAN)
    text = admin.get(f"/incidents/{incident.id}").text
    pause = text.split('value="pause"')[1].split(">")[0]
    assert "disabled" in pause and "No recovery is under way." in pause
    assert "disabled" not in text.split('value="retry_now"')[1].split(">")[0]


def test_pause_becomes_resume_once_paused(admin, now):
    incident = add_incident(now)
    add_recovery(incident, now, state=RecoveryState.PAUSED)
    text = admin.get(f"/incidents/{incident.id}").text
    assert 'value="resume"' in text and 'value="pause"' not in text


def test_a_button_gives_its_order_in_the_name_of_the_user(admin, now):
    incident = add_incident(now)
    add_recovery(incident, now, stage=2)
    answer = press(admin, incident, what="skip_stage", stage="2", note=" no use\r\nhere ")
    order = OrderRow.get()
    assert (order.what, order.stage, order.who, order.note) == (OrderWhat.SKIP_STAGE, 2, "admin", "no use\nhere")
    assert "Ordered: Skip this stage." in answer.text and answer.request.path == f"/incidents/{incident.id}"


def test_a_button_of_an_old_page_does_nothing_and_says_so(admin, now):
    incident = add_incident(now)
    add_recovery(incident, now, stage=3)
    assert "Things have moved on" in press(admin, incident, what="skip_stage", stage="2").text
    assert "Not possible now: The recovery is not paused." in press(admin, incident, what="resume").text
    assert OrderRow.select().count() == 0


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"what": "nonsense"},
        {"what": "skip_stage"},
        {"what": "skip_stage", "stage": "٣"},
        {"what": "approve", "step": "1e3"},
        {"what": "approve", "step": "9" * 50},
        {"what": "pause", "note": "a\0b"},
        {"what": "pause", "note": "x" * 2001},
    ],
)
def test_a_forged_form_does_nothing_and_never_crashes(admin, now, fields):
    incident = add_incident(now)
    add_recovery(incident, now)
    assert press(admin, incident, **fields).status_code == 200
    assert OrderRow.select().count() == 0


def test_a_decision_is_ordered_for_the_step_that_awaits_it(admin, now):
    story = seed_story(now)
    text = admin.get(f"/incidents/{story['asking'].id}").text
    assert 'name="step" value="1"' in text and "Pay suppliers" in text
    press(admin, story["asking"], what="reject", step="1")
    assert (OrderRow.get().what, OrderRow.get().step) == (OrderWhat.REJECT, 1)


def test_runs_that_the_recovery_has_not_come_to_are_told_without_buttons(admin, now):
    incident = add_incident(now)
    add_recovery(incident, now)
    add_execution(incident, "1", now, asks=True)
    text = admin.get(f"/incidents/{incident.id}").text
    assert "You are asked when the recovery comes to it." in text and 'value="approve"' not in text


def test_executions_link_into_n8n(admin, now):
    story = seed_story(now)
    text = admin.get(f"/incidents/{story['healing'].id}").text
    assert 'href="http://n8n.example.com:5678/workflow/wfOrders00000001/executions/104"' in text


def test_the_override_page_goes_back_to_itself_and_shows_the_audit(admin, now):
    incident = add_incident(now)
    answer = press(admin, incident, what="acknowledge", note="I look", next="/override")
    assert answer.request.path == "/override"
    assert "I look" in answer.text and "waits for the worker" in answer.text


def test_a_forged_way_back_does_not_lead_away(admin, now):
    incident = add_incident(now)
    data = {"csrf_token": form_token(admin, "/"), "what": "acknowledge", "next": "//evil.example"}
    answer = admin.post(f"/incidents/{incident.id}/orders", data=data)
    assert answer.headers["Location"] == f"/incidents/{incident.id}"


@pytest.mark.parametrize("address", ["/incidents/99", "/incidents/abc", "/incidents/0", "/incidents/" + "9" * 40, "/x"])
def test_a_page_that_is_not_there_is_a_friendly_404(admin, address):
    answer = admin.get(address)
    assert answer.status_code == 404 and "There is no such page." in answer.text


def test_a_page_that_is_not_there_is_told_of_in_korean_too(admin):
    answer = admin.get("/x?lang=ko")
    assert "<h1>찾을 수 없음</h1>" in answer.text and "Not Found" not in answer.text


def test_an_order_for_no_incident_is_404(admin):
    data = {"csrf_token": form_token(admin, "/"), "what": "pause"}
    assert admin.post("/incidents/99/orders", data=data).status_code == 404


def test_a_page_that_breaks_says_so_without_details(admin, monkeypatch):
    from webhook_server import pages

    monkeypatch.setattr(pages.views, "find_resolved", lambda limit: 1 / 0)
    answer = admin.get("/")
    assert answer.status_code == 500 and "ZeroDivision" not in answer.text and "The log says what" in answer.text


def test_a_report_covers_whole_days_with_the_last_one(admin, now):
    add_incident(now, opened_at=now.replace(year=2025, month=3, day=5, hour=23, minute=59), component="late-one")
    assert "late-one" in admin.get("/reports?since=2025-03-01&until=2025-03-05").text
    assert "late-one" not in admin.get("/reports?since=2025-03-01&until=2025-03-04").text


@pytest.mark.parametrize(
    "query",
    ["since=x", "since=2026-02-30", "until=0000-01-01", "since=2026-02-02&until=2026-02-01", "until=9999-12-31"],
)
def test_a_range_that_is_none_is_told_and_the_week_shown(admin, query):
    answer = admin.get(f"/reports?{query}")
    assert answer.status_code == 400 and "Please choose a first and a last day" in answer.text


def test_what_waits_is_counted_and_what_is_over_is_not(admin, now):
    incident = add_incident(now)
    for root in range(12):
        add_execution(incident, str(root), now)
    add_execution(incident, "99", now, state=ExecutionState.RECOVERED)
    waiting = admin.get("/").text.split('id="waiting"')[1].split("</section>")[0]
    assert "12 executions" in waiting and "and 2 more" in waiting
