"""The example, the schema and the documentation say what the settings are, and are never stale."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from recovery.config import Config, load_config
from recovery.config.environment import OTHERS, VARIABLES
from recovery.config.schema import config_schema, render_schema
from recovery.config.settings import SECRET_NAMES
from recovery.config.shapes import fields_of, models_in

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "medic.example.yaml"


URLS = {"slack_webhook": "https://hooks.example.com/x"}
URLS |= {"telegram_url": "tgram://123456789:token/42", "discord_url": "https://discord.com/api/webhooks/1/token"}


def whole_example(folder: Path) -> str:
    """The example with everything that is switched off in it switched on."""
    text = re.sub(r"^#(?=[a-z_0-9]+:|  )", "", EXAMPLE.read_text(), flags=re.MULTILINE)
    return text.replace("/run/secrets", str(folder))


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    for name in re.findall(r"/run/secrets/(\w+)", EXAMPLE.read_text()):
        (tmp_path / name).write_text(URLS.get(name, f"{name}-value-for-the-tests"))
    (tmp_path / "database_url").write_text("postgresql://u:p@h/d")
    return tmp_path


def test_the_example_is_valid_as_it_stands() -> None:
    config = load_config(EXAMPLE, env={})
    assert [component.name for component in config.components] == ["orders-api", "orders-database"]


def test_the_example_is_valid_with_everything_switched_on(secrets: Path) -> None:
    (secrets / "medic.yaml").write_text(whole_example(secrets))
    config = load_config(secrets / "medic.yaml", env={})
    assert len(config.components) == 6
    assert [channel.kind for channel in config.alerts.channels] == [
        *("slack", "webhook", "email", "sms", "slack", "webhook", "apprise", "n8n", "console")
    ]
    assert config.n8n[0].api_key == "n8n_api_key-value-for-the-tests"


def test_the_examples_settings_are_the_defaults_it_claims(secrets: Path) -> None:
    (secrets / "medic.yaml").write_text(whole_example(secrets))
    shown, default = load_config(secrets / "medic.yaml", env={}), Config()
    for section in ("recovery", "replay", "retention", "poll_every", "bind", "dry_run"):
        assert getattr(shown, section) == getattr(default, section), section


def test_the_example_shows_every_key(secrets: Path) -> None:
    text = whole_example(secrets)
    hidden = set(SECRET_NAMES)
    missing = [key for key in all_keys() if key not in hidden and not re.search(rf"\b{key}(_file)?:", text)]
    assert not missing


def all_keys() -> set[str]:
    return {key for _, key in _walk(Config)}


def _walk(model: Any) -> Iterator[tuple[str, str]]:
    for key, field in fields_of(model).items():
        yield model.__name__, key
        for inner in models_in(field.annotation):
            yield from _walk(inner)


def test_the_documentation_names_every_key() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    assert not [key for key in all_keys() if f"`{key}`" not in text and f"## {key}" not in text]


def test_the_documentation_names_every_variable() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    assert not [name for name in [*OTHERS, *(variable.name for variable in VARIABLES)] if f"`{name}`" not in text]


def test_every_setting_says_what_it_means() -> None:
    silent = []
    waiting: list[Any] = [Config]
    while waiting:
        model = waiting.pop()
        for key, field in fields_of(model).items():
            silent += [] if field.description else [f"{model.__name__}.{key}"]
            waiting += models_in(field.annotation)
    assert not silent


def test_the_committed_schema_is_fresh() -> None:
    committed = (ROOT / "docs" / "medic.schema.json").read_text()
    assert committed == render_schema(), "the settings have changed: run `make schema` and commit the file"


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(config_schema())


def schema_complains(text: str) -> list[str]:
    found = jsonschema.Draft202012Validator(config_schema()).iter_errors(yaml.safe_load(text) or {})
    return [error.message for error in found]


def test_the_schema_takes_the_example(secrets: Path) -> None:
    assert schema_complains(EXAMPLE.read_text()) == []
    assert schema_complains(whole_example(secrets)) == []


@pytest.mark.parametrize("text", ["", "components:\nalerts:\nn8n:\n", "n8n: [{url: 'http://a'}]", "poll_every: 30"])
def test_the_schema_takes_what_is_valid(text: str) -> None:
    load_text = yaml.safe_load(text) or {}
    assert schema_complains(text) == [], load_text


@pytest.mark.parametrize(
    "text",
    [
        "componets: []",
        "poll_every: fast",
        "replay: {rate: 5}",
        "components: [{name: a, check: {kind: htp}}]",
        "components: [{name: a, check: {kind: tcp, host: a, prt: 1}}]",
        "components: [{name: a, evry: 5s}]",
        "components: [{severity: low}]",
        "components: [{name: a, severity: bad}]",
        "alerts: {channels: [{name: a, kind: slack}]}",
        "alerts: {channels: [{name: a, kind: webhook, url: 'http://a', severitys: [low]}]}",
        "n8n: {name: a}",
    ],
)
def test_the_schema_refuses_what_loading_refuses(text: str, tmp_path: Path) -> None:
    (tmp_path / "medic.yaml").write_text(text)
    with pytest.raises(Exception, match="problem"):
        load_config(tmp_path / "medic.yaml", env={})
    assert schema_complains(text)
