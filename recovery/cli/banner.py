"""What `medic serve` says when it starts."""

from recovery.cli.itself import medic
from recovery.config import Config
from recovery.config.secrets import secret_path

RULE = "═" * 78


def first_start_text(given: Config, config: Config, may_show_secrets: bool) -> str:
    """The first start's text: where the page is, how to sign in, where n8n calls, and what to do next.

    Fields:
        given: the configuration before secrets were made; what it gives is never repeated.
        may_show_secrets: a person looks on (a terminal); else the files are named.
    """
    address = f"{config.public_url}/webhooks/n8n-error"
    return "\n".join(
        [
            RULE,
            " n8n-medic is starting for the first time",
            "",
            f"   Page            {config.public_url}/",
            "   User            admin",
            f"   Password        {_secret(given, config, 'admin_password', may_show_secrets)}",
            "",
            f"   Webhook         {address}",
            f"   Webhook token   {_secret(given, config, 'webhook_token', may_show_secrets)}",
            "                   (in the header X-Medic-Token, or Authorization: Bearer <token>)",
            "",
            " What to do next",
            *_steps(config, address),
            "",
            f" These secrets are kept in {config.data_dir} and are not shown again.",
            RULE,
        ]
    )


def _secret(given: Config, config: Config, name: str, may_show_secrets: bool) -> str:
    if getattr(given, name):
        return "(as you configured it)"
    return getattr(config, name) if may_show_secrets else f"in the file {secret_path(config, name)}"


def _steps(config: Config, address: str) -> list[str]:
    steps = ["Open the page and sign in."]
    if not any(n8n.api_key for n8n in config.n8n):
        steps.append("Make an API key in n8n (Settings > n8n API), and connect it in a second terminal:")
        steps.append(f"  `{medic()} connect --url http://127.0.0.1:5678`; then start again.")
    else:
        steps.append(f"Connect your n8n in a second terminal: `{medic()} connect`.")
    steps.append(f"Describe your services: `{medic()} init` makes a medic.yaml,")
    steps.append("  or says how to add to the one that connect has written;")
    steps.append(f"  `{medic()} check-config` explains it.")
    lines, number = [], 0
    for step in steps:
        number += not step.startswith(" ")
        lines.append(f"    {step}" if step.startswith(" ") else f"   {number}. {step}")
    return lines


def later_start_text(config: Config) -> str:
    """The text of every other start."""
    return f"n8n-medic is starting: {config.public_url}/  (secrets: {config.data_dir}; Ctrl-C stops it)"
