"""The next move of a recovery: each attempt is the actions, the check, the canary; then the rest is replayed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from recovery.decide.moves import (
    AddAction,
    AddCheck,
    AskPerson,
    End,
    Move,
    NextAttempt,
    ReleaseMore,
    ReplayRest,
    Rest,
    StartCanary,
    Unanswered,
)
from recovery.decide.wording import count_of
from recovery.model import CANARY, ExecutionState, PlannedAction, Playbook, RecoveryState, StepKind, StepState

VERIFY_EVERY = timedelta(seconds=1)
CONFIRMED_FOR = timedelta(seconds=30)  # then what was confirmed may be over: it may have waited for the brakes
READING_WITHIN = timedelta(seconds=60)
OVER = frozenset((StepState.SUCCEEDED, StepState.FAILED, StepState.SKIPPED, StepState.UNKNOWN))
AT_REST = frozenset((RecoveryState.PAUSED, RecoveryState.HELD, RecoveryState.AWAITING_APPROVAL))


@dataclass(frozen=True, slots=True)
class StepFacts:
    """A step of the present attempt. `dry`: it only told what it would do. `begun`: it was run."""

    number: int
    kind: StepKind
    name: str
    state: StepState
    finished_at: datetime | None = None
    why: str = ""
    dry: bool = False
    begun: bool = False

    @property
    def is_canary(self) -> bool:
        """Whether it stands for a retried execution."""
        return self.name == CANARY and self.kind is StepKind.ACTION


@dataclass(frozen=True, slots=True)
class RecoveryView:
    """A recovery as the planner sees it.

    Fields:
        steps: of the present attempt, in order of their numbers.
        next_at: the attempt does not begin before this.
        waiting, retrying, asking: how many chains of the incident wait, are being retried, need a person's decision.
        setback: why the replay must stop; "" where nothing failed again.
        seen_at, healthy, failing: the last readings of the component, for one without a check.
        recovered: how many chains of the incident recovered in this episode.
        blocked: why n8n cannot be asked to retry anything, however often; "" where it can.
        configured: the configuration names the component; else whoever told of it did, and no action is run on that.
    """

    state: RecoveryState
    stage: int
    attempt: int
    playbook: Playbook
    steps: Sequence[StepFacts]
    waiting: int
    retrying: int
    asking: int = 0
    replaying: bool = False
    setback: str = ""
    next_at: datetime | None = None
    seen_at: datetime | None = None
    healthy: bool = False
    failing: bool = False
    recovered: int = 0
    blocked: str = ""
    configured: bool = True


def plan(view: RecoveryView, now: datetime) -> Move:
    """The one next move."""
    if view.state is RecoveryState.AWAITING_APPROVAL and view.next_at and now >= view.next_at:
        return Unanswered(f"nobody said yes by {view.next_at:%H:%M} (UTC)")
    if view.state in AT_REST:
        return Rest(f"it is {view.state}", view.next_at if view.state is RecoveryState.AWAITING_APPROVAL else None)
    if view.next_at and now < view.next_at and not view.steps:
        return Rest(f"attempt {view.attempt} of stage {view.stage} begins later", view.next_at)
    if any(step.state not in OVER for step in view.steps):
        return Rest("a step is under way")
    lost = next((step for step in view.steps if step.state is StepState.UNKNOWN), None)
    if lost:
        return End(False, f"nobody knows whether {lost.name} happened: {lost.why}")
    return _replay(view, now) if view.replaying else _attempt(view, now)


def canary_state(chain: ExecutionState, is_ours: bool, is_let_go: bool) -> StepState | None:
    """What the chain that a canary stands for makes of its step; None while it is under way.

    Args:
        is_ours: the chain still belongs to the incident. is_let_go: nobody is to retry it, or is about to.
    """
    if chain is ExecutionState.RECOVERED:
        return StepState.SUCCEEDED
    if not is_ours or chain is ExecutionState.LEFT_ALONE:
        return StepState.SKIPPED
    has_failed = chain is ExecutionState.FAILED or (chain is ExecutionState.WAITING and is_let_go)
    return StepState.FAILED if has_failed else None


def _replay(view: RecoveryView, now: datetime) -> Move:
    if view.setback:
        return failed(view, now, f"the replay stopped: {view.setback}")
    if view.waiting and view.blocked:
        return End(False, f"n8n cannot be asked to retry: {view.blocked}")
    if view.waiting:
        return ReleaseMore(f"the canary succeeded; still waiting: {count_of(view.waiting)}")
    if view.retrying:
        return Rest(f"being retried: {count_of(view.retrying)}")
    return _finish(view, "the canary and all other executions that may be retried succeeded")


def _attempt(view: RecoveryView, now: datetime) -> Move:
    if view.playbook.actions_of(view.stage, view.attempt):
        move = _actions(view, now)
    elif view.playbook.verified_by(view.stage):
        move = _look(view, now)
    else:
        move = None
    return move or _canary(view, now)


def _look(view: RecoveryView, now: datetime) -> Move | None:
    """Without actions, the check alone tells whether retrying is worth it. None: it is healthy."""
    check = view.playbook.verified_by(view.stage)
    last = next((step for step in view.steps if step.kind is StepKind.CHECK), None)
    if check is None or last is None:
        return AddCheck(check, "look before retrying executions") if check else None
    if last.state is StepState.SUCCEEDED:
        return None
    return failed(view, now, f"the check still fails: {last.why}")


def _actions(view: RecoveryView, now: datetime) -> Move | None:
    """Confirm, act, verify. None: the component is healthy, as far as its check can tell."""
    playbook, actions = view.playbook, view.playbook.actions_of(view.stage, view.attempt)
    done = [step for step in view.steps if step.kind is StepKind.ACTION and not step.is_canary]
    checks = [step for step in view.steps if step.kind is StepKind.CHECK]
    if playbook.check and not checks:
        return AddCheck(playbook.check, "confirm the failure before anything is done")
    if any(step.state is StepState.SKIPPED and not step.begun for step in done):
        return None  # planned, and not needed: it was found healthy
    broken = next((step for step in done if step.state is StepState.FAILED and not step.dry), None)
    if broken:
        return failed(view, now, f"{broken.name} failed: {broken.why}")
    if len(done) < len(actions):
        return _next_action(view, now, actions, len(done), checks)
    if done[-1].dry:
        return End(False, "; ".join(step.why for step in done if step.dry))
    return _verify(view, now, done[-1], checks)


def _next_action(
    view: RecoveryView, now: datetime, actions: Sequence[PlannedAction], index: int, checks: Sequence[StepFacts]
) -> Move:
    action = actions[index]
    ask = action.needs_approval or (index == 0 and view.playbook.needs_approval(view.stage))
    if not checks and index == 0 and view.healthy:
        return AddAction(action, "not needed: pushed probes say that it is healthy", skip=True)
    if not checks and view.playbook.by_person and view.configured:
        return AddAction(action, "a person asked for it, and it has no check that could confirm the failure", ask=ask)
    if not checks and not view.playbook.trust_probes:
        return AddAction(
            action, "not run: it has no check, and pushed probes are not trusted (trust_probes)", skip=True
        )
    if not checks and index == 0 and not view.failing:
        return AddAction(action, "not run: no pushed probe says that it fails, and it has no check", skip=True)
    if not checks:
        return AddAction(action, "pushed probes say that it fails (trust_probes), and it has no check", ask=ask)
    if index == 0 and checks[-1].state is StepState.SUCCEEDED:
        return AddAction(action, f"not needed: the check found it healthy ({checks[-1].why})", skip=True)
    told = f"the check confirmed the failure: {checks[-1].why}"
    waited = index == 0 and is_old(checks[-1].finished_at, now)
    return AddAction(action, told, ask=ask, confirm=view.playbook.check if waited else None)


def is_old(confirmed_at: datetime | None, now: datetime) -> bool:
    """Whether what a look confirmed may be over by now."""
    return confirmed_at is not None and now > confirmed_at + CONFIRMED_FOR


def _verify(view: RecoveryView, now: datetime, acted: StepFacts, checks: Sequence[StepFacts]) -> Move | None:
    """The check that confirmed the failure, or the stage's own, verifies for as long as it may need to come up."""
    acted_at, check = acted.finished_at or now, view.playbook.verified_by(view.stage)
    if check is None:
        return _await_reading(view, now, acted_at)
    looked = [step for step in checks if step.number > acted.number]
    if not looked:
        return AddCheck(check, "verify what was done")
    if looked[-1].state is StepState.SUCCEEDED:
        return None
    grace = timedelta(seconds=view.playbook.boot_grace_seconds)
    if now + VERIFY_EVERY <= acted_at + grace:
        return AddCheck(check, "it may still be starting: look again", now + VERIFY_EVERY)
    if is_old(looked[-1].finished_at, now):  # it was held meanwhile, and may be well again with what it needs
        return AddCheck(check, "look anew: it waited since the last look")
    return failed(view, now, f"the check still fails after the action: {looked[-1].why}")


