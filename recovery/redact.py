"""The one place that knows what a secret looks like, and how it is taken out.

It runs on every payload before it is stored, logged or sent. Four things give a secret away: the name of what holds
it (`password`, `X-Api-Key`), a name and value written in a text (`?token=...`, `"pwd": "..."`), the words before it
(`Bearer ...`, `https://user:...@`), and its own shape (`sk-...`, a JWT, a PEM block).
"""

import re
from base64 import b64decode
from binascii import Error as NotBase64
from functools import lru_cache
from typing import Any

__all__ = ["MARK", "redact", "redact_text"]

MARK = "[redacted]"
TOO_DEEP = "[cut: nested too deeply]"
MAX_DEPTH = 100
MAX_TEXT = 200_000

# --- names -----------------------------------------------------------------------------------------------------

INNOCENT, SECRET, SECRET_TEXT, PAIRS, ITSELF = range(5)

_SECRET_WORDS = frozenset(
    "password passwd pwd passphrase passcode secret secrets authorization cookie cookies token apikey"
    " signature jwt bearer session sessionid sessid phpsessid jsessionid csrf xsrf otp privatekey".split()
)
# Words that hold a secret only where the value is a text: `pass: 3`, `tokens: 512` count something.
_WEAK_WORDS = frozenset("pass tokens passwords apikeys credential sid sig cvv cvc".split())
_COUNTED = frozenset("max min total prompt completion input output num used remaining cached reasoning".split())
_KEY_OWNERS = frozenset(
    "api access private secret auth authorization encryption encrypt signing sign master account license session"
    " subscription shared ssh app application deploy storage service functions".split()
)
_GLUED = re.compile(
    r"(?:apikey|accesskey|secretkey|privatekey|authkey|accesstoken|refreshtoken|authtoken|idtoken|bearertoken|apitoken"
    r"|password|passwd|passphrase|clientsecret|apisecret|sharedsecret|sessionid|setcookie)$"
)
# The last word says that the value tells of a secret without being one.
_ABOUT = frozenset(
    "name names type types url uri endpoint file path length count limit used usage total expires expiry expiration"
    " expired at ttl age min max policy enabled required present valid field header hint version method algorithm"
    " status state prefix location mode format size scope scopes budget per window strategy attribute property"
    " placement in ref reference label title description provider parameter param params is manager arn".split()
)
_HEADER_LISTS = frozenset(("headers", "rawheaders"))
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BETWEEN_WORDS = re.compile(r"[^a-z]+")
_LONGEST_NAME = 128
_PLAIN = frozenset((int, float, bool))


@lru_cache(maxsize=8192)
def _verdict(name: Any) -> int:
    """What a name says of its value: INNOCENT, SECRET, SECRET_TEXT (a secret where it is text), PAIRS of a header
    list, or ITSELF: the name must be looked at as a text, because it holds a secret or is longer than any name."""
    if not isinstance(name, str):
        return INNOCENT
    if len(name) > _LONGEST_NAME:
        return ITSELF
    words = [word for word in _BETWEEN_WORDS.split(_CAMEL.sub(" ", name).lower()) if word]
    found = _words_verdict(words) if words else INNOCENT
    return found if found or len(name) < 8 or redact_text(name) == name else ITSELF


def _words_verdict(words: list[str]) -> int:
    last, whole = words[-1], "".join(words)
    if whole in _HEADER_LISTS:
        return PAIRS
    if last == "id" and len(words) > 1:
        return SECRET if words[-2] in ("session", "sess") else INNOCENT
    if last in _ABOUT and len(words) > 1:
        return INNOCENT
    if last == "tokens" and _COUNTED.intersection(words):
        return INNOCENT
    if last == "key":
        return SECRET if len(words) > 1 and (words[-2] in _KEY_OWNERS or "secret" in words) else INNOCENT
    if last in _SECRET_WORDS or _GLUED.search(whole) or words[0] in ("secret", "secrets", "password", "cookie"):
        return SECRET
    return SECRET_TEXT if last in _WEAK_WORDS else INNOCENT


# --- texts -----------------------------------------------------------------------------------------------------

