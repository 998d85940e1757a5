"""What is known of each n8n, and of each worker."""

from datetime import datetime, timedelta
from typing import Any

from recovery.clock import from_micros, to_micros
from recovery.store import bulk
from recovery.store.events import add_event
from recovery.store.tables import SiteRow, WorkerRow

LIVING = timedelta(seconds=60)  # a worker that has been silent for longer is gone
FRESH_SECONDS = 30.0  # a worker whose newest heartbeat is older is not believed to live
WEB_AWAY = timedelta(seconds=10)  # web processes beat every five
CLOCKS = timedelta(seconds=60)  # those of machines differ by less, or one is wrong
PAUSE = "nobody heard"


def find_site(name: str) -> SiteRow | None:
    """What is known of that n8n."""
    return bulk.find_row(SiteRow, "name = ?", name)


def find_sites() -> dict[str, SiteRow]:
    """What is known of each n8n."""
    return {row.name: row for row in SiteRow.select()}


def find_contacts() -> dict[str, datetime]:
    """First contact with each n8n."""
    return {row.name: row.contact_at for row in bulk.find_rows(SiteRow, "contact_at IS NOT NULL")}


def set_site(name: str, state: str, detail: str, now: datetime, **changes: Any) -> None:
    """Note whether an n8n answers, and what else was learnt; a change goes into history."""
    known = find_site(name)
    values = {"state": state, "detail": detail, "checked_at": now, **changes}
    SiteRow.insert(name=name, **values).on_conflict(conflict_target=[SiteRow.name], update=values).execute()
    before = known.state if known else "unknown"
    if before != state:
        add_event(now, "n8n", name, state, detail or "it answers", before=before)


def set_well(name: str, now: datetime, **changes: Any) -> None:
    """Note that an n8n answers; what it refused of late stands."""
    known = find_site(name)
    refused = known.refused if known else None
    state, detail = (refused["state"], refused["detail"]) if refused else ("ok", "")
    set_site(name, state, detail, now, **changes)


def refuse(name: str, state: str, detail: str, now: datetime) -> None:
    """Note that an n8n refuses retries, whatever else it answers."""
    set_site(name, state, detail, now, refused={"state": state, "detail": detail, "at": to_micros(now)})


def refused_at(site: SiteRow) -> datetime | None:
    """When it last refused a retry; None where it does not."""
    return from_micros(site.refused["at"]) if site.refused else None


def accept(name: str) -> None:
    """An n8n has taken a retry."""
    SiteRow.update(refused=None).where(SiteRow.name == name, SiteRow.refused.is_null(False)).execute()


def beat(name: str, now: datetime, part: str = "worker", **known: Any) -> None:
    """A process of ours lives; `part` is "worker" or "web". `known`: what else it knows of itself."""
    WorkerRow.insert(name=name, part=part, started_at=now, beat_at=now, **known).on_conflict(
        conflict_target=[WorkerRow.name], update={"beat_at": now, **known}
    ).execute()


def beat_web(name: str, now: datetime) -> None:
    """A web process lives, and takes signals in. Where none did for a while until now, that is noted."""
    beats = WorkerRow.select(WorkerRow.beat_at).where(WorkerRow.part == "web", WorkerRow.beat_at <= now + CLOCKS)
    last = beats.order_by(WorkerRow.beat_at.desc()).first()
    if last and now - last.beat_at > WEB_AWAY:
        pause = {"started_at": last.beat_at, "beat_at": now}
        WorkerRow.insert(name=PAUSE, part="pause", **pause).on_conflict(
            conflict_target=[WorkerRow.name], update=pause
        ).execute()
    beat(name, now, "web")


def compare_workers(worker: str, offline: bool, now: datetime) -> tuple[bool, bool]:
    """Note whether this worker's machine is offline; whether any other living one is online, and whether any is not."""
    beat(worker, now, offline=offline)
    living = WorkerRow.select(WorkerRow.offline).where(
        WorkerRow.name != worker, WorkerRow.part == "worker", WorkerRow.beat_at > now - LIVING
    )
    others = {row[0] for row in living.tuples()}
    return False in others, True in others


def latest_beat(part: str = "worker") -> datetime | None:
    """The newest sign of life of a part of us, or the end of the last "pause" in which no web process lived; None
    without any. One from the future is of a clock that was wrong.
    """
    newest = WorkerRow.select().where(WorkerRow.part == part).order_by(WorkerRow.beat_at.desc()).first()
    return newest.beat_at if newest else None


def forget_workers(before: datetime) -> None:
    """Drop processes of ours that have been silent since then."""
    WorkerRow.delete().where(WorkerRow.beat_at < before).execute()
