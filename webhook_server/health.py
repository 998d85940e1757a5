"""What other machines ask: do you live, are you ready, and your numbers. All of it read from the database."""

from collections.abc import Iterable
from typing import Any

from flask import Blueprint, Response, current_app, jsonify
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from recovery import clock
from recovery.model import AlertState, ExecutionState, IncidentState, RecoveryState
from recovery.store import views_system as views
from webhook_server.problems import problem
from webhook_server.secrets import plain
from webhook_server.security import is_loopback_peer, require_token

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """This process lives. Says nothing of what it depends on."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
def readyz() -> Response:
    """Whether signals are taken and acted upon: 503 names what is missing. A broken n8n is named, and is no 503."""
    parts = {"database": "ok", "worker": worker_trouble() or "ok"}
    sites = describe_sites()
    if parts["worker"] != "ok":
        return not_ready(parts, sites)
    return jsonify(status="ready", **parts, n8n=sites)


def without_database() -> Response:
    """The 503 for when the database does not answer, so that nothing else can be known."""
    return not_ready({"database": "unreachable", "worker": "unknown"}, [])


def not_ready(parts: dict[str, str], sites: list[dict[str, Any]]) -> Response:
    """The 503 that names each part that is not ready."""
    missing = "; ".join(f"{name}: {state}" for name, state in parts.items() if state != "ok")
    return problem(503, "Not ready", missing, **parts, n8n=sites)


def worker_trouble() -> str:
    """What is wrong with the worker, in words; "" where its heartbeat is fresh."""
    return views.worker_trouble(clock.utc_now())


def describe_sites() -> list[dict[str, Any]]:
    """Each configured n8n: its name, its state and what is wrong with it."""
    known = views.find_sites()
    found = []
    for site in current_app.config["MEDIC"].n8n:
        row = known.get(site.name)
        state, detail = (row.state, row.detail) if row else ("unknown", "not looked at yet")
        found.append({"name": site.name, "state": state, "detail": detail})
    return found


@blueprint.get("/metrics")
def metrics() -> Response:
    """Gauges for Prometheus: open on this machine, else with the API token."""
    if not is_loopback_peer():
        require_token(plain(current_app.config["MEDIC"].api_token), "metrics")
    registry = CollectorRegistry()
    registry.register(Gauges())
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class Gauges(Collector):
    """Reads every gauge from the database, so that any number of web processes says the same."""

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing up front: registering must not read the database."""
        return []

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The gauges as they are now."""
        yield _by_state("medic_incidents", "Incidents", IncidentState, views.count_incidents())
        yield _by_state("medic_recoveries", "Recoveries", RecoveryState, views.count_recoveries())
        executions = views.count_executions()
        yield _by_state("medic_executions", "Chains of broken n8n executions", ExecutionState, executions)
        waiting = executions.get(ExecutionState.WAITING, 0)
        yield GaugeMetricFamily("medic_executions_waiting", "Broken executions that wait for a replay", waiting)
        asking = views.count_asking()
        yield GaugeMetricFamily("medic_executions_asking", "Runs that a person must decide about", asking)
        yield _by_state("medic_alerts", "Alerts", AlertState, views.count_alerts())
        untriaged = views.count_untriaged()
        yield GaugeMetricFamily("medic_signals_untriaged", "Signals the worker has not read yet", untriaged)
        yield _heartbeats()
        yield _site_states()


def _by_state(name: str, words: str, states: Any, counted: dict[str, int]) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(name, f"{words} by state", labels=["state"])
    for state in states:
        gauge.add_metric([state.value], counted.get(state.value, 0))
    return gauge


def _heartbeats() -> GaugeMetricFamily:
    words = "Seconds since each worker's last heartbeat"
    gauge = GaugeMetricFamily("medic_worker_heartbeat_age_seconds", words, labels=["worker"])
    now = clock.utc_now()
    for worker in views.find_workers():
        gauge.add_metric([worker.name], (now - worker.beat_at).total_seconds())
    return gauge


def _site_states() -> GaugeMetricFamily:
    gauge = GaugeMetricFamily("medic_n8n_up", "Whether each n8n answers and lets us in", labels=["site"])
    for site in describe_sites():
        gauge.add_metric([site["name"]], 1 if site["state"] == "ok" else 0)
    return gauge
