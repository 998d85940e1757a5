"""What can be scaled, each in its manager's words: a service of compose or of a swarm, a deployment, or by commands."""

import re
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field, StrictStr, model_validator

from recovery.actions.commands import ask, words_of
from recovery.actions.composing import Compose, replicas
from recovery.model import About, DoorError, Doors, fill_in, unknown_fields
from recovery.model.acting import FIELDS
from recovery.model.docker_address import DEFAULT_SOCKET, docker_url

REPLICAS = re.compile(r"\{\{\s*replicas\s*\}\}")
# The managers' words for what asking again cannot help.
FOR_GOOD = re.compile(r"no such service|\(NotFound\)|\(Forbidden\)|can only be used with replicated", re.IGNORECASE)

Words = Annotated[list[StrictStr], Field(min_length=1)]
_CONFIG = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Way(Protocol):
    """One thing that can be scaled."""

    @property
    def what(self) -> str:
        """What it is, in words; also what is remembered of it."""

    def present(self, doors: Doors, seconds: float) -> int:
        """How many there are to be now. Raises DoorError where that is not known."""

    def command(self, before: int, after: int) -> list[str]:
        """The command that makes it `after` where there are `before`."""


class ComposeWay:
    """A service of docker compose: its containers are counted, stopped ones too."""

    def __init__(self, compose: Compose, socket: str):
        self._compose, self._socket = compose, socket
        self.what = f"service {compose.service} of docker compose ({compose.project or compose.file})"

    def present(self, doors: Doors, seconds: float) -> int:
        """See `Way`."""
        return len(replicas(doors, self._compose, self._socket, seconds))

    def command(self, before: int, after: int) -> list[str]:
        """See `Way`."""
        service = self._compose.service
        keep = ["--detach", "--no-deps", "--no-recreate", "--no-build"]
        return [*self._compose.call(self._socket), "up", *keep, "--scale", f"{service}={after}", service]


class SwarmWay:
    """A service of a Docker swarm."""

    def __init__(self, service: str, socket: str):
        host = [] if socket == DEFAULT_SOCKET else ["--host", docker_url(socket)]
        self._call, self._service = ["docker", *host, "service"], service
        self.what = f"service {service} of the swarm"

    def present(self, doors: Doors, seconds: float) -> int:
        """See `Way`."""
        look = [*self._call, "inspect", "--format", "medic:{{json .Spec.Mode}}", self._service]
        said = told(doors, look, seconds)
        if '"Global"' in said:
            raise DoorError(f"{self.what} runs once on each node, and has no number", "client", permanent=True)
        return number_in(r'^medic:\{"Replicated":\{"Replicas":(\d{1,6})\}\}$', said, self.what)

    def command(self, before: int, after: int) -> list[str]:
        """See `Way`."""
        return [*self._call, "scale", "--detach", f"{self._service}={after}"]


class Kubernetes(BaseModel):
    """Which deployment."""

    model_config = _CONFIG

    deployment: str = Field(
        description="its name", examples=["orders"], pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"
    )
    namespace: str = Field(
        "",
        description="else that of the context",
        examples=["shop"],
        pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)?$",
    )
    context: str = Field(
        "", description="of the kubeconfig; else its current one", pattern=r"^([A-Za-z0-9][!-~]{0,252})?$"
    )
    kubeconfig: str = Field(
        "", description="the whole path of the file; else kubectl's own", pattern=r"^(/[^\x00-\x1f\x7f]{1,4095})?$"
    )

    @property
    def what(self) -> str:
        """See `Way`."""
        return f"deployment {self.namespace}/{self.deployment}" if self.namespace else f"deployment {self.deployment}"

    def present(self, doors: Doors, seconds: float) -> int:
        """See `Way`."""
        look = [*self._call(), "get", f"deployment/{self.deployment}", "--output=jsonpath=medic:{.spec.replicas}:"]
        return number_in(r"medic:(\d{1,6}):", told(doors, look, seconds), self.what)

    def command(self, before: int, after: int) -> list[str]:
        """See `Way`. Kubernetes refuses it where there are no longer `before`."""
        return [
            *self._call(),
            "scale",
            f"deployment/{self.deployment}",
            f"--current-replicas={before}",
            f"--replicas={after}",
        ]

    def _call(self) -> list[str]:
        named = {"kubeconfig": self.kubeconfig, "context": self.context, "namespace": self.namespace}
        return ["kubectl", "--request-timeout=10s", *(f"--{name}={value}" for name, value in named.items() if value)]


class OwnCommands(BaseModel):
    """Commands of one's own that tell the number, and change it."""

    model_config = _CONFIG

    count: Words = Field(description="prints how many there are, and nothing else", examples=[["/opt/count", "orders"]])
    scale: Words = Field(
        description="makes it so many: one of its words holds `{{replicas}}`",
        examples=[["/opt/scale", "orders", "{{replicas}}"]],
    )

    @model_validator(mode="after")
    def _has_its_fields(self) -> "OwnCommands":
        words = [*self.count, *self.scale]
        if not (self.count[0].strip() and self.scale[0].strip()) or any("\0" in word for word in words):
            raise ValueError("`count` and `scale` must begin with a program, and nothing may hold a null byte")
        if not any(map(REPLICAS.search, self.scale[1:])):
            raise ValueError("one of the words of `scale` after the program must hold {{replicas}}")
        if any(map(REPLICAS.search, self.count)):
            raise ValueError("`count` tells the number: it cannot be given {{replicas}}")
        unknown = [name for word in words for name in unknown_fields(word) if name != "replicas"]
        if unknown:
            raise ValueError(f"there is no field {{{{{unknown[0]}}}}}; there are replicas, {', '.join(FIELDS)}")
        return self


class OwnWay:
    """Scaled by one's own commands."""

    def __init__(self, own: OwnCommands, about: About):
        self._own, self._about = own, about
        self.what = f"{about.component} (by {own.scale[0]})"

    def present(self, doors: Doors, seconds: float) -> int:
        """See `Way`."""
        said = told(doors, [fill_in(word, self._about) for word in self._own.count], seconds)
        return number_in(r"\A\s*(\d{1,6})\s*\Z", said, self.what)

    def command(self, before: int, after: int) -> list[str]:
        """See `Way`."""
        return [fill_in(REPLICAS.sub(str(after), word), self._about) for word in self._own.scale]


def told(doors: Doors, look: list[str], seconds: float) -> str:
    """What a command said that ended well. Raises DoorError where it did not."""
    answer = ask(doors, look, seconds)
    if answer.code != 0:
        permanent = bool(FOR_GOOD.search(answer.output))
        raise DoorError(f"{look[0]}: {words_of(answer) or f'exit code {answer.code}'}", "client", permanent)
    return answer.output


def number_in(pattern: str, said: str, what: str) -> int:
    """The number that stands in an answer. Raises DoorError where there is none."""
    found = re.search(pattern, said, re.MULTILINE)
    if not found:
        raise DoorError(f"how many there are of {what} is not told: {' '.join(said.split())[:100]!r}", "client")
    return int(found[1])
