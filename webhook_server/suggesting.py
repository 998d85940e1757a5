"""Suggestions on the pages: what would change, and the buttons that take one, or take it back."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from flask_babel import gettext, ngettext
from flask_login import current_user, login_required

from recovery import clock
from recovery.store import suggestions
from webhook_server.asked import read_id
from webhook_server.problems import Problem
from webhook_server.wording import write_span

blueprint = Blueprint("suggesting", __name__)


def call_way(way: dict[str, Any]) -> str:
    """An action and when it is tried."""
    if not way["after_seconds"]:
        return str(way["action"])
    return gettext("%(action)s after %(span)s", action=way["action"], span=_write_delay(way["after_seconds"]))


def call_record(way: dict[str, Any]) -> str:
    """How often it helped."""
    return gettext("%(successes)s of %(tries)s", successes=way["successes"], tries=way["tries"])


def _write_delay(seconds: float) -> str:
    return gettext("%(minutes)s min", minutes=int(seconds // 60)) if seconds % 60 == 0 else write_span(seconds)


def call_stage(stage: dict[str, Any], is_first: bool) -> str:
    """A stage of a playbook in words."""
    later = gettext("%(span)s later", span=_write_delay(stage["after_seconds"]))
    at_once = gettext("at once") if is_first else gettext("right after that")
    begin = later if stage["after_seconds"] else at_once
    joined = gettext(" or ") if stage["one_of"] else gettext(", then ")
    actions = joined.join(stage["actions"]) or gettext("only a look and a retry")
    tries = ngettext("%(num)s attempt", "%(num)s attempts", stage["attempts"])
    return f"{begin}: {actions} ({tries})"


@blueprint.app_context_processor
def words() -> dict[str, Any]:
    """What the templates call ways and stages by."""
    return {"call_way": call_way, "call_record": call_record, "call_stage": call_stage}


@blueprint.get("/suggestions/<suggestion_id>")
@login_required
def page(suggestion_id: str) -> str:
    """What would change, before it does."""
    row = suggestions.find(_number(suggestion_id))
    if row is None:
        abort(404)
    return render_template("suggestion.html", row=row, changed=_changed(row))


def _changed(row: Any) -> list[dict[str, Any] | None]:
    """The stage that comes earlier with it, as it was and as it is."""
    pairs = zip(row.before, row.after, strict=False)
    was, becomes = next(((was, becomes) for was, becomes in pairs if was != becomes), (None, None))
    return [becomes if becomes in row.before else was, becomes]


@blueprint.post("/suggestions/<suggestion_id>/take")
@login_required
def take(suggestion_id: str) -> Any:
    """New recoveries go by it from now on."""
    done = gettext("Taken: recoveries that begin from now on go by it. You can take it back at any time.")
    return _change(suggestions.take, suggestion_id, done)


@blueprint.post("/suggestions/<suggestion_id>/back")
@login_required
def back(suggestion_id: str) -> Any:
    """New recoveries go by the configuration again."""
    done = gettext("Taken back: recoveries that begin from now on go by the configuration.")
    return _change(suggestions.take_back, suggestion_id, done)


def _change(change: Callable[..., bool], suggestion_id: str, done: str) -> Any:
    if change(_number(suggestion_id), current_user.name, clock.utc_now()):
        flash(done, "good")
    else:
        flash(gettext("Things have moved on since you saw this page; nothing was done. Look again."), "bad")
    return redirect(url_for("override.override", _anchor="suggestions"))


def _number(text: str) -> int:
    try:
        return read_id(text)
    except Problem:
        abort(404)
