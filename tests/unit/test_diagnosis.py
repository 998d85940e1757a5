"""What is wired and what is not: each finding with its state and what to do. Values only."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recovery.decide.diagnosis import Finding, HostFacts, SiteFacts, State, diagnose_host, diagnose_site
from tests.unit.test_wiring import ADDRESS, handler, node, workflow

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
HOST = HostFacts(NOW, ADDRESS, 200, "medic.yaml", worker_at=NOW, web_at=NOW, channels=("team",))
SITE = SiteFacts(
    "default", "http://n8n:5678", NOW, version="2.40.7", address=ADDRESS, proven_at=NOW, handlers=("h1",),
    workflows=(handler(), workflow("w1", "Orders", settings={"errorWorkflow": "h1"})),
)  # fmt: skip


def test_an_n8n_that_the_running_worker_does_not_know_is_told() -> None:
    found = list(diagnose_site(replace(SITE, unseen=True)))
    assert found[0].state is State.FAIL and "start n8n-medic again" in found[0].todo
    assert len(found) == 1 + len(list(diagnose_site(SITE))), "and the rest is told all the same"


def worst(findings: Any, what: str) -> Finding:
    """The worst finding about something."""
    order = [State.FAIL, State.WARN, State.OK]
    return min((one for one in findings if what in one.what), key=lambda one: order.index(one.state))


def test_all_is_well_where_all_is_wired() -> None:
    findings = [*diagnose_host(HOST), *diagnose_site(SITE)]
    assert {one.state for one in findings} == {State.OK} and not any(one.todo for one in findings)


@pytest.mark.parametrize(
    ("more", "what", "state", "words"),
    [
        ({"notes": ("No alert channel is configured.",)}, "configuration", State.WARN, "No alert channel"),
        ({"file": "", "folder": "/elsewhere"}, "configuration", State.OK, "no medic.yaml in /elsewhere"),
        ({"dry_run": True}, "dry run", State.WARN, "nothing is done"),
        ({"database": "it cannot be opened"}, "database", State.FAIL, "cannot be opened"),
        ({"is_new": True}, "database", State.FAIL, "none yet"),
        ({"worker_at": None}, "worker", State.FAIL, "never run"),
        ({"worker_at": NOW - timedelta(minutes=2)}, "worker", State.FAIL, "2m ago"),
        ({"web_at": NOW - timedelta(seconds=30)}, "web", State.FAIL, "30s ago"),
        ({"web_at": NOW + timedelta(days=1)}, "web", State.OK, "alive"),
        ({"public": 502}, "public URL", State.FAIL, "answered 502"),
        ({"public": "refused"}, "public URL", State.FAIL, "refused"),
        ({"loose": ("data/webhook_token",)}, "tokens", State.WARN, "others may read data/webhook_token"),
        ({"missing": ("api_token",)}, "tokens", State.WARN, "not made yet: api_token"),
    ],
)
def test_what_is_wrong_here_is_named(more: dict[str, Any], what: str, state: State, words: str) -> None:
    found = worst(diagnose_host(replace(HOST, **more)), what)
    assert found.state is state and words in found.because


BARE = workflow("w2", "Till")
DEAD = workflow("w3", "Shop", settings={"errorWorkflow": "gone"})


@pytest.mark.parametrize(
    ("more", "what", "state", "words"),
    [
        ({"has_key": False}, "n8n default", State.FAIL, "no API key"),
        ({"trouble": "the connection was refused"}, "n8n default", State.FAIL, "refused"),
        ({"version": ""}, "n8n default", State.OK, "unknown"),
        ({"missing": ("execution:retry",)}, "API key", State.FAIL, "lacks execution:retry"),
        ({"useful": ("tag:create",)}, "API key", State.WARN, "would need tag:create"),
        (
            {"useful": ("workflow:list",)},
            "workflows",
            State.WARN,
            "the tags medic:critical and medic:ignore are not heeded",
        ),
        ({"trouble": "too old to be connected", "too_old": True}, "n8n", State.WARN, "failures are found and retried"),
        ({"key_ends": NOW + timedelta(days=3)}, "API key", State.WARN, "ends on 2026-07-04"),
        ({"key_ends": NOW - timedelta(days=3)}, "API key", State.FAIL, "has ended"),
        ({"key_ends": NOW + timedelta(days=300)}, "API key", State.OK, "every scope"),
        ({"workflows": (BARE,)}, "error handler", State.FAIL, "there is none"),
        ({"workflows": (handler(active=False),)}, "error handler", State.FAIL, "is not published"),
        ({"workflows": (handler(isArchived=True),)}, "error handler", State.FAIL, "there is none"),
        ({"workflows": (handler(versionId="v2"),)}, "error handler", State.WARN, "a draft beside it"),
        ({"address": "http://other"}, "error handler", State.WARN, f"calls {ADDRESS}, and not http://other"),
        ({"proven_at": None}, "error handler", State.WARN, "nobody has seen"),
        (
            {"workflows": (handler(), BARE)},
            "error workflows",
            State.WARN,
            "0 of 1 published workflows have one; not: Till",
        ),
        ({"workflows": (handler(), DEAD)}, "error workflows", State.FAIL, "Shop: their error workflow is gone"),
    ],
)
def test_what_is_wrong_with_an_n8n_is_named(more: dict[str, Any], what: str, state: State, words: str) -> None:
    found = worst(diagnose_site(replace(SITE, **more)), what)
    assert found.state is state and words in found.because
    assert (found.state is State.OK) == (not found.todo)


def test_what_cannot_be_seen_is_not_called_missing() -> None:
    """Without the scope there are no workflows to look at, which says nothing of whether there is an error handler."""
    told = [one.what for one in diagnose_site(replace(SITE, useful=("workflow:list",), workflows=()))]
    assert told == ["n8n default", "n8n default: API key", "n8n default: workflows"]


def test_a_handler_made_by_hand_counts_and_one_of_somebody_else_does_not() -> None:
    calls = node("Tell", "httpRequest", parameters={"url": "http://medic:8808/webhooks/n8n-error"})
    by_hand = workflow("x", "Mine", node("E", "errorTrigger"), calls)
    assert worst(diagnose_site(replace(SITE, handlers=(), workflows=(by_hand,))), "error handler").state is State.OK
    other = workflow("x", "Slack", node("E", "errorTrigger"), node("S", "slack"))
    assert "there is none" in worst(diagnose_site(replace(SITE, handlers=(), workflows=(other,))), "handler").because


def test_a_loopback_address_is_doubted_where_n8n_is_elsewhere() -> None:
    here = replace(SITE, address="http://127.0.0.1:8808", workflows=(), handlers=())
    told = [one.because for one in diagnose_site(replace(here, workflows=(local_handler(),), handlers=("h1",)))]
    assert any("this machine alone" in one for one in told)


def local_handler() -> dict[str, Any]:
    row = handler()
    text = str(row).replace(ADDRESS, "http://127.0.0.1:8808")
    return dict(eval(text, {}, {}))  # values only
