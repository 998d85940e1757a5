"""What the ingest is measured against: Flask that answers 202 and stores nothing."""

from flask import Flask, Response

app = Flask(__name__)


@app.post("/webhooks/n8n-error")
def take() -> Response:
    """Answer as if it were stored."""
    return Response('{"signals": [{"id": 1, "duplicate": false}]}', status=202, content_type="application/json")
