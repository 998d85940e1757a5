"""The action that runs a command on another host, with a real sshd; `recovery.actions.restart_remote`."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from pydantic import ValidationError

from recovery.actions import REGISTRY
from recovery.clock import utc_now
from recovery.model import About, Done, Failed
from recovery.outside.ssh import Ssh
from tests.plugins.databases import running
from tests.plugins.plugins import BACKGROUND
from tests.plugins.servers import answer, drip, free_port, raw_server, reset, silent
from tests.plugins.sshd import make_key, running_sshd

ROOT = Path(__file__).parents[2]
HOSTILE = "orders; touch $(echo owned) `id` '\"\n\\ * ~ && exit 9 #"
ABOUT = About(HOSTILE, utc_now(), incident_id=7)
PLUGIN = REGISTRY.find("restart_remote")


class Doors:
    ssh = Ssh(BACKGROUND)


@pytest.fixture(scope="module")
def sshd():
    with running_sshd() as server:
        yield server


@pytest.fixture
def plain(sshd):
    """A user whose commands sshd ends, and where that one may write."""
    if sshd.plain_user == "root":
        pytest.skip("sshd ends nothing of root's: apt-get install libnss-wrapper, or run as another user")
    place = Path(tempfile.mkdtemp(dir=sshd.place))
    place.chmod(0o777)
    return {"user": sshd.plain_user, "timeout": "1s"}, place


def given(sshd, command, **more):
    known = {"host": "127.0.0.1", "port": sshd.port, "user": sshd.user, "key_file": str(sshd.key)}
    return PLUGIN.args.model_validate({**known, "host_key": sshd.fingerprint(), "command": command, **more})


def run(sshd, command, **more):
    return PLUGIN.run(given(sshd, command, **more), Doors(), ABOUT)


def until(holds, seconds=5.0):
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)
    return holds()


def alive(pid):
    try:
        return psutil.Process(int(pid)).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_exit_code_zero_is_done(sshd):
    said = "the command on 127.0.0.1 ended with exit code 0"
    assert run(sshd, ["echo", "restarted"]) == Done(f"{said}; it said:\nrestarted")
    assert run(sshd, ["true"]) == Done(f"{said}, without a word")


def test_anything_else_is_a_failure_with_what_was_said(sshd):
    answer = run(sshd, ["sh", "-c", "echo no such unit >&2; exit 5"])
    assert answer == Failed("the command on 127.0.0.1 ended with exit code 5; it said:\nno such unit")
    assert run(sshd, ["sh", "-c", "kill -9 $$"]).why.startswith("the command on 127.0.0.1 was ended by SIGKILL")
    assert "ended with exit code 127" in run(sshd, ["no-such-program"]).why


def test_each_word_stays_one_word_whatever_it_holds(sshd, tmp_path):
    words = ["$HOME", "a b", "", "$(touch owned)", "'", '"', "\\", "*", "~", "é", "x\ny", "-n", "A=b", "!!"]
    show = "import sys; print(sys.argv[1:])"
    answer = run(sshd, [sys.executable, "-c", show, "{{component}}", "{{ incident_id }}", *words])
    assert answer.detail.endswith(str([HOSTILE, "7", *words]))
    assert not (Path.home() / "owned").exists()


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_host_that_shows_the_pinned_key_is_let_pass(sshd, kind):
    assert isinstance(run(sshd, ["true"], host_key=sshd.line(kind)), Done)


def test_a_fingerprint_counts_as_a_key_does(sshd):
    assert isinstance(run(sshd, ["true"], host_key=sshd.fingerprint()), Done)


@pytest.fixture
def trusting_home(sshd, tmp_path, monkeypatch):
    """A home whose known hosts and configuration trust the server, as a person's own ssh would."""
    folder = tmp_path / ".ssh"
    folder.mkdir()
    names = f"[127.0.0.1]:{sshd.port},127.0.0.1"
    (folder / "known_hosts").write_text("".join(f"{names} {sshd.line(kind)}\n" for kind in ("ed25519", "ecdsa", "rsa")))
    (folder / "config").write_text(
        f"Host *\n StrictHostKeyChecking no\n SetEnv FROM_CONFIG=1\n IdentityFile {sshd.key}\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))


def pins_of_others(tmp_path, *kinds):
    for kind in kinds:
        yield make_key(tmp_path / f"other_{kind}", kind).with_suffix(".pub").read_text()


def test_a_changed_host_key_is_a_permanent_failure_and_nothing_is_sent(sshd, tmp_path, trusting_home):
    trace = tmp_path / "trace"
    for pin in (*pins_of_others(tmp_path, "ed25519", "ecdsa", "rsa"), "SHA256:" + "A" * 43):
        before = len(sshd.log())
        answer = run(sshd, ["touch", str(trace)], host_key=pin)
        assert answer.permanent
        assert "shows the host key SHA256:" in answer.why
        assert answer.why.endswith("not the pinned one: nothing was sent")
        assert until(lambda start=before: "Connection closed" in sshd.log()[start:] or "preauth" in sshd.log()[start:])
        assert "user" not in sshd.log()[before:], "nobody has told it who wants to log in"
    assert not trace.exists()


def test_the_key_that_the_host_showed_is_named(sshd):
    assert sshd.fingerprint() in run(sshd, ["true"], host_key="SHA256:" + "A" * 43).why


def test_a_host_that_has_no_key_of_the_pinned_kind_is_a_permanent_failure(sshd, tmp_path):
    (pin,) = pins_of_others(tmp_path, "ecdsa")
    text = (sshd.folder / "config").read_text().replace(str(sshd.port), str(port := free_port()))
    without = tmp_path / "config"
    without.write_text("".join(line for line in text.splitlines(True) if "host_ecdsa" not in line))
    with running([*sshd.command[:-4], "-f", str(without), "-E", str(tmp_path / "log")], port):
        answer = run(sshd, ["true"], host_key=pin, port=port)
    assert answer.permanent
    assert f"shows the host key {sshd.fingerprint()} (ssh-ed25519), not the pinned one" in answer.why


def test_a_key_that_the_host_does_not_know_is_a_permanent_failure(sshd, tmp_path, trusting_home):
    stranger = make_key(tmp_path / "stranger")
    answer = run(sshd, ["true"], key_file=str(stranger))
    assert answer == Failed(f"127.0.0.1:{sshd.port} does not let {sshd.user!r} in with this key", permanent=True)


def test_the_agent_of_the_worker_is_not_asked(sshd, tmp_path, monkeypatch):
    sock = str(tmp_path / "agent")
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", sock], stdout=subprocess.DEVNULL)
    try:
        assert until(Path(sock).exists)
        monkeypatch.setenv("SSH_AUTH_SOCK", sock)
        subprocess.run(["ssh-add", "-q", str(sshd.key)], check=True)
        assert run(sshd, ["true"], key_file=str(make_key(tmp_path / "stranger"))).permanent
    finally:
        agent.terminate()
        agent.wait()


def test_a_key_file_that_cannot_be_used_is_a_permanent_failure_without_its_content(sshd, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "text").write_text("hunter2hunter2")
    make_key(tmp_path / "locked", passphrase="hunter2hunter2")
    for name in ("missing", "pipe", "text", "locked", "."):
        answer = run(sshd, ["true"], key_file=str(tmp_path / name))
        assert answer.permanent, name
        assert answer.why.startswith(f"the key file '{tmp_path}"), answer.why
        assert "hunter2" not in answer.why


def test_a_host_that_does_not_answer_is_a_failure_in_time(sshd):
    begin = time.monotonic()
    with raw_server(silent) as port:
        assert run(sshd, ["true"], port=port, timeout="300ms").why == f"no answer from 127.0.0.1:{port} within 0.3 s"
    with raw_server(drip(b"SSH-2.0-x", 0.01)) as port:
        assert isinstance(run(sshd, ["true"], port=port, timeout="300ms"), Failed)
    assert time.monotonic() - begin < 3
    assert run(sshd, ["true"], port=(port := free_port())) == Failed(f"127.0.0.1:{port} refuses the connection")
    for talk in (reset, answer(b"HTTP/1.1 400 Bad Request\r\n\r\n"), answer(b"SSH-2.0-x\r\n" + b"\0" * 4_000)):
        with raw_server(talk) as port:
            failed = run(sshd, ["true"], port=port, timeout="5s")
            assert isinstance(failed, Failed)
            assert f"127.0.0.1:{port}" in failed.why
    nowhere = run(sshd, ["true"], host="no-such-host.invalid")
    assert isinstance(nowhere, Failed)
    assert "no-such-host.invalid" in nowhere.why


def test_a_command_is_ended_at_its_deadline(sshd, plain):
    (known, place), begin = plain, time.monotonic()
    note = place / "pid"
    answer = run(sshd, ["sh", "-c", f"echo $$ > {note}; echo begun; sleep 60; true"], **known)
    assert answer == Failed("the command on 127.0.0.1 did not end within 1 s and was ended; it said:\nbegun")
    assert time.monotonic() - begin < 2.5
    assert until(lambda: not alive(note.read_text().strip()))


def test_a_command_that_does_not_listen_is_killed(sshd, plain):
    known, place = plain
    note = place / "pid"
    answer = run(sshd, ["exec", "sh", "-c", f"trap '' TERM; echo $$ > {note}; while :; do sleep 0.2; done"], **known)
    assert "was ended" in answer.why
    assert until(lambda: not alive(note.read_text().strip()))


def test_one_that_outlives_its_shell_is_said_to_run_on(sshd, plain):
    """Dash does not become its command: it ends at TERM, and what sshd knew is gone."""
    known, place = plain
    line = f"trap '' TERM; echo $$ > {place}/pid; for one in 1 2 3 4 5 6 7 8 9; do sleep 0.5; done"
    answer = run(sshd, ["sh", "-c", line], **known)
    assert "it may still run there" in answer.why or not alive((place / "pid").read_text())


def test_one_that_ended_in_order_after_its_deadline_has_failed(sshd, plain):
    known, _ = plain
    answer = run(sshd, ["sh", "-c", "trap 'echo bye; exit 0' TERM; while :; do sleep 0.1; done 2>/dev/null"], **known)
    assert answer == Failed("the command on 127.0.0.1 did not end within 1 s and was ended; it said:\nbye")


def test_a_host_that_ends_nothing_for_us_is_said_to_run_on(sshd, tmp_path):
    """With a command before the key, sshd refuses signals."""
    note, key = tmp_path / "pid", make_key(tmp_path / "forced")
    sshd.allow(key, f'command="echo $$ > {note}; exec sleep 60"')
    try:
        answer = run(sshd, ["true"], key_file=str(key), timeout="1s")
        assert "nor when it was told to: it may still run there" in answer.why
        assert alive(note.read_text().strip())
    finally:
        os.kill(int(note.read_text()), signal.SIGKILL)


def test_a_connection_that_breaks_off_leaves_it_unknown(sshd):
    answer = run(sshd, ["sh", "-c", "kill -9 $PPID; sleep 1"])
    assert answer == Failed(f"127.0.0.1:{sshd.port} broke the connection off: nobody knows whether the command ended")


def test_what_runs_on_in_the_background_holds_nobody_up(sshd, tmp_path):
    for where in ("", ">/dev/null 2>&1"):
        begin = time.monotonic()
        answer = run(sshd, ["sh", "-c", f"sleep 30 {where} & echo $! > {tmp_path}/pid; echo started"])
        assert answer == Done("the command on 127.0.0.1 ended with exit code 0; it said:\nstarted")
        assert time.monotonic() - begin < 3
        left = int((tmp_path / "pid").read_text())
        assert alive(left)
        os.kill(left, signal.SIGKILL)


def test_output_is_cut_and_holds_no_secret(sshd):
    answer = run(
        sshd, ["sh", "-c", "echo password=hunter2; yes line | head -n 500000; echo token=hunter2; echo THE END"]
    )
    assert answer.detail.endswith("THE END")
    assert len(answer.detail) < 4_200
    assert "hunter2" not in answer.detail
    assert "\0" not in run(sshd, ["printf", "a\\000\\377b"]).detail


def test_nothing_of_the_worker_is_given_to_the_command(sshd, monkeypatch, trusting_home):
    monkeypatch.setenv("LC_SECRET", "hunter2")
    told = run(sshd, ["sh", "-c", "cat; env; test -t 0 || echo no terminal"]).detail
    assert "no terminal" in told
    assert "hunter2" not in told
    assert "FROM_CONFIG" not in told


def test_a_dry_run_says_the_very_line_and_touches_nothing(sshd, tmp_path):
    trace = tmp_path / "trace"
    args, before = given(sshd, ["touch", str(trace), "a b", "{{incident_id}}"]), sshd.log()
    told = PLUGIN.preview(args, None, ABOUT)
    assert told == f"run `touch {trace} 'a b' 7` on 127.0.0.1 as {sshd.user} over ssh, for at most 60 s"
    assert sshd.log() == before
    assert not trace.exists()

    class Noting:
        class ssh:  # noqa: N801
            run = staticmethod(lambda there, line, seconds: lines.append(line) or Doors.ssh.run(there, line, seconds))

    lines = []
    PLUGIN.run(args, Noting(), ABOUT)
    assert f"run `{lines[0]}` on" in told


WORKER = """
from recovery.actions import REGISTRY
from recovery.clock import utc_now
from recovery.model import About
from recovery.outside.background import Background
from recovery.outside.ssh import Ssh
class Doors: ssh = Ssh(Background())
plugin = REGISTRY.find("restart_remote")
plugin.run(plugin.args.model_validate_json({args!r}), Doors(), About("orders", utc_now()))
"""


def test_after_a_killed_worker_the_command_goes_on_and_a_second_run_does_no_harm(sshd, tmp_path):
    begun, ended = tmp_path / "begun", tmp_path / "ended"
    args = given(sshd, ["sh", "-c", f"echo x >> {begun}; sleep 1; echo x >> {ended}"])
    worker = subprocess.Popen([sys.executable, "-c", WORKER.format(args=args.model_dump_json())], cwd=ROOT)
    assert until(begun.exists, 10)
    worker.kill()
    worker.wait()
    assert not ended.exists()
    assert isinstance(PLUGIN.run(args, Doors(), ABOUT), Done)
    assert until(lambda: ended.read_text() == "x\nx\n")
    assert PLUGIN.safe_to_repeat
    assert PLUGIN.restarts


def test_no_file_stays_open(sshd):
    def both():
        run(sshd, ["true"], host_key="SHA256:" + "A" * 43)
        run(sshd, ["true"])

    both()
    before = len(list(Path("/proc/self/fd").iterdir()))
    with raw_server(silent) as port:
        for _ in range(8):
            both()
            run(sshd, ["true"], port=port, timeout="50ms")
    assert until(lambda: len(list(Path("/proc/self/fd").iterdir())) <= before + 2), "one that stays each time is 8"


ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2t1gcQ0sI7wZ1V4tH6cGmT7R5m3o2mGmE6kXkq0F0a"
GOOD = {"host": "web1", "user": "medic", "key_file": "/k", "host_key": ED25519, "command": ["true"]}


@pytest.mark.parametrize("host_key", [ED25519, ED25519 + " root@web1", f"{ED25519}\n", "SHA256:" + "A" * 43])
def test_what_a_pinned_key_may_look_like(host_key):
    assert PLUGIN.args.model_validate(GOOD | {"host_key": host_key}).host_key == host_key.strip()


@pytest.mark.parametrize(
    "wrong",
    [
        {"host": ""},
        {"host": "-oProxyCommand=id"},
        {"host": "medic@web1"},
        {"host": "web1/x"},
        {"host": "a b"},
        {"host": "web1\n"},
        {"port": 0},
        {"port": 65_536},
        {"port": "22"},
        {"user": ""},
        {"user": "a\0b"},
        {"user": "-x"},
        {"key_file": ""},
        {"key_file": "relative/key"},
        {"key_file": "/a\0b"},
        {"host_key": ""},
        {"host_key": "*"},
        {"host_key": "MD5:aa:bb"},
        {"host_key": "SHA256:short"},
        {"host_key": f"@cert-authority * {ED25519}"},
        {"host_key": f"web1 {ED25519}"},
        {"host_key": f"{ED25519}\n{ED25519}"},
        {"host_key": ED25519.replace("ssh-ed25519", "ssh-rsa")},
        {"host_key": ED25519.replace("ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com")},
        {"host_key": "ssh-ed25519 AAAA"},
        {"command": []},
        {"command": "systemctl restart orders"},
        {"command": [" "]},
        {"command": ["a\0b"]},
        {"command": ["echo", "{{cause}}"]},
        {"command": ["kill", 9]},
        {"timeout": 0},
        {"password": "hunter2"},
    ],
)
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(ValidationError) as problem:
        PLUGIN.args.model_validate(GOOD | wrong)
    assert "hunter2" not in str(problem.value)


@pytest.mark.parametrize("key", ["host", "user", "key_file", "host_key", "command"])
def test_what_must_be_given_has_no_default(key):
    with pytest.raises(ValidationError):
        PLUGIN.args.model_validate({name: value for name, value in GOOD.items() if name != key})


def test_a_pinned_key_that_only_looks_like_one_is_a_permanent_failure(sshd):
    lying = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA"
    answer = run(sshd, ["true"], host_key=lying)
    assert answer.permanent
    assert "the pinned host key cannot be read" in answer.why
