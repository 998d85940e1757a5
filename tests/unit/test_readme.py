"""The README promises nothing that is not there: its configuration loads, and what it names exists."""

import re
from pathlib import Path

import pytest

from recovery.cli import main
from recovery.config import load_config

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CHANGELOG.md", ROOT / "n8n_workflows/README.md"] + sorted((ROOT / "docs").glob("*.md"))


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("block", blocks(README, "yaml") + blocks(ROOT / "docs/operating.md", "yaml"))
def test_every_configuration_that_is_shown_loads(block: str, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/n8n_api_key").write_text("key")
    file = tmp_path / "medic.yaml"
    file.write_text(block)
    load_config(file, {})


def test_a_block_with_a_slip_would_be_seen(tmp_path: Path) -> None:
    file = tmp_path / "medic.yaml"
    file.write_text(blocks(README, "yaml")[-1].replace("language", "langauge"))
    with pytest.raises(Exception, match="language"):
        load_config(file, {})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    code = "\n".join(re.findall(r"`[^`\n]+`", page.read_text()) + blocks(page, "sh") + blocks(page, "ini"))
    asked = set(re.findall(r"\bmake ([a-z][a-z0-9-]*)", code))
    assert asked <= targets, f"no such make target: {asked - targets}"
    known = set(main.commands)
    named = set(re.findall(r"(?<![\w.:-])(?:\S*/)?medic ([a-z][a-z-]*)", code))
    assert named <= known, f"no such command: {named - known}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not re.match(r"https?://|#", target):
            assert (page.parent / target.partition("#")[0]).exists(), f"{page.name} links to {target}"


def test_every_command_of_ours_is_told() -> None:
    for name in main.commands:
        assert f"medic {name}" in README.read_text()
