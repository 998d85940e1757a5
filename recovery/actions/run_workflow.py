"""An n8n workflow that heals something: it begins with a Webhook node."""

import re
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from recovery.actions import action
from recovery.actions.posting_incidents import check_address, place_of, post_incident
from recovery.alerts.posting import check_headers
from recovery.model import About, DoorError, Doors, Failed, Result
from recovery.model.durations import Timeout
from recovery.model.secrets import SecretFields

_TEST_ADDRESS = re.compile(r"(^|/)webhook-test(/|$)")


class Args(SecretFields):
    """Which webhook, and how n8n knows us."""

    url: str = Field(
        description="the production address of the workflow's Webhook node, which takes POST",
        examples=["https://n8n.example.com/webhook/heal-orders"],
    )
    header: str = Field(
        "X-Medic-Token", description="the header that n8n's Header Auth credential names", max_length=100
    )
    token: SecretStr | None = Field(
        None, description="the value of that header; better `token_file`, the path of a file that holds it"
    )
    timeout: Timeout = Field(
        30.0, description="how long the answer may take; a node that answers at its end needs more", examples=["5m"]
    )

    @field_validator("url")
    @classmethod
    def _whole(cls, value: str) -> str:
        check_address(value)
        if _TEST_ADDRESS.search(urlsplit(value).path):
            raise ValueError(
                "is n8n's test address, which works only while its editor listens: take the production one"
            )
        return value

    @field_validator("header")
    @classmethod
    def _named(cls, value: str) -> str:
        check_headers({value: SecretStr("x")})
        return value

    def check_together(self) -> None:
        """A token that cannot be a header's value is refused."""
        if self.token:
            check_headers({self.header: self.token})


def preview(args: Args, doors: Doors, about: About) -> str:
    """Which webhook it would call."""
    known = f" with the header {args.header}" if args.token else ""
    return f"post the incident as JSON to the workflow at {place_of(args.url)}{known}, for at most {args.timeout:g} s"


@action("run_workflow", safe_to_repeat=False, preview=preview)
def run_workflow(args: Args, doors: Doors, about: About) -> Result:
    """Calls an n8n webhook with the incident as JSON, so that a workflow heals it; an answer of 2xx is done.

    A Webhook node that responds immediately answers when the run has begun, one that responds with its last node when
    it has ended, and with 500 where it failed. The body is that of `call_webhook`. Use the node's Header Auth, and in
    the workflow drop what has a `key` that it has seen. A workflow that heals n8n itself cannot run while n8n is down.
    An answer of 404 means that the workflow is not published, or that n8n is just starting; so the next attempt tries
    again. It is not safe to repeat: where the worker is killed while it waits, nobody knows whether the run began, and
    a person is asked.
    """
    headers = {args.header: args.token.get_secret_value()} if args.token else {}
    try:
        return post_incident("run_workflow", about, doors, args.url, headers, args.timeout)
    except DoorError as problem:
        if " answered 404" in str(problem):
            return Failed(f"{problem}; is the workflow published, and does its webhook take POST?")
        return Failed(str(problem), problem.permanent)
