"""The page behind the signed link of a call for a person: three answers. To open it does nothing."""

from datetime import timedelta
from typing import Any

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask_babel import gettext

from recovery import clock
from recovery.model import IncidentState, OrderWhat
from recovery.model.links import Answer, read_answer
from recovery.store import orders
from webhook_server.pages import find_standing
from webhook_server.secrets import plain
from webhook_server.wording import explain_refusal

WHO = "the link of a message"
LONGEST = 500
ANSWERS = (OrderWhat.ACKNOWLEDGE, OrderWhat.SNOOZE, OrderWhat.ESCALATE)
SNOOZE = timedelta(hours=1)

blueprint = Blueprint("answering", __name__)


@blueprint.get("/answer/<token>")
def page(token: str) -> Any:
    """What needs a person, and whether it still does."""
    answer = _read(token)
    if answer is None:
        return _over()
    standing = find_standing(str(answer.incident_id))
    shown = render_template("answer.html", standing=standing, open=_is_open(standing, answer))
    return shown, 200, {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}


@blueprint.post("/answer/<token>")
def reply(token: str) -> Any:
    """Give the order: once, for the call that the link was made for."""
    answer, what = _read(token), request.form.get("what", "")
    if answer is None or what not in ANSWERS:
        return _over()
    standing, now = find_standing(str(answer.incident_id)), clock.utc_now()
    if not _is_open(standing, answer):
        flash(gettext("Things have moved on since you saw this page; nothing was done. Look again."), "bad")
        return redirect(url_for("answering.page", token=token))
    try:
        until = now + SNOOZE if what == OrderWhat.SNOOZE else None
        orders.add_order(standing.incident.id, OrderWhat(what), WHO, now, until=until)
        flash(gettext("It is with the worker."), "good")
    except orders.OrderRefused as refused:
        flash(gettext("Not possible now: %(why)s", why=explain_refusal(str(refused))), "bad")
    return redirect(url_for("answering.page", token=token))


def _read(token: str) -> Answer | None:
    key = plain(current_app.config["MEDIC"].session_key)
    return read_answer(key, token, clock.utc_now()) if len(token) <= LONGEST else None


def _is_open(standing: orders.Standing, answer: Answer) -> bool:
    """Whether it is still that very call, and nobody has answered it, with this link or otherwise."""
    incident = standing.incident
    same = (incident.episode, incident.asked) == (answer.episode, answer.call)
    return same and incident.state == IncidentState.NEEDS_HUMAN and not orders.was_answered(incident)


def _over() -> Any:
    text = gettext("This link is not valid, or its time is over. Log in to see how things stand.")
    return render_template("error.html", title=gettext("Nothing to answer here"), text=text), 404
