"""What the monitors that people have already say becomes readings: down is unhealthy, resolved is healthy.

Where the payloads in tests/fixtures come from, with names and values of our own:
  alertmanager  Prometheus' documentation of webhook_config (version 4) and docs.rs' alertmanager-webhook-types.
  grafana       Grafana's documentation, "Configure the webhook notifier" (9.1 to 11.3); the legacy shape and both test
                notifications as Grafana's own notifiers send them.
  uptime_kuma   louislam/uptime-kuma, server/notification-providers/webhook.js and issue 1207; for 2.0 the fields that
                a receiver of it declares (SuavecitoInc/google-chat-notifications).
  gatus         TwiN/gatus, alerting/provider/custom/custom.go, which fills the template of docs/monitors.md.
  healthchecks  healthchecks/healthchecks, hc/integrations/webhook/transport.py, likewise.
"""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recovery.config import load_config
from recovery.decide.readings import triage_reading
from recovery.decide.triage import ComponentFacts, IncidentFacts, Move, View
from recovery.model import (
    ComponentPlan,
    FailureType,
    Health,
    IncidentState,
    Playbook,
    Policy,
    Reading,
    Severity,
    Signal,
    SignalKind,
    SourcePlan,
    Stage,
)
from recovery.sources import alertmanager, gatus, generic, grafana, healthchecks, heartbeat, read, uptime_kuma
from recovery.sources.shapes import BadPayload, severity_of

PAGE = (Path(__file__).parents[2] / "docs" / "monitors.md").read_text()
FIXTURES = Path(__file__).parents[1] / "fixtures"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MYMON = SourcePlan("mymon", "state", ("OK", "UP"), "host.name", "output", "level", "kind", "time")
FIRING = {"status": "firing", "labels": {"alertname": "A"}}
RECEIVERS: dict[str, Callable[..., list[Signal]]] = {
    "alertmanager": alertmanager.receive,
    "grafana": grafana.receive,
    "uptime_kuma": uptime_kuma.receive,
    "gatus": gatus.receive,
    "healthchecks": healthchecks.receive,
    "generic": lambda payload, delivery=None: generic.receive(MYMON, payload, delivery),
}
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("9" * 400)
JSON = st.recursive(
    SCALARS,
    lambda more: st.lists(more, max_size=3) | st.dictionaries(st.text(max_size=9), more, max_size=3),
    max_leaves=8,
)


def payload_of(name: str) -> Any:
    return json.loads((FIXTURES / f"{name}.json").read_text(), strict=False)


def signals_of(name: str) -> list[Signal]:
    return RECEIVERS[name.partition("/")[0]](payload_of(name))


def readings_of(name: str) -> list[Reading]:
    found = [read(signal.kind, signal.body) for signal in signals_of(name)]
    assert all(isinstance(one, Reading) for one in found)
    return found  # type: ignore[return-value]


TOLD = [
    ("alertmanager/firing", [("http_checks/https://orders.example.org", False, Severity.CRITICAL)]),
    ("alertmanager/resolved", [("http_checks/https://orders.example.org", True, Severity.CRITICAL)]),
    (
        "alertmanager/grouped",
        [
            ("orders", False, Severity.MEDIUM),
            ("gpu-1", False, Severity.HIGH),
            ("BackupTooOld", False, None),
            ("orders", True, Severity.CRITICAL),
        ],
    ),
    ("grafana/firing", [("High memory usage", False, None), ("High CPU usage", False, None)]),
    ("grafana/resolved", [("High memory usage", True, None)]),
    ("grafana/no-data", [("Orders per minute", False, None)]),
    ("grafana/test", []),
    ("grafana/legacy-alerting", [("Orders queue", False, Severity.CRITICAL)]),
    ("grafana/legacy-ok", [("Orders queue", True, Severity.CRITICAL)]),
    ("grafana/legacy-test", []),
    ("uptime_kuma/down", [("orders-api", False, None)]),
    ("uptime_kuma/up", [("orders-api", True, None)]),
    ("uptime_kuma/maintenance", [("orders-api", None, None)]),
    ("uptime_kuma/old-ping-down", [("Testing", False, None)]),
    ("uptime_kuma/test", []),
    ("uptime_kuma/certificate", []),
    ("gatus/triggered", [("core/orders-api", False, None)]),
    ("gatus/resolved", [("core/orders-api", True, None)]),
    ("gatus/old-without-errors", [("orders-api", False, None)]),
    ("gatus/several-lines", [("orders-api", False, None)]),
    ("healthchecks/down", [("nightly backup", False, None)]),
    ("healthchecks/up", [("nightly backup", True, None)]),
    ("healthchecks/test", []),
    ("generic/mymon", [("db-7", False, Severity.HIGH)]),
]


