"""Maintenance and the pause of everything: the page's form, and its part of the API."""

from datetime import timedelta
from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from flask_babel import gettext
from flask_login import current_user, login_required

from recovery import clock
from recovery.store import maintenance
from webhook_server import schemas
from webhook_server.asked import MaintenanceBody
from webhook_server.problems import Problem

MOST_MINUTES = 60 * 24 * 365
LONGEST_NAME, LONGEST_NOTE = 200, 500

blueprint = Blueprint("maintaining", __name__)


@blueprint.post("/maintenance")
@login_required
def begin() -> Any:
    """Begin maintenance of one component or of all now, for so many minutes or until it is ended."""
    component = request.form.get("component", "").strip()[:LONGEST_NAME]
    minutes = request.form.get("minutes", "").strip()
    note = request.form.get("note", "").replace("\0", "").strip()[:LONGEST_NOTE]
    if "\0" in component or not component or not _is_time(minutes):
        flash(gettext("That was not understood; nothing was done. Minutes are a whole number, or empty."), "bad")
    else:
        now = clock.utc_now()
        ends_at = now + timedelta(minutes=int(minutes)) if minutes else None
        maintenance.add_window([component], now, ends_at, note, current_user.name, now)
        flash(gettext("Nothing is done about it from now on. What fails is still seen and recorded."), "good")
    return redirect(url_for("override.override"))


def _is_time(minutes: str) -> bool:
    return not minutes or (minutes.isascii() and minutes.isdigit() and 0 < int(minutes[:9]) <= MOST_MINUTES)


@blueprint.post("/maintenance/<int:window_id>/end")
@login_required
def end(window_id: int) -> Any:
    """End it."""
    if maintenance.end_window(window_id, current_user.name, clock.utc_now()):
        flash(gettext("It is over: what fails is healed again."), "good")
    else:
        flash(gettext("It was over already."), "bad")
    return redirect(url_for("override.override"))


def add(body: MaintenanceBody) -> schemas.Maintenance:
    """What the API was asked for.

    Raises:
        Problem: it would end before it begins.
    """
    now = clock.utc_now()
    starts_at = body.starts_at or now
    if body.ends_at is not None and body.ends_at <= max(starts_at, now):
        raise Problem(400, "Bad request", "ends_at: must be after starts_at, and in the future")
    row = maintenance.add_window(body.components, starts_at, body.ends_at, body.note, "api", now)
    return schemas.Maintenance.model_validate(row)


def remove(window_id: int) -> schemas.Maintenance:
    """End one.

    Raises:
        Problem: 404 where there is none that has not ended.
    """
    row = maintenance.end_window(window_id, "api", clock.utc_now())
    if row is None:
        raise Problem(404, "Not found", f"there is no maintenance {window_id} that has not ended")
    return schemas.Maintenance.model_validate(row)
