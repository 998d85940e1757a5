"""What the tags of a workflow in n8n make of its failures: how severe they are, and whether they are left alone."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from recovery.decide.triage import Move, Verdict, View
from recovery.model import CRITICAL_TAG, IGNORE_TAG, ExecutionState, Held, Severity, why_tagged

IGNORED = why_tagged(IGNORE_TAG)
CRITICAL = why_tagged(CRITICAL_TAG)
Workflow = tuple[str, str]  # its n8n, and its id there


def heed(verdict: Verdict, tags: frozenset[str], view: View) -> Verdict:
    """What a failure means where its workflow has these tags. One that opens and joins nothing means what it meant."""
    if verdict.cause is None or not tags:
        return verdict
    if IGNORE_TAG in tags:
        return _ignored(verdict, view)
    if CRITICAL_TAG not in tags or verdict.cause.severity is Severity.CRITICAL:
        return verdict
    cause = replace(verdict.cause, severity=Severity.CRITICAL, because=CRITICAL)
    begins = verdict.move in (Move.OPEN, Move.REOPEN)  # of what joins, the risen severity says why
    return replace(verdict, cause=cause, because=f"{verdict.because}; {CRITICAL}" if begins else verdict.because)


def _ignored(verdict: Verdict, view: View) -> Verdict:
    """Nothing is made of it. A chain that is known, from before it was tagged, is left as it is."""
    move = verdict.chain
    if move is None or move.chain_id is None:
        return Verdict(Move.IGNORE, IGNORED)
    left = replace(move, state=ExecutionState.LEFT_ALONE, because=IGNORED, setback=False)
    return Verdict(Move.IGNORE, IGNORED, None, view.chains[move.chain_id].incident_id, left)


@dataclass(frozen=True, slots=True)
class Steering:
    """What tags make of an incident.

    Fields:
        critical: it holds a failed execution of a critical workflow.
        ignored: all that it holds is of workflows that are left alone.
        leave: the workflows of which it must do nothing more.
    """

    critical: bool
    ignored: bool
    leave: tuple[Workflow, ...]


def steer(held: Mapping[Workflow, Held], tags: Mapping[Workflow, frozenset[str]]) -> Steering:
    """What the tags that are known now make of an incident that holds this."""
    ignored = {one for one in held if IGNORE_TAG in tags.get(one, ())}
    critical = any(held[one].broken for one in held if one not in ignored and CRITICAL_TAG in tags.get(one, ()))
    leave = tuple(sorted(one for one in ignored if held[one].undone))
    return Steering(critical, bool(held) and len(ignored) == len(held), leave)
