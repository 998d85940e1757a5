"""`medic agent`: what its options mean, and how it runs and ends."""

import os
import shlex
import signal
import socket
from pathlib import Path
from typing import Any

import click

from recovery.cli.agent import Agent, show
from recovery.cli.agent_asking import Asking
from recovery.cli.agent_journal import Journal
from recovery.cli.agent_memory import default_path, read_memory, write_memory
from recovery.cli.agent_plan import (
    AgentPlan,
    BadPlan,
    address,
    read_components,
    silence_of,
    this_machine,
    token_reader,
)
from recovery.cli.agent_restarting import Restarting
from recovery.cli.agent_restarts import Restartable, read_restarts
from recovery.cli.agent_telling import NotTaken
from recovery.config import ConfigProblems


def run_agent(
    once: bool,
    dry_run: bool,
    memory: str | None = None,
    restarts: str | None = None,
    agent_token_file: str | None = None,
    **options: Any,
) -> int:
    """Run until it is told to end, or once; the exit code: 0, 1 where a report was not taken, 2 where it cannot begin.

    One that runs once remembers in a file what its checks keep; `memory` says where.
    SIGTERM and SIGINT end it at once: it owns nothing that must be put away; a restart that runs is waited for.
    """
    try:
        plan = make_plan(dry_run, **options)
        path = Path(memory) if memory else default_path(plan.name)
        allowed = _what_may_be_restarted(once and not dry_run, restarts, agent_token_file)
        agent = Agent(plan, memories=read_memory(path) if once else {})
        restarting = _restarting(plan, agent, allowed, agent_token_file) if allowed and not dry_run else None
    except (BadPlan, ConfigProblems) as problem:
        click.echo(str(problem), err=True)
        return 2
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, restarting.leave if restarting else lambda *_: os._exit(0))
    if dry_run:
        return _print(agent, once, options["every"], allowed)
    if restarting:
        restarting.start()
    if not once:
        agent.run()
    return _run_once(agent, path)


def _run_once(agent: Agent, path: Path) -> int:
    batch = agent.look()
    write_memory(path, agent.memories())
    try:
        agent.tell(batch)
    except NotTaken as problem:
        click.echo(str(problem), err=True)
        return 1
    return 0


def _what_may_be_restarted(once: bool, path: str | None, token_file: str | None) -> dict[str, Restartable]:
    """What the options let n8n-medic ask for, by name; {} without any.

    Raises:
        BadPlan, ConfigProblems: they cannot be followed.
    """
    if not path:
        if token_file:
            raise BadPlan("--agent-token-file is of no use without --restarts: say what may be restarted")
        return {}
    if once:
        raise BadPlan("--restarts is for an agent that stays, to be asked: leave --once out")
    if not token_file:
        raise BadPlan("--restarts needs --agent-token-file: the token that `agents` of n8n-medic has for this agent")
    return read_restarts(path)


def _restarting(plan: AgentPlan, agent: Agent, allowed: dict[str, Restartable], token_file: str | None) -> Restarting:
    asking = Asking(plan.to, token_reader(token_file, {}), agent.http)
    memory = default_path(plan.name)
    return Restarting(allowed, asking, Journal(memory.with_name(f"{memory.stem}-restarts.json")), agent.doors)


def make_plan(
    dry_run: bool,
    to: str | None,
    token_file: str | None,
    name: str | None,
    path: str | None,
    every: float,
    silent_after: float | None,
    ca_file: str | None,
) -> AgentPlan:
    """What the options mean.

    Raises:
        BadPlan, ConfigProblems: they cannot be followed.
    """
    silent = silence_of(every, silent_after)
    called = name or socket.gethostname()
    machine = this_machine(called)
    config = read_components(path) if path else machine
    if dry_run:
        return AgentPlan(called, config, every, silent)
    if not to:
        raise BadPlan("say where to report to: --to https://medic.example.com (or look first, with --dry-run --once)")
    if ca_file and not Path(ca_file).is_file():
        raise BadPlan(f"--ca-file {ca_file} is no file")
    return AgentPlan(called, config, every, silent, address(to), token_reader(token_file), ca_file or "")


def _print(agent: Agent, once: bool, every: float, allowed: dict[str, Restartable]) -> int:
    for name, one in allowed.items():
        seconds = one.timeout.total_seconds()
        click.echo(f"may be asked to restart {name!r}: `{shlex.join(one.words)}`, for at most {seconds:g} s", err=True)
    while True:
        click.echo(show(agent.look()))
        if once:
            return 0
        signal.sigtimedwait([], every)
