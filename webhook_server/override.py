"""The override page, and the door through which the pages' buttons give their orders."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user, login_required
from pydantic import ValidationError

from recovery import clock
from recovery.model import OrderWhat
from recovery.store import maintenance, orders, suggestions, views
from recovery.store import views_system as system_views
from webhook_server.acting import list_offers
from webhook_server.answering import SNOOZE
from webhook_server.asked import OrderBody
from webhook_server.controls import list_controls
from webhook_server.links import link_execution
from webhook_server.pages import find_standing, list_asking
from webhook_server.security import is_local
from webhook_server.wording import call_order, explain_refusal

SHOWN = 50

blueprint = Blueprint("override", __name__)


@blueprint.get("/override")
@login_required
def override() -> str:
    """Every unresolved incident with its buttons, and what people ordered of late."""
    standings = [orders.find_standing(row.id) for row in views.find_unresolved(SHOWN)]
    return render_template(
        "override.html",
        cards=[(standing, list_controls(standing), list_asking(standing)) for standing in standings],
        offers=list_offers(),
        suggestions=suggestions.find_all(SHOWN),
        orders=views.find_orders(SHOWN),
        windows=maintenance.find_open_windows(clock.utc_now()),
        names=[row.name for row in system_views.find_components()],
        link=link_execution,
    )


@blueprint.post("/incidents/<incident_id>/orders")
@login_required
def order(incident_id: str) -> Any:
    """Give an order, say what became of it, and go back to where the button was."""
    number = find_standing(incident_id).incident.id
    text, tone = _give(number)
    flash(text, tone)
    back = request.form.get("next", "")
    return redirect(back if is_local(back) else url_for("pages.incident", incident_id=number))


def _give(number: int) -> tuple[str, str]:
    """Add the order; what to say of it, and in which tone."""
    try:
        body = _read_form()
        now = clock.utc_now()
        until = now + SNOOZE if body.what is OrderWhat.SNOOZE else None
        given = orders.add_order(number, body.what, current_user.name, now, body.step, body.stage, body.note, until)
    except ValidationError:
        return gettext("That order was not understood; nothing was done. Is the note too long?"), "bad"
    except orders.StaleOrder:
        return gettext("Things have moved on since you saw this page; nothing was done. Look again."), "bad"
    except orders.OrderRefused as refused:
        return gettext("Not possible now: %(why)s", why=explain_refusal(str(refused))), "bad"
    return gettext("Ordered: %(what)s. It is with the worker.", what=call_order(given)), "good"


def _read_form() -> OrderBody:
    """The order of a form. A stage binds only the order to skip it, a step only a decision."""
    what = request.form.get("what", "")
    note = request.form.get("note", "").replace("\r\n", "\n").strip()
    given: dict[str, Any] = {"what": what, "note": note}
    if what == OrderWhat.SKIP_STAGE:
        given["stage"] = _number("stage")
    if what in (OrderWhat.APPROVE, OrderWhat.REJECT):
        given["step"] = _number("step")
    return OrderBody.model_validate(given)


def _number(name: str) -> int:
    text = request.form.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1
