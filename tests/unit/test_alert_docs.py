"""Every example of docs/alerts.md is a configuration, and every kind of channel has one."""

import re
import time
from pathlib import Path

import pytest
import yaml

from recovery.alerts import REGISTRY
from recovery.alerts.messages.checking import template_problems
from recovery.alerts.messages.words import names_of_files
from recovery.alerts.posting import signature
from recovery.cli.channel_templates import CHANNELS
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


def test_the_example_that_checks_a_signature_believes_what_we_sign_and_nothing_else():
    (example,) = re.findall(r"```python\n(import hashlib.*?)```", TEXT, re.DOTALL)
    made: dict = {}
    exec(example, made)
    now, body = int(time.time()), '{"title": "주문 API"}'.encode()
    signed = signature("s3cret", body, now)
    assert made["is_ours"](signed, body, "s3cret")
    assert not made["is_ours"](signed, body + b" ", "s3cret") and not made["is_ours"](signed, body, "another")
    assert not made["is_ours"](signature("s3cret", body, now - 400), body, "s3cret"), "somebody sends it once more"
    assert not made["is_ours"](signed.replace(f"t={now}", f"t={now + 1}"), body, "s3cret")
    for wrong in ("", "t=,v1=", "v1=abc", "t=x,v1=y", ",,=", f"t={now}", f"t={now},v1=é", "t=²,v1=a"):
        assert not made["is_ours"](wrong, body, "s3cret")


def test_every_piece_that_init_has_for_a_channel_is_named():
    assert [one.name for one in CHANNELS if f"`{one.name}`" not in TEXT and f"--channel {one.name}`" not in TEXT] == []


def test_every_template_is_named():
    assert [name for name in names_of_files() if name.replace("ko/", "en/") not in TEXT] == []
