"""What a configuration means, in words, for `medic check-config`."""

import shlex
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from recovery.clock import utc_now
from recovery.config import Channel, Component, Config, show_duration
from recovery.config.by_hand import choices_of
from recovery.config.plans import default_hosts, every_seconds, only_hears
from recovery.config.plugins import meaning_of_check
from recovery.decide.telling import Subject, plan_telling
from recovery.model import LOOKS, AlertKind, FailureType, Severity
from recovery.model.durations import write_duration

DEFAULT_SEVERITIES = {"sms": ["critical"], "email": ["critical", "high"], "slack": ["critical", "high", "medium"]}
NAMING = ("unit", "container", "name", "path", "pid_file", "paths", "site", "cron", "period")


def describe(config: Config) -> str:
    """What n8n-medic would do with this configuration. Names no secret."""
    return "\n".join(
        [
            f"Listens on {config.bind}; n8n and people reach it at {config.public_url}",
            f"Keeps its data in {config.data_dir}; database: {_database(config.database_url)}",
            *(["Dry run: decides and records everything, does nothing."] if config.dry_run else []),
            "",
            *_n8n(config),
            *_healing(config),
            "",
            *_components(config),
            *_maintenance(config),
            *_sources(config),
            *_alerts(config),
            _retention(config),
        ]
    )


def _database(url: str) -> str:
    if url.startswith("sqlite:"):
        return f"SQLite, {url.removeprefix('sqlite:///')}"
    parts = urlsplit(url)
    return f"PostgreSQL, {parts.hostname or 'this machine'}{parts.path}"


def _sources(config: Config) -> Iterator[str]:
    for source in config.sources:
        values = ", ".join(map(str, source.healthy.equals))
        address = f"{config.public_url}/webhooks/generic/{source.name}"
        yield f"Hears {source.name} at {address}: healthy where {source.healthy.path} is {values}"


def _n8n(config: Config) -> Iterator[str]:
    for n8n in config.n8n:
        does = "asked every " + show_duration(config.poll_every) if n8n.api_key else "not asked, for want of an api_key"
        yield f"n8n {n8n.name}: {_without_login(n8n.url)}, {does}"
    if not config.n8n:
        yield "n8n: none"


