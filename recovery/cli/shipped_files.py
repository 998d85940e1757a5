"""The workflows of `n8n_workflows/`, and the tokens that belong into their credentials."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from recovery.config import Config
from recovery.decide.shipped import HEADER_AUTH, credentials_of
from recovery.model import Shipped

FOLDER = Path(__file__).parents[2] / "n8n_workflows"
HANDLER = "error-handler"
# Those that do no harm where nothing else is set up, and need no credential but ours.
USUAL = (HANDLER, "heartbeat", "companion-watchdog", "probe-schedule")
# The credentials that are ours to make, and for what each is good.
OURS = {f"n8n-medic {scope}": scope for scope in ("signals", "probes", "report", "replay")} | {
    "n8n-medic token": "signals"
}
LARGEST = 1024 * 1024


class BadFiles(Exception):
    """The shipped workflows cannot be read; the message says why."""


def read_shipped(folder: Path = FOLDER) -> dict[str, Shipped]:
    """By stem, all that are there.

    Raises:
        BadFiles: a file is no workflow, or the error handler is not among them.
    """
    found = {path.stem: Shipped(path.stem, _read(path)) for path in sorted(folder.glob("*.json"))}
    if HANDLER not in found:
        raise BadFiles(f"{folder} does not hold {HANDLER}.json: start medic from its checkout, or give --files")
    return found


def _read(path: Path) -> Mapping[str, object]:
    try:
        if path.stat().st_size > LARGEST:
            raise BadFiles(f"{path} is too large for a workflow")
        body = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadFiles(f"{path} cannot be read: {error}") from None
    if not isinstance(body, dict) or not isinstance(body.get("nodes"), list):
        raise BadFiles(f"{path} is no workflow")
    return body


def usual(shipped: Iterable[str]) -> tuple[str, ...]:
    """What is installed where nobody says otherwise."""
    return tuple(stem for stem in USUAL if stem in set(shipped))


def tokens_for(config: Config, chosen: Iterable[Shipped]) -> dict[str, str]:
    """What goes into each credential that these workflows name: the token that is good for no more than it needs."""
    named = {name for one in chosen for kind, name in credentials_of(one.body) if kind == HEADER_AUTH}
    names = named & set(OURS)
    return {name: _token(config, name) for name in sorted(names)}


def _token(config: Config, name: str) -> str:
    return str(getattr(config, f"{OURS[name]}_token"))
