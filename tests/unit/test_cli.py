"""The command line: every command explains itself, and tells what it did by its words and its exit code."""

import io
import json
import logging
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from recovery.cli import main
from recovery.cli.logs import set_up_logging
from recovery.cli.moments import read_moment
from recovery.clock import utc_now
from recovery.config import Config, ensure_secrets
from recovery.config.environment import log_level, notice_slips
from recovery.config.settings import SECRET_NAMES
from recovery.model.scopes import SCOPES
from recovery.store import components, database

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `medic` in a folder of its own, with no variables of ours but those given."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("MEDIC_")]:
        monkeypatch.delenv(name)

    def go(*words: str, file: str | None = None, **env: str) -> Result:
        if file is not None:
            (tmp_path / "medic.yaml").write_text(file)
        return CliRunner().invoke(main, list(words), env=env, prog_name="medic")

    return go


@pytest.fixture(autouse=True)
def _forget_config() -> Iterator[None]:
    before = os.environ.get("MEDIC_CONFIG")
    yield
    os.environ.pop("MEDIC_CONFIG", None)
    if before is not None:
        os.environ["MEDIC_CONFIG"] = before


@pytest.mark.parametrize("name", sorted(main.commands))
def test_the_help_of_every_command_shows_an_example(run: Run, name: str) -> None:
    shown = run(name, "--help")
    assert shown.exit_code == 0
    assert "Example:" in shown.output
    assert f"medic {name}" in shown.output or f"medic --config medic.yaml {name}" in shown.output


def test_the_list_of_commands_cuts_no_sentence(run: Run) -> None:
    listed = run("--help").output.partition("Commands:\n")[2].splitlines()
    assert len(listed) == len(main.commands) and all(line.endswith(".") and "..." not in line for line in listed)


def test_every_promised_command_exists() -> None:
    assert {"init", "serve", "worker", "check-config", "run-check", "report"} <= set(main.commands)


def test_python_m_recovery_is_medic(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "recovery", "check-config"], cwd=tmp_path, capture_output=True, text=True, timeout=30
    )
    assert ended.returncode == 0
    assert f"There is no medic.yaml in {tmp_path}" in ended.stdout, "so that another folder is noticed"


def test_a_good_configuration_is_told_in_words(run: Run) -> None:
    shown = run(
        "check-config",
        file="""
n8n: {url: "http://me:s3cret@127.0.0.1:5678/?k=s3cret", api_key: s3cret-key}
components:
  - name: orders-api
    check: {kind: http, url: "https://orders.example.com:8443/health?key=s3cret"}
    severity: critical
    restart: ["systemctl", "restart", "--password=s3cret"]
  - {name: probed, failure_threshold: 1, restart: {command: "run s3cret", shell: true}}
alerts: {channels: [{name: team, kind: slack, webhook_url: "https://slack.example.com/s3cret"}]}
""",
        MEDIC_DATABASE_URL="postgresql://medic:s3cret@db.example.com/medic",
    )
    assert shown.exit_code == 0
    assert "s3cret" not in shown.output
    for words in (
        "medic.yaml is valid",
        "PostgreSQL, db.example.com/medic",
        "n8n default: http://127.0.0.1:5678/, asked every 30s",
        "at once (1 attempt), then after 1m (2 attempts), then after 5m (3 attempts)",
        "orders-api (critical): http check of orders.example.com:8443 every 30s",
        "after 2 failures in a row runs systemctl",
        "team (slack): critical, high, medium",
        "'probed' has a restart and no check that confirms",
    ):
        assert words in shown.output


