"""Every example of docs/alerts.md is a configuration, and every kind of channel has one."""

import re
from pathlib import Path

import pytest
import yaml

from recovery.alerts import REGISTRY
from recovery.alerts.messages.checking import template_problems
from recovery.alerts.messages.words import names_of_files
from recovery.config import load_config

TEXT = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text()
EXAMPLES = [text for text in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL) if text.startswith("alerts:")]
SECRETS = {"slack_webhook": "https://hooks.example.com/x", "ntfy_url": "ntfys://h/a", "discord_url": "discord://a/b"}


def whole(example: str) -> str:
    """The example with the channels that it speaks of: those of about whom is told need not be written out again."""
    alerts = yaml.safe_load(example)["alerts"]
    told = [one for key in ("routes", "people") for one in alerts.get(key, [])]
    names = sorted({name for one in told for name in one.get("channels", [])})
    if "channels" in alerts or not names:
        return example
    return example + "  channels:\n" + "".join(f"    - {{name: {name}, kind: console}}\n" for name in names)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_can_be_copied(example, tmp_path):
    example = whole(example)
    for name in re.findall(r"/run/secrets/(\w+)", example):
        (tmp_path / name).write_text(SECRETS.get(name, f"{name}-value"))
    (tmp_path / "medic.yaml").write_text(example.replace("/run/secrets", str(tmp_path)))
    config = load_config(tmp_path / "medic.yaml", env={})
    for plan in config.channel_plans():
        config.channel_args(plan.name)


def test_every_kind_of_channel_has_an_example():
    shown = {channel["kind"] for text in EXAMPLES for channel in yaml.safe_load(text)["alerts"].get("channels", [])}
    assert shown == {plugin.name for plugin in REGISTRY.all()}


def test_every_key_of_every_channel_is_named():
    for plugin in REGISTRY.all():
        assert [key for key in plugin.args.model_fields if f"`{key}`" not in TEXT] == []


def test_the_example_of_a_template_can_be_used(tmp_path):
    example = re.search(r"```jinja\n(.*?)```", TEXT, re.DOTALL)[1]
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "incident.j2").write_text(example)
    assert template_problems(tmp_path) == []


def test_every_template_is_named():
    assert [name for name in names_of_files() if name.replace("ko/", "en/") not in TEXT] == []