@pytest.mark.parametrize(("name", "told"), TOLD, ids=[case[0] for case in TOLD])
def test_what_a_monitor_sends_names_its_components_and_says_whether_they_work(name, told):
    assert [(one.component, one.healthy, one.severity) for one in readings_of(name)] == told


def test_every_payload_is_tested():
    names = {f"{path.parent.name}/{path.stem}" for folder in RECEIVERS for path in (FIXTURES / folder).glob("*.json")}
    assert names == {name for name, _ in TOLD}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("alertmanager/firing", "ProbeFailure: Probe failure: https://orders.example.org"),
        ("alertmanager/resolved", "resolved: ProbeFailure"),
        ("grafana/no-data", "DatasourceNoData: [ no value ]"),
        ("grafana/legacy-alerting", "The queue grows"),
        ("uptime_kuma/down", "getaddrinfo ENOTFOUND orders.example.org"),
        ("gatus/triggered", 'health check failed: Get "https://orders.example.org/health": dial tcp'),
        ("gatus/old-without-errors", "health check failed"),
        ("gatus/several-lines", "failed\nagain: a tab\there"),
        ("healthchecks/down", "it has not reported in time, or has reported a failure: prod db"),
        ("generic/mymon", "replication stopped"),
    ],
)
def test_people_read_the_monitors_own_words(name, words):
    assert readings_of(name)[0].because.startswith(words)


@pytest.mark.parametrize(
    ("down", "up"),
    [
        ("alertmanager/firing", "alertmanager/resolved"),
        ("grafana/firing", "grafana/resolved"),
        ("grafana/legacy-alerting", "grafana/legacy-ok"),
        ("uptime_kuma/down", "uptime_kuma/up"),
        ("gatus/triggered", "gatus/resolved"),
        ("healthchecks/down", "healthchecks/up"),
    ],
)
def test_one_message_opens_an_incident_and_one_resolved_message_resolves(down, up):
    failing, well = readings_of(down)[0], readings_of(up)[0]
    plan = ComponentPlan(failing.component, success_threshold=3)
    policy = Policy(Playbook((Stage(0, 1),)), components={failing.component: plan})
    view = View()
    opened = triage_reading(failing, view, policy, NOW)
    assert opened.move is Move.OPEN and opened.component.health == "unhealthy"
    view.components[failing.component] = opened.component
    assert triage_reading(well, view, policy, NOW).component.health == "healthy"


@pytest.mark.parametrize("name", [name for name, told in TOLD if told])
def test_the_same_message_is_one_fact_where_its_monitor_says_which_it_is(name):
    first, again = signals_of(name), signals_of(name)
    assert [one.key for one in first] == [one.key for one in again]
    firing = name.startswith(("alertmanager", "grafana")) and not name.endswith("resolved")
    assert all(
        bool(one.key) is not (firing or name.startswith("gatus")) for one in first if not one.body.get("healthy")
    )
    assert len({one.key for one in first if one.key}) == len([one for one in first if one.key])


