"""The workflows that we ship, put into an n8n as a program or a person would, with channels that a test can read."""

import copy
import itertools
import json
from pathlib import Path
from typing import Any

import requests

from tests.n8n.real import RealN8n
from tests.standins.service import Answer, Call, Service

FOLDER = Path(__file__).parents[2] / "n8n_workflows"
FILES = sorted(FOLDER.glob("*.json"))
SCOPED = {
    f"MEDIC_{name.upper()}_TOKEN": f"{name}-token-for-tests" for name in ("signals", "probes", "report", "replay")
}
CREDENTIALS = {
    **{
        f"n8n-medic {name}": SCOPED[f"MEDIC_{name.upper()}_TOKEN"] for name in ("signals", "probes", "report", "replay")
    },
    "n8n-medic alerts": "alerts-token-for-tests",
}
CHANNELS = {"Slack": "slack", "Mail": "mail", "SMS": "sms"}
Nodes = dict[str, dict[str, Any]]
_numbers = itertools.count(1)


def load(name: str) -> dict[str, Any]:
    """One of our workflows, as it is shipped."""
    return dict(json.loads((FOLDER / f"{name}.json").read_text()))


class Shipped:
    """Our workflows on a real n8n. `told` is where the channels of `with_channels` post to, as /slack, /mail, /sms."""

    def __init__(self, n8n: RealN8n, told: Service):
        self.n8n, self.told = n8n, told
        self._credentials: dict[str, str] = {}
        self._made: list[str] = []

    def credential(self, name: str) -> str:
        """The id of one of our credentials, made where there is none yet: two of a name would not be found by it."""
        kept = self.n8n.api("GET", "credentials", limit=250).json()["data"]
        self._credentials |= {one["name"]: one["id"] for one in kept if name not in self._credentials}
        if name not in self._credentials:
            data = {"name": "X-Medic-Token", "value": CREDENTIALS[name]}
            self._credentials[name] = self.n8n.create_credential(name, "httpHeaderAuth", data)
        return self._credentials[name]

    def publish(self, workflow: dict[str, Any], medic_url: str, **settings: str) -> str:
        """What connect does: the address, the ids of the credentials, and nothing else; then publish. Its id."""
        made = self.filled_in(workflow, medic_url, **settings)
        made["name"] += f" {next(_numbers)}"
        workflow_id = self.n8n.create_workflow(made)
        self.activate(workflow_id)
        return workflow_id

    def activate(self, workflow_id: str, webhook: str = "") -> None:
        """Publish it until the end of the test."""
        self._made.append(workflow_id)
        self.n8n.activate(workflow_id, webhook)

    def filled_in(self, workflow: dict[str, Any], medic_url: str, **settings: str) -> dict[str, Any]:
        """A copy with the address and the credentials' ids."""
        made = copy.deepcopy(workflow)
        for node in made["nodes"]:
            for kept in node.get("credentials", {}).values():
                kept["id"] = self.credential(kept["name"])
        set_fields(made, **settings)
        for field in nodes_of(made)["Settings"]["parameters"]["assignments"]["assignments"]:
            if field["name"] == "medic_url":
                field["value"] = medic_url
        return made

    def with_channels(self, workflow: dict[str, Any], *on: str) -> dict[str, Any]:
        """A copy whose channels of these names are switched on, and post to `told` instead of the real services."""
        made = copy.deepcopy(workflow)
        for node in made["nodes"]:
            if node["name"] in on:
                body = "={{ JSON.stringify({ title: $json.title, text: $json.text, short: $json.short }) }}"
                post = {"method": "POST", "url": f"{self.told.url}/{CHANNELS[node['name']]}", "sendBody": True}
                node["parameters"] = {**post, "specifyBody": "json", "jsonBody": body, "options": {"timeout": 5000}}
                node.update(type="n8n-nodes-base.httpRequest", typeVersion=4.2, disabled=False)
        return made

    def end(self) -> None:
        """Unpublish what was published, so that no schedule of one test fires in the next."""
        for workflow_id in self._made:
            self.n8n.api("POST", f"workflows/{workflow_id}/deactivate")
        self._made.clear()


def nodes_of(workflow: dict[str, Any]) -> Nodes:
    """Its nodes by name."""
    return {node["name"]: node for node in workflow["nodes"]}


def set_fields(workflow: dict[str, Any], **fields: str) -> None:
    """Type into its node Settings; a field that is not there is a slip of the test."""
    kept = {one["name"]: one for one in nodes_of(workflow)["Settings"]["parameters"]["assignments"]["assignments"]}
    for name, value in fields.items():
        kept[name]["value"] = value


def hurried(workflow: dict[str, Any], seconds: int = 2) -> dict[str, Any]:
    """A copy whose schedules fire every few seconds, whose waits take one, and which tries again at once."""
    made = copy.deepcopy(workflow)
    for node in made["nodes"]:
        if node["type"].endswith("scheduleTrigger"):
            node["parameters"] = {"rule": {"interval": [{"field": "seconds", "secondsInterval": seconds}]}}
        if node["type"].endswith(".wait"):
            node["parameters"]["amount"] = 1
        if node.get("retryOnFail"):
            node["waitBetweenTries"] = 200
    return made


class Recording(Service):
    """Stands between n8n and a companion: hands each call on, and keeps what was said."""

    def __init__(self, url: str):
        self._url = url
        super().__init__()

    def take(self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: Any) -> Answer:
        """Hand a call on, and count it."""
        kept = {name: headers[name] for name in ("x-medic-token", "content-type") if name in headers}
        content = None if body is None else json.dumps(body)
        answer = requests.request(method, self._url + path, params=query, headers=kept, data=content, timeout=30)
        with self._lock:
            self._calls.append(Call(method, path, "", headers, body, answer.status_code, query))
        return Answer(answer.status_code, answer.json())
