"""The action that restarts a whole server; `recovery.actions.reboot_host`.

Redfish by a real HTTPS server with the answers of the specification. IPMI by the real ipmitool against OpenIPMI's
simulator of a controller, and what that does not do by a program on PATH that answers like ipmitool.
"""

import hashlib
import os
import ssl
import time
from pathlib import Path

import pytest
import trustme
from pydantic import ValidationError

from recovery.actions import REGISTRY
from recovery.clock import utc_now
from recovery.model import About, Done, Failed, NotNeeded
from recovery.outside.doors import OpenDoors
from tests.plugins.controller import RESET, SYSTEM, Controller, problem
from tests.plugins.databases import program
from tests.plugins.ipmi_sim import running_simulator
from tests.plugins.servers import free_port, raw_server, silent

HOSTILE = "gpu1; reboot $(id)"
ABOUT = About(HOSTILE, utc_now(), incident_id=7)
PLUGIN = REGISTRY.find("reboot_host")
PASSWORD = "hunter2hunter2"
UNKNOWN = "nobody knows whether the server restarts"


@pytest.fixture(scope="module")
def doors():
    class Nothing:
        n8n = ()

    return OpenDoors(Nothing())


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def certificate(authority):
    return authority.issue_cert("127.0.0.1")


@pytest.fixture
def controller(certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    server = Controller(context)
    yield server
    server.close()


@pytest.fixture
def known(controller, authority, tmp_path):
    """What is configured of the controller."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    (tmp_path / "password").write_text(PASSWORD + "\n")
    return {
        "url": controller.url,
        "system": "System.Embedded.1",
        "user": "medic",
        "password_file": str(tmp_path / "password"),
        "ca_file": str(tmp_path / "ca.pem"),
    }


def run(doors, **args):
    return PLUGIN.run(PLUGIN.args.model_validate(args), doors, ABOUT)


def preview(doors, **args):
    return PLUGIN.preview(PLUGIN.args.model_validate(args), doors, ABOUT)


def fingerprint(certificate):
    pem = certificate.cert_chain_pems[0].bytes().decode()
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def test_a_person_is_asked_and_it_is_never_repeated_by_itself():
    assert PLUGIN.approval
    assert PLUGIN.restarts
    assert not PLUGIN.safe_to_repeat
    assert not REGISTRY.find("run_command").approval
    page = (Path(__file__).parents[2] / "docs" / "actions.md").read_text()
    assert page.count("Needs a person's yes unless the configuration says otherwise.") >= 1


@pytest.mark.parametrize("status", [200, 202, 204])
def test_a_server_that_is_on_is_restarted_after_it_was_asked(controller, known, doors, status):
    controller.reset = (status, None)
    assert run(doors, redfish=known) == Done(f"the controller took ForceRestart ({status})")
    assert controller.asked == [("GET", SYSTEM, b""), ("POST", RESET, b'{"ResetType": "ForceRestart"}')]


def test_a_server_that_is_off_is_switched_on_unless_it_shall_not(controller, known, doors):
    controller.system["PowerState"] = "Off"
    assert isinstance(run(doors, redfish=known), Done)
    assert controller.resets == ["On"]
    answer = run(doors, redfish=known, power_on=False)
    assert answer == Failed("the server is off, and `power_on` is false", permanent=True)
    assert controller.resets == ["On"]


def test_a_second_run_after_a_half_one_leaves_a_server_that_starts_alone(controller, known, doors):
    run(doors, redfish=known)
    controller.system["PowerState"] = "PoweringOn"
    assert run(doors, redfish=known) == NotNeeded("the server is being powered on already")
    controller.system["PowerState"] = "PoweringOff"
    assert run(doors, redfish=known) == Failed("the server is being powered off at this moment")
    assert controller.resets == ["ForceRestart"]


@pytest.mark.parametrize("state", [None, "", 1, ["On"], "Burning"])
def test_what_does_not_say_whether_it_is_on_is_left_alone(controller, known, doors, state):
    controller.system["PowerState"] = state
    assert run(doors, redfish=known).permanent
    assert controller.resets == []


def test_only_what_the_controller_takes_is_sent(controller, known, doors):
    answer = run(doors, redfish=known | {"reset": "PowerCycle"})
    assert answer.permanent
    assert answer.why.startswith("the controller takes no PowerCycle, but On, ForceOff, ForceRestart")
    assert controller.resets == []
    controller.system["Actions"] = {"#ComputerSystem.Reset": {"target": RESET}}
    assert isinstance(run(doors, redfish=known | {"reset": "PowerCycle"}), Done)


@pytest.mark.parametrize("actions", [None, [], "x", {"#ComputerSystem.Reset": 5}])
def test_only_the_address_of_the_specification_is_posted_to(controller, known, doors, actions):
    target = {"target": "https://evil.example.com/reset", "ResetType@Redfish.AllowableValues": "no list"}
    for told in ({"#ComputerSystem.Reset": target}, actions):
        controller.system["Actions"] = told
        assert isinstance(run(doors, redfish=known), Done)
    assert [path for method, path, _ in controller.asked if method == "POST"] == [RESET, RESET]


@pytest.mark.parametrize(
    ("status", "name", "permanent"),
    [
        (400, "ActionParameterNotSupported", True),
        (403, "InsufficientPrivilege", True),
        (409, "ResourceInUse", False),
        (503, "ServiceTemporarilyUnavailable", False),
    ],
)
def test_a_refusal_is_told_by_its_name_alone(controller, known, doors, status, name, permanent):
    controller.reset = (status, problem(name))
    place = f"127.0.0.1:{controller.port}"
    assert run(doors, redfish=known) == Failed(
        f"{place} answered {status} (Base.1.18.{name}) to ForceRestart", permanent=permanent
    )


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b'{"error": []}', b"[" * 60_000, b'{"error": {"a": 1}}'])
def test_a_refusal_without_sense_is_told_by_its_status(controller, known, doors, body):
    controller.reset = (400, body)
    assert run(doors, redfish=known).why == f"127.0.0.1:{controller.port} answered 400 to ForceRestart"


def test_words_of_a_hostile_controller_are_not_told(controller, known, doors):
    body = problem("x")
    body["error"]["@Message.ExtendedInfo"][0]["MessageId"] = "<script>" + PASSWORD
    controller.reset = (400, body)
    controller.system["Actions"]["#ComputerSystem.Reset"]["ResetType@Redfish.AllowableValues"] = ["ForceRestart", "a b"]
    assert PASSWORD not in run(doors, redfish=known).why
    controller.system["PowerState"] = "Off"
    assert run(doors, redfish=known).why == "the controller takes no On, but ForceRestart"


def test_a_redirect_is_a_failure_and_nobody_else_is_told(controller, known, doors):
    with raw_server(lambda stream: heard.append(stream.recv(10))) as port:
        heard = []
        controller.reset = lambda handler: handler.say(307, None, Location=f"https://127.0.0.1:{port}/")
        assert "answered 307" in run(doors, redfish=known).why
    assert heard == []
    assert controller.resets == ["ForceRestart"]


def test_a_wrong_login_is_a_permanent_failure_without_it(controller, known, doors):
    answer = run(doors, redfish={**known, "user": "stranger"})
    assert answer.permanent
    assert "answered 401 (Base.1.18.NoValidSession) when it was asked for the power" in answer.why
    assert PASSWORD not in answer.why
    assert controller.asked == []


def test_a_server_that_the_controller_does_not_know_is_a_permanent_failure(controller, known, doors):
    answer = run(doors, redfish=known | {"system": "2"})
    assert answer.permanent
    assert "answered 404" in answer.why


def test_a_certificate_that_nobody_trusts_gets_no_login(controller, known, doors, tmp_path):
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    for trust in ({"ca_file": ""}, {"ca_file": str(other)}):
        assert "no trusted TLS connection" in run(doors, redfish=known | trust).why
    for file in (tmp_path / "missing.pem", tmp_path / "password"):
        answer = run(doors, redfish=known | {"ca_file": str(file)})
        assert answer.permanent
        assert "cannot be used" in answer.why
    assert (controller.asked, controller.turned_away) == ([], 0)


def test_a_pinned_certificate_is_trusted_alone(controller, known, doors, certificate):
    mine = fingerprint(certificate)
    pinned = known | {"ca_file": ""}
    written = ":".join(mine[place : place + 2] for place in range(0, 64, 2)).upper()
    for good in (mine, written):
        assert isinstance(run(doors, redfish=pinned | {"fingerprint": good}), Done)
    before = len(controller.asked)
    answer = run(doors, redfish=pinned | {"fingerprint": "0" * 64})
    assert answer.permanent
    assert answer.why.endswith(f"shows the certificate {mine}, not the pinned one: nothing was sent")
    assert (len(controller.asked), controller.turned_away) == (before, 0)


def test_a_controller_that_does_not_answer_is_a_failure_in_time(known, doors):
    begin = time.monotonic()
    with raw_server(silent) as port:
        answer = run(doors, redfish=known | {"url": f"https://127.0.0.1:{port}"}, timeout="300ms")
    assert answer == Failed(f"no answer from 127.0.0.1:{port} within 0.3 s")
    assert time.monotonic() - begin < 2
    assert "refuses" in run(doors, redfish=known | {"url": f"https://127.0.0.1:{free_port()}"}).why


def test_a_reset_without_an_answer_is_unknown_and_is_not_tried_again(controller, known, doors):
    controller.reset = lambda handler: time.sleep(1)
    answer = run(doors, redfish=known, timeout="300ms")
    assert answer.permanent
    assert answer.why.endswith(
        f"ForceRestart was sent, and no answer from 127.0.0.1:{controller.port} within 0.3 s: {UNKNOWN}"
    )

    def break_off(handler):
        handler.close_connection = True
        handler.connection.close()

    controller.reset = break_off
    answer = run(doors, redfish=known)
    assert answer.permanent
    assert answer.why.endswith(UNKNOWN)
    controller.reset = (502, b"")
    answer = run(doors, redfish=known)
    assert answer.permanent
    assert answer.why.endswith(UNKNOWN)


def test_a_dry_run_says_what_it_would_send_and_only_asks(controller, known, doors):
    told = preview(doors, redfish=known)
    assert told == f'POST {{"ResetType": "ForceRestart"}} to {controller.url}{RESET}'
    controller.system["PowerState"] = "PoweringOn"
    assert preview(doors, redfish=known) == "do nothing: the server is being powered on already"
    controller.system["PowerState"] = "?"
    assert preview(doors, redfish=known).startswith("fail: ")
    assert {method for method, _, _ in controller.asked} == {"GET"}


@pytest.fixture
def simulator(tmp_path):
    program("ipmitool", "ipmitool")
    with running_simulator(tmp_path / "sim", PASSWORD) as real:
        yield real


def test_a_real_ipmitool_restarts_what_a_real_controller_holds(simulator, doors):
    there = {"host": "127.0.0.1", "port": simulator.port, "user": "medic", "password": PASSWORD}
    there["cipher_suite"] = 3  # the simulator does not tell its own, which ipmitool asks for ten times
    assert preview(doors, ipmi=there).endswith("chassis power reset`, for at most 30 s")
    assert simulator.told == []
    assert run(doors, ipmi=there) == Done("the controller took `chassis power reset`")
    assert simulator.told == ["reset 1"]
    simulator.power(False)
    assert run(doors, ipmi=there) == Done("the controller took `chassis power on`")
    assert simulator.told == ["reset 1", "power 1"]
    answer = run(doors, ipmi=there | {"password": "wrong"}, timeout="5s")
    assert isinstance(answer, Failed)
    assert "does not say whether the server is on" in answer.why
    assert len(simulator.told) == 2


IPMITOOL = """#!/bin/sh
here=$(dirname "$0")
printf '%s\\n' "$*" >> "$here/asked"
for verb; do :; done
[ "$IPMI_PASSWORD" = hunter2hunter2 ] || { echo "no password"; exit 1; }
. "$here/$verb"
"""


@pytest.fixture
def ipmitool(tmp_path, monkeypatch):
    """A program that answers like ipmitool; `.asked()` are the words of each call, `.say(verb, script)` sets one."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "ipmitool"
    program.write_text(IPMITOOL)
    program.chmod(0o755)
    (folder / "asked").touch()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    class Tool:
        place = folder

        def say(self, verb, script):
            (folder / verb).write_text(script)

        def asked(self):
            return [line.split(" chassis power ")[-1] for line in (folder / "asked").read_text().splitlines()]

    tool = Tool()
    tool.say("status", "echo Chassis Power is on")
    tool.say("reset", "echo Chassis Power Control: Reset")
    tool.say("on", "echo Chassis Power Control: Up/On")
    return tool


IPMI = {"host": "bmc1.example.com", "user": "medic", "password": PASSWORD}


def test_ipmi_asks_first_and_gives_the_password_by_its_environment(ipmitool, doors):
    assert run(doors, ipmi=IPMI) == Done("the controller took `chassis power reset`")
    words = "-I lanplus -H bmc1.example.com -p 623 -U medic -L OPERATOR -E chassis power"
    assert (ipmitool.place / "asked").read_text() == f"{words} status\n{words} reset\n"


def test_ipmi_switches_a_server_on_that_is_off(ipmitool, doors):
    ipmitool.say("status", "echo Chassis Power is off")
    assert run(doors, ipmi=IPMI) == Done("the controller took `chassis power on`")
    assert run(doors, ipmi=IPMI, power_on=False).permanent
    assert ipmitool.asked() == ["status", "on", "status"]


@pytest.mark.parametrize("script", ["echo Unable to establish session; exit 1", "echo Chassis Power is odd", "sleep 9"])
def test_ipmi_sends_nothing_where_it_does_not_know_the_power(ipmitool, doors, script):
    ipmitool.say("status", script)
    assert isinstance(run(doors, ipmi=IPMI, timeout="500ms"), Failed)
    assert ipmitool.asked() == ["status"]


def test_a_refusal_of_ipmi_is_known_and_anything_else_is_not(ipmitool, doors):
    ipmitool.say("reset", "echo Set Chassis Power Control to Reset failed: Insufficient privilege level; exit 1")
    answer = run(doors, ipmi=IPMI)
    assert not answer.permanent
    assert answer.why.endswith("failed: Insufficient privilege level")
    for script in (
        "echo Set Chassis Power Control to Reset failed: Command response could not be provided, timeout; exit 1",
        "echo $IPMI_PASSWORD; exit 1",
        "sleep 9",
    ):
        ipmitool.say("reset", script)
        answer = run(doors, ipmi=IPMI, timeout="500ms")
        assert answer.permanent
        assert UNKNOWN in answer.why
        assert PASSWORD not in answer.why


def test_without_ipmitool_it_is_a_permanent_failure(doors, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = run(doors, ipmi=IPMI)
    assert answer == Failed("cannot start 'ipmitool': No such file or directory", permanent=True)


def test_a_dry_run_of_ipmi_only_asks(ipmitool, doors):
    told = preview(doors, ipmi=IPMI)
    assert told.startswith("run `ipmitool -I lanplus -H bmc1.example.com")
    assert told.endswith("-E chassis power reset`, for at most 30 s")
    assert PASSWORD not in told
    assert ipmitool.asked() == ["status"]


def test_a_command_is_run_by_words_with_only_what_it_is_given(doors, tmp_path, monkeypatch):
    (tmp_path / "token").write_text("s3cr3ts3cr3t\n")
    monkeypatch.setenv("OF_THE_WORKER", "x")
    script = 'printf "[%s]" "$1" "$TOKEN" "$OF_THE_WORKER"'
    args = {"command": ["sh", "-c", script, "sh", "{{component}}"], "env_file": {"TOKEN": str(tmp_path / "token")}}
    assert run(doors, **args) == Done(f"the command ended with exit code 0; it said:\n[{HOSTILE}][[redacted]][]")


def test_a_command_that_fails_or_does_not_end_is_a_failure(doors):
    assert run(doors, command=["sh", "-c", "echo no such server; exit 3"]) == Failed(
        "the command ended with exit code 3; it said:\nno such server"
    )
    answer = run(doors, command=["sleep", "9"], timeout="300ms")
    assert answer.permanent
    assert UNKNOWN in answer.why
    assert run(doors, command=["no-such-program"]).permanent


def test_a_dry_run_of_a_command_runs_nothing(tmp_path):
    told = preview(None, command=["touch", f"{tmp_path}/trace", "{{component}}"])
    assert told == f"run `touch {tmp_path}/trace '{HOSTILE}'`, for at most 30 s"
    assert not (tmp_path / "trace").exists()


REDFISH = {"url": "https://bmc1", "system": "1", "user": "medic", "password": PASSWORD}


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"command": ["true"], "ipmi": IPMI},
        {"redfish": REDFISH, "ipmi": IPMI},
        {"ipmi": IPMI, "env": {"A": "x"}},
        {"command": []},
        {"command": "reboot"},
        {"command": ["a\0b"]},
        {"command": ["echo", "{{cause}}"]},
        {"command": ["true"], "env": {"A": "\0"}},
        {"command": ["true"], "timeout": 0},
        {"command": ["true"], "power_on": "yes"},
        *({"redfish": {key: value for key, value in REDFISH.items() if key != name}} for name in REDFISH),
        *({"ipmi": {key: value for key, value in IPMI.items() if key != name}} for name in IPMI),
        {"redfish": REDFISH | {"url": "http://bmc1"}},
        {"redfish": REDFISH | {"url": "https://"}},
        {"redfish": REDFISH | {"url": "https://medic:x@bmc1"}},
        {"redfish": REDFISH | {"url": "https://bmc1/redfish"}},
        {"redfish": REDFISH | {"url": "https://bmc1?x=1"}},
        {"redfish": REDFISH | {"url": "https://bmc1\n"}},
        {"redfish": REDFISH | {"url": "https://bmc1:99999"}},
        {"redfish": REDFISH | {"system": "../Managers/1"}},
        {"redfish": REDFISH | {"system": ".."}},
        {"redfish": REDFISH | {"system": "1?x"}},
        {"redfish": REDFISH | {"system": "{{component}}"}},
        {"redfish": REDFISH | {"user": "a:b"}},
        {"redfish": REDFISH | {"reset": "ForceOff"}},
        {"redfish": REDFISH | {"fingerprint": "abc"}},
        {"redfish": REDFISH | {"fingerprint": "0" * 64, "ca_file": "/x"}},
        {"redfish": REDFISH | {"verify": False}},
        {"ipmi": IPMI | {"host": "-f/etc/shadow"}},
        {"ipmi": IPMI | {"host": "a b"}},
        {"ipmi": IPMI | {"user": ""}},
        {"ipmi": IPMI | {"port": 0}},
        {"ipmi": IPMI | {"reset": "off"}},
        {"ipmi": IPMI | {"cipher_suite": 0}},
        {"ipmi": IPMI | {"password": ""}},
    ],
)
def test_wrong_arguments_are_refused_without_a_secret(wrong):
    with pytest.raises(ValidationError) as told:
        PLUGIN.args.model_validate(wrong)
    assert PASSWORD not in str(told.value)


def test_no_secret_is_shown():
    for args in ({"redfish": REDFISH}, {"ipmi": IPMI}, {"command": ["true"], "env": {"A": PASSWORD}}):
        assert PASSWORD not in repr(PLUGIN.args.model_validate(args))
