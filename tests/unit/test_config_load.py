"""A configuration is loaded from file and environment, with the defaults that the documentation promises."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from recovery import checks
from recovery.cli.summary import describe
from recovery.config import Config, ConfigProblems, load_config
from recovery.config.notes import notes_on
from recovery.config.plans import default_hosts
from recovery.model import ChannelPlan, PlannedCheck, Severity, Stage

Load = Callable[..., Config]

WHOLE = """
n8n: {url: "http://127.0.0.1:5678/", api_key_file: key}
recovery:
  stages: [{after: 0s, attempts: 1}, {after: 1m, attempts: 2}, {after: 5m, attempts: 3}]
  spacing: 2s
  escalate_after: 15m
replay: {per_workflow: 1, per_component: 4, rate: 300/m, max_age: 24h, ambiguous: retry}
components:
  - name: orders-api
    check: {kind: http, url: "https://orders.example.com/health", timeout: 5s}
    every: 45s
    severity: critical
    failure_threshold: 3
    hosts: [Orders.example.com]
    restart: ["systemctl", "restart", "orders"]
  - name: orders-db
    check: {kind: tcp, host: db.example.com, port: 5432}
    restart: {command: "docker restart db", shell: true, timeout: 90s, env: {A: b}, cwd: /tmp}
    boot_grace: 1m
alerts:
  language: ko
  channels:
    - {name: team, kind: slack, webhook_url: "https://slack.example.com/hook"}
    - {name: hook, kind: webhook, url: "https://ops.example.com/alerts", severities: [low], through_n8n: true}
    - name: mail
      kind: email
      to: [ops@example.com]
      sender: medic@example.com
      smtp: {host: mail.example.com, port: 587, starttls: true}
    - {name: phone, kind: sms, to: ["+15550100"], sender: "+15550199", account_sid_file: sid, auth_token_file: key}
