"""What monitors told of a component's alerts, between its row and the view that triage decides by."""

from collections.abc import Mapping

from recovery.decide.firing import Alert, Alerts
from recovery.decide.triage import View
from recovery.store import firing
from recovery.store.tables import ComponentRow


def known_alerts(rows: Mapping[str, ComponentRow]) -> dict[str, Alerts]:
    """The alerts of these components, by their names."""
    return {name: {mark: Alert(*kept) for mark, kept in firing.alerts_of(row).items()} for name, row in rows.items()}


def note_alerts(view: View, name: str, alerts: Alerts | None) -> None:
    """Keep what a word on an alert made of them; None: it spoke of none."""
    if alerts is not None:
        view.alerts[name] = alerts
        firing.note_alerts(name, {mark: (one.began, one.heard_at, one.fires) for mark, one in alerts.items()})
