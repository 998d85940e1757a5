"""Times of maintenance that people ask for. The web writes them, the worker heeds them."""

from datetime import datetime

from recovery.model import Window
from recovery.store import wake
from recovery.store.database import write
from recovery.store.events import add_event
from recovery.store.incidents import wake_all_incidents
from recovery.store.recoveries import wake_held
from recovery.store.tables import MaintenanceRow


def add_window(
    components: list[str], starts_at: datetime, ends_at: datetime | None, note: str, who: str, now: datetime
) -> MaintenanceRow:
    """A new time of maintenance, with an audit line."""
    with write():
        row = MaintenanceRow.create(
            components=components, starts_at=starts_at, ends_at=ends_at, note=note, who=who, created_at=now
        )
        until = f"until {ends_at.isoformat()}" if ends_at else "until it is ended"
        add_event(
            now, "maintenance", row.id, f"{', '.join(components)} {until}", note or f"{who} asked for it", who=who
        )
        wake_held(now)
    wake.wake_worker()
    return row


def end_window(window_id: int, who: str, now: datetime) -> MaintenanceRow | None:
    """End it now; None where there is none of that id, or it has ended."""
    with write():
        row = MaintenanceRow.get_or_none(MaintenanceRow.id == window_id)
        if row is None or (row.ends_at and row.ends_at <= now):
            return None
        row.ends_at = now
        MaintenanceRow.update(ends_at=now).where(MaintenanceRow.id == window_id).execute()
        add_event(now, "maintenance", row.id, "ended", f"{who} ended it", who=who)
        wake_held(now)
        wake_all_incidents(now)
    wake.wake_worker()
    return row


def find_open_windows(now: datetime) -> list[MaintenanceRow]:
    """Those that have begun and not ended."""
    open_end = MaintenanceRow.ends_at.is_null() | (MaintenanceRow.ends_at > now)
    return list(MaintenanceRow.select().where(MaintenanceRow.starts_at <= now, open_end).order_by(MaintenanceRow.id))


def find_windows(now: datetime) -> list[Window]:
    """The same, as decisions take them."""
    return [Window(tuple(row.components), row.ends_at, row.note) for row in find_open_windows(now)]
