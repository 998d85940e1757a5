"""What every check and every action promises, whoever wrote it."""

import ast
import shutil
import sys
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from recovery import actions, checks
from recovery.clock import utc_now
from recovery.model import About, Asked, Done, DoorError, Failed, NotNeeded, Reading, Registry
from tests.plugins.plugins import ALL, NAMES, FailingDoors, example_args, run_plugin

KINDS = ("timeout", "refused", "dns", "tls", "reset", "status", "auth", "rate_limited", "client", "network")
ASK_NOBODY = {"heartbeat", "pushed"}  # they wait to be told
LEAVE_IT_TO_OTHERS = {"restart_by_agent"}  # what the worker writes down, and an agent does
WAITING = {"time", "asyncio", "threading", "sched", "tenacity"}

every_plugin = pytest.mark.parametrize(("word", "plugin"), ALL, ids=NAMES)


def source_of(plugin):
    return Path(sys.modules[plugin.module].__file__)


def test_there_are_checks_and_actions():
    assert {plugin.name for plugin in checks.REGISTRY.all()} >= {"http", "tcp"}
    assert {plugin.name for plugin in actions.REGISTRY.all()} >= {"run_command"}


@every_plugin
def test_a_plugin_is_one_file_with_its_name(word, plugin):
    assert source_of(plugin).stem == plugin.name
    assert source_of(plugin).parent.name == f"{word}s"


@every_plugin
def test_a_plugin_says_what_it_does(word, plugin):
    first = plugin.doc.strip().splitlines()[0]
    assert len(first) > 20
    assert plugin.doc.strip().endswith(".")


@every_plugin
def test_every_argument_is_described_and_has_an_example_where_it_must_be_given(word, plugin):
    for name, field in plugin.args.model_fields.items():
        assert field.description, f"{name} is not described"
        assert not field.is_required() or field.examples, f"{name} has no example"
    example_args(plugin)


@every_plugin
def test_an_argument_that_does_not_exist_is_refused_without_saying_what_was_given(word, plugin):
    with pytest.raises(ValidationError) as problem:
        example_args(plugin, no_such_key="hunter2")
    assert "no_such_key" in str(problem.value)
    assert "hunter2" not in str(problem.value)


@every_plugin
def test_arguments_survive_being_stored(word, plugin):
    args = example_args(plugin)
    assert plugin.args.model_validate_json(args.model_dump_json()) == args


@every_plugin
@pytest.mark.parametrize("kind", KINDS)
def test_a_plugin_answers_when_the_outside_does_not(word, plugin, kind):
    answer = run_plugin(plugin, example_args(plugin), FailingDoors(DoorError("it does not answer", kind)))
    if plugin.name in ASK_NOBODY:
        assert answer.healthy is not False
    elif plugin.name in LEAVE_IT_TO_OTHERS:
        assert isinstance(answer, Asked)
    elif word == "check":
        assert isinstance(answer, Reading)
        assert not answer.healthy
        assert answer.failure_type
        assert answer.because == "it does not answer"
    else:
        assert isinstance(answer, (Done, Failed, NotNeeded))
        assert isinstance(answer, Failed)
        assert answer.why == "it does not answer"


@every_plugin
def test_what_cannot_succeed_is_said_to_be_permanent(word, plugin):
    answer = run_plugin(
        plugin, example_args(plugin), FailingDoors(DoorError("no such thing", "client", permanent=True))
    )
    assert word == "check" or plugin.name in LEAVE_IT_TO_OTHERS or answer.permanent


@pytest.mark.parametrize("plugin", actions.REGISTRY.all(), ids=lambda plugin: plugin.name)
def test_an_action_tells_what_it_would_do(plugin):
    """Without an outside it says so, or needs none for it."""
    doors = FailingDoors(DoorError("it does not answer"))
    try:
        told = plugin.preview(example_args(plugin), doors, About("orders", utc_now()))
    except DoorError:
        return
    assert told[:1].islower()
    assert not told.endswith(".")


@every_plugin
def test_a_plugin_never_waits_by_itself(word, plugin):
    tree = ast.parse(source_of(plugin).read_text())
    imported = {
        name.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    }
    imported |= {(node.module or "").split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not imported & WAITING


@every_plugin
def test_a_plugin_has_a_test(word, plugin):
    tests = Path(__file__).parent.parent
    files = [*tests.glob("plugins/test_*.py"), *tests.glob("n8n/test_*.py")]
    text = "".join(path.read_text() for path in files if path.name != Path(__file__).name)
    assert f"{plugin.module}" in text or f'find("{plugin.name}")' in text


def announce(tmp_path, monkeypatch, **files):
    package = tmp_path / "made_up"
    package.mkdir()
    (package / "__init__.py").write_text("")
    for name, text in files.items():
        (package / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = Registry("check")
    monkeypatch.setitem(sys.modules, "made_up_registry", registry)
    monkeypatch.setattr(registry, "check", registry.announce, raising=False)
    try:
        registry.import_all("made_up", [str(package)])
    finally:
        for name in [name for name in sys.modules if name.startswith("made_up.") or name == "made_up"]:
            del sys.modules[name]
    return registry


GOOD = '''
from pydantic import BaseModel
from made_up_registry import check
class Args(BaseModel): pass
@check("{name}")
def look(args, doors):
    """Looks."""
'''


def test_a_new_file_announces_itself(tmp_path, monkeypatch):
    registry = announce(tmp_path, monkeypatch, one=GOOD.format(name="one"), two=GOOD.format(name="two"))
    assert [plugin.name for plugin in registry.all()] == ["one", "two"]
    with pytest.raises(KeyError, match="there are one, two"):
        registry.find("three")


def test_a_name_taken_twice_names_both_files(tmp_path, monkeypatch):
    with pytest.raises(TypeError, match=r"'same'.*two\.py.*made_up\.one"):
        announce(tmp_path, monkeypatch, one=GOOD.format(name="same"), two=GOOD.format(name="same"))


def test_a_plugin_without_words_or_arguments_is_refused(tmp_path, monkeypatch):
    with pytest.raises(TypeError, match=r"bare\.py has no docstring"):
        announce(tmp_path, monkeypatch, bare=GOOD.format(name="bare").replace('"""Looks."""', "pass"))
    shutil.rmtree(tmp_path / "made_up")
    with pytest.raises(TypeError, match=r"lone\.py has no Args"):
        announce(tmp_path, monkeypatch, lone=GOOD.format(name="lone").replace("class Args(BaseModel): pass", ""))


def test_a_look_at_nothing_takes_no_time():
    begin = time.monotonic()
    for word, plugin in ALL:
        assert run_plugin(plugin, example_args(plugin), FailingDoors(DoorError("no"))) is not None, word
    assert time.monotonic() - begin < 0.5
