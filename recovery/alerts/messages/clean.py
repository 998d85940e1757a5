"""Makes what came from outside fit to be shown: nothing in it can break a line, hide, or pretend to be ours."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

# Letters that show as nothing; they are no format characters, so their category does not give them away.
_BLANKS = dict.fromkeys(map(ord, "\u115f\u1160\u3164\uffa0\u2800\u034f"))
_VARIANT = re.compile(  # shows as nothing too, but behind a sign that has a form in colour
    "(?<![\u203c-\u3299\U0001f000-\U0001faff])[\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
_LINK = re.compile(r"https?://[^\s<>\"'|\\^`{}]+")
_DOT = re.compile("[.\u3002\uff0e\uff61]")
_HOST = r"[^\s/\\?#<>\"'|`\[]*"
_HALF_HOST = r"(?:[\w-]{1,63}[.\u3002\uff0e\uff61]){1,10}[^\W\d_]{2,24}(?::\d{1,5})?"
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]{1,30}):(?=[/\\])", re.IGNORECASE)  # https:// with its slashes any way
_BEHIND = re.compile(rf"(?<=\[:\])[/\\]+{_HOST}")
_HALF = re.compile(  # www.host, host.tld/path, //host.tld/path; not the name of a file in a folder
    rf"(?<![\w.@-])(?<![^/\\]/)(?<!^/)(?:www[.\u3002\uff0e\uff61]{_HOST}|{_HALF_HOST}(?=[/?#]))", re.IGNORECASE
)
_MENTION = re.compile(r"@(?=(?:all|channel|everyone|group|here)\b)", re.IGNORECASE)


def one_line(value: Any, limit: int = 2_000) -> str:
    """The value as one visible line of at most `limit` characters; a cut one ends with an ellipsis.

    Line breaks become spaces. Control and format characters (direction overrides, zero-width ones), lone surrogates
    and blank letters go.
    """
    text = "" if value is None else str(value)[: limit * 4]
    shown = _VARIANT.sub("", "".join(map(_visible, text.translate(_BLANKS))))
    line = " ".join(shown.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _visible(letter: str) -> str:
    if letter.isspace():
        return " "
    return "" if unicodedata.category(letter) in {"Cc", "Cf", "Cs"} else letter


def defang(text: str) -> str:
    """The text with no address that a mail reader, a chat or a phone would make a link of.

    `https://a.example.com/x` becomes `https[:]//a[.]example[.]com/x`: whoever means it can still read and copy it.
    A host by itself stays as it is: it shows where it leads, and is what most messages name.
    """
    broken = _BEHIND.sub(_dotless, _SCHEME.sub(r"\1[:]", text))
    return _HALF.sub(_dotless, broken)


def _dotless(host: re.Match[str]) -> str:
    return _DOT.sub("[.]", host[0])


def whole(value: Any) -> int:
    """A count: a whole number, or how many a list holds; 0 where it is neither."""
    if isinstance(value, list | tuple):
        return len(value)
    try:
        return min(max(0, int(value)), 10**9)
    except (TypeError, ValueError, OverflowError):
        return 0


def own_link(value: Any) -> str:
    """The link where it is an http(s) address that can be put anywhere as it is; else ""."""
    link = str(value or "").strip()
    return link if _LINK.fullmatch(link) and link.isprintable() and len(link) <= 500 else ""


def moment(value: Any) -> datetime | None:
    """An aware UTC moment of ISO text; without a zone it is taken for UTC. None where it is no time."""
    try:
        found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def readable(value: Any, timezone: str = "UTC") -> str:
    """ISO text as people read it by the clock of a time zone: `2026-11-24 12:04:05 KST`; what is no time stays."""
    found = moment(value)
    if not found:
        return one_line(value, 40)
    try:
        local = found.astimezone(zone_of(timezone))
    except OverflowError:  # the year 1, or 9999
        local = found
    name = local.tzname() or ""
    return f"{local:%Y-%m-%d %H:%M:%S} {f'UTC{name}' if name[:1] in '+-' else name}"


def zone_of(timezone: Any) -> tzinfo:
    """The time zone of that name; UTC where there is none."""
    try:
        return ZoneInfo(str(timezone or "UTC"))
    except (ValueError, OSError, KeyError):
        return UTC


def plain_facts(value: Any, depth: int = 6) -> Any:
    """Facts for a machine: every text in them one clean line, everything else as it is."""
    if isinstance(value, Mapping) and depth:
        return {one_line(key, 100): plain_facts(inner, depth - 1) for key, inner in value.items()}
    if isinstance(value, list | tuple) and depth:
        return [plain_facts(inner, depth - 1) for inner in value[:1_000]]
    return value if value is None or isinstance(value, bool | int) else one_line(value)


def for_slack(text: str) -> str:
    """Text that Slack, and what speaks its language, shows as it is: no link (nor one of Mattermost's Markdown), no
    mention, no broadcast."""
    escaped = text.replace("](", "] (").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MENTION.sub("＠", escaped)
