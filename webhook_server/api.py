"""The JSON API under /api/v1. One table of routes makes both the addresses and their description."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, current_app
from pydantic import BaseModel

from recovery import clock
from recovery.analytics.summary import summarize
from recovery.config.plans import every_seconds
from recovery.model import OrderWhat
from recovery.model.durations import parse_duration
from recovery.model.endpoints import FAILOVER, failover_of, live_of, live_since
from recovery.model.statuses import spans_of
from recovery.store import database, orders, steps, views
from webhook_server import acting, alert_schemas, asked, maintaining, openapi, replaying, reporting, schemas, silencing
from webhook_server.links import link_execution
from webhook_server.problems import Problem
from webhook_server.secrets import plain
from webhook_server.security import require_token

DETAIL_LIMIT = 1000
PROBE_TIMEOUT_SECONDS, GOOD_STATUSES = 5.0, "200-399"  # as the http check itself
MUST_NAME = {OrderWhat.APPROVE: "step", OrderWhat.REJECT: "step", OrderWhat.SKIP_STAGE: "stage"}

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")


@blueprint.before_request
def let_in() -> None:
    """Every address here wants the API token; some take a scoped one."""
    require_token(plain(current_app.config["MEDIC"].api_token), "api")


def _answer(shown: BaseModel, status: int = 200) -> Response:
    return Response(shown.model_dump_json() + "\n", status=status, mimetype="application/json")


def _list(shown: list[Any], next_id: int | None = None) -> Response:
    listed = openapi.Listed(data=shown, nextCursor=asked.write_cursor(next_id))
    return _answer(listed)


def _list_of(word: str, query: Any, show: Callable[[Any], BaseModel]) -> Response:
    """One page of a word's rows; what is asked beside limit and cursor are equal columns and `since`."""
    wanted = query.model_dump()
    page = views.page_of(word, wanted.pop("limit"), wanted.pop("cursor"), wanted.pop("since", None), **wanted)
    return _list([show(row) for row in page.rows], page.next_id)


def list_incidents() -> Response:
    """Incidents, newest first."""
    return _list_of("incidents", asked.read_query(asked.IncidentQuery), schemas.Incident.model_validate)


def show_incident(incident_id: str) -> Response:
    """One incident with its recovery, steps, events, executions, alerts and orders."""
    standing = _find_standing(asked.read_id(incident_id))
    number = standing.incident.id
    return _answer(
        schemas.IncidentDetail(
            **schemas.Incident.model_validate(standing.incident).model_dump(),
            signals=views.count_signals(number),
            recovery=schemas.Recovery.model_validate(standing.recovery) if standing.recovery else None,
            steps=[schemas.Step.model_validate(row) for row in views.find_steps(number, DETAIL_LIMIT)],
            events=[schemas.Event.model_validate(row) for row in views.find_events(number, DETAIL_LIMIT)],
            executions=[show_execution(row) for row in views.find_executions(number, DETAIL_LIMIT)],
            execution_counts=views.count_executions([number]).get(number, {}),
            alerts=[schemas.Alert.model_validate(row) for row in views.find_alerts(number, DETAIL_LIMIT)],
            orders=[schemas.Order.model_validate(row) for row in views.find_orders(DETAIL_LIMIT, number)],
            awaiting_step=standing.awaiting,
        )
    )


def _find_standing(incident_id: int) -> orders.Standing:
    try:
        return orders.find_standing(incident_id)
    except orders.NotFound as missing:
        raise Problem(404, "Not found", str(missing)) from None


def show_execution(row: Any) -> schemas.Execution:
    """A chain of executions, with what n8n said and a link to it."""
    shown = schemas.Execution.model_validate(row)
    shown.message = str((row.facts or {}).get("message") or "")
    shown.url = link_execution(row)
    return shown


