"""The plain verbs of the store: the agenda, chains and their members, history, retention. On both engines."""

from datetime import timedelta

import pytest

from recovery.clock import utc_now
from recovery.model import ExecutionState, FailureType, IncidentState, OrderWhat, Signal, SignalKind
from recovery.store import (
    alerts,
    components,
    database,
    due,
    events,
    executions,
    incidents,
    orders,
    recoveries,
    retention,
    signals,
    sites,
    steps,
)
from recovery.store.tables import (
    AlertRow,
    ComponentRow,
    EventRow,
    ExecutionRow,
    IncidentRow,
    MemberRow,
    OrderRow,
    RecoveryRow,
    SignalRow,
    StepRow,
)
from tests.store.rows import add_alert, add_chain, add_incident, add_recovery, add_step, cause_of

NOW = utc_now()
LATER = NOW + timedelta(seconds=31)
YEAR, MONTH = timedelta(days=365), timedelta(days=30)
WAITING, RECOVERED, LEFT = ExecutionState.WAITING, ExecutionState.RECOVERED, ExecutionState.LEFT_ALONE


def signal(key: str, kind: SignalKind = SignalKind.READING) -> Signal:
    return Signal(key, kind, "probe", "", {"component": "a"})


def counts(key: int, *names: str) -> list[int]:
    found = executions.count_chains(key)
    return [found.get(name, 0) for name in names]


# -- the agenda


def test_the_agenda_names_the_earliest_time_of_each_word_and_nothing_else(store):
    assert due.read_agenda() == {}
    add_incident()
    recovery = add_recovery()
    for at in (LATER, NOW):
        add_step(recovery, run_at=at)
        add_chain(f"at {at}", run_at=at)
    add_alert()
    components.configure_components({"a": LATER, "b": None}, NOW)
    signals.add_signals([signal("one")], NOW)
    orders.add_order(1, OrderWhat.ACKNOWLEDGE, "kim", NOW)
    agenda = due.read_agenda()
    assert set(agenda) == {
        "incidents",
        "recoveries",
        "steps",
        "executions",
        "alerts",
        "components",
        "signals",
        "orders",
    }
    assert agenda["steps"] == agenda["executions"] == NOW and agenda["components"] == LATER
    steps.claim_steps(NOW, LATER, "a", 9)
    assert due.read_agenda()["steps"] == LATER and due.read_agenda()["lost steps"] == LATER


def test_what_rests_or_is_over_is_not_on_the_agenda(store):
    incident = add_incident()
    incidents.resolve_incident(incident, "it works", NOW)
    recoveries.end_recovery(add_recovery(), recoveries.RecoveryState.SUCCEEDED, "it works", NOW)
    add_chain()
    signals.add_signals([signal("one")], NOW)
    signals.finish_signals([(1, None, "nothing")], NOW)
    assert due.read_agenda() == {}


# -- signals


def test_a_signal_of_our_own_counts_once_by_its_key_and_the_number_of_new_ones_is_true(store):
    assert signals.add_signals([signal("a"), signal("b")], NOW) == 2
    assert signals.add_signals([signal("a"), signal("c"), signal("a")], NOW) == 1
    assert signals.add_signals([signal("a")], NOW) == 0
    assert [one.id for one in signals.find_untriaged()] == [1, 2, SignalRow.get(SignalRow.key == "c").id]
    assert signals.find_known_keys(["a", "x", "c"]) == {"a", "c"}


# -- chains


def test_members_lead_to_their_chain_and_an_execution_belongs_to_one_chain_only(store):
    chain = add_chain("1")
    executions.note_members("s", ["1", "4"], chain.id)
    executions.note_members("s", ["4", "6"], 99)
    executions.note_members("other", ["1"], None)
    pairs = [("s", "1"), ("s", "4"), ("s", "6"), ("other", "1"), ("s", "7"), ("s", "")]
    found = executions.find_members(pairs)
    assert found == {("s", "1"): chain.id, ("s", "4"): chain.id, ("s", "6"): 99, ("other", "1"): None}
    executions.add_members([("s", "6", chain.id), ("s", "8", chain.id)])
    assert executions.find_members([("s", "6"), ("s", "8")]) == {("s", "6"): chain.id, ("s", "8"): chain.id}


def test_chains_are_counted_by_state_and_those_that_ask_once_more(store):
    add_chain("1")
    add_chain("2", state=LEFT, asks=True)
    add_chain("3", state=LEFT)
    add_chain("4", state=RECOVERED, recovered_at=NOW)
    add_chain("5", incident_id=2)
    assert counts(1, "waiting", "left_alone", "recovered", "asking") == [1, 2, 1, 1]
    mine = IncidentRow(id=1, episode_at=NOW)
    assert executions.recovered_in_episode(mine, {"recovered": 1}) == 1
    mine.episode_at = NOW + timedelta(microseconds=1)
    assert executions.recovered_in_episode(mine, {"recovered": 1}) == 0, "it recovered before"
    assert executions.recovered_in_episode(mine, {"waiting": 1}) == 0


