"""Where Docker is and what a container is called, as the configuration writes it."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

__all__ = ["DEFAULT_SOCKET", "ContainerName", "DockerSocket", "docker_url"]

DEFAULT_SOCKET = "/var/run/docker.sock"


def _check(value: str) -> str:
    if re.fullmatch(r"(?:unix://)?/[^\x00-\x1f\x7f]{1,106}", value):
        return value
    if re.fullmatch(r"tcp://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}", value):
        return value
    raise ValueError("write the path of a socket, such as /var/run/docker.sock, or tcp://host:port")


DockerSocket = Annotated[str, AfterValidator(_check)]
"""The path of Docker's socket, or `tcp://host:port` of a proxy for it."""

ContainerName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$")]
"""A container's name or id."""


def docker_url(socket: str) -> str:
    """A `DockerSocket` as doors take it: unix:///path or tcp://host:port."""
    return socket if "://" in socket else f"unix://{socket}"
