"""`recovery.actions.scale_up`, against programs named docker and kubectl on PATH that keep the numbers.

Neither an engine nor a cluster runs where the tests do: `tests/standins/docker.py` and `kubectl.py` answer as the real
programs do. The commands of one's own are real.
"""

import time
from dataclasses import replace

import pytest
from pydantic import ValidationError

from recovery.actions import REGISTRY
from recovery.clock import utc_now
from recovery.model import About, Done, Failed, NotNeeded
from recovery.outside.shell import Shell
from tests.plugins.dockers import Program

PLUGIN = REGISTRY.find("scale_up")
ABOUT = About("orders; reboot", utc_now())
FILE = "/srv/shop/compose.yaml"


class Doors:
    shell = Shell()


class Compose:
    """A service of docker compose, with what `docker compose run` has left behind."""

    args = {"compose": {"service": "worker", "file": FILE}}
    what = f"service worker of docker compose ({FILE})"

    def __init__(self, folder, patch):
        containers = [{"name": f"shop-worker-{number}", "state": "running"} for number in (1, 2)]
        containers.append({"name": "shop-worker-run-1", "state": "running", "oneoff": "True"})
        self.program = Program("docker", folder, patch, projects={"shop": {"worker": containers}}, swarm={})

    @property
    def number(self):
        return sum(one.get("oneoff") != "True" for one in self.program.state["projects"]["shop"]["worker"])

    def set(self, number):
        one = [{"name": f"shop-worker-{turn + 1}", "state": "running"} for turn in range(number)]
        self.program.set(projects={"shop": {"worker": one}})

    scales = "up"
    command = f"docker compose --file {FILE} up --detach --no-deps --no-recreate --no-build --scale worker=3 worker"


class Swarm:
    args = {"swarm": "shop_worker"}
    what = "service shop_worker of the swarm"
    scales = "scale"
    command = "docker service scale --detach shop_worker=3"

    def __init__(self, folder, patch):
        self.program = Program("docker", folder, patch, projects={}, swarm={})
        self.set(2)

    @property
    def number(self):
        return self.program.state["swarm"]["shop_worker"]["Replicated"]["Replicas"]

    def set(self, number):
        self.program.set(swarm={"shop_worker": {"Replicated": {"Replicas": number}}, "agent": {"Global": {}}})


class Cluster:
    args = {"kubernetes": {"deployment": "orders", "namespace": "shop"}}
    what = "deployment shop/orders"
    scales = "scale"
    command = "kubectl --request-timeout=10s --namespace=shop scale deployment/orders --current-replicas=2 --replicas=3"

    def __init__(self, folder, patch):
        self.program = Program("kubectl", folder, patch, deployments={"shop/orders": 2})

    @property
    def number(self):
        return self.program.state["deployments"]["shop/orders"]

    def set(self, number):
        self.program.set(deployments={"shop/orders": number})


class Own:
    """Two scripts and a file with the number."""

    scales = "scale"

    def __init__(self, folder, patch):
        self.folder = folder
        self.set(2)
        (folder / "count").write_text(f'#!/bin/sh\necho "$*" >> {folder}/asked\ncat {folder}/number\n')
        (folder / "scale").write_text(
            f'#!/bin/sh\necho "$*" >> {folder}/asked\n[ -e {folder}/trouble ] && . {folder}/trouble\n'
            f'echo "$2" > {folder}/number\n[ -e {folder}/after ] && sleep 60\nexit 0\n'
        )
        for name in ("count", "scale"):
            (folder / name).chmod(0o755)
        self.args = {
            "command": {"count": [f"{folder}/count"], "scale": [f"{folder}/scale", "{{component}}", "{{replicas}}"]}
        }
        self.what = f"orders; reboot (by {folder}/scale)"
        self.command = f"{folder}/scale 'orders; reboot' 3"

    @property
    def number(self):
        return int((self.folder / "number").read_text())

    def set(self, number):
        (self.folder / "number").write_text(f"{number}\n")


WAYS = {"compose": Compose, "swarm": Swarm, "kubernetes": Cluster, "command": Own}


@pytest.fixture(params=WAYS)
def way(request, tmp_path, monkeypatch):
    return WAYS[request.param](tmp_path, monkeypatch)


def trouble(way, words):
    if isinstance(way, Own):
        how = {"hangs": "sleep 60", "hangs after": ""}.get(words, f"echo '{words}' >&2; exit 1")
        (way.folder / ("after" if words == "hangs after" else "trouble")).write_text(f"{how}\n")
    else:
        way.program.set(trouble={way.scales: words})


def does(function, way, memory=None, **args):
    args = PLUGIN.args.model_validate({"ceiling": 4, **way.args, **args})
    return function(args, Doors(), replace(ABOUT, memory=memory or {}))


