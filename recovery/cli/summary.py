"""What a configuration means, in words, for `medic check-config`."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from recovery.config import Channel, Component, Config, show_duration
from recovery.config.plans import default_hosts, every_seconds
from recovery.model.durations import write_duration

DEFAULT_SEVERITIES = {"sms": "critical", "email": "critical, high", "slack": "critical, high, medium"}


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
    for component in config.components:
        yield f"  {component.name} ({component.severity}): {_looks(component)}; {_restarts(component)}"


def _looks(component: Component) -> str:
    if component.check is None:
        return "no check, known from probes and workflows"
    where = ", ".join(default_hosts(component.check.arguments))
    every = write_duration(every_seconds(component))
    return f"{component.check.kind} check{' of ' + where if where else ''} every {every}"


def _restarts(component: Component) -> str:
    if component.restart is None:
        return "no action: a person is called"
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


def _severities(channel: Channel) -> str:
    if channel.severities is not None:
        return ", ".join(channel.severities)
    return DEFAULT_SEVERITIES.get(channel.kind, "all severities")


def _retention(config: Config) -> str:
    kept = config.retention
    return f"Keeps failures {show_duration(kept.failures)} and success logs {show_duration(kept.successes)}"
