"""Any HTTP address that heals when it is called: an administration endpoint, a pipeline, another automation."""

from pydantic import Field, SecretStr, field_validator

from recovery.actions import action
from recovery.actions.posting_incidents import check_address, place_of, post_incident
from recovery.alerts.posting import check_headers
from recovery.model import About, DoorError, Doors, Failed, Result
from recovery.model.durations import Timeout
from recovery.model.secrets import SecretFields


class Args(SecretFields):
    """Where the incident is sent, and how."""

    url: str = Field(description="the address to POST to", examples=["https://ops.example.com/heal"])
    headers: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="sent along; their values are secrets, so better `headers_file`, names and paths of files",
    )
    secret: SecretStr | None = Field(
        None,
        description="signs the body, as the alert channel `webhook` does; better `secret_file`, the path of a file "
        "that holds it",
    )
    timeout: Timeout = Field(30.0, description="how long the answer may take", examples=["90s"])

    @field_validator("url")
    @classmethod
    def _whole(cls, value: str) -> str:
        return check_address(value)

    @field_validator("headers")
    @classmethod
    def _sendable(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        return check_headers(headers)


def preview(args: Args, doors: Doors, about: About) -> str:
    """Where it would post to."""
    signed = ", signed" if args.secret else ""
    return f"post the incident as JSON to {place_of(args.url)}{signed}, for at most {args.timeout:g} s"


@action("call_webhook", safe_to_repeat=False, preview=preview)
def call_webhook(args: Args, doors: Doors, about: About) -> Result:
    """Posts the incident as JSON to an address; an answer of 2xx is done, and a redirect is not followed.

    The body holds `component`, `failure_type`, `severity`, `incident_id`, `cause`, `opened_at`, `stage`, `attempt`,
    `link`, `action` and `key`. The key is in the header `X-Medic-Key` too, and is the same whenever the same step is
    sent. With `secret` there is `X-Medic-Signature: t=<unix>,v1=<hex HMAC-SHA256 of "<t>.<body>">`. The address is that
    of the configuration alone; nothing of a payload becomes part of it. It is not safe to repeat: where the worker is
    killed while it waits, nobody knows whether the call arrived, and a person is asked. After a timeout the next
    attempt of the stage calls again, with a key of its own.
    """
    headers = {name: value.get_secret_value() for name, value in args.headers.items()}
    secret = args.secret.get_secret_value() if args.secret else ""
    try:
        return post_incident("call_webhook", about, doors, args.url, headers, args.timeout, secret)
    except DoorError as problem:
        return Failed(str(problem), problem.permanent)
