"""Takes paths, addresses and secrets out of payloads of a real n8n, so that they can be kept as fixtures."""

import re
from typing import Any

STACK_LINES = 3
SECRET_KEYS = {"resumeToken": "0" * 64, "cookie": "", "user-agent": "curl/8.0"}


def cleaned(value: Any, n8n_port: int, service_port: int) -> Any:
    """The same payload with made-up hosts, without paths of this machine, and with short stacks."""
    if isinstance(value, dict):
        return {key: SECRET_KEYS.get(key, cleaned(one, n8n_port, service_port)) for key, one in value.items()}
    if isinstance(value, list):
        return [cleaned(one, n8n_port, service_port) for one in value]
    return _cleaned_text(value, n8n_port, service_port) if isinstance(value, str) else value


def _cleaned_text(text: str, n8n_port: int, service_port: int) -> str:
    if "\n    at " in text:
        text = "\n".join(text.split("\n")[: STACK_LINES + 1])
    text = re.sub(r"/[^\s\"'()]*?/node_modules/", "/usr/local/lib/node_modules/n8n/node_modules/", text)
    for port, name in ((n8n_port, "n8n.example.com"), (service_port, "orders.example.com")):
        text = re.sub(rf"(127\.0\.0\.1|localhost):{port}\b", name, text)
    text = re.sub(r"(127\.0\.0\.1|localhost|\[?::1\]?):(\d+)", r"down.example.com:\2", text)
    return re.sub(r"\b[0-9A-F]{16}:error", "0000000000000000:error", text)