def test_each_component_is_explained(run: Run) -> None:
    shown = run(
        "check-config",
        file="""
n8n: {url: "http://127.0.0.1:5678", api_key: k}
recovery: {stages: [{after: 0s, attempts: 1}, {after: 1m, attempts: 2}]}
components:
  - name: orders
    check: {kind: systemd, unit: orders.service}
    every: 10s
    failure_threshold: 3
    success_threshold: 2
    restart: ["systemctl", "restart", "orders"]
    depends_on: [db]
  - {name: db, severity: low, failure_threshold: 1, flap_threshold: 0, restart: ["x"]}
  - {name: till, check: {kind: docker, container: till}}
maintenance: [{components: [db], cron: "0 3 * * 0", for: 2h}]
alerts:
  channels:
    - {name: phone, kind: sms, to: ["+15550100"], sender: "+15550199", account_sid: s3cret, auth_token: s3cret}
    - {name: mail, kind: slack, webhook_url: "https://x.example.com/s3cret", severities: [critical, high]}
""",
    )
    orders, db, till = shown.output.partition("Components: 3")[2].split("Maintenance")[0].split("tells")[:3]
    assert "orders (high): systemd check of orders.service every 10s" in orders
    assert "looks  Asks systemd" in orders
    assert (
        "fails  after 3 bad looks in a row, or at once where a look leaves no doubt, or when it changed 11 times"
        " in the last 21 looks; well again after 2 good looks in a row" in orders
    )
    assert "does   runs its command up to 3 times, each time only after its check has confirmed the failure" in orders
    assert "executions that it broke are retried" in orders and "needs  db: while that is down" in orders
    assert db.startswith(
        "  mail when it fails (severity high; held for 5 minutes, so that healing may come first); mail"
    )
    assert "db (low): no check" in db and "looks" not in db
    assert "fails  after a bad look; well again" in db and "never runs its command by itself, for want of a check" in db
    assert till.startswith("  nobody when it fails (it is told by the report); phone when it needs a person")
    assert "docker check of till every 30s" in till
    assert "Maintenance from 0 3 * * 0 (UTC) for 2h: db is seen failing" in shown.output
    assert "s3cret" not in shown.output


def test_what_may_not_be_meant_is_noted(run: Run) -> None:
    shown = run(
        "check-config",
        file="""
n8n: {url: "http://a"}
components:
  - {name: a, check: {kind: http, url: "http://x/1"}}
  - {name: b, check: {kind: http, url: "http://x/2"}}
""",
        MEDIC_N8N_APIKEY="k",
    )
    assert shown.exit_code == 0
    assert "'default' has no api_key" in shown.output
    assert "'b' and 'a' are both called by x" in shown.output
    assert 'MEDIC_N8N_APIKEY is set and means nothing here. did you mean "MEDIC_N8N_API_KEY"?' in shown.output
    assert "No alert channel" in shown.output


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("data_dir: taken/medic", "data_dir cannot be used: {here}/taken is no directory"),
        ("data_dir: /proc/1/medic", "data_dir, /proc/1/medic, cannot be written by the user who runs this"),
        ("database_url: sqlite:////proc/1/medic.db", "the folder of database_url, /proc/1, cannot be written"),
    ],
)
def test_a_folder_that_nothing_can_be_written_to_is_noted(run: Run, tmp_path: Path, file: str, said: str) -> None:
    (tmp_path / "taken").touch()
    shown = run("check-config", file=file)
    assert shown.exit_code == 0 and said.format(here=tmp_path) in shown.output
    assert "written by" not in run("check-config", file="data_dir: new/deep").output


def test_a_guard_that_is_not_there_is_noted_where_it_would_matter(run: Run) -> None:
    listed = ", ".join(f"{{name: c{n}, check: {{kind: tcp, host: h{n}.example.com, port: 1}}}}" for n in range(5))
    noted = "no connectivity.anchors prove"
    assert noted in run("check-config", file=f"components: [{listed}]").output
    anchored = 'connectivity: {anchors: ["1.1.1.1:443"]}'
    assert noted not in run("check-config", file=f"components: [{listed}]\n{anchored}").output
    fewer = listed.replace("h4.example.com", "127.0.0.1")
    assert noted not in run("check-config", file=f"components: [{fewer}]").output


def test_a_bad_configuration_is_exit_code_2_for_every_command_that_needs_one(run: Run) -> None:
    for words in (["check-config"], ["serve"], ["worker"], ["run-check", "a"], ["report"]):
        ended = run(*words, file="bnid: x\ndry_run: maybe")
        assert ended.exit_code == 2, words
        assert "2 problems" in ended.stderr
        assert ended.stdout == ""


def test_the_configuration_may_be_named_on_the_command_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("dry_run: true")
    assert "Dry run" in run("--config", "other.yaml", "check-config").output
    missing = run("--config", "nowhere.yaml", "check-config")
    assert missing.exit_code == 2
    assert "nowhere.yaml" in missing.stderr


def test_the_schema_is_printed_alone(run: Run) -> None:
    shown = run("check-config", "--schema", file="this is: [not even")
    assert shown.exit_code == 0
    assert json.loads(shown.output)["title"] == "n8n-medic configuration"


