"""Replays over the API: ordered, looked at, cancelled. The worker carries them out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from flask import current_app
from pydantic import BaseModel, ConfigDict, Field

from recovery import clock
from recovery.analytics.replays import describe, describe_whole
from recovery.model import Ambiguous, ExecutionState, Lot, ReplayState, without_hidden
from recovery.store import replays
from recovery.store.tables import ReplayRow
from webhook_server import asked
from webhook_server.problems import Problem
from webhook_server.scopes import scopes_of
from webhook_server.security import shown_token

SCOPE = "replay"


class ReplayBody(BaseModel):
    """Which failed executions to run again: of one workflow, of those with a tag, or of all."""

    model_config = ConfigDict(extra="forbid")

    workflow_id: asked.Name | None = None
    workflow: asked.Name | None = Field(default=None, description="the name of a workflow, or its id")
    tag: asked.Name | None = Field(default=None, description="of the workflows that have this tag in n8n")
    all: bool = Field(default=False, strict=True, description="of all workflows")
    since: asked.Moment = Field(description="what failed from then on")
    until: asked.Moment | None = Field(default=None, description="and before then; now unless given")
    n8n: asked.Name | None = Field(default=None, description="of which n8n, where there are several")
    dry_run: bool = Field(default=False, strict=True, description="count, and run nothing")
    ambiguous: Annotated[Ambiguous, asked.known(Ambiguous)] = Field(
        default=Ambiguous.ASK, description="what may repeat an effect: leave and list it, run it again, or leave it"
    )
    who: asked.Name | None = Field(
        default=None, description="who asks, where a program passes on a person's order; history names the token too"
    )
    limit: int | None = Field(default=None, strict=True, ge=1, le=asked.LARGEST_NUMBER, description="at most so many")


class ReplayQuery(asked.Paging):
    """Which replays."""

    state: Annotated[ReplayState, asked.known(ReplayState)] | None = None
    since: asked.Moment | None = Field(default=None, description="ordered then or later")


class WorkflowCount(BaseModel):
    """How many chains of a workflow failed, and what becomes of them: a number for each lot."""

    model_config = ConfigDict(extra="allow")

    id: str
    name: str
    failed: int


class Reason(BaseModel):
    """Why chains are not run again."""

    lot: Lot
    because: str
    count: int


class Left(BaseModel):
    """A chain that failed again, or was left alone."""

    execution_id: str
    workflow_id: str
    workflow: str
    state: ExecutionState
    because: str


class Replay(BaseModel):
    """Failed executions that are run again after an outage, because a person ordered it."""

    id: int
    n8n: str
    workflow: str = Field(description="its id or name, as it was asked for; empty for more than one")
    tag: str
    since: datetime
    until: datetime
    dry_run: bool
    ambiguous: Ambiguous
    who: str
    state: ReplayState
    because: str
    read: int = Field(description="how many executions of n8n were read so far")
    counts: dict[str, int] = Field(description="chains that failed, and how many of each lot; empty until counted")
    workflows: list[WorkflowCount]
    why: list[Reason]
    progress: dict[str, int] = Field(description="chains that are run again, by state, and `total`")
    seconds: float | None = Field(description="how long it took from its first retry to its end")
    asked_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class ReplayDetail(Replay):
    """The same, with what was left, at most 200 of each kind."""

    left: list[Left]


def show(row: ReplayRow) -> Replay:
    """A replay in a list."""
    return Replay(**describe(row))


def show_whole(row: ReplayRow) -> ReplayDetail:
    """A replay with what was left."""
    return ReplayDetail(**describe_whole(row))


def order(body: ReplayBody, sites: Sequence[str]) -> Replay:
    """Write the order down; `sites` are the n8n that can be asked. Who sends it has said yes already."""
    now = clock.utc_now()
    until = body.until or now
    if body.since >= until:
        raise Problem(400, "Bad request", "since: must be before `until`")
    meant = {"workflow": body.workflow_id or body.workflow or "", "tag": body.tag or ""}
    given = [one for one in (body.workflow_id, body.workflow, body.tag, body.all) if one]
    if len(given) != 1:
        raise Problem(400, "Bad request", "say one of `workflow_id`, `workflow`, `tag` and `all`")
    told: dict[str, Any] = {**meant, "since": body.since, "until": until, "dry": body.dry_run}
    site = _site(body.n8n, sites)
    return show(
        replays.add_replay(
            _whoever(body.who), now, not body.dry_run, **told, site=site, ambiguous=body.ambiguous, most=body.limit
        )
    )


def _site(given: str | None, sites: Sequence[str]) -> str:
    if not sites:
        raise Problem(409, "Nothing to ask", "no n8n with an API key is configured")
    if given is None and len(sites) > 1:
        raise Problem(400, "Bad request", f"n8n: say which one, of {', '.join(sites)}")
    if given is not None and given not in sites:
        raise Problem(400, "Bad request", f"n8n: there is no {given!r}; {asked.did_you_mean(given, sites)}")
    return given or sites[0]


def _whoever(named: str | None = None) -> str:
    """What history calls who asks: the person whom a program has named, and whose token it showed."""
    held = scopes_of(current_app.config["MEDIC"], shown_token())
    token = f"the {held[0].name} token" if held else "api"
    name = without_hidden(named or "")[:100].strip()
    return f"{name} (by {token})" if name else token


def find(replay_id: str) -> ReplayRow:
    """One replay. Raises Problem: 404."""
    number = asked.read_id(replay_id)
    row = replays.find_replay(number)
    if row is None:
        raise Problem(404, "Not found", f"there is no replay {number}")
    return row


def cancel(replay_id: str) -> Replay:
    """Begin nothing more of it. Raises Problem: 404, or 409 where it is over."""
    row = find(replay_id)
    if not replays.ask_to_cancel(row.id, _whoever(), clock.utc_now()):
        raise Problem(409, "Over already", f"replay {row.id} is {row.state}: {row.because}")
    return show(find(replay_id))
