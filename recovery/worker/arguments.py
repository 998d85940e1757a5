"""With which arguments an action is run: what may be secret of them comes from the configuration, never from a row."""

import json
from collections.abc import Iterable
from typing import Any

from recovery.model import ComponentPlan, DoorError, PlannedAction
from recovery.redact import MARK, redact
from recovery.store import database, recoveries
from recovery.store.tables import StepRow
from recovery.worker import by_hand
from recovery.worker.context import Context


def args_of(ctx: Context, row: StepRow) -> dict[str, Any]:
    """The action's arguments.

    The row holds them without secrets, so it is looked for first where it is from: two that differ in a token alone
    may restart two services.

    Raises:
        DoorError: the row does not hold them all, and the configuration no longer has them, or cannot tell which.
    """
    if row.order_id is not None:
        return by_hand.args_of(ctx, row)
    plan = ctx.policy.component(row.component)
    own = plan.playbook.actions if plan.playbook else ()
    for known in (_of_its_playbook(ctx, row), own, plan.actions.values()):
        fit = _fitting(known, row)
        if any(action.args != fit[0].args for action in fit):
            raise DoorError(
                f"the configuration has two actions {row.name} for {row.component} that differ in a secret alone: "
                "let them differ in a word, such as their timeout",
                permanent=True,
            )
        if fit:
            return _with_environment(fit[0], plan, own)
    if MARK in json.dumps(row.args):
        raise DoorError("its arguments hold a secret, and are no longer in the configuration", permanent=True)
    return row.args


def _of_its_playbook(ctx: Context, row: StepRow) -> list[PlannedAction]:
    """What the playbook that its recovery began by has for its component; nothing where it is not a written one."""
    if row.recovery_id is None:
        return []
    with database.read():
        name = recoveries.find_recovery(row.recovery_id).playbook.get("name", "")
    rules = [rule for rule in ctx.policy.playbooks if rule.name == name]
    mine = [rule for rule in rules if not rule.match.components or row.component in rule.match.components]
    return [action for rule in mine for stage in rule.stages for action in stage.actions or ()]


def _fitting(known: Iterable[PlannedAction], row: StepRow) -> list[PlannedAction]:
    return [action for action in known if action.name == row.name and redact(action.args) == row.args]


def _with_environment(action: PlannedAction, plan: ComponentPlan, own: Iterable[PlannedAction]) -> dict[str, Any]:
    return {**action.args, "env": plan.env} if plan.env and action in own else action.args
