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
        self._versions: dict[tuple[str, str], dict[str, Any]] = {}

    def create_workflow(self, body: dict[str, Any]) -> dict[str, Any]:
        """Keep a new workflow, not yet published. Raises Refused."""
        _check_nodes(body)
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
        with self.lock:
            kept = self.workflows[workflow_id]
            kept |= {key: body[key] for key in WORKFLOW_KEYS[1:]}
            kept["updatedAt"] = iso(utc_now())
            self._save(kept)
            if kept["active"] and publish:
                self.publish(workflow_id, kept["versionId"])
            return kept

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


def _check_nodes(body: dict[str, Any]) -> None:
    for node in body["nodes"]:
        if node["type"].removeprefix("n8n-nodes-base.") not in RUNNERS:
            raise Refused(400, f"the stand-in does not run nodes of type {node['type']}")