"""


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Loads a text as medic.yaml of the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key").write_text("s3cret-key\n")
    (tmp_path / "sid").write_text("AC0123456789abcdef0123456789abcdef\n")

    def read(text: str | None = None, **env: str) -> Config:
        if text is not None:
            (tmp_path / "medic.yaml").write_text(text)
        return load_config(env=env)

    return read


def test_no_file_gives_the_documented_defaults(load: Load, tmp_path: Path) -> None:
    config = load()
    assert (config.bind, config.public_url) == ("127.0.0.1:8808", "http://127.0.0.1:8808")
    assert config.data_dir == tmp_path / "data"
    assert config.database_url == f"sqlite:///{tmp_path}/data/medic.db"
    assert (config.dry_run, config.n8n, config.components, config.webhook_token) == (False, (), (), "")
    assert config.retention.failures == timedelta(days=365)
    assert config.retention.successes == timedelta(days=30)
    assert config.poll_every == timedelta(seconds=30)
    policy = config.policy()
    assert policy.playbook.stages == (Stage(0, 1), Stage(60, 2), Stage(300, 3))
    assert (policy.escalate_after_seconds, policy.settle_seconds) == (900, 10)
    assert (policy.replay.per_workflow, policy.replay.per_component, policy.replay.rate_per_second) == (1, 4, 5)
    assert (policy.replay.max_age_seconds, policy.replay.retry_ambiguous) == (86_400, False)


@pytest.mark.parametrize(
    "text", ["", "\n\n", "# only a comment\n", "---\n", "null\n", "components:\nalerts:\n", "\ufeff"]
)
def test_an_empty_file_is_valid(load: Load, text: str) -> None:
    assert load(text) == load()


def test_the_contracts_shape_becomes_the_policy(load: Load) -> None:
    policy = load(WHOLE).policy()
    api, db = policy.components["orders-api"], policy.components["orders-db"]
    assert policy.sites == ("default",)
    assert (api.severity, api.failure_threshold, api.success_threshold) == (Severity.CRITICAL, 3, 1)
    assert (api.hosts, api.every_seconds) == (("orders.example.com",), 45)
    assert api.playbook and api.playbook.spacing_seconds == 2
    assert api.check == PlannedCheck("http", {"url": "https://orders.example.com/health", "timeout": "5s"})
    restart = api.playbook.actions[0]
    assert restart.restarts, "one at a time on this machine, as any other command"
    assert (restart.name, restart.timeout_seconds) == ("run_command", 60)
    assert restart.args["command"] == ["systemctl", "restart", "orders"]
    assert restart.args["shell"] is False
    assert (db.hosts, db.every_seconds, db.severity) == (("db.example.com:5432",), 30, Severity.HIGH)
    assert db.playbook and db.playbook.boot_grace_seconds == 60
    assert db.playbook.actions[0].args["command"] == "docker restart db"
    assert db.env == {"A": "b"} and "env" not in db.playbook.actions[0].args
    assert db.playbook.actions[0].args["cwd"] == "/tmp"
    assert db.playbook.actions[0].timeout_seconds == 90
    assert (policy.replay.rate_per_second, policy.replay.retry_ambiguous) == (5, True)


def test_a_channel_gives_routing_its_plan_and_its_kind_its_arguments(load: Load) -> None:
    config = load(WHOLE)
    assert config.channel_plans()[:2] == [
        ChannelPlan("team", "slack"),
        ChannelPlan("hook", "webhook", (Severity.LOW,), through_n8n=True),
    ]
    assert config.alerts.language == "ko"
    assert config.channel_args("phone").auth_token.get_secret_value() == "s3cret-key"
    assert config.channel_args("mail").smtp.host == "mail.example.com"
    with pytest.raises(KeyError, match="nobody"):
        config.channel_args("nobody")


def test_a_secret_file_is_found_beside_the_configuration_from_any_directory(load: Load, tmp_path: Path) -> None:
    (tmp_path / "medic.yaml").write_text(WHOLE)
    (tmp_path / "elsewhere").mkdir()
    os.chdir(tmp_path / "elsewhere")
    config = load_config(tmp_path / "medic.yaml", env={})
    assert config.n8n[0].api_key == "s3cret-key"
    assert config.channel_args("phone").auth_token.get_secret_value() == "s3cret-key"


def test_the_plan_of_a_component_keeps_the_path_of_a_secret_and_not_the_secret(load: Load, tmp_path: Path) -> None:
    channels = load(WHOLE).alerts.channels
    assert channels[3].arguments["auth_token_file"] == str(tmp_path / "key")
    assert "auth_token" not in channels[3].arguments


def test_the_environment_goes_over_the_file(load: Load, tmp_path: Path) -> None:
    config = load(
        'bind: 127.0.0.1:1\npublic_url: "http://a"\ndry_run: false\nwebhook_token: fromfile\n'
        'n8n: {url: "http://a", api_key: k}',
        MEDIC_BIND="0.0.0.0:9000",
        MEDIC_PUBLIC_URL="https://medic.example.com/",
        MEDIC_DATA_DIR=str(tmp_path / "other"),
        MEDIC_DATABASE_URL="postgresql://u:p@db/medic",
        MEDIC_N8N_URL="http://b:5678",
        MEDIC_N8N_API_KEY_FILE=str(tmp_path / "key"),
        MEDIC_WEBHOOK_TOKEN="fromenv",
        MEDIC_DRY_RUN="TRUE",
    )
    assert (config.bind, config.public_url) == ("0.0.0.0:9000", "https://medic.example.com")
    assert (config.data_dir, config.database_url) == (tmp_path / "other", "postgresql://u:p@db/medic")
    assert (config.n8n[0].url, config.n8n[0].api_key) == ("http://b:5678", "s3cret-key")
    assert (config.webhook_token, config.dry_run) == ("fromenv", True)
    assert config.policy().playbook.dry_run


def test_an_empty_variable_counts_as_not_set(load: Load) -> None:
    assert load("bind: 127.0.0.1:1", MEDIC_BIND="", MEDIC_N8N_URL="", MEDIC_WEBHOOK_TOKEN_FILE="").bind == "127.0.0.1:1"


def test_the_variables_speak_of_the_n8n_that_is_called_default(load: Load) -> None:
    text = 'n8n: [{name: berlin, url: "http://a", api_key: x}, {url: "http://b"}]'
    config = load(text, MEDIC_N8N_API_KEY="fromenv")
    assert [(n8n.name, n8n.api_key) for n8n in config.n8n] == [("berlin", "x"), ("default", "fromenv")]
    added = load('n8n: [{name: berlin, url: "http://a"}]', MEDIC_N8N_URL="http://c")
    assert [n8n.name for n8n in added.n8n] == ["berlin", "default"]


def test_an_n8n_without_a_key_is_known_but_not_reachable(load: Load) -> None:
    config = load('n8n: {url: "http://a"}')
    assert config.n8n[0].name == "default"
    assert config.policy().sites == ()


def test_medic_config_names_the_file(load: Load, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("dry_run: true")
    assert load("dry_run: false", MEDIC_CONFIG=str(tmp_path / "other.yaml")).dry_run
    with pytest.raises(ConfigProblems, match=r"nowhere\.yaml\n.*No such file"):
        load(MEDIC_CONFIG="nowhere.yaml")


def test_the_public_address_of_one_that_listens_everywhere_is_loopback(load: Load) -> None:
    assert load("bind: 0.0.0.0:9000").public_url == "http://127.0.0.1:9000"
    assert load('bind: "[::]:9000"').public_url == "http://[::1]:9000"
    assert load('bind: "[::1]:9000"').public_url == "http://[::1]:9000"


def test_a_data_directory_with_odd_signs_still_gives_a_database_url(load: Load, tmp_path: Path) -> None:
    from recovery.store.database import sqlite_path

    config = load(f'data_dir: "{tmp_path}/a b%20?#c"')
    assert sqlite_path(config.database_url) == tmp_path / "a b%20?#c" / "medic.db"


@pytest.mark.parametrize(
    ("arguments", "hosts"),
    [
        ({"url": "https://a.example.com/health"}, ("a.example.com",)),
        ({"url": "https://a.example.com:443/"}, ("a.example.com",)),
        ({"url": "http://A.example.com:8080/"}, ("a.example.com:8080",)),
        ({"host": "DB", "port": 5432}, ("db:5432",)),
        ({"host": "db"}, ("db",)),
        ({"host": "db", "engine": "postgresql"}, ("db:5432",)),
        ({"host": "db", "engine": "redis", "port": 6380}, ("db:6380",)),
        ({"host": "/run/postgresql", "engine": "postgresql"}, ()),
        ({"engine": "sqlite", "path": "/srv/db"}, ()),
        ({"url": "nonsense"}, ()),
        ({"url": "http://[::1"}, ()),
        ({"url": "http://a:99999/"}, ()),
        ({"url": 5, "host": None}, ()),
        ({}, ()),
    ],
)
def test_the_hosts_of_a_component_are_its_checks_address(arguments: dict[str, object], hosts: tuple[str, ...]) -> None:
    assert default_hosts(arguments) == hosts


def test_how_often_a_check_looks_follows_its_kind_and_how_grave_its_failure_is(load: Load) -> None:
    text = """
