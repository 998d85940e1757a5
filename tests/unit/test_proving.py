"""What a person reads where the canary's failure did not arrive. Values of n8n's own."""

from typing import Any

import pytest

from recovery.cli.proving import _met

HTTP = {"name": "Tell n8n-medic", "type": "n8n-nodes-base.httpRequest"}


def run(error: dict[str, Any], handed_on: bool) -> dict[str, Any]:
    """An execution of the error handler whose call failed: ended by it, or gone on at the error output."""
    row = {"data": {"main": [[], [{"json": {"workflow": {}, "error": error}}]]}} if handed_on else {"error": error}
    own = {"message": "nobody was told"} if handed_on else error
    result = {
        "runData": {"Error Trigger": [{"data": {"main": [[{"json": {}}]]}}], "Tell n8n-medic": [row]},
        "error": own,
    }
    return {"data": {"resultData": result}, "workflowData": {"nodes": [HTTP]}}


@pytest.mark.parametrize("handed_on", [True, False])
@pytest.mark.parametrize(
    ("error", "words"),
    [
        ({"httpCode": "401", "message": "Authorization failed - please check your credentials"}, "--renew"),
        ({"status": 401, "message": "Request failed with status code 401"}, "--renew"),
        ({"httpCode": "404", "message": "The resource you are requesting could not be found"}, "start n8n-medic again"),
        ({"httpCode": "ECONNREFUSED", "message": "The service refused the connection"}, "127.0.0.1 is the container"),
        ({"code": "ECONNREFUSED", "message": "connect ECONNREFUSED 127.0.0.1:8808"}, "127.0.0.1 is the container"),
        ({"message": "getaddrinfo ENOTFOUND medic"}, "does not know that name"),
        ({"message": 'Credential with ID "x" does not exist'}, "Credential with ID"),
    ],
)
def test_what_n8n_met_is_told_with_what_to_do(error: dict[str, Any], words: str, handed_on: bool) -> None:
    assert words in _met(run(error, handed_on))


def test_a_run_that_went_well_met_nothing() -> None:
    well = run({}, False)
    well["data"]["resultData"].pop("error")
    assert _met(well) == "" and _met({}) == ""
