"""What gunicorn runs: `webhook_server.wsgi:app`."""

from recovery.config import ensure_secrets, load_config
from webhook_server.app import create_app

app = create_app(ensure_secrets(load_config())[0])
