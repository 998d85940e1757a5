"""`medic init` makes a file that works, keeps secrets out of it, and replaces nothing that it was not told to."""

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from recovery import alerts, checks
from recovery.alerts.bodies import check_body
from recovery.cli import main
from recovery.cli.channel_templates import CHANNELS
from recovery.cli.first_file import CannotWrite, write_checked
from recovery.cli.pieces import Piece, Template, write_file, write_value
from recovery.cli.templates import COMPONENTS
from recovery.config import load_config

Run = Callable[..., Result]
KEY = "n8n_api_s3cret"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `medic init` in a folder of its own; `typed` is what a person types, line by line."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("MEDIC_")]:
        monkeypatch.delenv(name)

    def go(*words: str, typed: str = "", **env: str) -> Result:
        return CliRunner().invoke(main, ["init", *words], input=typed, env=env, prog_name="medic")

    return go


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def left_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_without_a_terminal_the_defaults_make_a_file_that_loads(run: Run, tmp_path: Path) -> None:
    shown = run("--yes")
    assert shown.exit_code == 0, shown.output
    config = load_config("medic.yaml", {})
    assert [one.url for one in config.n8n] == ["http://127.0.0.1:5678"]
    assert [(one.name, one.check.kind if one.check else "") for one in config.components] == [("machine", "machine")]
    assert (config.alerts.language, config.alerts.channels) == ("en", ())
    assert (tmp_path / "medic.yaml").read_text() in shown.output
    assert "medic check-config" in shown.output and "make an API key" in shown.output
    assert left_in(tmp_path) == ["medic.yaml"]


def test_a_person_answers_and_no_secret_is_shown_or_written_into_the_file(run: Run, tmp_path: Path) -> None:
    n8n = ["https://n8n.example.com", "", KEY]
    chosen = ["http=orders reddis", "http=orders redis", "slack=team"]
    orders = ["https://me:s3cret-x@orders", "https://orders.example.com/up", "run 'a b", "run 'a b'"]
    redis, team = ["", "", "", "", "s3cret-redis", ""], ["", "https://slack.example.com/s3cret"]
    shown = run(typed="\n".join([*n8n, *chosen, *orders, *redis, *team, "ko", "y", ""]))
    assert shown.exit_code == 0, shown.output
    text = (tmp_path / "medic.yaml").read_text()
    assert 'did you mean "redis"?' in shown.output and "No closing quotation" in shown.output
    assert "s3cret" not in (text + shown.output).replace("me:s3cret-x@", "")  # that was no hidden question
    config = load_config("medic.yaml", {})
    assert config.n8n[0].api_key == KEY and config.alerts.language == "ko"
    orders, redis = config.components
    assert orders.restart and orders.restart.command == ("run", "a b")
    assert redis.check and redis.check.arguments["port"] == 6379
    assert config.channel_args("team").webhook_url.get_secret_value() == "https://slack.example.com/s3cret"
    secrets = {path.name: path for path in (tmp_path / "data/secrets").iterdir()}
    assert set(secrets) == {"n8n_api_key", "redis_password", "team_webhook_url"}
    assert {mode_of(path) for path in secrets.values()} == {0o600}
    assert mode_of(tmp_path / "data/secrets") == 0o700
    assert "api_key_file: data/secrets/n8n_api_key" in text


def test_a_wrong_answer_is_told_at_once_and_asked_again(run: Run, tmp_path: Path) -> None:
    typed = ["none", "machine tcp=mail dns", "none"]
    typed += ["shop", "/", "mail.example.com", "x25", "70000", "25", "", "a b", "db", ""]
    shown = run(typed="\n".join([*typed, "en", "y", ""]))
    assert shown.exit_code == 0, shown.output
    assert (
        "machine.paths: expected: write whole paths" in shown.output
        and shown.output.count("mail.port: expected: ") == 2
    )
    assert "Value error" not in shown.output
    machine, mail, dns = load_config("medic.yaml", {}).components
    assert machine.check and machine.check.arguments["paths"] == ["/"]
    assert mail.check and mail.check.arguments["port"] == 25 and dns.check


def test_a_name_that_no_component_may_have_is_told_at_once(run: Run) -> None:
    shown = run(typed="none\nhttp=" + "x" * 201 + "\nmachine\nnone\n\nen\ny\n")
    assert shown.exit_code == 0 and "no piece can be called so: expected: at most 200 characters" in shown.output


def test_every_check_has_a_template_and_none_is_critical_unasked() -> None:
    kinds = {yaml.safe_load(one.text)[0]["check"]["kind"] for one in COMPONENTS}
    missing = {plugin.name for plugin in checks.REGISTRY.all()} ^ kinds
    assert not missing, f"give {missing} a piece for `medic init`: docs/extending.md says where"
    assert all(yaml.safe_load(one.text)[0].get("severity") != "critical" for one in COMPONENTS)


