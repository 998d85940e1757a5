"""The pages that show: the system, one incident, the reports."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, abort, current_app, render_template, request
from flask_babel import gettext, ngettext
from flask_login import login_required

from recovery import clock
from recovery.analytics.summary import summarize
from recovery.model import FAILING, IncidentState
from recovery.store import maintenance, orders, suggestions, tagged, views
from recovery.store import views_system as system_views
from webhook_server.asked import read_id
from webhook_server.controls import list_controls
from webhook_server.health import describe_sites, worker_trouble
from webhook_server.links import link_execution
from webhook_server.problems import Problem
from webhook_server.replay_pages import list_going
from webhook_server.wording import write_ago

SHOWN = 50
SHOWN_EXECUTIONS = 100
SHOWN_EVENTS = 200

blueprint = Blueprint("pages", __name__)


@dataclass(frozen=True, slots=True)
class Headline:
    """The one sentence on top: its tone (good, busy, warn, bad), the sentence, and what stands below it."""

    tone: str
    text: str
    below: str


@blueprint.get("/")
@login_required
def system() -> str:
    """The system on one page: what needs a person first, then what is being healed, then the rest."""
    counted, trouble, sites = system_views.count_incidents(), tell_silence(), describe_sites()
    components = system_views.find_components()
    unresolved = views.find_unresolved(SHOWN)
    asking, executions = views.find_asking(SHOWN), system_views.count_executions()
    return render_template(
        "system.html",
        headline=write_headline(counted, len({row.incident_id for row in asking}), trouble, sites, components),
        trouble=trouble,
        sites=sites,
        tagged=tagged.find_tagged(),
        components=components,
        needing=[row for row in unresolved if row.state == IncidentState.NEEDS_HUMAN],
        healing=[row for row in unresolved if row.state != IncidentState.NEEDS_HUMAN],
        more=sum(counted.values()) - counted.get(IncidentState.RESOLVED, 0) - len(unresolved),
        asking=asking,
        asking_count=system_views.count_asking(),
        windows=maintenance.find_open_windows(clock.utc_now()),
        recoveries=views.find_recoveries([row.id for row in unresolved]),
        broken=views.count_executions([row.id for row in unresolved]),
        resolved=views.find_resolved(10),
        waiting=views.find_waiting(10),
        executions={state: executions.get(state, 0) for state in views.UNDER_WAY},
        replays=list_going(),
        unsent=system_views.find_unsent_alerts(20),
        untriaged=system_views.count_untriaged(),
        workers=system_views.find_workers()[:4],
        link=link_execution,
    )


def tell_silence() -> str:
    """Why nothing is being healed, in the language of the page; "" where the worker is alive."""
    if not worker_trouble():
        return ""
    worker = system_views.find_freshest_worker()
    if worker is None:
        return gettext("No worker has ever reported. `medic serve` starts one.")
    return gettext("Its last heartbeat came %(ago)s. `medic serve` starts it again.", ago=write_ago(worker.beat_at))


def write_headline(
    counted: dict[str, int], asking: int, trouble: str, sites: list[Any], components: list[Any]
) -> Headline:
    """The honest sentence: what is worst comes first, and nothing is called well that is not watched."""
    needing = counted.get(IncidentState.NEEDS_HUMAN, 0)
    healing = counted.get(IncidentState.OPEN, 0) + counted.get(IncidentState.RECOVERING, 0)
    below = ngettext("%(num)s problem is being healed.", "%(num)s problems are being healed.", healing)
    below = below if healing else ""
    if trouble:
        return Headline("bad", gettext("Nothing is being healed: the worker is silent"), trouble)
    if needing:
        return Headline("bad", ngettext("%(num)s problem needs you", "%(num)s problems need you", needing), below)
    if asking:
        text = ngettext("%(num)s decision waits for you", "%(num)s decisions wait for you", asking)
        return Headline("bad", text, below)
    if healing:
        text = ngettext("%(num)s problem is being healed", "%(num)s problems are being healed", healing)
        return Headline("busy", text, gettext("Nothing needs you now."))
    return _headline_of_peace(sites, components)


def _headline_of_peace(sites: list[Any], components: list[Any]) -> Headline:
    blind = [site["name"] for site in sites if site["state"] != "ok"]
    failing = [row.name for row in components if row.health in FAILING]
    if blind:
        text = gettext("No incident, but n8n cannot be watched: %(names)s", names=", ".join(blind))
        return Headline("warn", text, gettext("See below what is missing."))
    if failing:
        text = gettext("No incident, but a component is failing: %(names)s", names=", ".join(failing[:5]))
        return Headline("warn", text, gettext("It becomes an incident when it fails often enough in a row."))
    if not sites and not components:
        return Headline("warn", gettext("Nothing is being watched yet"), gettext("Connect an n8n to begin."))
    watched = gettext(
        "%(sites)s n8n and %(components)s components are watched.", sites=len(sites), components=len(components)
    )
    return Headline("good", gettext("All is well"), watched)


@blueprint.get("/incidents/<incident_id>")
@login_required
def incident(incident_id: str) -> str:
    """All about one incident: what is broken, why, what was tried, what comes next, and what one can do."""
    standing = find_standing(incident_id)
    number = standing.incident.id
    return render_template(
        "incident.html",
        incident=standing.incident,
        recovery=standing.recovery,
        controls=list_controls(standing),
        suggestions=suggestions.find_of(standing.incident.component, standing.incident.failure_type),
        step=standing.awaiting,
        asking=list_asking(standing),
        steps=views.find_steps(number, SHOWN_EVENTS),
        executions=views.find_executions(number, SHOWN_EXECUTIONS),
        counts=views.count_executions([number]).get(number, {}),
        signals=views.count_signals(number),
        alerts=views.find_alerts(number, SHOWN),
        orders=views.find_orders(SHOWN, number),
        events=views.find_events(number, SHOWN_EVENTS),
        link=link_execution,
    )


def find_standing(incident_id: str) -> orders.Standing:
    """Where an incident stands, or the page that says that there is none."""
    try:
        return orders.find_standing(read_id(incident_id))
    except (Problem, orders.NotFound):
        abort(404)


def list_asking(standing: orders.Standing) -> list[Any]:
    """The runs of an incident that ask for a decision; one decision is for all of them."""
    if standing.incident.state == IncidentState.RESOLVED:
        return []
    return [row for row in views.find_executions(standing.incident.id, SHOWN_EXECUTIONS) if row.asks]


@blueprint.get("/reports")
@login_required
def reports() -> Any:
    """The summary of a range of days, the last seven unless asked otherwise."""
    today = clock.utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
    error, last = "", today
    first = today - timedelta(days=6)
    try:
        last = read_day(request.args.get("until"), today)
        first = read_day(request.args.get("since"), min(first, last))
        if first > last:
            raise ValueError("the first day comes after the last")
    except ValueError:
        error, first, last = (
            gettext("Please choose a first and a last day, in that order."),
            today - timedelta(days=6),
            today,
        )
    summary = summarize(first, last + timedelta(days=1))
    dry_run = current_app.config["MEDIC"].dry_run
    page = render_template("reports.html", summary=summary, first=first, last=last, error=error, dry_run=dry_run)
    return page, 400 if error else 200


def read_day(text: str | None, default: datetime) -> datetime:
    """The beginning of a day written as 2026-01-31, in UTC.

    Raises:
        ValueError: it is no day, or so late that no day comes after it.
    """
    if not text:
        return default
    day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    if day.year > 9000:
        raise ValueError("too late a day")
    return day
