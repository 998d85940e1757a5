"""Tags of workflow authors are heeded: what is critical is told as such, what is to be ignored is left alone."""

from typing import Any

import pytest

from recovery.decide.tagging import CRITICAL, IGNORED
from recovery.sources import n8n_execution
from recovery.store import sites, tagged
from recovery.store.tables import AlertRow, SignalRow
from tests.conftest import FakeClock
from tests.n8n import workflows as flow
from tests.standins.n8n import StandInN8n
from tests.standins.service import Answer, Service
from tests.story.place import Place

pytestmark = pytest.mark.usefixtures("store")


@pytest.fixture
def place(fake_clock: FakeClock) -> Any:
    with StandInN8n() as n8n, Service() as service:
        yield Place(fake_clock, n8n, service)


def tag(place: Place, workflow_id: str, *names: str) -> None:
    """The workflow has these tags from now on, and no others."""
    place.n8n.engine.workflows[workflow_id]["tags"] = [{"id": name, "name": name} for name in names]


def broken(place: Place, path: str, *tags: str) -> str:
    """A workflow with these tags, whose service answers 503."""
    workflow_id = place.workflow(path)
    tag(place, workflow_id, *tags)
    place.service.behave(f"/{path}", 503)
    return workflow_id


def told(signal_of: str) -> list[str]:
    """What was made of the signals about an execution."""
    return [row.because for row in SignalRow.select() if row.key.endswith(f":{signal_of}")]


# -- medic:critical


@pytest.mark.parametrize("called_back", [True, False])
def test_what_fails_of_a_critical_workflow_is_critical_at_once(place: Place, called_back: bool) -> None:
    workflow_id = broken(place, "orders", "medic:critical")
    place.poll()
    [failed] = place.fail("orders", workflow_id, "a")
    if called_back:
        place.tell(failed)
        place.engine.tick()
    else:
        place.poll()
    incident = place.engine.incident()
    assert incident.severity == "critical" and CRITICAL in place.engine.history("incident")[0]
    assert [(row.kind, row.severity) for row in AlertRow.select()] == [("opened", "critical")]


def test_a_tag_that_is_news_raises_the_severity_of_what_is_open_and_is_told_once(place: Place) -> None:
    workflow_id = broken(place, "orders")
    [failed] = place.fail("orders", workflow_id, "a")
    place.tell(failed)
    place.engine.tick()
    assert place.engine.incident().severity == "high"
    tag(place, workflow_id, "medic:critical")
    place.poll()
    assert place.engine.incident().severity == "critical"
    because = f"its severity rose from high to critical: {CRITICAL}"
    assert f"recovering: {because}" in place.engine.history("incident")
    place.poll()
    place.engine.run(5)
    assert place.engine.alerts().count("worsened") <= 1
    assert sum(because in line for line in place.engine.history("incident")) == 1


def test_one_that_joins_the_incident_of_others_makes_it_critical(place: Place) -> None:
    plain, critical = broken(place, "orders"), broken(place, "pay", "medic:critical")
    place.fail("orders", plain, "a")
    place.poll()
    assert place.engine.incident().severity == "high"
    place.fail("pay", critical, "b")
    place.poll()
    assert [one.severity for one in place.engine.incidents()] == ["critical"]
    assert any(CRITICAL in line for line in place.engine.history("incident"))


def test_what_was_critical_stays_so_when_the_tag_is_taken_off(place: Place) -> None:
    workflow_id = broken(place, "orders", "medic:critical")
    place.fail("orders", workflow_id, "a")
    place.poll()
    tag(place, workflow_id)
    place.poll()
    assert place.engine.incident().severity == "critical" and not tagged.are_any()


def test_one_that_is_heard_of_late_makes_the_incident_critical_too(place: Place) -> None:
    critical, plain = broken(place, "pay", "medic:critical"), broken(place, "orders")
    place.poll()
    [late] = place.fail("pay", critical, "a")
    told_of = n8n_execution.as_error_item(place.n8n.execution(late))
    [early] = place.fail("orders", plain, "b")
    place.clock.advance(1)
    place.tell(early)
    place.service.behave("/orders", 200)
    place.engine.run(15)
    assert (place.engine.incident().state, place.engine.incident().severity) == ("resolved", "high")
    place.engine.hear(told_of)
    place.engine.tick()
    assert [one.severity for one in place.engine.incidents()] == ["critical"]


# -- medic:ignore


def test_a_failure_of_an_ignored_workflow_opens_nothing_tells_nobody_and_is_counted(place: Place) -> None:
    workflow_id = broken(place, "orders", "medic:ignore")
    place.poll()
    heard, polled = place.fail("orders", workflow_id, "a", "b")
    place.tell(heard)
    place.engine.tick()
    place.poll()
    place.engine.run(1000, 50)
    assert (place.engine.incidents(), place.engine.chains(), place.engine.alerts()) == ([], {}, [])
    assert told(heard) == told(polled) == [IGNORED]
    assert len(place.service.calls("/orders")) == 2, "nothing is retried"
    assert [(row.name, row.failures) for row in tagged.find_tagged()] == [("orders", 2)]


def test_it_joins_no_incident_of_others_either(place: Place) -> None:
    plain, ignored = broken(place, "orders"), broken(place, "draft", "medic:ignore")
    place.poll()
    [kept] = place.fail("orders", plain, "a")
    [left] = place.fail("draft", ignored, "b")
    place.poll()
    assert list(place.engine.chains()) == [kept] and told(left) == [IGNORED]


