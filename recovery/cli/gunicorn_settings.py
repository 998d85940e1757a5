"""How `medic serve` runs gunicorn: `gunicorn -c python:recovery.cli.gunicorn_settings webhook_server.wsgi:app`."""

import sys
from importlib import import_module
from typing import Any

from gunicorn.glogging import Logger

from recovery.cli.lingering import LingeringWorker, leave
from recovery.cli.logs import gunicorn_logging


class QuietLogger(Logger):
    """Writes no line for each request. gunicorn would work one out all the same, for a tenth of a signal's cost."""

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """Nothing."""

    def exception(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """What went wrong; that a caller is gone in the midst of a request is nothing to look into."""
        if isinstance(sys.exc_info()[1], BlockingIOError):
            self.debug("a request did not come to its end")
        else:
            super().exception(msg, *args, **kwargs)


workers = 2
worker_class = LingeringWorker
threads = 16
graceful_timeout = 10
control_socket_disable = True
logger_class = QuietLogger
logconfig_dict = gunicorn_logging()


def on_starting(server: Any) -> None:
    """Load the code once, before the web processes are forked: they share it. Each makes an app of its own."""
    import_module("webhook_server.app")


def child_exit(server: Any, worker: Any) -> None:
    """A web process has ended."""
    leave(worker)
