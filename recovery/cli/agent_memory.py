"""What an agent's checks remember from one `medic agent --once` to the next, in a file of its own."""

import json
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

log = logging.getLogger("medic.agent")
LONGEST = 1 << 20


def default_path(name: str) -> Path:
    """Where it is kept of the agent of that name, for the present user."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    readable = "".join(sign if sign.isalnum() or sign in "-_." else "_" for sign in name)[:100]
    return Path(state) / "n8n-medic" / f"agent-{readable}.json"


def read_memory(path: Path) -> dict[str, dict[str, Any]]:
    """{component: what its check remembers}; nothing where there is no such file, or none that we wrote."""
    try:
        with path.open("rb") as file:
            kept = json.loads(file.read(LONGEST))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as problem:
        log.warning("%s is not used, and what lasts counts anew: %s", path, problem)
        return {}
    memories = kept if isinstance(kept, dict) else {}
    return {name: memory for name, memory in memories.items() if isinstance(memory, dict)}


def write_memory(path: Path, memories: dict[str, dict[str, Any]]) -> None:
    """Keep it, whole or not at all. What cannot be kept is said, and ends nothing."""
    half = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        half.write_text(json.dumps(memories))
        half.chmod(0o600)
        half.replace(path)
    except OSError as problem:
        with suppress(OSError):
            half.unlink()
        log.warning("%s cannot be written, so what lasts never counts: %s", path, problem.strerror)
