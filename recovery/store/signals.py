"""Signals that wait for triage, and what triage needs to know of them."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from recovery.clock import from_micros, to_micros
from recovery.model import Signal
from recovery.store import bulk, database
from recovery.store.ingest import as_row
from recovery.store.tables import SignalRow, proxy

BATCH = 500


@dataclass(frozen=True, slots=True)
class Untriaged:
    """A stored signal that nobody has read yet."""

    id: int
    kind: str
    source: str
    site: str
    body: dict[str, Any]
    received_at: datetime


def find_untriaged(limit: int = BATCH) -> list[Untriaged]:
    """The oldest signals that nobody has read, in the order they came."""
    sql = "SELECT id, kind, source, site, body, received_at FROM signals WHERE triaged_at IS NULL ORDER BY id LIMIT "
    rows = proxy.obj.execute_sql(sql + str(int(limit))).fetchall()
    return [
        Untriaged(row_id, kind, source, site, json.loads(body), from_micros(received_at))
        for row_id, kind, source, site, body, received_at in rows
    ]


def finish_signals(done: Sequence[tuple[int, int | None, str]], now: datetime) -> None:
    """Mark signals as triaged: [(id, incident or None, because)]."""
    if not done:
        return
    mark = "?" if database.is_sqlite() else "%s"
    sql = f"UPDATE signals SET triaged_at = {mark}, incident_id = {mark}, because = {mark} WHERE id = {mark}"  # noqa: S608
    at = to_micros(now)
    cursor = proxy.obj.connection().cursor()
    cursor.executemany(sql, [(at, incident_id, because, row_id) for row_id, incident_id, because in done])


def add_signals(signals: Iterable[Signal], now: datetime) -> int:
    """Signals that we made ourselves (polls, checks), each once by its key; how many were new."""
    added = 0
    for signal in signals:
        key, delivery, kind, source, site, body, received_at = as_row(signal, now)
        row = SignalRow.insert(
            key=key,
            delivery=delivery,
            kind=kind,
            source=source,
            site=site,
            body=json.loads(body),
            received_at=from_micros(received_at),
        )
        # Not the result of execute(): on SQLite that is the last id of the connection, whether new or not.
        added += len(list(row.on_conflict_ignore().returning(SignalRow.id)))
    return added


def find_known_keys(keys: Sequence[str]) -> set[str]:
    """Those of the keys that a signal has already."""
    known: set[str] = set()
    for part in bulk.in_parts(keys):
        known.update(row[0] for row in SignalRow.select(SignalRow.key).where(SignalRow.key.in_(part)).tuples())
    return known


def was_told_by(incident_id: int, source: str) -> bool:
    """Whether a source told of the incident."""
    return SignalRow.select().where(SignalRow.incident_id == incident_id, SignalRow.source == source).exists()


def newest_signal() -> int:
    """The number of the newest signal; 0 without any."""
    row = SignalRow.select(SignalRow.id).order_by(SignalRow.id.desc()).first()
    return row.id if row else 0


def was_heard(source: str, site: str, words: str, after: int) -> bool:
    """Whether a source has sent something that holds these words, since the signal of that number."""
    rows = SignalRow.select(SignalRow.body).where(
        SignalRow.id > after, SignalRow.source == source, SignalRow.site == site
    )
    return any(words in json.dumps(row.body, ensure_ascii=False) for row in rows)


def is_known(number: int, site: str) -> bool:
    """Whether there is a signal of that number from that n8n."""
    return SignalRow.select().where(SignalRow.id == number, SignalRow.site == site).exists()
