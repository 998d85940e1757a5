"""The verbs of replays and of their chains, on both engines."""

from datetime import timedelta

from recovery.clock import utc_now
from recovery.model import ExecutionState, ReplayState
from recovery.store import database, due, executions, replayed, replays, retention
from recovery.store.tables import EventRow, ExecutionRow, MemberRow, ReplayRow
from tests.store.rows import add_chain, add_incident

NOW = utc_now()
WAITING, RETRYING = ExecutionState.WAITING, ExecutionState.RETRYING
RECOVERED, FAILED, LEFT = ExecutionState.RECOVERED, ExecutionState.FAILED, ExecutionState.LEFT_ALONE


def add_replay(**order) -> ReplayRow:
    values = {"site": "default", "since": NOW - timedelta(hours=1), "until": NOW, **order}
    return replays.add_replay("kim", NOW, True, **values)


def test_an_order_is_due_at_once_and_over_for_good_when_it_has_ended(store: str) -> None:
    row = add_replay()
    assert due.read_agenda()["replays"] == NOW and [one.id for one in replays.find_due(NOW)] == [row.id]
    replays.end_replay(row, ReplayState.DONE, "done", NOW)
    assert "replays" not in due.read_agenda() and replays.find_active() == {}
    assert not replays.ask_to_cancel(row.id, "lee", NOW) and not replays.say_yes(row.id, NOW)
    assert [event.after for event in EventRow.select().order_by(EventRow.id)] == ["reading", "done"]


def test_a_reading_is_held_by_one_and_lost_with_its_lease(store: str) -> None:
    row = add_replay()
    replays.claim_reading(row, NOW + timedelta(seconds=30), "one")
    assert replays.find_due(NOW) == [] and replays.keep_reading(row, read=250)
    [lost] = replays.find_lost(NOW + timedelta(seconds=31))
    replays.requeue_lost(lost, NOW)
    assert not replays.keep_reading(row, read=500), "another has it now"
    assert not replays.let_go(row, "late", NOW, NOW, state=ReplayState.STOPPED)
    assert (ReplayRow.get().read, ReplayRow.get().state) == (250, ReplayState.READING)
    assert [one.id for one in replays.find_due(NOW)] == [row.id]


def test_a_cancel_is_noticed_by_who_reads(store: str) -> None:
    row = add_replay()
    replays.claim_reading(row, NOW + timedelta(seconds=30), "one")
    assert replays.ask_to_cancel(row.id, "lee", NOW)
    assert not replays.keep_reading(row, read=1) and not replays.is_reading(row)
    assert replays.let_go(row, "it is cancelled", NOW, NOW + timedelta(hours=1))
    assert [one.id for one in replays.find_due(NOW)] == [row.id], "at once, whatever was planned"


def test_chains_are_taken_in_new_from_first_contact_and_from_a_resolved_incident(store: str) -> None:
    row = add_replay()
    incident = add_incident("orders")
    add_chain("5", incident_id=incident.id, state=LEFT, asks=True)
    with database.write():
        executions.note_members("default", ["7"], None)
        new = {"root_id": "7", "leaf_id": "8", "workflow_id": "w1", "workflow_name": "W", "failed_at": NOW}
        replayed.add_chain(row, {**new, "mode": "webhook", "facts": {}}, ["7", "8"], NOW)
        replayed.take_over(row, ExecutionRow.get(ExecutionRow.root_id == "5"), "6", ["5", "6"], NOW)
    found = {one.root_id: one for one in ExecutionRow.select()}
    assert {(one.state, one.replay_id, one.incident_id, one.asks) for one in found.values()} == {
        (WAITING, row.id, None, False)
    }
    members = {one.execution_id: one.chain_id for one in MemberRow.select() if one.execution_id in "5678"}
    assert members == {"5": found["5"].id, "6": found["5"].id, "7": found["7"].id, "8": found["7"].id}
    assert replayed.count_chains(row.id) == {"waiting": 2}