# No string without one of these can hold a secret that the rules below find; `in` is far faster than a pattern.
_NAME_STEMS = tuple("key pass token auth secret cookie pwd sess sig cred jwt otp csrf xsrf bearer sid cvv cvc".split())
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
_SCHEME = re.compile(r"\b(bearer|basic)(\s{1,4}|%20|\+)([\w.~+/=%-]{3,})", re.IGNORECASE)
_PROSE = frozenset(
    "token tokens auth authentication authorization authorisation authorized scheme header headers credential"
    " credentials realm error is was not and for are the realm=".split()
)
_NAMED = re.compile(
    r"(?:(?<![\w.%\\-])(--?)?|(?<=%3[fF])|(?<=%26)|(?<=\\[nrt])|(?<=\\u0026))([A-Za-z_$][\w.-]{1,127}+)"
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
    if "-u" in low and ":" in low:
        text = _CURL_USER.sub(rf"\1{MARK}", text)
    if "bearer" in low or "basic" in low:
        text = _SCHEME.sub(_without_credentials, text)
    return text


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
        if found.start() < done or _verdict(found[2].strip(".$")) not in (SECRET, SECRET_TEXT):
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


# --- values ----------------------------------------------------------------------------------------------------


def redact(value: Any) -> Any:
    """A deep copy of JSON-like data without its secrets; the input is left as it is.

    Beyond 100 levels it is cut with a marker. What is neither JSON nor a tuple or bytes becomes redacted text.
    """
    return _walk(value, MAX_DEPTH)


def _walk(value: Any, room: int) -> Any:
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, dict):
        return _mapping(value, room - 1) if room else TOO_DEEP
    if isinstance(value, (list, tuple)):
        return _sequence(value, room - 1) if room else TOO_DEEP
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return redact_text(value.decode(errors="replace") if isinstance(value, bytes) else str(value))


def _sequence(items: Any, room: int) -> list[Any]:
    return [item if item is None or type(item) in _PLAIN else _walk(item, room) for item in items]


def _mapping(items: dict[Any, Any], room: int) -> dict[Any, Any]:
    fresh: dict[Any, Any] = {}
    for name, item in items.items():
        kind = type(item)
        verdict = _verdict(name)
        if verdict:
            fresh[redact_text(name) if verdict == ITSELF else name] = _under_name(verdict, item, room)
        elif kind is str:
            fresh[name] = item if len(item) < 5 else redact_text(item)
        elif item is None or kind in _PLAIN:
            fresh[name] = item
        else:
            fresh[name] = _walk(item, room)
    if "value" in items:
        _take_out_pair(fresh, items, room)
    if items.get("type") == "Buffer" and isinstance(items.get("data"), list):
        fresh["data"] = f"[cut: {len(items['data'])} bytes]"
    return fresh


def _under_name(verdict: int, item: Any, room: int) -> Any:
    """What is kept of a value whose name is not innocent. Nothing, true and false are no secrets."""
    if verdict == PAIRS and isinstance(item, (list, tuple)) and room:
        return _header_list(item, room - 1)
    if verdict in (PAIRS, ITSELF):
        return _walk(item, room)
    if item is None or isinstance(item, bool) or item in ("", [], {}):
        return item
    if verdict == SECRET or isinstance(item, str):
        return MARK
    return [MARK] * len(item) if isinstance(item, list) and isinstance(item[0], str) else _walk(item, room)


def _take_out_pair(fresh: dict[Any, Any], items: dict[Any, Any], room: int) -> None:
    """`{"name": "Authorization", "value": ...}`, as n8n's nodes hold headers and query parameters."""
    for label in ("name", "key", "header"):
        verdict = _verdict(items[label]) if isinstance(items.get(label), str) else INNOCENT
        if verdict in (SECRET, SECRET_TEXT):
            fresh["value"] = _under_name(verdict, items["value"], room)


def _header_list(items: Any, room: int) -> list[Any]:
    """`["Authorization", "..."]` or `[["Authorization", "..."]]`, as HTTP clients hold raw headers."""
    fresh = [_header_list(item, room - 1) if isinstance(item, list) and room else _walk(item, room) for item in items]
    for name, place in zip(items[::2], range(1, len(fresh), 2), strict=False):
        if isinstance(name, str) and _verdict(name) in (SECRET, SECRET_TEXT):
            fresh[place] = MARK
    return fresh
