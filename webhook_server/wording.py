"""How states, kinds and times are called on the pages, in the language of the request."""

from datetime import datetime
from typing import Any

from flask import Flask, current_app
from flask_babel import format_timedelta, get_locale, gettext
from flask_babel import lazy_gettext as _

from recovery import clock
from recovery.alerts.messages.clean import readable
from recovery.alerts.messages.phrases import said_in
from recovery.model import hidden_in

LABELS = {
    "incident": {
        "open": _("open"),
        "recovering": _("being healed"),
        "needs_human": _("needs you"),
        "resolved": _("resolved"),
    },
    "recovery": {
        "running": _("at work"),
        "waiting": _("waiting for the next attempt"),
        "paused": _("paused by a person"),
        "held": _("held back"),
        "awaiting_approval": _("waiting for your decision"),
        "succeeded": _("succeeded"),
        "failed": _("failed"),
        "cancelled": _("cancelled"),
    },
    "step": {
        "queued": _("queued"),
        "running": _("running"),
        "succeeded": _("succeeded"),
        "failed": _("failed"),
        "skipped": _("skipped"),
        "unknown": _("unknown whether it happened"),
    },
    "execution": {
        "waiting": _("waiting for a replay"),
        "retrying": _("being retried"),
        "recovered": _("recovered"),
        "failed": _("failed"),
        "left_alone": _("left alone"),
    },
    "alert": {
        "held": _("waits for its hour"),
        "held_back": _("waits for room"),
        "folded": _("told with others, or not needed"),
        "queued": _("queued"),
        "sending": _("being sent"),
        "delivered": _("delivered"),
        "failed": _("failed"),
    },
    "alert_kind": {
        "opened": _("failure noticed"),
        "worsened": _("getting worse"),
        "needs_human": _("needs you"),
        "reminder": _("still failing"),
        "recovered": _("recovered"),
        "storm": _("many failures at once"),
        "held_back": _("messages held back"),
        "digest": _("summary"),
        "report": _("report"),
        "channel_trouble": _("alerts do not arrive"),
        "test": _("test"),
    },
    "health": {
        "healthy": _("healthy"),
        "unhealthy": _("failing"),
        "failing": _("failing"),
        "flapping": _("flapping"),
        "unknown": _("not known yet"),
    },
    "site": {
        "ok": _("answers"),
        "unreachable": _("does not answer"),
        "unauthorized": _("refuses the API key"),
        "forbidden": _("the API key may not do what is needed"),
        "too_old": _("too old to retry executions"),
        "unknown": _("not looked at yet"),
    },
    "severity": {
        "critical": _("critical"),
        "high": _("high"),
        "medium": _("medium"),
        "low": _("low"),
    },
    "failure_type": {
        "api_timeout": _("API timeout"),
        "api_error": _("API error"),
        "database_connection": _("database connection"),
        "server_unresponsive": _("server unresponsive"),
        "workflow_failed": _("workflow failed"),
        "high_error_rate": _("high error rate"),
        "resource_exhausted": _("resource exhausted"),
        "workflow_crashed": _("workflow crashed"),
        "workflow_stuck": _("workflow stuck"),
        "schedule_missed": _("schedule missed"),
        "webhook_unregistered": _("webhook not registered"),
        "credential_expired": _("credential expired"),
        "queue_stalled": _("queue stalled"),
        "n8n_unready": _("n8n not ready"),
    },
    "kind": {"action": _("action"), "check": _("check")},
    "subject": {
        "incident": _("incident"),
        "recovery": _("recovery"),
        "step": _("step"),
        "execution": _("execution"),
        "alert": _("alert"),
        "order": _("order"),
        "component": _("component"),
        "n8n": "n8n",
        "audit": _("audit"),
        "replay": _("replay"),
    },
    "order": {
        "retry_now": _("Retry now"),
        "pause": _("Pause"),
        "resume": _("Resume"),
        "skip_stage": _("Skip this stage"),
        "cancel": _("Cancel the recovery"),
        "resolve": _("Mark as resolved"),
        "acknowledge": _("Acknowledge"),
        "snooze": _("Snooze for an hour"),
        "escalate": _("Call a person"),
        "approve": _("Run again"),
        "reject": _("Leave alone"),
        "run_action": _("Run by hand"),
    },
    "audit_severity": {"bad": _("bad"), "warn": _("worth a look"), "info": _("to know")},
    "audit_fix": {
        "error_workflow": _("`medic audit --fix` gives it the error workflow"),
        "republish": _("`medic audit --fix` publishes its live version again"),
    },
    "audit_rule": {
        "unwired": _("no error workflow"),
        "error_workflow_gone": _("its error workflow is gone"),
        "error_workflow_unpublished": _("its error workflow is not published"),
        "error_workflow_without_trigger": _("its error workflow has no Error Trigger"),
        "error_workflow_forbidden": _("its error workflow may not be called by it"),
        "error_workflow_fails": _("this error workflow fails itself"),
        "error_workflow_elsewhere": _("this error workflow does not tell n8n-medic"),
        "not_reached": _("n8n cannot be asked"),
        "key_ends": _("the API key ends"),
        "failures_not_saved": _("failed executions are not saved"),
        "webhook_dead": _("a webhook is not registered"),
        "schedule_stopped": _("its schedule has stopped"),
        "credential_broken": _("a credential does not work"),
        "prunes_early": _("n8n deletes executions too early"),
        "may_repeat": _("no tag says whether it may be retried"),
        "no_timeout": _("no time limit"),
        "not_looked_at": _("could not be looked at"),
    },
    "outcome": {"done": _("done"), "refused": _("refused")},
    "replay": {"reading": _("being counted"), "asking": _("waits for a yes"), "running": _("under way"),
               "done": _("done"), "stopped": _("stopped"), "cancelled": _("cancelled")},
    "lot": {
        "replay": _("to run again"), "succeeded": _("succeeded since"), "running": _("running now"),
        "ambiguous": _("may repeat an effect"), "tagged": _("tagged no-retry"), "too_old": _("data gone"),
        "incident": _("left to an open incident"), "left_alone": _("left alone"), "over_limit": _("over the limit")},
}  # fmt: skip

