"""Makes the Flask app: the rooms of the web, one database per process, and how errors are told."""

import logging
import os
import threading
from typing import Any

from flask import Flask, Response, render_template, request
from flask_babel import gettext
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from recovery.store.database import open_database
from recovery.store.views import drop_connection, is_unreachable, reachable
from webhook_server import (
    acting,
    agents,
    answering,
    api,
    auditing,
    deciding,
    health,
    language,
    maintaining,
    override,
    pages,
    previewing,
    replay_pages,
    security,
    senders,
    silencing,
    suggesting,
    webhooks,
    wording,
)
from webhook_server.problems import Problem, broken, problem_of, unreachable

log = logging.getLogger(__name__)
MACHINE_PATHS = ("/api/", "/agent/", "/healthz", "/readyz", "/metrics")


def create_app(config: Any) -> Flask:
    """The web part of n8n-medic for a configuration (see recovery.config), with all its secrets set."""
    app = Flask(__name__)
    app.config["MEDIC"] = config
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.json.sort_keys = False  # type: ignore[attr-defined]
    security.secure(app)
    language.speak(app)
    wording.teach(app)
    for room in (api, agents, health):
        app.register_blueprint(room.blueprint)
        security.csrf.exempt(room.blueprint)
    for room in (
        pages,
        override,
        acting,
        suggesting,
        maintaining,
        deciding,
        previewing,
        answering,
        silencing,
        auditing,
        replay_pages,
    ):
        app.register_blueprint(room.blueprint)
    _open_per_process(app, config.database_url)
    _tell_errors(app)
    rooms = DispatcherMiddleware(app.wsgi_app, {senders.PREFIX: webhooks.SignalsApp(config)})
    app.wsgi_app = _with_one_slash(rooms)  # type: ignore[method-assign]
    return app


def _with_one_slash(rooms: Any) -> Any:
    """An address of ours that was written with a slash at its end makes //webhooks/probe: that is heard too."""

    def tidy(environ: dict[str, Any], start_response: Any) -> Any:
        if environ.get("PATH_INFO", "").startswith("//"):
            environ["PATH_INFO"] = "/" + environ["PATH_INFO"].lstrip("/")
        return rooms(environ, start_response)

    return tidy


def _open_per_process(app: Flask, url: str) -> None:
    """Open the database at a process's first request, so after any fork, and again until it worked."""
    opened = {"by": 0}
    one_at_a_time = threading.Lock()

    @app.before_request
    def open_once() -> None:
        if opened["by"] == os.getpid() or request.endpoint in ("health.healthz", "static"):
            return
        with one_at_a_time:
            if opened["by"] != os.getpid():
                with reachable():
                    open_database(url, migrate=True)
                opened["by"] = os.getpid()


def _tell_errors(app: Flask) -> None:
    app.register_error_handler(Problem, lambda error: error.response())
    app.register_error_handler(CSRFError, _tell_lost_form)
    app.register_error_handler(HTTPException, _tell_http_error)
    app.register_error_handler(Exception, _tell_crash)


def _for_machine() -> bool:
    return (request.root_path + request.path).startswith(MACHINE_PATHS)


def _tell_http_error(error: HTTPException) -> Any:
    if _for_machine():
        return problem_of(error)
    texts = {
        404: (gettext("Not found"), gettext("There is no such page.")),
        405: (gettext("Not possible"), gettext("This page cannot be used that way.")),
    }
    title, text = texts.get(error.code or 500, (error.name, error.description or error.name))
    return render_template("error.html", title=title, text=text), error.code or 500


def _tell_lost_form(error: CSRFError) -> Any:
    text = gettext("This form belongs to an earlier login, or cookies are off. Reload the page and try again.")
    return render_template("error.html", title=gettext("Please try again"), text=text), 400


def _tell_crash(error: Exception) -> Response | tuple[str, int]:
    if is_unreachable(error):
        return _tell_unreachable(error)
    log.exception("a request failed: %s %s", request.method, request.path)
    if _for_machine():
        return broken()
    text = gettext("Something went wrong here. The log says what.")
    return render_template("error.html", title=gettext("Internal error"), text=text, bare=True), 500


def _tell_unreachable(error: Exception) -> Response | tuple[str, int]:
    log.error("the database does not answer: %s", error)
    drop_connection()
    if request.path == "/readyz":
        return health.without_database()
    if _for_machine():
        return unreachable()
    text = gettext("The database does not answer. This page works again as soon as it does.")
    return render_template("error.html", title=gettext("Database unreachable"), text=text, bare=True), 503
