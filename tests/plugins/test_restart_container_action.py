"""`recovery.actions.restart_container`, against the server that stands in for Docker's API, and a `docker` program.

No Docker engine runs where the tests do: `tests/plugins/dockers.py` says what stands in for it.
"""

import os
import socketserver
import time

import pytest
from pydantic import ValidationError

from recovery.actions import REGISTRY
from recovery.clock import utc_now
from recovery.model import About, Done, Failed, NotNeeded
from recovery.outside.docker import Docker
from recovery.outside.shell import Shell
from tests.plugins.dockers import Program, inspected
from tests.plugins.servers import free_port, raw_server

PLUGIN = REGISTRY.find("restart_container")
ABOUT = About("orders; reboot", utc_now())
FILE = "/srv/shop/compose.yaml"


class Doors:
    docker, shell = Docker(), Shell()


def does(function, **args):
    return function(PLUGIN.args.model_validate(args), Doors(), ABOUT)


def run(daemon, **args):
    return does(PLUGIN.run, **{"container": "n8n", "socket": daemon.path} | args)


def preview(daemon, **args):
    return does(PLUGIN.preview, **{"container": "n8n", "socket": daemon.path} | args)


@pytest.mark.parametrize("status", ["running", "exited", "paused", "restarting"])
def test_a_container_is_restarted_whatever_it_does(daemon, status):
    daemon.answers["n8n"] = inspected(status, exit_code=1)
    assert run(daemon) == Done("restarted container n8n")
    assert daemon.restarted == [("n8n", None)]
    assert daemon.asked == ["/containers/n8n/json", "/containers/n8n/restart"]


@pytest.mark.parametrize(("stop", "seconds"), [("30s", "30"), ("1500ms", "2"), (0, "0")])
def test_it_gets_the_time_to_stop_that_is_configured(daemon, stop, seconds):
    run(daemon, stop_timeout=stop)
    assert daemon.restarted == [("n8n", seconds)]


def test_one_whose_health_check_has_not_answered_yet_is_left_to_its_start(daemon):
    daemon.answers["n8n"] = inspected(health="starting")
    why = "container n8n is being started already: its health check has not answered yet"
    assert run(daemon) == NotNeeded(why)
    assert preview(daemon) == f"do nothing: {why}"
    assert daemon.restarted == []
    daemon.answers["n8n"] = inspected("exited", health="starting")  # it ended before it could answer
    assert isinstance(run(daemon), Done)


def test_one_that_is_not_there_is_a_permanent_failure(daemon):
    assert run(daemon, container="other") == Failed("there is no container other", permanent=True)
    assert preview(daemon, container="other") == "fail: there is no container other"


def test_one_that_goes_away_meanwhile_is_a_permanent_failure(daemon):
    daemon.refusal = (404, "No such container: n8n")
    assert run(daemon) == Failed("there is no container n8n", permanent=True)


@pytest.mark.parametrize(
    ("refusal", "permanent"),
    [
        ((500, "driver failed programming external connectivity, token=hunter2secret"), False),
        ((409, "removal of container n8n is already in progress"), False),
        ((403, "403 Forbidden"), True),
        ((200, "hello"), False),
    ],
)
def test_a_docker_that_refuses_is_told_with_its_words(daemon, refusal, permanent):
    daemon.refusal = refusal
    answer = run(daemon)
    assert isinstance(answer, Failed) and answer.permanent is permanent
    assert answer.why.startswith(f"Docker at unix://{daemon.path}: {refusal[1][:12]}")
    assert "hunter2secret" not in answer.why


def test_a_restart_that_takes_too_long_is_a_failure_and_goes_on_in_docker(daemon):
    daemon.slowness = 3
    begin = time.monotonic()
    answer = run(daemon, timeout="500ms", stop_timeout="100ms")
    assert answer == Failed(f"no answer from Docker at unix://{daemon.path} within 0.5 s")
    assert time.monotonic() - begin < 2
    assert daemon.restarted == [("n8n", "1")]


def test_a_docker_that_hangs_or_is_gone_is_a_failure(folder):
    with socketserver.UnixStreamServer(str(folder / "s"), None):
        answer = does(PLUGIN.run, container="n8n", socket=f"{folder}/s", timeout="300ms")
    assert answer == Failed(f"no answer from Docker at unix://{folder}/s within 0.3 s")
    answer = does(PLUGIN.run, container="n8n", socket=f"{folder}/none")
    assert answer == Failed(f"Docker at unix://{folder}/none cannot be asked: No such file or directory")
    answer = does(PLUGIN.run, container="n8n", socket=f"tcp://127.0.0.1:{free_port()}")
    assert not answer.permanent and "refuses the connection" in answer.why


def test_an_answer_that_is_none_restarts_nothing():
    with raw_server(lambda stream: stream.sendall(b"\x00\xff" * 500)) as port:
        answer = does(PLUGIN.run, container="n8n", socket=f"tcp://127.0.0.1:{port}")
    assert isinstance(answer, Failed) and "does not answer in HTTP" in answer.why


def test_after_a_restart_that_was_cut_off_in_the_middle_the_next_starts_it(daemon):
    daemon.answers["n8n"] = inspected("exited", exit_code=143)  # it was stopped, and not started any more
    assert isinstance(run(daemon), Done)
    assert daemon.answers["n8n"]["State"]["Status"] == "running"