EXPLANATIONS = {
    "retry_now": _("Does not wait for the next attempt: tries at once."),
    "pause": _("Nothing more is tried until you resume. What is running now still ends."),
    "resume": _("Carries on where it was paused."),
    "skip_stage": _("Gives up the present stage and goes on to the next one."),
    "cancel": _("Ends the automatic recovery. The incident stays open and waits for you."),
    "resolve": _("You have mended it. If its check still fails, it stays quiet until it was healthy once."),
    "acknowledge": _("You look after it: nobody is reminded of it or called for it any more."),
    "snooze": _("Nobody is told of it for an hour. If it still needs a person then, people are told again."),
    "escalate": _("A person is called now; where one was already, whoever comes next."),
    "approve": _("You have looked, and running them again does no harm."),
    "reject": _("They are not run again, and stay as they are."),
}

REFUSALS = {
    "no recovery is under way": _("No recovery is under way."),
    "the recovery is not paused": _("The recovery is not paused."),
    "the recovery is paused already": _("The recovery is paused already."),
    "the recovery is held back already": _("The recovery is held back already."),
    "the recovery waits for a decision": _("The recovery waits for a decision."),
    "it is the last stage": _("It is the last stage."),
    "the incident is resolved; only acknowledge makes sense": _("The incident is resolved."),
    "nothing waits for a decision": _("Nothing waits for a decision."),
}

TONES = {
    "needs_human": "bad",
    "bad": "bad",
    "warn": "warn",
    "failed": "bad",
    "refused": "bad",
    "unhealthy": "bad",
    "failing": "bad",
    "flapping": "bad",
    "unreachable": "bad",
    "unauthorized": "bad",
    "forbidden": "bad",
    "too_old": "bad",
    "critical": "bad",
    "open": "warn",
    "high": "warn",
    "unknown": "warn",
    "asking": "warn",
    "stopped": "bad",
    "reading": "busy",
    "awaiting_approval": "bad",
    "paused": "warn",
    "held": "warn",
    "held_back": "warn",
    "left_alone": "warn",
    "recovering": "busy",
    "running": "busy",
    "retrying": "busy",
    "sending": "busy",
    "waiting": "busy",
    "resolved": "good",
    "recovered": "good",
    "succeeded": "good",
    "delivered": "good",
    "healthy": "good",
    "ok": "good",
    "done": "good",
}


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
