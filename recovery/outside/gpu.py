"""NVIDIA's GPUs, through the driver's own library (NVML)."""

import importlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from recovery.model import DoorError, Gpus, GpuState
from recovery.outside.bounded import Bounded
from recovery.outside.proc import who_has_open

__all__ = ["Gpu"]

ABSENT = {
    "NVMLError_LibraryNotFound": "there is no NVIDIA driver on this machine",
    "NVMLError_DriverNotLoaded": "the NVIDIA driver is not loaded",
}
LOST = ("NVMLError_GpuIsLost", "NVMLError_ResetRequired", "NVMLError_NotFound")
PERHAPS_LOST = (*LOST, "NVMLError_Unknown")  # where every GPU answers
SLOWED = {
    "nvmlClocksEventReasonHwThermalSlowdown": "heat (hardware)",
    "nvmlClocksEventReasonSwThermalSlowdown": "heat (driver)",
    "nvmlClocksEventReasonHwPowerBrakeSlowdown": "the power supply",
    "nvmlClocksEventReasonHwSlowdown": "the hardware's protection",
}


class Gpu:
    """The GPUs as a `GpuDoor` shows them. A driver whose device is gone may hang, so it is waited for only so long.

    Args:
        load: gives the library; files: how the device files begin. Only tests give others.
    """

    def __init__(self, load: Callable[[], Any] = lambda: importlib.import_module("pynvml"), files: str = "/dev/nvidia"):
        self._load, self._files = load, files
        self._bounded = Bounded()

    def look(self, timeout_seconds: float) -> Gpus:
        """How they are. See `GpuDoor.look`."""
        return self._bounded.call("the NVIDIA driver", lambda: _look(self._load()), timeout_seconds)

    def look_at_holders(self, timeout_seconds: float) -> Gpus:
        """How they are, and who holds each. See `GpuDoor.look_at_holders`."""
        return self._bounded.call("the NVIDIA driver", lambda: _look(self._load(), self._files), timeout_seconds)


def _look(nvml: Any, files: str = "") -> Gpus:
    """How they are; with `files` also who holds each."""
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        absent = ABSENT.get(type(error).__name__)
        if absent:
            return Gpus(absent=absent)
        raise DoorError(f"the NVIDIA driver does not answer: {error}") from None
    try:
        count = nvml.nvmlDeviceGetCount()
        found = [_device(nvml, index) for index in range(count)]
        if files:
            found = [replace(one, holders=_holders(nvml, index, files)) for index, one in enumerate(found)]
        return Gpus(tuple(found), "" if count else "the driver sees no GPU")
    except nvml.NVMLError as error:
        raise DoorError(f"the NVIDIA driver does not answer: {error}") from None
    finally:
        _told(nvml, nvml.nvmlShutdown)


def _device(nvml: Any, index: int) -> GpuState:
    """One GPU. What it does not support is None; once it is lost, it answers nothing."""
    known = f"GPU {index}", f"GPU {index}"
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        known = _text(nvml.nvmlDeviceGetUUID(handle)), _text(nvml.nvmlDeviceGetName(handle))
        memory = _told(nvml, lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
        return GpuState(
            *known,
            temperature=_told(
                nvml, lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU), PERHAPS_LOST
            ),
            memory_used=memory.used if memory else None,
            memory_total=memory.total if memory else None,
            uncorrected_errors=_told(nvml, lambda: _errors(nvml, handle)),
            slowed_by=_slowed_by(nvml, handle),
        )
    except nvml.NVMLError as error:
        return GpuState(*known, lost=str(error))


def _holders(nvml: Any, index: int, files: str) -> tuple[int, ...]:
    """Who computes or draws on it; of one that does not tell, who has its device file open."""
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        asked = (nvml.nvmlDeviceGetComputeRunningProcesses, nvml.nvmlDeviceGetGraphicsRunningProcesses)
        found = {one.pid for ask in asked for one in ask(handle)}
    except nvml.NVMLError:
        found = set(who_has_open(f"{files}{index}"))
    return tuple(sorted(found))


def _told(nvml: Any, ask: Callable[[], Any], lost: tuple[str, ...] = LOST) -> Any:
    """What it tells; None where this GPU does not tell it. A lost GPU is another matter."""
    try:
        return ask()
    except nvml.NVMLError as error:
        if type(error).__name__ in lost:
            raise
        return None


def _errors(nvml: Any, handle: Any) -> int:
    return nvml.nvmlDeviceGetTotalEccErrors(handle, nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, nvml.NVML_VOLATILE_ECC)


def _slowed_by(nvml: Any, handle: Any) -> tuple[str, ...]:
    """The drawn power's limit is not among them: it is how a busy GPU works."""
    bits = _told(nvml, lambda: nvml.nvmlDeviceGetCurrentClocksEventReasons(handle)) or 0
    return tuple(words for name, words in SLOWED.items() if bits & getattr(nvml, name))


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
