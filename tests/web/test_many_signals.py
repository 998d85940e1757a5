"""A hundred thousand signals at once, through a real gunicorn: every 202 has its row, and rows equal distinct keys.

On PostgreSQL, whose own rows and locks do the counting, a fifth of it. `make test` sends a tenth of it on SQLite, and
`make test-again` all.
"""

import json
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from recovery.store import database
from recovery.store.tables import SignalRow
from tests.story.medic import TOKENS, Medic

A_CALL, CONNECTIONS = 50, 32
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def probe(number: int) -> dict[str, object]:
    """One reading of its own: the key is the component and the time at which it was observed."""
    observed = BEGAN + timedelta(seconds=number)
    return {"component": f"c{number % 20}", "healthy": True, "observed_at": observed.isoformat()}


def key_of(number: int) -> str:
    return f"probe:c{number % 20}:{(BEGAN + timedelta(seconds=number)).isoformat()}"


def plan(total: int) -> list[list[int]]:
    """Calls of fifty readings each; a tenth of all readings repeats one of another call."""
    chance = random.Random(7)
    fresh = list(range(total - total // 10))
    numbers = fresh + chance.sample(fresh, total // 10)
    chance.shuffle(numbers)
    return [numbers[first : first + A_CALL] for first in range(0, total, A_CALL)]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_of_ten_thousand_signals_every_202_has_its_row(database_url: str, tmp_path: Path) -> None:
    send_and_count(10_000, database_url, tmp_path)


@pytest.mark.again
@pytest.mark.timeout(200)
def test_of_a_hundred_thousand_signals_every_202_has_its_row(database_url: str, tmp_path: Path) -> None:
    send_and_count(100_000 if database_url.startswith("sqlite") else 20_000, database_url, tmp_path)


def send_and_count(total: int, database_url: str, tmp_path: Path) -> None:
    with Medic(tmp_path / "medic", {}, database_url) as medic:
        calls = plan(total)
        shares = [calls[index::CONNECTIONS] for index in range(CONNECTIONS)]
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            answers = [one for share in pool.map(lambda part: _send(medic, part), shares) for one in share]
    database.open_database(database_url)
    stored = dict(SignalRow.select(SignalRow.key, SignalRow.id).tuples())
    database.close_database()
    assert len(answers) == total, "every reading was answered with 202"
    assert all(stored.get(key_of(number)) == row_id for number, row_id, _ in answers), "each names the row of its key"
    assert len(stored) == total - total // 10, "rows equal distinct keys"
    fresh = Counter(number for number, _, duplicate in answers if not duplicate)
    assert len(fresh) == len(stored) and set(fresh.values()) == {1}, "each key was new exactly once"


def _send(medic: Medic, calls: list[list[int]]) -> list[tuple[int, int, bool]]:
    found = []
    with requests.Session() as session:
        session.trust_env = False
        session.headers.update({"X-Medic-Token": TOKENS["MEDIC_WEBHOOK_TOKEN"], "Content-Type": "application/json"})
        for numbers in calls:
            body = json.dumps([probe(number) for number in numbers])
            answer = session.post(f"{medic.url}/webhooks/probe", data=body, timeout=60)
            assert answer.status_code == 202, answer.text
            told = answer.json()["signals"]
            found += [(number, one["id"], one["duplicate"]) for number, one in zip(numbers, told, strict=True)]
    return found
