"""Workflows that are tagged in n8n: what the table says after a poll, and what incidents hold of them."""

from datetime import timedelta

from recovery.model import CRITICAL_TAG, IGNORE_TAG, ExecutionState, Held
from recovery.store import database, incidents, tagged
from tests.store.rows import NOW, add_chain, add_incident

CRITICAL, IGNORED = frozenset([CRITICAL_TAG]), frozenset([IGNORE_TAG])
LATER = NOW + timedelta(minutes=5)


def test_the_table_is_what_n8n_said_last_and_other_n8ns_keep_theirs(store):
    assert not tagged.are_any()
    tagged.set_tagged("s", {"w": ("Orders", CRITICAL), "x": ("Draft", IGNORED | {"other"})}, NOW)
    tagged.set_tagged("berlin", {"w": ("Orders", IGNORED)}, NOW)
    assert tagged.find_tags(["w", "x", "gone"]) == {("s", "w"): CRITICAL, ("s", "x"): IGNORED, ("berlin", "w"): IGNORED}
    tagged.set_tagged("s", {"w": ("Orders 2", CRITICAL | IGNORED)}, LATER)
    rows = {
        (row.site, row.workflow_id): (row.name, row.critical, row.ignored, row.since) for row in tagged.find_tagged()
    }
    assert rows == {("s", "w"): ("Orders 2", True, True, NOW), ("berlin", "w"): ("Orders", False, True, NOW)}
    tagged.set_tagged("s", {}, LATER)
    assert list(tagged.find_tags(["w", "x"])) == [("berlin", "w")] and tagged.are_any()


def test_what_an_incident_holds_of_each_workflow_is_counted(store):
    one, two = add_incident("a"), add_incident("b")
    add_chain("1", one.id)
    add_chain("2", one.id, state=ExecutionState.RECOVERED)
    add_chain("3", one.id, state=ExecutionState.LEFT_ALONE, asks=True)
    add_chain("4", one.id, state=ExecutionState.LEFT_ALONE)
    add_chain("5", one.id, workflow_id="x", state=ExecutionState.RECOVERED)
    assert tagged.count_held([one.id, two.id]) == {one.id: {("s", "w"): Held(3, 2), ("s", "x"): Held(0, 0)}}
    assert tagged.count_held([]) == {}
    assert sorted(row.root_id for row in tagged.find_undone(one.id, "s", "w")) == ["1", "3"]
    assert tagged.find_undone(one.id, "berlin", "w") == []


def test_incidents_of_which_a_tag_says_more_than_is_done_are_found(store):
    high, critical, over, recovered = (add_incident(name) for name in "abcd")
    for number, row in enumerate((high, critical, over)):
        add_chain(str(number), row.id)
    add_chain("9", recovered.id, state=ExecutionState.RECOVERED)
    incidents.set_incident(critical.id, severity="critical")
    with database.write():
        incidents.resolve_incident(over, "it is over", NOW)
    tagged.set_tagged("s", {"w": ("Orders", CRITICAL)}, NOW)
    assert tagged.find_unheeded("s") == [high.id] and tagged.find_unheeded("berlin") == []
    tagged.set_tagged("s", {"w": ("Orders", IGNORED)}, NOW)
    assert sorted(tagged.find_unheeded("s")) == [high.id, critical.id]


def test_failures_that_are_left_alone_are_counted_as_long_as_the_tag_is_on(store):
    tagged.set_tagged("s", {"w": ("Orders", IGNORED)}, NOW)
    tagged.count_ignored({("s", "w"): (2, NOW), ("s", "gone"): (1, NOW)})
    tagged.count_ignored({("s", "w"): (1, LATER)})
    tagged.set_tagged("s", {"w": ("Orders", IGNORED)}, LATER)
    assert [(row.failures, row.failed_at) for row in tagged.find_tagged()] == [(3, LATER)]


def test_a_name_that_no_database_takes_and_a_secret_in_it_are_stored_without(store):
    tagged.set_tagged("s", {"w": ("key=sk-abcdefghijklmnopqrstuvwxyz123456", CRITICAL)}, NOW)
    assert "abcdefghij" not in tagged.find_tagged()[0].name