components:
  - {name: api, check: {kind: http, url: "http://a/"}}
  - {name: job, check: {kind: heartbeat, period: 1h}}
  - {name: grave, severity: critical, check: {kind: heartbeat, period: 1h}}
  - {name: said, severity: critical, every: 5m, check: {kind: http, url: "http://a/"}}
  - {name: pushed}
"""
    found = {name: plan.every_seconds for name, plan in load(text).policy().components.items()}
    assert found == {"api": 30, "job": 120, "grave": 30, "said": 300, "pushed": 120}


@pytest.mark.parametrize("kind", "http tcp host dns database process systemd docker machine gpu n8n error_rate".split())
def test_what_the_mission_names_is_looked_at_every_30_seconds(kind: str) -> None:
    assert checks.REGISTRY.find(kind).every_seconds == 30


def test_what_a_check_looks_at_is_outside_or_on_this_machine(load: Load) -> None:
    text = """
n8n: {url: "https://n8n.example.com", api_key: k1234567}
components:
  - {name: api, check: {kind: http, url: "https://Api.example.com:8443/health"}}
  - {name: six, check: {kind: tcp, host: "2001:db8::1", port: 5}}
  - {name: name, check: {kind: dns, name: www.example.com}}
  - {name: n8n, check: {kind: n8n}}
  - {name: rate, check: {kind: error_rate, workflow: Orders}}
  - {name: own, check: {kind: http, url: "http://127.0.0.1:8080/"}}
  - {name: loop, check: {kind: tcp, host: "::1", port: 5}}
  - {name: file, check: {kind: database, engine: sqlite, path: /srv/db}}
  - {name: shop, check: {kind: process, name: shop}}
  - {name: pushed}
