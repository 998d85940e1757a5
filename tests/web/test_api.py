"""The JSON API: what it shows, what it takes, and what it says to nonsense."""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from recovery.model import IncidentState, OrderWhat, RecoveryState, Severity
from recovery.sources import probe
from recovery.store import orders, replays
from recovery.store.tables import OrderRow
from tests.web.conftest import API_TOKEN, make_config
from tests.web.seed import add_component, add_execution, add_incident, add_recovery, seed_story
from webhook_server import api as api_room
from webhook_server import senders, webhooks
from webhook_server.app import create_app


def problem_of(answer, status: int) -> dict:
    """The body of an answer that must be a problem."""
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json"), answer.text
    body = answer.get_json(force=True)
    assert body["status"] == status and body["title"] and body["detail"]
    return body


def test_every_address_wants_the_token(visitor, app):
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/api/"):
            method = next(one for one in ("POST", "DELETE", "GET") if one in rule.methods)
            address = rule.rule.replace("<incident_id>", "1").replace("<window_id>", "1")
            answer = visitor.open(address, method=method, json={})
            problem_of(answer, 401)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_an_incident_shows_what_others_read(api, now):
    story = seed_story(now)
    shown = api.get(f"/api/v1/incidents/{story['healing'].id}").get_json()
    assert shown["state"] == "recovering" and shown["signal_count"] == 3 and shown["signals"] == 1
    assert shown["opened_at"] == story["healing"].opened_at.isoformat().replace("+00:00", "Z")
    recovery = shown["recovery"]
    assert (recovery["state"], recovery["stage"], recovery["attempt"]) == ("waiting", 2, 1)
    assert datetime.fromisoformat(recovery["next_at"]) > now and recovery["because"]
    assert [(step["number"], step["kind"], step["state"]) for step in shown["steps"]] == [
        (1, "action", "failed"),
        (2, "check", "failed"),
    ]
    assert len(shown["executions"]) == 13 and shown["execution_counts"] == {"waiting": 13}
    first = shown["executions"][0]
    assert (first["root_id"], first["leaf_id"], first["message"]) == ("101", "104", "Service unavailable")
    assert first["url"] == "http://n8n.example.com:5678/workflow/wfOrders00000001/executions/104"
    assert shown["alerts"][0]["channel"] == "team" and shown["events"][0]["after"] == "recovering"
    assert shown["awaiting_step"] is None
    assert api.get(f"/api/v1/incidents/{story['asking'].id}").get_json()["awaiting_step"] == 1


def test_incidents_are_filtered_by_every_parameter(api, now):
    old = add_incident(now, component="crm", severity=Severity.LOW, opened_at=now - timedelta(days=2))
    new = add_incident(now, component="db", state=IncidentState.RESOLVED, failure_type="database_connection")

    def ids(query: str) -> list[int]:
        return [row["id"] for row in api.get(f"/api/v1/incidents?{query}").get_json()["data"]]

    assert ids("") == [new.id, old.id]
    assert ids("state=resolved") == ids("component=db") == ids("failure_type=database_connection") == [new.id]
    assert ids("severity=low") == [old.id]
    day = (now - timedelta(days=1)).isoformat()
    assert ids(f"since={day}") == [new.id]  # the plus of +00:00 became a space on its way
    assert ids("state=resolved&severity=low") == []


def test_pages_follow_each_other_without_gaps_and_end(either_api, now):
    wanted = [add_incident(now).id for _ in range(7)][::-1]
    found, cursor, pages = [], "", 0
    while cursor is not None:
        page = either_api.get(f"/api/v1/incidents?limit=3{'&cursor=' + cursor if cursor else ''}").get_json()
        found += [row["id"] for row in page["data"]]
        cursor, pages = page["nextCursor"], pages + 1
    assert (found, pages) == (wanted, 3)


def test_the_last_full_page_has_no_next(api, now):
    for _ in range(2):
        add_incident(now)
    assert api.get("/api/v1/incidents?limit=2").get_json()["nextCursor"] is None


def test_the_other_lists_show_and_filter(api, now):
    story = seed_story(now)
    asking = story["asking"].id

    def rows(address: str) -> list[dict]:
        return api.get(f"/api/v1/{address}").get_json()["data"]

    assert [row["root_id"] for row in rows(f"executions?incident_id={asking}")] == ["77"]
    assert [row["asks"] for row in rows("executions?state=left_alone")] == [True]
    assert [row["channel"] for row in rows("alerts?state=failed")] == ["mail"]
    assert {row["subject"] for row in rows("events?subject=incident")} == {"incident"}
    assert {row["name"] for row in rows("components")} == {"orders-api", "billing-db"}
    assert [row["name"] for row in rows("components?health=unhealthy")] == ["billing-db"]
    assert rows("maintenance") == []


