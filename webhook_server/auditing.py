"""The page of audits: what the last one of each n8n has found, and a button that asks the worker for another."""

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, abort, current_app, flash, redirect, render_template, url_for
from flask_babel import gettext
from flask_login import current_user, login_required

from recovery import clock
from recovery.clock import from_micros
from recovery.store import audits
from recovery.store.tables import AuditRow

SHOWN = 300
SEVERITIES = ("bad", "warn", "info")
SAME = ("severity", "rule", "because", "fix", "todo", "since")

blueprint = Blueprint("auditing", __name__)


@dataclass(frozen=True, slots=True)
class Audited:
    """One n8n on the page.

    Fields:
        row: its last audit; None before the worker knows it.
        findings: the worst first, each with when it was first found, and the workflows of which it is true. more: how
            many are not shown.
        counts: how many of each severity.
    """

    site: str
    row: AuditRow | None
    findings: list[dict[str, Any]]
    counts: dict[str, int]
    more: int


@blueprint.get("/audit")
@login_required
def audit() -> str:
    """What the last audit of each n8n has found."""
    return render_template("audit.html", audited=list_audited())


def list_audited() -> list[Audited]:
    """Each configured n8n with its last audit."""
    known = {row.site: row for row in audits.find_audits()}
    return [_audited(n8n.name, known.get(n8n.name)) for n8n in current_app.config["MEDIC"].n8n]


def _audited(site: str, row: AuditRow | None) -> Audited:
    found = row.findings if row else []
    alike = _alike(found)
    shown = [{**one, "since": from_micros(one["since"])} for one in alike[:SHOWN]]
    counts = {kind: sum(one["severity"] == kind for one in found) for kind in SEVERITIES}
    return Audited(site, row, shown, counts, len(alike) - len(shown))


def _alike(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is the same of several workflows as one finding of all of them, the worst first."""
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for one in found:
        kept = groups.setdefault(tuple(one[name] for name in SAME), {**one, "workflows": []})
        kept["workflows"].append((one["workflow"], one["workflow_id"]))
    return sorted(groups.values(), key=lambda one: SEVERITIES.index(one["severity"]))


@blueprint.post("/audit/<site>")
@login_required
def ask(site: str) -> Any:
    """Ask the worker for an audit now."""
    if site not in [n8n.name for n8n in current_app.config["MEDIC"].n8n]:
        abort(404)
    if audits.ask_for_audit(site, current_user.name, clock.utc_now()):
        flash(gettext("Ordered: an audit of n8n %(name)s. It is with the worker.", name=site), "good")
    else:
        flash(gettext("The worker has been asked already, or does not know this n8n yet; nothing was done."), "bad")
    return redirect(url_for("auditing.audit"))