def up(way, memory=None, **args):
    return does(PLUGIN.run, way, memory, **args)


def back(way, memory, **args):
    return does(PLUGIN.back, way, memory, **args)


def test_it_adds_one_and_the_way_back_takes_it_away_again(way):
    answer = up(way)
    remembered = {"of": way.what, "before": 2, "after": 3}
    assert answer == Done(f"there are 3 of {way.what} now, instead of 2", remembered)
    assert way.number == 3
    assert back(way, answer.memory) == Done(f"there are 2 of {way.what} now, instead of 3", {})
    assert way.number == 2


def test_several_steps_up_are_one_way_back(way):
    first = up(way)
    second = up(way, first.memory)
    assert way.number == 4 and second.memory == {"of": way.what, "before": 2, "after": 4}
    back(way, second.memory)
    assert way.number == 2


def test_it_never_goes_above_the_ceiling(way):
    assert up(way, by=10).memory["after"] == way.number == 4
    full = Failed(f"there are 4 of {way.what} already, and the ceiling is 4", permanent=True)
    assert up(way) == full
    way.set(6)  # somebody else's
    assert isinstance(up(way), Failed) and way.number == 6
    assert does(PLUGIN.preview, way) == f"fail: there are 6 of {way.what} already, and the ceiling is 4"


def test_what_was_switched_off_stays_off(way):
    way.set(0)
    assert up(way) == Failed(f"there are none of {way.what}: somebody has switched it off", permanent=True)
    assert way.number == 0


def test_a_number_that_somebody_else_has_changed_is_left_alone(way):
    answer = up(way)
    way.set(5)
    why = f"there are 5 of {way.what}, and not the 3 that it was scaled up to"
    assert back(way, answer.memory) == NotNeeded(why)
    assert way.number == 5
    again = up(way, answer.memory, ceiling=9)
    assert again.memory == {"of": way.what, "before": 5, "after": 6}, "the way back leads to their number"


@pytest.mark.parametrize(
    "memory",
    [
        {},
        {"of": "another", "before": 1, "after": 2},
        {"before": 1, "after": 2},
        {"of": True, "before": "1", "after": 2},
        {"of": True, "before": 0, "after": 2},
        {"of": True, "before": True, "after": 2},
        {"of": True, "before": 5, "after": 2},
        {"of": True, "after": 2},
    ],
)
def test_what_is_not_remembered_is_not_scaled_down(tmp_path, monkeypatch, memory):
    way = Swarm(tmp_path, monkeypatch)
    memory = memory | ({"of": way.what} if memory.get("of") is True else {})
    assert back(way, memory) == NotNeeded(f"{way.what} was not scaled up")
    assert up(way, memory).memory["before"] == 2


def test_a_way_back_that_was_cut_off_in_the_middle_does_no_more_the_second_time(way):
    memory = up(way).memory
    back(way, memory)  # its worker was killed before it could record that
    assert isinstance(back(way, memory), NotNeeded)
    assert way.number == 2
    assert up(way, memory).memory["before"] == 2


def test_a_second_run_after_half_a_one_would_add_more_so_that_it_is_not_safe_to_repeat(way):
    assert not PLUGIN.safe_to_repeat
    up(way)  # its worker was killed before it could record that
    up(way)
    assert way.number == 4
    assert isinstance(up(way), Failed), "but never above the ceiling"


def test_a_dry_run_tells_the_very_command_and_runs_it_not(way):
    assert does(PLUGIN.preview, way) == (f"run `{way.command}`, for at most 120 s (there are 2, and the ceiling is 4)")
    assert way.number == 2
    asked = (way.folder / "asked").read_text() if isinstance(way, Own) else " ".join(way.program.asked)
    assert "=3" not in asked and "reboot" not in asked
    up(way)
    asked = (way.folder / "asked").read_text() if isinstance(way, Own) else "\n".join(way.program.asked)
    assert "orders; reboot 3" in asked or way.command.partition(" ")[2] in asked


def test_a_manager_that_refuses_is_told_with_its_words(way):
    trouble(way, "out of memory")
    answer = up(way)
    assert isinstance(answer, Failed) and not answer.permanent
    assert answer.why.startswith(f"`{way.command}` ended with exit code 1: ")
    assert answer.why.endswith("out of memory") and way.number == 2


def test_a_command_that_hangs_is_ended_and_has_done_nothing(way):
    trouble(way, "hangs")
    begin = time.monotonic()
    assert up(way, timeout="3s") == Failed(f"`{way.command}` did not end within 3 s and was ended")
    assert time.monotonic() - begin < 20 and way.number == 2


