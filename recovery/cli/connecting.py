"""Connects an n8n: looks, plans, shows, asks, changes, proves; or takes all of that back."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from recovery.cli.access import Access, look_at_access
from recovery.cli.proving import Proof, remove_canaries
from recovery.cli.shipped_files import HANDLER, tokens_for
from recovery.cli.unwiring import take_back
from recovery.cli.wiring import Stopped, Wirer, fingerprint
from recovery.cli.wiring_words import show_plan, show_undo
from recovery.clock import utc_now
from recovery.config import Config
from recovery.decide.coverage import has_draft, why_not_chosen
from recovery.decide.unwiring import plan_undo, settle, settled_view
from recovery.decide.wiring import plan_wiring
from recovery.model import (
    CANARY_NAME,
    Change,
    ChangeKind,
    N8nError,
    N8nWiring,
    Shipped,
    Wired,
    Wiring,
    WiringView,
    Wish,
)
from recovery.store import sites, wirings
from recovery.store.database import TROUBLE

TAGS = ("medic:no-retry", "medic:retry-safe", "medic:retry-from-start", "medic:critical", "medic:ignore")
LOCK = ".connect.lock"
WEB_AWAY = timedelta(seconds=15)


class Refused(Exception):
    """Nothing was changed; the message says why and what to do."""


@contextmanager
def only_looking() -> Iterator[None]:
    """Nothing is changed meanwhile, and what n8n refuses is told so. Raises Refused."""
    try:
        yield
    except N8nError as error:
        raise Refused(str(error)) from None


@dataclass(frozen=True, slots=True)
class Request:
    """What the options of `medic connect` say beside the n8n's name, address and key."""

    address: str
    chosen: tuple[str, ...]
    only: tuple[str, ...] = ()
    tagged: tuple[str, ...] = ()
    replace: bool = False
    reinstall: bool = False
    renew: bool = False


@dataclass
class Connecting:
    """One n8n that is being connected.

    Fields:
        config: with every secret; without those that are not made yet, where nothing may be changed.
        has_database: what was changed before can be read.
        tell: says a line to the person.
    """

    config: Config
    door: N8nWiring
    shipped: dict[str, Shipped]
    request: Request
    has_database: bool
    tell: Callable[[str], None]
    access: Access = field(init=False)
    view: WiringView = field(init=False)
    wiring: Wiring = field(init=False)

    def look(self) -> None:
        """See what is there, and plan. Nothing is changed. Raises Refused."""
        with only_looking():
            self.access = look_at_access(self.door)
            if self.access.refused:
                raise Refused(self.access.refused)
            for line in self.access.lines:
                self.tell(line)
            self.view = read_view(self.door, self._wired(self.door.site))
        self._refuse_another_name()
        if words := why_not_chosen(self.request.only, self.request.tagged, self.view):
            raise Refused(words)
        settled = settle(self.view)
        self.view = settled_view(self.view, settled)
        self.wiring = plan_wiring(self._wish(), self.shipped, self.view)

    def _wired(self, site: str) -> tuple[Wired, ...]:
        if not self.has_database:
            return ()
        try:
            return wirings.find_wired(site)
        except TROUBLE:
            return ()  # a database of before: nothing was connected by us

    def _refuse_another_name(self) -> None:
        """One n8n has one name: under a second one its workflows would tell of it by that, and no more by the first."""
        here = {str(one["id"]) for one in self.view.workflows}
        for name in {one.name for one in self.config.n8n} - {self.door.site}:
            if here & {one.change.target for one in self._wired(name)}:
                raise Refused(f"this n8n is connected as {name}: --name {name}, or undo that first (--undo)")

    def _wish(self) -> Wish:
        asked = self.request
        chosen = [self.shipped[stem] for stem in asked.chosen]
        prints = {name: fingerprint(token) for name, token in tokens_for(self.config, chosen).items()}
        return Wish(
            site=self.door.site, address=asked.address, handler=HANDLER, chosen=asked.chosen, tokens=prints, tags=TAGS,
            only=asked.only, tagged=asked.tagged, replace=asked.replace, reinstall=asked.reinstall, renew=asked.renew,
        )  # fmt: skip

    def show(self) -> None:
        """Tell what would be changed, and what would not."""
        for line in show_plan(self.wiring):
            self.tell(line)

    def apply(self) -> bool:
        """Make all changes and prove the loop; whether all of it went well. Raises Stopped, N8nError."""
        self._note_settled()
        wirer = self._wirer()
        proof_is_owed = False
        for change in self._with_look_at_drafts():
            if change.kind is ChangeKind.PROOF:
                proof_is_owed = not self._prove(wirer, change)
            else:
                wirer.make(change)
        return not wirer.failed and not proof_is_owed

    def _note_settled(self) -> None:
        """Write down what became of what nobody saw the end of, and take left canaries away."""
        note_settled(self.door)
        remove_canaries(self.door)

    def _wirer(self) -> Wirer:
        chosen = [self.shipped[stem] for stem in self.request.chosen]
        wirer = Wirer(self.door, tokens_for(self.config, chosen), HANDLER, self.tell)
        wirer.beside = frozenset(self.request.chosen) - {HANDLER}
        made = [one for one in self.view.wired if one.done and one.change.kind is ChangeKind.INSTALL]
        wirer.ids |= {one.change.key: one.change.target for one in made}
        return wirer

    def _with_look_at_drafts(self) -> Iterator[Change]:
        """The changes; with a proof where a draft is in the way and nobody has seen how this n8n treats them."""
        named = {one.target for one in self.wiring.changes if one.kind is ChangeKind.ERROR_WORKFLOW}
        drafts = any(row.get("id") in named and has_draft(row) for row in self.view.workflows)
        if drafts and not any(one.kind is ChangeKind.PROOF for one in self.wiring.changes):
            yield Change(ChangeKind.PROOF, HANDLER, CANARY_NAME, "to see that this n8n leaves drafts unpublished")
        yield from self.wiring.changes

    def _prove(self, wirer: Wirer, change: Change) -> bool:
        handler = str(change.after.get("handler") or wirer.ids.get(HANDLER) or "")
        runs = self._is_running()
        proof = Proof(wirer, handler, self.request.address)
        try:
            proof.run(change.because, listens=runs)
        except N8nError as error:
            raise Stopped(f"the canary: {error}") from None
        if proof.heard:
            self.tell("  a failure on purpose arrived here: the loop is closed")
            return True
        because = proof.because or "n8n-medic does not run: start it (medic serve), and run medic connect again"
        wirer.fail(f"NOT PROVEN: {because}")
        return False

    def _is_running(self) -> bool:
        beat = sites.latest_beat("web")
        return beat is not None and utc_now() - beat < WEB_AWAY


