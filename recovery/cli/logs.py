"""Where log lines go and what they look like: readable on a terminal, JSON everywhere else."""

import logging
import os
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from recovery.config.environment import log_level

NOISY = ("schedule", "urllib3", "werkzeug", "peewee", "peewee_migrate.logs", "twilio.http_client")
READABLE = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class _Readable(logging.Formatter):
    """A line for people: the message, and what came with it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's own name
        extras = (f" {name}={value}" for name, value in vars(record).items() if name not in RESERVED_ATTRS)
        return super().formatMessage(record) + "".join(extras)


def make_formatter(is_terminal: bool) -> logging.Formatter:
    """A line for people, or one JSON object with time (ISO 8601, UTC), level, logger, message and any extras."""
    if is_terminal:
        return _Readable(READABLE, datefmt="%H:%M:%S")
    return JsonFormatter(
        "{levelname}{name}{message}",
        style="{",
        rename_fields={"levelname": "level", "name": "logger"},
        timestamp="time",
        json_ensure_ascii=False,
    )


def set_up_logging(stream: TextIO | None = None, env: Mapping[str, str] = os.environ) -> None:
    """Send this process's log to `stream` (standard error), as `MEDIC_LOG` says. May be called again."""
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    handler.setFormatter(make_formatter(target.isatty()))
    logging.basicConfig(level=log_level(env), handlers=[handler], force=True)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


def gunicorn_logging() -> dict[str, Any]:
    """gunicorn's `logconfig_dict`, so that the web processes' lines look like all others."""
    handler = {"class": "logging.StreamHandler", "formatter": "ours", "stream": "ext://sys.stderr"}
    level = log_level(os.environ)
    quiet = {"level": "WARNING", "handlers": ["ours"], "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"ours": {"()": make_formatter, "is_terminal": sys.stderr.isatty()}},
        "handlers": {"ours": handler},
        "root": {"level": level, "handlers": ["ours"]},
        "loggers": {
            "gunicorn.error": {"level": level, "handlers": ["ours"], "propagate": False},
            "gunicorn.access": quiet,
            **{name: {"level": "WARNING"} for name in NOISY},
        },
    }
