"""The page of alerts, and silences: their forms, and their part of the API."""

from datetime import timedelta
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user, login_required

from recovery import clock
from recovery.model import FailureType, Severity
from recovery.store import channels, silences, views
from recovery.store import views_system as system_views
from webhook_server import alert_schemas
from webhook_server.asked import LONGEST_SILENCE, SilenceBody
from webhook_server.problems import Problem

LONGEST_NAME, LONGEST_NOTE, SHOWN = 200, 500, 100
MOST_MINUTES = int(LONGEST_SILENCE.total_seconds() // 60)
MATCHED = ("component", "failure_type", "severity")

blueprint = Blueprint("silencing", __name__)


@blueprint.get("/alerts")
@login_required
def alerts() -> str:
    """What people were told, how well each channel does, and which silences there are."""
    now = clock.utc_now()
    return render_template(
        "alerts.html",
        alerts=views.page_of("alerts", SHOWN).rows,
        channels=list_channels(now - timedelta(days=7)),
        silences=silences.find_not_over(now, SHOWN),
        names=[row.name for row in system_views.find_components()],
        failure_types=list(FailureType),
        severities=list(Severity),
    )


def list_channels(since: Any) -> list[alert_schemas.ChannelFigures]:
    """Each channel that was given something since then, or that fails."""
    measured, known = channels.measure(since), channels.find_channels()
    return [
        alert_schemas.ChannelFigures(
            name=name,
            failing_since=known[name].failing_since if name in known else None,
            error=known[name].error if name in known else "",
            **(measured.get(name) or alert_schemas.NO_FIGURES),
        )
        for name in sorted({*measured, *(name for name, row in known.items() if row.failing_since)})
    ]


@blueprint.post("/silences")
@login_required
def begin() -> Any:
    """Silence what fits from now on, for so many minutes."""
    form, minutes = request.form, request.form.get("minutes", "").strip()
    chosen = {name: [form[name][:LONGEST_NAME]] for name in MATCHED if form.get(name)}
    note = form.get("note", "").replace("\0", "").strip()[:LONGEST_NOTE]
    now = clock.utc_now()
    try:
        if not (minutes.isascii() and minutes.isdigit() and 0 < int(minutes[:9]) <= MOST_MINUTES):
            raise ValueError("no such time")
        body = SilenceBody.model_validate({**chosen, "ends_at": now + timedelta(minutes=int(minutes)), "note": note})
        _add(body, current_user.name)
    except (ValueError, Problem):
        flash(
            gettext("That was not understood; nothing was done. Choose what to silence, and for how many minutes."),
            "bad",
        )
    else:
        flash(gettext("Nobody is told of it from now on. What fails is still healed, and seen on the pages."), "good")
    return redirect(url_for("silencing.alerts"))


@blueprint.post("/silences/<int:silence_id>/end")
@login_required
def end(silence_id: int) -> Any:
    """End it."""
    if silences.end_silence(silence_id, current_user.name, clock.utc_now()):
        flash(gettext("It is over: people are told again."), "good")
    else:
        flash(gettext("It was over already."), "bad")
    return redirect(url_for("silencing.alerts"))


def add(body: SilenceBody) -> alert_schemas.Silence:
    """What the API was asked for."""
    return alert_schemas.Silence.model_validate(_add(body, "api"))


def _add(body: SilenceBody, who: str) -> Any:
    """A new silence.

    Raises:
        Problem: it fits everything, or its times make no sense.
    """
    now = clock.utc_now()
    starts_at = body.starts_at or now
    matcher = body.model_dump(mode="json", include={*MATCHED, "label"})
    if not any(matcher.values()):
        raise Problem(400, "Bad request", "give a component, failure_type, severity or label: a silence of all is none")
    if body.ends_at <= max(starts_at, now) or body.ends_at - now > LONGEST_SILENCE:
        raise Problem(400, "Bad request", "ends_at: must be after starts_at, in the future, and within a year")
    return silences.add_silence(matcher, starts_at, body.ends_at, body.note, who, now)


def remove(silence_id: int) -> alert_schemas.Silence:
    """End one.

    Raises:
        Problem: 404 where there is none that has not ended.
    """
    row = silences.end_silence(silence_id, "api", clock.utc_now())
    if row is None:
        raise Problem(404, "Not found", f"there is no silence {silence_id} that has not ended")
    return alert_schemas.Silence.model_validate(row)
