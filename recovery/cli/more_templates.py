"""More pieces for `medic init`: what is looked at from nearer by, from farther off, or inside n8n."""

from recovery.cli.pieces import Slot, Template


def _restart(example: str) -> Slot:
    return Slot("restart", "the command that brings it back", "", example, "command", True)


def _of_n8n(kind: str, what: str, *more: str) -> Template:
    lines = "".join(f"            {line}\n" for line in more)
    text = f"""
        - name: $name
          check:
            kind: {kind}
{lines}            #site: default              # the name of an n8n of this file
          severity: high
          #depends_on: [n8n]             # a component that looks at n8n itself
        """
    return Template(kind, what, (), text)


NEAR = (
    Template(
        "process",
        "A process of this machine: it runs, and does not start anew again and again.",
        (Slot("process", "its name, as `ps -o comm` shows it", "", "nginx"), _restart("systemctl restart nginx")),
        """
        - name: $name
          check:
            kind: process
            name: ${process}
            #count: 1                    # how many there must be at least
          severity: high
          restart: ${restart}
        """,
    ),
    Template(
        "gpu",
        "The NVIDIA GPUs of this machine: all there, not too hot, without memory errors.",
        (),
        """
        - name: $name
          check:
            kind: gpu
            #devices: 8                  # how many there must be; else as many as there once were
          severity: high
        """,
    ),
    Template(
        "pushed",
        "What only tells of itself, such as an agent elsewhere: it has failed when it falls silent.",
        (Slot("silent_after", "how long it may be silent", "2m", "2m"),),
        """
        - name: $name
          check:
            kind: pushed
            silent_after: ${silent_after}
          severity: high
        """,
    ),
)

FAR = (
    Template(
        "tcp",
        "A port that takes connections.",
        (
            Slot("host", "its host", "127.0.0.1", "mail.example.com"),
            Slot("port", "its port", "", "25", "number"),
            _restart("systemctl restart postfix"),
        ),
        """
        - name: $name
          check:
            kind: tcp
            host: ${host}
            port: ${port}
            timeout: 5s
          severity: high
          restart: ${restart}
        """,
    ),
    Template(
        "dns",
        "A name that must resolve.",
        (
            Slot("host", "the name to resolve", "", "db.example.com"),
            Slot("server", "the server that is asked; else this machine's own", "", "10.0.0.2", optional=True),
        ),
        """
        - name: $name
          check:
            kind: dns
            name: ${host}
            server: ${server}
          severity: high
        """,
    ),
    Template(
        "host",
        "A machine that is there: it answers at one of its ports, open or closed.",
        (Slot("host", "its name or IP address", "", "gpu1.example.com"),),
        """
        - name: $name
          check:
            kind: host
            host: ${host}
            #ports: [22, 80, 443]        # those that are knocked at
          severity: high
        """,
    ),
    Template(
        "certificate",
        "A server's TLS certificate: told before it ends.",
        (Slot("url", "an address of that server", "", "https://orders.example.com/"),),
        """
        - name: $name
          check:
            kind: certificate
            url: ${url}
            #days: 14                    # so many days before its end
          severity: medium
        """,
    ),
)

OF_N8N = (
    _of_n8n("n8n_stuck", "n8n's executions: none runs for ever.", "longer_than: 1h"),
    _of_n8n("n8n_waiting", "n8n's waiting executions: none waits for ever.", "longer_than: 7d"),
    _of_n8n("n8n_webhooks", "n8n's webhooks: those of published workflows are registered."),
    _of_n8n("n8n_schedules", "n8n's schedules: none has silently stopped."),
    _of_n8n("n8n_queue", "n8n's queue, in queue mode: its workers take executions.", "after: 5m"),
    _of_n8n("n8n_published", "n8n's published workflows: none is unpublished unawares."),
    _of_n8n("n8n_credentials", "n8n's credentials: each still works (scopes credential:list, credential:read)."),
    _of_n8n("n8n_pruning", "n8n's failures: told before n8n deletes them.", "max_age: 336h", "max_count: 10000"),
    Template(
        "error_rate",
        "A workflow of n8n that fails too often, each time for a reason of its own.",
        (Slot("workflow", "the workflow's id, or its name", "", "Orders"),),
        """
        - name: $name
          check:
            kind: error_rate
            workflow: ${workflow}
            window: 15m
            at_most: 20%
            at_least: 10 executions      # with fewer nothing is judged
            #site: default               # the name of an n8n of this file
          severity: high
        """,
    ),
)