def _without_login(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _healing(config: Config) -> Iterator[str]:
    stages = config.recovery.stages
    said = [f"{_after(show_duration(stage.after))} ({_times(stage.attempts)})" for stage in stages]
    yield f"Heals in {len(stages)} stages: {', then '.join(said)}"
    yield f"Tells a person at the latest after {show_duration(config.recovery.escalate_after)}"
    replay = config.replay
    yield (
        f"Replays broken executions: {replay.per_workflow} at once for each workflow, {replay.per_component} for each"
        f" component, at most {replay.rate:g} a second, none older than {show_duration(replay.max_age)};"
        f" where that may repeat an effect: {'asks a person' if replay.ambiguous == 'ask' else 'retries'}"
    )


def _after(pause: str) -> str:
    return "at once" if pause == "0s" else f"after {pause}"


def _times(number: int) -> str:
    return "1 attempt" if number == 1 else f"{number} attempts"


def _components(config: Config) -> Iterator[str]:
    yield f"Components: {len(config.components) or 'none'}"
    policy = config.policy()
    for component in config.components:
        names = list(choices_of(policy, component.name))
        yield f"  {component.name} ({component.severity}): {_looks(component)}; {_restarts(component, names)}"
        yield from (f"    {word:<6} {said}" for word, said in _explained(component, config, names) if said)


def _explained(component: Component, config: Config, names: list[str]) -> Iterator[tuple[str, str]]:
    yield "looks", meaning_of_check(component.check.kind) if component.check else ""
    yield "fails", _fails(component)
    yield "does", _does(component, config, names)
    needed = ", ".join(component.depends_on)
    yield "needs", f"{needed}: while that is down, this is held as its consequence" if needed else ""
    yield "tells", _tells(component, config)


def _fails(component: Component) -> str:
    bad, good = component.failure_threshold, component.success_threshold
    at_once = ", or at once where a look leaves no doubt" if component.check and bad > 1 else ""
    well = "a good look" if good == 1 else f"{good} good looks in a row"
    turns = component.flap_threshold
    flaps = f", or when it changed {turns} times in the last {LOOKS} looks" if turns else ""
    return f"after {'a bad look' if bad == 1 else f'{bad} bad looks in a row'}{at_once}{flaps}; well again after {well}"


def _does(component: Component, config: Config, names: list[str]) -> str:
    replays = "executions that it broke are retried when it is well" if any(n8n.api_key for n8n in config.n8n) else ""
    if component.restart is None:
        tells = (
            f"`medic playbook explain {shlex.quote(component.name)}` tells which action is tried when" if names else ""
        )
        return "; ".join(filter(None, [tells, replays]))
    if component.check is None and not component.trust_probes:
        return "; ".join(filter(None, ["never runs its command by itself, for want of a check", replays]))
    attempts = sum(stage.attempts for stage in config.recovery.stages)
    proof = (
        "its check has confirmed the failure; the same check verifies it"
        if component.check
        else "probes have told of the failure"
    )
    runs = f"runs its command {'once' if attempts == 1 else f'up to {attempts} times'}"
    nothing = "dry run: only says what it would do" if config.dry_run else ""
    return "; ".join(filter(None, [f"{runs}, each time only after {proof}", replays, nothing]))


def _tells(component: Component, config: Config) -> str:
    channels = config.alerts.channels
    policy = config.alert_policy()
    subject = Subject(component.name, FailureType.SERVER_UNRESPONSIVE, component.severity, dict(component.labels))
    opened = plan_telling(AlertKind.OPENED, subject, policy, config.channel_plans(), utc_now())
    called = plan_telling(AlertKind.NEEDS_HUMAN, subject, policy, config.channel_plans(), utc_now())
    if called.ways:
        first = ", ".join(way.channel for way in opened.ways) or "nobody"
        how = opened.because.partition(": ")[2].partition("; quiet hours")[0]  # these are told of for a moment
        return f"{first} when it fails ({how}); {', '.join(way.channel for way in called.ways)} when it needs a person"
    return (
        f"nobody: {'no channel takes ' + component.severity if channels else 'there is no channel'}; seen on the pages"
    )


def _looks(component: Component) -> str:
    if component.check is None:
        return "no check, known from probes and workflows"
    if only_hears(component):
        return f"{component.check.kind}: known from probes, and missed when it is silent"
    of = _what_is_looked_at(component.check.arguments)
    every = write_duration(every_seconds(component))
    return f"{component.check.kind} check{' of ' + of if of else ''} every {every}"


def _what_is_looked_at(arguments: dict[str, Any]) -> str:
    """Its host, else what else names it; nothing that may hold a secret."""
    named = next((arguments[key] for key in NAMING if arguments.get(key)), "")
    text = ", ".join(map(str, named)) if isinstance(named, list) else str(named)
    return ", ".join(default_hosts(arguments)) or text


def _restarts(component: Component, names: list[str]) -> str:
    if component.restart is None:
        return f"may be healed by {', '.join(names)}" if names else "no action: a person is called"
    command = component.restart.command
    program = command.split()[0] if isinstance(command, str) else command[0]
    return f"after {_failures(component.failure_threshold)} runs {program}"


def _failures(number: int) -> str:
    return "a failure" if number == 1 else f"{number} failures in a row"


def _alerts(config: Config) -> Iterator[str]:
    alerts = config.alerts
    yield f"Alerts ({alerts.language}): {len(alerts.channels) or 'no channel'}"
    for channel in alerts.channels:
        yield f"  {channel.name} ({channel.kind}): {_severities(channel)}"
    for route in alerts.routes:
        told = "the pages alone" if route.channels == () else ", ".join(route.channels or ()) or "by severity"
        yield f"  route {route.name}: {told}"
    for step in alerts.escalation:
        named = ", ".join([*step.channels, *step.people, *filter(None, [step.rotation])])
        yield f"  unanswered after {show_duration(step.after)}: {named}"
    for period, one in (("daily", alerts.reports.daily), ("weekly", alerts.reports.weekly)):
        if one and alerts.channels:
            yield f"  {period} report: {one.cron} ({alerts.timezone})"


def _severities(channel: Channel) -> str:
    told = _severities_of(channel)
    return ", ".join(told) if len(told) < len(Severity) or channel.severities else "all severities"


def _severities_of(channel: Channel) -> list[str]:
    if channel.severities is not None:
        return [severity.value for severity in channel.severities]
    return DEFAULT_SEVERITIES.get(channel.kind, [severity.value for severity in Severity])


def _maintenance(config: Config) -> Iterator[str]:
    for window in config.maintenance:
        names = "everything" if "*" in window.components else ", ".join(window.components)
        begins = f"from {window.cron} ({window.timezone}) for {show_duration(window.duration)}"
        yield f"Maintenance {begins}: {names} is seen failing, nothing is done, and nobody is told"


def _retention(config: Config) -> str:
    kept = config.retention
    return f"Keeps failures {show_duration(kept.failures)} and success logs {show_duration(kept.successes)}"
