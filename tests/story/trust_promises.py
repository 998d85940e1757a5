"""What must hold in every world, seen from the ledger of what was done and the rows, never by the code that decides.

Each promise has a name, and `test_trust.py` breaks each brake on purpose to see that its promise notices.
"""

from collections import Counter
from datetime import timedelta
from typing import Any

from recovery.store.tables import ComponentRow, IncidentRow, RecoveryRow, StepRow
from tests.story.trust_world import BRAKES, REBOOT, Effect, World

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
COOLDOWN = timedelta(seconds=BRAKES.cooldown_seconds)
UNSAFE = ("call_webhook", "scale_up")
MOST_BEGINNINGS = 3
CONFIRMED_FOR = timedelta(seconds=30)
MOST_RETRIES = 6


class Broken(AssertionError):
    """A promise was broken."""

    def __init__(self, promise: str, how: str):
        super().__init__(f"{promise}: {how}")
        self.promise = promise


class Promises:
    """Looks at what is new in a world, and complains."""

    def __init__(self) -> None:
        self._seen = self._retries = 0
        self._used: Counter[str] = Counter()

    def __call__(self, world: World) -> None:
        fresh, self._seen = world.ledger[self._seen :], len(world.ledger)
        for effect in fresh:
            before = world.ledger[: world.ledger.index(effect)]
            self._alone(effect, before)
            self._once(effect, before)
            self._asked(effect, world)
            self._not_held(effect)
            self._looked_at(effect, before)
            self._by_itself(effect, before, world)
        self._retried(world)

    def _alone(self, effect: Effect, before: list[Effect]) -> None:
        for other in before:
            if other.ended is not None and other.ended <= effect.began:
                continue
            if other.step.component == effect.step.component:
                raise Broken("one at a time", f"{effect} began while {other} was under way")
            if effect.step.host and other.step.host == effect.step.host and not effect.step.back:
                raise Broken("one restart on a host", f"{effect} began while {other} was under way")

    def _once(self, effect: Effect, before: list[Effect]) -> None:
        times = sum(other.step.id == effect.step.id for other in before) + 1
        if effect.step.name in UNSAFE and times > 1:
            raise Broken("at most once", f"{effect} began {times} times, and it is not safe to repeat")
        if times > MOST_BEGINNINGS:
            raise Broken("three beginnings", f"{effect} began {times} times")

    def _asked(self, effect: Effect, world: World) -> None:
        stages = effect.recovery.playbook["stages"]
        whole = effect.step.stage <= len(stages) and stages[effect.step.stage - 1]["needs_approval"]
        asks = (effect.step.args == REBOOT.args or whole) and not effect.step.back
        if asks and (effect.recovery.id, effect.step.number) not in world.yes:
            raise Broken("a yes for it", f"{effect} began, and nobody said yes to it")

    def _not_held(self, effect: Effect) -> None:
        if effect.dry:
            raise Broken("dry run", f"{effect} was really done")
        if effect.held:
            raise Broken("held", f"{effect} began in spite of {effect.held}")

    @staticmethod
    def _looked_at(effect: Effect, before: list[Effect]) -> None:
        """Nothing begins by what was seen long ago. What was begun before is brought to its end all the same."""
        step = effect.step
        mine = (StepRow.recovery_id == step.recovery_id) & (StepRow.number < step.number)
        last = StepRow.select().where(mine).order_by(StepRow.number.desc()).first()
        follows = last is not None and last.kind == "action"
        if step.back or follows or any(other.step.id == step.id for other in before):
            return
        if effect.looked is None or effect.began - effect.looked > CONFIRMED_FOR:
            raise Broken("a fresh look", f"{effect} began at {effect.began}, and the last look was at {effect.looked}")

    def _by_itself(self, effect: Effect, before: list[Effect], world: World) -> None:
        """Budgets, cooldown and breaker hold what nobody ordered."""
        if effect.step.back or self._ordered(effect, world):
            return
        earlier = {other.step.id: other for other in before if not other.step.back}
        earlier.pop(effect.step.id, None)
        # What a person ordered passes the budgets, and may have begun after this was allowed.
        counted = [one for one in earlier.values() if not (self._ordered(one, world) and one.began >= _planned(effect))]
        same = [one for one in counted if _kind(one) == _kind(effect)]
        for span, mine, overall in (
            (HOUR, BRAKES.per_hour, BRAKES.overall_per_hour),
            (DAY, BRAKES.per_day, BRAKES.overall_per_day),
        ):
            for found, most in ((same, mine), (counted, overall)):
                number = sum(one.began > _planned(effect) - span for one in found)
                if number >= most:
                    raise Broken(
                        "budget", f"{effect} began after {number} others within {span}, and {most} are allowed"
                    )
        self._cool(effect)
        self._breaker(effect)

    @staticmethod
    def _ordered(effect: Effect, world: World) -> bool:
        return bool(effect.recovery.playbook["by_person"])

    def _cool(self, effect: Effect) -> None:
        at = _planned(effect)
        other = (StepRow.recovery_id != effect.recovery.id) & (StepRow.component == effect.step.component)
        real = (StepRow.kind == "action") & (StepRow.name != "retry_executions") & (StepRow.dry == False)  # noqa: E712
        for row in StepRow.select().where(other, real, StepRow.back == False, StepRow.started_at.is_null(False)):  # noqa: E712
            if row.finished_at and at - COOLDOWN < row.finished_at < at:
                raise Broken("cooldown", f"{effect} was planned {at - row.finished_at} after the end of step {row.id}")

    def _breaker(self, effect: Effect) -> None:
        at = _planned(effect)
        mine = IncidentRow.select(IncidentRow.id).where(IncidentRow.component == effect.step.component)
        acted = StepRow.select(StepRow.recovery_id).where(
            StepRow.kind == "action", StepRow.name != "retry_executions", StepRow.started_at.is_null(False),
            StepRow.dry == False, StepRow.back == False,  # noqa: E712
        )  # fmt: skip
        ended = RecoveryRow.state.in_(("succeeded", "failed"))
        query = RecoveryRow.select().where(RecoveryRow.incident_id.in_(mine), RecoveryRow.id.in_(acted), ended)
        rows = list(query.order_by(RecoveryRow.id.desc()))
        if any(row.ended_at >= at for row in rows):
            return  # of two incidents at once: what was known at that moment cannot be told any more
        last = rows[: BRAKES.breaker]
        closed = ComponentRow.get(ComponentRow.name == effect.step.component).breaker_closed_at
        same = all(row.playbook["name"] == effect.recovery.playbook["name"] for row in last)
        open_ = len(last) == BRAKES.breaker and all(row.state == "failed" for row in last) and same
        if open_ and not (closed and any(row.ended_at <= closed for row in last)):
            raise Broken("breaker", f"{effect} began after {len(last)} recoveries in vain")

    def _retried(self, world: World) -> None:
        fresh, self._retries = world.n8n.retries[self._retries :], len(world.n8n.retries)
        for one in fresh:
            if one.succeeded_before or one.running_before:
                raise Broken(
                    "an execution once", f"chain {one.root_id} was retried after it had succeeded, or while it ran"
                )
            if one.ambiguous and not one.tagged:
                self._used[one.root_id] += 1
                if self._used[one.root_id] > world.allowed.count(one.root_id):
                    raise Broken("an ambiguous one asks", f"chain {one.root_id} was retried without a permit")
        if not fresh:
            return
        for root, made, _permitted, stood_against in world.retried[-len(fresh) :]:
            if stood_against:
                raise Broken("no retry while held", f"chain {root} was retried in a dry run, or while held")
            self._few(world, root, made)

    def _few(self, world: World, root: str, made: tuple[Any, ...]) -> None:
        mine = [one for one in world.retried if one[0] == root and not one[2]]
        if len(mine) > MOST_RETRIES:
            raise Broken("six retries", f"chain {root} was retried {len(mine)} times")
        if sum(one[1] == made for one in mine) > 1:
            raise Broken("one retry an attempt", f"chain {root} was retried twice in attempt {made}")


def _kind(effect: Effect) -> tuple[str, str]:
    return effect.step.component, effect.step.name


def _planned(effect: Effect) -> Any:
    return effect.step.queued_at
