"""What is printed can be typed as it stands."""

import sys
from pathlib import Path

import pytest

from recovery.cli.banner import first_start_text
from recovery.cli.itself import medic
from recovery.config import Config


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout after `make run`, with nothing on the PATH."""
    beside = tmp_path / ".venv" / "bin"
    beside.mkdir(parents=True)
    (beside / "medic").touch()
    monkeypatch.setattr(sys, "executable", str(beside / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_after_make_run_it_is_called_by_its_path(checkout: Path) -> None:
    assert medic() == ".venv/bin/medic"
    text = first_start_text(Config(), Config(), may_show_secrets=False)
    assert "`.venv/bin/medic init`" in text and "`.venv/bin/medic check-config`" in text
    assert max(len(line) for line in text.splitlines() if "medic" in line) <= 78


def test_from_another_folder_its_whole_path_is_told(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (checkout / "elsewhere").mkdir()
    monkeypatch.chdir(checkout / "elsewhere")
    assert medic() == str(checkout / ".venv" / "bin" / "medic")


def test_where_the_shell_finds_it_the_name_is_enough(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (checkout / ".venv" / "bin" / "medic").chmod(0o755)
    monkeypatch.setenv("PATH", str(checkout / ".venv" / "bin"))
    assert medic() == "medic"


def test_where_there_is_no_such_file_python_runs_it(checkout: Path) -> None:
    (checkout / ".venv" / "bin" / "medic").unlink()
    assert medic() == f"{checkout}/.venv/bin/python -m recovery"
