"""The pages of replays: how far each has come, what it has left and why, and the buttons for a yes and for an end."""

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from flask_babel import gettext
from flask_login import current_user, login_required

from recovery import clock
from recovery.analytics.replays import describe
from recovery.store import replayed, replays
from recovery.store.tables import ReplayRow
from webhook_server.links import link_execution, link_to
from webhook_server.problems import Problem
from webhook_server.replaying import find

SHOWN, SHOWN_EXECUTIONS, SHOWN_WORKFLOWS = 50, 200, 50

blueprint = Blueprint("replay_pages", __name__)


@blueprint.get("/replays")
@login_required
def list_all() -> str:
    """The replays that are not over, and the newest of those that are."""
    over = replays.find_newest(replays.OVER, SHOWN)
    return render_template("replays.html", going=list_going(), over=[_told(row) for row in over])


def list_going() -> list[dict[str, Any]]:
    """The replays that are not over, as the API tells them, and what a person has asked of each already."""
    return [_told(row) for row in replays.find_newest(replays.GOES_ON, SHOWN)]


def _told(row: ReplayRow) -> dict[str, Any]:
    return {**describe(row), "yes_at": row.yes_at, "cancel_at": row.cancel_at, "cancelled_by": row.cancelled_by}


@blueprint.get("/replays/<replay_id>")
@login_required
def show(replay_id: str) -> str:
    """One replay: its counts by workflow, why the rest is not run again, and its executions with links into n8n."""
    row = _find(replay_id)
    return render_template(
        "replay.html",
        one=_told(row),
        workflows_shown=SHOWN_WORKFLOWS,
        executions=replayed.find_shown(row.id, SHOWN_EXECUTIONS),
        listed=(row.counts or {}).get("listed", []),
        link=link_execution,
        link_to=link_to,
    )


@blueprint.post("/replays/<replay_id>/yes")
@login_required
def begin(replay_id: str) -> Any:
    """Run again what was counted."""
    row = _find(replay_id)
    if replays.say_yes(row.id, clock.utc_now()):
        flash(gettext("Ordered: replay %(number)s begins. n8n is read once more first.", number=row.id), "good")
    else:
        flash(gettext("Replay %(number)s does not wait for a yes any more; nothing was done.", number=row.id), "bad")
    return redirect(url_for("replay_pages.show", replay_id=row.id))


@blueprint.post("/replays/<replay_id>/cancel")
@login_required
def cancel(replay_id: str) -> Any:
    """Begin nothing more of it."""
    row = _find(replay_id)
    if replays.ask_to_cancel(row.id, current_user.name, clock.utc_now()):
        flash(gettext("Ordered: nothing more of replay %(number)s begins.", number=row.id), "good")
    else:
        flash(gettext("Replay %(number)s is over already; nothing was done.", number=row.id), "bad")
    return redirect(url_for("replay_pages.show", replay_id=row.id))


def _find(replay_id: str) -> ReplayRow:
    try:
        return find(replay_id)
    except Problem:
        abort(404)
