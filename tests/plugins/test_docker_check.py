"""The check of a container, against a small server that answers like Docker's API; `recovery.checks.docker`."""

import json
import socketserver
import time
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from recovery.checks import REGISTRY
from recovery.model import FailureType, Past
from recovery.outside.background import Background
from recovery.outside.docker import Docker
from tests.plugins.dockers import Daemon, inspected
from tests.plugins.servers import free_port, raw_server, silent

BACKGROUND = Background()
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Doors:
    docker = Docker()


def look(memory=None, seconds=0, **args):
    plugin = REGISTRY.find("docker")
    past = Past(NOW + timedelta(seconds=seconds), memory or {})
    return BACKGROUND.run(plugin.run(plugin.args.model_validate({"container": "n8n", **args}), Doors(), past))


def ask(daemon, memory=None, seconds=0, **args):
    return look(memory, seconds, socket=daemon.path, **args)


def test_a_container_that_runs_is_healthy_with_or_without_a_health_check(daemon):
    assert ask(daemon).because == "runs"
    assert daemon.asked == ["/containers/n8n/json"]
    daemon.answers["n8n"] = inspected(health="healthy")
    assert ask(daemon).because == "runs, and is healthy"
    daemon.answers["n8n"] = inspected(health="starting")
    assert ask(daemon).because == "runs, and its health check has not answered yet"
    daemon.answers["n8n"] = inspected(health="none")
    assert ask(daemon).because == "runs"


@pytest.mark.parametrize(
    ("state", "because", "certain"),
    [
        ({"status": "exited", "exit_code": 1}, "has ended with exit code 1", True),
        ({"status": "restarting", "exit_code": 137}, "waits to be restarted after exit code 137", False),
        ({"status": "paused"}, "is paused", False),
        ({"status": "created"}, "is created", False),
        ({"status": "dead"}, "is dead", True),
        ({"health": "unhealthy", "streak": 5}, "is unhealthy: 5 health checks in a row have failed", False),
    ],
)
def test_a_container_that_does_not_work_is_told_in_words(daemon, state, because, certain):
    daemon.answers["n8n"] = inspected(**state)
    reading = ask(daemon)
    assert (reading.healthy, reading.failure_type) == (False, FailureType.SERVER_UNRESPONSIVE)
    assert (reading.because, reading.certain) == (because, certain)
    daemon.answers["n8n"] = inspected(health="healthy")
    assert ask(daemon, reading.memory).healthy


def test_a_container_that_ended_for_want_of_memory_is_exhausted(daemon):
    daemon.answers["n8n"] = inspected("exited", exit_code=137, killed=True)
    reading = ask(daemon)
    assert reading.failure_type == FailureType.RESOURCE_EXHAUSTED
    assert reading.because == "has ended with exit code 137, because it had no memory left"


def test_a_loop_of_restarts_is_noticed_though_it_runs_each_time(daemon):
    memory = None
    for step in range(5):
        daemon.answers["n8n"] = inspected(restarts=step)
        reading = ask(daemon, memory, step * 60)
        memory = reading.memory
        assert reading.healthy is (step < 4)
    assert reading.because == "restarts in a loop: 4 times within 10m (limit 3)"
    assert ask(daemon, memory, 1_000).healthy
    daemon.answers["n8n"] = inspected(restarts=0)  # somebody restarted it
    assert ask(daemon, memory, 300).healthy


def test_a_container_that_is_gone_and_one_that_comes_back(daemon):
    del daemon.answers["n8n"]
    reading = ask(daemon)
    assert (reading.healthy, reading.because) == (False, "there is no container n8n")
    daemon.answers["n8n"] = inspected()
    assert ask(daemon).healthy


def test_a_docker_that_is_gone_is_a_failure_and_comes_back(folder):
    reading = look(socket=str(folder / "s"))
    assert (reading.healthy, reading.failure_type) == (False, FailureType.SERVER_UNRESPONSIVE)
    assert reading.because == f"Docker at unix://{folder}/s cannot be asked: No such file or directory"
    daemon = Daemon(folder / "s")
    assert ask(daemon).healthy
    daemon.close()
    assert not ask(daemon).healthy


def test_a_docker_that_hangs_is_waited_for_no_longer_than_allowed(folder):
    with socketserver.UnixStreamServer(str(folder / "s"), None):
        begin = time.monotonic()
        reading = look(socket=f"unix://{folder}/s", timeout="300ms")
        assert time.monotonic() - begin < 2
    assert reading.because == f"no answer from Docker at unix://{folder}/s within 0.3 s"


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, b'{"message": "no permission, token=hunter2secret"}'), (200, b"[]"), (200, b"no"), (200, b'{"State": 1}')],
)
def test_an_answer_that_is_none_is_a_failure(daemon, status, body):
    daemon.status, daemon.body = status, body
    reading = ask(daemon)
    assert not reading.healthy
    assert "hunter2secret" not in reading.because


def test_an_answer_full_of_the_wrong_kinds_does_no_harm(daemon):
    daemon.body = json.dumps(
        {"State": {"Status": "running", "Health": [1], "ExitCode": "x"}, "RestartCount": "many"}
    ).encode()
    assert ask(daemon).because == "runs"


def test_what_the_health_check_printed_is_not_told(daemon):
    daemon.answers["n8n"] = inspected(health="unhealthy", streak=3)
    assert "hunter2" not in str(ask(daemon))


def test_docker_is_asked_over_tcp_too():
    body = json.dumps(inspected()).encode()
    answered = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    def talk(stream):
        stream.recv(65_536)
        stream.sendall(answered)

    with raw_server(talk) as port:
        assert look(socket=f"tcp://127.0.0.1:{port}").healthy
    assert "refuses the connection" in look(socket=f"tcp://127.0.0.1:{free_port()}").because
    with raw_server(silent) as port:
        assert "within 0.3 s" in look(socket=f"tcp://127.0.0.1:{port}", timeout="300ms").because


@pytest.mark.parametrize(
    "args",
    [
        {"container": ""},
        {"container": "../secrets"},
        {"container": "n8n/json?x"},
        {"container": "-n8n"},
        {"container": "n8n\n"},
        {"container": "n" * 300},
        {"socket": ""},
        {"socket": "docker.sock"},
        {"socket": "https://docker:2376"},
        {"socket": "tcp://docker"},
        {"socket": "tcp://user:pass@docker:2375"},
        {"socket": "tcp://docker:2375/path"},
        {"socket": "/run/\0docker"},
        {"socket": "/" + "x" * 200},
        {"restarts": 0},
        {"timeout": 0},
    ],
)
def test_arguments_that_make_no_sense_are_refused(args):
    with pytest.raises(ValidationError):
        REGISTRY.find("docker").args.model_validate({"container": "n8n"} | args)
