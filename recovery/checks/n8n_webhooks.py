"""Webhooks of published workflows that are not registered."""

from pydantic import BaseModel, ConfigDict, Field

from recovery.checks import check
from recovery.checks.asking_n8n import asking_n8n
from recovery.checks.naming import name_some
from recovery.checks.workflows import are_critical, missing_webhooks
from recovery.model import FailureType, N8nDoor, Past, Reading


class Args(BaseModel):
    """Which n8n."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    site: str = Field("default", description="the name of an n8n of the configuration", max_length=40)


@check("n8n_webhooks", remembers=True)
@asking_n8n
def look_for_webhooks(args: Args, door: N8nDoor, past: Past) -> Reading:
    """Asks n8n for each published workflow's webhooks whether they are registered, without running anything.

    One that answers nobody though its workflow is published is `webhook_unregistered`: unpublish and publish it again.
    The API key needs the scope workflow:list. Webhooks with parameters in their path are not asked, and no
    more than 200.
    """
    missing, asked, known = missing_webhooks(door)
    if not missing:
        all_of_them = f"all {asked}" if asked == known else f"the {asked} that were asked, of {known},"
        return Reading("", True, f"{all_of_them} webhooks of published workflows are registered")
    told = [f"{method} {path} of {str(workflow.get('name'))[:80]}" for workflow, (method, path) in missing]
    because = f"published, and not registered: {name_some(told)}"
    critical = are_critical(workflow for workflow, _ in missing)
    return Reading("", False, because, FailureType.WEBHOOK_UNREGISTERED, critical=critical)
