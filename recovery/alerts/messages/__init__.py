"""What an alert says, in English or Korean, made once for every channel.

Texts come from templates of that language, or of the user's own folder. Everything in the facts may have come from a
payload, so it is cleaned first and escaped for each channel; the only links are ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from recovery.alerts.messages.clean import for_slack, one_line, plain_facts
from recovery.alerts.messages.html import Button, as_html
from recovery.alerts.messages.short import fit
from recovery.alerts.messages.shown import DECIDES, each_text, shown_facts
from recovery.alerts.messages.words import LANGUAGES, Words
from recovery.model import AlertKind

__all__ = ["LANGUAGES", "Button", "Message", "render"]

ABOUT_AN_INCIDENT = frozenset(
    {AlertKind.OPENED, AlertKind.WORSENED, AlertKind.NEEDS_HUMAN, AlertKind.REMINDER, AlertKind.RECOVERED}
)
TITLE_LETTERS = 200
LONGEST_ESCAPE = len("&amp;")


@dataclass(frozen=True, slots=True)
class Message:
    """One alert, ready for every channel.

    Fields:
        title: the first line: what is broken, or whole again.
        body: what follows it, without links.
        text: the whole message, title and links included.
        html: the same for a mail reader; markup of ours only.
        short: the same for SMS, within two segments.
        mrkdwn: title and body for Slack, escaped.
        link: the page that it is about; "" where there is none.
        open_words: what that link is called.
        buttons: every link with its words, what to press first in front.
        facts: what is known, cleaned, as values for machines.
        key: the same alert has the same key, however often it is sent.
        now: when it is sent; aware.
        thread: what this channel remembered of its last message on the same incident; {} without.
        faults: what was wrong with templates of the user's own, so that ours were used. The message says it too.
    """

    title: str
    body: str
    text: str
    html: str
    short: str
    mrkdwn: str
    link: str
    open_words: str
    buttons: tuple[Button, ...]
    facts: dict[str, Any]
    key: str
    now: datetime
    thread: dict[str, Any] = field(default_factory=dict)
    faults: tuple[str, ...] = ()


def render(
    facts: Mapping[str, Any],
    language: str = "",
    *,
    key: str,
    now: datetime,
    thread: dict[str, Any] | None = None,
    templates: Path | None = None,
) -> Message:
    """Say the facts in a language; without one in that of the facts, and in English where it is unknown.

    Args:
        templates: a folder whose files are used in place of ours of the same name.

    Raises:
        ValueError: the facts' `kind` is no kind of alert, or `now` has no zone.
    """
    if now.tzinfo is None:
        raise ValueError("a message needs an aware time")
    spoken = _known((language or str(facts.get("language") or "")).lower())
    words, key = Words(spoken, templates), one_line(key, 200)
    shown = shown_facts(facts, spoken) | {"key": key}
    return Message(
        **_parts(words, spoken, shown), facts=plain_facts(facts), key=key, now=now, thread=dict(thread or {})
    )


def _parts(words: Words, language: str, shown: dict[str, Any]) -> dict[str, Any]:
    """Everything of a message that is words."""
    title, body = _said(words, shown)
    mrkdwn = "\n\n".join(_said(words, each_text(shown, for_slack), TITLE_LETTERS * LONGEST_ESCAPE))
    details = words.text("short", shown["kind"], shown, lambda text: True).splitlines()
    buttons = _buttons(words, shown)
    html = as_html(words, language, shown, title, body, buttons)
    if note := words.note():
        body, mrkdwn = f"{body}\n\n{note}", f"{mrkdwn}\n\n{for_slack(note)}"
    links = "\n".join(f"{button.words}: {button.link}" for button in buttons)
    return {
        "title": title,
        "body": body,
        "text": f"{title}\n\n{body}\n" + (f"\n{links}\n" if links else ""),
        "html": html,
        "short": _short(shown, title, details, buttons),
        "mrkdwn": mrkdwn,
        "link": shown["link"],
        "open_words": _open_words(words, shown),
        "buttons": buttons,
        "faults": tuple(dict.fromkeys(words.faults)),
    }


def _known(language: str) -> str:
    return language[:2] if language[:2] in LANGUAGES else LANGUAGES[0]


def _said(words: Words, shown: dict[str, Any], letters: int = TITLE_LETTERS) -> tuple[str, str]:
    """Title and body; those of a test say that they are one."""
    title = words.text("title", shown["kind"], shown, lambda text: bool(text) and "\n" not in text)
    body = _without_gaps(words.text("body", shown["kind"], shown))
    if shown["test"] and shown["kind"] != AlertKind.TEST:
        title, body = f"{words.term('test_mark')} {title}", f"{words.term('test_words')}\n\n{body}"
    return one_line(title, letters), body


def _without_gaps(body: str) -> str:
    """The text with one empty line at most between two others, whatever was left out between them."""
    lines = [line.strip() for line in body.splitlines()]
    return "\n".join(line for place, line in enumerate(lines) if line or lines[place - 1])


def _buttons(words: Words, shown: dict[str, Any]) -> tuple[Button, ...]:
    """What asks for a yes comes first, then what tells the others that somebody is on it, then what shows more."""
    see = [Button(_open_words(words, shown), shown["link"])] if shown["link"] else []
    calling = [Button(words.call("open_one", name), link) for name, link in shown["calling"]]
    wanted = shown["ack_link"] and shown["kind"] != AlertKind.RECOVERED
    take = [Button(words.term("ack_words"), shown["ack_link"])] if wanted else []
    return tuple(see + take if DECIDES in shown["link"] else take + calling + see)


def _short(shown: dict[str, Any], title: str, details: list[str], buttons: tuple[Button, ...]) -> str:
    """The SMS. Where a yes is asked for, no link is as good as the one to it; where that is too long, the page of the
    incident asks for it too."""
    links = [button.link for button in buttons]
    base, decides, _ = shown["link"].partition(DECIDES)
    if not decides:
        return fit(title, details, *links)
    text = fit(title, details, links[0])
    page = f"{base}/incidents/{shown['incident_id'] or ''}"
    return text if links[0] in text else fit(title, details, page)


def _open_words(words: Words, shown: dict[str, Any]) -> str:
    if DECIDES in shown["link"]:
        return words.term("decide_words")
    return words.term("open_words" if shown["kind"] in ABOUT_AN_INCIDENT else "page_words")