def test_those_that_wait_come_oldest_first(store):
    for name, minutes in (("new", 1), ("old", 9), ("middle", 5)):
        add_chain(name, failed_at=NOW - timedelta(minutes=minutes))
    assert [row.root_id for row in executions.find_waiting(1)] == ["old", "middle", "new"]


def test_a_person_decides_about_all_that_ask_and_only_about_them(store):
    add_chain("1")
    add_chain("2", state=LEFT, asks=True)
    add_chain("3", state=LEFT, asks=True, incident_id=2)
    assert executions.permit_asking(1, "kim", NOW) == 1
    row = ExecutionRow.get(ExecutionRow.root_id == "2")
    assert (row.state, row.asks, row.permit) == ("waiting", False, "kim")
    assert executions.leave_asking(2, "lee", NOW) == 1
    assert not ExecutionRow.get(ExecutionRow.root_id == "3").asks
    assert [line.who for line in EventRow.select().order_by(EventRow.id)] == ["kim", "lee"]


def test_resolving_by_hand_leaves_alone_what_waits_or_asks(store):
    add_chain("1")
    add_chain("2", state=LEFT, asks=True)
    add_chain("3", state=RECOVERED)
    assert executions.leave_waiting(1, "kim resolved it", NOW, "kim") == 2
    assert counts(1, "left_alone", "recovered", "waiting", "asking") == [2, 1, 0, 0]


def test_only_sub_workflows_means_only_them(store):
    assert executions.find_only_subworkflows([1]) == set()
    add_chain("1", mode="integrated")
    assert executions.find_only_subworkflows([1, 2]) == {1}
    add_chain("2")
    assert executions.find_only_subworkflows([1]) == set()


def test_workflows_worth_listening_to_are_those_of_unresolved_incidents(store):
    incident = add_incident()
    add_chain("1", incident_id=incident.id, failed_at=NOW - timedelta(minutes=5))
    add_chain("2", incident_id=incident.id)
    assert executions.find_hopeful_workflows("s") == [("w", NOW - timedelta(minutes=5))]
    assert incidents.find_of_workflows(["w"]) == {("s", "w"): (incident.id,)}
    incidents.resolve_incident(incident, "it works", NOW)
    assert executions.find_hopeful_workflows("s") == [] and incidents.find_of_workflows(["w"]) == {}


def test_a_record_without_a_change_of_state_writes_no_history(store):
    add_chain(run_at=NOW)
    [held] = executions.claim_chains(NOW, LATER, "a", 1)
    assert executions.finish_chain(held, WAITING, "n8n is away", NOW, run_at=LATER)
    assert EventRow.select().count() == 0 and ExecutionRow.get().run_at == LATER


# -- incidents and recoveries


def test_a_cause_that_comes_back_begins_a_new_episode_in_which_nobody_was_told(store):
    row = add_incident(told_at=NOW, acknowledged_at=NOW, acknowledged_by="kim")
    incidents.resolve_incident(row, "it works", NOW)
    assert row.open_key is None and row.escalate_at is None
    cause = cause_of("orders", failure_type=FailureType.API_TIMEOUT, summary="no answer in time")
    incidents.reopen_incident(row, cause, "it came back", LATER, LATER, flapping=False)
    stored = IncidentRow.get()
    assert (stored.state, stored.episode, stored.told_at, stored.acknowledged_at) == ("open", 2, None, None)
    assert stored.open_key == stored.fingerprint and stored.escalate_at == LATER
    assert (stored.failure_type, stored.cause) == ("api_timeout", "no answer in time"), "told as it is now"
    assert incidents.recent_recurrences(stored) == (LATER,)
    incidents.reopen_incident(row, cause, "again", LATER + timedelta(hours=1), LATER, flapping=False)
    assert incidents.recent_recurrences(IncidentRow.get()) == (LATER + timedelta(hours=1),), "an hour is remembered"


def test_the_newest_incident_of_a_cause_is_found(store):
    old = add_incident("a")
    incidents.resolve_incident(old, "it works", NOW)
    new = add_incident("a")
    add_incident("b")
    found = incidents.find_newest([new.fingerprint, "unknown"])
    assert {key: row.id for key, row in found.items()} == {new.fingerprint: new.id}


