"""A program that answers as `kubectl` does for deployments, and keeps its state in a file.

No Kubernetes runs where the tests do. Options, words and exit codes are those of kubectl 1.32. `STATE` names a JSON
file: `deployments` ("namespace/name": replicas), `trouble` and `asked`, as for `docker.py` beside it.
"""

import json
import os
import sys
import time
from pathlib import Path

STATE = Path(os.environ["STATE"])


def fail(words, code=1):
    print(words, file=sys.stderr)
    raise SystemExit(code)


def main():
    state, words = json.loads(STATE.read_text()), sys.argv[1:]
    state["asked"].append(words)
    STATE.write_text(json.dumps(state))
    options = dict(word[2:].split("=", 1) for word in words if word.startswith("--"))
    verb, what = (word for word in words if not word.startswith("--"))
    kind, _, name = what.partition("/")
    key = f"{options.get('namespace', 'default')}/{name}"
    assert kind == "deployment" and options["request-timeout"] == "10s"
    told = state["trouble"].get(verb, "")
    if told == "hangs":
        time.sleep(60)
    if told and told != "hangs after":
        fail(told)
    if key not in state["deployments"]:
        fail(f'Error from server (NotFound): deployments.apps "{name}" not found')
    if verb == "get":
        print("Warning: apps/v1 something is deprecated", file=sys.stderr)
        sys.stdout.write(
            options["output"].removeprefix("jsonpath=").replace("{.spec.replicas}", str(state["deployments"][key]))
        )
        return
    assert verb == "scale"
    there = state["deployments"][key]
    if int(options["current-replicas"]) != there:
        fail(f"error: Expected replicas to be {options['current-replicas']}, was {there}")
    state["deployments"][key] = int(options["replicas"])
    STATE.write_text(json.dumps(state))
    if told:
        time.sleep(60)
    print(f"deployment.apps/{name} scaled")


main()