def test_probes_are_the_configured_components_with_an_http_check(api):
    assert api.get("/api/v1/probes").get_json() == {
        "data": [
            {
                "name": "orders-api",
                "url": "http://orders.example.com/health",
                "method": "GET",
                "timeout": 5.0,
                "every": 30.0,
                "severity": "high",
                "good_statuses": [[200, 399]],
            }
        ],
        "nextCursor": None,
    }


@pytest.mark.parametrize(
    ("given", "spans"),
    [("2xx", [[200, 299]]), (204, [[204, 204]]), (["200-204", 401], [[200, 204], [401, 401]])],
)
def test_a_probe_says_which_statuses_are_good_and_how_bad_its_failure_is(tmp_path, given, spans):
    check = {"kind": "http", "url": "http://shop.example.com/", "expect_status": given}
    shop = {"name": "shop", "severity": "critical", "check": check}
    client = create_app(make_config(tmp_path, components=[shop])).test_client()
    shown = client.get("/api/v1/probes", headers={"Authorization": f"Bearer {API_TOKEN}"}).get_json()["data"]
    assert (shown[0]["good_statuses"], shown[0]["severity"]) == (spans, "critical")


def test_the_summary_covers_the_range_that_was_asked_for(api, now):
    add_incident(now, opened_at=now - timedelta(days=8))
    add_incident(now)
    assert api.get("/api/v1/reports/summary").get_json()["incidents"]["opened"] == 1
    since = (now - timedelta(days=9)).strftime("%Y-%m-%dT%H:%M:%SZ")
    shown = api.get(f"/api/v1/reports/summary?since={since}").get_json()
    assert shown["incidents"]["opened"] == 2 and shown["since"] == since and shown["until"].endswith("Z")
    problem_of(api.get("/api/v1/reports/summary?since=2026-02-01&until=2026-01-01"), 400)


def test_an_order_is_taken_with_202_and_written(api, now):
    incident = add_incident(now)
    add_recovery(incident, now, stage=2)
    body = {"what": "skip_stage", "stage": 2, "note": "no use"}
    answer = api.post(f"/api/v1/incidents/{incident.id}/orders", json=body)
    order = OrderRow.get()
    assert answer.status_code == 202
    shown = answer.get_json()
    assert (shown["id"], shown["what"], shown["stage"], shown["note"]) == (order.id, "skip_stage", 2, "no use")
    assert shown["outcome"] is None and shown["who"] == "api"


def test_an_order_that_comes_too_late_is_409_and_says_what_is_current(api, now):
    incident = add_incident(now)
    add_recovery(incident, now, stage=2)
    late = api.post(f"/api/v1/incidents/{incident.id}/orders", json={"what": "skip_stage", "stage": 1})
    assert problem_of(late, 409)["current"] == 2
    stale = api.post(f"/api/v1/incidents/{incident.id}/orders", json={"what": "approve", "step": 5})
    assert problem_of(stale, 409)["current"] is None
    senseless = api.post(f"/api/v1/incidents/{incident.id}/orders", json={"what": "resume"})
    assert "not paused" in problem_of(senseless, 409)["detail"]
    assert OrderRow.select().count() == 0


BAD_ORDERS = [
    ({"what": "approve"}, "must name its step"),
    ({"what": "reject"}, "must name its step"),
    ({"what": "skip_stage"}, "must name its stage"),
    ({"what": "skip_stage", "step": 1}, "must name its stage"),
    ({"what": "snooze"}, "until: snooze must say until when"),
    ({"what": "snooze", "until": "2001-01-01"}, "within the next 30 days"),
    ({"what": "snooze", "until": "9999-12-31T23:59:59"}, "within the next 30 days"),
    ({"what": "snooze", "until": "soon"}, "must read like"),
    ({"what": "retrynow"}, "did you mean 'retry_now'?"),
    ({"what": "zzz"}, "one of: retry_now"),
    ({"what": 7}, "there is no 7"),
    ({"what": ["pause"]}, "there is no"),
    ({}, "what: Field required"),
    ({"what": "pause", "notes": "x"}, "did you mean 'note'?"),
    ({"what": "pause", "note": "a\0b"}, "NUL"),
    ({"what": "pause", "note": "\ud800"}, "note:"),
    ({"what": "pause", "note": "x" * 2001}, "note:"),
    ({"what": "pause", "note": 5}, "note:"),
    ({"what": "skip_stage", "stage": 10**30}, "stage:"),
    ({"what": "skip_stage", "stage": "1"}, "stage:"),
    ({"what": "skip_stage", "stage": True}, "stage:"),
    ({"what": "skip_stage", "stage": 1.5}, "stage:"),
    ({"what": "approve", "step": -1}, "step:"),
]


