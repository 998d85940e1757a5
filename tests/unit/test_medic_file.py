"""Settings put into the text of a medic.yaml: what is there stays, byte by byte."""

import difflib

import pytest
import yaml

from recovery.cli.medic_file import CannotEdit, with_component, with_n8n, with_setting

VALUES = {"url": "http://n8n:5678", "api_key_file": "data/secrets/k: #1"}
FILES = [
    "",
    "# only a comment\n",
    "{}\n",
    "null\n",
    "recovery: {settle: 1s}\n",
    "recovery: {settle: 1s}",
    "n8n:\nrecovery: {settle: 1s}\n",
    'n8n: {url: "http://x", api_key: abc}  # flow\nrecovery: {}\n',
    "n8n: {}\n",
    "n8n: []\n",
    "n8n:\n  # one\n  url: http://x   # keep\n  api_key: abc\n\n# after\nrecovery: {}\n",
    "n8n:\n    api_key_file: old\n    url: 'http://x'\nrecovery: {}\n",
    "n8n:\n  - url: http://x\n    # c\n    api_key_file: q\n\nrecovery: {}\n",
    "n8n:\n- {name: two, url: http://y}\nrecovery: {}",
    "n8n: [{url: http://x}, {name: three, url: http://z}]\n",
    "n8n: [{name: three, url: http://z}, ]\n",
    "---\nn8n:\n  url: http://x\n...\n",
    "alerts:\n  channels:\n  - {name: a, kind: webhook, url: http://x}   # mine\nn8n:\n  name: two\n  url: http://y\n",
    "# 한국어 주석 🚨\nn8n:\n  url: http://x  # 주소\n",
]


def entries(text: str) -> list[dict[str, str]]:
    found = (yaml.safe_load(text) or {}).get("n8n") or []
    return found if isinstance(found, list) else [found]


@pytest.mark.parametrize("name", ["default", "two"])
@pytest.mark.parametrize("text", FILES)
def test_one_n8n_is_as_given_and_everything_else_as_it_was(text: str, name: str) -> None:
    new = with_n8n(text, name, VALUES)
    mine = [one for one in entries(new) if one.get("name", "default") == name]
    assert len(mine) == 1 and {key: mine[0][key] for key in VALUES} == VALUES and "api_key" not in mine[0]
    before = [one for one in entries(text) if one and one.get("name", "default") != name]
    assert [one for one in entries(new) if one.get("name", "default") != name] == before
    others = {key: value for key, value in (yaml.safe_load(text) or {}).items() if key != "n8n"}
    assert {key: value for key, value in yaml.safe_load(new).items() if key != "n8n"} == others
    for comment in [row[row.index("#") :].strip() for row in text.splitlines() if "#" in row]:
        assert comment in new
    assert with_n8n(new, name, VALUES) == new, "the second time nothing is changed"


def test_only_the_lines_that_must_differ_do() -> None:
    text = FILES[10]
    new = with_n8n(text, "default", VALUES)
    rows = [row for row in difflib.ndiff(text.splitlines(), new.splitlines()) if row[0] in "+-"]
    assert [row[2:].strip() for row in rows] == [
        "url: http://x   # keep",
        'url: "http://n8n:5678"   # keep',
        "api_key: abc",
        'api_key_file: "data/secrets/k: #1"',
    ]


@pytest.mark.parametrize("text", ["a: 1\r\n", "[1, 2]\n", "n8n: text\n", "n8n: {url: [1]}\n", "a: 'x\n", "{a: 1}\n"])
def test_what_cannot_be_edited_well_is_refused(text: str) -> None:
    with pytest.raises(CannotEdit):
        with_n8n(text, "default", VALUES)


def test_a_setting_of_the_top_is_changed_or_added() -> None:
    assert with_setting("dry_run: false  # why\nb: 1\n", "dry_run", "true") == "dry_run: true  # why\nb: 1\n"
    assert with_setting("b: 1\n", "dry_run", "true") == "b: 1\n\ndry_run: true\n"
    assert yaml.safe_load(with_setting("dry_run:\nb: 1\n", "dry_run", "true")) == {"dry_run": True, "b": 1}


WATCHED = "{name: n8n, check: {kind: n8n}, severity: critical}"


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("", f"components:\n  - {WATCHED}\n"),
        ("{}\n", f"components:\n  - {WATCHED}\n"),
        ("b: 1  # x\n", f"b: 1  # x\n\ncomponents:\n  - {WATCHED}\n"),
        ("components:\nb: 1\n", f"components: [{WATCHED}]\nb: 1\n"),
        ("components: []\n", f"components: [{WATCHED}]\n"),
        ("components: [{name: a}]  # x\n", f"components: [{{name: a}}, {WATCHED}]  # x\n"),
        ("components:\n- name: a\n  hosts: [x]  # c\n\n# d\nb: 1\n",
         f"components:\n- name: a\n  hosts: [x]  # c\n- {WATCHED}\n\n# d\nb: 1\n"),
        ("components:\n    - {name: a}", f"components:\n    - {{name: a}}\n    - {WATCHED}\n"),
    ],
)  # fmt: skip
def test_a_component_is_added_behind_the_others(text: str, new: str) -> None:
    assert with_component(text, WATCHED) == new
    assert yaml.safe_load(new)["components"][-1]["check"] == {"kind": "n8n"}


@pytest.mark.parametrize("text", ["components: {a: 1}\n", "components: text\n", "a: 1\r\n", "[1]\n"])
def test_components_that_are_no_list_are_left_alone(text: str) -> None:
    with pytest.raises(CannotEdit):
        with_component(text, WATCHED)
