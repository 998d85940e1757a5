"""What the tests of `medic connect` need: an n8n-medic that runs, the command line beside it, and exports of n8n."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from recovery.cli import main
from recovery.store.database import close_database
from tests.story.medic import Medic

NOWHERE = "http://127.0.0.1:9"
# It knows two n8n by name and has no key of them: it hears what they tell, and asks them nothing.
CONFIG = {"n8n": [{"name": "default", "url": NOWHERE}, {"name": "second", "url": f"{NOWHERE}/second"}]}
# What n8n itself changes at each save.
COUNTERS = ("updatedAt", "versionId", "versionCounter", "activeVersionId", "triggerCount")


# A smaller error handler, of nodes that the stand-in runs.
SMALL = str(Path(__file__).parent / "fixtures" / "shipped")


class Cli:
    """`medic` in a folder of its own, with the data and the tokens of a running n8n-medic."""

    def __init__(self, folder: Path, medic: Medic):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "medic.yaml"
        self.env = {name: value for name, value in medic.env.items() if name.startswith("MEDIC_")}
        self.env |= {"MEDIC_CONFIG": str(self.file), "HOME": str(folder)}
        self.data = Path(self.env["MEDIC_DATA_DIR"])
        self.files = ""  # other workflows than those that are shipped

    def __call__(self, *words: str, given: str | None = None, **env: str) -> Result:
        """Run it; `given` is standard input."""
        if self.files and words[0] == "connect":
            words = (*words, "--files", self.files)
        with _only(self.env | env):
            try:
                return CliRunner().invoke(main, list(words), input=given, prog_name="medic")
            finally:
                close_database()

    def connect(self, n8n: Any, *words: str, key: str = "", **env: str) -> Result:
        """`medic connect --yes` with the n8n's address and key."""
        given = f"{key or n8n.api_key}\n"
        return self("connect", "--url", n8n.url, "--api-key-file", "-", "--yes", *words, given=given, **env)


@contextmanager
def _only(env: dict[str, str]) -> Iterator[None]:
    """These variables of ours, and no others."""
    before = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("MEDIC_")}
    os.environ.update(env)
    try:
        yield
    finally:
        for name in [name for name in os.environ if name.startswith("MEDIC_")]:
            del os.environ[name]
        os.environ.update(before)


def export(n8n: Any) -> dict[str, dict[str, Any]]:
    """Every workflow as n8n gives it, by id, without what n8n counts and dates itself."""
    found = {}
    for one in n8n.api("GET", "workflows", limit=250).json()["data"]:
        row = n8n.api("GET", f"workflows/{one['id']}").json()
        live = row.pop("activeVersion", None) or {}
        row["live"] = {key: live.get(key) for key in ("nodes", "connections")}
        found[row["id"]] = {key: value for key, value in row.items() if key not in COUNTERS}
    return found


def versions(n8n: Any, workflow_id: str) -> tuple[Any, ...]:
    """Is it published, which version is live, and which is saved?"""
    row = n8n.api("GET", f"workflows/{workflow_id}").json()
    return row["active"], row["activeVersionId"], row["versionId"]


def settings(n8n: Any, workflow_id: str) -> dict[str, Any]:
    """The settings of a workflow."""
    return dict(n8n.api("GET", f"workflows/{workflow_id}").json()["settings"])


def credentials(n8n: Any) -> list[str]:
    """The names of all credentials."""
    return sorted(one["name"] for one in n8n.api("GET", "credentials", limit=250).json()["data"])


def tags(n8n: Any) -> list[str]:
    """The names of all tags."""
    return sorted(one["name"] for one in n8n.api("GET", "tags", limit=250).json()["data"])
