"""The stand-in's workflows: saved versions, and which of them is live."""

import copy
import threading
import uuid
from typing import Any

from recovery.clock import utc_now
from tests.standins.n8n_nodes import RUNNERS
from tests.standins.n8n_runs import iso, new_id

WORKFLOW_KEYS = ("id", "name", "nodes", "connections", "settings")
VERSION_KEYS = ("versionId", "nodes", "connections")
NODE_KEYS = frozenset((
    "id", "name", "webhookId", "disabled", "notesInFlow", "notes", "type", "typeVersion", "executeOnce",
    "alwaysOutputData", "retryOnFail", "maxTries", "waitBetweenTries", "continueOnFail", "onError", "position",
    "parameters", "credentials",
))  # fmt: skip
MAY_BE_DEFAULT = ("errorWorkflow", "timezone", "saveManualExecutions", "saveDataErrorExecution")


class Refused(Exception):
    """n8n answers with a status and a message."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


class Publishing:
    """All workflows of one stand-in n8n.

    Fields:
        unregistered: workflows that are published, and whose webhooks and schedules n8n has lost.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.workflows: dict[str, dict[str, Any]] = {}
        self.unregistered: set[str] = set()
        self.credentials: dict[str, dict[str, Any]] = {}
        self._versions: dict[tuple[str, str], dict[str, Any]] = {}

    def create_workflow(self, body: dict[str, Any]) -> dict[str, Any]:
        """Keep a new workflow, not yet published. Raises Refused."""
        _check_nodes(body)
        self.resolve_credentials(body["nodes"])
        now = iso(utc_now())
        made = {"id": body.get("id") or new_id(), **{key: body[key] for key in WORKFLOW_KEYS[1:]}}
        made |= {"active": False, "createdAt": now, "updatedAt": now, "isArchived": False, "tags": []}
        made |= {"activeVersionId": None, "activeVersion": None, "triggerCount": 0}
        with self.lock:
            self.workflows[made["id"]] = made
            self._save(made)
        return made

    def change_workflow(self, workflow_id: str, body: dict[str, Any], publish: bool = True) -> dict[str, Any]:
        """Save another version of it; one that is published is published anew, unless `publish` is False."""
        _check_nodes(body)
        self.resolve_credentials(body["nodes"])
        with self.lock:
            kept = self.workflows[workflow_id]
            is_new = any(kept[key] != body[key] for key in ("nodes", "connections"))
            kept |= {key: body[key] for key in ("name", "nodes", "connections")}
            kept["settings"] = _merged(kept["settings"], body["settings"])
            kept["updatedAt"] = iso(utc_now())
            if is_new:
                self._save(kept)
            if kept["active"] and publish:
                self.publish(workflow_id, kept["versionId"])
            return kept

    def resolve_credentials(self, nodes: list[dict[str, Any]]) -> None:
        """Put the id, and the name of today, into every credential that a node names."""
        for node in nodes:
            for kind, one in (node.get("credentials") or {}).items():
                same = [row for row in self.credentials.values() if row["type"] == kind]
                found = [row for row in same if row["id"] == one.get("id")]
                found = found or [row for row in same if row["name"] == one.get("name")]
                if len(found) == 1:
                    node["credentials"][kind] = {"id": found[0]["id"], "name": found[0]["name"]}

    def _save(self, kept: dict[str, Any]) -> None:
        kept["versionId"] = str(uuid.uuid4())
        version = copy.deepcopy({key: kept[key] for key in VERSION_KEYS})
        self._versions[kept["id"], kept["versionId"]] = version

    def publish(self, workflow_id: str, version_id: str = "") -> dict[str, Any]:
        """Publish a version, the saved one where none is named; what was live before is unpublished. Raises Refused."""
        with self.lock:
            kept = self.workflows[workflow_id]
            if kept["isArchived"]:
                raise Refused(400, "Cannot activate an archived workflow.")
            version = self._versions.get((workflow_id, version_id or kept["versionId"]))
            if version is None:
                raise Refused(404, "Version not found")
            kept |= {"active": True, "activeVersionId": version["versionId"], "activeVersion": version}
            self.unregistered.discard(workflow_id)
            return kept

    def unpublish(self, workflow_id: str) -> dict[str, Any]:
        """Unpublish; n8n tells nobody which version was live."""
        with self.lock:
            kept = self.workflows[workflow_id]
            kept |= {"active": False, "activeVersionId": None, "activeVersion": None}
            return kept

    def live(self, workflow: dict[str, Any]) -> dict[str, Any]:
        """The workflow as it runs: its published version."""
        return {**workflow, **(workflow["activeVersion"] or {})}

    def webhook(self, path: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """The published workflow and node that answer at a path."""
        with self.lock:
            for workflow in self.workflows.values():
                if not workflow["active"] or workflow["id"] in self.unregistered:
                    continue
                for node in self.live(workflow)["nodes"]:
                    if node["type"].endswith(".webhook") and node["parameters"]["path"] == path:
                        return self.live(workflow), node
        return None


def _merged(kept: dict[str, Any] | None, given: dict[str, Any]) -> dict[str, Any]:
    """The settings after a save: those that are not given stay, and what says the default is left out."""
    if kept is None:
        return _without_defaults(given)
    return _without_defaults({**kept, **given})


def _without_defaults(settings: dict[str, Any]) -> dict[str, Any]:
    odd = {key for key in MAY_BE_DEFAULT if settings.get(key) == "DEFAULT"}
    odd |= {"executionTimeout"} if settings.get("executionTimeout") == -1 else set()
    return {key: value for key, value in settings.items() if key not in odd}


def _check_nodes(body: dict[str, Any]) -> None:
    for place, node in enumerate(body["nodes"]):
        if strange := sorted(set(node) - NODE_KEYS):
            raise Refused(400, f"request/body/nodes/{place} Unrecognized key(s) in object: '{strange[0]}'")
        if node["type"].removeprefix("n8n-nodes-base.") not in RUNNERS:
            raise Refused(400, f"the stand-in does not run nodes of type {node['type']}")
