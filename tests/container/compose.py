"""docker-compose.yml and the Dockerfile, read as Compose and the builder read them."""

import re
from pathlib import Path
from typing import Any

import yaml
from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).parents[2]
_VARIABLE = re.compile(r"\$\$|\$\{(\w+)(?::-([^}]*))?\}")


def compose(**env: str) -> dict[str, Any]:
    """The file with its variables filled in, as with this environment."""
    return _filled(yaml.safe_load((ROOT / "docker-compose.yml").read_text()), env)


def _filled(value: Any, env: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(one, env) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, env) for one in value]
    if not isinstance(value, str):
        return value
    return _VARIABLE.sub(lambda found: "$" if found[0] == "$$" else env.get(found[1]) or found[2] or "", value)


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and their values, in order."""
    parser = DockerfileParser(fileobj=(ROOT / "Dockerfile").open("r+b"))
    return [(one["instruction"], one["value"]) for one in parser.structure if one["instruction"] != "COMMENT"]
