"""Writes docs/checks.md and docs/actions.md from what the plugins say of themselves: `python docs/generate.py`."""

import json
import sys
from inspect import cleandoc
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from recovery import actions, checks  # noqa: E402
from recovery.model import Plugin, Registry  # noqa: E402
from recovery.model.durations import write_duration  # noqa: E402

MADE = "<!-- Made by `python docs/generate.py` from the plugins' own words; change those, not this file. -->"

CHECKS_INTRO = """# Checks

A check looks at a component once and says whether it does its work. The same check finds a failure, confirms it
before anything is restarted, and verifies the recovery. How many failures in a row count, and how often it runs, is
the component's business (`failure_threshold`, `success_threshold`, `every`), the same for every check.

```yaml
components:
  - name: orders-api
    check: {kind: http, url: "https://orders.example.com/health", timeout: 5s}
    every: 30s
  - name: orders-db
    check: {kind: database, engine: postgresql, host: db.example.com, user: medic, password_file: /run/secrets/db}
  - name: broker
    check: {kind: tcp, host: mq.example.com, port: 5672}
  - name: gpu-server
    check: {kind: host, host: gpu1.example.com, ports: [22, 9100]}
  - name: name-of-the-shop
    check: {kind: dns, name: shop.example.com, expect: [192.0.2.10]}
  - name: worker
    check: {kind: systemd, unit: n8n-worker.service}
    restart: ["systemctl", "restart", "n8n-worker.service"]
  - name: browser
    check: {kind: docker, container: browserless}
    restart: ["docker", "restart", "browserless"]
  - name: this-machine
    check: {kind: machine, paths: ["/", "/var/lib/docker"], disk: 85}
  - name: gpus
    check: {kind: gpu, devices: 2, temperature: 85}
  - name: certificate of the orders
    check: {kind: certificate, url: "https://orders.example.com/", days: 14}
    every: 6h
  - name: till
    check: {kind: process, pid_file: /run/till.pid}
    restart: ["systemctl", "restart", "till"]
  - name: backup
    check: {kind: heartbeat, cron: "0 3 * * *", timezone: Asia/Seoul, grace: 2h}
  - name: db-server
    check: {kind: pushed, silent_after: 2m}
  - name: orders-search
    check: {kind: http, url: "https://search.example.com/health", error_rate: {window: 15m, at_most: 20%}}
  - name: failures of the orders workflow
    check: {kind: error_rate, workflow: Orders, window: 15m, at_most: 20%, at_least: 10 executions}
  - name: n8n
    check: {kind: n8n}
  - name: stuck executions
    check: {kind: n8n_stuck, longer_than: 1h}
  - name: webhooks of n8n
    check: {kind: n8n_webhooks}
  - name: schedules of n8n
    check: {kind: n8n_schedules}
  - name: waiting executions
    check: {kind: n8n_waiting, longer_than: 7d}
  - name: queue of n8n
    check: {kind: n8n_queue, after: 5m}
  - name: published workflows
    check: {kind: n8n_published, ignore: [draft]}
  - name: credentials of n8n
    check: {kind: n8n_credentials, each: 6h}
  - name: failures that n8n will delete
    check: {kind: n8n_pruning}
    every: 1h
```

`medic run-check orders-api` runs it once, by hand. [extending.md](extending.md) shows how to add a check of your own
in one file.
"""

ACTIONS_INTRO = """# Actions

An action changes something so that a component works again. It runs only after the component's own check has
confirmed the failure (or, without a check, pushed probes where `trust_probes` allows it), and the same check verifies
what it did. A failed action is tried again in the next attempt, as
the stages of the recovery say (at once, after 1 minute, after 5 minutes); then a person is called.

```yaml
components:
  - name: orders-api
    check: {kind: http, url: "https://orders.example.com/health"}
    restart: ["systemctl", "restart", "orders"]
  - name: reports
    check: {kind: tcp, host: 127.0.0.1, port: 9100}
    restart: {command: "cd /srv/reports && ./stop; ./start", shell: true, timeout: 90s}
```

`restart` is short for the action `run_command`; its keys are those below. The worker runs it as its own user: give
that user the right to run just this one command (a line in sudoers, a systemd policy), and no more.

**Safe to repeat** means that running it twice does no more than running it once. If a worker is killed in the middle
of an action, nobody knows whether it happened: a safe one is run again, any other waits for a person. Where the worker
was killed each of three times, the action may be what kills it, and a person is asked as well.
[extending.md](extending.md) shows how to add an action of your own in one file.
"""


def main() -> None:
    """Write both pages."""
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """The name and the text of each page."""
    return {"checks.md": page(CHECKS_INTRO, checks.REGISTRY), "actions.md": page(ACTIONS_INTRO, actions.REGISTRY)}


def page(intro: str, registry: Registry) -> str:
    """One page: the introduction, then every plugin."""
    return "\n".join([MADE, "", intro, *(section(plugin, registry.word) for plugin in registry.all())])


def section(plugin: Plugin, word: str) -> str:
    """What one plugin does, and its keys as a table."""
    rows = [row(name, field) for name, field in plugin.args.model_fields.items()]
    repeats, every = "yes" if plugin.safe_to_repeat else "no", write_duration(plugin.every_seconds)
    asks = " Needs a person's yes unless the configuration says otherwise." if plugin.approval else ""
    fact = f"Safe to repeat: {repeats}.{asks}" if word == "action" else f"Looks every `{every}` by default."
    table = "| key | meaning | default | example |\n| --- | --- | --- | --- |\n" + "\n".join(rows)
    return f"## `{plugin.name}`\n\n{cleandoc(plugin.doc)}\n\n{fact}\n\n{table}\n"


def row(name: str, field: Any) -> str:
    """One key of a plugin."""
    default = "must be given" if field.is_required() else shown(field.get_default(call_default_factory=True))
    example = shown(field.examples[0]) if field.examples else ""
    same = example == default
    return f"| `{name}` | {cell(field.description)} | {cell(default)} | {cell('' if same else example)} |"


def shown(value: Any) -> str:
    """A value as the configuration writes it; a float among the plugins' keys is a length of time."""
    if value is None or value in ("", {}, (), []):
        return "none"
    if isinstance(value, float):
        return f"`{write_duration(value)}`"
    if isinstance(value, tuple):
        value = value[0] if len(value) == 1 else list(value)
    return f"`{value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}`"


def cell(text: str) -> str:
    """A text that ends no cell of a table."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    main()
