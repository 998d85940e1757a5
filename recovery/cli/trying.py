"""Tries an answer of `medic init` as soon as it is given: what the loader would refuse in the end is asked again."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from recovery.cli.channel_templates import CHANNELS
from recovery.cli.pieces import Piece, Slot, Template, write_file
from recovery.cli.templates import N8N
from recovery.config import ConfigProblems, load_config
from recovery.config.problems import Problem


def why_refused(template: Template, name: str, slot: Slot, value: str) -> str:
    """What is wrong with a value, in the loader's words; "" where nothing is."""
    examples = {one.key: one.default or one.example for one in template.slots if one.kind != "secret"}
    return _told(_problems(template, name, {**examples, slot.key: value}) - _problems(template, name, examples))


def why_no_name(template: Template, name: str) -> str:
    """What is wrong with the name of a piece; "" where nothing is."""
    examples = {one.key: one.default or one.example for one in template.slots if one.kind != "secret"}
    return _told(_problems(template, name, examples) - _problems(template, template.name, examples))


def _problems(template: Template, name: str, values: Mapping[str, str]) -> set[Problem]:
    piece = Piece(template, name, values)
    n8n = piece if template is N8N else None
    channels = [piece] if template in CHANNELS else []
    components = [] if n8n or channels else [piece]
    with tempfile.TemporaryDirectory(prefix="medic-init-") as folder:
        path = Path(folder) / "medic.yaml"
        path.write_text(write_file(n8n, components, channels, "en", ""))
        try:
            load_config(path, {})
        except ConfigProblems as refused:
            return {Problem("", one.where, one.seen, one.expected, one.way_out) for one in refused.problems}
    return set()


def _told(problems: set[Problem]) -> str:
    return "; ".join(
        sorted({f"expected: {one.expected}" + (f" ({one.way_out})" * bool(one.way_out)) for one in problems})
    )
