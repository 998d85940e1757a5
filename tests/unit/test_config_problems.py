"""Everything that is wrong with a configuration is said at once, with its place and the way out, and no secret."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recovery.config import ConfigProblems, Problem, load_config

Problems = Callable[..., list[Problem]]


@pytest.fixture
def problems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Problems:
    """The problems of a text as medic.yaml of the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_text("s3cret-in-file")

    def read(text: str | bytes, **env: str) -> list[Problem]:
        (tmp_path / "medic.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(ConfigProblems) as told:
            load_config(env=env)
        assert str(told.value).count("\n") >= len(told.value.problems)
        return told.value.problems

    return read


def only(found: list[Problem]) -> Problem:
    assert len(found) == 1, "\n".join(map(str, found))
    return found[0]


def test_every_problem_is_told_at_once_in_the_order_of_the_file(problems: Problems) -> None:
    text = """
n8n: {url: "ftp://h", api_key_fil: x}
recovery: {stages: [{after: soon, attempts: 0}], escalate_after: 0s}
replay: {rate: fast, ambiguous: rety}
components:
  - name: a
    check: {kind: htp}
    severity: criticl
  - name: a
    check: {kind: http, urll: "http://x"}
    evry: 3s
  - {name: t, restart: {comand: [x]}}
alerts: {channels: [{name: c, kind: slak}, 7]}
bind: localhost
dry_run: maybe
"""
    found = problems(text, MEDIC_PUBLIC_URL="nowhere", MEDIC_API_TOKEN_FILE="/does/not/exist")
    assert [(problem.line, problem.where) for problem in found] == [
        (2, "n8n.api_key_fil"),
        (2, "n8n.url"),
        (3, "recovery.escalate_after"),
        (3, "recovery.stages[0].after"),
        (3, "recovery.stages[0].attempts"),
        (4, "replay.ambiguous"),
        (4, "replay.rate"),
        (7, "components[0].check.kind"),
        (8, "components[0].severity"),
        (9, "components[1].name"),
        (10, "components[1].check.url"),
        (10, "components[1].check.urll"),
        (11, "components[1].evry"),
        (12, "components[2].restart.comand"),
        (12, "components[2].restart.command"),
        (13, "alerts.channels[0].kind"),
        (13, "alerts.channels[1]"),
        (14, "bind"),
        (15, "dry_run"),
        (None, ""),
        (None, "public_url"),
    ]
    assert {problem.source for problem in found[-2:]} == {"MEDIC_API_TOKEN_FILE", "MEDIC_PUBLIC_URL"}


@pytest.mark.parametrize(
    ("text", "where", "hint"),
    [
        ("componets: []", "componets", "components"),
        ("n8n: {url: 'http://a', api_key_fle: x}", "n8n.api_key_fle", "api_key_file"),
        ("replay: {ambiguous: rety}", "replay.ambiguous", "retry"),
        ("components: [{name: a, severity: Critical}]", "components[0].severity", "critical"),
        ("components: [{name: a, check: {kind: htp, url: 'http://a'}}]", "components[0].check.kind", "http"),
        ("components: [{name: a, check: {kind: tcp, host: a, port: 1, prt: 2}}]", "components[0].check.prt", "port"),
        ("alerts: {channels: [{name: a, kind: webhok}]}", "alerts.channels[0].kind", "webhook"),
        (
            "alerts: {channels: [{name: a, kind: webhook, url: 'http://a', severitys: [low]}]}",
            "alerts.channels[0].severitys",
            "severities",
        ),
    ],
)
def test_a_slip_is_answered_with_what_was_likely_meant(problems: Problems, text: str, where: str, hint: str) -> None:
    problem = only(problems(text))
    assert (problem.where, problem.way_out) == (where, f'did you mean "{hint}"?')


@pytest.mark.parametrize(
    ("text", "where", "expected"),
    [
        ("dry_run: maybe", "dry_run", "true or false"),
        ("dry_run: 1", "dry_run", "true or false"),
        ("poll_every: fast", "poll_every", "a duration"),
        ("poll_every: -5s", "poll_every", "a duration"),
        ("poll_every: true", "poll_every", "a duration"),
        ("poll_every: .inf", "poll_every", "a duration"),
        ("poll_every: .nan", "poll_every", "a duration"),
        ("poll_every: 0", "poll_every", "more than 0s"),
        ("poll_every: [5s]", "poll_every", "a duration"),
        ("replay: {rate: 0/s}", "replay.rate", "a rate"),
        ("replay: {rate: 5}", "replay.rate", "a rate"),
        ("replay: {rate: 5/d}", "replay.rate", "a rate"),
        ("replay: {per_workflow: 1.5}", "replay.per_workflow", "a whole number"),
        ("replay: {per_workflow: true}", "replay.per_workflow", "a whole number"),
        ("replay: {per_workflow: 0}", "replay.per_workflow", "at least 1"),
        ("replay: 5", "replay", "a mapping"),
        ("recovery: {stages: []}", "recovery.stages", "at least 1"),
        ("recovery: {stages: {after: 0s}}", "recovery.stages", "a list"),
        ("components: {name: a}", "components", "a list"),
        ("components: [{name: 5}]", "components[0].name", "text (put it in quotes)"),
        ('components: [{name: ""}]', "components[0].name", "not empty"),
        ('components: [{name: "a\\nb"}]', "components[0].name", "line breaks"),
        ('components: [{name: "a\\u200bb"}]', "components[0].name", "U+200B"),
        ("components: [{severity: low}]", "components[0].name", "How people"),
        ("components: [{name: a, check: {}}]", "components[0].check.kind", "Which check"),
        ("components: [{name: a, check: http}]", "components[0].check", "a mapping"),
        ("components: [{name: a, hosts: ['http://a/b']}]", "components[0].hosts[0]", "a host"),
        ("components: [{name: a, restart: [sleep, 5]}]", "components[0].restart", "a list of texts"),
        ("components: [{name: a, restart: []}]", "components[0].restart", "a list of texts"),
        ("components: [{name: a, restart: 'systemctl restart a'}]", "components[0].restart", "shell: true"),
        ("components: [{name: a, restart: {command: [x], shell: true}}]", "components[0].restart", "shell: true"),
        ("bind: localhost", "bind", "host:port"),
        ("bind: localhost:0", "bind", "host:port"),
        ("bind: localhost:99999", "bind", "host:port"),
        ("bind: 'a b:80'", "bind", "host:port"),
        ("bind: '[zz]:80'", "bind", "host:port"),
        ("public_url: example.com", "public_url", "an http or https address"),
        ("public_url: 'http://'", "public_url", "an http or https address"),
        ("public_url: 'http://a:b'", "public_url", "an http or https address"),
        ("public_url: 'http://[::1'", "public_url", "an http or https address"),
        ("database_url: 'mysql://a'", "database_url", "sqlite:///"),
        ("database_url: 'sqlite:///'", "database_url", "sqlite:///"),
        ("webhook_token: 'a b'", "webhook_token", "without spaces"),
        ("webhook_token: 토큰", "webhook_token", "without spaces"),
        ("n8n: {url: 'http://a', name: 'A B'}", "n8n.name", "text of the form"),
        ("n8n: [{name: a}]", "n8n[0].url", "Its address"),
        ("n8n: {url: 'http://a', api_key_file: 5}", "n8n.api_key_file", "the path of a file"),
        ("alerts: {language: fr}", "alerts.language", "'en' or 'ko'"),
        ("alerts: {channels: [{name: a, kind: slack}]}", "alerts.channels[0]", "webhook_url"),
    ],
)
def test_a_wrong_value_is_told_with_what_was_expected(problems: Problems, text: str, where: str, expected: str) -> None:
    problem = only(problems(text))
    assert problem.where == where
    assert expected in problem.expected
    assert problem.line == 1


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: 1\n\tb: 2", 2, "tab"),
        ("bind: x: y", 1, "colon"),
        ("n8n: {url: x", 1, "bracket"),
        ('bind: "x', 1, "quote"),
        ("webhook_token: *s3cret", 1, "anchor"),
        ("a:\n  b: 1\n c: 2", 3, "indentation"),
        ("bind: a\n---\nbind: b", 2, "---"),
        ('bind: "\\q"', 1, "backslash"),
        ("- bind", 1, "a list"),
        ("hello", 1, "a single value"),
        ("webhook_token: !s3cret x", 1, "YAML tag"),
        ("webhook_token: !!python/object/apply:os.system [s3cret]", 1, ""),
        ("? [a, b]\n: c", 1, "as a key"),
        ("<<: 5", 1, "<<"),
        (b"bind: \x00", 1, "control character"),
        (b"\x7fELF\x02\x01\x01\x00\x00", 1, "control character"),
        (b"bind: x\n# \xff\xfe\xfa", 2, "not text"),
        ("bind: x".encode("utf-16"), 1, ""),
    ],
)
def test_a_file_that_is_no_proper_yaml_is_told_with_its_line(
    problems: Problems, text: str | bytes, line: int, said: str
) -> None:
    first = problems(text)[0]
    assert first.line == line
    assert said in str(first)
    assert "s3cret" not in str(first)


