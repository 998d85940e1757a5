"""What the tests of the channels share: an alert, the real doors, and what a refusal looks like."""

from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from recovery.alerts import REGISTRY
from recovery.alerts.messages import render
from recovery.model import DoorError
from recovery.outside.apprise import Apprise
from recovery.outside.http import Http
from recovery.outside.mail import Mail
from recovery.outside.slack import Slack
from recovery.outside.sms import Sms

NOW = datetime(2026, 11, 24, 3, 5, tzinfo=UTC)
FACTS = {
    "kind": "needs_human",
    "incident_id": 7,
    "component": "orders-api",
    "failure_type": "api_timeout",
    "severity": "critical",
    "opened_at": "2026-11-24T03:04:05Z",
    "message": "connect ETIMEDOUT",
    "attempts": 6,
    "executions": 300,
    "link": "https://medic.example.com/incidents/7",
    "site": "default",
}


class QuickHttp(Http):
    """The real door; a test that waits for its deadline waits half a second."""

    def request(self, *args, **kwargs):
        return super().request(*args, **{**kwargs, "timeout_seconds": 0.5})


DOORS = SimpleNamespace(http=QuickHttp(), mail=Mail, sms=Sms, slack=Slack, apprise=Apprise)
assert DOORS.http._trust  # reading the system's certificates takes longer than a test waits


def message(language="ko", key="7/needs_human/phone", thread=None, **changes):
    return render(FACTS | changes, language, key=key, now=NOW, thread=thread)


@contextmanager
def refused_with(kind, permanent=False):
    with pytest.raises(DoorError) as caught:
        yield caught
    assert (caught.value.kind, caught.value.permanent) == (kind, permanent), caught.value


def run(name, args, said=None):
    return REGISTRY.find(name).run(args, said or message(), DOORS)
