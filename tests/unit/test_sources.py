"""What senders say becomes facts: real payloads are read rightly, and nothing that is sent can break the reader."""

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recovery.decide.classify import classify, classify_reading
from recovery.decide.readings import triage_reading
from recovery.decide.replay import Run, judge, read_chain
from recovery.decide.triage import ChainFacts, View, triage_failure, triage_success
from recovery.model import (
    ExecutionState,
    Failure,
    Outlook,
    Playbook,
    Policy,
    Reading,
    ReplayLimits,
    SignalKind,
    Stage,
    Success,
)
from recovery.sources import alertmanager, gatus, heartbeat, n8n_error, n8n_execution, probe, read, shapes
from recovery.sources.nodes import host_of, only_reads
from recovery.sources.shapes import BadPayload

FIXTURES = Path(__file__).parents[1] / "n8n" / "fixtures"
POLICY = Policy(Playbook((Stage(0, 1),)))
ODD_TIMES = (-1, 29, 86_401, "soon", True, [], {}, "1e9", 10**400, float("nan"), "99999999999d")
NOW = datetime(2026, 11, 24, tzinfo=UTC)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(["²", "9" * 40])
)
JSON = st.recursive(
    SCALARS,
    lambda more: st.lists(more, max_size=3) | st.dictionaries(st.text(max_size=9), more, max_size=3),
    max_leaves=8,
)


def execution_of(name: str) -> dict[str, Any]:
    return json.loads((FIXTURES / f"{name}.execution.json").read_text())


def consume(facts: Failure | Reading | Success) -> None:
    """Everything that decisions do with facts."""
    if isinstance(facts, Failure):
        known = ChainFacts(1, 1, "5", ExecutionState.WAITING)
        view = View(chains={1: known}, members={("s", facts.retry_of): 1})
        assert triage_failure(facts, "s", view, POLICY, NOW).because
        outlook = classify(facts, "s", POLICY).outlook
        assert judge(facts, outlook, Run(facts.failed_at or NOW), ReplayLimits(), NOW).because
    elif isinstance(facts, Reading):
        assert classify_reading(facts, POLICY).because and triage_reading(facts, View(), POLICY, NOW).because
    else:
        assert triage_success(facts, "s", View()).because


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(list(SignalKind)), st.dictionaries(st.text(max_size=9), JSON, max_size=5))
def test_no_stored_body_can_break_the_readers_or_the_decisions(kind, body):
    consume(read(kind, body))


@st.composite
def spoilt(draw: Any, names: tuple[str, ...] = ("parent", "item-three-of-five", "crashed", "postgres-refused")) -> Any:
    """A real payload of which one value, somewhere, is anything at all."""
    body = execution_of(draw(st.sampled_from(names)))
    place: Any = body
    for _ in range(draw(st.integers(0, 8))):
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            break
        key = draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or draw(st.integers(0, 4)) == 0:
            place[key] = draw(JSON)
            break
        place = place[key]
    return body


@settings(max_examples=250, deadline=None)
@given(spoilt())
def test_a_real_execution_with_anything_spoilt_is_still_read(body):
    consume(n8n_execution.read_failure_of(body))
    for look in (n8n_execution.items_into, n8n_execution.nodes_that_may_write, n8n_execution.fails_in_subworkflow):
        look(body)
    consume(n8n_error.read_failure(n8n_execution.as_error_item(body)))


@settings(max_examples=250, deadline=None)
@given(spoilt(), st.lists(st.fixed_dictionaries({"id": JSON, "retryOf": JSON, "status": JSON, "retrySuccessId": JSON})))
def test_no_list_of_executions_can_break_the_reading_of_a_chain(root, others):
    chain = read_chain(root, others)
    assert chain.leaf_id in chain.members and isinstance(chain.status, str)


@settings(max_examples=200, deadline=None)
@given(JSON)
def test_whatever_is_sent_is_taken_in_or_refused_in_words(payload):
    for receive in (lambda: n8n_error.receive(payload, "s"), lambda: probe.receive(payload)):
        try:
            receive()
        except BadPayload as refused:
            assert str(refused)


@pytest.mark.parametrize("odd", ["²", "٣", "9" * 199, "abc", "-1", "0x1"])
def test_an_id_that_is_no_number_does_not_stop_the_triage(odd):
    view = View(chains={1: ChainFacts(1, 1, "5", ExecutionState.WAITING)}, members={("s", "5"): 1})
    failure = Failure(odd, "w", "W", "retry", retry_of="5")
    assert triage_failure(failure, "s", view, POLICY, NOW).because
    assert read_chain({"id": "1"}, [{"id": odd, "retryOf": "1"}]).members[-1] in ("1", odd)


