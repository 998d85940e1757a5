"""The pages in a real Chromium: a server on a free port of this machine, and a browser that has logged in."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.serving import make_server

from recovery import clock
from recovery.store.database import close_database, open_database
from recovery.store.tables import IncidentRow
from tests.web.conftest import PASSWORD, make_config
from tests.web.seed import seed_story
from webhook_server.app import create_app

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    config = make_config(tmp_path)
    open_database(config.database_url)
    yield create_app(config)
    close_database()


@pytest.fixture
def story(app: Flask) -> dict[str, IncidentRow]:
    return seed_story(clock.utc_now())


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


@pytest.fixture
def open_page(browser: Browser, address: str) -> Iterator[Callable[..., Page]]:
    """Opens a page of a fresh browser context; what the console complains about fails the test."""
    contexts, complaints = [], []

    def make(**options: object) -> Page:
        context = browser.new_context(base_url=address, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield make
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def enter(open_page: Callable[..., Page]) -> Callable[..., Page]:
    """Opens a page and logs in."""

    def log_in(**options: object) -> Page:
        page = open_page(**options)
        page.goto("/")
        page.locator("#user").fill("admin")
        page.locator("#password").fill(PASSWORD)
        page.locator("main button[type=submit]").click()
        page.wait_for_selector("#headline")
        return page

    return log_in


def keep_screenshot(page: Page, name: str) -> None:
    """Leave a picture of the whole page under build/screenshots/."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
