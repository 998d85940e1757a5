"""Proves that n8n's failures arrive here: a workflow fails on purpose, is heard, and is removed again."""

import json
import re
import secrets
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from recovery.cli.wiring import Wirer
from recovery.clock import utc_now
from recovery.model import CANARY_NAME, CANARY_WORDS, Change, ChangeKind, N8nError, N8nWiring
from recovery.store import signals, wirings

CALLED = "n8n-error"
SIGNAL_ID = re.compile(r'"id": (\d{1,18})\b')
HEARD_SECONDS, LOOK_AGAIN_SECONDS, WEBHOOK_SECONDS = 60.0, 0.25, 20.0


@dataclass
class Proof:
    """One canary in one n8n.

    Fields:
        handler: the id of the error handler. address: where it calls.
        heard: its failure arrived here. because: why it did not, and what to do about it.
    """

    wirer: Wirer
    handler: str
    address: str
    heard: bool = False
    because: str = ""
    _sign: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def door(self) -> N8nWiring:
        """The n8n."""
        return self.wirer.door

    @property
    def _path(self) -> str:
        return f"n8n-medic-canary-{self._sign}"

    def run(self, because: str, listens: bool) -> None:
        """Make a canary, see how this n8n treats drafts, let it fail and listen, and remove it. Raises N8nError."""
        others = [str(one["id"]) for one in self.door.workflows() if one.get("name") == CANARY_NAME]
        canary = Change(ChangeKind.CANARY, CANARY_NAME, CANARY_NAME, because, before={"ids": others})
        made: dict[str, Any] = {}

        def create() -> str:
            made.update(self.door.create_workflow(self._body("Fail")))
            return str(made["id"])

        target = self.wirer.run(canary, create)
        try:
            self.door.publish(target, str(made.get("versionId")))
            self.wirer.keeps_drafts = self._keeps_drafts(target, made)
            self.heard = listens and self._fail_and_listen(target)
        finally:
            remove_canaries(self.door)
        if self.heard:
            about = {"address": self.address, "handler": self.handler}
            self.wirer.run(Change(ChangeKind.PROOF, self.wirer.handler, CANARY_NAME, because, after=about), lambda: "")

    def _body(self, name: str) -> dict[str, Any]:
        words = f"{CANARY_WORDS} {self._sign}: a failure on purpose, to see that it arrives"
        hook = _node("Call", "webhook", 2, {"httpMethod": "POST", "path": self._path, "options": {}}, 0)
        nodes = [hook | {"webhookId": str(uuid.uuid4())}]
        nodes.append(_node(name, "stopAndError", 1, {"errorMessage": words}, 300))
        wires = {"Call": {"main": [[{"node": name, "type": "main", "index": 0}]]}}
        settings = {"executionOrder": "v1"} | ({"errorWorkflow": self.handler} if self.handler else {})
        return {"name": CANARY_NAME, "nodes": nodes, "connections": wires, "settings": settings}

    def _keeps_drafts(self, target: str, made: Mapping[str, Any]) -> bool:
        """Whether n8n leaves a draft unpublished where it is told to: asked of the canary, never of a person's own."""
        saved = self.door.save_workflow(target, self._body("Draft"))
        return saved.get("activeVersionId") == made.get("versionId") != saved.get("versionId")

    def _fail_and_listen(self, target: str) -> bool:
        if not self.door.await_webhook(self._path, "POST", WEBHOOK_SECONDS):
            self.because = "n8n has published the canary, and its webhook does not answer: look at n8n's log"
            return False
        before, known = signals.newest_signal(), self._ended()
        self.door.call_webhook(self._path)
        until = time.monotonic() + HEARD_SECONDS
        while time.monotonic() < until:
            if signals.was_heard(CALLED, self.door.site, self._sign, before):
                return True
            for execution_id in self._ended() - known:
                run = self.door.execution(execution_id, with_data=True) or {}
                if self._sign not in json.dumps(run):
                    continue  # it tells of another failure
                if self._was_known(run):
                    return True
                if met := _met(run):
                    self.because = f"the error handler ran, and could not reach n8n-medic at {self.address} {met}"
                    return False
            threading.Event().wait(LOOK_AGAIN_SECONDS)
        self.because = f"nothing was heard within {HEARD_SECONDS:g} s: look at the error handler's executions in n8n"
        return False

    def _ended(self) -> set[str]:
        """The executions of the error handler that have ended."""
        pages = [self.door.executions(status, self.handler, limit=20)[0] for status in ("error", "success")]
        return {str(one.get("id")) for page in pages for one in page}

    def _was_known(self, run: Mapping[str, Any]) -> bool:
        """Whether we answered the handler that we knew of it: a poll came first, or n8n counts its runs anew."""
        for rows in _section(run, "data", "resultData", "runData").values():
            text = json.dumps(rows)
            if '"duplicate": true' in text:
                return any(signals.is_known(int(number), self.door.site) for number in SIGNAL_ID.findall(text))
        return False