def test_a_failure_of_a_trigger_has_no_execution_and_counts_each_time_unless_it_is_stamped():
    item = {"trigger": {"error": {"message": "boom"}, "mode": "trigger"}, "workflow": {"id": "w", "name": "W"}}
    assert n8n_error.receive(item, "a").key == ""
    stamped = copy.deepcopy(item)
    stamped["trigger"]["error"]["timestamp"] = 1  # type: ignore[index]
    assert n8n_error.receive(stamped, "a").key == "n8n:a:trigger:w:1"
    assert n8n_error.read_failure(item).execution_id == "" and n8n_error.read_failure(item).mode == "trigger"


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ([], "JSON object"),
        ({}, "neither"),
        ({"execution": {}, "workflow": {"id": "w"}}, "execution.id"),
        ({"execution": {"id": True}, "workflow": {"id": "w"}}, "execution.id"),
        ({"execution": {"id": "x" * 201}, "workflow": {"id": "w"}}, "at most 200"),
        ({"execution": {"id": "1"}}, "workflow.id"),
    ],
)
def test_an_item_without_what_is_needed_is_refused_by_name(payload, said):
    with pytest.raises(BadPayload, match=said):
        n8n_error.receive(payload, "a")


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ([], "empty"),
        ({"healthy": True}, "component"),
        ({"component": "a", "healthy": "yes"}, "true or false"),
        ({"component": "a", "healthy": True, "severity": "bad"}, "severity"),
        ({"component": "a", "healthy": True, "observed_at": "soon"}, "ISO 8601"),
        ([{"component": "a", "healthy": True}, 1], r"\[1\]"),
        *(({"component": "a", "healthy": True, "silent_after": odd}, "silent_after must be from") for odd in ODD_TIMES),
        ([{"component": "a", "healthy": True}] * 1001, "at most 1000"),
    ],
)
def test_a_probe_result_that_is_wrong_is_refused_by_name(result, said):
    with pytest.raises(BadPayload, match=said):
        probe.receive(result)


def test_a_probe_result_counts_once_per_component_and_time_of_observation():
    first, second = probe.receive(
        [
            {"component": "a", "healthy": False, "observed_at": "2026-11-24T03:00:00+00:00"},
            {"component": "a", "healthy": False, "observed_at": "2026-11-24T04:00:00+01:00"},
        ],
        "d",
    )
    assert first.key == second.key and (first.delivery, second.delivery) == ("d#0", "d#1")
    assert probe.receive({"component": "a", "healthy": True})[0].key == ""


@pytest.mark.parametrize("told", [1795489200, 1795489200.0, 1795489200000, "2026-11-24T03:00:00Z"])
def test_a_probe_may_be_observed_at_a_unix_time(told):
    """In seconds, as `date +%s` prints it: read as milliseconds it was of 1970, and so older than any other."""
    (signal,) = probe.receive({"component": "a", "healthy": False, "observed_at": told})
    observed = probe.read_reading(signal.body).observed_at
    assert observed and observed.isoformat() == "2026-11-24T03:00:00+00:00"
    assert signal.key == "probe:a:2026-11-24T03:00:00+00:00"


@pytest.mark.parametrize(("told", "seconds"), [(120, 120), ("2m", 120), (30.5, 30.5), ("1d", 86_400), (0, 0)])
def test_a_probe_may_say_how_soon_its_silence_counts(told, seconds):
    (signal,) = probe.receive({"component": "a", "healthy": True, "silent_after": told})
    assert probe.read_reading(signal.body).silent_after_seconds == seconds
    assert probe.read_reading({"component": "a", "silent_after": "odd"}).silent_after_seconds is None


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"status_code": 503}, "api_error"),
        ({"status_code": 504}, "api_timeout"),
        ({"message": "Timed out after 5 s"}, "api_timeout"),
        ({"message": "refused"}, "server_unresponsive"),
        ({"failure_type": "resource_exhausted"}, "resource_exhausted"),
        ({"failure_type": ["x"], "status_code": True}, "server_unresponsive"),
    ],
)
def test_a_bad_reading_has_a_failure_type(body, kind):
    assert probe.read_reading({"component": "a", "healthy": False, **body}).failure_type == kind


