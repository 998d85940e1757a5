"""Every real failure that was gathered has the cause that a person would give it, however it was heard of."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recovery.decide.classify import classify, classify_reading
from recovery.model import ComponentPlan, Failure, FailureType, Playbook, Policy, Reading, Severity, Stage
from recovery.sources import n8n_error, n8n_execution

FIXTURES = Path(__file__).parents[1] / "n8n" / "fixtures"
POLICY = Policy(Playbook((Stage(0, 1),)))
HOST, DOWN = "orders.example.com", "down.example.com"
UNAVAILABLE = ("unavailable", "api_error", "transient")
SLOW = ("unavailable", "api_timeout", "transient")
SILENT = ("unavailable", "server_unresponsive", "transient")
REFUSED = ("invalid_request", "api_error", "permanent")
LOCKED = ("credentials", "credential_expired", "permanent")
CODE = ("code", "workflow_failed", "permanent")
CRASHED = ("crashed", "workflow_crashed", "transient")
CAUSES: dict[str, tuple[str, tuple[str, str, str]]] = {
    "bad-expression": ("Orders bad-expression", CODE),
    "code-throws": ("Orders code-throws", CODE),
    "code-type-error": ("Orders code-type-error", CODE),
    "crashed": ("n8n", CRASHED),
    "crashed-retry": ("n8n", CRASHED),
    "credential-401": (HOST, LOCKED),
    "credential-deleted": ("Orders hook-24", LOCKED),
    "dns": ("orders.invalid", SILENT),
    "execution-timeout": ("Orders execution-timeout", ("code", "workflow_failed", "unknown")),
    "http-400": ("Orders http-400", REFUSED),
    "http-401": (HOST, LOCKED),
    "http-403": (HOST, LOCKED),
    "http-404": ("Orders http-404", REFUSED),
    "http-422": ("Orders http-422", REFUSED),
    "http-429": (HOST, UNAVAILABLE),
    "http-500": (HOST, UNAVAILABLE),
    "http-502": (HOST, UNAVAILABLE),
    "http-503-get": (HOST, UNAVAILABLE),
    "http-503-get-retry": (HOST, UNAVAILABLE),
    "http-503-post": (HOST, UNAVAILABLE),
    "http-504": (HOST, SLOW),
    "item-one-of-five": (HOST, UNAVAILABLE),
    "item-three-of-five": (HOST, UNAVAILABLE),
    "parent": (HOST, UNAVAILABLE),
    "parent-timeout": (HOST, SLOW),
    "postgres-refused": (DOWN, ("unavailable", "database_connection", "transient")),
    "refused": (DOWN, SILENT),
    "reset": (HOST, SILENT),
    "stop-and-error": ("Orders stop-and-error", CODE),
    "sub": (HOST, UNAVAILABLE),
    "timeout-post": (HOST, SLOW),
    "tls": (HOST, SILENT),
    "worker-lost": ("n8n", ("crashed", "queue_stalled", "permanent")),
}


def fixture(name: str) -> dict[str, Any]:
    return json.loads((FIXTURES / name).read_text())


def read(path: Path) -> Failure:
    body = json.loads(path.read_text())
    return n8n_error.read_failure(body) if ".trigger." in path.name else n8n_execution.read_failure_of(body)


def test_every_gathered_failure_is_in_the_table():
    assert {path.name.split(".")[0] for path in FIXTURES.glob("*.json")} == set(CAUSES)


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.json")), ids=lambda path: path.name)
def test_a_real_failure_has_its_cause(path):
    component, kind = CAUSES[path.name.split(".")[0]]
    cause = classify(read(path), "default", POLICY)
    assert cause.component.split(":")[0] == component
    assert (cause.cause_class, cause.failure_type, cause.outlook) == kind
    assert cause.because and cause.summary and (cause.advice or cause.outlook != "permanent")
    assert cause.severity is Severity.HIGH


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.trigger.json")), ids=lambda path: path.name)
def test_a_callback_and_a_poll_of_one_execution_give_one_cause_and_one_key(path):
    called, polled = fixture(path.name), fixture(path.name.replace(".trigger.", ".execution."))
    one, other = n8n_error.read_failure(called), n8n_execution.read_failure_of(polled)
    assert replace(classify(one, "default", POLICY), summary="") == replace(
        classify(other, "default", POLICY), summary=""
    )
    assert (one.execution_id, one.retry_of, one.mode) == (other.execution_id, other.retry_of, other.mode)
    assert n8n_error.receive(called, "a").key == n8n_execution.receive_failure(polled, "a").key != ""


def failure(**more: Any) -> Failure:
    return Failure(**{"execution_id": "1", "workflow_id": "w", "workflow_name": "Orders", "mode": "webhook", **more})


def test_timeout_refused_dns_and_5xx_of_one_host_are_one_cause():
    ways: list[dict[str, Any]] = [
        {"error_code": "ECONNABORTED"},
        {"error_code": "ECONNREFUSED"},
        {"error_code": "ENOTFOUND"},
        *({"http_code": code} for code in (408, 429, 500, 502, 503, 504, 599)),
        {"message": "socket hang up"},
        {"message": "timeout of 300000ms exceeded: it timed out"},
        {"message": "self signed certificate"},
    ]
    assert {classify(failure(host=HOST, **way), "default", POLICY).fingerprint for way in ways} == {
        f"default|{HOST}|unavailable"
    }


def test_each_n8n_has_causes_of_its_own_but_a_configured_component_has_one_for_all():
    claimed = Policy(POLICY.playbook, {"orders": ComponentPlan("orders", Severity.CRITICAL, hosts=(HOST,))})
    down = failure(host=HOST, http_code=503)
    assert classify(down, "a", POLICY).fingerprint != classify(down, "b", POLICY).fingerprint
    assert classify(down, "a", claimed) == classify(down, "b", claimed)
    looked = classify_reading(Reading("orders", False, "refused"), claimed)
    assert looked.fingerprint == classify(down, "a", claimed).fingerprint == "|orders|unavailable"
    assert classify(down, "a", claimed).severity is Severity.CRITICAL


def test_a_crash_belongs_to_its_own_n8n_and_not_to_the_workflow():
    crash = failure(error_name="WorkflowCrashedError", host=HOST)
    assert classify(crash, "default", POLICY).fingerprint == "default|n8n|crashed"
    assert classify(crash, "berlin", POLICY).component == "n8n berlin"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"message": "JavaScript heap out of memory"}, ("resource", "resource_exhausted", "transient")),
        ({"message": "ENOSPC: no space left on device"}, ("resource", "resource_exhausted", "transient")),
        ({"message": "sorry, too many clients already"}, ("unavailable", "database_connection", "transient")),
        ({"message": "invalid_grant"}, LOCKED),
        ({"message": "certificate has expired", "host": HOST}, ("unavailable", "api_error", "permanent")),
        ({"message": "boom", "error_name": "TypeError"}, CODE),
        ({"message": "boom"}, ("code", "workflow_failed", "unknown")),
        ({"message": "timed out"}, ("code", "workflow_failed", "unknown")),
        ({"message": "timed out", "node_type": "x.postgres"}, ("unavailable", "database_connection", "transient")),
        ({"error_code": "ECONNRESET", "node_type": "x.redis"}, ("unavailable", "database_connection", "transient")),
    ],
)
def test_words_and_codes_of_other_nodes_are_understood(said, kind):
    cause = classify(failure(**said), "default", POLICY)
    assert (cause.cause_class, cause.failure_type, cause.outlook) == kind


def test_the_configurations_severity_wins_over_the_senders():
    known = Policy(POLICY.playbook, {"a": ComponentPlan("a", Severity.LOW)})
    told = Reading("a", False, "down", FailureType.API_TIMEOUT, severity=Severity.CRITICAL)
    assert classify_reading(told, known).severity is Severity.LOW
    assert classify_reading(told, POLICY).severity is Severity.CRITICAL
    assert classify_reading(told, POLICY).failure_type is FailureType.API_TIMEOUT


TEXT = st.text(max_size=60)


@settings(max_examples=150, deadline=None)
@given(TEXT, TEXT, TEXT, TEXT, st.none() | st.integers(), TEXT, TEXT)
def test_whatever_a_failure_says_it_has_one_cause(name, code, message, host, status, node_type, site):
    odd = failure(error_name=name, error_code=code, message=message, host=host, http_code=status, node_type=node_type)
    cause = classify(odd, site, POLICY)
    assert cause.because and cause.fingerprint == classify(odd, site, POLICY).fingerprint
