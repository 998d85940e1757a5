"""How states, kinds and times are called on the pages, in the language of the request."""

from datetime import datetime
from typing import Any

from flask import Flask, current_app
from flask_babel import format_timedelta, get_locale, gettext

from recovery import clock
from recovery.alerts.messages.clean import readable
from recovery.alerts.messages.phrases import said_in
from recovery.model import hidden_in
from webhook_server.labels import EXPLANATIONS, LABELS, REFUSALS, TONES


def label(kind: str, value: Any) -> str:
    """What a state or kind is called; the word itself where it has no name of its own."""
    return str(LABELS.get(kind, {}).get(str(value), str(value).replace("_", " ")))


def call_order(order: Any) -> str:
    """What was ordered: a decision about an action, and an action by hand, name it."""
    if not order.action:
        return label("order", order.what)
    texts = {
        "approve": gettext("Yes to %(action)s", action=order.action),
        "reject": gettext("No to %(action)s", action=order.action),
        "run_action": gettext(
            "Run %(action)s on %(component)s by hand", action=order.action, component=order.component
        ),
    }
    if order.dry:
        return gettext("Tell what %(action)s would do on %(component)s", action=order.action, component=order.component)
    return texts.get(order.what, label("order", order.what))


def tone(value: Any) -> str:
    """The colour of a state: good, busy, warn, bad or plain."""
    return TONES.get(str(value), "plain")


def explain_refusal(why: str) -> str:
    """Why an order cannot be given now, in the language of the page."""
    return str(REFUSALS.get(why, why))


def say(reason: str | None) -> str:
    """A reason in the language of the page, as far as that language has words for it."""
    return said_in(get_locale().language, reason or "")


def write_moment(moment: datetime) -> str:
    """A time in full, by the clock that messages go by."""
    return readable(moment, current_app.config["MEDIC"].alerts.timezone)


def write_ago(moment: datetime) -> str:
    """How long ago a time is, or how far ahead, rounded."""
    return format_timedelta(moment - clock.utc_now(), add_direction=True, threshold=1.2)


def write_span(seconds: float) -> str:
    """A length of time by its two largest units: "1 min 5 s". The countdown's script writes the same."""
    whole = max(0, round(seconds))
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return gettext("%(hours)s h %(minutes)s min", hours=hours, minutes=minutes)
    if minutes:
        return gettext("%(minutes)s min %(seconds)s s", minutes=minutes, seconds=rest)
    return gettext("%(seconds)s s", seconds=rest)


def write_countdown(moment: datetime) -> str:
    """How long until a time; what has come is due now."""
    seconds = (moment - clock.utc_now()).total_seconds()
    return gettext("in %(span)s", span=write_span(seconds)) if seconds > 0 else gettext("any moment now")


def show(value: Any) -> Any:
    """What a template is about to show, without signs that hide or turn round what follows, as texts of others have."""
    if type(value) is not str or value.isprintable():
        return value
    return "".join(sign for sign in value if sign in "\n\t" or not hidden_in(sign))


def teach(app: Flask) -> None:
    """Give the templates these words."""
    app.jinja_env.finalize = show
    app.jinja_env.filters.update(
        said=say, moment=write_moment, ago=write_ago, countdown=write_countdown, span=write_span, tone=tone
    )
    app.jinja_env.globals.update(
        label=label, call_order=call_order, explanations=EXPLANATIONS, explain_refusal=explain_refusal
    )