def test_a_resolved_incident_is_neither_woken_nor_signed(store):
    row = add_incident()
    incidents.resolve_incident(row, "it works", NOW)
    incidents.wake_incidents([row.id], NOW)
    incidents.sign_incidents({row.id: NOW}, NOW)
    assert IncidentRow.get().wake_at is None and IncidentRow.get().sign_at is None
    assert incidents.find_due_incidents(LATER) == []


def test_signals_are_added_up_and_move_the_last_signal(store):
    row = add_incident()
    incidents.count_signals({row.id: (3, LATER)}, LATER)
    incidents.count_signals({row.id: (2, NOW)}, LATER)
    assert (IncidentRow.get().signal_count, IncidentRow.get().last_signal_at) == (5, LATER)
    assert IncidentRow.get().failed_at == LATER, "what happened earlier and was heard later is not the last failure"


def test_the_newest_sign_of_health_counts(store):
    row = add_incident()
    incidents.sign_incidents({row.id: LATER}, NOW)
    incidents.sign_incidents({row.id: NOW}, LATER)
    assert IncidentRow.get().sign_at == LATER


def test_waking_a_recovery_never_delays_it_and_hurrying_begins_what_waits(store):
    recovery = add_recovery()
    recoveries.set_recovery(
        recovery, "waits", NOW, state=recoveries.RecoveryState.WAITING, wake_at=LATER, next_at=LATER
    )
    recoveries.wake_recoveries([1], NOW)
    assert RecoveryRow.get().wake_at == NOW and RecoveryRow.get().next_at == LATER
    recoveries.wake_recoveries([1], LATER)
    assert RecoveryRow.get().wake_at == NOW
    recoveries.hurry_recoveries([1], "it is healthy", NOW)
    assert (RecoveryRow.get().state, RecoveryRow.get().next_at) == ("running", NOW)


def test_history_tells_every_change_of_state_stage_and_attempt_with_its_because(store):
    recovery = add_recovery()
    recoveries.set_recovery(recovery, "nothing new", NOW, wake_at=LATER)
    recoveries.set_recovery(recovery, "it failed again", NOW, stage=2)
    lines = [(line.before, line.after, line.because) for line in EventRow.select().order_by(EventRow.id)]
    assert lines == [
        ("", "running", "it failed"),
        ("running, stage 1, attempt 1", "running, stage 2, attempt 1", "it failed again"),
    ]


def test_attempts_are_counted_over_all_recoveries(store):
    assert recoveries.count_attempts(1) == 0
    for made in (2, 3):
        recovery = add_recovery()
        recoveries.set_recovery(recovery, "x", NOW, attempts_made=made)
        recoveries.end_recovery(recovery, recoveries.RecoveryState.FAILED, "x", NOW)
    assert recoveries.count_attempts(1) == 5


# -- components and sites


def test_only_a_change_of_health_is_history(store):
    components.set_component("a", "unknown", NOW, "200", health="healthy", successes=1)
    components.set_component("a", "healthy", NOW, "200", health="healthy", successes=2)
    components.set_component("a", "healthy", LATER, "refused", health="unhealthy", failures=2)
    assert [(one.before, one.after) for one in EventRow.select().order_by(EventRow.id)] == [
        ("unknown", "healthy"),
        ("healthy", "unhealthy"),
    ]
    assert ComponentRow.get().changed_at == LATER and ComponentRow.get().successes == 2


def test_a_component_that_is_no_longer_configured_is_no_longer_looked_at(store):
    components.configure_components({"a": NOW, "b": NOW}, NOW)
    components.configure_components({"b": LATER}, NOW)
    rows = components.find_components(["a", "b", "c"])
    assert {name: (row.configured, row.run_at) for name, row in rows.items()} == {
        "a": (False, None),
        "b": (True, LATER),
    }


def test_only_what_is_unhealthy_is_muted(store):
    for name, health in (("a", "unhealthy"), ("b", "healthy"), ("c", "flapping")):
        components.set_component(name, health, NOW, "x", health=health)
        components.mute_component(name)
    assert {row.name: row.muted for row in ComponentRow.select()} == {"a": True, "b": False, "c": True}


def test_an_n8n_that_changes_is_told_of_once_and_silent_workers_are_forgotten(store):
    sites.set_site("default", "ok", "", NOW, contact_at=NOW)
    sites.set_site("default", "ok", "", LATER)
    sites.set_site("default", "unauthorized", "refused the key", LATER)
    assert [one.after for one in EventRow.select().order_by(EventRow.id)] == ["ok", "unauthorized"]
    assert sites.find_contacts() == {"default": NOW}
    sites.beat("a", NOW)
    sites.beat("a", LATER)
    sites.forget_workers(LATER)
    assert sites.WorkerRow.select().count() == 1
    sites.forget_workers(LATER + timedelta(seconds=1))
    assert sites.WorkerRow.select().count() == 0