def test_an_order_that_is_not_understood_is_400_and_names_what_is_wrong(either_api, now):
    incident = add_incident(now)
    add_recovery(incident, now)
    for body, said in BAD_ORDERS:
        address = f"/api/v1/incidents/{incident.id}/orders"
        answer = either_api.post(address, data=json.dumps(body), content_type="application/json")
        assert said in problem_of(answer, 400)["detail"], body
    assert OrderRow.select().count() == 0


def test_what_is_null_in_an_order_counts_as_not_given(either_api, now):
    incident = add_incident(now)
    empty = dict.fromkeys(("step", "stage", "until", "note"))
    answer = either_api.post(f"/api/v1/incidents/{incident.id}/orders", json={"what": "acknowledge", **empty})
    assert answer.status_code == 202 and OrderRow.get().note == ""


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"null", "application/json", 400),
        (b'"pause"', "application/json", 400),
        (b"\xff\xfe\x00", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"what": ' + b"9" * 5000 + b"}", "application/json", 400),
        (b'{"what": "pause"}', "text/plain", 415),
        (b"what=pause", "application/x-www-form-urlencoded", 415),
        (b'{"note": "' + b"x" * 1_100_000 + b'"}', "application/json", 413),
    ],
)
def test_a_body_that_is_no_json_object_is_a_problem_and_never_a_crash(api, now, data, content_type, status):
    incident = add_incident(now)
    answer = api.post(f"/api/v1/incidents/{incident.id}/orders", data=data, content_type=content_type)
    problem_of(answer, status)


NONSENSE = [
    "incidents?limit=0",
    "incidents?limit=251",
    "incidents?limit=ten",
    "incidents?limit=1e2",
    f"incidents?limit={10**40}",
    "incidents?cursor=xyz",
    "incidents?cursor=YmVsb3c6OTk5OTk5OTk5OTk5OTk5OTk5OTk=",
    "incidents?cursor=YmVsb3c6OTk5OTk5OTk5OTk5OTk5OTk5OQ==",
    "incidents?cursor=%00",
    "incidents?cursor=%ED%95%9C",
    "incidents?since=yesterday",
    "incidents?since=2026-13-01",
    "incidents?since=0001-01-01T00:00:00%2B23:59",
    "incidents?since=9999-12-31T23:59:59-23:59",
    "incidents?state=opened",
    "incidents?severity=huge",
    "incidents?component=a%00b",
    f"incidents?component={'x' * 501}",
    "incidents?stat=open",
    "incidents?state=open&state=resolved",
    "executions?incident_id=-1",
    "executions?incident_id=9223372036854775808",
    "executions?workflow_id=%00",
    "events?subject=%00",
    "reports/summary?until=never",
    "incidents/abc",
    "incidents/0",
    "incidents/-1",
    "incidents/1%00",
    "incidents/%D9%A1",
    "incidents/9223372036854775808",
    f"incidents/{'9' * 5000}",
]


def test_nonsense_in_an_address_is_400_on_both_engines(either_api):
    for address in NONSENSE:
        problem_of(either_api.get(f"/api/v1/{address}"), 400)


def test_a_misspelled_word_is_met_with_the_right_one(api):
    assert "did you mean 'state'?" in problem_of(api.get("/api/v1/incidents?stat=open"), 400)["detail"]
    assert "did you mean 'open'?" in problem_of(api.get("/api/v1/incidents?state=opened"), 400)["detail"]
    told = problem_of(api.get("/api/v1/components?health=nonsense"), 400)["detail"]
    assert "one of: healthy, unhealthy, flapping, unknown" in told
    told = problem_of(api.get("/api/v1/events?subject=nonsense"), 400)["detail"]
    assert "subject: Input should be 'alert', 'audit', 'component'" in told


def test_edge_values_that_are_possible_are_answered_on_both_engines(either_api):
    for address in [
        "incidents?since=0001-01-01T00:00:00Z",
        "incidents?since=9999-12-31T23:59:59Z",
        "executions?incident_id=9223372036854775807",
        "incidents?component=%F0%9F%9A%91%27%3B--",
        "reports/summary?since=0001-01-01&until=9999-12-31",
    ]:
        assert either_api.get(f"/api/v1/{address}").status_code == 200, address
    problem_of(either_api.get("/api/v1/incidents/9223372036854775807"), 404)


