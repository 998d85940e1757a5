"""What a secret looks like: in a name, in a text beside a name, behind certain words, or by its own shape."""

import re
from base64 import b64decode
from binascii import Error as NotBase64
from functools import lru_cache
from typing import Any

from recovery.redact.commands import MARK, STEMS, hide_in_text
from recovery.redact.names import INNOCENT, ITSELF, KOREAN, SECRET, SECRET_TEXT, SENT_NAMES, verdict_of_words, words_of

__all__ = ["MARK", "redact_text"]

MAX_TEXT = 200_000

_LONGEST_NAME = 128


@lru_cache(maxsize=8192)
def verdict_of(name: Any) -> int:
    """What a name says of its value: INNOCENT, SECRET, SECRET_TEXT (a secret where it is text), SHAPED (where it looks
    random), PAIR (of user and password), PAIRS of a header list, VALUES (an environment: all of them), or ITSELF: the
    name must be looked at as a text, because it holds a secret or is longer than any name."""
    if not isinstance(name, str):
        return INNOCENT
    if len(name) > _LONGEST_NAME:
        return ITSELF
    if KOREAN.search(name):
        return SECRET_TEXT
    words = words_of(name)
    found = verdict_of_words(words) if words else INNOCENT
    return found if found or len(name) < 8 or redact_text(name) == name else ITSELF


# No string without one of these can hold a secret that the rules below find; `in` is far faster than a pattern.
_NAME_STEMS = tuple(
    "key appid pass token auth secret cookie pwd sess sig cred jwt otp csrf xsrf bearer sid cvv cvc".split()
)
_SHAPE_STEMS = tuple(
    "sk- k_live_ k_test_ whsec_ ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- xox xapp- akia asia aiza ya29. npm_ sg. eyj"
    " :a -----begin api/webhooks/ hooks.slack".split()
)

_SHAPES = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}(?:PRIVATE KEY|CERTIFICATE|PGP MESSAGE)[A-Z0-9 ]{0,20}-----"
    r"(?:(?!-----END).)*(?:-----END [A-Z0-9 ]{0,60}-----)?"
    r"|(?<=hooks\.slack\.com/)(?:services|workflows|triggers)/[\w/+-]+"
    r"|(?<=hooks\.slack-gov\.com/)(?:services|workflows|triggers)/[\w/+-]+"
    r"|(?<=/api/webhooks/)\d{5,25}/[\w-]{16,}"
    r"|(?<![A-Za-z0-9])(?:"
    r"sk-[\w-]{16,}|[sr]k_(?:live|test)_\w{8,}|whsec_\w{16,}|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}"
    r"|glpat-[\w-]{16,}|xox[a-z](?:\.xox[a-z])?-[\w-]{6,}|xapp-[\w-]{10,}|(?:AKIA|ASIA)[0-9A-Z]{12,}|AIza[\w-]{30,}"
    r"|ya29\.[\w-]{16,}|npm_[A-Za-z0-9]{30,}|SG\.[\w-]{16,}\.[\w-]{16,}"
    r"|eyJ[\w-]{6,}\.[\w-]{4,}(?:\.[\w-]*)?)"
    r"|(?<![0-9])\d{6,12}:A[\w-]{28,}",
    re.DOTALL,
)
_USERINFO = re.compile(
    r"(?<=://)([^\s/@:?#\[\"'\\<>]{0,128})"
    r"(?::[^\s/?#\"'\\<>]{0,256}@|:(?!\d{1,5}(?:[/?#]|\Z))[^\s@\"'\\<>]{0,256}@|(?<=[^\s/@]{16})(@))"
)
_CURL_USER = re.compile(r"((?<!\S)(?:-u|--user)[ =]{1,3}[\"']?[^\s:\"']{0,128}:)[^\s\"']+")
_ELEMENT = re.compile(
    r"(<(?:\w{1,40}:)?(?:password|passwd|pwd|secret|token|apikey|api_key|accesstoken|clientsecret)(?:\s[^<>]{0,400})?>)"
    r"[^<>]{1,4096}(?=</)",
    re.IGNORECASE,
)
_SAID = re.compile(
    r"(\b(?:password|passphrase|passwd|api key|secret|token) (?:is|was):? [\"'`]?)(\S{4,200})", re.IGNORECASE
)
_SAID_OF = frozenset(
    "invalid required wrong expired missing incorrect needed empty unset unknown rejected revoked refused weak"
    " malformed correct valid used stored encrypted redacted [redacted] being still already also only that this"
    " what when never configured provided supplied given denied unauthorized none null undefined".split()
)
_SCHEME = re.compile(r"\b(bearer|basic)(\s{1,4}|%20|\+)([\w.~+/=%-]{3,})", re.IGNORECASE)
_PROSE = frozenset(
    "token tokens auth authentication authorization authorisation authorized scheme header headers credential"
    " credentials realm error is was not and for are the realm=".split()
)
_NAMED = re.compile(
    r"(?:(?<![\w.%\\-])(--?)?|(?<=%3[fF])|(?<=%26)|(?<=\\[nrt])|(?<=\\u0026))([A-Za-z_$가-힣][\w.-]{1,127}+)"
    r"(\\{0,8}[\"'\]]?\s{0,4}"
    r"(?:=>|[:=]|%3[dDaA]|,\s{0,4}\\{0,8}[\"']value\\{0,8}[\"']\s{0,4}:)\s{0,4}|(?(1)\s(?=[^\s-])|(?!)))"
)
_KEPT_VALUE = re.compile(r"(?:true|false|null|none|undefined)(?![\w.-])|\[redacted\]", re.IGNORECASE)
_QUOTED = re.compile(r"(\\{0,8})([\"'`])(.*?)((?<!\\)\1\2|\Z)", re.DOTALL)
_BARE = re.compile(r"\{[^{}]{0,4096}\}|\[[^\[\]]{0,4096}\]|(?:(?!%26)[^\s&;\"'<>\\]){1,4096}")
_LINE = re.compile(r"[^\r\n]*")
_LINE_NAMES = ("authorization", "cookie", "set-cookie")


