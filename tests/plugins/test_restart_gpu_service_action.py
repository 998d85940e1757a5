"""The restart of what holds a failing GPU: `recovery.actions.restart_gpu_service`."""

import os
from types import SimpleNamespace

import pynvml
import pytest
from pydantic import ValidationError

from recovery import actions
from recovery.clock import utc_now
from recovery.model import About, ContainerState, Done, DoorError, Failed, NotNeeded, Owner, ShellResult
from recovery.outside.control_groups import owner_in, owner_of
from recovery.outside.gpu import Gpu
from recovery.outside.proc import who_has_open
from tests.plugins.test_gpu_check import GIB, Nvml

PLUGIN = actions.REGISTRY.find("restart_gpu_service")
ABOUT = About("gpus", utc_now())
COMFY, OTHER = "c" * 64, "d" * 64


class Driver(Nvml):
    """NVIDIA's library, which also tells who holds each GPU."""

    def __init__(self):
        super().__init__()
        self.computing = {0: [100], 1: [200]}

    def nvmlDeviceGetComputeRunningProcesses(self, card):
        return [SimpleNamespace(pid=pid) for pid in self.computing[self.cards.index(card.ask("handle"))]]

    def nvmlDeviceGetGraphicsRunningProcesses(self, card):
        card.ask("handle")
        return []


class Doors:
    """A machine with two GPUs, a service and two containers."""

    def __init__(self, files="/no/such/nvidia"):
        self.driver = Driver()
        self.gpu = Gpu(lambda: self.driver, files)
        self.processes = self.docker = self.shell = self
        self.owners = {100: Owner("ollama", unit="ollama.service"), 200: Owner("python3", container=COMFY)}
        self.did = []
        self.code = 0

    def owner(self, pid):
        return self.owners.get(pid, Owner())

    def look(self, name, address, seconds):
        found = {"comfyui": COMFY, "other": OTHER}.get(name)
        return ContainerState("running", id=found) if found else None

    def restart(self, name, address, stop, seconds):
        self.did.append(name)
        return True

    def run(self, command, **more):
        if "show" in command:
            return ShellResult(0, "LoadState=loaded\nActiveState=active\nSubState=running\n")
        self.did.append(command[-1])
        return ShellResult(self.code, "")

    def fill(self, *numbers):
        for number in numbers:
            self.driver.cards[number].memory = 80 * GIB


@pytest.fixture
def doors():
    return Doors()


def run(doors, **more):
    args = PLUGIN.args.model_validate(more or {"services": ["ollama.service"], "containers": ["other", "comfyui"]})
    return PLUGIN.run(args, doors, ABOUT), PLUGIN.preview(args, doors, ABOUT)


def test_only_what_holds_the_failing_gpu_is_restarted(doors):
    doors.fill(0)
    done, told = run(doors)
    assert isinstance(done, Done) and doors.did == ["ollama.service"]
    assert done.detail == "restarted ollama.service, because NVIDIA H100 #0 is held by it"
    assert told == "restart ollama.service, because NVIDIA H100 #0 is held by it, for at most 120 s each"


def test_each_holder_is_restarted_once_in_whatever_it_runs(doors):
    doors.fill(0, 1)
    doors.driver.computing = {0: [100, 101, 200], 1: [200, 201]}
    doors.owners |= {101: doors.owners[100], 201: doors.owners[200]}
    done, _ = run(doors)
    assert isinstance(done, Done) and doors.did == ["ollama.service", "comfyui"]
    assert "ollama.service, container comfyui, because NVIDIA H100 #0, NVIDIA H100 #1 are held by them" in done.detail


@pytest.mark.parametrize(
    ("owner", "words"),
    [
        (Owner("python3", unit="train.service"), "process 101 (python3, train.service)"),
        (Owner("python3", container=OTHER[:-1] + "e"), "process 101 (python3, container dddddddddddd)"),
        (Owner("bash"), "process 101 (bash, no service)"),
    ],
)
def test_where_anything_else_holds_it_nothing_is_restarted_and_it_is_named(doors, owner, words):
    doors.fill(0)
    doors.driver.computing[0] = [100, 101]
    doors.owners[101] = owner
    failed, told = run(doors)
    assert isinstance(failed, Failed) and words in failed.why and "may not be restarted: nothing was" in failed.why
    assert "ollama" not in failed.why and told == f"fail: {failed.why}" and doors.did == []


