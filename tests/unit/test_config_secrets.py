"""Secrets are made once, agreed on by all processes, and readable by their owner only."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from recovery.config import Config, ConfigProblems, ensure_secrets, load_config
from recovery.config.settings import SCOPED_NAMES, SECRET_NAMES


def config_in(folder: Path, **given: str) -> Config:
    return Config.model_validate({"data_dir": str(folder), **given})


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_first_start_makes_every_secret_and_the_second_reads_them(tmp_path: Path) -> None:
    given = config_in(tmp_path / "data")
    first, was_first = ensure_secrets(given)
    second, was_first_again = ensure_secrets(given)
    assert (was_first, was_first_again) == (True, False)
    values = [getattr(first, name) for name in SECRET_NAMES]
    assert values == [getattr(second, name) for name in SECRET_NAMES]
    assert len(set(values)) == len(SECRET_NAMES)
    assert all(len(value) >= 16 for value in values)


def test_secrets_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    before = os.umask(0o000)
    try:
        ensure_secrets(config_in(tmp_path / "data"))
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "data") == 0o700
    assert {mode_of(tmp_path / "data" / name) for name in SECRET_NAMES} == {0o600}


def test_a_directory_that_was_there_before_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o755)
    ensure_secrets(config_in(tmp_path / "data"))
    assert mode_of(tmp_path / "data") == 0o755


def test_a_secret_that_others_could_read_is_closed_again(tmp_path: Path) -> None:
    ensure_secrets(config_in(tmp_path))
    (tmp_path / "api_token").chmod(0o644)
    ensure_secrets(config_in(tmp_path))
    assert mode_of(tmp_path / "api_token") == 0o600


def test_what_the_configuration_gives_is_kept_and_not_written_down(tmp_path: Path) -> None:
    config, was_first = ensure_secrets(config_in(tmp_path, webhook_token="mine"))
    assert (config.webhook_token, was_first) == ("mine", True)
    assert not (tmp_path / "webhook_token").exists()
    everything = {name: f"mine-{name}" for name in SECRET_NAMES}
    assert ensure_secrets(config_in(tmp_path / "other", **everything))[1] is False


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    code = (
        "import sys; from recovery.config import Config, ensure_secrets\n"
        "config = Config(data_dir=sys.argv[1]); sys.stdin.read()\n"
        "made, first = ensure_secrets(config); print(first, made.webhook_token, made.session_key)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "data")]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for process in started:
        assert process.stdin
        process.stdin.close()
    said = [process.stdout.read().split() for process in started if process.stdout]
    assert [process.wait() for process in started] == [0] * 4
    assert len({tuple(words[1:]) for words in said}) == 1
    assert sorted(words[0] for words in said) == ["False", "False", "False", "True"]


def test_a_crash_in_the_middle_of_writing_leaves_no_half_secret(tmp_path: Path) -> None:
    (tmp_path / ".webhook_token.new").write_text("half")
    config, _ = ensure_secrets(config_in(tmp_path))
    assert len(config.webhook_token) >= 32
    assert not list(tmp_path.glob(".*.new"))


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe\x00"])
def test_a_damaged_secret_is_told_and_not_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "webhook_token").write_bytes(content)
    with pytest.raises(ConfigProblems, match="delete the file"):
        ensure_secrets(config_in(tmp_path))
    assert (tmp_path / "webhook_token").read_bytes() == content


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_data_directory_that_is_none_is_told(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigProblems, match="MEDIC_DATA_DIR"):
        ensure_secrets(config_in(tmp_path / place))


def test_an_update_makes_the_tokens_for_n8n_and_is_no_first_start(tmp_path: Path) -> None:
    ensure_secrets(config_in(tmp_path))
    for name in SCOPED_NAMES:
        (tmp_path / name).unlink()
    config, was_first = ensure_secrets(config_in(tmp_path))
    assert was_first is False
    assert all(len(getattr(config, name)) >= 32 and mode_of(tmp_path / name) == 0o600 for name in SCOPED_NAMES)


def test_each_token_for_n8n_is_given_by_a_variable_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("from-a-file\n")
    for name in SCOPED_NAMES:
        variable = f"MEDIC_{name.upper()}"
        assert getattr(load_config(None, {variable: "given"}), name) == "given"
        assert getattr(load_config(None, {f"{variable}_FILE": str(tmp_path / "kept")}), name) == "from-a-file"
