"""A real IPMI controller without a server: OpenIPMI's simulator, on loopback, with its own configuration and users."""

import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.plugins.databases import STARTING_SECONDS, program

CONFIG = """
name "gpu1"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 {port}
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid a123456789abcdefa123456789abcdef
  endlan
  chassis_control "{folder}/chassis"
  user 1 true "" "" user 10 none md2 md5 straight
  user 2 true "medic" "{password}" operator 10 none md2 md5 straight
"""
CHASSIS = """#!/bin/sh
case "$*" in
*get*power*) echo "power:$(cat {folder}/power)" ;;
*) echo "$*" >> {folder}/told ;;
esac
"""
MACHINE = """
mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
mc_enable 0x20
"""


class Simulator:
    """Where it listens, whether its server is on, and what the server was told."""

    def __init__(self, folder: Path, password: str):
        self.folder, self.port = folder, free_udp_port()
        (folder / "state").mkdir(parents=True)
        (folder / "config").write_text(CONFIG.format(port=self.port, folder=folder, password=password))
        (folder / "machine").write_text(MACHINE)
        (folder / "chassis").write_text(CHASSIS.format(folder=folder))
        (folder / "chassis").chmod(0o755)
        (folder / "told").touch()
        self.power(True)

    def power(self, on: bool) -> None:
        """Switch its server on or off."""
        (self.folder / "power").write_text(str(int(on)))

    @property
    def told(self) -> list[str]:
        """What its server's power was set to."""
        return [line.partition("set ")[2] for line in (self.folder / "told").read_text().splitlines()]


def free_udp_port() -> int:
    """A UDP port that nothing listens on, for now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running_simulator(folder: Path, password: str):
    """The simulator, started; it is stopped at the end."""
    simulator = Simulator(folder, password)
    files = ["-c", f"{folder}/config", "-f", f"{folder}/machine", "-s", f"{folder}/state"]
    command = [program("ipmi_sim", "openipmi"), *files, "-n"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + STARTING_SECONDS
        while not psutil.Process(process.pid).net_connections("udp") and time.monotonic() < end:
            time.sleep(0.05)
        yield simulator
    finally:
        process.kill()
        process.wait()