@pytest.mark.parametrize("waits", [0, 1200])
def test_what_is_open_of_a_workflow_alone_is_over_once_it_is_ignored(place: Place, waits: int) -> None:
    workflow_id = broken(place, "orders")
    [failed] = place.fail("orders", workflow_id, "a")
    place.poll()
    place.engine.run(waits, 10)
    assert place.engine.incident().state == ("needs_human" if waits else "recovering")
    tag(place, workflow_id, "medic:ignore")
    place.poll()
    place.engine.run(5)
    incident, calls = place.engine.incident(), len(place.service.calls("/orders"))
    assert (incident.state, incident.because) == ("resolved", IGNORED)
    assert place.engine.chains() == {failed: "left_alone"} and place.engine.chain(failed).because == IGNORED
    assert place.engine.recovery().state in ("cancelled", "failed")
    place.engine.run(1000, 50)
    assert len(place.service.calls("/orders")) == calls and place.engine.incident().state == "resolved"


def test_of_an_incident_with_others_only_its_executions_are_left_alone(place: Place) -> None:
    plain, ignored = broken(place, "orders"), broken(place, "draft")
    [kept] = place.fail("orders", plain, "a")
    [left] = place.fail("draft", ignored, "b")
    place.poll()
    tag(place, ignored, "medic:ignore")
    place.poll()
    for path in ("/orders", "/draft"):
        place.service.behave(path, 200)
    place.engine.run(400, 5)
    assert place.engine.chains() == {kept: "recovered", left: "left_alone"}
    assert place.engine.incident().state == "resolved"
    assert [call.id for call in place.service.calls("/draft") if call.answered == 200] == []


def test_a_question_about_it_is_taken_back(place: Place) -> None:
    url = f"={place.service.url}/orders?id={{{{ $json.body.id }}}}"
    workflow_id = place.workflow("orders", flow.http("Call", url, "POST"))
    place.service.behave("/orders", 500)
    [failed] = place.fail("orders", workflow_id, "a")
    place.poll()
    place.engine.run(30)
    assert place.engine.chain(failed).asks
    tag(place, workflow_id, "medic:ignore")
    place.poll()
    place.engine.run(5)
    assert not place.engine.chain(failed).asks and place.engine.incident().state == "resolved"


def test_a_tag_that_is_put_on_just_before_a_retry_stops_it(place: Place) -> None:
    workflow_id = broken(place, "orders")
    [failed] = place.fail("orders", workflow_id, "a")
    place.poll()
    calls = len(place.service.calls("/orders"))
    tag(place, workflow_id, "medic:ignore")
    place.engine.run(70, 10)  # the second stage comes before the next poll
    assert len(place.service.calls("/orders")) == calls
    assert (place.engine.chain(failed).state, place.engine.chain(failed).because) == ("left_alone", IGNORED)


def test_one_whose_tag_is_taken_off_is_looked_after_again(place: Place) -> None:
    workflow_id = broken(place, "orders", "medic:ignore")
    place.poll()
    place.fail("orders", workflow_id, "a")
    place.poll()
    tag(place, workflow_id)
    place.poll()
    [failed] = place.fail("orders", workflow_id, "b")
    place.poll()
    assert list(place.engine.chains()) == [failed] and len(place.engine.incidents()) == 1


# -- where n8n does not tell


def test_what_n8n_said_last_stands_while_it_does_not_tell_and_nothing_else_waits(place: Place) -> None:
    ignored, plain = broken(place, "draft", "medic:ignore"), broken(place, "orders")
    place.poll()
    place.n8n.misbehave(Answer(403, {"message": "Forbidden"}), path="/api/v1/workflows")
    place.fail("draft", ignored, "a")
    [failed] = place.fail("orders", plain, "b")
    place.poll()
    assert list(place.engine.chains()) == [failed] and told_state() == "ok"


def told_state() -> str:
    """What is said of the n8n."""
    site = sites.find_site("default")
    return site.state if site else ""


def test_a_tag_that_was_never_read_counts_as_none(place: Place) -> None:
    workflow_id = broken(place, "draft", "medic:ignore")
    [failed] = place.fail("draft", workflow_id, "a")
    told_of = n8n_execution.as_error_item(place.n8n.execution(failed))
    place.n8n.stop()
    place.engine.hear(told_of)
    place.engine.tick()
    assert len(place.engine.incidents()) == 1, "a callback is triaged without asking n8n"
    place.n8n.start()
    place.poll()
    place.engine.run(5)
    assert place.engine.incident().state == "resolved" and place.engine.incident().because == IGNORED


@pytest.mark.parametrize(
    "name", ["Medic:Ignore", " medic:ignore ", "medic:ignore\x00", "medic:ignore\n", "MEDIC:IGNORE"]
)
def test_a_tag_that_only_looks_like_ours_is_none(place: Place, name: str) -> None:
    workflow_id = broken(place, "orders", name, *(f"tag {number}\x1b[2J" for number in range(300)))
    place.poll()
    place.fail("orders", workflow_id, "a")
    place.poll()
    assert len(place.engine.chains()) == 1 and not tagged.are_any()


def test_a_workflow_with_an_odd_name_and_hundreds_of_tags_is_heeded(place: Place) -> None:
    workflow_id = broken(place, "orders", *(f"t{number}\x00" for number in range(300)), "medic:ignore")
    place.n8n.engine.workflows[workflow_id]["name"] = "\x00\ud800 <b>orders</b> " + "x" * 5000
    place.poll()
    place.fail("orders", workflow_id, "a")
    place.poll()
    assert place.engine.chains() == {} and len(tagged.find_tagged()[0].name) <= 200
