"""What people would be told: every kind of message as text, as a mail and as an SMS."""

from typing import Any

from flask import Blueprint, Response, abort, current_app, make_response, render_template, request
from flask_login import login_required

from recovery import clock
from recovery.alerts.messages import LANGUAGES, Message, render
from recovery.alerts.messages.checking import template_problems
from recovery.alerts.messages.samples import sample_facts
from recovery.alerts.messages.short import measure
from recovery.model import AlertKind
from webhook_server.language import choose_language
from webhook_server.security import CONTENT_POLICY

WITH_FRAME = f"{CONTENT_POLICY}; frame-src 'self'"
MAIL_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'self'; base-uri 'none'"

blueprint = Blueprint("previewing", __name__)


@blueprint.get("/alerts/preview")
@login_required
def preview() -> Response:
    """The page: one kind of message in one language, over every kind of channel."""
    kind, spoken = _asked()
    message = _message(kind, spoken)
    page = render_template(
        "preview.html",
        kinds=list(AlertKind),
        kind=kind,
        languages=LANGUAGES,
        spoken=spoken,
        message=message,
        faults=_faults(),
        sms=measure(message.short),
    )
    answer = make_response(page)
    answer.headers["Content-Security-Policy"] = WITH_FRAME
    return answer


@blueprint.get("/alerts/preview/mail")
@login_required
def mail() -> Response:
    """The mail alone, for a frame that lets it do nothing."""
    answer = make_response(_message(*_asked()).html)
    answer.headers["Content-Security-Policy"] = MAIL_POLICY
    answer.headers["X-Frame-Options"] = "SAMEORIGIN"
    return answer


def _asked() -> tuple[str, str]:
    kind = request.args.get("kind", AlertKind.NEEDS_HUMAN.value)
    spoken = request.args.get("language") or choose_language()
    if kind not in list(AlertKind) or spoken not in LANGUAGES:
        abort(404)
    return kind, spoken


def _faults() -> list[str]:
    """What is wrong with the user's own templates, of whatever kind of message."""
    folder = current_app.config["MEDIC"].alerts.templates
    return template_problems(folder) if folder else []


def _message(kind: str, spoken: str) -> Message:
    config: Any = current_app.config["MEDIC"]
    now = clock.utc_now()
    facts = sample_facts(kind, now, spoken, config.public_url) | {"timezone": config.alerts.timezone}
    return render(facts, spoken, key="preview", now=now, templates=config.alerts.templates)
