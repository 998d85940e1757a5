"""How `medic serve` runs gunicorn: `gunicorn -c python:recovery.cli.gunicorn_settings webhook_server.wsgi:app`."""

from recovery.cli.logs import gunicorn_logging

workers = 2
worker_class = "gthread"
threads = 16
graceful_timeout = 10
control_socket_disable = True
logconfig_dict = gunicorn_logging()