def _met(run: Mapping[str, Any]) -> str:
    """What n8n met when it called us, and what to do; "" where it met nothing."""
    result = _section(run, "data", "resultData")
    kinds = {str(one.get("name")): str(one.get("type")) for one in _section(run, "workflowData").get("nodes") or ()}
    errors: list[Mapping[str, Any]] = []
    for name, rows in _section(result, "runData").items():
        if kinds.get(name, "").endswith(".httpRequest"):
            errors += [found for row in rows for found in _errors_of(row)]
    errors += [_section(result, "error")]
    error = next((one for one in errors if one), None)
    if error is None:
        return ""
    words = " ".join(
        str(error.get(key)) for key in ("httpCode", "status", "code", "message", "messages") if key in error
    )
    told = next((todo for known, todo in _TO_DO if re.search(known, words)), "")
    return f"({str(error.get('message') or words)[:200]})" + (f": {told}" if told else "")


def _errors_of(row: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The errors of one run of a node: its own, and those that it handed on to the next node."""
    yield _section(row, "error")
    for items in _section(row, "data").get("main") or ():
        for item in items or ():
            found = _section(item, "json").get("error")
            yield found if isinstance(found, Mapping) else {"message": found} if found else {}


_NAME = "n8n does not know that name: give the address that n8n reaches as --address, or public_url"
_TO_DO = (
    (r"\b401\b", "the token in its credential is not n8n-medic's: medic connect --renew writes it anew"),
    (
        r"\b404\b",
        "n8n-medic does not know this n8n by that name: start n8n-medic again, so that it reads its configuration",
    ),
    (r"ENOTFOUND|EAI_AGAIN|getaddrinfo", _NAME),
    (
        r"ECONN|refused|timeout|ETIMEDOUT",
        "from where n8n runs nobody answers there; in a container 127.0.0.1 is the container itself: give the address "
        "that n8n reaches as --address or public_url, and let n8n-medic listen there (bind)",
    ),
)


def remove_canaries(door: N8nWiring) -> None:
    """Take away every canary that was made, and write that down. Raises N8nError."""
    for one in wirings.find_wired(door.site):
        if one.change.kind is ChangeKind.CANARY and one.done:
            remove_workflow(door, one.change.target)
            wirings.end_change(one.id, wirings.UNDONE, utc_now())


def remove_workflow(door: N8nWiring, target: str) -> None:
    """Unpublish and delete; one that is gone is left so. Raises N8nError."""
    try:
        door.unpublish(target)
    except N8nError as error:
        if error.kind != "not_found":
            raise
    door.delete_workflow(target)


def _node(name: str, kind: str, version: float, parameters: Mapping[str, Any], across: int) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "name": name,
        "type": f"n8n-nodes-base.{kind}",
        "typeVersion": version,
        "position": [across, 0],
        "parameters": dict(parameters),
    }


def _section(value: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    for key in keys:
        found = value.get(key)
        value = found if isinstance(found, Mapping) else {}
    return value