@pytest.mark.parametrize(
    ("node", "reads"),
    [
        ({"type": "n8n-nodes-base.httpRequest", "parameters": {}}, True),
        ({"type": "n8n-nodes-base.httpRequest", "parameters": {"method": "HEAD"}}, True),
        ({"type": "n8n-nodes-base.httpRequest", "parameters": {"method": "POST"}}, False),
        ({"type": "n8n-nodes-base.httpRequest", "parameters": {"method": "={{ $json.m }}"}}, None),
        ({"type": "n8n-nodes-base.postgres", "parameters": {"operation": "select"}}, True),
        ({"type": "n8n-nodes-base.postgres", "parameters": {"operation": "insert"}}, False),
        ({"type": "n8n-nodes-base.postgres", "parameters": {}}, None),
        ({"type": "n8n-nodes-base.code"}, None),
        ({"type": "n8n-nodes-base.slack"}, None),
        ({"type": "n8n-nodes-base.set"}, True),
        ({}, None),
    ],
)
def test_which_nodes_only_read(node, reads):
    assert only_reads(node) is reads


@pytest.mark.parametrize(
    ("query", "reads"),
    [
        ("SELECT 1", True),
        (" select * from orders; ", True),
        ("SELECT 1; DELETE FROM orders", False),
        ("SELECT * INTO copy FROM orders", False),
        ("WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone", False),
        ("UPDATE orders SET a = 1", False),
        ("SELECT count(*), max(at) FROM orders WHERE id IN (1, 2) AND (a OR b)", True),
        ('SELECT "pay"(1)', False),
        ("SELECT /*! pay(1) */ 1", False),
        ("selected", False),
        ("SELECT *\nINTO copy FROM orders", False),
        ("SELECT nextval('orders_id')", False),
        ("SELECT pay(1)", False),
        ("SELECT * FROM orders FOR UPDATE", True),
        ("={{ $json.sql }}", False),
    ],
)
def test_only_a_single_plain_select_reads(query, reads):
    node = {"type": "n8n-nodes-base.postgres", "parameters": {"operation": "executeQuery", "query": query}}
    assert only_reads(node) is reads


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://API.example.com/x?k=1", "api.example.com"),
        ("https://api.example.com:443/", "api.example.com"),
        ("http://api.example.com:8080/", "api.example.com:8080"),
        ("http://user:pw@api.example.com/", "api.example.com"),
        ("http://[::1]:99/x", "::1:99"),
        ("http://{{ $json.host }}/x", ""),
        ("=http://x/", ""),
        ("http://a:99999/", ""),
        ("http://[/", ""),
        (None, ""),
    ],
)
def test_the_host_of_an_address(address, host):
    assert host_of(address) == host


def test_an_unknown_kind_of_signal_is_refused():
    with pytest.raises(ValueError, match="unknown kind"):
        read("gossip", {})


def test_outlook_is_known_for_all_fixtures():
    assert {classify(n8n_execution.read_failure_of(execution_of("http-503-post")), "a", POLICY).outlook} == {
        Outlook.TRANSIENT
    }


# -- names that look like others

HIDDEN = ["db\u200b", "\u202edb", "d\x1bb", "db\u2028x", "\u3164", "db\U000e0041", "d\x00b", "db\x7f"]
SEEN = ["주문 서비스", "base de données", "🗄️ db", "node/10.0.0.7:9100", "ордер"]


@pytest.mark.parametrize("name", HIDDEN)
def test_a_component_whose_name_holds_what_is_not_seen_is_refused(name):
    with pytest.raises(BadPayload, match="component"):
        probe.receive({"component": name, "healthy": True})
    with pytest.raises(BadPayload, match="the name in the address"):
        heartbeat.receive(name, "success", "")


@pytest.mark.parametrize("name", SEEN)
def test_a_name_in_any_language_is_taken_as_it_is(name):
    assert probe.receive({"component": name, "healthy": True})[0].body["component"] == name
    assert alertmanager.component_of({"component": name}) == shapes.named(name, "x") == name


def test_what_is_not_seen_is_left_out_of_the_names_that_monitors_give():
    assert shapes.named("\u200bdb\u202e \x1b[1m\nmain", "x") == "db [1m main"
    with pytest.raises(BadPayload):
        shapes.named("\u200b\u3164", "x")
    [signal] = gatus.receive({"component": "db\u200b", "group": "\u202ecore", "state": "TRIGGERED"})
    assert signal.body["component"] == "core/db"
    told = {"execution": {"id": "1"}, "workflow": {"id": "2", "name": "Ord\u200bers"}}
    assert read("failure", told).workflow_name == "Orders"
