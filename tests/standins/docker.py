"""A program that answers as `docker` does, with its compose plugin and a swarm, and keeps its state in a file.

No Docker engine runs where the tests do. Options, words and exit codes are those of Docker 28 and Compose 2.
`STATE` names a JSON file: `projects` (project: service: containers), `swarm` (service: mode), `trouble` (a subcommand
and what goes wrong with it) and `asked` (every call).
"""

import json
import os
import sys
import time
from pathlib import Path

STATE = Path(os.environ["STATE"])
NO_DAEMON = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"


def fail(words, code=1):
    print(words, file=sys.stderr)
    raise SystemExit(code)


def option(words, *names):
    """Take an option and its value out of the words."""
    for name in names:
        if name in words:
            place = words.index(name)
            value = words[place + 1]
            del words[place : place + 2]
            return value
    return ""


def compose(state, words):
    file, project = option(words, "--file", "-f"), option(words, "--project-name", "-p")
    if file:
        print(
            f'time="2026-01-01T00:00:00Z" level=warning msg="{file}: the attribute `version` is obsolete"',
            file=sys.stderr,
        )
    services = state["projects"][project or Path(file).parent.name]
    verb, *words = words
    trouble(state, verb)
    {"ps": ps, "restart": restart, "up": up}[verb](state, services, words, bool(file))


def trouble(state, verb):
    told = state["trouble"].get(verb, "")
    if told == "hangs":
        time.sleep(60)
    elif told and told != "hangs after":
        fail(told)


def ps(state, services, words, has_file):
    shown, service = option(words, "--format"), words[-1]
    assert words[:-1] == ["--all"], words
    if service not in services and has_file:
        fail(f"no such service: {service}")
    for one in services.get(service, []):
        line = shown.replace('{{.Label "com.docker.compose.oneoff"}}', one.get("oneoff", "False"))
        for field in ("Name", "State", "Health"):
            line = line.replace("{{." + field + "}}", one.get(field.lower(), ""))
        print(line)


def restart(state, services, words, has_file):
    option(words, "--timeout", "-t")
    (service,) = words
    for one in services[service]:
        if one.get("oneoff") != "True":
            one["state"], one["restarts"] = "running", one.get("restarts", 0) + 1
            print(f" Container {one['name']}  Restarting\n Container {one['name']}  Started", file=sys.stderr)


def up(state, services, words, has_file):
    service, _, count = option(words, "--scale").partition("=")
    assert words == ["--detach", "--no-deps", "--no-recreate", "--no-build", service], words
    mine = [one for one in services[service] if one.get("oneoff") != "True"]
    prefix = mine[0]["name"].rpartition("-")[0] if mine else service
    kept = mine[: int(count)]
    for number in range(len(kept) + 1, int(count) + 1):
        kept.append({"name": f"{prefix}-{number}", "state": "running"})
        print(f" Container {prefix}-{number}  Started", file=sys.stderr)
    services[service] = kept + [one for one in services[service] if one.get("oneoff") == "True"]
    if state["trouble"].get("up") == "hangs after":
        STATE.write_text(json.dumps(state))
        time.sleep(60)


def swarm(state, words):
    verb, *words = words
    trouble(state, verb)
    if verb == "inspect":
        shown = option(words, "--format")
        (name,) = words
        if name not in state["swarm"]:
            print()
            fail(f"Error: no such service: {name}")
        print(shown.replace("{{json .Spec.Mode}}", json.dumps(state["swarm"][name], separators=(",", ":"))))
    elif verb == "scale":
        assert words.pop(0) == "--detach"
        name, _, count = words[0].partition("=")
        if "Replicated" not in state["swarm"][name]:
            fail(f"{name}: scale can only be used with replicated or replicated-job mode")
        state["swarm"][name]["Replicated"]["Replicas"] = int(count)
        print(f"{name} scaled to {count}")


def main():
    state, words = json.loads(STATE.read_text()), sys.argv[1:]
    state["asked"].append(list(words))
    STATE.write_text(json.dumps(state))
    if state["trouble"].get("daemon"):
        fail(NO_DAEMON)
    option(words, "--host", "-H")
    what, *words = words
    {"compose": compose, "service": swarm}[what](state, words)
    STATE.write_text(json.dumps(state))


main()
