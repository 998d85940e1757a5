"""The demo's stage: the real product, a shop, the services that workflows call, an n8n, a mailbox and a phone."""

import os
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import requests

from tests import demo_shop
from tests.n8n import workflows as flow
from tests.n8n.real import free_port
from tests.standins.n8n import StandInN8n
from tests.standins.n8n_client import N8nClient, wait_for
from tests.standins.receiver import Receiver, twilio_took
from tests.standins.service import Service
from tests.standins.smtp import SmtpReceiver
from tests.story.medic import TOKENS, Medic

STAGES = [{"after": "0s", "attempts": 1}, {"after": "4s", "attempts": 2}, {"after": "8s", "attempts": 3}]
RECOVERY = {"stages": STAGES, "settle": "2s"}


class NotAsTold(Exception):
    """Something did not happen as the tour tells it."""


class ConnectedN8n(N8nClient):
    """The n8n that the environment names; workflows made here are taken away again."""

    def __init__(self, url: str, api_key: str):
        super().__init__()
        self.url, self.api_key = url.rstrip("/"), api_key
        self._made: list[str] = []

    def create_workflow(self, workflow: dict[str, Any]) -> str:
        """Create; its id."""
        made = super().create_workflow(workflow)
        self._made.append(made)
        return made

    def close(self) -> None:
        """Take away what was made here."""
        for workflow_id in self._made:
            self.api("POST", f"workflows/{workflow_id}/deactivate")
            try:  # n8n refuses for a moment after it was unpublished
                wait_for("", lambda one=workflow_id: self.api("DELETE", f"workflows/{one}").ok, 20, 0.5)
            except AssertionError:
                print(f"The workflow {workflow_id} could not be deleted in n8n: please do.", file=sys.stderr)


def make_n8n(environment: Mapping[str, str] = os.environ) -> StandInN8n | ConnectedN8n:
    """The n8n that MEDIC_N8N_URL and MEDIC_N8N_API_KEY name, else the stand-in."""
    url, key = environment.get("MEDIC_N8N_URL", ""), environment.get("MEDIC_N8N_API_KEY", "")
    return ConnectedN8n(url, key) if url and key else StandInN8n()


class DemoStage:
    """Everything that plays a part; `close` leaves nothing behind.

    Fields:
        medic: the product, in processes of its own. password: of its page's user `admin`.
        orders, customers, payments: the services that workflows call.
        mailbox, phone, chat: where messages arrive.
    """

    def __init__(self, folder: Path, n8n: StandInN8n | ConnectedN8n):
        self.n8n = n8n
        self.is_real = isinstance(n8n, ConnectedN8n)
        self.password = secrets.token_urlsafe(9)
        self._parts = ExitStack()
        self._parts.callback(n8n.close)
        enter = self._parts.enter_context
        self.orders, self.customers, self.payments = enter(Service()), enter(Service()), enter(Service())
        self.mailbox, self.phone, self.chat = enter(SmtpReceiver()), enter(Receiver(twilio_took())), enter(Receiver())
        self.shop_port, self._pidfile = free_port(), folder / "shop.pid"
        self._parts.callback(demo_shop.end, self._pidfile)
        self.medic = Medic(folder, self._config(), MEDIC_ADMIN_PASSWORD=self.password)
        self.handler = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End everything that was started."""
        self.medic.stop()
        self._parts.close()

    def _config(self) -> dict[str, Any]:
        restart = [sys.executable, demo_shop.__file__, "restart", str(self.shop_port), str(self._pidfile)]
        look = {"kind": "http", "url": f"http://127.0.0.1:{self.shop_port}/", "timeout": "2s"}
        shop = {"name": "shop", "check": look, "every": "1s", "severity": "critical"}
        mail = {"name": "mailbox", "kind": "email", "to": ["you@example.com"], "sender": "medic@example.com"}
        phone = {"name": "phone", "kind": "sms", "to": ["+15550100"], "sender": "+15550199"}
        return {
            "n8n": {"url": self.n8n.url, "api_key": self.n8n.api_key},
            "poll_every": "2s",
            "recovery": RECOVERY,
            "replay": {"rate": "10/s"},
            "components": [
                {**shop, "restart": [*restart, str(os.getpid())]},
                {"name": "orders-api", "hosts": [self.orders.url[7:]]},
                {"name": "customers-api", "hosts": [self.customers.url[7:]]},
                {"name": "payments-api", "hosts": [self.payments.url[7:]], "severity": "critical"},
            ],
            "alerts": {
                "hold": "0s",  # in so short a tour nobody waits whether healing comes first
                "storm": {"incidents": 10, "within": "1s"},  # nor is a second failure within a minute a storm
                "channels": [
                    mail | {"smtp": {"host": "127.0.0.1", "port": self.mailbox.port, "starttls": False}},
                    phone | {"account_sid": "AC-demo", "auth_token": "demo", "api_base": self.phone.url},
                    {"name": "chat", "kind": "webhook", "url": self.chat.url},
                ],
            },
        }

    # -- acting

    def start(self) -> None:
        """Open the shop, start n8n-medic, and wire it into n8n."""
        demo_shop.restart(self.shop_port, self._pidfile, os.getpid())
        self.medic.start(wait=False)
        self.wait("n8n-medic is ready and has found n8n", self._is_connected, 60)
        self.handler = self.n8n.errors_to(f"{self.medic.url}/webhooks/n8n-error", TOKENS["MEDIC_WEBHOOK_TOKEN"])

    def _is_connected(self) -> bool:
        try:
            answer = self.medic.session.get(f"{self.medic.url}/readyz", timeout=2)
        except requests.RequestException:
            return False
        return answer.ok and all(site["state"] == "ok" for site in answer.json()["n8n"])

    def shop_process(self) -> int:
        """The number of the shop's process."""
        return int(self._pidfile.read_text())

    def workflow(self, name: str, call: dict[str, Any]) -> str:
        """Publish a workflow of a webhook and one call; the webhook's path."""
        path = f"medic-demo-{secrets.token_hex(4)}"
        made = flow.workflow(f"{name} (n8n-medic demo)", flow.webhook(path), call, error_workflow=self.handler)
        self.n8n.activate(self.n8n.create_workflow(made), path)
        return path

    # -- looking

    def wait(self, what: str, look: Callable[[], Any], seconds: float = 30.0) -> Any:
        """Look until the answer is truthy. Raises NotAsTold where it takes too long."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if found := look():
                return found
            time.sleep(0.1)
        raise NotAsTold(f"within {seconds:g} seconds this did not come true: {what}")

    def incident(self, component: str) -> dict[str, Any] | None:
        """The newest incident of a component, with all that belongs to it."""
        found = self.medic.incidents(component=component)
        return self.medic.incident(found[0]["id"]) if found else None

    def mail_about(self, component: str, words: str = "") -> Any:
        """The mail about a component whose title holds `words`; None where none has come yet."""
        for mail in list(self.mailbox.mails):
            subject = str(mail.message["Subject"])
            if component in subject and words in subject:
                return mail
        return None
