"""Draws pictures/<name>.svg of every workflow in this folder, as n8n shows it: `python n8n_workflows/draw.py`."""

import json
import re
import textwrap
from pathlib import Path
from typing import Any

import drawsvg

HERE = Path(__file__).parent
PICTURES = HERE / "pictures"
FONT = "Inter, 'Segoe UI', 'Noto Sans', 'Noto Sans CJK KR', sans-serif"
SIZE, MARGIN, DOT = 96, 48, 5
STICKIES = {1: "#fff8d6", 2: "#ffe8d1", 3: "#ffe1e1", 4: "#e2f5e2", 5: "#e1efff", 6: "#efe6ff", 7: "#eeeeee"}
LOOKS = {
    "errorTrigger": ("⚡", "#ff6d5a"),
    "scheduleTrigger": ("◷", "#31c48d"),
    "webhook": ("↪", "#9b51e0"),
    "formTrigger": ("☰", "#0ea5a5"),
    "form": ("☰", "#0ea5a5"),
    "set": ("✎", "#3b6ef5"),
    "httpRequest": ("⇄", "#3b6ef5"),
    "if": ("?", "#408000"),
    "switch": ("⇶", "#506000"),
    "filter": ("∇", "#229eff"),
    "splitOut": ("⋔", "#ff6d5a"),
    "aggregate": ("⊕", "#ff6d5a"),
    "merge": ("⇥", "#0ea5a5"),
    "code": ("{ }", "#ff9922"),
    "wait": ("‖", "#804050"),
    "noOp": ("→", "#888888"),
    "stopAndError": ("✖", "#d03030"),
    "respondToWebhook": ("↩", "#9b51e0"),
    "slack": ("#", "#611f69"),
    "emailSend": ("✉", "#1a7f5a"),
    "twilio": ("✆", "#f22f46"),
}
"""What stands for each type of node, and its color."""


def draw(workflow: dict[str, Any]) -> str:
    """The picture of a workflow as SVG text; the same workflow gives the same text."""
    notes = [node for node in workflow["nodes"] if kind_of(node) == "stickyNote"]
    nodes = {node["name"]: node for node in workflow["nodes"] if kind_of(node) != "stickyNote"}
    picture = _paper([*notes, *nodes.values()])
    for note in notes:
        _draw_note(picture, note)
    for name, outputs in workflow["connections"].items():
        _draw_lines(picture, nodes, name, outputs["main"])
    for node in nodes.values():
        _draw_node(picture, node, workflow["connections"])
    return str(picture.as_svg()) + "\n"


def kind_of(node: dict[str, Any]) -> str:
    """Its type, without the package."""
    return str(node["type"]).rpartition(".")[2]


