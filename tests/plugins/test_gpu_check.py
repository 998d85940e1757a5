"""The check of GPUs, with a library that raises the driver's real errors, and a real GPU; `recovery.checks.gpu`."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pynvml
import pytest
from pydantic import ValidationError

from recovery.checks import REGISTRY
from recovery.model import FailureType, Past
from recovery.outside.gpu import ABSENT, LOST, SLOWED, Gpu

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GIB = 1024**3


class Nvml:
    """NVIDIA's library on a machine of the test's own; what is not given is that of the real one."""

    NVMLError = pynvml.NVMLError

    def __init__(self, count=2):
        self.cards = [Card(number) for number in range(count)]
        self.begins = self.counts = None
        self.opened = 0

    def __getattr__(self, name):
        if name.startswith(("NVML_", "nvmlClocks")):
            return getattr(pynvml, name)
        raise AttributeError(name)

    def nvmlInit(self):
        if self.begins:
            raise self.begins
        self.opened += 1

    def nvmlShutdown(self):
        self.opened -= 1

    def nvmlDeviceGetCount(self):
        if self.counts:
            raise self.counts
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index):
        return self.cards[index].ask("handle")

    def nvmlDeviceGetUUID(self, card):
        return card.ask("uuid")

    def nvmlDeviceGetName(self, card):
        return card.ask("name")

    def nvmlDeviceGetMemoryInfo(self, card):
        return SimpleNamespace(total=80 * GIB, used=card.ask("memory"), free=0)

    def nvmlDeviceGetTemperature(self, card, sensor):
        assert sensor == pynvml.NVML_TEMPERATURE_GPU
        return card.ask("temperature")

    def nvmlDeviceGetTotalEccErrors(self, card, kind, counter):
        assert (kind, counter) == (pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, pynvml.NVML_VOLATILE_ECC)
        return card.ask("errors")

    def nvmlDeviceGetCurrentClocksEventReasons(self, card):
        return card.ask("slowed")


class Card:
    """One GPU: each answer is a value, or an error that is raised."""

    def __init__(self, number):
        self.uuid, self.name, self.handle = f"GPU-{number}0000000-0000", f"NVIDIA H100 #{number}", self
        self.memory, self.temperature, self.errors = 8 * GIB, 50, 0
        self.slowed = pynvml.nvmlClocksEventReasonSwPowerCap | pynvml.nvmlClocksEventReasonGpuIdle
        self.lost = None

    def ask(self, what):
        found = self.lost or getattr(self, what)
        if isinstance(found, Exception):
            raise found
        return found


class Machine:
    """Looks at the GPUs, and remembers between the looks like the worker."""

    def __init__(self, nvml, **args):
        plugin = REGISTRY.find("gpu")
        self.gpu, self.nvml = Gpu(lambda: nvml), nvml
        self.run, self.args, self.memory, self.seconds = plugin.run, plugin.args.model_validate(args), {}, 0

    def look(self, seconds=0):
        self.seconds += seconds
        reading = self.run(self.args, self, Past(NOW + timedelta(seconds=self.seconds), self.memory))
        if reading.memory is not None:
            self.memory = json.loads(json.dumps(reading.memory))
        assert not isinstance(self.nvml, Nvml) or self.nvml.opened == 0
        return reading


def fails(reading, failure=FailureType.SERVER_UNRESPONSIVE):
    assert (reading.healthy, reading.failure_type) == (False, failure), reading
    return reading.because


def test_the_names_that_the_door_knows_are_those_of_the_library():
    for name in (*ABSENT, *LOST, "NVMLError_Unknown"):
        assert issubclass(getattr(pynvml, name), pynvml.NVMLError)
    assert all(isinstance(getattr(pynvml, name), int) for name in SLOWED)
    for name in vars(Nvml):
        assert not name.startswith("nvml") or hasattr(pynvml, name)


def test_gpus_at_work_are_healthy():
    machine = Machine(Nvml())
    machine.nvml.cards[1].temperature = 61
    assert machine.look().because == "2 GPUs at work, the hottest at 61 °C"
    assert Machine(Nvml(1)).look().because == "1 GPU at work, the hottest at 50 °C"


@pytest.mark.parametrize(
    ("error", "because"),
    [
        (pynvml.NVMLError_LibraryNotFound, "there is no NVIDIA driver on this machine: nothing to look at"),
        (pynvml.NVMLError_DriverNotLoaded, "the NVIDIA driver is not loaded: nothing to look at"),
    ],
)
def test_a_machine_without_a_gpu_says_so_and_is_healthy(error, because):
    nvml = Nvml(0)
    nvml.begins = error()
    reading = Machine(nvml).look()
    assert (reading.healthy, reading.because) == (True, because)
    assert "0 of 2 GPUs are there" in fails(Machine(nvml, devices=2).look())
    assert Machine(Nvml(0)).look().because == "the driver sees no GPU: nothing to look at"


@pytest.mark.parametrize(
    "error", [pynvml.NVMLError_GpuIsLost, pynvml.NVMLError_ResetRequired, pynvml.NVMLError_Unknown]
)
@pytest.mark.parametrize("asked", ["handle", "temperature"])
def test_a_gpu_that_is_lost_is_noticed_for_certain_and_comes_back(error, asked):
    machine = Machine(Nvml())
    assert machine.look().healthy
    setattr(machine.nvml.cards[1], asked, error())
    reading = machine.look(30)
    assert " is lost: " in fails(reading)
    assert reading.because.count(";") == 0
    assert reading.certain
    machine.nvml.cards[1] = Card(1)
    assert machine.look(30).healthy


def test_a_gpu_that_fell_off_the_bus_is_missed_though_the_driver_forgot_it():
    machine = Machine(Nvml())
    assert machine.look().healthy
    card = machine.nvml.cards.pop()
    assert fails(machine.look(30)) == "NVIDIA H100 #1 is gone: the driver does not see it any more"
    assert fails(machine.look(30)), "it is missed until it is back"
    machine.nvml.cards.append(card)
    assert machine.look(30).healthy


def test_a_driver_that_goes_takes_known_gpus_with_it():
    machine = Machine(Nvml(1))
    machine.look()
    machine.nvml.begins = pynvml.NVMLError_DriverNotLoaded()
    assert fails(machine.look(30)) == "NVIDIA H100 #0 is gone: the NVIDIA driver is not loaded"


def test_a_number_that_is_given_is_what_must_be_there():
    machine = Machine(Nvml(2), devices=3)
    assert fails(machine.look()) == "2 of 3 GPUs are there"
    machine.nvml.cards.append(Card(2))
    assert machine.look().healthy
    smaller = Machine(Nvml(2), devices=1)
    assert smaller.look().healthy
    smaller.nvml.cards.pop()
    assert smaller.look().healthy


@pytest.mark.parametrize(
    "error", [pynvml.NVMLError_Unknown, pynvml.NVMLError_LibRmVersionMismatch, pynvml.NVMLError_Timeout]
)
def test_a_driver_that_does_not_answer_is_a_failure(error):
    nvml = Nvml()
    nvml.begins = error()
    assert fails(Machine(nvml).look()).startswith("the NVIDIA driver does not answer: ")
    nvml.begins, nvml.counts = None, error()
    assert fails(Machine(nvml).look()).startswith("the NVIDIA driver does not answer: ")
    nvml.counts = None
    assert Machine(nvml).look().healthy


def test_a_driver_that_hangs_is_waited_for_no_longer_than_allowed():
    nvml, ended = Nvml(), threading.Event()
    real, nvml.nvmlInit = nvml.nvmlInit, lambda: ended.wait(20)
    machine = Machine(SimpleNamespace(nvmlInit=nvml.nvmlInit, NVMLError=pynvml.NVMLError), timeout="200ms")
    begin = time.monotonic()
    assert fails(machine.look()) == "no answer from the NVIDIA driver within 0.2 s"
    assert fails(machine.look()) == "the NVIDIA driver still does not answer"
    assert time.monotonic() - begin < 3
    ended.set()
    nvml.nvmlInit = real
    machine.gpu._load = lambda: nvml
    assert machine.look().healthy


def strain(card, what):
    if what == "hot":
        card.temperature = 95
    elif what == "full":
        card.memory = 79.5 * GIB
    else:
        card.slowed = pynvml.nvmlClocksEventReasonHwThermalSlowdown | pynvml.nvmlClocksEventReasonHwPowerBrakeSlowdown


@pytest.mark.parametrize(
    ("what", "because"),
    [
        ("hot", "NVIDIA H100 #0 has 95 °C (limit 90 °C)"),
        ("full", "memory of NVIDIA H100 #0 99 % used (limit 98 %): 79.5 of 80.0 GiB"),
        ("slow", "NVIDIA H100 #0 is slowed down by heat (hardware) and the power supply"),
    ],
)
def test_what_strains_a_gpu_counts_after_a_while(what, because):
    machine = Machine(Nvml(), hold="5m")
    strain(machine.nvml.cards[0], what)
    assert machine.look().healthy
    assert machine.look(299).healthy
    assert fails(machine.look(1), FailureType.RESOURCE_EXHAUSTED) == because
    machine.nvml.cards[0] = Card(0)
    assert machine.look(30).healthy
    strain(machine.nvml.cards[0], what)
    assert machine.look(30).healthy


def test_uncorrected_errors_that_grow_are_bad_at_once_and_old_ones_are_not():
    machine = Machine(Nvml(), ecc_within="1h")
    machine.nvml.cards[0].errors = 12
    assert machine.look().healthy
    machine.nvml.cards[0].errors = 14
    assert fails(machine.look(60)) == "NVIDIA H100 #0 had 2 uncorrected memory errors within 1h"
    assert not machine.look(3_000).healthy
    assert machine.look(3_600).healthy
    assert Machine(Nvml(), ecc_errors=None).look().healthy


def test_what_a_gpu_does_not_tell_is_not_judged():
    nvml = Nvml(1)
    card = nvml.cards[0]
    card.errors = card.slowed = card.temperature = pynvml.NVMLError_NotSupported()
    card.memory = pynvml.NVMLError_NoPermission()
    assert Machine(nvml).look().because == "1 GPU at work"
    card.errors = card.slowed = pynvml.NVMLError_Unknown()
    assert Machine(nvml).look().healthy


def test_names_from_older_libraries_are_text():
    nvml = Nvml(1)
    nvml.cards[0].name, nvml.cards[0].uuid = b"Tesla K80", b"GPU-1"
    machine = Machine(nvml)
    machine.look()
    nvml.cards.pop()
    assert fails(machine.look()).startswith("Tesla K80 is gone")


def test_this_very_machine_answers_with_or_without_a_gpu():
    machine = Machine(None)
    machine.gpu = Gpu()
    assert machine.look().because


def test_a_real_gpu_is_seen_whole():
    found = Gpu().look(10)
    if found.absent:
        pytest.skip(f"this needs an NVIDIA GPU: {found.absent}")
    for device in found.devices:
        assert device.id.startswith(("GPU-", "MIG-"))
        assert device.name
        assert not device.lost
        assert 0 < (device.temperature or 50) < 120
        assert device.memory_total > 0
        assert 0 <= device.memory_used <= device.memory_total


@pytest.mark.parametrize(
    "args",
    [
        {"devices": -1},
        {"devices": True},
        {"devices": 65},
        {"temperature": 0},
        {"temperature": "hot"},
        {"memory": 0.98},
        {"memory": 101},
        {"ecc_errors": -1},
        {"ecc_within": 0},
        {"hold": "soon"},
        {"timeout": 0},
    ],
)
def test_arguments_that_make_no_sense_are_refused(args):
    with pytest.raises(ValidationError):
        REGISTRY.find("gpu").args.model_validate(args)
