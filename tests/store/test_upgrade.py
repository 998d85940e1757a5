"""A database that an earlier version made is brought up to date when it is opened, with all that is in it."""

from recovery.clock import utc_now
from recovery.model import FailureType, Outcomes
from recovery.store import database, outcomes
from recovery.store.tables import ComponentRow, ExecutionRow, IncidentRow, MaintenanceRow, OutcomeRow, SiteRow
from tests.store.rows import add_chain, add_incident
from tests.store.test_claims import add_recovery

LATER = {
    "incidents": ["failed_at", "held"],
    "executions": ["unread", "seen_id"],
    "components": ["memory", "beat", "looks"],
    "sites": ["newest_id", "newest_at", "generation", "refused"],
}


def test_columns_and_tables_that_came_later_are_added_and_filled(store: str) -> None:
    incident = add_incident("orders")
    add_chain("1", incident_id=incident.id)
    SiteRow.create(name="default")
    ComponentRow.create(name="orders")
    open_one = database.proxy.obj
    for table, columns in LATER.items():
        for column in columns:
            open_one.execute_sql(f"ALTER TABLE {table} DROP COLUMN {column}")
    open_one.execute_sql("DROP TABLE maintenance")
    open_one.execute_sql("DELETE FROM migratehistory WHERE name > '002'")
    database.open_database(store)
    row = IncidentRow.get()
    assert row.component == "orders" and row.failed_at == row.last_signal_at
    assert (ExecutionRow.get().unread, SiteRow.get().generation, ComponentRow.get().memory) == (0, 0, None)
    assert ComponentRow.get().looks == 1
    MaintenanceRow.create(components=["*"], starts_at=utc_now(), who="kim", created_at=utc_now())
    assert add_incident("other").failed_at


def test_a_database_that_had_the_earlier_columns_gets_the_last_one_alone(store: str) -> None:
    ComponentRow.create(name="orders", failures=1)
    open_one = database.proxy.obj
    open_one.execute_sql("ALTER TABLE components DROP COLUMN looks")
    open_one.execute_sql("DELETE FROM migratehistory WHERE name > '003'")
    database.open_database(store)
    row = ComponentRow.get()
    assert (row.name, row.failures, row.looks) == ("orders", 1, 1)


def test_a_database_from_before_outcomes_were_kept_gets_their_table_with_its_rule_of_one_each(store: str) -> None:
    recovery = add_recovery(add_incident("orders").id)
    open_one = database.proxy.obj
    open_one.execute_sql("DROP TABLE outcomes")
    open_one.execute_sql("DELETE FROM migratehistory WHERE name > '006_dry_steps'")
    database.open_database(store)
    for succeeded in (True, False):
        outcomes.add_outcome(recovery, 2, FailureType.API_ERROR, "orders", "restart", succeeded, 12, utc_now())
    here, _ = outcomes.count_outcomes(FailureType.API_ERROR, "orders", ["restart"], utc_now())
    assert here == {"restart": Outcomes(1, 0, 12.0, None)} and OutcomeRow.select().count() == 1


def test_opening_it_again_changes_nothing(store: str) -> None:
    add_incident("orders")
    database.open_database(store)
    assert IncidentRow.select().count() == 1
