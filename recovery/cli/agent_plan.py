"""What `medic agent` looks at and how it reports: from its options, or from a file in the shape of medic.yaml."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from pydantic import ValidationError

from recovery.config import Component, Config, load_config
from recovery.config.plans import only_hears
from recovery.config.types import check_url
from recovery.model.durations import LONGEST_SILENCE, SHORTEST_SILENCE, write_duration
from recovery.model.secrets import read_secret_file

SILENT_AFTER_ROUNDS, LEAST_SILENT_AFTER = 4, 60.0
MOST_COMPONENTS = 200  # as many fit into one call, whatever they say
KEYS, COMPONENT_KEYS = {"components", "n8n"}, {"name", "check", "severity"}
TOKEN = "MEDIC_WEBHOOK_TOKEN"  # noqa: S105 the name of a variable


class BadPlan(ValueError):
    """The agent cannot begin; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class AgentPlan:
    """What an agent does.

    Fields:
        name: of the agent's own component, whose silence is that of them all.
        to: the address of n8n-medic; "" where nothing is sent.
        read_token: gives the token, read anew each time. Raises ValueError where there is none.
        config: the components to look at, and the n8n that their checks may ask.
        every_seconds: from round to round. silent_after_seconds: when n8n-medic misses it.
        ca_file: certificates that are trusted instead of the usual ones; "" for the usual ones.
    """

    name: str
    config: Config
    every_seconds: float = 30.0
    silent_after_seconds: float = 120.0
    to: str = ""
    read_token: Callable[[], str] = field(default=lambda: "", repr=False)
    ca_file: str = ""


def silence_of(every_seconds: float, told: float | None) -> float:
    """After how many seconds it counts as silent: as told, else after four rounds.

    Raises:
        BadPlan: it would be silent between two rounds, or the time is none that n8n-medic takes.
    """
    found = max(every_seconds * SILENT_AFTER_ROUNDS, LEAST_SILENT_AFTER) if told is None else told
    if not SHORTEST_SILENCE <= found <= LONGEST_SILENCE:
        raise BadPlan(f"--silent-after is {write_duration(found)}: it must be from 30s to 1d")
    if found < 2 * every_seconds or every_seconds < 1:
        raise BadPlan("--every must be at least 1s, and at most half of --silent-after")
    return found


def token_reader(path: str | None, env: Mapping[str, str] = os.environ) -> Callable[[], str]:
    """How the token is read: from the file, else as the environment says.

    Raises:
        BadPlan: nothing says where it is, or it cannot be read.
    """
    found = path or env.get(f"{TOKEN}_FILE")
    if not found and not env.get(TOKEN):
        raise BadPlan(f"there is no token: give --token-file, or set {TOKEN} or {TOKEN}_FILE")
    read = partial(read_secret_file, found) if found else partial(env.__getitem__, TOKEN)
    try:
        token = read()
    except ValueError as error:
        raise BadPlan(str(error)) from None
    if not token.isascii() or not token.isprintable() or " " in token:
        raise BadPlan("the token holds spaces or other characters that no token has")
    return read


def address(to: str) -> str:
    """The address of n8n-medic.

    Raises:
        BadPlan: it is none, or holds a login.
    """
    try:
        found = check_url(to)
    except ValueError:
        raise BadPlan("--to must be an http or https address, such as https://medic.example.com") from None
    if "@" in found.split("://", 1)[1].split("/", 1)[0]:
        raise BadPlan("--to must hold no login: the token says who reports")
    return found


def this_machine(name: str) -> Config:
    """The components where no file names any: the machine and its GPUs.

    Raises:
        BadPlan: no component may be called so.
    """
    components = [
        {"name": name, "check": {"kind": "machine"}},
        {"name": f"{name} gpu", "check": {"kind": "gpu"}},
    ]
    try:
        return Config.model_validate({"components": components})
    except ValidationError:
        raise BadPlan("--name must be a text of at most 196 characters, without line breaks") from None


def read_components(path: str) -> Config:
    """The components of a file.

    Raises:
        ConfigProblems: it is no configuration.
        BadPlan: it asks for what only n8n-medic itself does.
    """
    config = load_config(path, env={})
    problems = [f"{key}: does not belong into an agent's file" for key in sorted(config.model_fields_set - KEYS)]
    problems += [f"{one.name}: {why}" for one in config.components for why in _problems(one)]
    if not 1 <= len(config.components) <= MOST_COMPONENTS:
        problems.append(f"components: from 1 to {MOST_COMPONENTS} of them, not {len(config.components)}")
    if problems:
        raise BadPlan("\n".join([f"{path} cannot be used by an agent:", *(f"  {one}" for one in problems)]))
    return config


def _problems(component: Component) -> Iterator[str]:
    for key in sorted(component.model_fields_set - COMPONENT_KEYS):
        yield f"{key} belongs into the medic.yaml of n8n-medic: an agent only looks"
    if component.check is None:
        yield "it has no check, so there is nothing to look at"
    elif component.check.kind == "heartbeat" or only_hears(component):
        yield f"the check {component.check.kind} is n8n-medic's own: an agent hears of nothing"
