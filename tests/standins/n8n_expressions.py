"""The few n8n expressions that the tests' workflows use: `$json` paths, JSON.stringify, literals and objects."""

import json
import re
from typing import Any

TOKEN = re.compile(
    r"""\s*(?:(?P<text>"[^"]*"|'[^']*')|(?P<number>-?\d+)|(?P<word>[$A-Za-z_][\w$]*)|(?P<mark>[{}():,.]))"""
)


class Seen(dict[str, Any]):
    """An item's data, from which the data of nodes before it can be seen."""

    def __init__(self, data: dict[str, Any], ran: dict[str, Any]):
        super().__init__(data)
        self.ran = ran


class ExpressionError(Exception):
    """The stand-in cannot work this expression out."""


def evaluate(value: Any, item: dict[str, Any]) -> Any:
    """A parameter's value for one item: text that begins with `=` is an expression."""
    if not isinstance(value, str) or not value.startswith("="):
        return value
    source = value[1:]
    whole = re.fullmatch(r"\s*\{\{(.*)\}\}\s*", source, re.S)
    if whole and "{{" not in whole[1]:
        return _Reader(whole[1], item).whole()
    return re.sub(r"\{\{(.*?)\}\}", lambda found: _as_text(_Reader(found[1], item).whole()), source, flags=re.S)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


class _Reader:
    """Reads one expression from left to right."""

    def __init__(self, source: str, item: dict[str, Any]):
        self._item = item
        self._tokens = self._split(source)

    def _split(self, source: str) -> list[tuple[str, str]]:
        tokens, at = [], 0
        while source[at:].strip():
            found = TOKEN.match(source, at)
            if not found:
                raise ExpressionError(f"the stand-in does not know {source!r}")
            tokens.append((str(found.lastgroup), found[found.lastgroup or 0]))
            at = found.end()
        return tokens

    def whole(self) -> Any:
        value = self._value()
        if self._tokens:
            raise ExpressionError(f"the stand-in does not know {self._tokens[0][1]!r}")
        return value

    def _take(self, wanted: str = "") -> tuple[str, str]:
        if not self._tokens or (wanted and self._tokens[0][1] != wanted):
            raise ExpressionError(f"{wanted or 'more'} expected")
        return self._tokens.pop(0)

    def _next(self) -> str:
        return self._tokens[0][1] if self._tokens else ""

    def _value(self) -> Any:
        kind, text = self._take()
        if kind == "text":
            return text[1:-1]
        if kind == "number":
            return int(text)
        if text == "{":
            return self._object()
        if text == "$json":
            return self._path(self._item)
        if text == "$":
            return self._path(self._of_node())
        if text == "JSON":
            return self._stringified()
        raise ExpressionError(f"the stand-in does not know {text!r}")

    def _of_node(self) -> Any:
        """`$('Name')`: what that node gave, its first item."""
        self._take("(")
        name = self._take()[1][1:-1]
        self._take(")")
        rows = getattr(self._item, "ran", {}).get(name)
        if not rows:
            raise ExpressionError(f"the node {name!r} has not run")
        return {"item": rows[-1]["data"]["main"][0][0]}

    def _path(self, value: Any) -> Any:
        while self._next() == ".":
            self._take(".")
            name = self._take()[1]
            value = value.get(name) if isinstance(value, dict) else None
        return value

    def _stringified(self) -> str:
        for mark in (".", "stringify", "("):
            self._take(mark)
        value = self._value()
        self._take(")")
        return json.dumps(value, separators=(",", ":"))

    def _object(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self._next() != "}":
            name = self._take()[1].strip("\"'")
            self._take(":")
            found[name] = self._value()
            if self._next() == ",":
                self._take(",")
        self._take("}")
        return found
