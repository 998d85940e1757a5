"""What the pages behind the signed links of messages share. To open one does nothing; an order is given once."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from flask import current_app, flash, render_template
from flask_babel import gettext

from recovery import clock
from recovery.store import orders
from webhook_server.secrets import plain
from webhook_server.wording import explain_refusal

WHO = "the link of a message"
LONGEST = 500

Named = TypeVar("Named")


def read(token: str, reader: Callable[[str, str, datetime], Named | None]) -> Named | None:
    """What a link names; None where it is not one of ours, or its time is over."""
    key = plain(current_app.config["MEDIC"].session_key)
    return reader(key, token, clock.utc_now()) if len(token) <= LONGEST else None


def show(template: str, **facts: Any) -> Any:
    """A page that nobody keeps: its address is the key to it."""
    return render_template(template, **facts), 200, {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}


def give(order: Callable[[], object]) -> None:
    """Give an order, and say what came of it."""
    try:
        order()
        flash(gettext("It is with the worker."), "good")
    except orders.StaleOrder:
        flash(gettext("Things have moved on since you saw this page; nothing was done. Look again."), "bad")
    except orders.OrderRefused as refused:
        flash(gettext("Not possible now: %(why)s", why=explain_refusal(str(refused))), "bad")


def over(title: str) -> Any:
    """Where a link leads that is none, or no more."""
    text = gettext("This link is not valid, or its time is over. Log in to see how things stand.")
    return render_template("error.html", title=title, text=text), 404