def test_every_kind_of_channel_has_a_template_and_what_it_offers_as_a_comment_can_be_used() -> None:
    given = {one.name: yaml.safe_load(one.text)[0] for one in CHANNELS}
    assert {one["kind"] for one in given.values()} == {plugin.name for plugin in alerts.REGISTRY.all()}
    (webhook,) = (one for one in CHANNELS if one.name == "webhook")
    shown = yaml.safe_load(re.sub(r"#(?=\w+: )", "", webhook.text))
    assert check_body(shown[0]["template"]) and {"secret_file", "headers_file"} < set(shown[0])


def test_a_person_may_say_no_and_nothing_is_left(run: Run, tmp_path: Path) -> None:
    typed = f"http://n8n\n\n{KEY}\nmachine\n\nnone\nen\nn\n"
    shown = run(typed=typed)
    assert shown.exit_code == 1 and "Nothing was written." in shown.output
    assert left_in(tmp_path) == []


def test_an_end_of_input_says_how_to_do_without_a_terminal(run: Run, tmp_path: Path) -> None:
    shown = run(typed="http://n8n\n")
    assert shown.exit_code == 1 and "--yes" in shown.output
    assert left_in(tmp_path) == []


def test_secrets_come_from_files_or_standard_input(run: Run, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    words = ["--yes", "--n8n-api-key-file", str(tmp_path / "key"), "--channel", "slack"]
    shown = run(*words, "--set", "slack.webhook_url_file=-", typed="https://slack.example.com/s3cret\n")
    assert shown.exit_code == 0, shown.output
    assert "s3cret" not in (tmp_path / "medic.yaml").read_text() + shown.output
    assert "api_key_file: key" in (tmp_path / "medic.yaml").read_text()
    config = load_config("medic.yaml", {})
    assert config.n8n[0].api_key == KEY
    assert config.channel_args("slack").webhook_url.get_secret_value().endswith("s3cret")


def test_a_key_in_the_environment_stays_there(run: Run, tmp_path: Path) -> None:
    shown = run("--yes", MEDIC_N8N_URL="http://n8n:5678", MEDIC_N8N_API_KEY=KEY)
    assert "from the environment" in shown.output and KEY not in shown.output
    assert "url: http://n8n:5678" in (tmp_path / "medic.yaml").read_text()
    assert left_in(tmp_path) == ["medic.yaml"]


def test_an_existing_file_is_kept_unless_forced_and_then_beside_it(run: Run, tmp_path: Path) -> None:
    old = tmp_path / "medic.yaml"
    old.write_text("dry_run: true  # mine\n")
    old.chmod(0o640)
    refused = run("--yes")
    assert refused.exit_code == 1 and "--force" in refused.output
    assert "init --print --template" in refused.output, "and how to add to it, which connect may have written"
    assert old.read_text() == "dry_run: true  # mine\n"
    for number, name in enumerate(("medic.yaml.bak", "medic.yaml.bak2")):
        assert run("--yes", "--force", "--language", ("ko", "en")[number]).exit_code == 0
        assert mode_of(tmp_path / name) == mode_of(old) == 0o640
    assert (tmp_path / "medic.yaml.bak").read_text() == "dry_run: true  # mine\n"
    assert "language: ko" in (tmp_path / "medic.yaml.bak2").read_text() and "language: en" in old.read_text()


def test_a_file_that_came_while_a_person_answered_is_kept(tmp_path: Path) -> None:
    (tmp_path / "medic.yaml").write_text("mine")
    with pytest.raises(CannotWrite, match="--force"):
        write_checked(tmp_path / "medic.yaml", "dry_run: true", {tmp_path / "data/s/key": "k"}, False, {})
    assert left_in(tmp_path) == ["medic.yaml"] and (tmp_path / "medic.yaml").read_text() == "mine"


def test_what_the_loader_refuses_is_not_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "medic.yaml").write_text("dry_run: true\n")
    words = ["--yes", "--force", "--template", "http", "--set", "http.url=no address", "--n8n-api-key-file", "-"]
    shown = run(*words, typed=KEY)
    assert shown.exit_code == 1
    assert "medic.yaml, line" in shown.output and "components[0].check.url" in shown.output
    assert left_in(tmp_path) == ["medic.yaml"] and (tmp_path / "medic.yaml").read_text() == "dry_run: true\n"
    assert run("--yes", "--force", "--n8n-api-key-file", "nowhere").exit_code == 1
    assert left_in(tmp_path) == ["medic.yaml"]


def test_a_secret_never_replaces_another(run: Run, tmp_path: Path) -> None:
    for key in ("first", "second", "second"):
        assert run("--yes", "--force", "--n8n-api-key-file", "-", typed=f"{key}\n").exit_code == 0
    secrets = {path.name: path.read_text() for path in (tmp_path / "data/secrets").iterdir()}
    assert secrets == {"n8n_api_key": "first\n", "n8n_api_key_2": "second\n"}


