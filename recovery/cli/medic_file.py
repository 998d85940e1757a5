"""Puts settings into the text of a `medic.yaml`: every other byte of it, comments too, stays as it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

DEFAULT_NAME = "default"


class CannotEdit(Exception):
    """The file is written in a way that this does not change; the message says what to add by hand."""


def with_n8n(text: str, name: str, values: Mapping[str, str]) -> str:
    """The text with these settings of the n8n of that name: changed where they are, added where they are not.

    Raises:
        CannotEdit: its section is written in a way that is better changed by hand.
    """
    given = {} if name == DEFAULT_NAME else {"name": name}
    entry = {**given, **values}
    root = _root(text)
    section = _find(root, "n8n")
    if section is None:
        return _appended(_without_braces(text), "n8n:\n" + _block(entry, 2))
    if isinstance(section, yaml.SequenceNode):
        return _in_list(text, section, name, entry)
    if section.value in ("", "null", "~", []):
        return _replaced(text, section, _flow(entry))
    if not isinstance(section, yaml.MappingNode):
        raise CannotEdit("n8n is no mapping in it")
    if _name_of(section) == name:
        return _merged(text, section, values)
    return _as_list(text, section, entry)


def with_setting(text: str, key: str, value: str) -> str:
    """The text with a setting of the top level. Raises CannotEdit."""
    found = _find(_root(text), key)
    if found is None:
        return _appended(_without_braces(text), f"{key}: {value}\n")
    if not isinstance(found, yaml.ScalarNode):
        raise CannotEdit(f"{key} is no single value in it")
    return _replaced(text, found, value)


def with_component(text: str, component: str) -> str:
    """The text with one more component, which is given as YAML on one line.

    Raises:
        CannotEdit: its components are written in a way that is better changed by hand.
    """
    section = _find(_root(text), "components")
    if section is None:
        return _appended(_without_braces(text), f"components:\n  - {component}\n")
    if section.value in ("", "null", "~", []):
        return _replaced(text, section, f"[{component}]")
    if not isinstance(section, yaml.SequenceNode):
        raise CannotEdit("components is no list in it")
    return _one_more(text, section, component, f"{' ' * section.start_mark.column}- {component}\n")


def snippet(name: str, values: Mapping[str, str]) -> str:
    """What a person adds by hand."""
    given = {} if name == DEFAULT_NAME else {"name": name}
    return "n8n:\n" + _block({**given, **values}, 2)


# -- how


@dataclass(frozen=True, slots=True)
class _Edit:
    """Text that comes in the place of another."""

    begin: int
    end: int
    text: str


def _apply(text: str, edits: list[_Edit]) -> str:
    for edit in sorted(edits, key=lambda one: one.begin, reverse=True):
        text = text[: edit.begin] + edit.text + text[edit.end :]
    return text


def _root(text: str) -> yaml.MappingNode | None:
    try:
        found = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise CannotEdit("it is no YAML") from error
    if found is None or (isinstance(found, yaml.ScalarNode) and found.value in ("", "null", "~")):
        return None
    if isinstance(found, yaml.MappingNode) and not found.value:
        return None
    if not isinstance(found, yaml.MappingNode) or found.flow_style:
        raise CannotEdit("its settings are not one below the other")
    if "\r" in text or text.startswith("\ufeff"):
        raise CannotEdit("its lines end as on Windows")
    return found


def _without_braces(text: str) -> str:
    """The text without the `{}` or `null` of a file that says nothing."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    if node is None or (isinstance(node, yaml.MappingNode) and node.value):
        return text
    return text[: node.start_mark.index] + text[node.end_mark.index :].lstrip("\n")


def _find(mapping: yaml.MappingNode | None, key: str) -> Any:
    return next((value for name, value in mapping.value if name.value == key), None) if mapping else None


def _name_of(entry: Any) -> str:
    found = _find(entry, "name") if isinstance(entry, yaml.MappingNode) else None
    return str(found.value) if found is not None else DEFAULT_NAME


def _replaced(text: str, node: Any, value: str) -> str:
    space = "" if text[node.start_mark.index - 1 : node.start_mark.index].isspace() else " "
    return _apply(text, [_Edit(node.start_mark.index, node.end_mark.index, space + value)])


def _appended(text: str, section: str) -> str:
    if text.rstrip().endswith("..."):
        raise CannotEdit("it ends with the end of its document")
    gap = "" if not text.strip() else "\n" if text.endswith("\n") else "\n\n"
    return text + gap + section