def test_an_alert_that_is_resolved_anew_is_another_fact():
    resolved, again = payload_of("alertmanager/resolved"), payload_of("alertmanager/resolved")
    again["alerts"][0]["startsAt"] = "2026-11-24T05:00:00Z"
    assert len({alertmanager.receive(one)[0].key for one in (resolved, again)}) == 2


class Told:
    """A component of which a monitor tells, and what became of it."""

    def __init__(self):
        self.view, self.now = View(), NOW
        self.policy = Policy(Playbook((Stage(0, 1),)))

    def tell(self, *alerts: tuple[str, str], source: Any = alertmanager, began: str = "2026-11-24T01:00:00Z") -> list:
        """(alert, firing or resolved) ... in one call; the moves."""
        told = [
            {"status": status, "labels": {"alertname": name, "service": "db"}, "fingerprint": name, "startsAt": began}
            for name, status in alerts
        ]
        return [self.read(read("reading", one.body)) for one in source.receive({"version": "4", "alerts": told})]

    def read(self, reading: Reading) -> Move:
        verdict = triage_reading(reading, self.view, self.policy, self.now)
        self.view.components["db"] = verdict.component or self.view.components["db"]
        if verdict.alerts is not None:
            self.view.alerts["db"] = verdict.alerts
        if verdict.move in (Move.OPEN, Move.REOPEN):
            self.view.incidents["|db|unavailable"] = IncidentFacts(1, IncidentState.RECOVERING)
        elif verdict.move is Move.SIGN:
            self.view.incidents["|db|unavailable"] = IncidentFacts(1, IncidentState.RESOLVED, self.now)
        return verdict.move


@pytest.mark.parametrize("source", [alertmanager, grafana])
def test_a_resolved_alert_is_no_sign_of_health_while_another_of_its_component_fires(source):
    told = Told()
    assert told.tell(("full", "firing"), ("slow", "firing"), source=source) == [Move.OPEN, Move.JOIN]
    assert told.tell(("slow", "resolved"), source=source) == [Move.IGNORE]
    assert told.tell(("slow", "resolved"), ("full", "resolved"), source=source) == [Move.IGNORE, Move.SIGN]


def test_of_one_call_what_fires_is_weighed_first():
    told = Told()
    told.tell(("slow", "firing"))
    assert told.tell(("slow", "resolved"), ("full", "firing")) == [Move.JOIN, Move.IGNORE]
    assert told.tell(("full", "resolved")) == [Move.SIGN]


def test_a_repeated_alert_counts_once_while_its_incident_is_open_and_is_news_where_none_is():
    told = Told()
    assert told.tell(("full", "firing")) == [Move.OPEN]
    assert told.tell(("full", "firing")) == [Move.IGNORE]
    assert told.read(Reading("db", True, "answered 200")) is Move.SIGN
    told.now += timedelta(hours=4)
    assert told.tell(("full", "firing")) == [Move.OPEN]


def test_an_alert_that_is_told_of_after_its_end_opens_nothing_and_one_that_fires_anew_does():
    told = Told()
    told.tell(("full", "firing"))
    assert told.tell(("full", "resolved")) == [Move.SIGN]
    assert told.tell(("full", "firing")) == [Move.IGNORE]
    assert told.tell(("full", "firing"), began="2026-11-24T02:00:00Z") == [Move.REOPEN]


def test_an_alert_that_was_called_resolved_while_its_monitor_was_cut_off_is_news_when_it_goes_on():
    told = Told()
    told.tell(("full", "firing"))
    assert told.tell(("full", "resolved")) == [Move.SIGN]
    told.now += timedelta(minutes=5)
    assert told.tell(("full", "firing")) == [Move.REOPEN], "Alertmanager keeps the time at which it first fired"
    assert told.tell(("full", "firing")) == [Move.IGNORE]