def test_where_nothing_can_be_written_that_is_said(run: Run, tmp_path: Path) -> None:
    shown = run("--yes", MEDIC_CONFIG=str(tmp_path / "no/such/medic.yaml"))
    assert shown.exit_code == 1 and "No such file" in shown.output
    (tmp_path / "data").write_text("a file")
    shown = run("--yes", "--n8n-api-key-file", "-", typed="k\n")
    assert shown.exit_code == 1 and "cannot be written" in shown.output
    assert left_in(tmp_path) == ["data"]


def test_a_link_leads_to_the_file_that_is_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "medic.yaml").symlink_to(tmp_path / "etc/medic.yaml")
    assert run("--yes").exit_code == 0
    assert (tmp_path / "medic.yaml").is_symlink() and (tmp_path / "etc/medic.yaml").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--template", "postgres"], 'did you mean "postgresql"?'),
        (["--template", "http", "--template", "http"], "give each a name"),
        (["--template", "http"], "http needs the address to ask: --set http.url=VALUE"),
        (["--channel", "slack"], "slack needs the incoming webhook's address: --set slack.webhook_url_file=PATH"),
        (["--set", "http.url=x"], "there is no such key"),
        (["--channel", "slack", "--set", "slack.webhook_url=https://s"], 'did you mean "slack.webhook_url_file"?'),
        (["--n8n-url", "http://me:s3cret@n8n"], "without a password"),
        (["--template", "systemd", "--set", "systemd.unit=a", "--set", "systemd.restart=a 'b"], "No closing quotation"),
        (["--language", "fr"], "is not one of"),
        (["--print"], "--print needs --template"),
    ],
)
def test_options_that_make_no_sense_are_refused(run: Run, tmp_path: Path, words: list[str], said: str) -> None:
    shown = run("--yes", *words)
    assert shown.exit_code == 2 and said in shown.output, shown.output
    assert "s3cret" not in shown.output and left_in(tmp_path) == []


def test_the_templates_are_listed_with_their_keys(run: Run) -> None:
    shown = run("--list-templates").output
    for template in (*COMPONENTS, *CHANNELS):
        assert f"  {template.name} " in shown and template.what in shown
    assert "password_file" in shown


def test_a_piece_is_printed_to_paste_and_nothing_is_written(run: Run, tmp_path: Path) -> None:
    shown = run("--print", "--template", "postgresql", "--template", "redis=cache", "--channel", "email")
    found = yaml.safe_load(shown.output)
    assert [one["name"] for one in found["components"]] == ["postgresql", "cache"]
    assert found["alerts"]["channels"][0]["kind"] == "email"
    assert "#password_file: /run/secrets/postgresql_password" in shown.output
    assert left_in(tmp_path) == []


def filled(template: Template, folder: Path, with_optional: bool) -> Piece:
    (folder / "secret").write_text("https://hooks.example.com/s3cret")
    given = {slot.key: slot.example for slot in template.slots if with_optional or not slot.optional}
    secret = {
        slot.key: str(folder / "secret") for slot in template.slots if slot.kind == "secret" and slot.key in given
    }
    return Piece(template, "it", given | secret)


@pytest.mark.parametrize("with_optional", [True, False])
@pytest.mark.parametrize("template", [*COMPONENTS, *CHANNELS], ids=lambda one: one.name)
def test_every_template_loads_with_what_it_shows(tmp_path: Path, template: Template, with_optional: bool) -> None:
    piece = filled(template, tmp_path, with_optional)
    is_channel = template in CHANNELS
    text = write_file(None, [] if is_channel else [piece], [piece] if is_channel else [], "en", "")
    (tmp_path / "medic.yaml").write_text(text)
    config = load_config(tmp_path / "medic.yaml", {})
    assert (config.alerts.channels if is_channel else config.components)[0].name == "it"
    uncommented = [
        line.partition("#")[0] + line.partition("#")[2] for line in text.splitlines() if line.strip()[:1] == "#"
    ]
    keys = [line.strip().partition(": ")[0] for line in uncommented if line.strip().partition(": ")[0].isidentifier()]
    for key in keys:  # what is commented out is taken too
        assert f"{key}: " in text


HOSTILE = [
    "yes",
    "null",
    "a: b",
    "# no",
    "'",
    '"',
    "{x}",
    "- a",
    "$name",
    "${url}",
    "*a",
    "1e3",
    "007",
    "0x1",
    "\\",
    "é",
    "a\tb",
]


@pytest.mark.parametrize("value", [*HOSTILE, "a\nb: 1", "a #b", "@x", "!!python/object", "a:", "12:30", "~"])
def test_a_value_is_one_value_whatever_is_in_it(value: str) -> None:
    assert yaml.safe_load(f"key: {write_value('text', value)}") == {"key": value}
    assert yaml.safe_load(f"key: {write_value('number', value)}") in ({"key": value}, {"key": 7})
    assert yaml.safe_load(f"key: {write_value('list', value)}") == {"key": [value]}
    template = next(one for one in COMPONENTS if one.name == "http")
    found = yaml.safe_load(Piece(template, value, {"url": value}).text())
    assert (found[0]["name"], found[0]["check"]["url"], set(found[0])) == (
        value,
        value,
        {"name", "check", "severity", "failure_threshold"},
    )
