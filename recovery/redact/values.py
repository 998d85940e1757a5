"""Takes the secrets out of JSON-like data."""

from itertools import pairwise
from typing import Any

from recovery.redact.commands import hide_in_words
from recovery.redact.names import (
    INNOCENT,
    ITSELF,
    LOOKS_RANDOM,
    PAIR,
    PAIRS,
    SECRET,
    SECRET_TEXT,
    SENT_NAMES,
    SHAPED,
    VALUES,
)
from recovery.redact.texts import MARK, redact_text, verdict_of

TOO_DEEP = "[cut: nested too deeply]"
MAX_DEPTH = 100
_PLAIN = frozenset((int, float, bool))


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
    fresh = [item if item is None or type(item) in _PLAIN else _walk(item, room) for item in items]
    for place, (option, word) in enumerate(pairwise(items), 1):
        if isinstance(option, str) and option.startswith("-") and isinstance(word, str):
            fresh[place] = _after_option(option, word, fresh[place])
    if fresh and isinstance(fresh[0], str) and all(isinstance(item, str) for item in items):
        for place, word in hide_in_words(items).items():
            fresh[place] = word
    return fresh


def _after_option(option: str, word: str, fresh: str) -> str:
    """What is kept of a command's word after an option that may say what it is, as in `--token abc`, `-u me:abc`."""
    together = redact_text(f"{option} {word}")
    return (
        together[len(option) + 1 :] if together != f"{option} {word}" and together.startswith(f"{option} ") else fresh
    )


def _mapping(items: dict[Any, Any], room: int) -> dict[Any, Any]:
    fresh: dict[Any, Any] = {}
    for name, item in items.items():
        kind = type(item)
        verdict = verdict_of(name)
        if verdict:
            fresh[redact_text(name) if verdict == ITSELF else name] = _under_name(verdict, item, room)
        elif kind is str:
            fresh[name] = item if len(item) < 5 else redact_text(item)
        elif item is None or kind in _PLAIN:
            fresh[name] = item
        else:
            fresh[name] = _walk(item, room)
    if "value" in items or "Value" in items:
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
    if verdict == PAIR:
        is_pair = isinstance(item, list) and len(item) == 2 and all(isinstance(one, str) for one in item)
        return [item[0], MARK] if is_pair else _walk(item, room)
    if verdict == VALUES:
        return _environment(item, room)
    if verdict == SHAPED:
        return MARK if isinstance(item, str) and LOOKS_RANDOM.fullmatch(item) else _walk(item, room)
    if item is None or isinstance(item, bool) or item in ("", [], {}):
        return item
    if verdict == SECRET or isinstance(item, str):
        return MARK
    return [MARK] * len(item) if isinstance(item, list) and isinstance(item[0], str) else _walk(item, room)


def _environment(item: Any, room: int) -> Any:
    """The names of an environment's variables: any of its values may be a secret, whatever it is called."""
    if isinstance(item, dict):
        return {redact_text(str(name)): value if value in (None, "") else MARK for name, value in item.items()}
    if isinstance(item, (list, tuple)):
        return [_variable(one) if isinstance(one, str) else _walk(one, room) for one in item]
    return _walk(item, room)


def _variable(text: str) -> str:
    name, equals, _ = text.partition("=")
    return f"{name}={MARK}" if equals else redact_text(text)


def _take_out_pair(fresh: dict[Any, Any], items: dict[Any, Any], room: int) -> None:
    """`{"name": "Authorization", "value": ...}`, as n8n's nodes hold headers and query parameters."""
    place = "value" if "value" in items else "Value"
    for label in ("name", "key", "header", "Name", "Key", "parameter", "field"):
        name = items.get(label)
        verdict = verdict_of(name) if isinstance(name, str) else INNOCENT
        if isinstance(name, str) and name.lower() in SENT_NAMES:
            verdict = SECRET_TEXT
        if verdict in (SECRET, SECRET_TEXT):
            fresh[place] = _under_name(verdict, items[place], room)


def _header_list(items: Any, room: int) -> list[Any]:
    """`["Authorization", "..."]` or `[["Authorization", "..."]]`, as HTTP clients hold raw headers."""
    fresh = [_header_list(item, room - 1) if isinstance(item, list) and room else _walk(item, room) for item in items]
    for name, place in zip(items[::2], range(1, len(fresh), 2), strict=False):
        if isinstance(name, str) and verdict_of(name) in (SECRET, SECRET_TEXT):
            fresh[place] = MARK
    return fresh
