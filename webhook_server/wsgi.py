"""What gunicorn runs: `webhook_server.wsgi:app`."""

from recovery.config import ensure_secrets, load_config
from webhook_server.app import create_app
from webhook_server.beating import start_beating

_config = ensure_secrets(load_config())[0]
app = create_app(_config)
start_beating(_config)