def _merged(text: str, mapping: yaml.MappingNode, values: Mapping[str, str]) -> str:
    """A mapping with these values; `api_key` gives way to `api_key_file`."""
    edits: list[_Edit] = []
    missing = dict(values)
    for key, value in mapping.value:
        if key.value in missing:
            if not isinstance(value, yaml.ScalarNode):
                raise CannotEdit(f"{key.value} is no single value in it")
            if value.value != missing[key.value]:
                edits.append(_Edit(value.start_mark.index, value.end_mark.index, _scalar(missing[key.value])))
            del missing[key.value]
        elif key.value == "api_key" and "api_key_file" in missing:
            new = f"api_key_file: {_scalar(missing.pop('api_key_file'))}"
            edits.append(_Edit(key.start_mark.index, value.end_mark.index, new))
    if missing:
        edits.append(_addition(text, mapping, missing))
    return _apply(text, edits)


def _addition(text: str, mapping: yaml.MappingNode, missing: Mapping[str, str]) -> _Edit:
    if not mapping.value:
        return _Edit(mapping.start_mark.index, mapping.end_mark.index, _flow(missing))
    last = mapping.value[-1][1]
    if mapping.flow_style:
        pairs = ", ".join(f"{key}: {_scalar(value)}" for key, value in missing.items())
        return _Edit(last.end_mark.index, last.end_mark.index, f", {pairs}")
    column = mapping.value[0][0].start_mark.column
    place = _after_line(text, last)
    return _Edit(place, place, _line_break(text, place) + _block(missing, column))


def _in_list(text: str, section: yaml.SequenceNode, name: str, entry: Mapping[str, str]) -> str:
    for one in section.value:
        if isinstance(one, yaml.MappingNode) and _name_of(one) == name:
            return _merged(text, one, {key: value for key, value in entry.items() if key != "name"})
    return _one_more(text, section, _flow(entry), _item(entry, section.start_mark.column))


def _one_more(text: str, section: yaml.SequenceNode, flow: str, block: str) -> str:
    """A list with one more, written as the list is: on one line, or one below the other."""
    if not section.value:
        return _replaced(text, section, f"[{flow}]")
    if section.flow_style:
        place = section.value[-1].end_mark.index
        return _apply(text, [_Edit(place, place, f", {flow}")])
    place = _after_line(text, section.value[-1])
    return _apply(text, [_Edit(place, place, _line_break(text, place) + block)])


def _as_list(text: str, section: yaml.MappingNode, entry: Mapping[str, str]) -> str:
    """One n8n becomes the first of a list."""
    begin, end = section.start_mark.index, section.end_mark.index
    if section.flow_style:
        return _apply(text, [_Edit(begin, end, f"[{text[begin:end]}, {_flow(entry)}]")])
    column = section.start_mark.column
    start = text.rindex("\n", 0, begin) + 1 if "\n" in text[:begin] else 0
    stop = _after_line(text, section.value[-1][1])
    rows = text[start:stop].splitlines(keepends=True)
    first, *others = rows
    kept = f"{' ' * column}- {first[column:]}" + "".join(f"  {row}" if row.strip() else row for row in others)
    return _apply(text, [_Edit(start, stop, kept + _line_break(text, stop) + _item(entry, column))])


def _after_line(text: str, node: Any) -> int:
    """Where the line after a value begins, whatever comments stand behind it."""
    index = _last(node).end_mark.index
    found = text.find("\n", index if text[index - 1 : index] != "\n" else index - 1)
    return len(text) if found < 0 else found + 1


def _last(node: Any) -> Any:
    """The last single value in a node: the end mark of a block lies behind what follows it."""
    while isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        node = node.value[-1][1] if isinstance(node, yaml.MappingNode) else node.value[-1]
    return node


def _line_break(text: str, place: int) -> str:
    return "" if not place or text[place - 1] == "\n" else "\n"


def _block(values: Mapping[str, str], column: int) -> str:
    return "".join(f"{' ' * column}{key}: {_scalar(value)}\n" for key, value in values.items())


def _item(values: Mapping[str, str], column: int) -> str:
    lines = _block(values, column + 2)
    return f"{' ' * column}- {lines[column + 2 :]}"


def _flow(values: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{key}: {_scalar(value)}" for key, value in values.items()) + "}"


def _scalar(value: str) -> str:
    """As YAML writes it: in quotes."""
    return yaml.safe_dump(value, default_style='"', allow_unicode=True, width=10_000).strip()