def test_errors_under_the_api_are_problems_whatever_they_are(api, app, monkeypatch):
    problem_of(api.get("/api/v1/nothing"), 404)
    answer = api.delete("/api/v1/incidents")
    problem_of(answer, 405)
    assert "GET" in answer.headers["Allow"]
    monkeypatch.setattr(api_room.views, "page_of", lambda *args, **kwargs: 1 / 0)
    assert "division" not in problem_of(api.get("/api/v1/incidents"), 500)["detail"]


def test_a_database_that_does_not_answer_is_503(tmp_path):
    config = make_config(tmp_path, database_url="postgresql://nobody@127.0.0.1:9/none")
    client = create_app(config).test_client()
    answer = client.get("/api/v1/incidents", headers={"Authorization": "Bearer api-token-of-the-tests"})
    problem_of(answer, 503)


def test_the_description_holds_every_address(api, app):
    document = api.get("/api/v1/openapi.json").get_json()
    described = {(path, method.upper()) for path, item in document["paths"].items() for method in item}
    served = {
        (rule.rule.replace("<path:", "<").replace("<", "{").replace(">", "}"), method)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert described == served


def test_the_answers_are_as_described(api, now):
    story = seed_story(now)
    add_component("odd", now, seen_at=None, latency_ms=None)
    order = orders.add_order(story["asking"].id, OrderWhat.ACKNOWLEDGE, "kim", now)
    ordered = replays.add_replay("kim", now, True, site="default", since=now - timedelta(hours=1), until=now)
    document = api.get("/api/v1/openapi.json").get_json()
    for path, item in document["paths"].items():
        if "get" not in item or path.endswith(("openapi.json", "endpoint")):  # the latter in test_endpoint.py
            continue
        address = path.replace("{incident_id}", str(story["asking"].id)).replace("{order_id}", str(order.id))
        address = address.replace("{replay_id}", str(ordered.id))
        schema = item["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        whole = {**schema, "components": document["components"]}
        Draft202012Validator(whole).validate(api.get(address).get_json())


def test_the_documentation_names_every_address(app):
    text = (Path(api_room.__file__).parents[1] / "docs" / "api.md").read_text()
    missing = [
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(("/api/", "/healthz", "/readyz", "/metrics"))
        and re.sub("<(incident|replay)_id>", "{id}", rule.rule).replace("<path:name>", "{name}") not in text
    ]
    assert missing == []


def test_the_documentation_tells_senders_every_webhook_and_header():
    text = (Path(api_room.__file__).parents[1] / "docs" / "api.md").read_text()
    wanted = [*webhooks.MONITORS, *(first for first, _ in webhooks.TAKERS), *read_for_senders()]
    assert [word for word in wanted if word not in text] == []


def read_for_senders() -> list[str]:
    """The headers that senders may send, and what a probe may say, as the code reads them."""
    headers = set(re.findall(r'"(X-Medic-[A-Za-z]+)"', Path(senders.__file__).read_text()))
    fields = set(re.findall(r'(?:body|result)\.get\("(\w+)"\)', Path(probe.__file__).read_text()))
    ours = {"certain", "permanent", "mark", "began", "failure_type", "critical"}
    assert {"X-Medic-Signature", "X-Medic-Delivery"} <= headers and "latency_ms" in fields
    return sorted(headers | (fields - ours))


def test_an_execution_with_odd_ids_makes_no_odd_link(api, now):
    add_execution(None, "1/../../x?y", now, workflow_id="javascript:alert(1)")
    row = api.get("/api/v1/executions").get_json()["data"][0]
    assert row["url"].endswith("/workflow/javascript%3Aalert%281%29/executions/1%2F..%2F..%2Fx%3Fy")
    add_execution(None, "2", now, site="elsewhere")
    assert api.get("/api/v1/executions?site=elsewhere").get_json()["data"][0]["url"] is None


def test_the_words_of_the_contract_are_all_orders(api, now):
    incident = add_incident(now)
    add_recovery(incident, now, state=RecoveryState.RUNNING)
    until = {"until": (now + timedelta(hours=1)).isoformat()}
    for what in ("retry_now", "pause", "cancel", "resolve", "acknowledge", "escalate", "snooze"):
        body = {"what": what, **(until if what == "snooze" else {})}
        assert api.post(f"/api/v1/incidents/{incident.id}/orders", json=body).status_code == 202, what
    assert {order.what for order in OrderRow.select()} < {what.value for what in OrderWhat}
    assert json.loads(api.get("/api/v1/events?subject=order&limit=1").text)["nextCursor"]