def box_of(node: dict[str, Any]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom on n8n's canvas."""
    left, top = node["position"]
    size = node["parameters"] if kind_of(node) == "stickyNote" else {"width": SIZE, "height": _height(node)}
    return left, top, left + size["width"], top + size["height"]


def outputs_of(node: dict[str, Any]) -> list[str]:
    """The names of its outputs; "" where it has one without a name."""
    parameters = node["parameters"]
    if kind_of(node) == "if":
        return ["true", "false"]
    if kind_of(node) == "switch":
        named = [rule["outputKey"] for rule in parameters["rules"]["values"]]
        more = parameters["options"].get("renameFallbackOutput")
        return [*named, more] if more else named
    return ["", "error"] if node.get("onError") == "continueErrorOutput" else [""]


def _height(node: dict[str, Any]) -> int:
    return max(SIZE, 32 * (len(outputs_of(node)) + 1))


def _paper(drawn: list[dict[str, Any]]) -> drawsvg.Drawing:
    boxes = [box_of(node) for node in drawn]
    left, top = min(box[0] for box in boxes) - MARGIN, min(box[1] for box in boxes) - MARGIN
    right, bottom = max(box[2] for box in boxes) + MARGIN, max(box[3] for box in boxes) + MARGIN + 32
    picture = drawsvg.Drawing(right - left, bottom - top, origin=(left, top), font_family=FONT)
    picture.append(drawsvg.Rectangle(left, top, right - left, bottom - top, fill="#f7f7f8"))
    return picture


def _draw_note(picture: drawsvg.Drawing, note: dict[str, Any]) -> None:
    left, top, right, bottom = box_of(note)
    color = STICKIES[note["parameters"].get("color", 1)]
    picture.append(
        drawsvg.Rectangle(left, top, right - left, bottom - top, rx=6, fill=color, stroke="#00000022", stroke_width=1)
    )
    line = top + 16
    for size, weight, text in _lines_of(note["parameters"]["content"], right - left - 32):
        line += size * 1.42
        if text:
            picture.append(drawsvg.Text(text, size, left + 16, line, fill="#333", font_weight=weight))


def _lines_of(content: str, width: float) -> list[tuple[int, str, str]]:
    """The lines of a note: size, weight and text; each as long as fits."""
    found: list[tuple[int, str, str]] = []
    in_code = False
    for line in content.split("\n"):
        if line.startswith("```"):
            in_code = not in_code
            continue
        heading = re.match(r"#+ ", line)
        size = {3: 24, 4: 17}.get(len(heading[0]), 15) if heading else 14
        plain = line if in_code else re.sub(r"\*\*|`|(?<!\w)\*|\*(?!\w)|^#+ ", "", line)
        indent = "\u00a0" * (len(plain) - len(plain.lstrip()))
        wrapped = textwrap.wrap(plain.strip(), max(8, int(width / _letter(plain, size)))) or [""]
        found += [(size, "700" if heading else "400", indent + text) for text in wrapped]
    return found


def _letter(text: str, size: int) -> float:
    """How wide a letter is about, in this text: those of Korean are twice as wide."""
    wide = sum(letter > "\u2e80" for letter in text)
    return size * (0.52 + 0.42 * wide / max(1, len(text)))


def _draw_lines(picture: drawsvg.Drawing, nodes: dict[str, Any], name: str, outputs: list[Any]) -> None:
    for place, targets in enumerate(outputs):
        begin = _out(nodes[name], place)
        color = "#d06060" if outputs_of(nodes[name])[place] == "error" else "#9aa0ab"
        for target in targets:
            _draw_line(picture, begin, _into(nodes[target["node"]], target["index"]), color)


def _draw_line(picture: drawsvg.Drawing, begin: tuple[float, float], end: tuple[float, float], color: str) -> None:
    pull = max(40.0, abs(end[0] - begin[0]) / 2)
    path = drawsvg.Path(stroke=color, stroke_width=2, fill="none")
    path.M(*begin).C(begin[0] + pull, begin[1], end[0] - pull, end[1], *end)
    picture.append(path)


def _out(node: dict[str, Any], place: int) -> tuple[float, float]:
    _, top, right, bottom = box_of(node)
    return right, top + (bottom - top) * (place + 1) / (len(outputs_of(node)) + 1)


def _into(node: dict[str, Any], place: int) -> tuple[float, float]:
    left, top, _, bottom = box_of(node)
    return left, top + (bottom - top) * (place + 1) / (node["parameters"].get("numberInputs", 1) + 1)


def _draw_node(picture: drawsvg.Drawing, node: dict[str, Any], connections: dict[str, Any]) -> None:
    left, top, right, bottom = box_of(node)
    sign, color = LOOKS[kind_of(node)]
    off = node.get("disabled", False)
    begins = not any(node["name"] == to["node"] for one in connections.values() for out in one["main"] for to in out)
    shape = drawsvg.Rectangle(
        left, top, SIZE, bottom - top, rx=28 if begins else 10, fill="#ffffff", stroke="#b8bcc6", stroke_width=2
    )
    if off:
        shape.args["stroke-dasharray"] = "6 4"
    picture.append(shape)
    middle = (left + right) / 2
    picture.append(
        drawsvg.Text(sign, 34, middle, (top + bottom) / 2 + 12, text_anchor="middle", fill="#bbb" if off else color)
    )
    _draw_ends(picture, node, connections)
    for place, text in enumerate(textwrap.wrap(node["name"], 22)):
        picture.append(
            drawsvg.Text(
                text, 14, middle, bottom + 19 + 17 * place, text_anchor="middle", fill="#222", font_weight="600"
            )
        )
    if off:
        picture.append(drawsvg.Text("(switched off)", 12, middle, bottom + 36, text_anchor="middle", fill="#888"))


def _draw_ends(picture: drawsvg.Drawing, node: dict[str, Any], connections: dict[str, Any]) -> None:
    for place, name in enumerate(outputs_of(node)):
        across, down = _out(node, place)
        picture.append(drawsvg.Circle(across, down, DOT, fill="#9aa0ab"))
        if name:
            picture.append(drawsvg.Text(name, 11, across + 9, down - 5, fill="#666"))


def main() -> None:
    """Write every picture anew."""
    PICTURES.mkdir(exist_ok=True)
    for file in sorted(HERE.glob("*.json")):
        (PICTURES / f"{file.stem}.svg").write_text(draw(json.loads(file.read_text())))


if __name__ == "__main__":
    main()