"""
    found = {name: plan.outside for name, plan in load(text).policy().components.items()}
    outside = {"api": "api.example.com", "six": "2001:db8::1", "name": "www.example.com", "n8n": "n8n.example.com"}
    outside["rate"] = outside["n8n"]
    assert found == outside | dict.fromkeys(("own", "loop", "file", "shop", "pushed"), "")


@pytest.mark.parametrize(
    ("n8n", "component", "is_told"),
    [
        ("api_key: k", "{name: a, check: {kind: tcp, host: a, port: 1}}", True),
        ("api_key: k", "{name: n8n, check: {kind: n8n}}", False),
        ("name: berlin, api_key: k", "{name: n8n, check: {kind: n8n, site: berlin}}", False),
        ("api_key: k", '{name: n8n, check: {kind: http, url: "http://n8n:5678/healthz/readiness"}}', False),
        ("api_key: k", "{name: n8n_stuck, check: {kind: n8n_stuck}}", True),
        ("name: default", "{name: a, check: {kind: tcp, host: a, port: 1}}", False),  # it is told that it has no key
    ],
)
def test_an_n8n_that_nothing_looks_at_is_told(load: Load, n8n: str, component: str, is_told: bool) -> None:
    text = f'n8n: {{url: "http://n8n:5678", {n8n}}}\ncomponents: [{component}]'
    assert any("should it die, nobody is told" in note for note in notes_on(load(text), {})) == is_told


def test_a_component_that_is_only_heard_of_has_no_check_that_confirms(load: Load) -> None:
    text = "components: [{name: db, check: {kind: pushed, silent_after: 5m}, restart: [run]}]"
    plan = load(text).policy().component("db")
    assert plan.check is None and plan.listens == PlannedCheck("pushed", {"silent_after": "5m"})
    assert "'db' has a restart and no check that confirms" in notes_on(load(text), {})[1]
    assert load(WHOLE).policy().component("orders-api").listens is None
    assert "db (high): pushed: known from probes, and missed when it is silent" in describe(load(text))


def test_anchors_and_merge_keys_work_within_reason(load: Load) -> None:
    text = """
components:
  - &base {name: a, severity: low, check: {kind: tcp, host: a, port: 1}}
  - {<<: *base, name: b}
"""
    config = load(text)
    assert [(found.name, found.severity) for found in config.components] == [("a", "low"), ("b", "low")]


def test_nothing_of_a_configuration_can_be_changed_after_loading(load: Load) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().bind = "127.0.0.1:1"


def test_no_secret_is_in_what_a_configuration_looks_like(load: Load) -> None:
    text = WHOLE.replace("auth_token_file: key", "auth_token: s3cret-token").replace("A: b", "A: s3cret-env")
    shown = repr(load(text, MEDIC_WEBHOOK_TOKEN="s3cret-w", MEDIC_DATABASE_URL="postgresql://u:s3cret-p@db/m"))
    assert "s3cret" not in shown
    assert "slack.example.com" not in shown


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            "check: {kind: http, url: 'http://a.example', slow: 10s}",
            "'a' is never slow: slow (10s) is above timeout (5s)",
        ),
        ("check: {kind: database, engine: redis, host: a.example, slow: 9s}", "'a' is never slow"),
        (
            "every: 2m, check: {kind: http, url: 'http://a.example', error_rate: {window: 15m, at_least: 10}}",
            "in a window of 15m, with a look every 2m, there are fewer looks than at_least (10)",
        ),
        ("check: {kind: http, url: 'http://a.example', slow: 5s, error_rate: {window: 5m, at_least: 10}}", ""),
    ],
)
def test_what_a_check_can_never_see_is_worth_a_look(load, more, said):
    notes = [note for note in notes_on(load(f"components: [{{name: a, {more}}}]"), {}) if "never" in note]
    assert [said in note for note in notes] == ([True] if said else []), notes


def test_an_empty_file_for_n8ns_key_says_that_there_is_none_yet_and_for_other_secrets_it_is_an_error(tmp_path):
    (tmp_path / "key").write_text("\n")
    config = load_config(
        env={"MEDIC_N8N_URL": "http://127.0.0.1:5678", "MEDIC_N8N_API_KEY_FILE": str(tmp_path / "key")}
    )
    assert config.n8n[0].api_key == ""
    with pytest.raises(ConfigProblems):
        load_config(env={"MEDIC_API_TOKEN_FILE": str(tmp_path / "key")})
    with pytest.raises(ConfigProblems):
        load_config(env={"MEDIC_N8N_API_KEY_FILE": str(tmp_path / "none")})
