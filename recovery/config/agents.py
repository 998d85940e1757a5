"""Checks the agents of the configuration: that each has a token of its own, and that actions name one there is."""

from typing import Any

from recovery.config.plugins import used_plugins
from recovery.config.problems import Problem, suggest
from recovery.config.translate import Translator

ASKS, THROUGH = "restart_by_agent", "restart_n8n"


def check_agents(data: dict[str, Any], translator: Translator) -> list[Problem]:
    """The problems of the agents' tokens, and of actions that name an agent."""
    listed = data.get("agents")
    agents = [one if isinstance(one, dict) else {} for one in listed] if isinstance(listed, list) else []
    return _check_tokens(agents, data, translator) + _check_named(agents, data, translator)


def _check_tokens(agents: list[dict[str, Any]], data: dict[str, Any], translator: Translator) -> list[Problem]:
    """A token that somebody else holds would let them read and answer what an agent is asked."""
    owners = {data.get(name): name for name in ("webhook_token", "api_token") if isinstance(data.get(name), str)}
    found: list[Problem] = []
    for place, agent in enumerate(agents):
        token = agent.get("token")
        if not isinstance(token, str):
            continue
        if owner := owners.get(token):
            way_out = "make one for each agent: openssl rand -hex 24"
            path = ("agents", place, "token")
            found.append(translator.problem(path, f"the same as {owner}", "a token of its own", way_out))
        owners.setdefault(token, f"that of agent number {place + 1}")
    return found


def _check_named(agents: list[dict[str, Any]], data: dict[str, Any], translator: Translator) -> list[Problem]:
    known = [str(one.get("name")) for one in agents]
    found: list[Problem] = []
    for _, path, mapping, _ in used_plugins(data):
        asked = mapping.get("agent")
        within = mapping.get("kind") == THROUGH and isinstance(asked, dict)
        name = asked.get("agent") if within and isinstance(asked, dict) else asked
        if (within or mapping.get("kind") == ASKS) and isinstance(name, str) and name not in known:
            where = (*path, "agent", "agent") if within else (*path, "agent")
            listed = ", ".join(known) or "none: list it under `agents`, with its token"
            expected = f"the name of an agent ({listed})"
            found.append(translator.problem(where, repr(name), expected, suggest(name, known)))
    return found
