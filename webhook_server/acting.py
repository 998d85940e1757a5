"""Actions that people have run by hand: the forms of the override page, and their part of the API."""

from typing import Any, NamedTuple

from flask import Blueprint, current_app, flash, redirect, request, url_for
from flask_babel import gettext
from flask_login import current_user, login_required

from recovery import clock
from recovery.config.by_hand import NotRunnable, choices_of, plan_by_hand, words_or_name
from recovery.model import About, Policy
from recovery.store import orders, steps
from webhook_server import schemas
from webhook_server.asked import ActionBody
from webhook_server.health import worker_trouble
from webhook_server.problems import Problem

LONGEST_NAME, LONGEST_NOTE = 200, 500

blueprint = Blueprint("acting", __name__)


class Offer(NamedTuple):
    """An action that may be run on a component: how it is called, and what it would do."""

    name: str
    words: str


def policy() -> Policy:
    """What the configuration plans, worked out once for each app."""
    kept = current_app.extensions
    if "medic_policy" not in kept:
        kept["medic_policy"] = current_app.config["MEDIC"].policy()
    found: Policy = kept["medic_policy"]
    return found


def list_offers() -> dict[str, list[Offer]]:
    """What may be run on each component for which an action is configured, worked out once for each app."""
    kept = current_app.extensions
    if "medic_offers" not in kept:
        listed = {name: _offers_of(name) for name in policy().components}
        kept["medic_offers"] = {name: offers for name, offers in listed.items() if offers}
    found: dict[str, list[Offer]] = kept["medic_offers"]
    return found


def _offers_of(component: str) -> list[Offer]:
    about = About(component, clock.utc_now())
    return [Offer(name, words_or_name(one, about)) for name, one in choices_of(policy(), component).items()]


@blueprint.post("/actions")
@login_required
def run() -> Any:
    """Order an action as it is configured, or only to be told what it would do; then back to the page."""
    component, action, note = (_text(name) for name in ("component", "action", "note"))
    offered = [one.name for one in list_offers().get(component, [])]
    if action not in offered or len(note) > LONGEST_NOTE:
        text, tone = gettext("That order was not understood; nothing was done. Is the note too long?"), "bad"
    elif worker_trouble():
        text, tone = gettext("Nothing was done: only a worker runs actions, and none lives now."), "bad"
    else:
        asked = orders.ByHand(component, action, plan_by_hand(policy(), component, action).args, dry=_is_dry())
        orders.add_order_by_hand(asked, current_user.name, clock.utc_now(), note)
        text, tone = gettext("It is with the worker. What becomes of it stands below, under Recent orders."), "good"
    flash(text, tone)
    return redirect(url_for("override.override"))


def _text(name: str) -> str:
    return request.form.get(name, "").replace("\0", "").replace("\r\n", "\n").strip()


def _is_dry() -> bool:
    return "tell" in request.form


def add(component: str, body: ActionBody) -> schemas.Order:
    """What the API was asked for.

    Raises:
        Problem: 404 where there is no such component, 400 where there is no such action or its arguments are wrong,
            409 where no worker lives.
    """
    if component not in policy().components:
        raise Problem(404, "Not found", f"no component named {component[:LONGEST_NAME]!r} is configured")
    try:
        planned = plan_by_hand(policy(), component, body.action, body.args)
        if trouble := worker_trouble():
            raise Problem(409, "Order refused", f"only a worker runs actions, and none lives: {trouble}")
        asked = orders.ByHand(component, body.action, planned.args, body.args, body.dry_run)
        order = orders.add_order_by_hand(asked, "api", clock.utc_now(), body.note)
    except (NotRunnable, orders.OrderRefused) as wrong:
        raise Problem(400, "Bad request", str(wrong)[:2000]) from None
    return schemas.Order.model_validate(order)


def find(order_id: int) -> schemas.OrderDetail:
    """An order with the steps that are run for it.

    Raises:
        Problem: 404 where there is none.
    """
    order = orders.find_order(order_id)
    if order is None:
        raise Problem(404, "Not found", f"there is no order {order_id}")
    run = [schemas.Step.model_validate(row) for row in steps.find_steps_by_hand(order_id)]
    return schemas.OrderDetail(**schemas.Order.model_validate(order).model_dump(), steps=run)