def test_an_alert_whose_end_was_never_told_holds_back_the_others_for_two_days():
    told = Told()
    told.tell(("lost", "firing"), ("slow", "firing"))
    told.now += timedelta(hours=47)
    assert told.tell(("slow", "resolved")) == [Move.IGNORE]
    told.now += timedelta(hours=2)
    assert told.tell(("slow", "resolved")) == [Move.SIGN]


def test_what_is_kept_of_many_alerts_is_bounded_and_what_fires_is_kept():
    told = Told()
    told.tell(("full", "firing"))
    for number in range(300):
        told.tell((f"n{number}", "resolved"))
    assert len(told.view.alerts["db"]) == 200 and told.view.alerts["db"]["alertmanager|full"].fires


def test_rules_of_an_older_grafana_for_one_component_are_told_apart():
    told = Told()
    for rule, state, move in ((1, "alerting", "open"), (2, "alerting", "join"), (1, "ok", "ignore"), (2, "ok", "sign")):
        payload = {"ruleId": rule, "ruleName": f"rule {rule}", "state": state, "tags": {"component": "db"}}
        assert told.read(read("reading", grafana.receive(payload)[0].body)) == move


def test_a_resolved_alert_without_a_fingerprint_does_not_count_while_another_of_its_call_fires():
    alerts = [{"status": status, "labels": {"alertname": "a", "service": "db"}} for status in ("resolved", "firing")]
    assert [one.body["healthy"] for one in alertmanager.receive({"alerts": alerts})] == [False]


def test_an_alert_is_news_though_it_began_long_before_the_last_look():
    reading = readings_of("alertmanager/firing")[0]
    view = View(components={reading.component: ComponentFacts(Health.HEALTHY, 0, 5, False, NOW)})
    policy = Policy(Playbook((Stage(0, 1),)))
    assert triage_reading(reading, view, policy, NOW).move is Move.OPEN


def test_a_late_down_does_not_undo_the_up_that_came_after_it():
    policy = Policy(Playbook((Stage(0, 1),)))
    view = View()
    view.components["orders-api"] = triage_reading(readings_of("uptime_kuma/up")[0], view, policy, NOW).component
    assert triage_reading(readings_of("uptime_kuma/down")[0], view, policy, NOW).move is Move.IGNORE


def test_each_alert_of_a_delivery_has_an_id_of_its_own():
    found = alertmanager.receive(payload_of("alertmanager/grouped"), "d")
    assert [one.delivery for one in found] == ["d#0", "d#1", "d#2", "d#3"]
    assert alertmanager.receive(payload_of("alertmanager/firing"))[0].delivery is None


def test_no_password_of_a_monitor_is_kept():
    assert "SECRET123" not in json.dumps(signals_of("uptime_kuma/down")[0].body)


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("critical", Severity.CRITICAL),
        (" CRITICAL ", Severity.CRITICAL),
        ("error", Severity.HIGH),
        ("warning", Severity.MEDIUM),
        ("info", Severity.LOW),
        ("purple", None),
        ("", None),
        ([], None),
        (7, None),
    ],
)
def test_the_words_for_severities(word, severity):
    assert severity_of(word) is severity


@pytest.mark.parametrize(
    ("told", "meant"),
    [("resource_exhausted", FailureType.RESOURCE_EXHAUSTED), *[(odd, None) for odd in ("Disk", "", None, 7, [], {})]],
)
@pytest.mark.parametrize(
    ("source", "payload"),
    [
        ("alertmanager", lambda told: {"alerts": [FIRING | {"labels": {"alertname": "A", "failure_type": told}}]}),
        ("grafana", lambda told: {"alerts": [FIRING | {"labels": {"alertname": "A", "failure_type": told}}]}),
        ("grafana", lambda told: {"ruleName": "r", "state": "alerting", "tags": {"failure_type": told}}),
        ("gatus", lambda told: {"component": "a", "state": "TRIGGERED", "failure_type": told}),
        ("generic", lambda told: {"host": {"name": "a"}, "state": "DOWN", "kind": told}),
    ],
)
def test_a_monitor_says_what_kind_of_failure_it_is_and_else_the_component_does_not_answer(source, payload, told, meant):
    [signal] = RECEIVERS[source](payload(told))
    assert read(signal.kind, signal.body).failure_type is (meant or FailureType.SERVER_UNRESPONSIVE)


