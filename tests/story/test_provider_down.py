"""Each kind of channel, by its real code: its provider is down for an hour, then gets everything, in order, once."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from recovery.alerts import REGISTRY
from recovery.model import AlertPolicy, ChannelPlan, DoorError, HttpAnswer, Severity
from recovery.store.tables import AlertRow
from recovery.worker import sending
from tests.conftest import FakeClock
from tests.plugins.telling import DOORS, QuickHttp
from tests.standins.receiver import Posted, Receiver, Reply, twilio_took
from tests.standins.smtp import SmtpReceiver
from tests.story.desk import Desk
from tests.story.engine import restartable

POLICY = AlertPolicy(hold_seconds=0)
HOUR = 3_600
SEVERITIES = {"healed": Severity.HIGH, "idle": Severity.MEDIUM, "shop": Severity.CRITICAL}
KINDS = {"needs_human", "recovered", "digest", "storm"}
OF_A_PHONE = {"needs_human", "storm"}  # it rings for little else


@dataclass
class Provider(Receiver):
    """All that a channel may reach, over HTTP and by mail: down, or up and taking what comes."""

    mail: SmtpReceiver = field(default_factory=SmtpReceiver)
    taken: list[Posted] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def set(self, up: bool) -> None:
        """Down: it has no time, or says so as mail servers do."""
        self.usual, self.mail.fault = Reply() if up else Reply(503, "busy"), "" if up else "451 4.3.0 try again later"

    def take(self, posted: Posted) -> Reply:
        """As the provider would answer."""
        if (usual := super().take(posted)).status == 503:
            return usual
        self.taken.append(posted)
        if "Accounts" in posted.path:
            return twilio_took()
        said = {"ok": True, "channel": "C1", "ts": f"{len(self.taken)}.1", "delivered": ["a chat"]}
        return Reply(200, "ok" if "services" in posted.path else json.dumps(said))

    def count(self) -> int:
        """How many messages came; what changes a message that was there is none."""
        return len(self.mail.mails) + sum("chat.update" not in posted.path for posted in self.taken)

    def settings(self, kind: str) -> dict:
        """What a channel of that kind is configured with."""
        secret = {"account_sid": "AC" + "1" * 32, "auth_token": "hushhush"}
        return {
            "slack": {"webhook_url": f"{self.url}/services/T/B/x"},
            "slack bot": {"bot_token": "xoxb-x", "channel": "C1", "api_base": f"{self.url}/api/"},
            "email": {"to": ["o@x.com"], "sender": "m@x.com", "smtp": {"host": "127.0.0.1", "port": self.mail.port}},
            "sms": {"to": ["+15550100"], "sender": "+15550199", "api_base": self.url, **secret},
            "webhook": {"url": f"{self.url}/hook"},
            "n8n": {"url": f"{self.url}/webhook/alert-router", "token": "x"},
            "apprise": {"url": f"{self.url.replace('http', 'json')}/apprise"},
        }[kind]


class Web(QuickHttp):
    """The real door to the provider; of the components one is well when the test says so."""

    well = ""

    async def ask(self, method: str, url: str, **more: Any) -> HttpAnswer:
        if ".example.com" not in url:
            return await super().ask(method, url, **more)
        if self.well and self.well in url:
            return HttpAnswer(200, "ok", 1.0)
        raise DoorError("connection refused", "refused")


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as started, started.mail:
        yield started


@pytest.mark.again
@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
@pytest.mark.parametrize("kind", ["slack", "slack bot", "email", "sms", "webhook", "n8n", "apprise"])
def test_whatever_was_owed_arrives_in_order_and_once_when_the_provider_is_back(
    kind: str, provider: Provider, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_over = sending._hand_over
    channel = ChannelPlan("it", kind.split()[0], tuple(Severity))
    components = {name: restartable(name, severity) for name, severity in SEVERITIES.items()}
    desk = Desk(fake_clock, monkeypatch, (channel,), POLICY, components=components)
    monkeypatch.setattr(sending, "_hand_over", hand_over)
    args = REGISTRY.find(channel.kind).args.model_validate(provider.settings(kind))
    desk.engine.ctx.channel_args = {"it": args}
    web = desk.engine.outside.http = Web()
    for door in ("mail", "sms", "slack", "apprise"):
        setattr(desk.engine.outside, door, getattr(DOORS, door))
    provider.set(up=False)

    desk.fail(*SEVERITIES)
    desk.wait(120, 30)
    web.well = "healed"
    desk.heal("healed")
    desk.wait(300, 60)
    for number in range(13):
        desk.fail(f"c{number}")
    desk.wait(HOUR - 420, 60)
    assert provider.count() == 0 and not AlertRow.select().where(AlertRow.state == "delivered").exists()
    provider.set(up=True)
    desk.wait(2 * HOUR, 60)

    rows = list(AlertRow.select().where(AlertRow.state != "folded").order_by(AlertRow.id))
    assert {row.state for row in rows} == {"delivered"}, "every alert arrives"
    assert len(rows) == provider.count(), "once per key"
    for group in {(row.thread_id, row.bundle_id) for row in rows}:
        mine = [row.delivered_at for row in rows if (row.thread_id, row.bundle_id) == group]
        assert mine == sorted(mine), "in order"
    assert {row.kind for row in rows} >= (OF_A_PHONE if kind == "sms" else KINDS)