def test_a_check_can_be_run_by_hand(run: Run) -> None:
    import socket

    with socket.socket() as service:
        service.bind(("127.0.0.1", 0))
        service.listen()
        port = service.getsockname()[1]
        file = f"components: [{{name: db, check: {{kind: tcp, host: 127.0.0.1, port: {port}}}}}, {{name: probed}}]"
        good = run("run-check", "db", file=file)
    assert (good.exit_code, "db is healthy" in good.output) == (0, True), good.output
    bad = run("run-check", "db")
    assert (bad.exit_code, "db is not healthy" in bad.output) == (1, True), bad.output
    unknown = run("run-check", "nobody")
    assert unknown.exit_code == 2
    assert "there are: db, probed" in unknown.stderr
    assert "has no check" in run("run-check", "probed").stderr


def test_a_heartbeat_is_judged_by_what_was_heard_of_it(run: Run, tmp_path: Path) -> None:
    file = "components: [{name: backup, check: {kind: heartbeat, period: 1h}}]"
    assert "its first heartbeat is not due yet" in run("run-check", "backup", file=file).output
    (tmp_path / "data").mkdir()
    database.open_database(f"sqlite:///{tmp_path}/data/medic.db", migrate=True)
    with database.write():
        components.set_component("backup", "unknown", utc_now(), "heard")
        components.note_beat("backup", "fail", utc_now(), "disk full")
    try:
        failed = run("run-check", "backup")
    finally:
        database.close_database()
    assert failed.exit_code == 1 and "its last run failed: disk full" in failed.output
    away = run("run-check", "backup", MEDIC_DATABASE_URL="postgresql://medic:hush@127.0.0.1:1/medic")
    assert "Without what was heard of it so far" in away.stderr and "hush" not in away.output


def test_a_check_by_hand_says_what_is_over_its_limit_though_it_would_not_count_yet(run: Run) -> None:
    others = "cpu: null, memory: null, swap: null, load: null, files: null"  # a busy machine is none of this test's
    full = f"components: [{{name: here, check: {{kind: machine, disk: 1, hold: 5m, {others}}}}}]"
    ended = run("run-check", "here", file=full)
    assert ended.exit_code == 1 and "over its limit now: disk /" in ended.output, ended.output
    assert run("run-check", "here", file=full.replace("disk: 1", "disk: 100")).exit_code == 0


def test_what_would_be_done_is_told_though_the_database_is_away(run: Run) -> None:
    away = "postgresql://medic:hush@127.0.0.1:1/medic"
    ended = run(
        "playbook", "explain", "a", file=f"database_url: '{away}'\ncomponents: [{{name: a, restart: [touch, x]}}]"
    )
    assert ended.exit_code == 0 and "touch x" in ended.output
    assert "Without what people chose" in ended.stderr and "hush" not in ended.output


def test_whether_a_worker_lives_is_told_by_its_heartbeat(run: Run, history: str) -> None:
    from recovery import clock
    from recovery.store import database, sites

    never = run("worker", "--check")
    assert never.exit_code == 1 and "no worker has ever reported" in never.stderr
    for age, code, said in ((3, 0, "a worker lives"), (300, 1, "the last heartbeat came 300 seconds ago")):
        database.open_database(history)
        with database.write():
            sites.forget_workers(clock.utc_now() + timedelta(days=1))
            sites.beat("w", clock.utc_now() - timedelta(seconds=age))
        database.close_database()
        ended = run("worker", "--check")
        assert ended.exit_code == code and said in ended.output


def test_a_report_needs_a_history_and_says_so(run: Run) -> None:
    ended = run("report")
    assert ended.exit_code == 1
    assert "There is no history yet" in ended.stderr


@pytest.fixture
def history(tmp_path: Path) -> str:
    from recovery.store.database import close_database, open_database

    url = f"sqlite:///{tmp_path}/data/medic.db"
    (tmp_path / "data").mkdir()
    open_database(url)
    close_database()
    return url


def test_a_report_of_quiet_days_says_that_nothing_failed(run: Run, history: str) -> None:
    shown = run("report", "--since", "30d")
    assert shown.exit_code == 0, shown.output
    assert "Nothing failed in this time." in shown.output
    assert "Incidents opened" in shown.output


def test_a_report_for_programs_is_json_with_zoned_times(run: Run, history: str) -> None:
    shown = run("report", "--since", "2026-01-01", "--until", "2026-02-01T00:00+01:00", "--json")
    found = json.loads(shown.output)
    assert (found["since"], found["until"]) == ("2026-01-01T00:00:00+00:00", "2026-01-31T23:00:00+00:00")
    assert found["incidents"]["opened"] == 0