def test_the_kinds_of_failure_on_the_page_are_such():
    listed = re.search(r"## What kind of failure\n(.*?)\n## ", PAGE, re.DOTALL)
    words = re.findall(r"^\| (`.*?`) \|", listed[1], re.MULTILINE)
    assert len(words) == 4 and set(re.findall(r"`(\w+)`", "".join(words))) <= set(FailureType)


def test_the_labels_name_the_component_the_most_telling_first():
    of = alertmanager.component_of
    assert of({"component": "c", "service": "s", "alertname": "a"}) == "c"
    assert of({"service": "s", "job": "j", "instance": "i", "alertname": "a"}) == "s"
    assert of({"component": " ", "job": "j", "instance": "i", "alertname": "a"}) == "j/i"
    assert of({"job": "j", "alertname": "a"}) == of({"instance": "i", "alertname": "a"}) == "a"
    assert of({"alertname": "x" * 500}) == "x" * 200 and of({"alertname": "a\x00b"}) == "ab" and of({}) == ""


REFUSED: list[tuple[str, Any, str]] = [
    *[(name, odd, "object|alerts") for name in ("alertmanager", "grafana") for odd in (None, [], 7, "x", {}, True)],
    *[("alertmanager", {"alerts": odd}, "at least one alert") for odd in ({}, [], None, "x")],
    ("alertmanager", {"alerts": [FIRING] * 1_001}, "at most 1000"),
    ("alertmanager", {"alerts": [FIRING, 7]}, r"alerts\[1\].status"),
    ("alertmanager", {"alerts": [{**FIRING, "status": "pending"}]}, r"alerts\[0\].status"),
    ("alertmanager", {"alerts": [{**FIRING, "status": ["firing"]}]}, r"alerts\[0\].status"),
    ("alertmanager", {"alerts": [{"status": "firing"}]}, r"alerts\[0\].labels"),
    ("alertmanager", {"alerts": [{"status": "firing", "labels": [1]}]}, r"alerts\[0\].labels"),
    ("alertmanager", {"alerts": [{"status": "firing", "labels": {"alertname": {"a": 1}}}]}, r"alerts\[0\].labels"),
    ("grafana", {"ruleName": "r"}, "state"),
    ("grafana", {"ruleName": "r", "state": ["ok"]}, "state"),
    ("grafana", {"ruleName": {}, "state": "ok"}, "ruleName"),
    *[("uptime_kuma", odd, "heartbeat") for odd in (None, [], 7, {}, {"heartbeat": 7}, {"heartbeat": {}})],
    *[("uptime_kuma", {"heartbeat": {"status": odd}}, "status") for odd in (4, -1, "down", True, [], 1e300)],
    ("uptime_kuma", {"heartbeat": {"status": 0}}, "monitor.name"),
    ("uptime_kuma", {"heartbeat": {"status": 0}, "monitor": {"name": "\x00"}}, "monitor.name"),
    *[("gatus", odd, "object") for odd in (None, [], 7, "x")],
    ("gatus", {"component": "a"}, "state"),
    ("gatus", {"component": "a", "state": "[ALERT_TRIGGERED_OR_RESOLVED]"}, "state"),
    ("gatus", {"component": "[ENDPOINT_NAME]", "state": "RESOLVED"}, "component"),
    *[("healthchecks", odd, "object") for odd in (None, [], 7, "x")],
    ("healthchecks", {"name": "a"}, "status"),
    ("healthchecks", {"name": "a", "status": "$STATUS"}, "status"),
    ("healthchecks", {"status": "up"}, "name"),
    *[("generic", odd, "object") for odd in (None, 7, "x", [1])],
    ("generic", [], "empty"),
    ("generic", [{}] * 1_001, "at most 1000"),
    ("generic", {}, "host.name"),
    ("generic", [{"host": {"name": "a"}, "state": "OK"}, {"host": []}], r"\[1\].host.name"),
    ("generic", {"host": {"name": "a"}}, "state .* is missing"),
    ("generic", {"host": {"name": "a"}, "state": "OK", "time": "yesterday"}, "time .*ISO 8601"),
    ("generic", {"host": {"name": "a"}, "state": "OK", "time": 1e300}, "time"),
    ("generic", {"host": {"name": "a"}, "state": "OK", "time": {}}, "time"),
]


