"""Reads a YAML file into plain values, and remembers the line of each."""

from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml

from recovery.config.problems import Path, Problem, show_path

MAX_BYTES = 262_144
MAX_VALUES = 50_000
MAX_DEPTH = 40
SCALARS = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str")}
PLAIN_TEXT = {f"tag:yaml.org,2002:{name}" for name in ("timestamp", "value")}
MERGE = "tag:yaml.org,2002:merge"


@dataclass
class Document:
    """A configuration file as it was read.

    Fields:
        source: its name, for messages.
        data: keys and values; {} where there is no file or it is empty.
        lines: where each key or list item begins, from 1.
        raw: what each single value looks like in the file.
        problems: what stood in the way; `data` has what could be read all the same.
    """

    source: str
    data: dict[str, Any] = field(default_factory=dict)
    lines: dict[Path, int] = field(default_factory=dict)
    raw: dict[Path, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def fail(self, path: Path, line: int | None, seen: str, expected: str, way_out: str = "") -> None:
        """Keep a problem."""
        self.problems.append(Problem(self.source, show_path(path), seen, expected, way_out, line))

    def line_of(self, path: Path) -> int | None:
        """The line of a value, or of the nearest thing around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)


def read_document(path: FilePath) -> Document:
    """Read a YAML file. What cannot be read is in the document's problems; nothing is raised."""
    document = Document(str(path))
    text = _read_text(path, document)
    root = _compose(text, document) if text.strip() else None
    if root is None:
        return document
    if isinstance(root, yaml.MappingNode):
        document.data = _Reader(document).value(root, (), 0)
    elif root.tag != "tag:yaml.org,2002:null":
        document.fail((), root.start_mark.line + 1, _name_of(root), "settings as `key: value` lines")
    return document


def _read_text(path: FilePath, document: Document) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        document.fail(
            (), None, f"{error.strerror or error}", "a file that can be read", f"create {path}, or correct the path"
        )
        return ""
    if len(content) > MAX_BYTES:
        document.fail((), None, "more than 256 KiB", "a configuration of at most 256 KiB")
        return ""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        document.fail((), line, "bytes that are not text", "a YAML file in UTF-8", "save the file as UTF-8")
        return ""
    for number, row in enumerate(text.split("\n"), 1):
        if any(sign < " " and sign not in "\t\r" for sign in row):
            document.fail((), number, "a control character, as in a binary file", "a YAML file in UTF-8")
            return ""
    return text


def _compose(text: str, document: Document) -> Any:
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)  # the C loader crashes the process on deep nesting
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        row = text.split("\n")[mark.line] if mark and mark.line < text.count("\n") + 1 else ""
        document.fail((), line, "", *_explain(f"{error.context} {error.problem}", row))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1 if isinstance(error.position, int) else None
        document.fail((), line, "a character that YAML does not allow", "a YAML file in UTF-8")
    except (RecursionError, MemoryError):
        document.fail((), None, "lists or mappings nested without end", f"at most {MAX_DEPTH} levels")
    return None


def _explain(problem: str, row: str) -> tuple[str, str]:
    """What was expected and the way out. Nothing of the file is repeated here: it may be a secret."""
    indent = row[: len(row) - len(row.lstrip())]
    if "\t" in indent or "\\t" in problem:
        return "YAML, which is indented with spaces", "replace the tab at the beginning of the line by spaces"
    if "undefined alias" in problem:
        return "YAML", "the value begins with * and so refers to an anchor that does not exist: put it in quotes"
    if "mapping values are not allowed" in problem:
        return "YAML", "a value that contains a colon and a space needs quotes; or the line is indented too far"
    if "expected ':'" in problem or "expected <block end>" in problem:
        return "YAML", "look for a missing colon, a missing space after one, or a wrong indentation here or just above"
    if "expected ',' or" in problem or "flow" in problem:
        return "YAML", "a bracket [ or { is not closed, or a comma is missing"
    if "escape" in problem:
        return "YAML", "use single quotes where the value has a backslash"
    if "quoted scalar" in problem:
        return "YAML", "a quote is not closed"
    if "expected a single document" in problem:
        return "one YAML document", "take out the second line of ---"
    return "YAML", "put values with special characters in quotes, and look at the indentation here and just above"


def _name_of(node: Any) -> str:
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return "a mapping" if isinstance(node, yaml.MappingNode) else "a single value"


class _TooMuch(Exception):
    """The file stands for more values than any honest configuration has."""


class _Reader:
    """Turns nodes into values, with an eye on aliases that multiply."""

    def __init__(self, document: Document):
        self._document = document
        self._left = MAX_VALUES
        self._scalars = yaml.SafeLoader("")

    def value(self, node: Any, path: Path, depth: int) -> Any:
        """The value of a node; None in place of what cannot be read."""
        try:
            return self._value(node, path, depth)
        except _TooMuch as limit:
            if depth:
                raise
            self._document.fail(
                (), None, "aliases or nesting that multiply without end", str(limit), "write the values out"
            )
            return {}

    def _value(self, node: Any, path: Path, depth: int) -> Any:
        self._left -= 1
        if self._left < 0:
            raise _TooMuch(f"at most {MAX_VALUES} values")
        if depth > MAX_DEPTH:
            raise _TooMuch(f"at most {MAX_DEPTH} levels")
        self._document.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*path, place), depth + 1) for place, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _scalar(self, node: Any, path: Path) -> Any:
        self._document.raw[path] = node.value
        if node.tag in PLAIN_TEXT:
            return node.value
        if node.tag not in SCALARS:
            line = node.start_mark.line + 1
            self._document.fail(
                path, line, "a YAML tag (a value that begins with !)", "a plain value", "put it in quotes"
            )
            return None
        try:
            return self._scalars.construct_object(node)
        except (ValueError, OverflowError, yaml.YAMLError):
            return node.value

    def _mapping(self, node: Any, path: Path, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: list[Any] = []
        for key, child in node.value:
            if key.tag == MERGE:
                merged += child.value if isinstance(child, yaml.SequenceNode) else [child]
            elif self._takes(key, path, found):
                self._document.lines[(*path, key.value)] = key.start_mark.line + 1
                found[key.value] = self._value(child, (*path, key.value), depth + 1)
        for other in merged:
            found = self._merge(other, path, depth) | found
        return found

    def _merge(self, node: Any, path: Path, depth: int) -> dict[str, Any]:
        value = self._value(node, path, depth + 1)
        if isinstance(value, dict):
            return value
        self._document.fail(path, node.start_mark.line + 1, _name_of(node), "a mapping after <<")
        return {}

    def _takes(self, key: Any, path: Path, found: dict[str, Any]) -> bool:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            self._document.fail(path, line, f"{_name_of(key)} as a key", "a key that is plain text")
            return False
        if key.value not in found:
            return True
        first = self._document.lines[(*path, key.value)]
        here = (*path, key.value)
        self._document.fail(
            here, line, f"the same key twice (first in line {first})", "each key once", "keep one of the two"
        )
        return False
