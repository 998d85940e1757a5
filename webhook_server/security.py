"""Who may come in: the login of the pages, the tokens of the API, and what every answer forbids browsers."""

import hashlib
import ipaddress
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, current_app, flash, redirect, render_template, request, session, url_for
from flask_babel import gettext, lazy_gettext
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user, logout_user
from flask_wtf import FlaskForm
from flask_wtf.csrf import CSRFProtect
from werkzeug.wrappers import Response as AnyResponse
from wtforms import PasswordField, StringField
from wtforms.validators import InputRequired, Length

from webhook_server.problems import Problem
from webhook_server.scopes import opens, refuse_elsewhere
from webhook_server.secrets import plain, same_secret
from webhook_server.throttle import Throttle

ADMIN = "admin"
LARGEST_BODY = 1024 * 1024
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}

blueprint = Blueprint("security", __name__)
csrf = CSRFProtect()
logins = LoginManager()
logins.login_view = "security.login"
logins.login_message = None


class Admin(UserMixin):
    """The one user of the pages. Its session id changes with the password, which so ends every session."""

    def __init__(self, password: str):
        digest = hashlib.sha256(b"session of " + password.encode()).hexdigest()
        self.id = f"{ADMIN}:{digest[:24]}"
        self.name = ADMIN


def secure(app: Flask) -> None:
    """Set up sessions, login, form tokens and response headers."""
    config = app.config["MEDIC"]
    app.config.update(
        SECRET_KEY=plain(config.session_key),
        SESSION_COOKIE_NAME="medic_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=str(config.public_url).startswith("https:"),
        PERMANENT_SESSION_LIFETIME=timedelta(hours=12),
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session: a page that stays open keeps its buttons
        MAX_CONTENT_LENGTH=LARGEST_BODY,
    )
    app.extensions["medic_throttle"] = Throttle(Path(config.data_dir) / "failed-logins.json")
    csrf.init_app(app)
    logins.init_app(app)
    app.register_blueprint(blueprint)
    app.after_request(add_headers)


def add_headers(answer: Response) -> Response:
    """Forbid browsers what no page of ours needs; senders of signals do not care and are spared."""
    if request.path.startswith("/webhooks/"):
        return answer
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)
    if not request.path.startswith("/static/"):
        answer.headers["Cache-Control"] = "no-store"
    return answer


@logins.user_loader
def load_user(user_id: str) -> Admin | None:
    """The user of a session, where its password is still the present one."""
    admin = Admin(plain(current_app.config["MEDIC"].admin_password))
    return admin if same_secret(user_id, admin.id) else None


class LoginForm(FlaskForm):
    """The login form."""

    user = StringField(lazy_gettext("User"), default=ADMIN, validators=[InputRequired(), Length(max=200)])
    password = PasswordField(lazy_gettext("Password"), validators=[InputRequired(), Length(max=1000)])


@blueprint.route("/login", methods=["GET", "POST"])
def login() -> AnyResponse | tuple[str, int] | tuple[str, int, dict[str, str]] | str:
    """The login page."""
    if current_user.is_authenticated:
        return redirect(safe_next())
    form = LoginForm()
    if not form.validate_on_submit():
        return render_template("login.html", form=form)
    if wait := throttle().seconds_to_wait("login", remote()):
        text = gettext("Too many failed logins. Please wait %(seconds)s seconds and try again.", seconds=wait)
        return render_template("login.html", form=form, error=text), 429, {"Retry-After": str(wait)}
    if not _is_admin(form):
        throttle().count_failure("login", remote())
        return render_template("login.html", form=form, error=gettext("User or password is wrong.")), 401
    return _let_in()


def _is_admin(form: LoginForm) -> bool:
    right_name = same_secret(form.user.data or "", ADMIN)
    return same_secret(form.password.data or "", plain(current_app.config["MEDIC"].admin_password)) and right_name


def _let_in() -> AnyResponse:
    throttle().forgive("login", remote())
    session.clear()
    session.permanent = True
    login_user(Admin(plain(current_app.config["MEDIC"].admin_password)))
    return redirect(safe_next())


@blueprint.post("/logout")
@login_required
def logout() -> AnyResponse:
    """Ends the session."""
    logout_user()
    session.clear()
    flash(gettext("You are logged out."), "good")
    return redirect(url_for("security.login"))


def safe_next() -> str:
    """Where the caller wants to go afterwards, as long as it is a page of ours; else the first page."""
    wanted = request.form.get("next") or request.args.get("next") or ""
    return wanted if is_local(wanted) else url_for("pages.system")


def is_local(target: str) -> bool:
    """Whether a redirect to `target` stays here. Browsers drop tabs and newlines, and read a backslash as a slash."""
    if not target.startswith("/") or any(letter <= " " or letter == "\\" for letter in target):
        return False
    parts = urlsplit(target)
    return not parts.scheme and not parts.netloc and not target.startswith("//")


def throttle() -> Throttle:
    """The counter of failed logins of this app."""
    return current_app.extensions["medic_throttle"]


def remote() -> str:
    """The peer's address; "unknown" on a socket without one."""
    return request.remote_addr or "unknown"


def is_loopback_peer() -> bool:
    """Whether the caller is on this machine itself. One that a proxy speaks for is not."""
    if any(name in request.headers for name in ("X-Forwarded-For", "Forwarded", "X-Real-Ip", "Via")):
        return False
    try:
        peer = ipaddress.ip_address(remote())
        return (getattr(peer, "ipv4_mapped", None) or peer).is_loopback  # as who listens on [::] sees 127.0.0.1
    except ValueError:
        return False


def shown_token() -> str:
    """The token of the Authorization header, else of X-Medic-Token as senders show it; "" where there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else request.headers.get("X-Medic-Token", "").strip()


def require_token(expected: str, door: str) -> None:
    """Let a request with the right token pass, or with one whose scope holds this address; count the others.

    Raises:
        Problem: 401, 403 for a scoped token elsewhere, or 429 after too many failures. A right token is never refused.
    """
    given, config = shown_token(), current_app.config["MEDIC"]
    if same_secret(given, expected) or opens(config, given, request.method, request.path):
        return
    refuse_elsewhere(config, given, request.method, request.path)
    require_one_of({}, door)


def require_one_of(expected: Mapping[str, str], door: str) -> str:
    """Let a request with one of these tokens pass; whose it is.

    Raises:
        Problem: as `require_token`.
    """
    given = shown_token()
    whose = [name for name, token in expected.items() if same_secret(given, token)]
    if whose:
        return whose[0]
    if wait := throttle().seconds_to_wait(door, remote()):
        detail = f"too many failed logins from this address; wait {wait} seconds"
        raise Problem(429, "Too many failed logins", detail, headers={"Retry-After": str(wait)})
    if given:
        throttle().count_failure(door, remote())
    detail = "the token is wrong" if given else "send the header `Authorization: Bearer <token>`"
    raise Problem(401, "Not authorized", detail, headers={"WWW-Authenticate": 'Bearer realm="n8n-medic"'})
