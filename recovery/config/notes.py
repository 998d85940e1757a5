"""What is allowed in a configuration and still worth a second look."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from recovery import checks
from recovery.config.components import Component
from recovery.config.environment import notice_slips
from recovery.config.plans import every_seconds, hosts_of, only_hears
from recovery.config.settings import Config
from recovery.model.durations import write_duration


def notes_on(config: Config, env: Mapping[str, str]) -> list[str]:
    """A sentence for each thing that is valid but may not be meant."""
    watched = (*_on_n8n(config), *_on_components(config), *_on_connectivity(config))
    return [*_on_folders(config), *watched, *_on_alerts(config), *notice_slips(env)]


def _on_folders(config: Config) -> Iterator[str]:
    """Notes and no problems: who checks a file is often another than who runs it, and on another machine."""
    database = config.database_url.removeprefix("sqlite:///")
    folders = {"data_dir": config.data_dir}
    if database != config.database_url:
        folders["the folder of database_url"] = Path(unquote(database)).parent
    for name, folder in folders.items():
        there = next(one for one in (folder, *folder.parents) if os.path.lexists(one))
        if not there.is_dir():
            yield f"{name} cannot be used: {there} is no directory."
        elif not os.access(there, os.W_OK | os.X_OK):
            yield (
                f"{name}, {folder}, cannot be written by the user who runs this:"
                " allow it to the one who runs n8n-medic, or name another."
            )


def _on_n8n(config: Config) -> Iterator[str]:
    if not config.n8n:
        yield "No n8n is configured: `medic connect --url <address of n8n>` shows what it would do, and asks."
    for n8n in config.n8n:
        if not n8n.api_key:
            yield f"n8n {n8n.name!r} has no api_key: its failures are heard of, but nothing can be retried."
        elif not any(asks_n8n(component, n8n.name, str(n8n.url)) for component in config.components):
            yield (
                f"No component asks n8n {n8n.name!r} whether it is ready: should it die, nobody is told."
                " `medic init --print --template n8n` prints what to add."
            )


def asks_n8n(component: Component, name: str, url: str) -> bool:
    """Whether a check would notice that this n8n is gone: its own one, or one of its address."""
    if component.check is None:
        return False
    if component.check.kind == "n8n":
        return component.check.arguments.get("site", "default") == name
    return urlsplit(url).netloc in hosts_of(component)


def _on_components(config: Config) -> Iterator[str]:
    owner: dict[str, str] = {}
    for component in config.components:
        if component.restart and not component.trust_probes and (not component.check or only_hears(component)):
            yield (
                f"{component.name!r} has a restart and no check that confirms, so it is never restarted by itself:"
                " add a check, or trust_probes: true."
            )
        yield from _on_check(component)
        for host in hosts_of(component):
            if owner.setdefault(host, component.name) != component.name:
                yield (
                    f"{component.name!r} and {owner[host]!r} are both called by {host}:"
                    f" workflows' failures there count for {owner[host]!r}; set hosts to tell them apart."
                )


def _on_check(component: Component) -> Iterator[str]:
    """What a check is told to see and never can."""
    if component.check is None:
        return
    args = checks.REGISTRY.find(component.check.kind).args.model_validate(component.check.arguments)
    slow, timeout = getattr(args, "slow", None), getattr(args, "timeout", None)
    if slow and timeout and slow > timeout:
        yield (
            f"{component.name!r} is never slow: slow ({write_duration(slow)}) is above timeout"
            f" ({write_duration(timeout)}), after which it counts as failing."
        )
    rate, every = getattr(args, "error_rate", None), every_seconds(component)
    if rate and rate.window / every < rate.at_least:
        yield (
            f"the error_rate of {component.name!r} is never judged: in a window of {write_duration(rate.window)},"
            f" with a look every {write_duration(every)}, there are fewer looks than at_least ({rate.at_least})."
        )


def _on_connectivity(config: Config) -> Iterator[str]:
    hosts = {plan.outside for plan in config.policy().components.values() if plan.outside}
    if not config.connectivity.anchors and len(hosts) >= config.connectivity.hosts:
        yield (
            f"{len(hosts)} other hosts are looked at, and no connectivity.anchors prove that this machine is online:"
            " should it lose its own connection, all of them count as failing, and are healed."
        )


def _on_alerts(config: Config) -> Iterator[str]:
    if not config.alerts.channels:
        yield "No alert channel is configured: incidents are seen on the pages only."
    elif all(plan.through_n8n for plan in config.channel_plans()):
        yield "Every alert channel goes through n8n: nobody may hear of it when n8n is down. Add one that does not."
