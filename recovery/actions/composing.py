"""A service of `docker compose` as actions name it, and how its containers are."""

import re
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, model_validator

from recovery.actions.commands import ask, words_of
from recovery.model import DoorError, Doors
from recovery.model.docker_address import DEFAULT_SOCKET, docker_url

# A line of its own shape, told apart from the warnings that compose mixes in; what `run` began is no replica.
SHOWN = 'medic:/{{.Name}}/{{.State}}/{{.Health}}/{{.Label "com.docker.compose.oneoff"}}'
LINE = re.compile(r"^medic:/([^/\n]+)/([a-z]*)/([a-z]*)/(?!True$)\w*$", re.MULTILINE)
FOR_GOOD = ("no such service", "unknown command", "unknown flag", "is not a docker command")  # or it has no compose
NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"


class Compose(BaseModel):
    """Which service of which project."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    service: str = Field(description="the service, as the file calls it", examples=["worker"], pattern=NAME)
    file: str = Field(
        "",
        description="the whole path of the compose file",
        examples=["/srv/shop/compose.yaml"],
        pattern=r"^(/[^\x00-\x1f\x7f]{1,4095})?$",
    )
    project: str = Field(
        "",
        description="the project's name; else as the file says, or its folder",
        examples=["shop"],
        pattern=r"^([a-z0-9][a-z0-9_-]{0,127})?$",
    )

    @model_validator(mode="after")
    def _says_which(self) -> "Compose":
        if not (self.file or self.project):
            raise ValueError("say which project: write `file`, `project` or both")
        return self

    def call(self, socket: str) -> list[str]:
        """The words before a subcommand of compose."""
        host = [] if socket == DEFAULT_SOCKET else ["--host", docker_url(socket)]
        where = [
            *(["--file", self.file] if self.file else []),
            *(["--project-name", self.project] if self.project else []),
        ]
        return ["docker", *host, "compose", *where]


@dataclass(frozen=True, slots=True)
class Replica:
    """One container of a service, with Docker's words: `state` "running", ..., `health` "" without a health check."""

    name: str
    state: str
    health: str


def replicas(doors: Doors, compose: Compose, socket: str, seconds: float) -> list[Replica]:
    """The containers of a service, stopped ones too. Raises DoorError, for good where there is no such service."""
    answer = ask(doors, [*compose.call(socket), "ps", "--all", "--format", SHOWN, compose.service], seconds)
    if answer.code != 0:
        permanent = any(words in answer.output for words in FOR_GOOD)
        raise DoorError(f"docker compose: {words_of(answer) or 'no answer'}", "client", permanent)
    if "\n[cut: " in answer.output:
        raise DoorError("docker compose: it said more than can be counted", "client", permanent=True)
    return [Replica(*found) for found in LINE.findall(answer.output)]
