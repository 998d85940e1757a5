"""Which language a page speaks: English or Korean."""

from flask import Flask, Response, current_app, request
from flask_babel import Babel

LANGUAGES = ("en", "ko")
COOKIE = "medic_language"
YEAR_SECONDS = 365 * 24 * 3600


def speak(app: Flask) -> None:
    """Teach the app its languages, and remember what a person chose by ?lang=."""
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = "translations"
    Babel(app, locale_selector=choose_language, timezone_selector=lambda: "UTC")
    app.after_request(remember_choice)
    app.jinja_env.globals["language"] = choose_language


def choose_language() -> str:
    """The language of this request: ?lang=, then the cookie, then what the browser wants, then the setting."""
    for wanted in (request.args.get("lang"), request.cookies.get(COOKIE)):
        if wanted in LANGUAGES:
            return wanted
    default = str(current_app.config["MEDIC"].alerts.language)
    return request.accept_languages.best_match(LANGUAGES) or default


def remember_choice(answer: Response) -> Response:
    """Keep the language that was chosen by ?lang= in a cookie."""
    chosen = request.args.get("lang")
    if chosen in LANGUAGES:
        secure = current_app.config["SESSION_COOKIE_SECURE"]
        answer.set_cookie(COOKIE, chosen, max_age=YEAR_SECONDS, samesite="Lax", httponly=True, secure=secure)
    return answer
