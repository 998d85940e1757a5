"""Turns pydantic's errors into problems that people understand."""

import re
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from recovery.config.document import Document
from recovery.config.environment import VARIABLES, Overlay
from recovery.config.problems import Path, Problem, show_path, suggest
from recovery.config.shapes import SECRET_KEY, Model, keys_of, meaning_of, model_at

URL_LOGIN = re.compile(r"(?<=://)[^/\s]*@")
URL_QUERY = re.compile(r"\?\S+")
CONTAINERS = frozenset({"list_type", "tuple_type", "dict_type", "model_type", "model_attributes_type", "medic_mapping"})
EXPECTED = {
    "medic_mapping": "{expected}",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "bool_parsing": "true or false",
    "float_parsing": "a number",
    "float_type": "a number",
    "string_type": "text (put it in quotes)",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping: keys with values",
    "model_type": "a mapping: keys with values",
    "model_attributes_type": "a mapping: keys with values",
    "path_type": "a path",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "too_short": "at least {min_length} of them",
    "too_long": "at most {max_length} of them",
    "string_too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
    "string_pattern_mismatch": "text of the form {pattern}",
    "enum": "{expected}",
    "literal_error": "{expected}",
    "medic": "{expected}",
}


def _is_echo(detail: ErrorDetails, places: list[tuple[int | str, ...]]) -> bool:
    """A list counts as too short where its items are wrong: only those are worth telling."""
    inside = len(detail["loc"])
    return detail["type"] == "too_short" and any(
        len(place) > inside and place[:inside] == detail["loc"] for place in places
    )


def _expected(kind: str, message: str, context: dict[str, Any]) -> str:
    try:
        return EXPECTED[kind].format(**context)
    except KeyError:  # a kind of error, or a plugin's own telling of one, that needs no translation
        return message.removeprefix("Value error, ")  # pydantic's word before a validator's own


class Translator:
    """Says where a value stands, what was seen there, and what was expected."""

    def __init__(self, document: Document, data: dict[str, Any], overlay: Overlay):
        self._document = document
        self._data = data
        self._overlay = overlay

    def problems(
        self, error: ValidationError, model: Model, at: Path = (), ours: frozenset[str] | None = None
    ) -> list[Problem]:
        """One problem for each error of a model that was read at a path.

        `ours` is given where a plugin declares the model: the keys beside its own that belong there.
        """
        details = [detail for detail in error.errors() if detail["type"] != "default_factory_not_called"]
        places = [detail["loc"] for detail in details]
        return [self._problem(detail, model, at, ours) for detail in details if not _is_echo(detail, places)]

    def problem(self, path: Path, seen: str, expected: str, way_out: str = "") -> Problem:
        """A problem at a path, with its source and line."""
        source = self._overlay.sources.get(path)
        real = self.real_path(path)
        if source:
            return Problem(source, show_path(real), seen, expected, way_out)
        return Problem(self._document.source, show_path(real), seen, expected, way_out, self._document.line_of(real))

    def real_path(self, path: Path) -> Path:
        """The path as the file has it: one n8n needs no list, a restart may be a bare list."""
        value: Any = self._data
        real: list[str | int] = []
        for place, part in enumerate(path):
            is_last = place == len(path) - 1
            if isinstance(value, dict) and isinstance(part, str):
                value = value.get(part)
            elif isinstance(value, list) and isinstance(part, int):
                value = value[part] if part < len(value) else None
            elif not is_last or isinstance(value, dict | list):
                continue
            real.append(part)
        return tuple(real)

    def _value_at(self, path: Path, otherwise: Any) -> Any:
        value: Any = self._data
        for part in self.real_path(path):
            if isinstance(value, dict):
                value = value.get(str(part), otherwise)
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                value = value[part]
        return value

    def show(self, path: Path, value: Any) -> str:
        """A value for people's eyes: kinds of containers, never a secret."""
        if isinstance(value, dict):
            return "a mapping"
        if isinstance(value, list | tuple):
            return "a list"
        if value is None:
            return "nothing"
        if any(isinstance(part, str) and SECRET_KEY.search(part) for part in path):
            return "(not shown: it may be a secret)"
        text = self._document.raw.get(self.real_path(path), value)
        text = repr(text) if isinstance(value, str) else str(text)
        text = URL_QUERY.sub("?***", URL_LOGIN.sub("***@", text))
        return text if len(text) <= 80 else f"{text[:77]}..."

    def _problem(self, detail: ErrorDetails, model: Model, at: Path, ours: frozenset[str] | None) -> Problem:
        inner: Path = detail["loc"]
        path = (*at, *inner)
        if detail["type"] == "extra_forbidden":
            place = model_at(model, inner[:-1])
            known = keys_of(place) if place else set()
            return self._unknown_key(path, known | ours if ours and len(inner) == 1 else known)
        if detail["type"] == "missing":
            return self._missing(path, model, inner, detail["msg"])
        if detail["type"] == "secret_file":
            return self.problem(path, detail["msg"], "the path of a file that holds the secret")
        context = dict(detail.get("ctx", {}))
        expected = _expected(detail["type"], detail["msg"], context)
        way_out = str(context.get("way_out", ""))
        if detail["type"] in ("enum", "literal_error") and isinstance(detail["input"], str):
            way_out = suggest(detail["input"], re.findall(r"'([^']*)'", expected))
        seen = self.show(path, self._value_at(path, detail["input"]))
        if detail["type"] in CONTAINERS and isinstance(detail["input"], str):
            seen = "a text"  # whatever was put there, perhaps a secret, it is not needed to see the mistake
        return self.problem(path, seen, expected, way_out)

    def _unknown_key(self, path: Path, known: set[str]) -> Problem:
        listed = ", ".join(sorted(known))
        return self.problem(path, "a key that does not exist here", f"one of: {listed}", suggest(str(path[-1]), known))

    def _missing(self, path: Path, model: Model, inner: Path, message: str) -> Problem:
        meaning = meaning_of(model, inner) or ("a value" if message == "Field required" else message)
        plain = tuple(part for part in path if isinstance(part, str))
        variable = next((found.name for found in VARIABLES if found.path == plain), "")
        way_out = f"add `{path[-1]}: ...`" + (f" or set {variable}" if variable else "")
        return self.problem(path, "nothing: the key is missing", meaning, way_out)
