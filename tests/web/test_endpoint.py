"""Which endpoint of a component is live, as workflows ask for it."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator

from recovery.store.database import close_database, open_database
from tests.web.conftest import API_TOKEN, make_config
from tests.web.seed import add_incident, add_recovery, add_step
from webhook_server.app import create_app

A, B, C = "https://a.example.com", "https://b.example.com", "postgresql://c.example.com:5432"
FAILOVER = {"kind": "failover", "endpoints": [A, {"url": B, "check": f"{B}/health"}, C]}
NAME = "orders / api"


@pytest.fixture
def caller(tmp_path: Path):
    """A caller of an app with two components that have standbys, one of them by a playbook."""
    check = {"kind": "http", "url": f"{A}/health"}
    parts = [
        {"name": NAME, "check": check, "actions": {"standby": FAILOVER}},
        {"name": "search", "check": check},
        {"name": "plain", "check": check},
    ]
    stages = [{"after": "0s", "attempts": 1, "actions": [FAILOVER]}]
    playbook = {"name": "switch", "match": {"component": "search"}, "stages": stages}
    config = make_config(tmp_path, components=parts, playbooks=[playbook])
    open_database(config.database_url)
    client = create_app(config).test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {API_TOKEN}"
    yield client
    close_database()


def switch(now: datetime, component: str, live: str, **more: object) -> None:
    """An action that ended, as the worker records it."""
    recovery = add_recovery(add_incident(now, component=component), now)
    memory = {"live": live, "at": now.isoformat()}
    add_step(
        recovery, 1, now, **{"component": component, "name": "failover", "memory": memory, "finished_at": now} | more
    )


def ask(caller: FlaskClient, name: str) -> dict:
    answer = caller.get(f"/api/v1/components/{name}/endpoint")
    assert answer.status_code == 200, answer.text
    return dict(answer.get_json())


@pytest.mark.parametrize("name", [NAME, "search"])
def test_the_primary_is_live_until_it_was_switched(caller: FlaskClient, now: datetime, name: str) -> None:
    primary = {"component": name, "endpoint": A, "primary": A, "is_primary": True, "since": None}
    assert ask(caller, name.replace(" ", "%20")) == primary
    switch(now, name, B)
    shown = ask(caller, name.replace(" ", "%20"))
    assert (shown["endpoint"], shown["is_primary"]) == (B, False)
    assert datetime.fromisoformat(shown["since"]) == now
    switch(now + timedelta(seconds=1), name, A)
    assert ask(caller, name.replace(" ", "%20"))["is_primary"]


def test_another_component_or_action_or_one_under_way_changes_nothing(caller: FlaskClient, now: datetime) -> None:
    switch(now, "plain", B)
    switch(now, "search", B, name="scale_up")
    switch(now, "search", B, finished_at=None)
    assert ask(caller, "search")["endpoint"] == A


def test_an_endpoint_that_left_the_configuration_is_not_live(caller: FlaskClient, now: datetime) -> None:
    switch(now, "search", "https://old.example.com")
    assert ask(caller, "search") == {
        "component": "search",
        "endpoint": A,
        "primary": A,
        "is_primary": True,
        "since": None,
    }


@pytest.mark.parametrize("name", ["plain", "nobody", "%00", "a%2Fb", "x" * 5000, "<script>"])
def test_one_without_a_failover_is_not_found(caller: FlaskClient, name: str) -> None:
    answer = caller.get(f"/api/v1/components/{name}/endpoint")
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")
    assert len(answer.text) < 500


def test_it_wants_the_token_and_no_parameters(caller: FlaskClient) -> None:
    assert caller.get("/api/v1/components/search/endpoint?at=now").status_code == 400
    caller.environ_base["HTTP_AUTHORIZATION"] = "Bearer nonsense"
    assert caller.get("/api/v1/components/search/endpoint").status_code == 401


def test_the_description_names_it(caller: FlaskClient) -> None:
    document = caller.get("/api/v1/openapi.json").get_json()
    described = document["paths"]["/api/v1/components/{name}/endpoint"]["get"]
    assert described["parameters"] == [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}]
    assert "404" in described["responses"]
    schema = described["responses"]["200"]["content"]["application/json"]["schema"]
    whole = {**schema, "components": document["components"]}
    Draft202012Validator(whole).validate(ask(caller, "search"))