def _await_reading(view: RecoveryView, now: datetime, acted_at: datetime) -> Move | None:
    if view.seen_at and view.seen_at >= acted_at:
        return None if view.healthy else failed(view, now, "a pushed probe says that it still fails after the action")
    if view.waiting and not view.playbook.trust_probes:
        return None  # one of its executions tells
    if now < acted_at + READING_WITHIN:
        return Rest("waits for a pushed probe, for it has no check", acted_at + READING_WITHIN)
    return failed(view, now, "no pushed probe came after the action, and it has no check")


def _canary(view: RecoveryView, now: datetime) -> Move:
    """The component seems well: one execution goes first."""
    tried = [step for step in view.steps if step.is_canary]
    last = tried[-1] if tried else None
    if last and last.state is StepState.SUCCEEDED:
        return ReplayRest(f"the canary succeeded: {last.why}")
    if view.waiting and view.blocked:
        return End(False, f"n8n cannot be asked to retry: {view.blocked}")
    if last and last.state is StepState.FAILED:
        return failed(view, now, f"the canary failed: {last.why}")
    if view.retrying:
        return Rest(f"being retried: {count_of(view.retrying)}")
    if view.waiting:
        return StartCanary("one execution goes first")
    return _finish(view, "the check is healthy" if view.playbook.check else "no execution waits any more")


