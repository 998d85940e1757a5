"""What the pages read, on both engines."""

from recovery.model import IncidentState, Severity
from recovery.store import views
from tests.store.rows import add_incident


def test_the_worst_that_needs_a_person_is_not_hidden_by_newer_ones(store):
    state = IncidentState.NEEDS_HUMAN
    mild = add_incident("mild", severity=Severity.LOW, state=state)
    worst = add_incident("worst", severity=Severity.CRITICAL, state=state)
    newer = [add_incident(f"newer {number}", severity=Severity.HIGH, state=state) for number in range(3)]
    healing = add_incident("healing", severity=Severity.CRITICAL, state=IncidentState.RECOVERING)
    found = [row.id for row in views.find_unresolved(10)]
    assert found == [worst.id, *[row.id for row in reversed(newer)], mild.id, healing.id]
    assert [row.id for row in views.find_unresolved(1)] == [worst.id], "whatever the page has room for"
