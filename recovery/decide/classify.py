"""Finds the one cause of a failure: which component, which class, and whether time alone may heal it."""

import re
from collections.abc import Callable
from typing import NamedTuple

from recovery.model import (
    CONNECTIVITY,
    CRITICAL_TAG,
    Cause,
    CauseClass,
    Failure,
    FailureType,
    Outlook,
    Policy,
    Reading,
    Severity,
    why_tagged,
)

REFUSED = frozenset(("ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH"))
NO_NAME = frozenset(("ENOTFOUND", "EAI_AGAIN"))
TIMED_OUT = frozenset(("ETIMEDOUT", "ESOCKETTIMEDOUT", "ECONNABORTED"))
RESET = frozenset(("ECONNRESET", "EPIPE"))
CERTIFICATE = re.compile(r"\bcertificate|self.signed|CERT_|ERR_TLS", re.IGNORECASE)
TIMEOUT_WORDS = re.compile(r"\btime(?:d)?[ -]?out\b", re.IGNORECASE)
RESET_WORDS = re.compile(r"socket hang up|connection (?:was )?(?:reset|closed|terminated|lost)", re.IGNORECASE)
CREDENTIAL_WORDS = re.compile(
    r"unauthori[sz]ed|authentication failed|authorization failed|invalid[_ ]grant|invalid credentials|"
    r"credentials? .{0,40}(?:not|invalid|expired|could not)|token (?:has )?expired|access denied for user|forbidden",
    re.IGNORECASE,
)
RESOURCE_WORDS = re.compile(
    r"out of memory|heap limit|ENOSPC|no space left|EMFILE|too many open files|ENOMEM", re.IGNORECASE
)
STALLED_WORDS = re.compile(r"failed to be processed too many times|job stalled more than", re.IGNORECASE)
CONNECTION_WORDS = re.compile(r"too many (?:clients|connections)|remaining connection slots", re.IGNORECASE)
CODE_ERRORS = frozenset(
    """NodeOperationError ExpressionError ExpressionExtensionError TypeError ReferenceError SyntaxError RangeError
    UserError WrappedExecutionError WorkflowConfigurationError WorkflowActivationError WorkflowOperationError""".split()
)
DATABASE_NODES = (
    "postgres",
    "mySql",
    "microsoftSql",
    "mongoDb",
    "redis",
    "mariaDb",
    "timescaleDb",
    "oracleDatabase",
)
DEFAULT_SITE = "default"


class Kind(NamedTuple):
    """A cause without its component."""

    cause_class: CauseClass
    failure_type: FailureType
    outlook: Outlook
    because: str
    advice: str = ""


def classify(failure: Failure, site: str, policy: Policy) -> Cause:
    """The cause of a failed execution or trigger.

    Args:
        site: the n8n it belongs to.
    """
    kind = next(found for rule in RULES if (found := rule(failure)))
    if kind.cause_class in (CauseClass.CRASHED, CauseClass.RESOURCE):
        return _cause(kind, failure, site, n8n_name(site), n8n_name(site), policy)
    by_host = failure.host and kind.cause_class in (CauseClass.UNAVAILABLE, CauseClass.CREDENTIALS)
    if not by_host:
        name = _apart("workflow", failure.workflow_name, policy)
        return _cause(kind, failure, site, f"workflow:{failure.workflow_id}", name, policy)
    plan = policy.claimant(failure.host)
    if plan is None:
        return _cause(kind, failure, site, failure.host, _apart("host", failure.host, policy), policy)
    return _cause(kind, failure, "", plan.name, plan.name, policy)


def _apart(word: str, name: str, policy: Policy) -> str:
    """The name, told from a configured component, or our own connection, that only happens to be called the same."""
    return f"{word} {name}" if name in policy.components or name == CONNECTIVITY else name


