"""The pages about plugins are never stale, and the examples in them work."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest
import yaml

from recovery.actions import REGISTRY as ACTIONS
from recovery.checks import REGISTRY as CHECKS
from recovery.model import DoorError, Plugin, Registry
from tests.plugins import test_contract as contract
from tests.plugins.plugins import BACKGROUND, FailingDoors, example_args, run_plugin

ROOT = Path(__file__).parents[2]
EXTENDING = (ROOT / "docs" / "extending.md").read_text()


def load(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


generate = load(ROOT / "docs" / "generate.py", "docs_generate")


@pytest.mark.parametrize("name", ["checks.md", "actions.md"])
def test_a_page_says_what_the_plugins_say(name):
    written = (ROOT / "docs" / name).read_text()
    assert written == generate.pages()[name], "run `.venv/bin/python docs/generate.py` and commit the pages"


def test_every_plugin_and_every_key_is_on_its_page():
    for registry, page in ((CHECKS, "checks.md"), (ACTIONS, "actions.md")):
        text = (ROOT / "docs" / page).read_text()
        for plugin in registry.all():
            section = text.partition(f"## `{plugin.name}`")[2]
            assert all(f"| `{name}` |" in section for name in plugin.args.model_fields)


def test_the_example_of_every_check_is_a_configuration():
    used = yaml.safe_load(re.search(r"```yaml\n(.*?)```", generate.CHECKS_INTRO, re.DOTALL)[1])
    told = [component["check"] for component in used["components"]]
    missing = {plugin.name for plugin in CHECKS.all()} - {check["kind"] for check in told}
    assert not missing, f"give {missing} a line in the example of docs/generate.py: docs/extending.md says so"
    for check in told:
        arguments = {key: value for key, value in check.items() if key not in ("kind", "password_file")}
        CHECKS.find(check["kind"]).args.model_validate(arguments)


@pytest.fixture
def example(tmp_path, monkeypatch):
    """The plugin of an example in docs/extending.md, as if it had been saved where the page says."""

    def make(folder: str, name: str) -> Plugin:
        before, _, after = EXTENDING.partition(f"recovery/{folder}/{name}.py`:")
        code = re.search(r"```python\n(.*?)```", after, re.DOTALL)[1]
        path = tmp_path / folder / f"{name}.py"
        path.parent.mkdir()
        path.write_text(code)
        registry = Registry(folder[:-1])
        monkeypatch.setattr(sys.modules[f"recovery.{folder}"], folder[:-1], registry.announce)
        load(path, f"example_{name}")
        return registry.find(name)

    return make


class Answers:
    """Doors whose HTTP answers are given."""

    def __init__(self, site):
        from recovery.outside.http import Http

        self.http = Http(background=BACKGROUND)
        self.url = site.url


@pytest.mark.parametrize(("folder", "name"), [("checks", "json_status"), ("actions", "call_address")])
def test_an_example_keeps_what_every_plugin_promises(example, folder, name):
    plugin, word = example(folder, name), folder[:-1]
    contract.test_a_plugin_is_one_file_with_its_name(word, plugin)
    contract.test_a_plugin_says_what_it_does(word, plugin)
    contract.test_every_argument_is_described_and_has_an_example_where_it_must_be_given(word, plugin)
    contract.test_an_argument_that_does_not_exist_is_refused_without_saying_what_was_given(word, plugin)
    for kind in contract.KINDS:
        contract.test_a_plugin_answers_when_the_outside_does_not(word, plugin, kind)
    contract.test_what_cannot_succeed_is_said_to_be_permanent(word, plugin)
    contract.test_a_plugin_never_waits_by_itself(word, plugin)
    if plugin.preview:
        contract.test_an_action_tells_what_it_would_do(plugin)


def test_the_example_of_a_check_works(example, site):
    plugin = example("checks", "json_status")
    doors = Answers(site)
    for body, healthy in ((b'{"status": "ok"}', True), (b'{"status": "down"}', False), (b"[]", False), (b"no", False)):
        site.answers["/status"] = (200, {}, body)
        assert run_plugin(plugin, example_args(plugin, url=site.url + "/status"), doors).healthy is healthy
    assert not run_plugin(plugin, example_args(plugin), FailingDoors(DoorError("no"))).healthy


def test_the_example_of_an_action_works(example, site):
    plugin = example("actions", "call_address")
    doors = Answers(site)
    for status, word in ((200, "Done"), (302, "Done"), (404, "Failed"), (503, "Failed")):
        site.answers["/restart"] = (status, {"Location": "/"}, b"")
        assert type(run_plugin(plugin, example_args(plugin, url=site.url + "/restart"), doors)).__name__ == word
    assert site.asked[0][0] == "POST"
    assert not plugin.safe_to_repeat


def test_what_the_pages_name_exists():
    for page in ("CONTRIBUTING.md", "docs/extending.md", "docs/checks.md", "docs/actions.md"):
        text = (ROOT / page).read_text()
        for link in re.findall(r"\]\(([^)#:]+)\)", text):
            assert ((ROOT / page).parent / link).exists(), f"{page} links to {link}"
        for path in re.findall(r"`((?:recovery|tests|docs|webhook_server)/[\w/.]+)`", text):
            assert (ROOT / path).exists() or "json_status" in path or "call_address" in path, f"{page} names {path}"
