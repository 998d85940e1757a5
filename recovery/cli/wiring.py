"""Changes an n8n as planned: each change is written down before it is made, so that it can always be taken back."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from recovery.cli.saving import Saving
from recovery.clock import utc_now
from recovery.decide.shipped import HEADER_AUTH, webhooks_of, with_credentials
from recovery.model import Change, ChangeKind, N8nError, N8nWiring
from recovery.store import wirings

TOKEN_HEADER = "X-Medic-Token"  # noqa: S105 - the name of a header
WEBHOOK_SECONDS = 20.0


class Stopped(Exception):
    """Nothing more can be done; the message says what was wrong and what to do."""


def fingerprint(secret: str) -> str:
    """What is kept of a token, to see whether it is another by now."""
    return hashlib.sha256(secret.encode()).hexdigest()[:16]


@dataclass
class Wirer:
    """Makes changes in one n8n, one after the other.

    Fields:
        tokens: what goes into each credential, by its name. handler: the stem of the error handler.
        tell: says a line to the person.
        failed: lines about what was not done.
        ids: what was made: by credential's name and by stem. versions: of workflows that were saved, by id.
        keeps_drafts: this n8n was seen to keep a draft unpublished.
        beside: the stems of shipped workflows that nothing else needs.
    """

    door: N8nWiring
    tokens: Mapping[str, str]
    handler: str
    tell: Callable[[str], None]
    failed: list[str] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    keeps_drafts: bool = False
    beside: frozenset[str] = frozenset()

    def make(self, change: Change) -> None:
        """Make one change. One workflow that cannot be changed holds up no other; anything else does.

        Raises:
            Stopped: it was not made, and what follows needs it.
        """
        make = getattr(self, f"_{change.kind.value}")
        try:
            make(change)
        except N8nError as error:
            alone = change.kind in (ChangeKind.ERROR_WORKFLOW, ChangeKind.TAG) or change.key in self.beside
            if not alone:
                raise Stopped(f"{change.name}: {error}") from None
            self.fail(f"{change.name}: {error}")

    def fail(self, words: str) -> None:
        """Note something that was not done, or not as meant; one line, whatever n8n has said."""
        words = " ".join(words.split())
        self.failed.append(words)
        self.tell(f"  ! {words}")

    def run(self, change: Change, effect: Callable[[], str]) -> str:
        """Write down, make, write down; the id that came of it.

        Raises:
            N8nError: n8n refused. Where it gave no answer, the next connect looks what became of it.
        """
        number = wirings.begin_change(self.door.site, change, utc_now())
        try:
            target = effect()
        except N8nError as error:
            if error.permanent:
                wirings.end_change(number, wirings.VOID, utc_now())
            raise
        wirings.end_change(number, wirings.DONE, utc_now(), target)
        return target

    # -- one method for each kind of change

    def _credential(self, change: Change) -> None:
        data = {"name": TOKEN_HEADER, "value": self.tokens[change.key]}
        made = self.run(change, lambda: self.door.create_credential(change.name, HEADER_AUTH, data))
        self.ids[change.key] = made
        self.tell(f"  made the credential {change.name}")

    def _renew(self, change: Change) -> None:
        data = {"name": TOKEN_HEADER, "value": self.tokens[change.key]}

        def write() -> str:
            self.door.change_credential(change.target, data)
            return change.target

        self.run(change, write)
        self.tell(f"  wrote the credential {change.name} anew")

    def _tag(self, change: Change) -> None:
        self.run(change, lambda: self.door.create_tag(change.name))
        self.tell(f"  made the tag {change.name}")

    def _install(self, change: Change) -> None:
        body = with_credentials(change.after, self.ids)

        def create() -> str:
            made = self.door.create_workflow(body)
            self.versions[str(made["id"])] = str(made.get("versionId"))
            return str(made["id"])

        self.ids[change.key] = self.run(replace(change, after=body), create)
        self.tell(f"  made the workflow {change.name}")

    def _update(self, change: Change) -> None:
        body = with_credentials(change.after, self.ids)

        def save() -> str:
            saved = self.door.save_workflow(change.target, body)
            self.versions[change.target] = str(saved.get("versionId"))
            return change.target

        self.run(replace(change, after=body), save)
        self.tell(f"  saved the workflow {change.name} anew")

    def _publish(self, change: Change) -> None:
        target = change.target or self.ids.get(change.key, "")
        if not target:
            return  # it could not be made, which was told
        version = self.versions.get(target) or str(change.after.get("version"))

        def publish() -> str:
            return str(self.door.publish(target, version).get("id") or target)

        self.run(replace(change, target=target), publish)
        self.tell(f"  published {change.name}")
        for path, method in webhooks_of(self.door.workflow(target) or {}):
            if not self.door.await_webhook(path, method, WEBHOOK_SECONDS):
                self.fail(f"{change.name} is published, and its webhook {method} {path} does not answer")

    def _error_workflow(self, change: Change) -> None:
        handler = str(change.after.get("errorWorkflow") or self.ids.get(self.handler))
        row = self.door.workflow(change.target)
        if row is None:
            self.tell(f"  {change.name} was deleted meanwhile")
            return
        saving = Saving(self.door, row, self.keeps_drafts)
        if words := saving.why_not(change.before.get("errorWorkflow")):
            self.fail(f"{change.name}: {words}")
            return
        after = {"errorWorkflow": handler}
        self.run(replace(change, after=after), lambda: saving.name_error_workflow(handler))
        for note in saving.notes:
            self.fail(f"{change.name}: {note}")
        self.tell(f"  {change.name} names it as its error workflow")
