"""The page behind the signed link of a message: what is to be decided, and two buttons. To open it does nothing."""

from typing import Any

from flask import Blueprint, redirect, request, url_for
from flask_babel import gettext

from recovery import clock
from recovery.model import OrderWhat
from recovery.model.links import Decision, read_decision
from recovery.store import orders, views
from webhook_server import signed
from webhook_server.pages import find_standing

SHOWN = 50

blueprint = Blueprint("deciding", __name__)


@blueprint.get("/decide/<token>")
def page(token: str) -> Any:
    """What waits for a yes, and whether it still does."""
    decision = signed.read(token, read_decision)
    if decision is None:
        return _over()
    standing = find_standing(str(decision.incident_id))
    step = _waiting_step(standing, decision)
    return signed.show("decide.html", standing=standing, step=step, decision=decision, token=token)


@blueprint.post("/decide/<token>")
def decide(token: str) -> Any:
    """Give the order, once: the step that the link names waits only once."""
    decision, what = signed.read(token, read_decision), request.form.get("what", "")
    if decision is None or what not in (OrderWhat.APPROVE, OrderWhat.REJECT):
        return _over()
    signed.give(lambda: _order(decision, OrderWhat(what)))
    return redirect(url_for("deciding.page", token=token))


def _order(decision: Decision, what: OrderWhat) -> None:
    standing = find_standing(str(decision.incident_id))
    if _waiting_step(standing, decision) is None:
        raise orders.StaleOrder("it waits no more", standing.awaiting)
    orders.add_order(standing.incident.id, what, signed.WHO, clock.utc_now(), decision.step)


def _waiting_step(standing: orders.Standing, decision: Decision) -> Any:
    """The very step that the link is for, where it still waits."""
    recovery = standing.recovery
    if recovery is None or recovery.id != decision.recovery_id or standing.awaiting != decision.step:
        return None
    mine = views.find_steps(standing.incident.id, SHOWN)
    return next((one for one in mine if (one.recovery_id, one.number) == (recovery.id, decision.step)), None)


def _over() -> Any:
    return signed.over(gettext("Nothing to decide here"))
