"""The walls of the house: who may import whom, and how long a function and a module may be."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST_FUNCTION, LONGEST_MODULE = 30, 300

EVERY_ROOM = {
    "model",
    "clock",
    "redact",
    "config",
    "sources",
    "decide",
    "store",
    "outside",
    "checks",
    "actions",
    "alerts",
    "analytics",
    "worker",
    "cli",
}
# Who may import whom; docs/architecture.md says why. A room may always import itself.
MAY_IMPORT: dict[str, set[str]] = {
    "model": set(),
    "clock": set(),
    "redact": set(),
    "sources": {"model"},
    "decide": {"model"},
    "config": {"model", "redact", "checks", "actions", "alerts"},
    "store": {"model", "redact", "clock"},
    "outside": {"model", "redact"},
    "checks": {"model"},
    "actions": {"model", "checks", "alerts"},
    "alerts": {"model"},
    "analytics": {"model", "store"},
    "worker": EVERY_ROOM - {"cli"},
    "cli": {"config", "store", "analytics", "model", "clock", "outside", "checks", "worker", "decide"}
    | {"actions", "alerts", "webhook_server"},
    "webhook_server": {"config", "clock", "model", "sources", "store", "analytics", "alerts"},
    "__init__": set(),
    "__main__": {"cli"},
}
# Rooms that only some modules of another may import: the command line looks (run-check, agent, what run-action would
# do), tries a channel, and starts the worker, but never acts (playbook explain decides, and tells it), except for
# `connect`, which wires an n8n for a person who waits, and `audit`, which mends for one: `reaching` opens its doors,
# and what is planned is decided as everywhere. gunicorn loads the web before it forks. An agent lives on a machine
# without a database. Some actions find what they mend as its check does, or post as a channel does; they never run
# either. A page shows what people would be told, and says reasons in its language by the phrases of the
# messages; it sends nothing.
CONNECTING = {"connecting", "wiring", "unwiring", "saving", "wiring_words", "shipped_files", "diagnosing"}
AUDITING = {"auditing", "audit_fixing", "audit_words"}
ONLY_FROM = {
    ("cli", "outside"): {"checking", "agent", "acting", "alert_tries", "reaching"},
    ("cli", "actions"): {"audit_fixing"},
    ("cli", "alerts"): {"alert_tries"},
    ("webhook_server", "alerts"): {"previewing", "wording"},
    ("cli", "checks"): {"checking", "auditing"},
    ("cli", "worker"): {"commands"},
    ("cli", "decide"): {"explaining", "explaining_now", "summary", "telling"} | CONNECTING | AUDITING,
    ("cli", "webhook_server"): {"gunicorn_settings"},
    ("actions", "checks"): {"republish_workflow", "restart_n8n", "stop_execution"},
    ("actions", "alerts"): {"call_webhook", "run_workflow", "posting_incidents"},
}
# A list of declarations gains nothing by being two lists.
LONGER_MODULES: dict[str, int] = {}
# What only one room may touch: SQL, the network and processes.
ONLY_IN = {
    "peewee": {"store"},
    "psycopg": {"store", "outside"},
    "pymysql": {"outside"},
    "redis": {"outside"},
    "dns": {"outside"},
    "aiohttp": {"outside"},
    "asyncssh": {"outside"},
    "psutil": {"outside"},
    "requests": {"outside"},
    "subprocess": {"outside", "cli"},
    "yagmail": {"outside"},
    "twilio": {"outside"},
    "slack_sdk": {"outside"},
    "apprise": {"outside"},
    "pynvml": {"outside"},
}


def sources_of(root: Path) -> list[Path]:
    """Every module of ours, without the migrations, which are kept as they once ran."""
    found = [path for package in ("recovery", "webhook_server") for path in sorted((root / package).rglob("*.py"))]
    return [path for path in found if "migrations" not in path.parts]


def room_of(path: Path, root: Path) -> str:
    """The room that a file stands in: `recovery/decide/triage.py` is in `decide`."""
    parts = path.relative_to(root).with_suffix("").parts
    return parts[0] if parts[0] == "webhook_server" else parts[1]


def imports_of(path: Path, root: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that a file imports, however it writes it, even inside a function."""
    package = list(path.relative_to(root).with_suffix("").parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            yield from ((node.lineno, f"{base}.{name.name}") for name in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__"):
                yield node.lineno, str(node.args[0].value)


def broken_walls(root: Path) -> list[str]:
    """Every import that the table does not allow, as file, line and what it imports."""
    broken = []
    for path in sources_of(root):
        room = room_of(path, root)
        for line, name in imports_of(path, root):
            parts = name.split(".")
            target = parts[1] if parts[0] == "recovery" and len(parts) > 1 else parts[0]
            is_ours = parts[0] in ("recovery", "webhook_server")
            allowed = target in MAY_IMPORT[room] | {room} if is_ours else room in ONLY_IN.get(target, {room})
            if not allowed or path.stem not in ONLY_FROM.get((room, target), {path.stem}):
                broken.append(f"{path.relative_to(root)}:{line}: {room} may not import {name}")
    return broken


def test_every_import_keeps_to_the_table():
    assert broken_walls(ROOT) == []


def test_the_map_names_every_part_of_the_worker():
    shown = (ROOT / "docs" / "architecture.md").read_text().partition("\n  worker/")[2].partition("\n  cli/")[0]
    parts = {path.stem for path in (ROOT / "recovery" / "worker").glob("*.py")} - {"__init__"}
    assert parts - set(re.findall(r"\w+", shown)) == set()


def test_every_room_is_in_the_table():
    rooms = {room_of(path, ROOT) for path in sources_of(ROOT)}
    assert rooms <= set(MAY_IMPORT)
    assert rooms >= {"model", "decide", "store", "outside", "worker", "webhook_server"}


@pytest.fixture
def made_up(tmp_path):
    """A tree with one file, to see that the wall holds."""

    def make(place: str, text: str) -> Path:
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return tmp_path

    return make


FORBIDDEN = [(room, other) for room in MAY_IMPORT for other in sorted(EVERY_ROOM - MAY_IMPORT[room] - {room})]


@pytest.mark.parametrize(("room", "other"), FORBIDDEN)
def test_one_wrong_arrow_is_noticed(made_up, room, other):
    place = "webhook_server/page.py" if room == "webhook_server" else f"recovery/{room}/page.py"
    root = made_up(place, f"import os\nfrom recovery.{other} import anything\n")
    assert broken_walls(root) == [f"{place}:2: {room} may not import recovery.{other}.anything"]


@pytest.mark.parametrize(("room", "other"), ONLY_FROM)
def test_an_arrow_from_the_wrong_module_of_a_room_is_noticed(made_up, room, other):
    root = made_up(f"recovery/{room}/page.py", f"def f():\n    from recovery.{other} import anything\n")
    assert len(broken_walls(root)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "import recovery.store.tables",
        "from recovery import store",
        "from recovery.store.tables import SignalRow as S",
        "from ..store import tables",
        "from .. import store",
        "def f():\n    from recovery.store import tables",
        "if True:\n    import recovery.store as s",
        "import importlib\nimportlib.import_module('recovery.store')",
        "import peewee as pw",
        "from peewee import Model",
        "import requests",
        "from subprocess import run",
        "from webhook_server import app",
    ],
)
def test_a_wrong_arrow_is_noticed_however_it_is_written(made_up, text):
    assert len(broken_walls(made_up("recovery/decide/page.py", text))) == 1


def test_what_is_allowed_is_not_noticed(made_up):
    text = (
        "import json\nfrom recovery.model import Signal\nfrom recovery.decide.triage import x\nfrom . import planner\n"
    )
    assert broken_walls(made_up("recovery/decide/page.py", text)) == []


def functions_of(path: Path) -> Iterator[tuple[str, int, int]]:
    """Name, first line and length of each function, from `def` to its end, without its docstring."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            told = node.body[0] if ast.get_docstring(node) else None
            docstring = (told.end_lineno or 0) - told.lineno + 1 if told else 0
            yield node.name, node.lineno, (node.end_lineno or 0) - node.lineno + 1 - docstring


def test_no_function_is_too_long():
    long = [
        f"{path.relative_to(ROOT)}:{line}: {name} has {length} lines"
        for path in sources_of(ROOT)
        for name, line, length in functions_of(path)
        if length > LONGEST_FUNCTION
    ]
    assert long == []


def test_no_module_is_too_long():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources_of(ROOT)}
    assert {name: length for name, length in lengths.items() if length > LONGER_MODULES.get(name, LONGEST_MODULE)} == {}


def test_a_function_that_is_too_long_is_noticed(made_up):
    body = "\n".join("    x = 1" for _ in range(LONGEST_FUNCTION))
    root = made_up("recovery/decide/page.py", f'def f():\n    """Words."""\n{body}\n')
    assert [length for _, _, length in functions_of(root / "recovery/decide/page.py")] == [LONGEST_FUNCTION + 1]


def test_only_the_clock_reads_the_wall_clock_and_nobody_sleeps():
    banned = {"sleep", "utcnow", "time"}
    found = []
    for path in sources_of(ROOT):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = getattr(node.func.value, "id", "")
                reads_now = owner in ("datetime", "date") and node.func.attr in ("now", "today", "utcnow")
                if reads_now or (owner == "time" and node.func.attr in banned):
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert [place for place in found if not place.startswith("recovery/clock.py")] == []
