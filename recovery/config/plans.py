"""What the configuration means for decisions and routing, as values of the model."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from recovery import actions, alerts, checks
from recovery.config.playbooks import make_brakes, make_rules, planned
from recovery.model import (
    AuditPlan,
    Budget,
    ChannelPlan,
    ComponentPlan,
    MaintenancePlan,
    PlannedAction,
    PlannedCheck,
    Playbook,
    Policy,
    ReplayLimits,
    Severity,
    SourcePlan,
    Stage,
)
from recovery.model.registry import EVERY_SECONDS

if TYPE_CHECKING:
    from recovery.config.components import Component, Restart
    from recovery.config.sections import MaintenanceSettings, Source
    from recovery.config.settings import Config

RESTART_ACTION = "run_command"
CRITICAL_EVERY_SECONDS = 30.0
SCHEME_PORTS = {"http": 80, "https": 443}
LOCAL_NAMES = ("localhost", "::1", "0.0.0.0", "::")  # noqa: S104
ENGINE_PORTS = {"postgresql": 5432, "mysql": 3306, "redis": 6379}


def make_policy(config: Config) -> Policy:
    """Everything that decisions need of the configuration."""
    found = config.recovery
    plans = {component.name: _component_plan(config, component) for component in config.components}
    return Policy(
        playbook=_playbook(config, None),
        components=plans,
        playbooks=make_rules(config.playbooks, plans),
        brakes=make_brakes(config.brakes),
        replay=_replay_limits(config),
        sites=tuple(n8n.name for n8n in config.n8n if n8n.api_key),
        escalate_after_seconds=found.escalate_after.total_seconds(),
        settle_seconds=found.settle.total_seconds(),
        recurrence_seconds=found.recurrence_within.total_seconds(),
        recurrences_per_hour=found.recurrences_per_hour,
        maintenance=tuple(_maintenance_plan(one) for one in config.maintenance),
        anchors=config.connectivity.anchors,
        agents=tuple(agent.name for agent in config.agents),
        offline_at=config.connectivity.hosts,
    )


def _maintenance_plan(window: MaintenanceSettings) -> MaintenancePlan:
    seconds = window.duration.total_seconds()
    return MaintenancePlan(window.components, window.cron, seconds, window.timezone, window.note)


def _replay_limits(config: Config) -> ReplayLimits:
    found = config.replay
    return ReplayLimits(
        per_workflow=found.per_workflow,
        per_component=found.per_component,
        rate_per_second=found.rate,
        max_age_seconds=found.max_age.total_seconds(),
        retry_ambiguous=found.ambiguous == "retry",
        on_recovery=found.on_recovery,
        max_retries=found.max_retries,
    )


def _component_plan(config: Config, component: Component) -> ComponentPlan:
    return ComponentPlan(
        name=component.name,
        severity=component.severity,
        failure_threshold=component.failure_threshold,
        success_threshold=component.success_threshold,
        flap_threshold=component.flap_threshold,
        hosts=hosts_of(component),
        every_seconds=every_seconds(component),
        playbook=_playbook(config, component),
        env=dict(component.restart.env) if component.restart else {},
        depends_on=component.depends_on,
        outside=outside_of(config, component),
        actions=_actions_of(component),
        labels=dict(component.labels),
        listens=_planned_check(component) if only_hears(component) else None,
    )


def _playbook(config: Config, component: Component | None) -> Playbook:
    stages = tuple(Stage(stage.after.total_seconds(), stage.attempts) for stage in config.recovery.stages)
    spacing_seconds = config.recovery.spacing.total_seconds()
    if component is None:
        return Playbook(stages=stages, spacing_seconds=spacing_seconds, dry_run=config.dry_run)
    return Playbook(
        stages=stages,
        spacing_seconds=spacing_seconds,
        actions=_usual_action(component),
        check=None if only_hears(component) else _planned_check(component),
        trust_probes=component.trust_probes,
        boot_grace_seconds=component.boot_grace.total_seconds(),
        dry_run=config.dry_run,
    )


def _usual_action(component: Component) -> tuple[PlannedAction, ...]:
    """What is done where nothing else fits: the restart."""
    restart = _actions_of(component).get("restart")
    return (restart,) if restart else ()


def _actions_of(component: Component) -> dict[str, PlannedAction]:
    own = {name: replace(planned(use), label=name) for name, use in component.actions.items()}
    return {"restart": _restart_action(component.restart), **own} if component.restart else own


def _planned_check(component: Component) -> PlannedCheck | None:
    return PlannedCheck(component.check.kind, component.check.arguments) if component.check else None


def only_hears(component: Component) -> bool:
    """Whether all that is known of it is what is pushed: its check looks for silence alone."""
    return component.check is not None and checks.REGISTRY.find(component.check.kind).hears


def _restart_action(restart: Restart) -> PlannedAction:
    plugin = actions.REGISTRY.find(RESTART_ACTION)
    return PlannedAction(
        name=RESTART_ACTION,
        args={key: value for key, value in restart_arguments(restart).items() if key != "env"},
        safe_to_repeat=restart.safe_to_repeat and plugin.safe_to_repeat,
        timeout_seconds=restart.timeout.total_seconds(),
        restarts=plugin.restarts,
    )


def restart_arguments(restart: Restart) -> dict[str, Any]:
    """What `run_command` is given for a `restart`."""
    command = restart.command if isinstance(restart.command, str) else list(restart.command)
    found: dict[str, Any] = {"command": command, "shell": restart.shell, "timeout": restart.timeout.total_seconds()}
    if restart.env:
        found["env"] = dict(restart.env)
    if restart.cwd:
        found["cwd"] = restart.cwd
    return found


def every_seconds(component: Component) -> float:
    """How often the component's check runs."""
    if component.every is not None:
        return component.every.total_seconds()
    usual = checks.REGISTRY.find(component.check.kind).every_seconds if component.check else EVERY_SECONDS
    return min(usual, CRITICAL_EVERY_SECONDS) if component.severity is Severity.CRITICAL else usual


