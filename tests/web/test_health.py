"""What monitoring asks."""

import pytest

from recovery.model import AlertState, IncidentState
from recovery.store import sites
from recovery.store.database import write
from tests.web.conftest import API_TOKEN, make_config
from tests.web.seed import add_alert, add_execution, add_incident, add_recovery, add_signal, add_site, add_worker
from webhook_server.app import create_app


@pytest.fixture
def broken(tmp_path):
    """An app whose database cannot be reached."""
    return create_app(make_config(tmp_path, database_url="postgresql://nobody@127.0.0.1:9/none")).test_client()


def test_a_process_that_lives_says_so_even_without_a_database(broken):
    assert broken.get("/healthz").status_code == 200


def test_ready_means_a_fresh_heartbeat(visitor, now):
    add_worker(now)
    add_site(now)
    answer = visitor.get("/readyz")
    assert answer.status_code == 200
    assert answer.get_json() == {
        "status": "ready",
        "database": "ok",
        "worker": "ok",
        "n8n": [{"name": "default", "state": "ok", "detail": ""}],
    }


def test_no_worker_is_not_ready_and_is_named(visitor):
    answer = visitor.get("/readyz")
    assert (answer.status_code, answer.content_type) == (503, "application/problem+json")
    assert answer.get_json(force=True)["detail"].startswith("worker: no worker has ever reported")


def test_the_heartbeat_of_a_web_process_is_no_workers(visitor, now):
    with write():
        sites.beat("web here-1", now, "web")
    assert visitor.get("/readyz").status_code == 503


def test_an_old_heartbeat_is_not_ready_but_the_freshest_of_several_counts(visitor, now):
    add_worker(now, age_seconds=31, name="old")
    answer = visitor.get("/readyz")
    assert answer.status_code == 503
    assert "the last heartbeat came 31 seconds ago" in answer.get_json(force=True)["worker"]
    add_worker(now, age_seconds=28, name="fresh")
    assert visitor.get("/readyz").status_code == 200


def test_a_broken_n8n_is_named_and_is_no_503(visitor, now):
    add_worker(now)
    add_site(now, state="unauthorized", detail="n8n refuses the API key (401)")
    answer = visitor.get("/readyz")
    assert answer.status_code == 200
    assert answer.get_json()["n8n"] == [
        {"name": "default", "state": "unauthorized", "detail": "n8n refuses the API key (401)"}
    ]


def test_an_n8n_that_nobody_looked_at_is_unknown_and_a_forgotten_one_is_not_shown(visitor, now):
    add_worker(now)
    add_site(now, name="of-last-year")
    assert visitor.get("/readyz").get_json()["n8n"] == [
        {"name": "default", "state": "unknown", "detail": "not looked at yet"}
    ]


def test_a_database_that_does_not_answer_is_not_ready_and_is_named(broken):
    answer = broken.get("/readyz")
    assert answer.status_code == 503
    assert answer.get_json(force=True)["database"] == "unreachable"


def test_a_page_says_so_when_the_database_does_not_answer(broken):
    answer = broken.get("/")
    assert answer.status_code == 503 and "The database does not answer" in answer.text


def test_the_numbers_are_read_from_the_database(visitor, now):
    incident = add_incident(now)
    add_incident(now, state=IncidentState.NEEDS_HUMAN)
    add_recovery(incident, now)
    add_execution(incident, "1", now)
    add_execution(incident, "2", now, asks=True)
    add_alert(incident, "team", now, state=AlertState.FAILED)
    add_signal(None, now)
    add_signal(incident, now)
    add_worker(now, age_seconds=4)
    lines = visitor.get("/metrics").text.splitlines()
    for line in [
        'medic_incidents{state="recovering"} 1.0',
        'medic_incidents{state="needs_human"} 1.0',
        'medic_incidents{state="open"} 0.0',
        'medic_recoveries{state="waiting"} 1.0',
        "medic_executions_waiting 2.0",
        "medic_executions_asking 1.0",
        'medic_alerts{state="failed"} 1.0',
        "medic_signals_untriaged 1.0",
        'medic_n8n_up{site="default"} 0.0',
    ]:
        assert line in lines, line
    age = next(line for line in lines if line.startswith('medic_worker_heartbeat_age_seconds{worker="here:1"}'))
    assert 3 < float(age.split()[-1]) < 30


def test_the_numbers_are_open_here_and_elsewhere_want_the_token(visitor):
    assert visitor.get("/metrics").status_code == 200
    for here, status in (("::1", 200), ("::ffff:127.0.0.1", 200), ("::ffff:192.0.2.7", 401)):
        assert visitor.get("/metrics", environ_base={"REMOTE_ADDR": here}).status_code == status, here
    away = {"REMOTE_ADDR": "192.0.2.7"}
    assert visitor.get("/metrics", environ_base=away).status_code == 401
    token = {"Authorization": f"Bearer {API_TOKEN}"}
    assert visitor.get("/metrics", environ_base=away, headers=token).status_code == 200


def test_a_proxy_on_this_machine_does_not_open_the_numbers_to_the_world(visitor):
    assert visitor.get("/metrics", headers={"X-Forwarded-For": "192.0.2.7"}).status_code == 401
