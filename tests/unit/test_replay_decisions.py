"""May this run be retried? Each rule of "may it repeat an effect" alone, and the judgement of every real failure."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recovery.decide.classify import classify
from recovery.decide.replay import Candidate, Judgement, Run, choose_canary, judge, read_chain, release, waits_for_cause
from recovery.model import CauseClass, Failure, Outlook, Playbook, Policy, ReplayLimits, Stage
from recovery.sources import n8n_execution as source

NOW = datetime(2026, 11, 24, 3, tzinfo=UTC)
FIXTURES = Path(__file__).parents[1] / "n8n" / "fixtures"
POLICY = Policy(Playbook((Stage(0, 1),)))
SAME_AGAIN = (False, False, "a retry would fail in the same way")
JUDGED: dict[str, tuple[bool, bool, str]] = {
    "bad-expression": SAME_AGAIN,
    "code-throws": SAME_AGAIN,
    "code-type-error": SAME_AGAIN,
    "crashed": (False, True, "First may have been done already"),
    "crashed-retry": (False, True, "First may have been done already"),
    "credential-401": SAME_AGAIN,
    "credential-deleted": SAME_AGAIN,
    "dns": (True, False, "was not reached (ENOTFOUND)"),
    "execution-timeout": (False, False, "a retry would run nothing"),
    "http-400": SAME_AGAIN,
    "http-401": SAME_AGAIN,
    "http-403": SAME_AGAIN,
    "http-404": SAME_AGAIN,
    "http-422": SAME_AGAIN,
    "http-429": (True, False, "answered 429, so nothing was done"),
    "http-500": (False, True, "Send (POST) answered 500"),
    "http-502": (False, True, "Send (POST) answered 502"),
    "http-503-get": (True, False, "Fetch only reads"),
    "http-503-get-retry": (True, False, "Fetch only reads"),
    "http-503-post": (True, False, "answered 503, so nothing was done"),
    "http-504": (False, True, "Send (POST) answered 504"),
    "item-one-of-five": (False, True, "was given 5 items"),
    "item-three-of-five": (False, True, "failed at item 2"),
    "parent": (False, True, "Call sub-workflow calls another workflow"),
    "parent-timeout": (False, True, "Call sub-workflow calls another workflow"),
    "postgres-refused": (True, False, "Query only reads"),
    "refused": (True, False, "was not reached (ECONNREFUSED)"),
    "reset": (False, True, "did not answer properly"),
    "stop-and-error": SAME_AGAIN,
    "sub": (False, False, "the workflow that called it is retried instead"),
    "timeout-post": (False, True, "did not answer properly"),
    "tls": (True, False, "only reads"),
    "worker-lost": (False, False, "a retry would run nothing"),
}


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.execution.json")), ids=lambda path: path.name)
def test_a_real_failure_is_judged_as_a_careful_person_would(path):
    details = json.loads(path.read_text())
    failure = source.read_failure_of(details)
    run = Run(
        failed_at=NOW,
        crashed=details["status"] == "crashed",
        nothing_left=source.has_nothing_left(details),
        in_subworkflow=source.fails_in_subworkflow(details),
        items=source.items_into(details),
        writers=source.nodes_that_may_write(details),
    )
    found = judge(failure, classify(failure, "a", POLICY).outlook, run, ReplayLimits(), NOW)
    retry, asks, because = JUDGED[path.name.split(".")[0]]
    assert (found.retry, found.asks) == (retry, asks) and because in found.because


POST = Failure("1", "w", "W", "webhook", http_code=500, method="POST", node_name="Send", node_reads=False, item_index=0)
GET = replace(POST, method="GET", node_reads=True)
ONE = Run(NOW, items=1)


def ask(failure: Failure = POST, run: Run = ONE, outlook: Outlook = Outlook.TRANSIENT, **limits: Any) -> Judgement:
    return judge(failure, outlook, run, ReplayLimits(**limits), NOW)


def asks(found: Judgement, because: str) -> bool:
    return not found.retry and found.asks and because in found.because


@pytest.mark.parametrize("code", [500, 502, 504, 408, 599])
def test_a_status_after_which_the_effect_may_have_happened_asks(code):
    assert asks(ask(replace(POST, http_code=code)), f"answered {code}")


@pytest.mark.parametrize("code", [429, 503])
def test_a_service_that_turned_the_request_away_did_nothing(code):
    assert ask(replace(POST, http_code=code)).retry


@pytest.mark.parametrize("code", ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"])
def test_a_request_that_reached_nobody_did_nothing(code):
    assert ask(replace(POST, http_code=None, error_code=code)).retry


@pytest.mark.parametrize("code", ["ECONNABORTED", "ETIMEDOUT", "ECONNRESET", "EPIPE", "EPROTO", ""])
def test_a_connection_that_broke_or_was_slow_asks(code):
    assert asks(ask(replace(POST, http_code=None, error_code=code)), "did not answer properly")


def test_a_node_of_which_nothing_is_known_is_taken_to_write():
    assert asks(ask(replace(POST, node_reads=None, method="")), "which may write")


def test_a_node_that_only_reads_is_safe_whatever_it_answered():
    assert ask(GET).retry and ask(replace(GET, http_code=504)).retry


def test_the_items_before_the_failed_one_would_be_sent_again_even_by_a_reading_node():
    assert asks(ask(replace(POST, http_code=503, item_index=3)), "items 0 to 2 again")
    assert asks(ask(replace(GET, item_index=1)), "items 0 to 0 again")


@pytest.mark.parametrize("items", [2, 57, None])
def test_several_items_are_sent_together_so_the_first_one_proves_nothing(items):
    assert asks(ask(replace(POST, http_code=503), Run(NOW, items=items)), "items")
    assert ask(GET, Run(NOW, items=items)).retry


def test_a_crash_is_safe_only_where_everything_that_ran_only_reads():
    crash = replace(POST, http_code=None, error_name="WorkflowCrashedError")
    assert ask(crash, Run(NOW, crashed=True, writers=())).retry
    assert asks(ask(crash, Run(NOW, crashed=True, writers=("Pay",))), "Pay may have been done")
    assert asks(ask(crash, Run(NOW, crashed=True, writers=None)), "not known")
    assert asks(ask(GET, Run(NOW, crashed=True, writers=("Pay",))), "begins at the trigger")


@pytest.mark.parametrize("lost", [("First", "Hangs"), ("Before", "First", "Hangs")])
def test_what_follows_on_the_last_node_that_a_killed_n8n_had_noted_may_have_been_done(lost):
    """Seen on a real n8n: the order had arrived, and its journal ended before the node that sent it."""
    details = json.loads((FIXTURES / "crashed.execution.json").read_text())
    result = details["data"]["resultData"]
    result["runData"] = {name: runs for name, runs in result["runData"].items() if name not in lost}
    result["lastNodeExecuted"] = next(reversed(result["runData"]))
    assert source.nodes_that_may_write(details) == ("First",)
    details["workflowData"]["nodes"] = [
        node | {"disabled": node["name"] == "First"} for node in details["workflowData"]["nodes"]
    ]
    assert source.nodes_that_may_write(details) == ()
    details["workflowData"]["connections"] = {"Webhook": {"main": None}, "Before": {"main": [None, ["First"], [{}]]}}
    assert source.nodes_that_may_write(details) == ()


def test_a_failed_sub_workflow_would_begin_anew():
    assert asks(ask(GET, Run(NOW, items=1, in_subworkflow=True)), "calls another workflow")


def test_a_sub_workflows_own_run_is_never_retried_not_even_with_a_permit():
    own = replace(GET, mode="integrated")
    for run in (ONE, replace(ONE, permit="kim"), replace(ONE, tags=frozenset(["medic:retry-safe"]))):
        found = ask(own, run, retry_ambiguous=True)
        assert not found.retry and not found.asks


@pytest.mark.parametrize("tag", ["medic:retry-safe", "medic:retry-from-start"])
def test_a_tag_allows_what_is_ambiguous_and_the_doubt_is_still_said(tag):
    found = ask(run=replace(ONE, tags=frozenset([tag])))
    assert found.retry and tag in found.because and "answered 500" in found.because


def test_the_configuration_may_allow_what_is_ambiguous():
    assert "replay.ambiguous" in ask(retry_ambiguous=True).because and ask(retry_ambiguous=True).retry


def test_a_person_may_allow_what_is_ambiguous_permanent_old_or_used_up():
    run = Run(NOW - timedelta(days=9), retries=99, permit="kim")
    found = ask(run=run, outlook=Outlook.PERMANENT)
    assert found.retry and found.because == "kim allowed it to run again"


def test_where_nothing_is_left_to_run_no_permit_helps():
    for run in (
        replace(ONE, nothing_left=True),
        replace(ONE, nothing_left=True, permit="kim", tags=frozenset(["medic:retry-from-start"])),
    ):
        found = ask(run=run)
        assert not found.retry and not found.asks and "would run nothing" in found.because


@pytest.mark.parametrize("tag", ["medic:no-retry", "medic:ignore"])
def test_no_retry_wins_over_everything(tag):
    run = replace(ONE, tags=frozenset([tag, "medic:retry-safe"]), permit="kim")
    found = ask(GET, run, retry_ambiguous=True)
    assert not found.retry and not found.asks and tag in found.because


def test_what_a_person_has_archived_in_n8n_is_not_run_again_whoever_allowed_it():
    """n8n itself would retry it: it refuses only to publish what is archived."""
    found = ask(GET, replace(ONE, archived=True, permit="kim", tags=frozenset(["medic:retry-safe"])))
    assert not found.retry and not found.asks and "archived in n8n" in found.because


def test_a_permanent_failure_is_not_retried_and_an_unknown_one_is():
    tagged = replace(ONE, tags=frozenset(["medic:retry-safe"]))
    assert not ask(GET, tagged, Outlook.PERMANENT).retry and not ask(GET, tagged, Outlook.PERMANENT).asks
    assert ask(GET, ONE, Outlook.UNKNOWN).retry


def test_a_failure_older_than_max_age_is_left_alone():
    assert ask(GET, Run(NOW - timedelta(hours=24), items=1)).retry
    old = ask(GET, Run(NOW - timedelta(hours=24, seconds=1), items=1))
    assert not old.retry and not old.asks and "24 hours" in old.because


def test_after_six_automatic_retries_a_person_is_asked():
    assert ask(GET, replace(ONE, retries=5)).retry
    assert asks(ask(GET, replace(ONE, retries=6)), "6 times")
    assert asks(ask(GET, replace(ONE, retries=2), max_retries=2), "2 times")


# -- the chain, as n8n has it


def run_of(number: int, retry_of: int | None = None, status: str = "error", **more: Any) -> dict[str, Any]:
    return {"id": str(number), "retryOf": retry_of and str(retry_of), "status": status, **more}


def test_the_leaf_is_the_newest_of_everybodys_retries_and_numbers_are_compared_as_numbers():
    chain = read_chain(run_of(8), [run_of(100, 9), run_of(9, 8), run_of(7), run_of(50, 49)])
    assert chain.members == ("8", "9", "100") and chain.leaf_id == "100" and chain.succeeded == ""


def test_success_anywhere_in_the_chain_counts():
    assert read_chain(run_of(1), [run_of(4, 1), run_of(6, 4, "success"), run_of(7, 4)]).succeeded == "6"
    assert read_chain(run_of(1), [run_of(4, 1, retrySuccessId="6")]).succeeded == "6"
    assert read_chain(run_of(1, retrySuccessId="9"), []).succeeded == "9"


def test_a_retry_that_failed_is_no_success_though_n8n_notes_it_as_one():
    assert read_chain(run_of(1, retrySuccessId="2"), [run_of(2, 1, finished=True)]).succeeded == ""
    assert read_chain(run_of(1, retrySuccessId="2"), [run_of(2, 1), run_of(3, 2, "success")]).succeeded == "3"


@pytest.mark.parametrize("status", ["running", "new", "waiting", "unknown"])
def test_a_run_under_way_is_the_leaf_even_where_a_newer_one_failed(status):
    chain = read_chain(run_of(1), [run_of(2, 1, status), run_of(3, 1)])
    assert (chain.leaf_id, chain.status) == ("2", status)


def test_a_ring_of_retries_ends():
    assert read_chain(run_of(1, 2), [run_of(2, 1), run_of(1, 2)]).members == ("1", "2")


# -- who goes first, and who may follow


def waiting(number: int, workflow: str = "w", minutes: int = 0, retries: int = 0) -> Candidate:
    return Candidate(number, workflow, NOW - timedelta(minutes=minutes), retries)


def test_the_canary_is_the_oldest_of_those_retried_least():
    assert choose_canary([]) is None
    chosen = choose_canary([waiting(1, minutes=9, retries=1), waiting(2, minutes=5), waiting(3, minutes=7)])
    assert chosen and chosen.chain_id == 3


def test_the_rest_goes_oldest_first_within_the_limits_of_workflow_component_and_rate():
    limits = ReplayLimits(per_workflow=1, per_component=3, rate_per_second=5)
    found = release(
        [waiting(1, "a", 1), waiting(2, "a", 9), waiting(3, "b", 5), waiting(4, "c", 3), waiting(5, "d", 2)],
        {"b": 1}, 1, NOW, limits, NOW,
    )  # fmt: skip
    assert found == [(2, NOW + timedelta(seconds=0.2)), (4, NOW + timedelta(seconds=0.4))]


def test_nothing_follows_while_the_component_is_busy_enough():
    assert release([waiting(1)], {}, 4, None, ReplayLimits(), NOW) == []
    assert release([waiting(1)], {}, 3, None, ReplayLimits(), NOW) == [(1, NOW)]


@given(
    st.lists(st.builds(waiting, st.integers(0, 999), st.sampled_from("abc"), st.integers(0, 99)), max_size=20),
    st.integers(0, 6),
    st.integers(1, 4),
    st.floats(0.1, 100),
)
def test_no_limit_is_ever_passed(candidates, busy, per_workflow, rate):
    limits = ReplayLimits(per_workflow=per_workflow, rate_per_second=rate)
    found = release(candidates, {"a": 1}, busy, NOW, limits, NOW)
    starts = [at for _, at in found]
    assert len(found) + min(busy, 4) <= 4
    assert all(later - sooner >= timedelta(seconds=0.99 / rate) for sooner, later in pairwise([NOW, *starts]))


def test_only_credentials_and_what_was_unavailable_may_work_again_without_a_change_of_the_workflow():
    assert {one for one in CauseClass if waits_for_cause(one)} == {CauseClass.CREDENTIALS, CauseClass.UNAVAILABLE}