# -- retention


def everything_of(name: str) -> IncidentRow:
    """An incident with a row of every kind."""
    incident = add_incident(name)
    chain = add_chain(f"{name}1", incident_id=incident.id)
    executions.note_members("s", [f"{name}1", f"{name}2"], chain.id)
    recovery = add_recovery(incident.id)
    add_step(recovery)
    alerts.add_alert(f"{name}.opened", incident.id, "opened", "hook", "high", {}, NOW)
    orders.add_order(incident.id, OrderWhat.ACKNOWLEDGE, "kim", NOW)
    signals.add_signals([signal(name, SignalKind.FAILURE)], NOW)
    signals.finish_signals([(SignalRow.get(SignalRow.key == name).id, incident.id, "opens")], NOW)
    return incident


OF_AN_INCIDENT = (IncidentRow, ExecutionRow, RecoveryRow, StepRow, AlertRow, OrderRow, SignalRow)


def test_an_old_failure_goes_with_everything_that_belongs_to_it_and_a_younger_or_open_one_stays(store):
    old, young, unresolved = everything_of("old"), everything_of("young"), everything_of("unresolved")
    incidents.resolve_incident(old, "it works", NOW - YEAR - timedelta(seconds=1))
    incidents.resolve_incident(young, "it works", NOW - YEAR)
    assert retention.drop_failures(NOW - YEAR) == 1
    assert all(table.select().count() == 2 for table in OF_AN_INCIDENT)
    assert {row.execution_id for row in MemberRow.select()} == {"young1", "young2", "unresolved1", "unresolved2"}
    kept = {row.incident_id for row in EventRow.select()}
    assert kept == {young.id, unresolved.id}
    assert IncidentRow.get_by_id(unresolved.id).state == IncidentState.OPEN


def test_success_logs_go_earlier_and_what_belongs_to_a_failure_or_waits_for_triage_stays(store):
    signals.add_signals([signal("old"), signal("failure"), signal("untriaged")], NOW - MONTH - timedelta(seconds=1))
    signals.add_signals([signal("young")], NOW - MONTH)
    incident = add_incident()
    rows = {row.key: row.id for row in SignalRow.select()}
    signals.finish_signals([(rows["old"], None, "x"), (rows["young"], None, "x")], NOW)
    signals.finish_signals([(rows["failure"], incident.id, "x")], NOW)
    assert retention.drop_success_logs(NOW - MONTH) == 1
    assert {row.key for row in SignalRow.select()} == {"failure", "untriaged", "young"}


def test_old_history_that_belongs_to_no_incident_goes(store):
    components.set_component("a", "unknown", NOW - YEAR - timedelta(days=1), "200", health="healthy")
    retention.drop_failures(NOW - YEAR)
    assert EventRow.select().count() == 0 and ComponentRow.select().count() == 1


def test_house_keeping_takes_a_bounded_bite(store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    signals.add_signals([signal(str(number)) for number in range(5)], NOW - YEAR)
    signals.finish_signals([(row.id, None, "x") for row in SignalRow.select()], NOW)
    assert [retention.drop_success_logs(NOW) for _ in range(4)] == [2, 2, 1, 0]


def _told() -> list[str]:
    return [row.after for row in EventRow.select().order_by(EventRow.id)]


def test_history_is_written_in_the_order_it_was_told_and_only_of_what_stands(store):
    with database.write():
        events.add_event(NOW, "incident", 1, "first", "")
        with pytest.raises(ValueError), database.savepoint():
            events.add_event(NOW, "incident", 1, "undone", "")
            raise ValueError
        with database.savepoint():
            events.add_event(NOW, "incident", 1, "second", "")
        with database.write():
            events.add_event(NOW, "incident", 1, "third", "")
    assert _told() == ["first", "second", "third"]


def test_a_transaction_that_fails_leaves_no_history_behind_for_the_next(store):
    with pytest.raises(ValueError), database.write():
        events.add_event(NOW, "incident", 1, "undone", "")
        raise ValueError
    events.add_event(NOW, "incident", 1, "outside of any", "")
    with database.write():
        events.add_event(NOW, "incident", 1, "next", "")
    assert _told() == ["outside of any", "next"]


def test_chains_of_many_incidents_are_counted_apart(store):
    add_chain("1", asks=True)
    add_chain("2")
    add_chain("3", incident_id=2, state=RECOVERED)
    assert executions.count_all_chains([1, 2, 3]) == {
        1: {"waiting": 2, "asking": 1},
        2: {"recovered": 1, "asking": 0},
        3: {"asking": 0},
    }
    assert executions.count_all_chains([]) == {}
