"""Commented pieces of configuration for the channels that people are told over, which `medic init` fills in."""

from recovery.cli.pieces import Slot, Template


def _apprise(name: str, what: str, question: str, example: str) -> Template:
    text = """
        - name: $name
          kind: apprise
          url_file: ${url}
        """
    return Template(name, what, (Slot("url", question, "", example, "secret"),), text)


SLACK = (
    Template(
        "slack",
        "Slack, or what takes Slack's incoming webhooks: hears of critical, high and medium.",
        (Slot("webhook_url", "the incoming webhook's address", "", "/run/secrets/slack_webhook", "secret"),),
        """
        - name: $name
          kind: slack
          webhook_url_file: ${webhook_url}
        """,
    ),
    Template(
        "slack_bot",
        "Slack as a bot, with a thread for each incident: hears of critical, high and medium.",
        (
            Slot("bot_token", "the bot's token, xoxb-...", "", "/run/secrets/slack_bot", "secret"),
            Slot("channel", "the channel's id, or its name; the bot must be invited there", "", "C0123456789"),
        ),
        """
        - name: $name
          kind: slack
          bot_token_file: ${bot_token}
          channel: ${channel}
        """,
    ),
)

MAIL_AND_PHONE = (
    Template(
        "email",
        "E-mail: hears of critical and high. Gmail, Naver, Microsoft 365: docs/alerts.md#e-mail",
        (
            Slot("to", "who is told, with commas", "", "ops@example.com", "list"),
            Slot("sender", "who it comes from", "", "medic@example.com"),
            Slot("host", "the SMTP server, such as smtp.gmail.com or smtp.naver.com", "", "mail.example.com"),
            Slot("port", "its port: 587 for STARTTLS, 465 for TLS", "587", "587", "number"),
            Slot("user", "the SMTP user", "", "medic", optional=True),
            Slot("password", "the SMTP password", "", "/run/secrets/smtp_password", "secret", True),
        ),
        """
        - name: $name
          kind: email
          to: ${to}
          sender: ${sender}
          smtp:
            host: ${host}
            port: ${port}
            user: ${user}
            password_file: ${password}
        """,
    ),
    Template(
        "sms",
        "SMS through Twilio: hears of critical.",
        (
            Slot("to", "the numbers with their country, with commas", "", "+15550100", "list"),
            Slot("sender", "the number or name it comes from", "", "+15550199"),
            Slot("account_sid", "Twilio's account SID", "", "/run/secrets/twilio_sid", "secret"),
            Slot("auth_token", "Twilio's auth token", "", "/run/secrets/twilio_token", "secret"),
        ),
        """
        - name: $name
          kind: sms
          to: ${to}
          sender: ${sender}
          account_sid_file: ${account_sid}
          auth_token_file: ${auth_token}
        """,
    ),
)

MACHINES = (
    Template(
        "webhook",
        "Any address that takes JSON: hears of everything.",
        (Slot("url", "the address, which may hold a key", "", "/run/secrets/alert_webhook", "secret"),),
        """
        - name: $name
          kind: webhook
          url_file: ${url}
          #secret_file: /run/secrets/alert_secret       # signs each body: docs/alerts.md#webhook
          #headers_file: {Authorization: /run/secrets/alert_authorization}
          #template: '{"text": "{{ title }}", "link": "{{ link }}"}'    # a body of your own
        """,
    ),
    Template(
        "router",
        "The workflow alert-router in n8n, which tells people over what n8n has credentials for.",
        (
            Slot("url", "its webhook's production address", "", "/run/secrets/router_url", "secret"),
            Slot("token", "the value of its Header Auth credential", "", "/run/secrets/router_token", "secret"),
            Slot("header", "the name of that credential's header", "X-Medic-Token", "X-Medic-Token"),
        ),
        """
        - name: $name
          kind: n8n
          url_file: ${url}
          token_file: ${token}
          header: ${header}
        # Add a channel that does not go through n8n, for the day on which n8n itself is down.
        """,
    ),
    Template(
        "console",
        "The terminal that the worker runs in, for a first try.",
        (),
        """
        - name: $name
          kind: console
        """,
    ),
)

CHANNELS = (
    *SLACK,
    *MAIL_AND_PHONE,
    _apprise(
        "telegram",
        "Telegram: hears of everything. How to make the bot: docs/alerts.md#apprise",
        "tgram://<the bot's token>/<chat id>",
        "/run/secrets/telegram_url",
    ),
    _apprise(
        "discord",
        "Discord: hears of everything. Edit channel > Integrations > Webhooks > Copy URL.",
        "the webhook's address, as Discord gives it",
        "/run/secrets/discord_url",
    ),
    _apprise(
        "apprise",
        "Any of over 130 services: Teams, ntfy, Pushover, Gotify, Matrix ... hears of everything.",
        "the service's Apprise URL",
        "/run/secrets/apprise_url",
    ),
    *MACHINES,
)
