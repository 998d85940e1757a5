"""Pieces of configuration with places to fill in, and how values are written there so that they stay values."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from string import Template as Text
from textwrap import dedent, indent
from typing import Literal

import yaml

PLAIN = re.compile(r"[A-Za-z0-9/+][A-Za-z0-9_./@+:-]*")


@dataclass(frozen=True, slots=True)
class Slot:
    """One thing that a person fills in.

    Fields:
        key: how `--set` and the text call it. question: what it is, in words.
        default: what it is where nobody says; "" for none. example: what it may look like.
        kind: "secret" is a value that is kept in a file of its own: the text gets the file's path.
        optional: without a value its line stays in the text as a comment.
    """

    key: str
    question: str
    default: str = ""
    example: str = ""
    kind: Literal["text", "number", "command", "list", "secret"] = "text"
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Template:
    """A piece of configuration: its name, what it is for, its text with a `$slot` for each thing to fill in."""

    name: str
    what: str
    slots: tuple[Slot, ...]
    text: str

    def fill(self, name: str, values: Mapping[str, str]) -> str:
        """The piece with its values; a line whose value is missing becomes a comment with an example.

        Raises:
            ValueError: a command whose quotes do not fit.
        """
        lines = [f"# {self.what}", *dedent(self.text).strip().splitlines()]
        return "\n".join(self._fill_line(line, name, values) for line in lines)

    def _fill_line(self, line: str, name: str, values: Mapping[str, str]) -> str:
        for slot in self.slots:
            if f"${{{slot.key}}}" not in line:
                continue
            if values.get(slot.key):
                return Text(line).safe_substitute({slot.key: write_value(slot.kind, values[slot.key])})
            body = line.lstrip()
            shown = Text(body).safe_substitute({slot.key: write_value(slot.kind, slot.example)})
            return f"{line[: len(line) - len(body)]}#{shown}    # {slot.question}"
        return Text(line).safe_substitute(name=write_value("text", name))


def write_value(kind: str, value: str) -> str:
    """A value as YAML: never anything but this one value, whatever is in it.

    Raises:
        ValueError: a command whose quotes do not fit.
    """
    if kind == "command":
        return json.dumps(shlex.split(value), ensure_ascii=False)
    if kind == "list":
        return json.dumps([part.strip() for part in value.split(",") if part.strip()], ensure_ascii=False)
    if kind == "number" and value.isascii() and value.isdigit():
        return value
    is_plain = PLAIN.fullmatch(value) and not value.endswith(":") and _reads_as(value)
    return value if is_plain else json.dumps(value, ensure_ascii=False)


def _reads_as(value: str) -> bool:
    try:
        return bool(yaml.safe_load(value) == value)
    except (yaml.YAMLError, ValueError):
        return False


@dataclass(frozen=True, slots=True)
class Piece:
    """A template with its name and its values."""

    template: Template
    name: str
    values: Mapping[str, str]

    def text(self, depth: int = 0) -> str:
        """Its text, indented; see `Template.fill`."""
        return indent(self.template.fill(self.name, self.values), " " * depth)


def write_file(n8n: Piece | None, components: list[Piece], channels: list[Piece], language: str, data_dir: str) -> str:
    """The text of a whole `medic.yaml`."""
    parts = ["# Made by `medic init`. `medic check-config` explains it; every other setting: docs/configuration.md"]
    parts += [f"data_dir: {write_value('text', data_dir)}"] if data_dir else []
    parts += [n8n.text()] if n8n else ['#n8n: {url: "http://127.0.0.1:5678", api_key_file: /run/secrets/n8n_api_key}']
    if components:
        parts.append("components:\n" + "\n\n".join(piece.text(2) for piece in components))
    told = [f"alerts:\n  language: {language}", *(["  channels:"] if channels else [])]
    parts.append("\n".join([*told, *(piece.text(4) for piece in channels)]))
    return "\n\n".join(parts) + "\n"