def test_a_command_that_hangs_after_its_work_has_done_it(tmp_path, monkeypatch):
    for kind in (Compose, Cluster, Own):
        folder = tmp_path / kind.__name__
        folder.mkdir()
        way = kind(folder, monkeypatch)
        trouble(way, "hangs after")
        answer = up(way, timeout="3s")
        assert answer.memory == {"of": way.what, "before": 2, "after": 3}
        assert answer.detail == (
            f"there are 3 of {way.what} now, instead of 2; `{way.command}` did not end within 3 s and was ended"
        )


def test_what_does_not_exist_is_a_permanent_failure(tmp_path, monkeypatch):
    for kind, args, words in (
        (Compose, {"compose": {"service": "nobody", "file": FILE}}, "no such service: nobody"),
        (Swarm, {"swarm": "nobody"}, "Error: no such service: nobody"),
        (Swarm, {"swarm": "agent"}, "service agent of the swarm runs once on each node, and has no number"),
        (Cluster, {"kubernetes": {"deployment": "orders"}}, 'deployments.apps "orders" not found'),
    ):
        answer = up(kind(tmp_path, monkeypatch), **args)
        assert answer.permanent and answer.why.endswith(words)


def test_a_number_that_is_none_scales_nothing(tmp_path, monkeypatch):
    way = Own(tmp_path, monkeypatch)
    for said in ("", "two", "2 of 3", "-1", "2\n3", "1e3", "9999999999"):
        (tmp_path / "number").write_text(said)
        answer = up(way)
        assert isinstance(answer, Failed) and f"how many there are of {way.what} is not told" in answer.why
        assert (tmp_path / "number").read_text() == said


def test_kubernetes_itself_refuses_where_the_number_has_just_changed(tmp_path, monkeypatch):
    way = Cluster(tmp_path, monkeypatch)
    args = PLUGIN.args.model_validate({"ceiling": 4, **way.args})
    stale = args.kubernetes.command(1, 2)
    answer = Shell().run(stale)
    assert (answer.code, answer.output) == (1, "error: Expected replicas to be 1, was 2")
    assert way.number == 2


def test_another_docker_context_and_kubeconfig_are_named(tmp_path, monkeypatch):
    way = Swarm(tmp_path, monkeypatch)
    up(way, socket="tcp://docker-proxy:2375")
    assert all(words.startswith("--host tcp://docker-proxy:2375 service") for words in way.program.asked)
    way = Cluster(tmp_path, monkeypatch)
    way.program.set(deployments={"default/orders": 2})
    up(way, kubernetes={"deployment": "orders", "context": "blue", "kubeconfig": "/etc/k"})
    assert all(
        words.startswith("--request-timeout=10s --kubeconfig=/etc/k --context=blue") for words in way.program.asked
    )


def test_a_machine_without_the_program_says_so(way, monkeypatch, tmp_path):
    if isinstance(way, Own):
        (way.folder / "count").unlink()
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    answer = up(way)
    assert answer.permanent and "No such file or directory" in answer.why


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"swarm": "a", "kubernetes": {"deployment": "a"}},
        {"swarm": "-a"},
        {"swarm": "a=3"},
        {"swarm": "a b"},
        {"swarm": "{{component}}"},
        {"swarm": "a", "ceiling": 0},
        {"swarm": "a", "ceiling": "4"},
        {"swarm": "a", "ceiling": 10_000},
        {"swarm": "a", "ceiling": None},
        {"swarm": "a", "by": 0},
        {"swarm": "a", "by": -1},
        {"swarm": "a", "timeout": 0},
        {"swarm": "a", "socket": "docker.sock"},
        {"compose": {"service": "worker=9", "project": "shop"}},
        {"kubernetes": {"deployment": "--all"}},
        {"kubernetes": {"deployment": "a/b"}},
        {"kubernetes": {"deployment": "a", "namespace": "-x"}},
        {"kubernetes": {"deployment": "a", "context": "--server=evil"}},
        {"kubernetes": {"deployment": "a", "kubeconfig": "config"}},
        {"kubernetes": {"deployment": "a\n"}},
        {"command": {"count": ["c"]}},
        {"command": {"count": ["c"], "scale": ["s"]}},
        {"command": {"count": ["c"], "scale": ["{{replicas}}"]}},
        {"command": {"count": ["c", "{{replicas}}"], "scale": ["s", "{{replicas}}"]}},
        {"command": {"count": ["c"], "scale": ["s", "{{replicas}}", "{{cause}}"]}},
        {"command": {"count": "c", "scale": "s {{replicas}}"}},
        {"command": {"count": [" "], "scale": ["s", "{{replicas}}"]}},
        {"command": {"count": ["c"], "scale": ["s", "{{replicas}}", "\0"]}},
    ],
)
def test_arguments_that_make_no_sense_are_refused(args):
    with pytest.raises(ValidationError):
        PLUGIN.args.model_validate({"ceiling": 4} | args)
