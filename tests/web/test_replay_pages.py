"""The pages of replays: what they show of each, that they escape it, and that their buttons only ask the worker."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from recovery.model import ExecutionState, ReplayState
from recovery.store import replays
from recovery.store.tables import ReplayRow
from tests.store.rows import add_chain
from tests.web.conftest import form_token

EVIL = "<script>alert('x')</script>\"'><img src=x onerror=alert(1)>"
LISTED = {"execution_id": "9", "workflow_id": "w1", "workflow": "Pay", "because": "it may have happened"}


def order(now: datetime, said_yes: bool = True, **more: Any) -> ReplayRow:
    """A replay of the last two hours, as somebody orders it."""
    meant = {"site": "default", "since": now - timedelta(hours=2), "until": now} | more
    return replays.add_replay(meant.pop("who", "kim"), now, said_yes, **meant)


def stand(row: ReplayRow, now: datetime, state: ReplayState, because: str = "on its way", **more: Any) -> None:
    replays.set_replay(row, because, now, state=state, **more)


def counts(**lots: int) -> dict[str, Any]:
    total = {"failed": sum(lots.values()), **lots}
    rows = [{"id": "w1", "name": "Pay", **total}]
    why = [{"lot": "ambiguous", "because": "a POST without an answer", "count": lots.get("ambiguous", 0)}]
    return {"total": total, "workflows": rows, "why": why, "listed": [LISTED]}


def press(client: Any, number: int, what: str) -> str:
    data = {"csrf_token": form_token(client, "/replays")}
    return client.post(f"/replays/{number}/{what}", data=data, follow_redirects=True).text


def test_one_that_runs_is_shown_with_who_ordered_it_and_how_far_it_is(admin, now) -> None:
    row = order(now, workflow="Pay")
    stand(row, now, ReplayState.RUNNING, "1 of 3 have ended")
    for number, state in enumerate((ExecutionState.RECOVERED, ExecutionState.RETRYING, ExecutionState.WAITING)):
        add_chain(str(number), incident_id=None, state=state, replay_id=row.id)
    for page in ("/replays", f"/replays/{row.id}", "/"):
        text = admin.get(page).text
        for words in (
            "ordered by kim",
            "workflow Pay",
            '<progress value="1" max="3"',
            "1 of 3 have ended",
            "Cancel the",
        ):
            assert words in text, (page, words)


def test_its_counts_and_executions_are_shown_with_links_into_n8n(admin, now) -> None:
    row = order(now)
    stand(row, now, ReplayState.DONE, "1 recovered", counts=counts(replay=2, ambiguous=1), ended_at=now)
    add_chain(
        "5", site="default", incident_id=None, state=ExecutionState.FAILED, replay_id=row.id, because="answered 503"
    )
    text = admin.get(f"/replays/{row.id}").text
    assert "answered 503" in text and "a POST without an answer" in text and "it may have happened" in text
    assert "http://n8n.example.com:5678/workflow/w1/executions/9" in text
    assert "/executions/5" in text and "may repeat an effect" in text
    assert "Cancel the replay" not in text, "it is over"
    assert f'href="/replays/{row.id}"' in admin.get("/replays").text
    assert f"/replays/{row.id}" not in admin.get("/").text, "the first page shows what is under way alone"


def test_done_is_not_green_where_something_failed_again(admin, now) -> None:
    row = order(now)
    stand(row, now, ReplayState.DONE, ended_at=now)
    assert '<span class="badge good">done' in admin.get("/replays").text
    add_chain("5", incident_id=None, state=ExecutionState.FAILED, replay_id=row.id)
    assert '<span class="badge warn">done' in admin.get("/replays").text


def test_a_person_stops_one_that_runs_and_the_worker_ends_it(admin, now) -> None:
    row = order(now)
    stand(row, now, ReplayState.RUNNING)
    assert "nothing more of replay" in press(admin, row.id, "cancel")
    known = ReplayRow.get()
    assert (known.cancelled_by, known.state, known.run_at is not None) == ("admin", ReplayState.RUNNING, True)
    assert "cancelled by admin" in admin.get("/replays").text and "Cancel the replay" not in admin.get("/replays").text
    replays.end_replay(known, ReplayState.CANCELLED, "admin cancelled it", now)
    assert "is over already" in press(admin, row.id, "cancel")


def test_one_that_waits_for_a_yes_is_given_it_once(admin, now) -> None:
    row = order(now, said_yes=False)
    assert "Yes, run" not in admin.get("/replays").text, "it is not counted yet"
    stand(row, now, ReplayState.ASKING, "2 are to be run again", counts=counts(replay=2))
    assert "Yes, run 2 again" in admin.get("/replays").text
    assert "begins" in press(admin, row.id, "yes") and ReplayRow.get().yes_at is not None
    assert "Yes, run" not in admin.get("/replays").text
    stand(row, now, ReplayState.RUNNING)
    assert "does not wait for a yes" in press(admin, row.id, "yes")


def test_the_pages_are_korean_too(admin, now) -> None:
    stand(order(now, said_yes=False), now, ReplayState.ASKING, counts=counts(replay=2, ambiguous=1))
    text = admin.get("/replays?lang=ko").text
    assert "재실행" in text and "네, 2건 다시 실행" in text
    assert "Replay" not in text.replace("n8n-medic: replay on demand", "") and "ordered by" not in text
    assert "다시 실행하지 않는 이유" in admin.get(f"/replays/{ReplayRow.get().id}?lang=ko").text


def test_hostile_names_are_escaped(admin, now) -> None:
    listed = dict.fromkeys(("execution_id", "workflow_id", "workflow", "because"), EVIL)
    row = order(now, workflow=EVIL, who=EVIL, tag="")
    rows = [{"id": EVIL, "name": EVIL, "failed": 1, "replay": 1}]
    found = {"total": {"failed": 1, "replay": 1}, "workflows": rows, "why": [], "listed": [listed]}
    stand(row, now, ReplayState.RUNNING, EVIL, counts=found)
    for page in ("/replays", f"/replays/{row.id}", "/"):
        text = admin.get(page).text
        assert "<script>alert" not in text and "<img src=x" not in text and "&lt;script&gt;alert" in text


def test_without_any_it_says_how_one_is_ordered(admin) -> None:
    text = admin.get("/replays").text
    assert "medic replay --all --since 2h" in text and "None yet." in text
    assert 'href="/replays" aria-current="page"' in text


@pytest.mark.parametrize("number", ["0", "x", "7", "99999999999999999999", "-1", "1;DROP"])
def test_one_that_is_not_there(admin, number: str) -> None:
    assert admin.get(f"/replays/{number}").status_code == 404
    data = {"csrf_token": form_token(admin, "/replays")}
    assert admin.post(f"/replays/{number}/cancel", data=data).status_code == 404
    assert admin.post(f"/replays/{number}/yes", data=data).status_code == 404


def test_strangers_and_forms_without_their_token_order_nothing(visitor, admin, now) -> None:
    row = order(now)
    assert visitor.get("/replays").status_code == visitor.get(f"/replays/{row.id}").status_code == 302
    visitor.post(f"/replays/{row.id}/cancel", data={"csrf_token": form_token(visitor)})
    assert admin.post(f"/replays/{row.id}/cancel").status_code == 400
    assert ReplayRow.get().cancel_at is None
