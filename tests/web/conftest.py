"""An app on a database of its own, with a real configuration."""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from recovery import clock
from recovery.config import Config
from recovery.store.database import close_database, open_database
from webhook_server.app import create_app

# Hostile bodies by the dozen are the same to each engine: on PostgreSQL they are sent again in `make test-again`.
AGAIN_ON_POSTGRESQL = {"test_agents", "test_monitor_webhooks", "test_webhooks"}
API_TOKEN = "api-token-of-the-tests"
PASSWORD = "correct horse battery"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is sent again."""
    for item in items:
        engines = item.callspec.params.values() if hasattr(item, "callspec") else ()
        hostile = item.path.parent == Path(__file__).parent and item.path.stem in AGAIN_ON_POSTGRESQL
        if hostile and "postgresql" in engines:
            item.add_marker(pytest.mark.again)


def make_config(folder: Path, **changes: object) -> Config:
    """A configuration with one n8n, one component with an http check, and known secrets."""
    values: dict[str, object] = {
        "data_dir": folder,
        "webhook_token": "webhook-token-of-the-tests",
        "api_token": API_TOKEN,
        "admin_password": PASSWORD,
        "session_key": "session-key-of-the-tests",
        "n8n": [{"name": "default", "url": "http://n8n.example.com:5678/", "api_key": "n8n-key"}],
        "components": [
            {
                "name": "orders-api",
                "check": {"kind": "http", "url": "http://orders.example.com/health", "timeout": "5s"},
                "every": "30s",
            },
            {"name": "billing-db", "check": {"kind": "tcp", "host": "db.example.com", "port": 5432}},
        ],
    }
    return Config.model_validate({**values, **changes})


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return make_config(tmp_path)


@pytest.fixture
def app(config: Config) -> Iterator[Flask]:
    """The app; its database is open already, so that tests can seed it."""
    open_database(config.database_url)
    app = create_app(config)
    yield app
    close_database()


@pytest.fixture
def either_api(store: str, tmp_path: Path) -> FlaskClient:
    """A caller with the API's token, on each database engine."""
    client = create_app(make_config(tmp_path, database_url=store)).test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {API_TOKEN}"
    return client


@pytest.fixture
def now() -> datetime:
    return clock.utc_now()


@pytest.fixture
def visitor(app: Flask) -> FlaskClient:
    """Somebody who has not logged in."""
    return app.test_client()


@pytest.fixture
def admin(app: Flask) -> FlaskClient:
    """Somebody who has logged in."""
    client = app.test_client()
    assert log_in(client).status_code == 302
    return client


@pytest.fixture
def api(app: Flask) -> FlaskClient:
    """A caller with the API's token."""
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {API_TOKEN}"
    return client


def form_token(client: FlaskClient, address: str = "/login") -> str:
    """The token that a page's forms carry."""
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get(address).text)
    assert found, f"no form on {address}"
    return found[1]


def log_in(client: FlaskClient, password: str = PASSWORD, address: str = "/login", **options: object):
    """Send the login form."""
    token = form_token(client)
    data = {"csrf_token": token, "user": "admin", "password": password}
    return client.post(address, data=data, **options)