@pytest.mark.parametrize(("source", "payload", "said"), REFUSED)
def test_what_cannot_be_read_is_refused_by_name(source, payload, said):
    with pytest.raises(BadPayload, match=said):
        RECEIVERS[source](payload)


@pytest.mark.parametrize("source", RECEIVERS)
@settings(max_examples=100, deadline=None)
@given(JSON)
def test_whatever_is_sent_is_taken_in_or_refused_in_words(source, payload):
    try:
        RECEIVERS[source](payload)
    except BadPayload as refused:
        assert str(refused)


@st.composite
def spoilt(draw: Any) -> tuple[str, Any]:
    """A real payload of which one value, somewhere, is anything at all."""
    name = draw(st.sampled_from([case[0] for case in TOLD]))
    payload = payload_of(name)
    place: Any = payload
    for _ in range(draw(st.integers(0, 6))):
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            break
        key = draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or draw(st.integers(0, 4)) == 0:
            place[key] = draw(JSON)
            break
        place = place[key]
    return name.partition("/")[0], payload


@settings(max_examples=400, deadline=None)
@given(spoilt())
def test_a_real_payload_with_anything_spoilt_is_read_or_refused_in_words(case):
    source, payload = case
    try:
        found = RECEIVERS[source](payload)
    except BadPayload as refused:
        assert str(refused)
        return
    for signal in found:
        signal.key.encode()
        reading = read(signal.kind, signal.body)
        assert signal.kind is SignalKind.READING and reading.component and len(reading.component) <= 200
        assert triage_reading(reading, View(), Policy(Playbook((Stage(0, 1),))), NOW).because


def plan_of(**changes: Any) -> SourcePlan:
    return SourcePlan(**{"name": "m", "healthy_path": "s", "healthy_values": ("OK", 200, True), **changes})


@pytest.mark.parametrize(
    ("state", "healthy"),
    [
        ("OK", True), (" ok ", True), ("CRITICAL", False), (200, True), ("200", True), (201, False), (True, True),
        ("true", True), (False, False), ("", False), (1, False), ({}, False), ([], False), ("OK" * 2_000, False),
    ],
)  # fmt: skip
def test_healthy_is_what_equals_one_of_the_values(state, healthy):
    assert generic.receive(plan_of(), {"s": state})[0].body["healthy"] is healthy


def test_a_source_without_a_component_is_the_component_itself():
    found = generic.receive(plan_of(), {"s": "OK"})[0]
    assert (found.body["component"], found.source, found.key) == ("m", "generic:m", "")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.b", 1),
        ("l.0.x", 2),
        ("l.1", 3),
        ("l.2", None),
        ("l.-1", None),
        ("l.²", None),
        ("a", {"b": 1}),
        ("a.b.c", None),
    ],
)
def test_a_dotted_path_goes_through_objects_and_lists(path, found):
    assert generic.find({"a": {"b": 1}, "l": [{"x": 2}, 3]}, path) == found


