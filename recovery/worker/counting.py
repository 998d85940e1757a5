"""Reads and counts what a replay is about and, once a person has said yes, takes it in."""

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from recovery.decide.counting import Tally
from recovery.decide.replay import FAILED, UNDER_WAY, Chain, why_never
from recovery.model import ExecutionState, Failure, Lot, N8nDoor, N8nError, ReplayState
from recovery.sources import n8n_execution as source
from recovery.sources.shapes import section
from recovery.store import database, executions, replayed, replays
from recovery.store.tables import ExecutionRow, ReplayRow
from recovery.worker.context import Context, now_for_effect
from recovery.worker.facts import small
from recovery.worker.guarding import told
from recovery.worker.judging import judge_run
from recovery.worker.outage import (
    Broken,
    Unanswerable,
    Workflow,
    Workflows,
    chains_of,
    choose_workflows,
    failed_at,
    newest_id,
    read_executions,
    with_unnoted,
)
from recovery.worker.reading_n8n import UNREADABLE, read_details
from recovery.worker.upkeep import Keeper

log = logging.getLogger("medic.worker")
PART = 50
ASK_AGAIN = timedelta(seconds=10)
YES_WITHIN = timedelta(hours=1)
NO_DATA = "n8n has its data no more"


class _TakenAway(Exception):
    """A person has cancelled the replay, or another worker has taken it over."""


def read_outage(ctx: Context, row: ReplayRow) -> None:
    """Read n8n for one claimed replay: count, take in where a person has said yes, and tell."""
    door = ctx.doors.n8n(row.site)
    try:
        if door is None:
            why = f"the worker knows no n8n named {row.site!r} with an API key"
            raise Unanswerable(f"{why}: where it was configured since n8n-medic's start, start that again")
        with Keeper(lambda until: replays.keep_reading(row, lease_until=until)):
            counting = _Counting(ctx, row, door)
            counting.run()
        _finish(ctx, row, counting)
    except _TakenAway:
        _let_go(row, "it is cancelled")
    except Unanswerable as problem:
        _stop(row, str(problem))
    except N8nError as problem:
        if problem.permanent:
            _stop(row, f"n8n refuses to be asked: {problem}")
        else:
            _let_go(row, f"n8n cannot be asked now, and is asked again: {problem}")
    except database.TROUBLE:
        raise
    except Exception as problem:
        log.exception("replay %s could not be read", row.id)
        _stop(row, told(problem))


def _let_go(row: ReplayRow, because: str) -> None:
    now = now_for_effect()
    with database.decide():
        replays.let_go(row, because, now, now + ASK_AGAIN)


def _stop(row: ReplayRow, because: str) -> None:
    now = now_for_effect()
    with database.decide():
        replayed.leave_waiting(row.id, f"replay {row.id} has stopped: {because}"[:500], now)
        replays.let_go(row, because, now, None, state=ReplayState.STOPPED, ended_at=now)


def _finish(ctx: Context, row: ReplayRow, counting: "_Counting") -> None:
    now, number = now_for_effect(), counting.tally.to_replay
    known: dict[str, Any] = {"counts": counting.tally.as_json(), "newest_id": counting.newest}
    over = {"state": ReplayState.DONE, "ended_at": now}
    with database.decide():
        if not number:
            replays.let_go(row, "nothing is to be run again", now, None, **known, **over)
        elif row.dry or ctx.dry_run:
            replays.let_go(row, f"a dry run: {number} would be run again", now, None, **known, **over)
        elif not row.yes_at:
            because = f"{number} are to be run again: it waits for a yes"
            replays.let_go(row, because, now, now + YES_WITHIN, **known, state=ReplayState.ASKING)
        else:
            begun = {"state": ReplayState.RUNNING, "started_at": now}
            replays.let_go(row, f"{number} are run again, one of each workflow first", now, now, **known, **begun)


class _Found(NamedTuple):
    """A chain with what becomes of it; `failure` where it is to be run again."""

    broken: Broken
    workflow: Workflow
    lot: Lot
    because: str
    failure: Failure | None = None


