"""`recovery.actions.restart_service`, with a real supervisord and real processes under it.

No systemd runs where the tests do. In its place stands a program named systemctl on PATH, which keeps a unit's state
and answers with the words and exit codes of systemd 252.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from recovery.actions import REGISTRY
from recovery.clock import utc_now
from recovery.model import About, Done, Failed, NotNeeded
from recovery.outside.shell import Shell

PLUGIN = REGISTRY.find("restart_service")
ABOUT = About("orders; reboot", utc_now())
SHOW = "--no-ask-password show --property=LoadState,ActiveState,SubState -- n8n.service"


class Doors:
    shell = Shell()


def run(**args):
    return PLUGIN.run(PLUGIN.args.model_validate(args), Doors(), ABOUT)


def preview(**args):
    return PLUGIN.preview(PLUGIN.args.model_validate(args), Doors(), ABOUT)


SYSTEMCTL = r"""#!/bin/sh
cd "$(dirname "$0")"
echo "$*" >> asked
[ "$1" = --no-ask-password ] && shift
if [ "$1" = --user ]; then
    [ -n "$XDG_RUNTIME_DIR" ] || { echo 'Failed to connect to bus: No medium found' >&2; exit 1; }
    shift
fi
load=$(cat load); active=$(cat active); verb=$1; shift
for unit in "$@"; do :; done
case $verb in
show)
    [ -e bus ] && { echo 'Failed to connect to bus: Host is down' >&2; exit 1; }
    printf 'LoadState=%s\nActiveState=%s\nSubState=%s\n' "$load" "$active" "$(cat sub)";;
reset-failed)
    echo inactive > active; echo dead > sub; rm -f often;;
restart)
    [ -e hangs ] && sleep 60
    [ -e forbidden ] && {
        echo "Failed to restart $unit: Interactive authentication required." >&2
        echo "See system logs and 'systemctl status $unit' for details." >&2; exit 1; }
    [ -e often ] && {
        echo "Job for $unit failed." >&2
        echo "See \"systemctl status $unit\" and \"journalctl -xeu $unit\" for details." >&2; exit 1; }
    [ -e broken ] && {
        echo failed > active; echo failed > sub
        echo "Job for $unit failed because the control process exited with error code." >&2
        echo "See \"systemctl status $unit\" and \"journalctl -xeu $unit\" for details." >&2; exit 1; }
    [ -e gone ] && { echo "Failed to restart $unit: Unit $unit not found." >&2; exit 5; }
    echo active > active; echo running > sub;;