def test_where_none_fails_there_is_nothing_to_do(doors):
    assert isinstance(run(doors)[0], NotNeeded) and doors.did == []


def test_one_that_nobody_is_seen_to_hold_is_no_reason_to_restart_anything(doors):
    doors.fill(0)
    doors.driver.computing[0] = [999]  # it has ended meanwhile
    failed, _ = run(doors)
    assert isinstance(failed, Failed) and "no process that can be seen" in failed.why and doors.did == []


def test_a_restart_that_fails_is_a_failure(doors):
    doors.fill(0)
    doors.code = 1
    assert isinstance(run(doors)[0], Failed)


def test_of_a_lost_gpu_it_is_whoever_has_its_file_open(tmp_path):
    doors = Doors(str(tmp_path / "nvidia"))
    doors.driver.cards[1].lost = pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
    doors.owners = {os.getpid(): Owner("pytest", container=COMFY)}
    with (tmp_path / "nvidia1").open("w"):
        assert who_has_open(str(tmp_path / "nvidia1")) == [os.getpid()]
        done, _ = run(doors)
    assert isinstance(done, Done) and doors.did == ["comfyui"]


def test_a_driver_that_does_not_answer_is_a_failure(doors):
    doors.driver.counts = pynvml.NVMLError(pynvml.NVML_ERROR_UNKNOWN)
    args = PLUGIN.args.model_validate({"services": ["ollama.service"]})
    assert isinstance(PLUGIN.run(args, doors, ABOUT), Failed)
    with pytest.raises(DoorError):
        PLUGIN.preview(args, doors, ABOUT)


@pytest.mark.parametrize(
    "more", [{}, {"services": ["ollama"]}, {"services": ["--all.service x"]}, {"services": [], "containers": []}]
)
def test_what_may_be_restarted_must_be_said(more):
    with pytest.raises(ValidationError):
        PLUGIN.args.model_validate(more)


@pytest.mark.parametrize(
    ("text", "owner"),
    [
        ("0::/system.slice/ollama.service\n", Owner("x", unit="ollama.service")),
        ("0::/system.slice/system-getty.slice/getty@tty1.service\n", Owner("x", unit="getty@tty1.service")),
        (f"0::/system.slice/docker-{COMFY}.scope\n", Owner("x", container=COMFY)),
        (f"0::/docker/{COMFY}\n", Owner("x", container=COMFY)),
        (f"0::/system.slice/docker.service/docker/{COMFY}/init\n", Owner("x", container=COMFY)),
        (
            f"12:memory:/docker/{COMFY}\n11:cpu,cpuacct:/docker/{COMFY}\n1:name=systemd:/docker/{COMFY}\n",
            Owner("x", container=COMFY),
        ),
        (
            "12:pids:/system.slice/ollama.service\n3:devices:/\n1:name=systemd:/system.slice/ollama.service\n0::/\n",
            Owner("x", unit="ollama.service"),
        ),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/jupyter.service\n", Owner("x")),
        (f"0::/docker/{COMFY}/docker/{OTHER}\n", Owner("x", container=COMFY)),
        ("0::/user.slice/user-1000.slice/session-3.scope\n", Owner("x")),
        (f"0::/../docker-{COMFY[:-1]}.scope\n", Owner("x")),
        ("0::/\n", Owner("x")),
        ("", Owner("x")),
        ("nonsense", Owner("x")),
    ],
)
def test_a_control_group_tells_whose_a_process_is(text, owner):
    assert owner_in(text, "x") == owner


def test_real_processes_have_an_owner_and_ended_ones_have_none():
    assert owner_of(os.getpid()).process
    assert owner_of(2**22 - 3) == Owner()