def give_order(incident_id: str) -> Response:
    """Ask for something: 202 with the order, which the worker carries out; 409 where it is too late for it."""
    number, body = asked.read_id(incident_id), asked.read_body(asked.OrderBody)
    if body.what is OrderWhat.RUN_ACTION:
        raise Problem(400, "Bad request", "an action is run on a component: POST /api/v1/components/{name}/actions")
    name = MUST_NAME.get(body.what)
    if name and getattr(body, name) is None:
        raise Problem(400, "Bad request", f"{body.what} must name its {name}, so that it cannot hit a later one")
    now = clock.utc_now()
    if body.what is OrderWhat.SNOOZE and (body.until is None or not now < body.until <= now + asked.LONGEST_SNOOZE):
        raise Problem(400, "Bad request", "until: snooze must say until when: a time within the next 30 days")
    try:
        order = orders.add_order(number, body.what, "api", now, body.step, body.stage, body.note, body.until)
    except orders.NotFound as missing:
        raise Problem(404, "Not found", str(missing)) from None
    except orders.StaleOrder as stale:
        raise Problem(409, "No longer current", str(stale), current=stale.current) from None
    except orders.OrderRefused as refused:
        raise Problem(409, "Order refused", str(refused)) from None
    return _answer(schemas.Order.model_validate(order), 202)


def run_action(name: str) -> Response:
    """Have an action run on a component by hand: 202 with the order, which the worker carries out."""
    return _answer(acting.add(name, asked.read_body(asked.ActionBody)), 202)


def show_order(order_id: str) -> Response:
    """One order, and the steps of the action that it had run."""
    return _answer(acting.find(asked.read_id(order_id)))


def list_executions() -> Response:
    """Chains of broken executions, newest first."""
    return _list_of("executions", asked.read_query(asked.ExecutionQuery), show_execution)


def list_components() -> Response:
    """Components, as they were last seen."""
    return _list_of("components", asked.read_query(asked.ComponentQuery), schemas.Component.model_validate)


def show_endpoint(name: str) -> Response:
    """Which endpoint of a component is live, where the configuration gives it the action `failover`."""
    asked.read_query(asked.Query)
    urls = failover_of(acting.policy(), name)
    if not urls:
        raise Problem(404, "Not found", f"no component {name[:200]!r} with the action failover is configured")
    with database.read():
        memory = steps.last_memory(name, FAILOVER)
    live = live_of(urls, memory)
    since = live_since(memory) if live == memory.get("live") else None
    primary = urls[0]
    shown = schemas.Endpoint(component=name, endpoint=live, primary=primary, is_primary=live == primary, since=since)
    return _answer(shown)


def list_alerts() -> Response:
    """Alerts, newest first."""
    return _list_of("alerts", asked.read_query(asked.AlertQuery), schemas.Alert.model_validate)


def list_events() -> Response:
    """Lines of history, newest first."""
    return _list_of("events", asked.read_query(asked.EventQuery), schemas.Event.model_validate)


def list_maintenance() -> Response:
    """Times of maintenance, newest first."""
    return _list_of("maintenance", asked.read_query(asked.Paging), schemas.Maintenance.model_validate)


def add_maintenance() -> Response:
    """Leave components alone for a time."""
    return _answer(maintaining.add(asked.read_body(asked.MaintenanceBody)), 201)


def end_maintenance(window_id: str) -> Response:
    """End a time of maintenance now."""
    return _answer(maintaining.remove(asked.read_id(window_id)))


def list_replays() -> Response:
    """Replays, newest first."""
    return _list_of("replays", asked.read_query(replaying.ReplayQuery), replaying.show)


def show_replay(replay_id: str) -> Response:
    """One replay with what was left, and why."""
    return _answer(replaying.show_whole(replaying.find(replay_id)))


def order_replay() -> Response:
    """Run failed executions again after an outage: 202 with the replay, which the worker counts and carries out."""
    return _answer(replaying.order(asked.read_body(replaying.ReplayBody), acting.policy().sites), 202)


def cancel_replay(replay_id: str) -> Response:
    """Begin nothing more of a replay: 202; 409 where it is over."""
    return _answer(replaying.cancel(replay_id), 202)


def list_silences() -> Response:
    """Silences, newest first."""
    return _list_of("silences", asked.read_query(asked.Paging), alert_schemas.Silence.model_validate)


def add_silence() -> Response:
    """Have nobody told of some incidents for a time."""
    return _answer(silencing.add(asked.read_body(asked.SilenceBody)), 201)


def end_silence(silence_id: str) -> Response:
    """End a silence now."""
    return _answer(silencing.remove(asked.read_id(silence_id)))


def list_alert_channels() -> Response:
    """How well each channel does: messages, tries, share of success, time to delivery."""
    query = asked.read_query(asked.StatisticsQuery)
    since = query.since or clock.utc_now() - timedelta(days=7)
    return _list(silencing.list_channels(since))


def list_probes() -> Response:
    """The probes that n8n should run: every configured component with an http check."""
    asked.read_query(asked.Query)
    return _list([probe for item in current_app.config["MEDIC"].components if (probe := show_probe(item))])