def test_a_key_given_twice_is_told_with_both_lines(problems: Problems) -> None:
    first, second = problems("dry_run: true\nreplay: {rate: 1/s, rate: 2/s}\ndry_run: false\n")
    assert (first.where, first.line, first.seen) == ("replay.rate", 2, "the same key twice (first in line 2)")
    assert (second.where, second.line, second.seen) == ("dry_run", 3, "the same key twice (first in line 1)")


ROWS = "\n".join(
    f"{name}: &{name} [{', '.join([f'*{below}'] * 9)}]" for below, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "text",
    [
        f"a: &a [x, x]\n{ROWS}",
        "a: &a [*a]",
        "a: &a {b: *a}",
        "a: &a {<<: *a}",
        "[" * 50_000,
        "{a: " * 20_000,
        "a: " + "[" * 30_000,
        "- " * 20_000,
        "x: 1\n" * 80_000,
    ],
    ids=["bomb", "self", "self in a mapping", "self merged", "lists", "mappings", "inner lists", "dashes", "large"],
)
def test_a_file_made_to_exhaust_is_refused_quickly(problems: Problems, text: str) -> None:
    began = time.monotonic()
    assert problems(text)
    assert time.monotonic() - began < 10


def test_one_n8n_under_two_names_is_refused_for_it_would_be_run_again_twice(problems: Problems) -> None:
    problem = only(problems("n8n: [{name: a, url: 'http://N8N:5678'}, {name: b, url: 'http://n8n:5678/'}]"))
    assert (problem.where, problem.expected) == ("n8n[1].url", "each n8n once")
    assert "number 1 of the list" in problem.seen


