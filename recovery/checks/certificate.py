"""A TLS certificate that is about to end."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from recovery.checks import check
from recovery.model import DoorError, Doors, FailureType, Past, Reading
from recovery.model.durations import Timeout

DAY_SECONDS = 86_400


class Args(BaseModel):
    """Whose certificate, and how long before its end people are told."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: str = Field(
        description="an address of that server", examples=["https://orders.example.com/"], pattern=r"^https://[^\s/]+"
    )
    days: Annotated[StrictInt, Field(ge=1, le=365)] = Field(14, description="so many days before its end it fails")
    timeout: Timeout = Field(10.0, description="how long the answer may take", examples=["5s"])


@check("certificate", remembers=True)
async def look_at_certificate(args: Args, doors: Doors, past: Past) -> Reading:
    """Looks when the TLS certificate of a server ends; less than `days` away is a failure that calls a person at once.

    It is a component of its own, beside the service that it protects, because nothing that is restarted renews a
    certificate. One that has ended, or is not trusted, is `server_unresponsive`, as for `http`.
    """
    try:
        answer = await doors.http.ask("HEAD", args.url, timeout_seconds=args.timeout, follow=False)
    except DoorError as problem:
        is_tls = problem.kind == "tls"
        return Reading("", False, str(problem), FailureType.SERVER_UNRESPONSIVE, permanent=is_tls)
    if answer.certificate_ends is None:
        return Reading("", False, "the server shows no certificate", FailureType.API_ERROR, permanent=True)
    left = (answer.certificate_ends - past.now).total_seconds() / DAY_SECONDS
    because = f"the certificate ends on {answer.certificate_ends:%Y-%m-%d}, in {left:.0f} days"
    if left < args.days:
        return Reading("", False, because, FailureType.CREDENTIAL_EXPIRED, permanent=True)
    return Reading("", True, because, latency_ms=answer.latency_ms)