_clean: set[str] = set()  # n8n says the same things over and over: texts that were searched and held no secret
_CLEAN_TEXTS, _CLEAN_LENGTH = 4096, 4096


def redact_text(text: str) -> str:
    """The text with every secret that is told by its name, its surroundings or its shape replaced by `[redacted]`.

    A text beyond 200,000 characters is cut, with a marker that says how much is missing.
    """
    if len(text) < 5 or text in _clean:
        return text
    if len(text) > MAX_TEXT:
        return _searched(text[:MAX_TEXT]) + f"[cut: {len(text) - MAX_TEXT} more characters]"
    fresh = _searched(text)
    if fresh == text and len(text) <= _CLEAN_LENGTH:
        if len(_clean) >= _CLEAN_TEXTS:
            _clean.clear()
        _clean.add(text)
    return fresh


def _searched(text: str) -> str:
    low = text.lower()
    if len(text) >= 16 and any(map(low.__contains__, _SHAPE_STEMS)):
        text = _SHAPES.sub(MARK, text)
    if "@" in low and "://" in low:
        text = _USERINFO.sub(_without_password, text)
    if ("=" in low or ":" in low or "%3" in low or "-" in low) and any(map(low.__contains__, _NAME_STEMS)):
        text = _without_named(text)
    if "<" in low and "</" in low:
        text = _ELEMENT.sub(rf"\g<1>{MARK}", text)
    if " is " in low or " was " in low:
        text = _SAID.sub(_without_said, text)
    if "-" in low and any(map(low.__contains__, STEMS)):
        text = hide_in_text(text)
    if "-u" in low and ":" in low:
        text = _CURL_USER.sub(rf"\1{MARK}", text)
    if "bearer" in low or "basic" in low:
        text = _SCHEME.sub(_without_credentials, text)
    return text


def _without_said(found: re.Match[str]) -> str:
    value = found[2].rstrip(".,;")
    return found[0] if value.lower() in _SAID_OF or not value else f"{found[1]}{MARK}"


def _without_password(found: re.Match[str]) -> str:
    return f"{MARK}@" if found[2] else f"{found[1]}:{MARK}@"


def _without_credentials(found: re.Match[str]) -> str:
    scheme, space, value = found.groups()
    if value.lower().rstrip(".,") in _PROSE or (scheme.lower() == "basic" and not _is_base64(value)):
        return found[0]
    return f"{scheme}{space}{MARK}"


def _is_base64(value: str) -> bool:
    """Whether a word after "Basic" is credentials, not prose ("Basic functionality")."""
    if re.search(r"[0-9=+/]|[a-z][A-Z]", value):
        return True
    try:
        return b":" in b64decode(value + "=" * (-len(value) % 4), validate=True)
    except NotBase64:
        return False


def _without_named(text: str) -> str:
    """Takes out the values of `name=value`, `"name": "value"` and header lines whose name is that of a secret."""
    kept: list[str] = []
    done = 0
    for found in _NAMED.finditer(text):
        name = found[2].strip(".$")
        sent = text[max(0, found.start() - 1) : found.start()] in ("?", "&") and name.lower() in SENT_NAMES
        if found.start() < done or not (sent or verdict_of(name) in (SECRET, SECRET_TEXT)):
            continue
        end, value = _value_at(text, found)
        if value:
            kept += (text[done : found.end()], value)
            done = end
    return "".join(kept) + text[done:] if kept else text


def _value_at(text: str, name: re.Match[str]) -> tuple[int, str]:
    """Where the value after `name` ends, and what takes its place; "" to leave it as it is."""
    start = name.end()
    if _KEPT_VALUE.match(text, start):
        return start, ""
    quoted = _QUOTED.match(text, start)
    if quoted:
        opening = quoted[1] + quoted[2]
        return quoted.end(), f"{opening}{MARK}{quoted[4]}" if quoted[3] else ""
    if ":" in name[3] and name[2].lower().endswith(_LINE_NAMES):
        return _line_end(text, name), MARK
    bare = _BARE.match(text, start)
    return (bare.end(), MARK) if bare and any(map(str.isalnum, bare[0])) else (start, "")


def _line_end(text: str, name: re.Match[str]) -> int:
    """A header's value runs to the end of its line, or of the quotes that the whole header stands in."""
    before = text[name.start() - 1 : name.start()]
    end = text.find(before, name.end()) if before and before in "\"'`" else -1
    line = _LINE.match(text, name.end())
    return end if end >= 0 else line.end() if line else name.end()
