"""Facts of every kind of message, as they may come: for previews, for tries, and to find faults in templates."""

from datetime import datetime, timedelta
from typing import Any

from recovery.model import AlertKind

__all__ = ["sample_facts"]

_CAUSES = {
    "en": "orders.example.com answered 503: upstream connect error or disconnect before headers",
    "ko": "orders.example.com answered 503: 결제 서버에 연결할 수 없습니다",
}
_BECAUSE = {
    "opened": "healing begins: first failure of this cause: orders.example.com answered 503",
    "worsened": "it was healed 3 times within an hour, and fails again",
    "needs_human": "all 3 stages are used up; at last the check still fails: orders.example.com answered 503",
    "reminder": "not resolved within 15 minutes; what is under way goes on",
    "recovered": "21 executions recovered, 2 were left alone, orders-api is healthy",
}
_ADVICE = "Renew the credential in n8n. Runs that failed of it are replayed once one works again."


def sample_facts(kind: str, now: datetime, language: str = "en", public_url: str = "") -> dict[str, Any]:
    """The facts of a made-up alert of that kind.

    Raises:
        ValueError: there is no such kind.
    """
    base = public_url.rstrip("/")
    facts = {"kind": AlertKind(kind).value, "language": language, "link": base and f"{base}/"}
    return facts | _OF_KIND.get(kind, _incident)(kind, now, language, base)


def _incident(kind: str, now: datetime, language: str, base: str) -> dict[str, Any]:
    opened = now - timedelta(minutes=16)
    facts = {
        "incident_id": 42,
        "component": "orders-api",
        "failure_type": "api_error",
        "severity": "critical",
        "site": "default",
        "opened_at": opened.isoformat(),
        "resolved_at": now.isoformat() if kind == AlertKind.RECOVERED else None,
        "message": _CAUSES[language],
        "attempts": 0 if kind == AlertKind.OPENED else 6,
        "tried": []
        if kind == AlertKind.OPENED
        else [{"name": "restart", "times": 3}, {"name": "scale_up", "times": 3}],
        "executions": 23,
        "because": _BECAUSE.get(kind, ""),
        "link": base and f"{base}/incidents/42",
    }
    if kind in (AlertKind.NEEDS_HUMAN, AlertKind.REMINDER):
        facts |= {"asks": 2, "advice": _ADVICE}
    if kind in (AlertKind.WORSENED, AlertKind.REMINDER):
        facts |= {"escalation": 2, "updates": 3}
    if kind in (AlertKind.OPENED, AlertKind.RECOVERED):
        return facts
    return facts | {"ack_link": base and f"{base}/ack/a-signed-link-of-this-alert"}


def _storm(kind: str, now: datetime, language: str, base: str) -> dict[str, Any]:
    states = [("orders-api", "critical", "needs_human"), ("orders-database", "critical", "recovering")]
    states += [("mail.example.com", "high", "recovering"), ("browserless", "medium", "open")]
    failing = [
        {"component": name, "severity": severity, "state": state, "link": base and f"{base}/incidents/{number}"}
        for number, (name, severity, state) in enumerate(states, 42)
    ]
    return {"count": 12, "needs_human": 1, "failing": failing, "since": (now - timedelta(minutes=4)).isoformat()}


def _held_back(kind: str, now: datetime, language: str, base: str) -> dict[str, Any]:
    told = [("browserless", "needs_human", "needs_human"), ("orders-api", "opened", "resolved")]
    told += [("mail.example.com", "worsened", "recovering")]
    items = [
        {"component": name, "kind": what, "state": state, "at": (now - timedelta(minutes=9 - 3 * place)).isoformat()}
        for place, (name, what, state) in enumerate(told)
    ]
    items[0]["link"] = base and f"{base}/incidents/42"
    return {"channel": "team", "count": len(items), "needs_human": 1, "items": items}


def _digest(kind: str, now: datetime, language: str, base: str) -> dict[str, Any]:
    told = [
        ("orders-api", "critical", "needs_human", _CAUSES[language]),
        ("browserless", "medium", "healed_quietly", "browserless is healthy"),
        ("mail.example.com", "high", "opened", "mail.example.com did not answer in time"),
        ("backup", "low", "recovered", "backup is healthy"),
    ]
    items = [
        {
            "component": name,
            "severity": severity,
            "what": what,
            "at": (now - timedelta(hours=5 - place)).isoformat(),
            "message": message,
            "link": base and f"{base}/incidents/{42 + place}",
        }
        for place, (name, severity, what, message) in enumerate(told)
    ]
    return {"items": items}


def _report(kind: str, now: datetime, language: str, base: str) -> dict[str, Any]:
    return {
        "period": "daily",
        "since": (now - timedelta(days=1)).isoformat(),
        "until": now.isoformat(),
        "failed": 17,
        "healed": 15,
        "needs_human": 2,
        "healed_share": 15 / 17,
        "by_type": [
            {"failure_type": "api_error", "count": 9, "healed": 8},
            {"failure_type": "database_connection", "count": 8, "healed": 7},
        ],
        "top": [{"component": "orders-api", "count": 9}, {"component": "orders-database", "count": 8}],
        "failing": [_still_failing(now, language, base)],
        "items": [
            one for one in _digest(kind, now, language, base)["items"] if one["what"] in ("healed_quietly", "recovered")
        ],
        "found": 2,
        "findings": [
            {"site": "default", "workflow": "Orders", "rule": "unwired", "severity": "bad", "at": now.isoformat()},
            {"site": "default", "workflow": "", "rule": "key_ends", "severity": "warn", "at": now.isoformat()},
        ],
        "advice": [_ADVICE],
    }


def _still_failing(now: datetime, language: str, base: str) -> dict[str, Any]:
    opened = (now - timedelta(hours=3)).isoformat()
    told = {"component": "orders-api", "severity": "critical", "state": "needs_human", "at": opened}
    return told | {"message": _CAUSES[language], "link": base and f"{base}/incidents/42"}


def _channel_trouble(kind: str, now: datetime, language: str, base: str) -> dict[str, Any]:
    return {"component": "mail", "message": "mail.example.com answered 535: authentication failed"}


def _test(kind: str, now: datetime, language: str, base: str) -> dict[str, Any]:
    return {"channel": "team", "message": ""}


_OF_KIND = {
    "storm": _storm,
    "held_back": _held_back,
    "digest": _digest,
    "report": _report,
    "channel_trouble": _channel_trouble,
    "test": _test,
}
