"""Signals become incidents: reads what waits, lets triage decide, and writes a whole batch in one transaction."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from recovery.decide.classify import classify, classify_reading, fingerprint
from recovery.decide.readings import triage_reading
from recovery.decide.tagging import IGNORED, heed
from recovery.decide.triage import (
    ChainFacts,
    ComponentFacts,
    Move,
    Verdict,
    View,
    is_newer,
    triage_failure,
    triage_success,
)
from recovery.model import CONNECTIVITY, CauseClass, ExecutionState, Failure, Health, Reading, Success
from recovery.sources import n8n_error, probe, read
from recovery.store import (
    components,
    database,
    events,
    executions,
    incidents,
    recoveries,
    replays,
    signals,
    sites,
    tagged,
)
from recovery.store.signals import Untriaged
from recovery.store.tables import IncidentRow
from recovery.worker.context import Context
from recovery.worker.facts import chain_facts, component_facts, happened_at, incident_facts, small
from recovery.worker.firing import known_alerts, note_alerts
from recovery.worker.guarding import guarded
from recovery.worker.hearing import Hearing
from recovery.worker.worsening import note_severity

log = logging.getLogger("medic.worker")
LOOK_AT_JOINED = timedelta(seconds=1)
Facts = Failure | Reading | Success


def triage_signals(ctx: Context, now: datetime) -> None:
    """Triage what waits, up to one batch. Where the batch fails, each signal is triaged by itself."""
    try:
        ctx.taken += _triage_batch(ctx, now)
    except database.TROUBLE:
        raise
    except Exception:
        log.exception("a batch of signals could not be triaged: each is tried by itself")
        ctx.taken += sum(_triage_oldest(ctx, now) for _ in range(signals.BATCH))


def _triage_batch(ctx: Context, now: datetime) -> int:
    if database.is_sqlite():
        # One worker decides, so incidents stay as read, and the turn is held for the writing alone. Threads record
        # what becomes of chains meanwhile: a chain is read again before it is moved.
        batch = _Batch(ctx, now, signals.find_untriaged())
        with database.write():
            return batch.run()
    with database.decide():
        return _Batch(ctx, now, signals.find_untriaged()).run()


def _triage_oldest(ctx: Context, now: datetime) -> int:
    with database.decide():
        found = signals.find_untriaged(1)
        for signal in found:
            with guarded(f"signal {signal.id}", partial(_give_up, signal, now), database.TROUBLE):
                _Batch(ctx, now, [signal]).run()
        return len(found)


def _give_up(signal: Untriaged, now: datetime, why: str) -> None:
    because = f"could not be read: {why}"
    signals.finish_signals([(signal.id, None, because)], now)
    events.add_event(now, "signal", signal.id, "unreadable", because)


class _Batch:
    """One batch: the view that triage decides by, kept true while its verdicts are written."""

    def __init__(self, ctx: Context, now: datetime, waiting: Sequence[Untriaged]):
        self.ctx, self.now = ctx, now
        self.facts = [(signal, read(signal.kind, signal.body)) for signal in waiting]
        self.kept = {signal.id: small(facts) for signal, facts in self.facts}
        self.rows: dict[str, IncidentRow] = {}
        self.view = self._load()
        self.counted: dict[int, tuple[int, datetime]] = {}
        self.done: list[tuple[int, int | None, str]] = []
        self.members: list[tuple[str, str, int | None]] = []
        self.signs: dict[int, datetime] = {}
        self.turned: set[int] = set()
        self.woken: set[int] = set()
        self.joined: set[int] = set()
        self.ignored: dict[tuple[str, str], tuple[int, datetime]] = {}

    def run(self) -> int:
        """Decide and write, signal by signal in the order they came; then what all share. How many there were."""
        for signal, facts in self.facts:
            verdict = self._decide(signal, facts)
            self._apply(signal, facts, self._still(verdict))
        executions.add_members(self.members)
        self.hearing.write()
        incidents.count_signals(self.counted, self.now)
        tagged.count_ignored(self.ignored)
        incidents.sign_incidents(self.signs, self.now)
        incidents.wake_incidents(self.woken, self.now)
        self._look_soon(self.joined - self.woken - set(self.signs))
        recoveries.wake_recoveries(sorted({*self.signs, *self.woken}), self.now)
        recoveries.hurry_recoveries(sorted(self.turned), "its component has become healthy", self.now)
        signals.finish_signals(self.done, self.now)
        log.info("triaged", extra={"signals": len(self.done), "incidents": len(self.counted)})
        return len(self.done)

    def _look_soon(self, joined: set[int]) -> None:
        """A storm of failures that join is looked at once a second, not once each."""
        soon = self.now + LOOK_AT_JOINED
        incidents.wake_incidents(joined, soon)
        recoveries.wake_recoveries(sorted(joined), soon)

    def _load(self) -> View:
        prints, pairs, names, workflows = [], [], [], []
        for signal, facts in self.facts:
            if isinstance(facts, Failure):
                cause = classify(facts, signal.site, self.ctx.policy)
                prints += [cause.fingerprint, *self._upstream(cause.component)]
                pairs += [(signal.site, facts.execution_id), (signal.site, facts.retry_of)]
            elif isinstance(facts, Reading):
                prints.append(classify_reading(facts, self.ctx.policy).fingerprint)
                names.append(facts.component)
            else:
                pairs.append((signal.site, facts.retry_of))
                workflows.append(facts.workflow_id)
        self.rows = incidents.find_newest(prints)
        members = executions.find_members(pairs)
        chains = executions.find_chains(members.values())
        self.replays = replays.find_active()
        self.tags = tagged.find_tags(one.workflow_id for _, one in self.facts if isinstance(one, Failure))
        self.hearing = Hearing(self.ctx.policy, components.find_components(names))
        return View(
            incidents={key: incident_facts(row) for key, row in self.rows.items()},
            chains={key: chain_facts(row, self.replays) for key, row in chains.items()},
            members=members,
            components={name: component_facts(row) for name, row in self.hearing.known.items()},
            workflows=incidents.find_of_workflows(workflows),
            contacts=sites.find_contacts(),
            alerts=known_alerts(self.hearing.known),
        )

    def _upstream(self, component: str) -> list[str]:
        """The fingerprints under which what it needs would be unavailable."""
        return [fingerprint("", name, CauseClass.UNAVAILABLE) for name in self.ctx.policy.upstream(component)]

    def _decide(self, signal: Untriaged, facts: Facts) -> Verdict:
        policy = self.ctx.policy
        if isinstance(facts, Failure):
            called_back = signal.source == n8n_error.SOURCE
            verdict = triage_failure(facts, signal.site, self.view, policy, signal.received_at, called_back)
            return heed(verdict, self.tags.get((signal.site, facts.workflow_id), frozenset()), self.view)
        if isinstance(facts, Reading) and facts.component == CONNECTIVITY and signal.source != probe.OWN:
            return Verdict(Move.IGNORE, "only n8n-medic itself can tell of its own connection")
        if isinstance(facts, Reading):
            return triage_reading(facts, self.view, policy, signal.received_at)
        return triage_success(facts, signal.site, self.view)

    def _still(self, verdict: Verdict) -> Verdict:
        """The verdict, or another where its chain has moved on since the view was read."""
        move = verdict.chain
        if move is None or move.chain_id is None:
            return verdict
        known, row = self.view.chains[move.chain_id], executions.hold_chain(move.chain_id)
        recovered = row.state == ExecutionState.RECOVERED and known.state is not ExecutionState.RECOVERED
        retried = row.leaf_id != known.leaf_id and not is_newer(move.leaf_id, row.leaf_id)
        if not recovered and (not retried or move.state is ExecutionState.RECOVERED):
            return verdict
        self.view.chains[row.id] = chain_facts(row, self.replays)
        because = "its chain has moved on meanwhile"
        return Verdict(Move.IGNORE, because, None, row.incident_id, signs=verdict.signs, member_of=row.id)

    def _apply(self, signal: Untriaged, facts: Facts, verdict: Verdict) -> None:
        at = happened_at(signal, facts, self.ctx.policy)
        incident_id = self._apply_incident(verdict, at)
        if isinstance(facts, Reading) and verdict.component:
            joined = incident_id if verdict.move is Move.JOIN else None
            before = self._apply_component(facts.component, verdict.component, verdict.because, joined)
            if verdict.signs and before != Health.HEALTHY:
                self.turned.update(verdict.signs)
        if isinstance(facts, Reading):
            self.hearing.note(signal, facts, at)
            note_alerts(self.view, facts.component, verdict.alerts)
        if verdict.chain:
            self._apply_chain(signal, facts, verdict, incident_id)
        if verdict.member_of and isinstance(facts, Failure):
            self.members.append((signal.site, facts.execution_id, verdict.member_of))
            self.view.members[signal.site, facts.execution_id] = verdict.member_of
        if incident_id and verdict.cause:
            _count(self.counted, incident_id, at)
        if isinstance(facts, Failure) and verdict.because == IGNORED:
            _count(self.ignored, (signal.site, facts.workflow_id), at)
        self.signs.update({one: max(at, self.signs.get(one, at)) for one in verdict.signs})
        # A sign of health belongs to the success logs, not to the history of the failure.
        kept_with = None if verdict.move is Move.SIGN and not verdict.chain else incident_id
        self.done.append((signal.id, kept_with, verdict.because))

    def _apply_incident(self, verdict: Verdict, at: datetime) -> int | None:
        cause, now = verdict.cause, self.now
        if cause is None or verdict.move not in (Move.OPEN, Move.REOPEN, Move.LATE):
            if verdict.incident_id:
                self.joined.add(verdict.incident_id)
            row = self.rows.get(cause.fingerprint) if cause and verdict.move is Move.JOIN else None
            if cause and row and row.id == verdict.incident_id:
                note_severity(self.ctx, row, cause, now)
            return verdict.incident_id
        escalate_at = now + timedelta(seconds=self.ctx.policy.escalate_after_seconds)
        row = self.rows.get(cause.fingerprint)
        if verdict.move is Move.REOPEN and row:
            incidents.reopen_incident(row, cause, verdict.because, now, escalate_at, verdict.flapping)
        elif verdict.move is Move.LATE and row:
            incidents.reattach_incident(row, verdict.because, now, escalate_at)
        else:
            row = incidents.add_incident(cause, verdict.because, now, escalate_at, row.id if row else None, at)
            self.rows[cause.fingerprint] = row
        self.view.incidents[cause.fingerprint] = incident_facts(row)
        return row.id

    def _apply_component(self, name: str, facts: ComponentFacts, because: str, incident_id: int | None) -> str:
        before = self.view.components.get(name, ComponentFacts())
        self.view.components[name] = facts
        components.set_component(name, before.health, self.now, because, incident_id, **asdict(facts))
        return before.health

    def _apply_chain(self, signal: Untriaged, facts: Facts, verdict: Verdict, incident_id: int | None) -> None:
        move = verdict.chain
        if move is None:
            return
        if move.chain_id is None and isinstance(facts, Failure):
            self._add_chain(signal, facts, verdict, incident_id)
            return
        row = executions.find_chains([move.chain_id])[move.chain_id or 0]
        changes: dict[str, Any] = {"leaf_id": move.leaf_id, "asks": False}
        if move.state is ExecutionState.RECOVERED:
            changes["recovered_at"] = self.now
        else:
            changes |= {"incident_id": incident_id, "facts": self.kept[signal.id]}
            changes |= {"replay_id": None} if incident_id else {}
        old = row.incident_id
        executions.move_chain(row, move.state, move.because, self.now, **changes)
        executions.note_members(signal.site, [move.leaf_id], row.id)
        self.view.members[signal.site, move.leaf_id] = row.id
        known: dict[str, Any] = {"incident_id": incident_id or old, "leaf_id": move.leaf_id, "state": move.state}
        self.view.chains[row.id] = replace(chain_facts(row, () if incident_id else self.replays), **known)
        replays.wake_replay(row.replay_id, self.now)
        self.woken.update(one for one in (old, incident_id) if one)
        if move.setback and incident_id:
            recoveries.note_setback(incident_id, move.because, self.now)

    def _add_chain(self, signal: Untriaged, failure: Failure, verdict: Verdict, incident_id: int | None) -> None:
        move = verdict.chain
        if move is None:
            return
        row = {
            "site": signal.site,
            "root_id": move.root_id,
            "leaf_id": move.leaf_id,
            "workflow_id": failure.workflow_id,
            "workflow_name": failure.workflow_name,
            "incident_id": incident_id,
            "state": move.state,
            "because": move.because,
            "mode": failure.mode,
            "facts": self.kept[signal.id],
            "failed_at": happened_at(signal, failure, self.ctx.policy),
            "heard_at": self.now,
        }
        chain_id = executions.add_chain(row)
        for name in {move.root_id, move.leaf_id}:
            self.members.append((signal.site, name, chain_id))
            self.view.members[signal.site, name] = chain_id
        self.view.chains[chain_id] = ChainFacts(
            chain_id, incident_id, move.leaf_id, move.state, failure.mode, failure.workflow_id
        )
        events.add_event(self.now, "execution", move.root_id, move.state, move.because, incident_id)


def _count(counted: dict[Any, tuple[int, datetime]], key: Any, at: datetime) -> None:
    """One more of it, and when the last of them happened."""
    count, newest = counted.get(key, (0, at))
    counted[key] = (count + 1, max(newest, at))