def classify_reading(reading: Reading, policy: Policy) -> Cause:
    """The cause that an unhealthy reading tells of.

    The configuration's severity wins over the sender's, and a tag of the author's in n8n over both.
    """
    plan = policy.component(reading.component)
    known = reading.component in policy.components
    severity = plan.severity if known or reading.severity is None else reading.severity
    because = f"looked at {reading.component}: {reading.because}"
    if reading.critical and severity is not Severity.CRITICAL:
        severity, because = Severity.CRITICAL, f"{because}; {why_tagged(CRITICAL_TAG)}"
    return Cause(
        fingerprint=fingerprint("", reading.component, CauseClass.UNAVAILABLE),
        component=reading.component,
        cause_class=CauseClass.UNAVAILABLE,
        failure_type=reading.failure_type or FailureType.SERVER_UNRESPONSIVE,
        outlook=Outlook.PERMANENT if reading.permanent else Outlook.TRANSIENT,
        severity=severity,
        because=because,
        summary=f"{reading.component}: {reading.because}",
    )


def fingerprint(site: str, component: str, cause_class: CauseClass) -> str:
    """What makes two failures the same cause."""
    return f"{site}|{component}|{cause_class}"


def n8n_name(site: str) -> str:
    """The component that an n8n itself is."""
    return "n8n" if site in (DEFAULT_SITE, "") else f"n8n {site}"


def _cause(kind: Kind, failure: Failure, site: str, key: str, name: str, policy: Policy) -> Cause:
    plan = policy.components.get(name)
    said = failure.message or failure.error_name or "no message"
    where = f" at {failure.node_name}" if failure.node_name else ""
    return Cause(
        fingerprint=fingerprint(site, key, kind.cause_class),
        component=name,
        cause_class=kind.cause_class,
        failure_type=kind.failure_type,
        outlook=kind.outlook,
        severity=plan.severity if plan else policy.default_severity,
        because=kind.because,
        site=site,
        advice=kind.advice,
        summary=f"{said[:300]} ({failure.workflow_name}{where})",
    )


def _crashed(failure: Failure) -> Kind | None:
    if failure.error_name != "WorkflowCrashedError":
        return None
    because = "n8n stopped while the workflow ran (WorkflowCrashedError)"
    return Kind(CauseClass.CRASHED, FailureType.WORKFLOW_CRASHED, Outlook.TRANSIENT, because)


def _stalled(failure: Failure) -> Kind | None:
    if failure.node_name or not STALLED_WORDS.search(failure.message):
        return None
    because = "its worker was lost or hung, and n8n's queue gave the run up with all its data"
    advice = (
        "Begin it anew where it came from: n8n cannot retry it. Look first whether it ended well after all, which a "
        "worker that only hung may have done. Then see why the worker ended: often it ran out of memory."
    )
    return Kind(CauseClass.CRASHED, FailureType.QUEUE_STALLED, Outlook.PERMANENT, because, advice)


def _stopped_itself(failure: Failure) -> Kind | None:
    if not failure.node_type.endswith(".stopAndError"):
        return None
    because = "the workflow stopped itself with a Stop and Error node, and would again"
    advice = "Look at what the workflow's own message says; a retry stops at the same node."
    return Kind(CauseClass.CODE, FailureType.WORKFLOW_FAILED, Outlook.PERMANENT, because, advice)


def _status(failure: Failure) -> Kind | None:
    status, host = failure.http_code, failure.host or "the service"
    if status is None or status < 400:
        return None
    because = f"{host} answered {status}"
    if status in (401, 403):
        return _credentials_kind(because)
    if status in (408, 504):
        return Kind(CauseClass.UNAVAILABLE, FailureType.API_TIMEOUT, Outlook.TRANSIENT, because)
    if status == 429 or status >= 500:
        return Kind(CauseClass.UNAVAILABLE, FailureType.API_ERROR, Outlook.TRANSIENT, because)
    advice = "Correct the request that the workflow sends (address, parameters, body); a retry sends the same one."
    return Kind(
        CauseClass.INVALID_REQUEST,
        FailureType.API_ERROR,
        Outlook.PERMANENT,
        f"{because}: it refuses this request, and would again",
        advice,
    )