def test_lanes_count_states_what_is_busy_and_the_newest_outcomes(store: str) -> None:
    row = add_replay()
    states = [RECOVERED, FAILED, FAILED, RECOVERED]
    for number, state in enumerate(states):
        started = NOW + timedelta(seconds=number)
        add_chain(str(number), incident_id=None, replay_id=row.id, state=state, started_at=started, workflow_id="a")
    add_chain("8", incident_id=None, replay_id=row.id, state=RETRYING, run_at=NOW, workflow_id="a")
    add_chain("9", incident_id=None, replay_id=row.id, state=WAITING, run_at=NOW, workflow_id="b")
    add_chain("10", incident_id=None, replay_id=row.id, state=RECOVERED, workflow_id="b")
    first, second = replayed.find_lanes(row.id)
    assert (first.states, first.busy) == ({"recovered": 2, "failed": 2, "retrying": 1}, 1)
    assert first.newest == ("recovered", "failed", "failed")
    assert (second.states, second.busy, second.newest) == ({"waiting": 1, "recovered": 1}, 1, ())


def test_the_next_are_the_oldest_of_each_workflow(store: str) -> None:
    row = add_replay()
    for number in range(6):
        at = NOW - timedelta(minutes=number)
        add_chain(str(number), incident_id=None, replay_id=row.id, workflow_id="ab"[number % 2], failed_at=at)
    add_chain("99", incident_id=None, replay_id=row.id + 1, workflow_id="a", failed_at=NOW - timedelta(days=1))
    assert [one.root_id for one in replayed.find_next(row.id, 2)] == ["5", "4", "3", "2"]


def test_what_is_left_is_left_at_once_and_a_look_under_way_is_void(store: str) -> None:
    row = add_replay()
    add_chain("1", incident_id=None, replay_id=row.id, workflow_id="a", run_at=NOW)
    add_chain("2", incident_id=None, replay_id=row.id, workflow_id="b")
    add_chain("3", incident_id=None, replay_id=row.id, workflow_id="a", state=RETRYING, run_at=NOW)
    with database.write():
        claimed = executions.claim_chains(NOW, NOW + timedelta(seconds=30), "one", 1)
    assert replayed.leave_waiting(row.id, "its first failed", NOW, workflow_id="a") == 1
    assert not executions.start_chain(claimed[0], "1", "go", NOW, NOW), "it has not begun, and never will"
    assert replayed.leave_waiting(row.id, "cancelled", NOW, "lee") == 1
    lines = EventRow.select().where(EventRow.subject == "execution").order_by(EventRow.id)
    assert [(one.at, one.subject_id, one.before, one.after, one.because, one.who) for one in lines] == [
        (NOW, "1", WAITING, LEFT, "its first failed", "medic"),
        (NOW, "2", WAITING, LEFT, "cancelled", "lee"),
    ]
    assert {one.root_id: one.state for one in ExecutionRow.select()} == {"1": LEFT, "2": LEFT, "3": RETRYING}


def test_what_a_replay_runs_counts_for_the_brakes_of_every_component(store: str) -> None:
    row = add_replay()
    add_chain("1", incident_id=None, replay_id=row.id, workflow_id="a", state=RETRYING, run_at=NOW)
    add_chain("2", incident_id=None, replay_id=row.id, workflow_id="a")
    assert executions.count_busy("orders", ["a", "b"]) == (1, {"a": 1})
    assert replayed.count_busy("s") == {"a": 1} and replayed.count_busy("other") == {}


def test_an_old_replay_goes_with_its_chains(store: str) -> None:
    row = add_replay()
    add_chain("1", incident_id=None, replay_id=row.id, state=RECOVERED)
    incident = add_incident("orders")
    add_chain("2", incident_id=incident.id)
    replays.end_replay(row, ReplayState.DONE, "done", NOW - timedelta(days=400))
    retention.drop_failures(NOW - timedelta(days=365))
    assert ReplayRow.select().count() == 0
    assert [one.root_id for one in ExecutionRow.select()] == ["2"]


def test_a_new_worker_takes_over_what_was_being_read(store: str) -> None:
    row = add_replay()
    replays.claim_reading(row, NOW + timedelta(hours=1), "one")
    due.void_leases(NOW)
    assert [one.id for one in replays.find_lost(NOW)] == [row.id]
