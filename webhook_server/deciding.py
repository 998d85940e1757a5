"""The page behind the signed link of a message: what is to be decided, and two buttons. To open it does nothing."""

from typing import Any

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask_babel import gettext

from recovery import clock
from recovery.model import OrderWhat
from recovery.model.links import Decision, read_decision
from recovery.store import orders, views
from webhook_server.pages import find_standing
from webhook_server.secrets import plain
from webhook_server.wording import explain_refusal

WHO = "the link of a message"
LONGEST, SHOWN = 500, 50

blueprint = Blueprint("deciding", __name__)


@blueprint.get("/decide/<token>")
def page(token: str) -> Any:
    """What waits for a yes, and whether it still does."""
    decision = _read(token)
    if decision is None:
        return _over()
    standing = find_standing(str(decision.incident_id))
    step = _waiting_step(standing, decision)
    shown = render_template("decide.html", standing=standing, step=step, decision=decision, token=token)
    return shown, 200, {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}


@blueprint.post("/decide/<token>")
def decide(token: str) -> Any:
    """Give the order, once: the step that the link names waits only once."""
    decision, what = _read(token), request.form.get("what", "")
    if decision is None or what not in (OrderWhat.APPROVE, OrderWhat.REJECT):
        return _over()
    standing = find_standing(str(decision.incident_id))
    try:
        if _waiting_step(standing, decision) is None:
            raise orders.StaleOrder("it waits no more", standing.awaiting)
        orders.add_order(standing.incident.id, OrderWhat(what), WHO, clock.utc_now(), decision.step)
        flash(gettext("It is with the worker."), "good")
    except orders.StaleOrder:
        flash(gettext("Things have moved on since you saw this page; nothing was done. Look again."), "bad")
    except orders.OrderRefused as refused:
        flash(gettext("Not possible now: %(why)s", why=explain_refusal(str(refused))), "bad")
    return redirect(url_for("deciding.page", token=token))


def _read(token: str) -> Decision | None:
    key = plain(current_app.config["MEDIC"].session_key)
    return read_decision(key, token, clock.utc_now()) if len(token) <= LONGEST else None


def _waiting_step(standing: orders.Standing, decision: Decision) -> Any:
    """The very step that the link is for, where it still waits."""
    recovery = standing.recovery
    if recovery is None or recovery.id != decision.recovery_id or standing.awaiting != decision.step:
        return None
    mine = views.find_steps(standing.incident.id, SHOWN)
    return next((one for one in mine if (one.recovery_id, one.number) == (recovery.id, decision.step)), None)


def _over() -> Any:
    text = gettext("This link is not valid, or its time is over. Log in to see how things stand.")
    return render_template("error.html", title=gettext("Nothing to decide here"), text=text), 404
