"""What an alert says, in English or Korean, made once for every channel.

Texts come from `<language>/alert.j2`. Everything in the facts may have come from a payload, so it is cleaned first
and escaped for each channel; the only link is ours.
"""

from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from recovery.alerts.messages.clean import for_slack, moment, one_line, own_link, plain_facts, readable, whole
from recovery.alerts.messages.phrases import said_in
from recovery.alerts.messages.short import fit
from recovery.model import AlertKind

__all__ = ["LANGUAGES", "Message", "render"]

LANGUAGES = ("en", "ko")
LINE_LIMITS = {"component": 100, "failure_type": 60, "severity": 20, "message": 500, "site": 60} | {
    "because": 500,
    "advice": 500,
}


@dataclass(frozen=True, slots=True)
class Message:
    """One alert, ready for every channel.

    Fields:
        title: the first line: what is broken, or whole again.
        text: the whole message, title and link included.
        html: the same for a mail reader; markup of ours only.
        short: the same for SMS, within two segments.
        mrkdwn: the same for Slack, escaped.
        link: the page of the incident; "" where there is none.
        open_words: what that link is called.
        facts: what is known, cleaned, as values for machines.
        key: the same alert has the same key, however often it is sent.
        now: when it is sent; aware.
        thread: what this channel remembered of its last message on the same incident; {} without.
    """

    title: str
    text: str
    html: str
    short: str
    mrkdwn: str
    link: str
    open_words: str
    facts: dict[str, Any]
    key: str
    now: datetime
    thread: dict[str, Any] = field(default_factory=dict)


def render(
    facts: dict[str, Any], language: str = "", *, key: str, now: datetime, thread: dict[str, Any] | None = None
) -> Message:
    """Say the facts in a language; without one in that of the facts, and in English where it is unknown.

    Raises:
        ValueError: the facts' `kind` is no kind of alert, or `now` has no zone.
    """
    if now.tzinfo is None:
        raise ValueError("a message needs an aware time")
    spoken = _known((language or str(facts.get("language") or "")).lower())
    words: Any = _environment().get_template(f"{spoken}/alert.j2").module
    lines = _lines(facts)
    lines |= {name: said_in(spoken, lines[name]) for name in ("because", "advice")}
    title, body = words.title(lines), words.body(lines).strip()
    link, slack = lines["link"], {name: _escaped(value) for name, value in lines.items()}
    tail = f"\n{words.open_words}: {link}\n" if link else ""
    return Message(
        title=title,
        text=f"{title}\n\n{body}\n{tail}",
        html=_environment().get_template("alert.html").render(title=title, body=body, link=link, words=words),
        short=fit(title, words.short(lines).splitlines(), link),
        mrkdwn=f"{words.title(slack)}\n\n{words.body(slack).strip()}",
        link=link,
        open_words=str(words.open_words),
        facts=plain_facts(facts),
        key=one_line(key, 200),
        now=now,
        thread=thread or {},
    )


@lru_cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _known(language: str) -> str:
    return language[:2] if language[:2] in LANGUAGES else LANGUAGES[0]


def _lines(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts as they are shown, each one line; what is missing is empty."""
    shown: dict[str, Any] = {name: one_line(facts.get(name), limit) for name, limit in LINE_LIMITS.items()}
    opened, resolved = moment(facts.get("opened_at")), moment(facts.get("resolved_at"))
    return shown | {
        "kind": AlertKind(str(facts.get("kind"))).value,
        "component": shown["component"] or "?",
        "message": shown["message"] or "-",
        "opened_at": readable(facts.get("opened_at")) or "?",
        "resolved_at": readable(facts.get("resolved_at")),
        "took_seconds": int((resolved - opened).total_seconds()) if opened and resolved else -1,
        "attempts": whole(facts.get("attempts")),
        "executions": whole(facts.get("executions")),
        "asks": whole(facts.get("asks")),
        "dry_run": facts.get("dry_run") is True,
        "link": own_link(facts.get("link")),
    }


def _escaped(value: Any) -> Any:
    return for_slack(value) if isinstance(value, str) else value