class _Counting:
    """One reading. `newest`: n8n's newest execution before it was read."""

    def __init__(self, ctx: Context, row: ReplayRow, door: N8nDoor):
        self.ctx, self.row, self.door = ctx, row, door
        self.takes_in = bool(row.yes_at) and not (row.dry or ctx.dry_run)
        self.tally = Tally(row.ambiguous)
        self.workflows = Workflows(door)
        self.read = self.newest = self.chosen = 0

    def run(self) -> None:
        """Read and count; take in, part by part, where a person has said yes."""
        self.newest = newest_id(self.door)
        broken = self._read()
        for first in range(0, len(broken), PART):
            self._tell(f"read {self.read:,} executions; looked at {first:,} of {len(broken):,} chains of them")
            part = broken[first : first + PART]
            owners = _Owners.of(self.row, part)
            found = [self._looked_at(one, owners) for one in part]
            if self.takes_in:
                found = self._take_in(found)
            for one in found:
                known = one.workflow
                self.tally.add(known.id, known.name, one.lot, one.because, one.broken.chain.leaf_id)

    def _read(self) -> list[Broken]:
        asked = self.row.workflow
        one = asked if asked and self.workflows.has(asked) else ""
        broken = chains_of(self.door, self.row, read_executions(self.door, self.row, one, self._tell_read))
        if not one:
            meant = choose_workflows(self.row, {each.workflow_id for each in broken}, self.workflows)
            broken = [each for each in broken if each.workflow_id in meant]
        return with_unnoted(self.door, broken)

    def _tell_read(self, number: int) -> None:
        self.read = number
        self._tell(f"read {number:,} executions")

    def _tell(self, because: str) -> None:
        with database.write():
            if not replays.keep_reading(self.row, read=self.read, because=because):
                raise _TakenAway

    def _looked_at(self, broken: Broken, owners: "_Owners") -> _Found:
        found = self._judge(broken, owners)
        self.chosen += found.lot is Lot.REPLAY
        return found

    def _judge(self, broken: Broken, owners: "_Owners") -> _Found:
        workflow = self.workflows.find(broken.workflow_id)
        settled = _settled(broken.chain) or owners.lot_of(broken)
        if settled:
            return _Found(broken, workflow, *settled)
        if never := why_never(workflow.tags):
            return _Found(broken, workflow, Lot.TAGGED, never)
        if self.row.most and self.chosen >= self.row.most:
            return _Found(broken, workflow, Lot.OVER_LIMIT, f"more than {self.row.most} were not asked for")
        details = _details(self.door, broken.chain.leaf_id)
        if not details or not section(details, "data"):
            return _Found(broken, workflow, Lot.TOO_OLD, NO_DATA)
        row = self._row(broken, workflow)
        judgement = judge_run(self.ctx, row, self.door, broken.chain, details, workflow.row)
        if judgement.retry:
            return _Found(broken, workflow, Lot.REPLAY, judgement.because, source.read_failure_of(details))
        return _Found(broken, workflow, Lot.AMBIGUOUS if judgement.asks else Lot.LEFT_ALONE, judgement.because)

    def _row(self, broken: Broken, workflow: Workflow) -> ExecutionRow:
        """The chain as it would be stored."""
        return ExecutionRow(
            site=self.row.site,
            root_id=str(broken.root.get("id")),
            leaf_id=broken.chain.leaf_id,
            workflow_id=workflow.id,
            workflow_name=workflow.name,
            replay_id=self.row.id,
            mode=broken.chain.root_mode,
            failed_at=failed_at(broken.root) or self.row.since,
        )

    def _take_in(self, found: Sequence[_Found]) -> list[_Found]:
        """Take in what is to be run again, unless an incident or somebody has taken it up meanwhile."""
        with database.decide():
            if not replays.is_reading(self.row):
                raise _TakenAway
            owners = _Owners.of(self.row, [one.broken for one in found])
            return [self._taken(one, owners) if one.lot is Lot.REPLAY else one for one in found]

    def _taken(self, one: _Found, owners: "_Owners") -> _Found:
        settled, owner, chain = owners.lot_of(one.broken), owners.find(one.broken), one.broken.chain
        if settled:
            if owner and owner.replay_id == self.row.id:  # taken in by a reading that broke off: it may have grown
                executions.add_members([(self.row.site, name, owner.id) for name in chain.members])
            return one._replace(lot=settled[0], because=settled[1])
        now = now_for_effect()
        if owner:
            replayed.take_over(self.row, owner, chain.leaf_id, chain.members, now)
        else:
            new = self._row(one.broken, one.workflow)
            names = ("root_id", "leaf_id", "workflow_id", "workflow_name", "mode", "failed_at")
            kept = {name: getattr(new, name) for name in names}
            facts = small(one.failure) if one.failure else {}
            replayed.add_chain(self.row, {**kept, "facts": facts}, chain.members, now)
        return one


def _details(door: N8nDoor, execution_id: str) -> Mapping[str, Any] | None:
    try:
        return read_details(door, execution_id)
    except N8nError as problem:
        if problem.kind != UNREADABLE:
            raise
        return None


def _settled(chain: Chain) -> tuple[Lot, str] | None:
    """What n8n itself says of a chain that needs no retry, or can have none; None where it failed and nothing else."""
    if chain.succeeded:
        return Lot.SUCCEEDED, f"execution {chain.succeeded} of its chain succeeded"
    if chain.status in UNDER_WAY:
        return Lot.RUNNING, "a retry of it runs in n8n"
    if chain.status not in FAILED:
        return Lot.LEFT_ALONE, f"it is {chain.status} in n8n: somebody stopped it"
    return None


class _Owners(NamedTuple):
    """Who has to do with chains already: by n8n's ids of their executions."""

    row: ReplayRow
    chains: dict[str, ExecutionRow]
    incidents: set[int]
    replays: dict[int, str]

    @classmethod
    def of(cls, row: ReplayRow, broken: Sequence[Broken]) -> "_Owners":
        """Those of these chains."""
        with database.read():
            members = executions.find_members((row.site, name) for one in broken for name in one.chain.members)
            known = executions.find_chains(members.values())
            found = {name: known[key] for (site, name), key in members.items() if key in known and site == row.site}
            opened = replayed.find_open_incidents(one.incident_id for one in known.values())
            return cls(row, found, opened, replays.find_active())

    def find(self, broken: Broken) -> ExecutionRow | None:
        """Our note of a chain; None where there is none."""
        return next((self.chains[name] for name in broken.chain.members if name in self.chains), None)

    def lot_of(self, broken: Broken) -> tuple[Lot, str] | None:
        """What becomes of a chain that somebody has to do with; None where nobody has."""
        owner = self.find(broken)
        if owner is None:
            return None
        if owner.state == ExecutionState.RECOVERED:
            return Lot.SUCCEEDED, "it has recovered"
        if owner.incident_id in self.incidents:
            return Lot.INCIDENT, f"incident {owner.incident_id} is open: it is left to that"
        if owner.replay_id == self.row.id:
            return Lot.REPLAY, "it is taken in already"
        if owner.replay_id in self.replays:
            return Lot.LEFT_ALONE, f"replay {owner.replay_id} has it"
        under_way = owner.state == ExecutionState.RETRYING or owner.lease_until or owner.run_at
        return (Lot.RUNNING, "a retry of it is under way") if under_way else None
