"""Commented pieces of configuration for the usual components, which `medic init` fills in."""

from recovery.cli.more_templates import FAR, NEAR, OF_N8N
from recovery.cli.pieces import Slot, Template


def _restart(example: str) -> Slot:
    return Slot("restart", "the command that brings it back", "", example, "command", True)


def _database(name: str, engine: str, port: str, what: str) -> Template:
    return Template(
        name,
        what,
        (
            Slot("host", "its host", "127.0.0.1", "db.example.com"),
            Slot("port", "its port", port, port, "number"),
            Slot("user", "a user that may only read", "", "medic", optional=True),
            Slot("password", "that user's password", "", f"/run/secrets/{name}_password", "secret", True),
            _restart(f"systemctl restart {engine}"),
        ),
        f"""
        - name: $name
          check:
            kind: database
            engine: {engine}
            host: ${{host}}
            port: ${{port}}
            user: ${{user}}
            password_file: ${{password}}
            #slow: 2s                    # connecting and asking must not take longer
            connections: 90              # percent of the connections that may be open
          severity: high                 # or critical, medium, low: who is told, and how soon
          restart: ${{restart}}
        """,
    )


N8N = Template(
    "n8n",
    "The n8n that is looked after. Its API key is made in n8n under Settings > n8n API.",
    (
        Slot("url", "n8n's address", "http://127.0.0.1:5678", "http://127.0.0.1:5678"),
        Slot(
            "api_key",
            "n8n's API key; without it nothing can be retried",
            "",
            "/run/secrets/n8n_api_key",
            "secret",
            True,
        ),
    ),
    """
    n8n:
      url: ${url}
      api_key_file: ${api_key}
    """,
)

COMPONENTS = (
    Template(
        "machine",
        "This machine: CPU, memory, disks, open files.",
        (Slot("paths", "where its disks are, with commas", "/", "/, /var/lib/docker", "list"),),
        """
        - name: $name
          check:
            kind: machine
            paths: ${paths}
            #memory: 95                  # percent; each limit has a default
            #disk: 90
        """,
    ),
    Template(
        "http",
        "An HTTP API: any status from 200 to 399 is good.",
        (
            Slot("url", "the address to ask", "", "https://orders.example.com/health"),
            _restart("systemctl restart orders"),
        ),
        """
        - name: $name
          check:
            kind: http
            url: ${url}
            timeout: 5s
            #expect_text: ok             # what the answer must hold
            #slow: 800ms                 # 95 % of the answers must come within this
          severity: high                 # or critical, medium, low: who is told, and how soon
          failure_threshold: 2           # failures in a row that open an incident
          restart: ${restart}
        """,
    ),
    _database("postgresql", "postgresql", "5432", "A PostgreSQL database: connects to it and asks it a question."),
    _database("mysql", "mysql", "3306", "A MySQL or MariaDB database: connects to it and asks it a question."),
    _database("redis", "redis", "6379", "A Redis: connects to it and asks it to answer."),
    Template(
        "systemd",
        "A systemd service: active, and not restarting in a loop.",
        (
            Slot("unit", "its unit", "", "orders.service"),
            _restart("systemctl restart orders.service"),
        ),
        """
        - name: $name
          check:
            kind: systemd
            unit: ${unit}
          severity: high
          restart: ${restart}
        """,
    ),
    Template(
        "docker",
        "A Docker container: running, healthy, and not restarting in a loop.",
        (
            Slot("container", "its name", "", "browserless"),
            Slot("socket", "Docker's socket, or tcp://host:port", "/var/run/docker.sock", "/var/run/docker.sock"),
            _restart("docker restart browserless"),
        ),
        """
        - name: $name
          check:
            kind: docker
            container: ${container}
            socket: ${socket}
          severity: high
          restart: ${restart}
        """,
    ),
    Template(
        "heartbeat",
        "A job that tells of itself, and is missed when it does not.",
        (
            Slot("cron", "when it runs, as five fields of cron", "0 3 * * *", "0 3 * * *"),
            Slot("timezone", "in which time zone", "UTC", "Asia/Seoul"),
        ),
        """
        - name: $name
          check:
            kind: heartbeat
            cron: ${cron}
            timezone: ${timezone}
            grace: 30m                   # how late it may be
          severity: high
        """,
    ),
    Template(
        "n8n",
        "n8n itself: ready, and its API key accepted and not about to end.",
        (_restart("systemctl restart n8n"),),
        """
        - name: $name
          check:
            kind: n8n
          severity: high
          restart: ${restart}
        """,
    ),
    *NEAR,
    *FAR,
    *OF_N8N,
)