def read_view(door: N8nWiring, wired: tuple[Wired, ...]) -> WiringView:
    """What is there now. Raises N8nError."""
    try:
        tags = {str(one.get("name")): str(one.get("id")) for one in door.tags()}
    except N8nError as error:
        if error.kind not in ("client", "forbidden", "too_old"):
            raise
        tags = None
    return WiringView(tuple(door.workflows()), tuple(door.credentials()), tags, wired)


def note_settled(door: N8nWiring) -> WiringView:
    """Write down what became of changes that nobody saw the end of; what is there now. Raises N8nError."""
    view = read_view(door, wirings.find_wired(door.site))
    settled = settle(view)
    for one in settled:
        wirings.end_change(one.wired.id, wirings.DONE if one.done else wirings.VOID, utc_now(), one.target)
    return settled_view(view, settled)


def undo(door: N8nWiring, tell: Callable[[str], None], agreed: Callable[[], bool]) -> bool:
    """Take back what was changed, once a person agreed; whether all of it went well. Raises Refused, N8nError."""
    with only_looking():
        access = look_at_access(door, undoing=True)
        if access.refused:
            raise Refused(access.refused)
        view = read_view(door, wirings.find_wired(door.site))
    view = settled_view(view, settle(view))
    plan = plan_undo(view)
    lines = list(show_undo(plan))
    if not lines:
        tell(f"Nothing that was changed in n8n {door.site} from here is still there.")
    for line in ["To be taken back:", *lines] if lines else []:
        tell(line)
    if lines and not agreed():
        return True
    view = note_settled(door)
    wirer = Wirer(door, {}, HANDLER, tell)
    take_back(wirer, plan_undo(view), replace(view))
    return not wirer.failed


def chosen_before(site: str) -> tuple[str, ...]:
    """The stems that connect has installed in that n8n, once it was seen to work; before that it is not yet whole."""
    try:
        done = [one.change for one in wirings.find_wired(site) if one.done]
    except TROUBLE:
        return ()  # a database of before
    proven = any(one.kind is ChangeKind.PROOF for one in done)
    kinds = (ChangeKind.INSTALL, ChangeKind.UPDATE, ChangeKind.PUBLISH)
    return tuple(dict.fromkeys(one.key for one in done if one.kind in kinds)) if proven else ()


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Hold the right to connect: two at once would make everything twice. Raises Refused."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Refused("another medic connect runs from here: wait until it has ended") from None
    finally:
        os.close(handle)