def test_names_that_must_be_unique_are_told(problems: Problems) -> None:
    text = """
n8n: [{url: "http://a"}, {url: "http://b"}]
components:
  - {name: a, hosts: [x]}
  - {name: a, hosts: [X]}
alerts: {channels: [{name: c, kind: webhook, url: "http://a"}, {name: c, kind: webhook, url: "http://b"}]}
"""
    wheres = [problem.where for problem in problems(text)]
    assert wheres == ["n8n[1].name", "components[1].hosts[0]", "components[1].name", "alerts.channels[1].name"]


@pytest.mark.parametrize(
    ("text", "env", "source", "said"),
    [
        ("", {"MEDIC_DRY_RUN": "perhaps"}, "MEDIC_DRY_RUN", "true or false"),
        ("", {"MEDIC_BIND": "nowhere"}, "MEDIC_BIND", "host:port"),
        ("", {"MEDIC_N8N_API_KEY": "k"}, "medic.yaml", "MEDIC_N8N_URL"),
        ("", {"MEDIC_API_TOKEN": "a", "MEDIC_API_TOKEN_FILE": "secret"}, "MEDIC_API_TOKEN_FILE", "only one"),
        ("", {"MEDIC_API_TOKEN_FILE": "/"}, "MEDIC_API_TOKEN_FILE", "directory"),
        ("", {"MEDIC_API_TOKEN_FILE": "/dev/null"}, "MEDIC_API_TOKEN_FILE", "empty"),
        ("", {"MEDIC_API_TOKEN_FILE": "a\nb"}, "MEDIC_API_TOKEN_FILE", "No such file"),
        ("n8n: {url: 'http://a', api_key_file: nofile}", {}, "medic.yaml", "nofile"),
        ("n8n: {url: 'http://a', api_key: k, api_key_file: secret}", {}, "medic.yaml", "only one"),
        ("alerts: {channels: [{name: a, kind: slack, webhook_url_file: nofile}]}", {}, "medic.yaml", "nofile"),
    ],
)
def test_a_wrong_variable_or_secret_file_is_told_by_its_name(
    problems: Problems, text: str, env: dict[str, str], source: str, said: str
) -> None:
    problem = only(problems(text, **env))
    assert problem.source == source
    assert said in str(problem)