@pytest.mark.parametrize("told", [1795489200, 1795489200000, 1795489200.0, "1795489200", "2026-11-24T03:00:00Z"])
def test_a_time_may_be_written_in_many_ways(told):
    found = generic.receive(plan_of(observed_at="t"), {"s": "OK", "t": told})[0]
    assert found.body["observed_at"] == "2026-11-24T03:00:00+00:00" and found.key == (
        "generic|m|m|True|2026-11-24T03:00:00+00:00"
    )


def test_thresholds_count_where_one_message_is_not_enough():
    for at_once, certain in ((True, True), (False, False)):
        found = generic.receive(plan_of(at_once=at_once), {"s": "bad"})[0]
        assert read(found.kind, found.body).certain is certain


@pytest.mark.parametrize(
    ("what", "healthy", "move"),
    [
        ("success", True, Move.COUNT),
        ("fail", False, Move.OPEN),
        ("start", None, Move.IGNORE),
        ("log", None, Move.IGNORE),
    ],
)
def test_a_heartbeat_says_how_a_job_is(what, healthy, move):
    signal = heartbeat.receive("backup", what, "disk full\n")
    reading = read(signal.kind, signal.body)
    assert (reading.component, reading.healthy, reading.because) == ("backup", healthy, "disk full")
    assert signal.body["heartbeat"] == what and signal.key == ""
    assert reading.failure_type is (FailureType.WORKFLOW_FAILED if what == "fail" else None)
    assert triage_reading(reading, View(), Policy(Playbook((Stage(0, 1),))), NOW).move is move


def test_the_log_of_a_heartbeat_is_cut_and_may_be_empty():
    assert heartbeat.receive("backup", "log", "x\x00" * 5_000).body["message"] == "x" * 1_000
    assert heartbeat.receive("backup", "fail", " \n").body["message"] == "it says that it has failed"


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\x00b"])
def test_a_heartbeat_needs_a_name(name):
    with pytest.raises(BadPayload, match="the name in the address"):
        heartbeat.receive(name, "success", "")


def template(pattern: str, **filled: str) -> Any:
    """A body that docs/monitors.md gives to paste, as its monitor fills it."""
    found = re.search(pattern, PAGE, re.DOTALL)
    assert found
    body = found[1]
    for name, value in filled.items():
        body = body.replace(f"[{name}]", value).replace(f"${name}", value)
    return json.loads(body, strict=False)


def test_the_body_for_gatus_is_understood():
    body = template(
        r"body: \|\n(.*?\})\n",
        ENDPOINT_NAME="orders-api",
        ENDPOINT_GROUP="core",
        ALERT_TRIGGERED_OR_RESOLVED="TRIGGERED",
        ALERT_DESCRIPTION="down",
        RESULT_ERRORS="refused",
    )
    assert gatus.receive(body)[0].body == {
        "certain": True, "component": "core/orders-api", "healthy": False, "message": "down: refused"
    }  # fmt: skip


def test_the_body_for_healthchecks_is_understood():
    filled = {"NAME_JSON": '"a \\"quoted\\" name"', "STATUS": "up", "NOW": "2026-11-24T03:00:00+00:00"}
    body = template(r"```json\n(.*?)\n```", **filled, CODE="f618072a", TAGS="prod")
    found = healthchecks.receive(body)[0]
    assert (found.body["component"], found.body["healthy"]) == ('a "quoted" name', True) and found.key


def test_the_mapping_on_the_page_reads_the_message_on_the_page(tmp_path):
    sources = re.search(r"```yaml\n(sources:\n.*?)```", PAGE, re.DOTALL)
    message = re.search(r"-d '(\{\"host.*?)'\n", PAGE)
    assert sources and message
    (tmp_path / "medic.yaml").write_text(sources[1])
    plan = load_config(tmp_path / "medic.yaml", env={}).source_plan("mymon")
    assert plan == MYMON and generic.receive(plan, json.loads(message[1]))[0].body["component"] == "db-7"
