"""Why an n8n did not answer, in words."""

from recovery.model import N8nError
from recovery.outside.network_errors import NETWORK_ERRORS, causes_of


class NoAnswerInTime(N8nError):
    """The request went out, and no answer came in time."""


# In this order: of what happened on the way, the first that is named here is what a retry is judged by.
_NO_ANSWER = {
    "timeout": "it did not answer in time",
    "tls": "its TLS certificate or protocol was not accepted; an authority of your own "
    "must be among those of this machine, or in a file that SSL_CERT_FILE names",
    "dns": "its name is not known",
    "refused": "the connection was refused",
    "reset": "the connection was cut",
}


def why_no_answer(error: Exception) -> tuple[str, str]:
    """The kind of an `N8nError` and the words for it."""
    causes = list(causes_of(error))
    for kind, words in _NO_ANSWER.items():
        if any(isinstance(one, NETWORK_ERRORS[kind]) for one in causes):
            return kind, words
    return "network", "the network failed, or the address is no HTTP address"