def show_probe(component: Any) -> schemas.Probe | None:
    """The probe of a configured component; None where its check is not http."""
    check = component.check
    if check is None or check.kind != "http":
        return None
    return schemas.Probe(
        name=component.name,
        url=str(check.arguments["url"]),
        method=str(check.arguments.get("method", "GET")),
        timeout=parse_duration(check.arguments.get("timeout", PROBE_TIMEOUT_SECONDS)),
        every=every_seconds(component),
        severity=component.severity,
        good_statuses=spans_of(check.arguments.get("expect_status", GOOD_STATUSES)),
    )


def show_summary() -> Response:
    """What happened in a range of time: failures, recoveries, times to recover, executions, alerts."""
    query = asked.read_query(asked.RangeQuery)
    until = query.until or clock.utc_now()
    since = query.since or until - timedelta(days=7)
    if since >= until:
        raise Problem(400, "Bad request", "since: must be before `until`")
    return _answer(schemas.Summary(**summarize(since, until)))


def show_daily() -> Response:
    """The report of one day, as people are sent it."""
    return _answer(reporting.show_period("daily"))


def show_weekly() -> Response:
    """The report of one week, as people are sent it."""
    return _answer(reporting.show_period("weekly"))


def show_openapi() -> Response:
    """This description."""
    return Response(openapi.write_document(ROUTES), mimetype="application/json")


Route = openapi.Route
ROUTES = (
    Route("GET", "/incidents", list_incidents, schemas.Incident, asked.IncidentQuery, listed=True),
    Route("GET", "/incidents/<incident_id>", show_incident, schemas.IncidentDetail),
    Route("POST", "/incidents/<incident_id>/orders", give_order, schemas.Order, body=asked.OrderBody, status=202),
    Route("GET", "/executions", list_executions, schemas.Execution, asked.ExecutionQuery, listed=True),
    Route("GET", "/components", list_components, schemas.Component, asked.ComponentQuery, listed=True),
    Route("GET", "/components/<path:name>/endpoint", show_endpoint, schemas.Endpoint),
    Route("POST", "/components/<path:name>/actions", run_action, schemas.Order, body=asked.ActionBody, status=202),
    Route("GET", "/orders/<order_id>", show_order, schemas.OrderDetail),
    Route("GET", "/alerts", list_alerts, schemas.Alert, asked.AlertQuery, listed=True),
    Route("GET", "/events", list_events, schemas.Event, asked.EventQuery, listed=True),
    Route("GET", "/maintenance", list_maintenance, schemas.Maintenance, asked.Paging, listed=True),
    Route("POST", "/maintenance", add_maintenance, schemas.Maintenance, body=asked.MaintenanceBody, status=201),
    Route("DELETE", "/maintenance/<window_id>", end_maintenance, schemas.Maintenance),
    Route("GET", "/replays", list_replays, replaying.Replay, replaying.ReplayQuery, listed=True, scope=replaying.SCOPE),
    Route("GET", "/replays/<replay_id>", show_replay, replaying.ReplayDetail, scope=replaying.SCOPE),
    Route("POST", "/replays", order_replay, replaying.Replay, None, replaying.ReplayBody, False, 202, replaying.SCOPE),
    Route("POST", "/replays/<replay_id>/cancel", cancel_replay, replaying.Replay, status=202, scope=replaying.SCOPE),
    Route("GET", "/reports/summary", show_summary, schemas.Summary, asked.RangeQuery),
    Route("GET", "/reports/daily", show_daily, alert_schemas.Period, asked.PeriodQuery),
    Route("GET", "/reports/weekly", show_weekly, alert_schemas.Period, asked.PeriodQuery),
    Route(
        "GET", "/alerts/channels", list_alert_channels, alert_schemas.ChannelFigures, asked.StatisticsQuery, listed=True
    ),
    Route("GET", "/silences", list_silences, alert_schemas.Silence, asked.Paging, listed=True),
    Route("POST", "/silences", add_silence, alert_schemas.Silence, body=asked.SilenceBody, status=201),
    Route("DELETE", "/silences/<silence_id>", end_silence, alert_schemas.Silence),
    Route("GET", "/probes", list_probes, schemas.Probe, listed=True),
    Route("GET", "/openapi.json", show_openapi),
)
for route in ROUTES:
    blueprint.add_url_rule(route.path, view_func=route.view, methods=[route.method])
