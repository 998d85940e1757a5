"""The alerts that monitors told of a component, kept in its row: which fire, since when, and when each was heard of."""

from datetime import datetime
from typing import Any

from recovery.store.components import hold_beat
from recovery.store.tables import ComponentRow


def alerts_of(row: ComponentRow) -> dict[str, tuple[str, datetime, bool]]:
    """What is kept of a component: {alert: (since when, heard of at, whether it fires)}."""
    kept = (row.beat or {}).get("alerts") or {}
    return {name: (began, datetime.fromisoformat(heard), fires) for name, (began, heard, fires) in kept.items()}


def note_alerts(name: str, alerts: dict[str, tuple[str, datetime, bool]]) -> None:
    """Keep these of a component, instead of those before."""
    kept = {alert: [began, heard.isoformat(), fires] for alert, (began, heard, fires) in alerts.items()}
    beat: dict[str, Any] = {**(hold_beat(name) or {}), "alerts": kept}
    ComponentRow.insert(name=name, beat=beat).on_conflict(
        conflict_target=[ComponentRow.name], update={"beat": beat}
    ).execute()
