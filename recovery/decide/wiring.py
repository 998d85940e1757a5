"""What connects an n8n to n8n-medic: what is wished and what is there in, a list of changes with their reasons out."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from recovery.decide.coverage import Handler, has_draft, plan_error_workflows, projects_of
from recovery.decide.shipped import HEADER_AUTH, credentials_of, fill, is_error_handler, same_flow, with_credentials
from recovery.model import CANARY_NAME, Change, ChangeKind, Passed, Shipped, Wired, Wiring, WiringView, Wish

__all__ = ["plan_wiring"]

ANYBODY = "any"
RUNS = "n8n runs only what is published"
Row = Mapping[str, Any]


@dataclass(slots=True)
class _Draft:
    """The plan as it grows, and the ids that it needs: "" for what is yet to be made."""

    wish: Wish
    view: WiringView
    changes: list[Change] = field(default_factory=list)
    passed: list[Passed] = field(default_factory=list)
    credentials: dict[str, str] = field(default_factory=dict)
    installed: dict[str, str] = field(default_factory=dict)

    def newest(self, key: str, *kinds: ChangeKind) -> Wired | None:
        """The last thing of these kinds that an earlier connect has done about it."""
        found = self.made(key, *kinds)
        return found[-1] if found else None

    def made(self, key: str, *kinds: ChangeKind) -> list[Wired]:
        """All things of these kinds that earlier connects have done about it, oldest first."""
        return [one for one in self.view.wired if one.done and one.change.kind in kinds and one.change.key == key]


def plan_wiring(wish: Wish, shipped: Mapping[str, Shipped], view: WiringView) -> Wiring:
    """What has to be changed, in the order in which it is done; nothing where all is as it should be."""
    draft = _Draft(wish, view)
    for name, fingerprint in wish.tokens.items():
        _plan_credential(draft, name, fingerprint)
    _find_theirs(draft, [shipped[stem] for stem in wish.chosen])
    for stem in sorted(wish.chosen, key=lambda one: one != wish.handler):
        _plan_workflow(draft, shipped[stem])
    _plan_tags(draft)
    ours = {one.name for one in shipped.values()} | {CANARY_NAME}
    handler = _handler(draft, shipped[wish.handler])
    changes, passed = plan_error_workflows(wish, view, handler, ours)
    draft.passed += passed
    draft.changes += [*_plan_proof(draft, handler), *changes]  # what is proven first is what workflows are given
    return Wiring(tuple(draft.changes), tuple(draft.passed))


def _handler(draft: _Draft, shipped: Shipped) -> Handler:
    now = draft.installed.get(shipped.stem, "")
    earlier = {one.change.target for one in draft.made(shipped.stem, ChangeKind.INSTALL)} - {now}
    return Handler(now, shipped.name, frozenset(earlier))


# -- credentials


def _plan_credential(draft: _Draft, name: str, fingerprint: str) -> None:
    rows = [one for one in draft.view.credentials if one.get("name") == name and one.get("type") == HEADER_AUTH]
    ids = [str(one.get("id")) for one in rows]
    made = draft.newest(name, ChangeKind.CREDENTIAL, ChangeKind.RENEW)
    target = made.change.target if made and made.change.target in ids else ids[0] if ids else ""
    draft.credentials[name] = target
    after = {"secret": fingerprint}
    if not target:
        because = "n8n shows its token with it"
        draft.changes.append(Change(ChangeKind.CREDENTIAL, name, name, because, before={"ids": ids}, after=after))
    elif made and made.change.target == target and made.change.after.get("secret") != fingerprint:
        because = "the token is another by now"
        draft.changes.append(Change(ChangeKind.RENEW, name, name, because, target, after=after))
    elif made and made.change.target == target:
        draft.passed.append(Passed(name, "the credential is there"))
    elif draft.wish.renew:
        draft.changes.append(Change(ChangeKind.RENEW, name, name, "as you asked", target, after=after))
    else:
        because = "the credential is there; what is in it cannot be read (--renew writes it anew)"
        draft.passed.append(Passed(name, because))


def _find_theirs(draft: _Draft, chosen: Iterable[Shipped]) -> None:
    """Credentials that only people can make: where one has the name that a shipped workflow gives, it is used."""
    for name in {name for one in chosen for kind, name in credentials_of(one.body) if kind == HEADER_AUTH}:
        rows = [one for one in draft.view.credentials if (one.get("name"), one.get("type")) == (name, HEADER_AUTH)]
        if name not in draft.wish.tokens and len(rows) == 1:
            draft.credentials[name] = str(rows[0].get("id"))


def _lacking(draft: _Draft, workflow: Row) -> str:
    """The credentials that it names and that nobody has made, in words; "" for none. n8n would not publish it."""
    there = {(str(one.get("type")), str(one.get("name"))) for one in draft.view.credentials}
    there |= {(HEADER_AUTH, name) for name in draft.wish.tokens}
    return ", ".join(f"{name} ({kind})" for kind, name in credentials_of(workflow) if (kind, name) not in there)


# -- shipped workflows


def _plan_workflow(draft: _Draft, shipped: Shipped) -> None:
    made = draft.newest(shipped.stem, ChangeKind.INSTALL, ChangeKind.UPDATE)
    found = _find(draft.view, shipped, made.change.target if made else "")
    draft.installed[shipped.stem] = str(found["id"]) if found else ""
    if found is None:
        body = _ready(draft, shipped.body)
        if is_error_handler(body):
            body["settings"].setdefault("callerPolicy", ANYBODY)
        before = {"ids": [str(one["id"]) for one in draft.view.workflows if one.get("name") == shipped.name]}
        because = _why_not_there(draft, shipped, made)
        draft.changes.append(Change(ChangeKind.INSTALL, shipped.stem, shipped.name, because, before=before, after=body))
        if lacking := _lacking(draft, body):
            draft.passed.append(_waits(shipped, lacking))
        else:
            draft.changes.append(_publish(shipped, "", RUNS))
        return
    _plan_kept(draft, shipped, found, made)


def _why_not_there(draft: _Draft, shipped: Shipped, made: Wired | None) -> str:
    """Why one is made, for whoever has deleted or archived it and may not want another."""
    if made is None:
        return "it is not there"
    archived = any(one.get("id") == made.change.target for one in draft.view.workflows)
    gone = "the one that connect made is archived" if archived else "the one that connect made was deleted"
    return gone if shipped.stem == draft.wish.handler else f"{gone} (leave it out with --workflows)"


def _waits(shipped: Shipped, lacking: str) -> Passed:
    then = f"then run medic connect --workflows {shipped.stem}"
    words = f"not published before you have made its credential in n8n: {lacking}; {then}"
    return Passed(shipped.name, words, fine=False)


def _plan_kept(draft: _Draft, shipped: Shipped, found: Row, made: Wired | None) -> None:
    """A shipped workflow that is there: is it right, and live?"""
    _look_at_callers(draft, shipped, found)
    target, live = str(found["id"]), found.get("activeVersion")
    is_ours = made is not None and same_flow(found, made.change.after)
    if has_draft(found) and isinstance(live, Mapping) and not is_ours:
        good = same_flow(live, _goal(draft, shipped, {**found, **live}, made)[0])
        words = "what is live is right; its draft is left alone" if good else "it has a draft: publish or discard it"
        draft.passed.append(Passed(shipped.name, words, good))
        return
    goal, is_theirs = _goal(draft, shipped, found, made)
    if not same_flow(found, goal):
        only_filled = same_flow(_ready(draft, found), goal)
        because = "its address or credential is another" if only_filled else "it is another than the shipped one"
        before = {key: found.get(key) for key in ("name", "nodes", "connections", "settings")}
        draft.changes.append(
            Change(ChangeKind.UPDATE, shipped.stem, shipped.name, because, target, before, goal),
        )
        draft.changes.append(_publish(shipped, target, "so that it is live", found))
    elif not found.get("active") and (lacking := _lacking(draft, found)):
        draft.passed.append(_waits(shipped, lacking))
    elif not found.get("active") or has_draft(found):
        draft.changes.append(_publish(shipped, target, RUNS, found))
    else:
        words = "it is there and published"
        draft.passed.append(Passed(shipped.name, words + ("; what you changed in it is kept" if is_theirs else "")))


def _look_at_callers(draft: _Draft, shipped: Shipped, found: Row) -> None:
    """n8n lets nobody but workflows of its own project call an error workflow, unless its settings say otherwise."""
    settings = found.get("settings")
    policy = settings.get("callerPolicy") if isinstance(settings, Mapping) else None
    here = projects_of(found)
    others = any(here and projects_of(one) - here for one in draft.view.workflows)
    if is_error_handler(shipped.body) and policy != ANYBODY and others:
        words = "workflows of other projects may not call it: let any workflow do so, in its Settings"
        draft.passed.append(Passed(shipped.name, words, fine=False))


def _goal(draft: _Draft, shipped: Shipped, found: Row, made: Wired | None) -> tuple[dict[str, Any], bool]:
    """What the workflow should be, and whether people have made it another than what is shipped: theirs is kept."""
    fresh = _ready(draft, shipped.body)
    untouched = made is not None and same_flow(found, made.change.after)
    kept = _ready(draft, found)
    if untouched or draft.wish.reinstall or same_flow(kept, fresh):
        return fresh, False
    return kept, True


def _ready(draft: _Draft, workflow: Row) -> dict[str, Any]:
    return with_credentials(fill(workflow, draft.wish.address, draft.wish.site), draft.credentials)


def _publish(shipped: Shipped, target: str, because: str, found: Row | None = None) -> Change:
    before = {"active": bool(found.get("active")), "version": found.get("activeVersionId")} if found else {}
    after = {"version": found.get("versionId")} if found else {}
    return Change(ChangeKind.PUBLISH, shipped.stem, shipped.name, because, target, before, after)


def _find(view: WiringView, shipped: Shipped, known_id: str) -> Row | None:
    """The workflow that we made; else one that a person imported: by its id, or by its name."""
    there = [one for one in view.workflows if not one.get("isArchived")]
    for wanted in (known_id, str(shipped.body.get("id"))):
        for one in there:
            if wanted and one.get("id") == wanted:
                return one
    return next((one for one in there if one.get("name") == shipped.name), None)


# -- the rest


def _plan_tags(draft: _Draft) -> None:
    known = draft.view.tags
    if known is None and draft.wish.tags:
        words = "n8n has no tags by its settings, or the API key may not see them (tag:list)"
        draft.passed.append(Passed("tags", words, fine=False))
        return
    for name in draft.wish.tags:
        if name not in (known or {}):
            because = "a workflow that carries one says what may be done with its failures"
            draft.changes.append(Change(ChangeKind.TAG, name, name, because))


def _plan_proof(draft: _Draft, handler: Handler) -> Iterator[Change]:
    """Prove the loop where anything about it is new, or it was never proven."""
    about = {"address": draft.wish.address, "handler": handler.id}
    proven = draft.newest(draft.wish.handler, ChangeKind.PROOF)
    loop = {ChangeKind.CREDENTIAL, ChangeKind.RENEW, ChangeKind.INSTALL, ChangeKind.UPDATE, ChangeKind.PUBLISH}
    is_new = any(one.kind in loop for one in draft.changes)
    if is_new or proven is None or about.items() - proven.change.after.items():
        because = "a workflow fails on purpose, and its failure must be heard here; it is removed again"
        yield Change(ChangeKind.PROOF, draft.wish.handler, CANARY_NAME, because, after=about)