def test_a_dry_run_tells_what_and_restarts_nothing(daemon):
    daemon.answers["n8n"] = inspected(health="unhealthy")
    assert preview(daemon, stop_timeout="5s") == (
        f"restart container n8n at unix://{daemon.path} (it is running and unhealthy), giving it 5s to stop"
    )
    daemon.answers["n8n"] = inspected("exited")
    assert preview(daemon) == (
        f"restart container n8n at unix://{daemon.path} (it is exited), giving it its own time to stop"
    )
    assert daemon.restarted == [] and set(daemon.asked) == {"/containers/n8n/json"}


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """A `docker` program with the project `shop`."""
    worker = [{"name": f"shop-worker-{number}", "state": "running"} for number in (1, 2)]
    extra = {"name": "shop-worker-run-1", "state": "exited", "oneoff": "True"}
    projects = {"shop": {"worker": [*worker, extra], "idle": []}}
    return Program("docker", tmp_path, monkeypatch, projects=projects, swarm={})


def workers(docker):
    return [one.get("restarts", 0) for one in docker.state["projects"]["shop"]["worker"]]


def of_service(function, service="worker", file=FILE, project="", **args):
    return does(function, compose={"service": service, "file": file, "project": project}, **args)


def test_a_service_of_compose_is_restarted(docker):
    assert of_service(PLUGIN.run) == Done("restarted service worker of docker compose")
    assert workers(docker) == [1, 1, 0]
    assert docker.asked[-1] == f"compose --file {FILE} restart worker"
    of_service(PLUGIN.run, file="", project="shop", stop_timeout="5s", socket="/run/user/1000/docker.sock")
    assert docker.asked[-1] == (
        "--host unix:///run/user/1000/docker.sock compose --project-name shop restart --timeout 5 worker"
    )


def test_a_dry_run_tells_the_very_command_and_runs_it_not(docker):
    assert of_service(PLUGIN.preview) == (
        f"run `docker compose --file {FILE} restart worker`, for at most 60 s "
        "(shop-worker-1 is running, shop-worker-2 is running)"
    )
    assert workers(docker) == [0, 0, 0] and "restart" not in docker.asked[-1].split()


def test_a_service_whose_containers_are_all_starting_is_left_to_it(docker):
    state = docker.state["projects"]
    for one in state["shop"]["worker"][:2]:
        one["health"] = "starting"
    docker.set(projects=state)
    why = "service worker of docker compose is being started already: its health check has not answered yet"
    assert of_service(PLUGIN.run) == NotNeeded(why)
    state["shop"]["worker"][0]["health"] = "unhealthy"
    docker.set(projects=state)
    assert isinstance(of_service(PLUGIN.run), Done)


def test_a_service_that_is_not_there_is_a_permanent_failure(docker):
    assert of_service(PLUGIN.run, service="nobody").why.endswith("no such service: nobody")
    assert of_service(PLUGIN.run, service="nobody").permanent
    none = Failed("there is no container of service idle of docker compose", permanent=True)
    assert of_service(PLUGIN.run, service="idle") == none


def test_a_compose_that_fails_is_told_with_its_words(docker):
    docker.set(trouble={"restart": "Error response from daemon: port is already allocated"})
    answer = of_service(PLUGIN.run)
    assert not answer.permanent and answer.why.endswith("Error response from daemon: port is already allocated")
    docker.set(trouble={"daemon": "gone"})
    answer = of_service(PLUGIN.run)
    assert not answer.permanent and answer.why.startswith("docker compose: Cannot connect to the Docker daemon")


def test_a_docker_without_compose_is_a_permanent_failure(tmp_path, monkeypatch):
    (tmp_path / "docker").write_text("#!/bin/sh\necho 'unknown flag: --file' >&2; exit 125\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert of_service(PLUGIN.run) == Failed("docker compose: unknown flag: --file", permanent=True)


def test_a_compose_that_hangs_is_ended(docker):
    docker.set(trouble={"restart": "hangs"})
    begin = time.monotonic()
    assert of_service(PLUGIN.run, timeout="4s").why.endswith("restart worker` did not end within 4 s and was ended")
    assert time.monotonic() - begin < 15


def test_a_machine_without_docker_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert of_service(PLUGIN.run) == Failed("cannot start 'docker': No such file or directory", permanent=True)


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"container": "n8n", "compose": {"service": "a", "project": "b"}},
        {"container": ""},
        {"container": "../secrets"},
        {"container": "n8n/restart?t=0"},
        {"container": "-n8n"},
        {"container": "n8n\n"},
        {"container": "{{component}}"},
        {"compose": {"service": "worker"}},
        {"compose": {"project": "shop"}},
        {"compose": {"service": "--all", "project": "shop"}},
        {"compose": {"service": "a b", "project": "shop"}},
        {"compose": {"service": "a;reboot", "project": "shop"}},
        {"compose": {"service": "worker", "project": "-p"}},
        {"compose": {"service": "worker", "file": "compose.yaml"}},
        {"compose": {"service": "worker", "file": "/srv/\0"}},
        {"compose": {"service": "worker", "file": "/srv/a", "env": "x"}},
        {"container": "n8n", "socket": "docker.sock"},
        {"container": "n8n", "socket": "https://docker:2376"},
        {"container": "n8n", "stop_timeout": "-1s"},
        {"container": "n8n", "stop_timeout": "1m", "timeout": "1m"},
        {"container": "n8n", "stop_timeout": "2h", "timeout": "3h"},
        {"container": "n8n", "timeout": 0},
    ],
)
def test_arguments_that_make_no_sense_are_refused(args):
    with pytest.raises(ValidationError):
        PLUGIN.args.model_validate(args)
