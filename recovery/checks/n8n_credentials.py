"""Credentials of an n8n that no longer work."""

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt

from recovery.checks import check
from recovery.checks.asking_n8n import asking_n8n
from recovery.checks.naming import name_some
from recovery.checks.remembering import known_seconds
from recovery.checks.workflows import heeded
from recovery.model import DoorError, FailureType, N8nDoor, Past, Reading
from recovery.model.durations import Duration
from recovery.model.moments import read_aware

UNTESTABLE = "No testing function found"
NOT_CONNECTED = "not connected to an account"
# Words of a test that failed because the service is not there: that is no fault of the credential.
SERVICE = re.compile(
    r"\bE(?:CONN|NOTFOUND|TIMEDOUT|AI_AGAIN|HOSTUNREACH|NETUNREACH|PROTO|PIPE)|getaddrinfo|socket hang up|"
    r"\bCERT_|certificate|connection (?:was |is )?(?:refused|closed|reset)|unable to connect|timed?[ -]?out|"
    r"status code: 5\d\d",
    re.IGNORECASE,
)
BUSY = {HTTPStatus(number).phrase for number in (408, 425, 429, 500, 501, 502, 503, 504)}
SAID = {one.phrase for one in HTTPStatus} - BUSY
MOST_BAD = 50


class Args(BaseModel):
    """Which credentials are tested, and how often."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    site: str = Field("default", description="the name of an n8n of the configuration", max_length=40)
    each: Duration = Field(21_600.0, description="how often each credential is tested", examples=["1d"])
    again: Duration = Field(900.0, description="how often one that does not work is, unless somebody changes it")
    per_look: Annotated[StrictInt, Field(ge=1, le=50)] = Field(5, description="how many are tested in one look")
    unused: StrictBool = Field(False, description="test those too that no published workflow uses")
    ignore: tuple[str, ...] = Field(
        (), description="ids, names or types of credentials that are not tested", examples=[["smtp"]], max_length=200
    )


class _Turn:
    """Whose turn it is: the memory of the check, and what one look makes of it.

    Fields:
        began: when this round over all credentials began. after: the last that it has tested; "" when it is over.
        bad: of each that does not work: how often it was found so, when it was tested last, and n8n's words.
    """

    def __init__(self, past: Past, credentials: Mapping[str, Any]):
        memory = past.memory
        self.now = past.now.timestamp()
        self.began, self.after = known_seconds(memory.get("began"), past.now), str(memory.get("after") or "")
        known = memory.get("bad")
        self.bad = {
            one: [times, known_seconds(at, past.now) or 0.0, words]
            for one, (times, at, words) in (known.items() if isinstance(known, dict) else ())
            if one in credentials
        }

    @property
    def memory(self) -> dict[str, Any]:
        return {"began": self.began, "after": self.after, "bad": self.bad}

    def due(self, args: Args, credentials: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        """The ids to test: first those that do not work, then those of this round."""
        for one, (times, at, _) in list(self.bad.items()):
            changed = read_aware(credentials[one].get("updatedAt"))
            if times < 2 or self.now - at >= args.again or (changed and changed.timestamp() > at):
                yield one
        if not self.after:
            if self.began is not None and self.now - self.began < args.each:
                return
            self.began = self.now
        for one in sorted(credentials):
            if one > self.after:
                self.after = one
                if one not in self.bad:
                    yield one
        self.after = ""

    def heard(self, credential_id: str, works: bool | None, words: str) -> None:
        """How a test went; None: that cannot be said."""
        times, at, said = self.bad.get(credential_id, (0, self.now, ""))
        if works is False and (credential_id in self.bad or len(self.bad) < MOST_BAD):
            self.bad[credential_id] = [times + 1, self.now, words]
        elif works:
            self.bad.pop(credential_id, None)
        elif credential_id in self.bad:
            self.bad[credential_id] = [times, self.now, said]


@check("n8n_credentials", remembers=True)
@asking_n8n
def look_for_bad_credentials(args: Args, door: N8nDoor, past: Past) -> Reading:
    """Lets n8n test its credentials, a few in each look, and names those that no longer work, never what is in them.

    One that is refused is `credential_expired`, and calls a person at once. Types that n8n cannot test (such as Header
    Auth) are passed over; of OAuth2 n8n tells only whether it was ever connected. A service that cannot be reached, or
    answers with 429 or 5xx, is no fault of its credential. The API key needs the scopes credential:list,
    credential:read and workflow:list, and must belong to n8n's owner or an admin.
    """
    credentials = meant_credentials(args, door)
    turn = _Turn(past, credentials)
    _test(args, door, credentials, turn)
    if not turn.bad:
        return Reading("", True, f"none of {len(credentials)} credentials is known to fail", memory=turn.memory)
    told = [
        f"{str(credentials[one].get('name'))[:80]} ({str(credentials[one].get('type'))[:60]}{words})"
        for one, (_, _, words) in turn.bad.items()
    ]
    because = f"{len(told)} of n8n's credentials no longer work: {name_some(told)}"
    return Reading("", False, because, FailureType.CREDENTIAL_EXPIRED, permanent=True, memory=turn.memory)


def meant_credentials(args: Args, door: N8nDoor) -> dict[str, dict[str, Any]]:
    """The credentials to look at, by id. Raises DoorError."""
    ignored, listed = set(args.ignore), door.credentials()
    used = None if args.unused else set(_used(heeded(door.published_workflows())))
    return {
        one["id"]: one
        for one in listed
        if (used is None or one["id"] in used) and not ignored & {one["id"], one.get("name"), one.get("type")}
    }


def _used(workflows: list[Mapping[str, Any]]) -> Iterator[str]:
    for workflow in workflows:
        live = workflow.get("activeVersion")
        for version in (workflow, live if isinstance(live, Mapping) else {}):
            for node in version.get("nodes") or ():
                given = node.get("credentials") if isinstance(node, Mapping) else None
                for one in given.values() if isinstance(given, Mapping) else ():
                    if isinstance(one, Mapping) and isinstance(one.get("id"), str):
                        yield one["id"]


def _test(args: Args, door: N8nDoor, credentials: Mapping[str, Mapping[str, Any]], turn: _Turn) -> None:
    untestable: set[str] = set()
    tested = 0
    due = turn.due(args, credentials)
    while tested < args.per_look and (one := next(due, None)):
        kind = str(credentials[one].get("type"))
        if kind in untestable:
            continue
        try:
            told = door.test_credential(one)
        except DoorError as problem:
            if problem.kind != "timeout":
                raise
            turn.heard(one, None, "")
            return  # its service hangs: one such wait in a look is enough
        if told and told[1].startswith(UNTESTABLE):
            untestable.add(kind)
            continue
        turn.heard(one, *judge_test(told))
        tested += 1


def judge_test(told: tuple[bool, str] | None) -> tuple[bool | None, str]:
    """What the answer of a test means: whether it works (None: that cannot be said), and what may be told of why."""
    if told is None:
        return True, ""  # it is gone
    works, words = told
    if works:
        return True, ""
    if words in BUSY or SERVICE.search(words):
        return None, ""
    if NOT_CONNECTED in words:
        return False, ", never connected to an account"
    return False, f", {words}" if words in SAID else ""