*) echo "Unknown command verb $verb." >&2; exit 1;;
esac
"""


class Systemctl:
    """The program that answers like systemctl, and the state of its one unit."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "systemctl").write_text(SYSTEMCTL)
        (folder / "systemctl").chmod(0o755)
        self.set("active", "running")

    def set(self, active, sub, load="loaded", **trouble):
        for name, text in {"active": active, "sub": sub, "load": load, **trouble}.items():
            (self.folder / name).write_text(f"{text}\n")
        return self

    @property
    def active(self):
        return (self.folder / "active").read_text().strip()

    @property
    def asked(self):
        path = self.folder / "asked"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def systemctl(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return Systemctl(tmp_path)


@pytest.mark.parametrize(
    ("active", "sub"), [("active", "running"), ("inactive", "dead"), ("activating", "auto-restart")]
)
def test_a_unit_is_restarted(systemctl, active, sub):
    systemctl.set(active, sub)
    assert run(service="n8n.service") == Done("systemd has restarted n8n.service")
    assert systemctl.asked == [SHOW, "--no-ask-password restart -- n8n.service"]
    assert systemctl.active == "active"


def test_a_unit_of_the_user_is_asked_for_as_one(systemctl):
    assert isinstance(run(service="n8n.service", user=True), Done)
    assert [line.split()[1] for line in systemctl.asked] == ["--user", "--user"]


def test_a_unit_that_systemd_has_given_up_is_forgiven_first(systemctl):
    systemctl.set("failed", "failed", often="")
    assert run(service="n8n.service") == Done("systemd has restarted n8n.service")
    assert [line.split()[1] for line in systemctl.asked] == ["show", "reset-failed", "restart"]


def test_a_unit_that_is_being_started_is_left_to_it(systemctl):
    systemctl.set("activating", "start")
    assert run(service="n8n.service") == NotNeeded("n8n.service is being started already (start)")
    assert systemctl.asked == [SHOW]


@pytest.mark.parametrize(
    ("load", "why"),
    [
        ("not-found", "systemd knows no unit n8n.service"),
        ("masked", "n8n.service is masked"),
        ("bad-setting", "n8n.service is not set up right"),
    ],
)
def test_a_unit_that_cannot_be_started_is_a_permanent_failure(systemctl, load, why):
    systemctl.set("inactive", "dead", load)
    assert run(service="n8n.service") == Failed(why, permanent=True)
    assert systemctl.asked == [SHOW]


@pytest.mark.parametrize(
    ("trouble", "code", "words", "permanent"),
    [
        ("broken", 1, "failed because the control process exited with error code", False),
        ("forbidden", 1, "Interactive authentication required", True),
        ("gone", 5, "Unit n8n.service not found", True),
    ],
)
def test_a_restart_that_fails_is_told_with_systemds_words(systemctl, trouble, code, words, permanent):
    systemctl.set("active", "running", **{trouble: ""})
    answer = run(service="n8n.service")
    assert isinstance(answer, Failed) and answer.permanent is permanent
    assert f"`systemctl --no-ask-password restart -- n8n.service` ended with exit code {code}: " in answer.why
    assert words in answer.why


def test_a_systemd_that_cannot_be_asked_is_a_failure_that_may_pass(systemctl):
    systemctl.set("active", "running", bus="")
    assert run(service="n8n.service") == Failed("systemctl: Failed to connect to bus: Host is down")


def test_a_restart_that_hangs_is_ended(systemctl):
    systemctl.set("active", "running", hangs="")
    begin = time.monotonic()
    answer = run(service="n8n.service", timeout="2s")
    assert answer == Failed("`systemctl --no-ask-password restart -- n8n.service` did not end within 2 s and was ended")
    assert time.monotonic() - begin < 15


def test_after_a_restart_that_was_cut_off_in_the_middle_the_next_finds_its_way(systemctl):
    systemctl.set("activating", "start")  # the first one's job goes on in systemd
    assert isinstance(run(service="n8n.service"), NotNeeded)
    systemctl.set("inactive", "dead")  # or it had been stopped, and no more
    assert isinstance(run(service="n8n.service"), Done)
    assert systemctl.active == "active"


def test_a_dry_run_tells_the_very_commands_and_runs_none(systemctl):
    assert preview(service="n8n.service") == (
        "run `systemctl --no-ask-password restart -- n8n.service`, for at most 120 s"
    )
    systemctl.set("failed", "failed")
    assert preview(service="n8n.service", timeout="9s") == (
        "run `systemctl --no-ask-password reset-failed -- n8n.service`, "
        "then `systemctl --no-ask-password restart -- n8n.service`, for at most 9 s each"
    )
    assert systemctl.asked == [SHOW, SHOW] and systemctl.active == "failed"
    systemctl.set("activating", "start-pre")
    assert preview(service="n8n.service") == "do nothing: n8n.service is being started already (start-pre)"
    systemctl.set("inactive", "dead", "masked")
    assert preview(service="n8n.service") == "fail: n8n.service is masked"


def test_a_machine_without_the_manager_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    for manager, program in (("systemd", "systemctl"), ("supervisor", "supervisorctl")):
        why = f"cannot start '{program}': No such file or directory"
        assert run(service="n8n", manager=manager) == Failed(why, permanent=True)


class Supervisor:
    """A real supervisord with programs of its own."""

    PROGRAMS = {
        "web": "command=sleep 300\nstartsecs=0",
        "bad": "command=false\nautostart=false\nstartretries=0",
        "slow": "command=sleep 300\nautostart=false\nstartsecs=60",
        "stubborn": "command=sh -c 'trap \"\" TERM; while :; do sleep 1; done'\nstartsecs=0\nstopwaitsecs=30",
    }

    def __init__(self, folder):
        self.folder, self.config = folder, str(folder / "s.conf")
        text = (
            f"[unix_http_server]\nfile={folder}/s\n[supervisord]\nnodaemon=true\nlogfile={folder}/log\n"
            f"pidfile={folder}/pid\n[supervisorctl]\nserverurl=unix://{folder}/s\n[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
            "[group:shop]\nprograms=till\n[program:till]\ncommand=sleep 300\nstartsecs=0\n"
        )
        programs = "".join(f"[program:{name}]\n{lines}\n" for name, lines in self.PROGRAMS.items())
        Path(self.config).write_text(text + programs)
        self._running = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "-c", self.config],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + 20
        while self.pid("shop:till") == 0 and time.monotonic() < until:
            time.sleep(0.1)

    def control(self, *words):
        command = [sys.executable, "-m", "supervisor.supervisorctl", "-c", self.config, *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout

    def pid(self, name):
        said = self.control("pid", name).strip()
        return int(said) if said.isdigit() else 0

    def close(self):
        if stubborn := self.pid("stubborn"):
            os.kill(stubborn, 9)
        self._running.terminate()
        self._running.wait(20)


@pytest.fixture(scope="module")
def supervisor(tmp_path_factory):
    """supervisorctl is found as its users find it: on PATH, beside the interpreter that it was installed for."""
    patch = pytest.MonkeyPatch()
    patch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    made = Supervisor(tmp_path_factory.mktemp("s"))
    yield made
    made.close()
    patch.undo()


def under(supervisor, service, does=run, **args):
    return does(service=service, manager="supervisor", config=supervisor.config, **args)


@pytest.mark.parametrize("service", ["web", "shop:till", "shop:*"])
def test_a_program_under_supervisor_is_restarted(supervisor, service):
    name = "web" if service == "web" else "shop:till"
    before = supervisor.pid(name)
    assert under(supervisor, service) == Done(f"supervisor has restarted {service}")
    assert supervisor.pid(name) not in (0, before)


def test_a_program_that_is_stopped_is_started_as_after_half_a_restart(supervisor):
    supervisor.control("stop", "web")
    assert supervisor.pid("web") == 0
    assert isinstance(under(supervisor, "web"), Done)
    assert supervisor.pid("web")


def test_a_program_that_does_not_start_is_a_failure_with_supervisors_words(supervisor):
    answer = under(supervisor, "bad")
    assert isinstance(answer, Failed) and not answer.permanent
    assert "ended with exit code 7: bad: ERROR (not running) bad: ERROR (spawn error)" in answer.why


@pytest.mark.parametrize("service", ["nobody", "nobody:*"])
def test_a_program_that_supervisor_does_not_know_is_a_permanent_failure(supervisor, service):
    answer = under(supervisor, service)
    assert answer.permanent and "ERROR (no such" in answer.why


def test_a_program_that_is_being_started_is_left_to_it(supervisor):
    supervisor.control("start", "shop:till")
    starting = subprocess.Popen(
        [sys.executable, "-m", "supervisor.supervisorctl", "-c", supervisor.config, "start", "slow"]
    )
    until = time.monotonic() + 10
    while "STARTING" not in supervisor.control("status", "slow") and time.monotonic() < until:
        time.sleep(0.1)
    assert under(supervisor, "slow") == NotNeeded("slow is being started already")
    assert under(supervisor, "slow", preview) == "do nothing: slow is being started already"
    supervisor.control("stop", "slow")
    starting.wait(10)


def test_a_program_that_does_not_stop_in_time_is_a_failure(supervisor):
    before = supervisor.pid("stubborn")
    answer = under(supervisor, "stubborn", timeout="5s")
    assert isinstance(answer, Failed) and answer.why.endswith("restart stubborn` did not end within 5 s and was ended")
    assert os.kill(before, 0) is None


def test_a_dry_run_under_supervisor_restarts_nothing(supervisor):
    before = supervisor.pid("web")
    assert under(supervisor, "web", preview) == (
        f"run `supervisorctl -c {supervisor.config} restart web`, for at most 120 s"
    )
    assert supervisor.pid("web") == before != 0


def test_a_supervisor_that_is_not_there_may_come_back_and_a_missing_file_may_not(supervisor, tmp_path):
    gone = tmp_path / "gone.conf"
    gone.write_text(f"[supervisorctl]\nserverurl=unix://{tmp_path}/s\n")
    answer = run(service="web", manager="supervisor", config=str(gone))
    assert answer == Failed(f"supervisorctl: unix://{tmp_path}/s no such file")
    answer = run(service="web", manager="supervisor", config=str(tmp_path / "none.conf"))
    assert answer.permanent and "could not find config file" in answer.why


@pytest.mark.parametrize(
    "args",
    [
        {"service": ""},
        {"service": "--host=evil"},
        {"service": "-n8n"},
        {"service": "a b"},
        {"service": "a;reboot"},
        {"service": "$(reboot)"},
        {"service": "{{component}}"},
        {"service": "../n8n"},
        {"service": "n8n\n"},
        {"service": "n" * 300},
        {"service": "all", "manager": "supervisor"},
        {"service": "*", "manager": "supervisor"},
        {"service": "all:web", "manager": "supervisor", "user": True},
        {"service": "-web", "manager": "supervisor"},
        {"service": "web:-x", "manager": "supervisor"},
        {"service": "web all", "manager": "supervisor"},
        {"service": "web@1", "manager": "supervisor"},
        {"manager": "launchd"},
        {"config": "/etc/supervisord.conf"},
        {"manager": "supervisor", "service": "web", "config": "supervisord.conf"},
        {"manager": "supervisor", "service": "web", "config": "/etc/\0"},
        {"manager": "supervisor", "service": "web", "user": True},
        {"user": "yes"},
        {"timeout": 0},
        {"timeout": "2d"},
    ],
)
def test_arguments_that_make_no_sense_are_refused(args):
    with pytest.raises(ValidationError):
        PLUGIN.args.model_validate({"service": "n8n.service"} | args)
