"""Which playbook heals an incident: the first that was written down for it, else the usual one of its failure type."""

from dataclasses import replace

from recovery.model import FailureType, PlannedAction, Playbook, PlaybookRule, Policy, Stage

# What usually helps, in the order in which the stages try it, of what is configured for the component.
USUAL: dict[FailureType, tuple[str, ...]] = {
    FailureType.API_TIMEOUT: ("restart",),
    FailureType.API_ERROR: ("restart",),
    FailureType.DATABASE_CONNECTION: ("reconnect", "restart"),
    FailureType.SERVER_UNRESPONSIVE: ("restart", "restart_gpu_service", "scale_up"),
    FailureType.WORKFLOW_FAILED: (),
    FailureType.HIGH_ERROR_RATE: ("restart",),
    FailureType.RESOURCE_EXHAUSTED: ("clear_cache", "free_disk", "restart_gpu_service", "scale_up"),
}


def playbook_of(component: str, failure_type: str, severity: str, policy: Policy) -> Playbook:
    """How an incident is healed.

    Args:
        component, failure_type, severity: of the incident.
    """
    plan = policy.component(component)
    base = plan.playbook or policy.playbook
    for rule in policy.playbooks:
        if rule.match.fits(component, failure_type, severity, plan.labels):
            stages = tuple(
                stage for stage in rule.stages if stage.only_if.fits(component, failure_type, severity, plan.labels)
            )
            if stages:
                return _written(base, rule, stages)
    return _usual(base, plan.actions, failure_type)


def _written(base: Playbook, rule: PlaybookRule, stages: tuple[Stage, ...]) -> Playbook:
    because = f"the playbook {rule.name} is for it"
    return replace(
        base, name=rule.name, stages=stages, dry_run=base.dry_run or rule.dry_run, learned=rule.learned, because=because
    )


def _usual(base: Playbook, known: dict[str, PlannedAction], failure_type: str) -> Playbook:
    """Each stage tries the next of what usually helps; where nothing of it is configured, the restart."""
    names = [name for name in USUAL.get(FailureType(failure_type), ("restart",)) if name in known]
    if not names:
        return base
    if len(names) == 1:
        return replace(base, actions=(known[names[0]],), because=f"what usually helps against {failure_type}")
    stages = tuple(
        replace(stage, actions=(known[names[place % len(names)]],)) for place, stage in enumerate(base.stages)
    )
    told = ", then ".join(names)
    return replace(base, stages=stages, because=f"what usually helps against {failure_type}: {told}")


def mended(playbook: Playbook, keep_actions: bool = False) -> Playbook:
    """One attempt: the cause is believed to be mended, and one execution tries it. Actions only if a person asked.

    What needs a yes needs it still: whoever asks for another try has not been told which action that means.
    """
    actions = playbook.actions_of(1, 1) if keep_actions else ()
    first = playbook.stages[0]
    stage = Stage(0.0, 1, needs_approval=first.needs_approval, check=first.check) if actions else Stage(0.0, 1)
    return replace(playbook, stages=(stage,), actions=actions, mended=True, by_person=keep_actions)
