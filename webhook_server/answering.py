"""The page behind the signed link of a call for a person: three answers. To open it does nothing."""

from datetime import timedelta
from typing import Any

from flask import Blueprint, redirect, request, url_for
from flask_babel import gettext

from recovery import clock
from recovery.model import IncidentState, OrderWhat
from recovery.model.links import Answer, read_answer
from recovery.store import orders
from webhook_server import signed
from webhook_server.pages import find_standing

ANSWERS = (OrderWhat.ACKNOWLEDGE, OrderWhat.SNOOZE, OrderWhat.ESCALATE)
SNOOZE = timedelta(hours=1)

blueprint = Blueprint("answering", __name__)


@blueprint.get("/answer/<token>")
def page(token: str) -> Any:
    """What needs a person, and whether it still does."""
    answer = signed.read(token, read_answer)
    if answer is None:
        return _over()
    standing = find_standing(str(answer.incident_id))
    return signed.show("answer.html", standing=standing, open=_is_open(standing, answer))


@blueprint.post("/answer/<token>")
def reply(token: str) -> Any:
    """Give the order: once, for the call that the link was made for."""
    answer, what = signed.read(token, read_answer), request.form.get("what", "")
    if answer is None or what not in ANSWERS:
        return _over()
    signed.give(lambda: _order(answer, OrderWhat(what)))
    return redirect(url_for("answering.page", token=token))


def _order(answer: Answer, what: OrderWhat) -> None:
    standing, now = find_standing(str(answer.incident_id)), clock.utc_now()
    if not _is_open(standing, answer):
        raise orders.StaleOrder("it needs no answer any more", standing.awaiting)
    until = now + SNOOZE if what == OrderWhat.SNOOZE else None
    orders.add_order(standing.incident.id, what, signed.WHO, now, until=until)


def _is_open(standing: orders.Standing, answer: Answer) -> bool:
    """Whether it is still that very call, and nobody has answered it, with this link or otherwise."""
    incident = standing.incident
    same = (incident.episode, incident.asked) == (answer.episode, answer.call)
    return same and incident.state == IncidentState.NEEDS_HUMAN and not orders.was_answered(incident)


def _over() -> Any:
    return signed.over(gettext("Nothing to answer here"))