def _finish(view: RecoveryView, because: str) -> Move:
    if view.asking:
        return AskPerson(_question(view))
    looked_well = any(step.kind is StepKind.CHECK and step.state is StepState.SUCCEEDED for step in view.steps)
    if not (looked_well or view.recovered or view.replaying or view.healthy):
        return End(False, "none of its executions may be retried, and nothing tells that it is well")
    return End(True, because)


def _question(view: RecoveryView) -> str:
    return f"a retry may repeat the effect of {count_of(view.asking)}: a person decides"


def next_stage(view: RecoveryView, now: datetime, because: str) -> NextAttempt | End:
    """What follows a stage that is left as it is."""
    stages = view.playbook.stages
    if view.stage < len(stages):
        after = timedelta(seconds=stages[view.stage].after_seconds)
        return NextAttempt(view.stage + 1, 1, now + after, because)
    return End(False, f"all {len(stages)} stages are used up; at last {because}")


def failed(view: RecoveryView, now: datetime, because: str) -> NextAttempt | AskPerson | End:
    """What follows a failed attempt: another one of this stage, the next stage, a person's decision, or the end."""
    stages = view.playbook.stages
    spacing = timedelta(seconds=view.playbook.spacing_of(view.stage))
    if view.stage <= len(stages) and view.attempt < stages[view.stage - 1].attempts:
        return NextAttempt(view.stage, view.attempt + 1, now + spacing, because)
    move = next_stage(view, now, because)
    if isinstance(move, End) and view.asking:
        return AskPerson(f"{_question(view)} ({move.because})")
    return move
