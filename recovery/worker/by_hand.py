"""Runs an action that a person ordered by hand: the order has steps of its own, the action and the looks after it."""

from datetime import datetime, timedelta
from typing import Any

from recovery.config.by_hand import NotRunnable, is_dry, plan_by_hand
from recovery.decide import brakes, by_hand
from recovery.model import About, DoorError, FailureType, Lately, PlannedAction, Severity, StepKind
from recovery.redact import redact
from recovery.store import acted, incidents, orders, recoveries, returns, steps
from recovery.store.tables import OrderRow, StepRow
from recovery.worker.cases import step_facts
from recovery.worker.context import Context

DONE, REFUSED = "done", "refused"
TOO_LATE = timedelta(minutes=5)


def begin(ctx: Context, order: OrderRow, now: datetime) -> tuple[str, str]:
    """Queue what was ordered; "done", or "refused", and why."""
    try:
        action = _plan(ctx, order)
    except NotRunnable as wrong:
        return REFUSED, f"by the worker's configuration: {wrong}"
    if redact(action.args) != order.shown:
        return REFUSED, "the worker's configuration has other arguments for it than were shown: start n8n-medic anew"
    if now - order.asked_at > TOO_LATE:
        return REFUSED, "no worker took it for 5 minutes: whoever still wants it orders it anew"
    plan = ctx.policy.component(order.component)
    dry = order.dry or ctx.dry_run or is_dry(ctx.policy, plan.name, action)
    because = f"{order.who} ordered it by hand"
    if not dry:
        lately = acted.find_lately(action, plan.name, ctx.policy, now)
        word = brakes.judge(action.name, lately, ctx.policy.brakes, now, by_person=True)
        if not isinstance(word, brakes.Go):
            return REFUSED, word.because
        because += _passed(action, lately, ctx, now)
    _queue(order, action, dry, because + (f": {order.note}" if order.note else ""), now)
    return DONE, f"{order.action} begins"


def _plan(ctx: Context, order: OrderRow) -> PlannedAction:
    return plan_by_hand(ctx.policy, order.component, order.action, order.given)


def _passed(action: PlannedAction, lately: Lately, ctx: Context, now: datetime) -> str:
    """What would have held it, had no person ordered it."""
    word = brakes.judge(action.name, lately, ctx.policy.brakes, now)
    told = [] if isinstance(word, brakes.Go) else [f"although {word.because}"]
    told += ["which is the yes that it needs"] if action.needs_approval else []
    return "".join(f", {one}" for one in told)


def _queue(order: OrderRow, action: PlannedAction, dry: bool, because: str, now: datetime) -> None:
    incident = max(incidents.find_open_of([order.component]), key=lambda row: row.id, default=None)
    steps.add_step_by_hand(
        order, StepKind.ACTION, action.name, because, now, incident.id if incident else None,
        args=redact(action.args), run_at=now, dry=dry, host=action.host,
        safe_to_repeat=dry or action.safe_to_repeat, timeout_seconds=action.timeout_seconds,
        back_after_seconds=action.back_after_seconds,
    )  # fmt: skip


def args_of(ctx: Context, row: StepRow) -> dict[str, Any]:
    """The arguments of a step by hand, its secrets from the configuration.

    Raises:
        DoorError: the configuration no longer has the action.
    """
    order = _order_of(row)
    try:
        action = _plan(ctx, order)
    except NotRunnable as wrong:
        raise DoorError(f"it can no longer be run: {wrong}", permanent=True) from None
    plan = ctx.policy.component(row.component)
    usual = plan.playbook.actions if plan.playbook else ()
    configured = plan.actions.get(order.action)
    return {"env": plan.env, **action.args} if plan.env and configured in usual else action.args


def _order_of(row: StepRow) -> OrderRow:
    order = orders.find_order(row.order_id or 0)
    if order is None:
        raise DoorError("its order is gone", permanent=True)
    return order


def about_of(ctx: Context, row: StepRow, now: datetime, memory: dict[str, Any]) -> About:
    """What the action is told: of the incident that is open on its component, where one is."""
    order = _order_of(row)
    key = f"{order.asked_at:%Y%m%dT%H%M%SZ}-order-{order.id}.{row.number}"
    if row.incident_id is None:
        severity = ctx.policy.component(row.component).severity
        return About(row.component, now, severity=severity, link=ctx.override_link(), key=key, memory=memory)
    incident = incidents.find_incident(row.incident_id)
    return About(
        row.component, now, incident.id, FailureType(incident.failure_type), Severity(incident.severity),
        incident.cause, incident.opened_at, link=ctx.link(incident.id), key=key, memory=memory,
    )  # fmt: skip


def follow(ctx: Context, row: StepRow, now: datetime) -> None:
    """In the transaction in which a step of an order ended: look at the component, and tell what came of it."""
    if row.back:
        return
    order = _order_of(row)
    taken = [step for step in steps.find_steps_by_hand(order.id) if not step.back]
    action, looks = step_facts(taken[0]), [step_facts(step) for step in taken[1:]]
    if row.id == taken[0].id:
        returns.plan_return_by_hand(taken[0], now)
    plan = ctx.policy.component(row.component)
    grace = plan.playbook.boot_grace_seconds if plan.playbook else 0.0
    look = by_hand.next_look(action, looks, grace, now) if plan.check else None
    if look and plan.check:
        args = {"args": redact(plan.check.args), "run_at": look.at}
        steps.add_step_by_hand(order, StepKind.CHECK, plan.check.name, look.because, now, row.incident_id, **args)
    orders.tell_order(order.id, by_hand.tell(action, looks))


def go_on(ctx: Context, row: StepRow, now: datetime) -> None:
    """What waits for the end of a step: its recovery, or the order that it was run for."""
    if row.order_id is not None:
        follow(ctx, row, now)
    elif row.incident_id is not None:
        recoveries.wake_recoveries([row.incident_id], now)
