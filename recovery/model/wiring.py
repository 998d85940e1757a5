"""How an n8n is connected to n8n-medic: what is wished, what is there, what is changed, and what was changed before."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = [
    "CANARY_NAME",
    "CANARY_WORDS",
    "Change",
    "ChangeKind",
    "Passed",
    "Shipped",
    "Wired",
    "Wiring",
    "WiringView",
    "Wish",
]

CANARY_NAME = "n8n-medic: canary"  # the workflow that fails on purpose
CANARY_WORDS = "n8n-medic canary"  # with these its error begins


class ChangeKind(StrEnum):
    """What is changed in an n8n."""

    CREDENTIAL = "credential"  # one is made
    RENEW = "renew"  # what is in one is written anew
    TAG = "tag"  # one is made
    INSTALL = "install"  # a shipped workflow is made
    UPDATE = "update"  # and saved anew
    PUBLISH = "publish"
    ERROR_WORKFLOW = "error_workflow"  # a workflow names the error handler
    CANARY = "canary"  # a workflow that fails on purpose is made, and taken away again
    PROOF = "proof"  # a failure of it was heard here; nothing is changed


@dataclass(frozen=True, slots=True)
class Shipped:
    """A workflow that n8n-medic brings.

    Fields:
        stem: the name of its file, without .json: what it is called on the command line.
        body: the file.
    """

    stem: str
    body: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What it is called in n8n."""
        return str(self.body.get("name") or self.stem)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants of `medic connect`.

    Fields:
        site: the name of the n8n here.
        address: where n8n reaches n8n-medic.
        handler: the stem of the error handler. chosen: the stems of all shipped workflows to install.
        tokens: of each credential by its name: a fingerprint of the token that belongs into it.
        tags: those to make.
        only: ids or names of the workflows to give the error handler; () for all. tagged: one of these tags instead.
        replace: an error workflow that is set already is replaced. reinstall: shipped workflows that people have
            changed are too. renew: credentials of ours that people have made are written anew.
    """

    site: str
    address: str
    handler: str
    chosen: tuple[str, ...]
    tokens: Mapping[str, str]
    tags: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    tagged: tuple[str, ...] = ()
    replace: bool = False
    reinstall: bool = False
    renew: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One change of an n8n, and why.

    Fields:
        key: what of ours it is about: a stem, a credential's or a tag's name; of an error workflow, the workflow's id.
        name: how people call it.
        target: its id in n8n; "" for what is yet to be made.
        before: what undoes it. after: what it makes.
    """

    kind: ChangeKind
    key: str
    name: str
    because: str
    target: str = ""
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wired:
    """A change that was made, or begun, by an earlier connect.

    Fields:
        done: False where it was begun and nobody knows whether it was made.
    """

    id: int
    change: Change
    done: bool


@dataclass(frozen=True, slots=True)
class WiringView:
    """What is there: the workflows, credentials and tags of an n8n, and what earlier connects have done (oldest first).

    Fields:
        tags: by name; None where n8n has none by its settings, or the key may not see them.
    """

    workflows: tuple[Mapping[str, Any], ...]
    credentials: tuple[Mapping[str, Any], ...]
    tags: Mapping[str, str] | None
    wired: tuple[Wired, ...] = ()


@dataclass(frozen=True, slots=True)
class Passed:
    """Something that stays as it is, and why; `fine` where that is as it should be."""

    name: str
    because: str
    fine: bool = True


@dataclass(frozen=True, slots=True)
class Wiring:
    """The plan: what is changed, in this order, and what is passed over."""

    changes: tuple[Change, ...]
    passed: tuple[Passed, ...] = ()