@pytest.mark.parametrize("words", [["--since", "yesterday"], ["--until", "1e9h"], ["--since", "1d", "--until", "2d"]])
def test_a_report_of_no_proper_time_is_refused_with_an_example(run: Run, words: list[str]) -> None:
    ended = run("report", *words)
    assert ended.exit_code == 2
    assert "--since" in ended.stderr or "such as" in ended.stderr


def test_moments_are_read_as_times_or_as_how_long_ago() -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert read_moment("24h", now) == datetime(2026, 2, 28, 12, tzinfo=UTC)
    assert read_moment("2026-01-31", now) == datetime(2026, 1, 31, tzinfo=UTC)
    assert read_moment("2026-01-31T08:00+01:00", now) == datetime(2026, 1, 31, 7, tzinfo=UTC)
    for text in ("", "soon", "99999999d", "2026-13-01"):
        with pytest.raises(ValueError, match="such as"):
            read_moment(text, now)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def _quiet_root() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before, level


@pytest.mark.usefixtures("_quiet_root")
def test_log_lines_are_json_where_nobody_looks_on() -> None:
    out = io.StringIO()
    set_up_logging(out, env={})
    logging.getLogger("medic.x").warning("복구 %s", "done", extra={"incident": 7})
    line = json.loads(out.getvalue())
    assert (line["level"], line["logger"], line["message"], line["incident"]) == ("WARNING", "medic.x", "복구 done", 7)
    assert abs(datetime.fromisoformat(line["time"]) - utc_now()).total_seconds() < 5
    assert "복구" in out.getvalue()


@pytest.mark.usefixtures("_quiet_root")
def test_log_lines_are_readable_on_a_terminal() -> None:
    out = Terminal()
    set_up_logging(out, env={"MEDIC_LOG": "debug"})
    logging.getLogger("medic.x").debug("seen")
    assert out.getvalue().rstrip().endswith("DEBUG   medic.x: seen")
    logging.getLogger("medic.x").info("triaged", extra={"signals": 3, "incidents": 1})
    assert out.getvalue().rstrip().endswith("INFO    medic.x: triaged signals=3 incidents=1"), "with what it counted"


def test_a_log_level_that_does_not_exist_is_info_and_is_told() -> None:
    assert [len(notice_slips({"MEDIC_LOG": text})) for text in ("", "loud", "warning")] == [0, 1, 0]
    assert [log_level({"MEDIC_LOG": text}) for text in ("", "loud", "warning")] == ["INFO", "INFO", "WARNING"]


def test_every_option_says_what_it_does() -> None:
    silent = [
        f"{name} {option.name}"
        for name, command in [("medic", main), *main.commands.items()]
        for option in command.params
        if isinstance(option, click.Option) and not option.help
    ]
    assert not silent


def test_tokens_are_named_with_their_files_and_never_shown_to_what_is_no_terminal(run: Run, tmp_path: Path) -> None:
    before = run("tokens").output
    assert "which the first start makes" in before and not (tmp_path / "data").exists()
    config, _ = ensure_secrets(Config.model_validate({"data_dir": str(tmp_path / "data")}))
    shown = run("tokens", MEDIC_REPORT_TOKEN="given-by-me")
    assert shown.exit_code == 0
    for name in ("webhook", "api", "signals", "probes", "replay"):
        assert f"{name}: who shows it may" in shown.output
        assert f"where: {tmp_path / 'data' / f'{name}_token'}\n" in shown.output
    assert "MEDIC_REPORT_TOKEN" in shown.output
    secrets = [getattr(config, name) for name in SECRET_NAMES] + ["given-by-me"]
    assert not [secret for secret in secrets if secret in shown.output]


def test_tokens_are_shown_to_a_person_at_a_terminal(tmp_path: Path) -> None:
    config, _ = ensure_secrets(Config.model_validate({"data_dir": str(tmp_path / "data")}))
    ours, theirs = pty.openpty()
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "recovery", "tokens"]
    subprocess.run(command, cwd=tmp_path, env=env, stdout=theirs, timeout=30, check=True)
    os.close(theirs)
    said = os.read(ours, 65536).decode()
    os.close(ours)
    for scope in SCOPES:
        assert f"token: {getattr(config, scope.setting)}" in said
    assert config.admin_password not in said and config.session_key not in said
