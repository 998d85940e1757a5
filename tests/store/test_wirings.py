"""What connect has changed in an n8n: written down before each change, and kept until it is taken back."""

import pytest

from recovery.clock import utc_now
from recovery.model import Change, ChangeKind, Wired
from recovery.store import wirings

NOW = utc_now()
HOSTILE = "o'rders; DROP TABLE wirings; -- %s ? 주문 🚨"


def change(name: str = "Orders", target: str = "") -> Change:
    before = {"errorWorkflow": None, "ids": ["a"]}
    return Change(ChangeKind.ERROR_WORKFLOW, "w1", name, "it has none", target, before, {"errorWorkflow": "h1"})


@pytest.mark.usefixtures("store")
def test_a_change_is_begun_then_done_with_its_id_then_taken_back() -> None:
    number = wirings.begin_change("default", change(HOSTILE), NOW)
    assert wirings.find_wired("default") == (Wired(number, change(HOSTILE), False),)
    wirings.end_change(number, wirings.DONE, NOW, "w1")
    assert wirings.find_wired("default") == (Wired(number, change(HOSTILE, "w1"), True),)
    wirings.end_change(number, wirings.UNDONE, NOW)
    assert wirings.find_wired("default") == ()


@pytest.mark.usefixtures("store")
def test_each_n8n_has_its_own_in_the_order_of_making() -> None:
    numbers = [wirings.begin_change(site, change(), NOW) for site in ("default", "berlin", "default")]
    wirings.end_change(numbers[2], wirings.VOID, NOW)
    assert [one.id for one in wirings.find_wired("default")] == [numbers[0]]
    assert [one.id for one in wirings.find_wired("berlin")] == [numbers[1]]


@pytest.mark.usefixtures("store")
def test_the_last_proof_is_remembered() -> None:
    assert wirings.proven_at("default") is None
    proof = Change(ChangeKind.PROOF, "error-handler", "canary", "why")
    wirings.end_change(wirings.begin_change("default", proof, NOW), wirings.DONE, NOW, "")
    assert wirings.proven_at("default") == NOW