def test_a_binary_secret_file_is_told(problems: Problems, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\x7fELF\xff\xfe")
    assert "not UTF-8" in only(problems("webhook_token_file: secret")).seen


SECRET = "hunter2-s3cret"


@pytest.mark.parametrize(
    "text",
    [
        f"webhook_token: '{SECRET} x'",
        f"webhook_token: [{SECRET}]",
        f"n8n: {{url: 'ftp://u:{SECRET}@h'}}",
        f"n8n: {{url: 'ftp://h/?key={SECRET}'}}",
        f"n8n: {{url: 'http://a', name: {SECRET}_!, api_key: {SECRET}}}",
        f"n8n: {SECRET}\nn8n: {SECRET}",
        f"database_url: 'mysql://u:{SECRET}@h/db'",
        f"components: [{{name: a, check: {{kind: http, url: 'http://a', headers: {{Authorization: [{SECRET}]}}}}}}]",
        f"components: [{{name: a, check: {{kind: http, url: 5, headers: '{SECRET}'}}}}]",
        f"components: [{{name: a, restart: {{command: 5, env: {{PGPASSWORD: {SECRET}}}}}}}]",
        f"components: [{{name: a, restart: {{command: [x], env: {SECRET}}}}}]",
        f"alerts: {{channels: [{{name: a, kind: slack, webhook_url: '{SECRET}'}}]}}",
        f"alerts: {{channels: [{{name: a, kind: sms, to: [5], account_sid: '{SECRET}', auth_token: '{SECRET}'}}]}}",
        f"admin_password: {SECRET}\nbind: {SECRET}",
        f"admin_password: *{SECRET}",
        f"admin_password: !{SECRET} x",
        f"admin_password: {{{SECRET}",
        f"admin_password: '{SECRET}",
    ],
)
def test_no_problem_tells_a_secret(problems: Problems, text: str) -> None:
    found = problems(text, MEDIC_API_TOKEN=f"{SECRET} with a space", MEDIC_PUBLIC_URL=f"ftp://u:{SECRET}@h")
    assert SECRET not in "\n".join(map(str, found))


def test_a_secret_of_the_environment_is_not_told(problems: Problems) -> None:
    found = problems("", MEDIC_DATABASE_URL=f"mysql://u:{SECRET}@h", MEDIC_WEBHOOK_TOKEN=f"{SECRET} x")
    assert len(found) == 2
    assert SECRET not in "\n".join(map(str, found))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
KEYS = ["n8n", "recovery", "replay", "components", "alerts", "retention", "bind", "data_dir", "poll_every", "dry_run"]
INNER = ["name", "kind", "check", "stages", "channels", "url", "restart", "hosts", "after", "command", "severities"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.dictionaries(
        st.sampled_from(KEYS),
        values
        | st.dictionaries(st.sampled_from(INNER), values, max_size=4)
        | st.lists(st.dictionaries(st.sampled_from(INNER), values, max_size=4), max_size=3),
        max_size=4,
    )
)
def test_whatever_a_file_holds_the_answer_is_a_configuration_or_its_problems(
    data: dict[str, object], tmp_path: Path
) -> None:
    import yaml

    path = tmp_path / "any.yaml"
    path.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8", errors="replace")
    try:
        load_config(path, env={}).policy()
    except ConfigProblems as told:
        assert told.problems


def test_what_depends_on_itself_or_on_nothing_known_is_refused(problems: Problems) -> None:
    found = problems(
        """
components:
  - {name: api, depends_on: [db, dbb]}
  - {name: db, depends_on: [disk]}
  - {name: disk, depends_on: [api]}
  - {name: alone, depends_on: [alone]}
maintenance:
  - {components: [apy, "*"], cron: "0 3 * * 0", for: 2h}
  - {components: [api], cron: "61 3 * * 0", for: 2h, timezone: Mars/Olympus}
""",
    )
    said = {one.where: one for one in found}
    assert said["components[0].depends_on[0]"].seen == "api needs db needs disk needs api"
    assert 'did you mean "db"?' in said["components[0].depends_on[1]"].way_out
    assert said["components[3].depends_on[0]"].seen == "alone needs alone"
    assert 'did you mean "api"?' in said["maintenance[0].components[0]"].way_out
    assert {"maintenance[1].cron", "maintenance[1].timezone"} <= set(said)


@pytest.mark.parametrize("anchor", ["1.1.1.1", "ftp://x:21", "https://", "host:99999", "user@host:443", ""])
def test_an_anchor_that_is_no_address_is_refused(problems: Problems, anchor: str) -> None:
    [found] = problems(f'connectivity: {{anchors: ["{anchor}"]}}')
    assert found.where == "connectivity.anchors[0]" and found.line == 1


def test_a_component_that_takes_the_name_of_the_machines_connection_is_refused(problems: Problems) -> None:
    [found] = problems("components: [{name: connectivity, check: {kind: tcp, host: h, port: 1}}]")
    assert found.where == "components[0].name" and found.expected == "another name"


def test_what_is_wrong_with_a_source_is_told_with_its_place(problems: Problems) -> None:
    text = """
sources:
  - {name: My Mon, healthy: {path: "a..b", equals: []}}
  - {name: a, component: ".x", healthy: {path: s, equals: [OK, null]}}
  - {name: a, healthy: {path: s, equal: [OK]}}
"""
    found = {problem.where: problem for problem in problems(text)}
    assert set(found) >= {
        "sources[0].name",
        "sources[0].healthy.path",
        "sources[0].healthy.equals",
        "sources[1].component",
        "sources[2].name",
        "sources[2].healthy.equal",
        "sources[2].healthy.equals",
    }
    assert "host.name" in found["sources[0].healthy.path"].expected
    assert found["sources[2].healthy.equal"].way_out == 'did you mean "equals"?'


SITES = "n8n: [{name: main, url: 'http://a'}, {name: shop, url: 'http://b'}]\n"


def test_a_site_that_is_no_n8n_of_the_configuration_is_told_with_the_one_that_was_meant(problems: Problems) -> None:
    [told] = problems(SITES + "components: [{name: a, check: {kind: n8n_stuck, site: shpo}}]")
    assert (told.where, told.line) == ("components[0].check.site", 2)
    assert (told.seen, told.expected, told.way_out) == (
        "'shpo'",
        "the name of an n8n: main, shop",
        'did you mean "shop"?',
    )
    [told] = problems("components: [{name: a, check: {kind: n8n, site: nope}}]")
    assert told.expected == "the name of an n8n: none is configured"


@pytest.mark.parametrize("url", ["orders", "http://"])
def test_a_plugins_own_words_are_told_without_those_of_a_library(problems: Problems, url: str) -> None:
    [told] = problems(f"components: [{{name: a, check: {{kind: http, url: '{url}'}}}}]")
    assert told.expected == "write a whole address, such as https://orders.example.com/health"


def test_two_actions_that_only_a_secret_tells_apart_are_refused(problems: Problems) -> None:
    text = """
components:
  - name: a
    actions:
      eu: {kind: run_command, command: [deploy], env: {REGION: eu}}
      us: {kind: run_command, command: [deploy], env: {REGION: us}}
      same: {kind: run_command, command: [deploy], env: {REGION: eu}}
      slow: {kind: run_command, command: [deploy], env: {REGION: us}, timeout: 5m}
  - {name: b, actions: {us: {kind: run_command, command: [deploy], env: {REGION: us}}}}
"""
    found = only(problems(text))
    assert (found.line, found.where) == (6, "components[0].actions.us")
    assert "alone" in found.seen and "timeout" in found.way_out


def test_an_action_on_an_n8n_that_there_is_not_is_told(problems: Problems) -> None:
    text = """
n8n: {name: main, url: "http://127.0.0.1:5678", api_key: k}
components:
  - {name: a, actions: {stop: {kind: stop_execution, site: mian}}}
  - {name: b, actions: {restart: {kind: restart_n8n, site: main, command: [x]}}}
"""
    found = only(problems(text))
    assert (found.line, found.where) == (
        4,
        "components[0].actions.stop.site",
    ) and 'did you mean "main"?' in found.way_out