def hosts_of(component: Component) -> tuple[str, ...]:
    """What workflows call the component by: as configured, else its check's address."""
    if component.hosts is not None:
        return component.hosts
    return default_hosts(component.check.arguments) if component.check else ()


def outside_of(config: Config, component: Component) -> str:
    """The host that a component's check goes to over the network; "" where it looks at this machine itself."""
    if component.check is None:
        return ""
    arguments = component.check.arguments
    site = next((n8n.url for n8n in config.n8n if n8n.name == arguments.get("site", "default")), None)
    if component.check.kind.startswith("n8n") or component.check.kind == "error_rate":
        arguments = {"url": site}
    found = [*default_hosts(arguments), *(str(arguments[key]) for key in ("name",) if component.check.kind == "dns")]
    host = re.sub(r":\d+$", "", found[0]).strip("[]").lower() if found else ""
    return "" if host in LOCAL_NAMES or host.startswith("127.") else host


def default_hosts(arguments: dict[str, Any]) -> tuple[str, ...]:
    """The host of a check, with its port unless it is the scheme's own, as failures name it; () without one."""
    url, host, port = (arguments.get(key) for key in ("url", "host", "port"))
    port = port or ENGINE_PORTS.get(str(arguments.get("engine")))
    if isinstance(host, str) and host.startswith("/"):
        return ()  # a socket, which no workflow names
    if isinstance(host, str) and host:
        return (f"{host.lower()}:{port}" if port else host.lower(),)
    if not isinstance(url, str):
        return ()
    try:
        parts = urlsplit(url)
        bare, number = parts.hostname, parts.port
    except ValueError:
        return ()
    if not bare:
        return ()
    return (f"{bare}:{number}" if number and number != SCHEME_PORTS.get(parts.scheme) else bare,)


def make_audit_plan(config: Config, site: str) -> AuditPlan:
    """How an n8n is audited: with what its checks know of it."""
    uses = [one.check for one in config.components if one.check and one.check.arguments.get("site", "default") == site]
    known = {use.kind: use.arguments for use in uses if use.kind.startswith("n8n_")}
    return AuditPlan(site, config.replay.max_age.total_seconds(), known)


def make_source_plan(source: Source) -> SourcePlan:
    """How the messages of a monitor are read."""
    return SourcePlan(
        name=source.name,
        healthy_path=source.healthy.path,
        healthy_values=source.healthy.equals,
        component=source.component or "",
        message=source.message or "",
        severity=source.severity or "",
        failure_type=source.failure_type or "",
        observed_at=source.observed_at or "",
        at_once=source.at_once,
    )


def make_channel_plans(config: Config) -> list[ChannelPlan]:
    """What routing needs to know of each channel."""
    of_n8n = {plugin.name for plugin in alerts.REGISTRY.all() if plugin.through_n8n}
    return [
        ChannelPlan(
            channel.name,
            channel.kind,
            channel.severities,
            channel.through_n8n or channel.kind in of_n8n,
            Budget(*channel.budget) if channel.budget else None,
        )
        for channel in config.alerts.channels
    ]


def make_channel_args(config: Config, name: str) -> Any:
    """The arguments of the channel of that name, as its kind's `Args`.

    Raises:
        KeyError: no channel has that name.
    """
    for channel in config.alerts.channels:
        if channel.name == name:
            return alerts.REGISTRY.find(channel.kind).args.model_validate(channel.arguments, extra="forbid")
    raise KeyError(f"no channel named {name!r} is configured")