def _network(failure: Failure) -> Kind | None:
    code, host, said = (
        failure.error_code,
        failure.host or "the service",
        failure.message + failure.description,
    )
    down = FailureType.DATABASE_CONNECTION if _is_database(failure) else FailureType.SERVER_UNRESPONSIVE
    if code in REFUSED:
        return Kind(CauseClass.UNAVAILABLE, down, Outlook.TRANSIENT, f"{host} refuses connections ({code})")
    if code in NO_NAME:
        return Kind(CauseClass.UNAVAILABLE, down, Outlook.TRANSIENT, f"the name of {host} cannot be resolved ({code})")
    if code in TIMED_OUT or (TIMEOUT_WORDS.search(said) and _is_remote(failure)):
        slow = FailureType.DATABASE_CONNECTION if _is_database(failure) else FailureType.API_TIMEOUT
        return Kind(CauseClass.UNAVAILABLE, slow, Outlook.TRANSIENT, f"{host} did not answer in time")
    if code == "EPROTO":
        return Kind(CauseClass.UNAVAILABLE, down, Outlook.TRANSIENT, f"{host} does not speak TLS as expected (EPROTO)")
    if code in RESET or RESET_WORDS.search(said):
        return Kind(CauseClass.UNAVAILABLE, down, Outlook.TRANSIENT, f"{host} broke the connection off")
    if CERTIFICATE.search(code) or (failure.host and CERTIFICATE.search(said)):
        advice = f"Renew or correct the TLS certificate of {host}."
        because = f"the TLS certificate of {host} is not accepted"
        return Kind(CauseClass.UNAVAILABLE, FailureType.API_ERROR, Outlook.PERMANENT, because, advice)
    return None


def _words(failure: Failure) -> Kind | None:
    said = f"{failure.message}\n{failure.description}"
    if RESOURCE_WORDS.search(said) or RESOURCE_WORDS.search(failure.error_code):
        because = "the machine that n8n runs on is short of memory, disk or files"
        return Kind(CauseClass.RESOURCE, FailureType.RESOURCE_EXHAUSTED, Outlook.TRANSIENT, because)
    if CONNECTION_WORDS.search(said):
        because = "the database has no free connection"
        return Kind(CauseClass.UNAVAILABLE, FailureType.DATABASE_CONNECTION, Outlook.TRANSIENT, because)
    if CREDENTIAL_WORDS.search(said):
        return _credentials_kind("the error speaks of credentials")
    return None


def _code(failure: Failure) -> Kind | None:
    if failure.error_name not in CODE_ERRORS:
        return None
    because = f"the workflow itself is at fault ({failure.error_name})"
    advice = "Correct the node or its input in n8n, then retry it there with the saved workflow."
    return Kind(CauseClass.CODE, FailureType.WORKFLOW_FAILED, Outlook.PERMANENT, because, advice)


def _unknown(failure: Failure) -> Kind:
    because = f"no rule knows this error ({failure.error_name or 'without a name'})"
    return Kind(CauseClass.CODE, FailureType.WORKFLOW_FAILED, Outlook.UNKNOWN, because)


def _credentials_kind(because: str) -> Kind:
    advice = "Renew the credential in n8n. Runs that failed of it are replayed once one works again."
    return Kind(CauseClass.CREDENTIALS, FailureType.CREDENTIAL_EXPIRED, Outlook.PERMANENT, because, advice)


def _is_database(failure: Failure) -> bool:
    return failure.node_type.rsplit(".", 1)[-1] in DATABASE_NODES


def _is_remote(failure: Failure) -> bool:
    return bool(failure.host) or _is_database(failure)


RULES: tuple[Callable[[Failure], Kind | None], ...] = (
    _crashed,
    _stalled,
    _stopped_itself,
    _status,
    _network,
    _words,
    _code,
    _unknown,
)
__all__ = ["Kind", "Severity", "classify", "classify_reading", "fingerprint", "n8n_name"]
