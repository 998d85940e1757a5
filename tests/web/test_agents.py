"""Where agents ask and answer: only with a token of their own, and only for themselves."""

import json
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from recovery.config import ConfigProblems, ensure_secrets, load_config
from recovery.store import requests
from tests.web.conftest import API_TOKEN, make_config
from tests.web.test_api import problem_of
from webhook_server.app import create_app

TOKENS = {"web1": "token-of-the-first-agent", "web2": "token-of-the-other-agent"}
MARK = "0" * 32


@pytest.fixture
def door(store: str, tmp_path: Path) -> FlaskClient:
    """Anybody, on each database engine."""
    agents = [{"name": name, "token": token} for name, token in TOKENS.items()]
    return create_app(make_config(tmp_path, database_url=store, agents=agents)).test_client()


def ask(door: FlaskClient, token: str, path: str = "/agent/requests", **body):
    return door.post(path, json=body, headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize("token", ["", "x", API_TOKEN, "webhook-token-of-the-tests", "correct horse battery"])
def test_no_other_token_reads_or_answers(door: FlaskClient, token: str):
    for path in ("/agent/requests", "/agent/requests/1/answer"):
        problem_of(ask(door, token, path, mark=MARK, offers=[], how="ended"), 401)
    assert requests.find_agent("web1") is None


def test_an_agents_token_opens_nothing_else(door: FlaskClient):
    bearer = {"Authorization": f"Bearer {TOKENS['web1']}"}
    assert door.get("/api/v1/incidents", headers=bearer).status_code == 401
    assert door.post("/webhooks/probe", json={"component": "a", "healthy": True}, headers=bearer).status_code == 401


def test_an_agent_is_known_by_its_token_and_nothing_else(door: FlaskClient):
    assert ask(door, TOKENS["web2"], mark=MARK, offers=["orders"]).get_json() == {"request": None}
    assert requests.find_agent("web1") is None and requests.find_agent("web2")


@pytest.mark.parametrize(
    "body",
    [
        {}, [], "x", None, {"mark": MARK}, {"mark": "short", "offers": []}, {"mark": MARK.upper() + "G", "offers": []},
        {"mark": MARK, "offers": "orders"}, {"mark": MARK, "offers": [""]}, {"mark": MARK, "offers": ["a\n"]},
        {"mark": MARK, "offers": ["a\x00"]}, {"mark": MARK, "offers": ["a"] * 101}, {"mark": MARK, "offers": [1]},
        {"mark": MARK, "offers": ["a" * 101]}, {"mark": MARK, "offers": [], "agent": "web2"},
    ],
)  # fmt: skip
def test_a_body_that_is_none_is_refused(door: FlaskClient, body):
    bearer = {"Authorization": f"Bearer {TOKENS['web1']}", "Content-Type": "application/json"}
    problem_of(door.post("/agent/requests", data=json.dumps(body), headers=bearer), 400)


@pytest.mark.parametrize(
    "more",
    [
        {"how": "done"}, {"how": "ended", "code": "0"}, {"how": "ended", "code": 10**30},
        {"how": "ended", "code": True}, {"how": "ended", "output": ["a"]},
        {"how": "ended", "output": "x" * 65_537}, {"how": "ended", "state": "x"},
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_refused(door: FlaskClient, more: dict):
    problem_of(ask(door, TOKENS["web1"], "/agent/requests/1/answer", mark=MARK, **more), 400)


@pytest.mark.parametrize("number", ["1", "0", "99999999999999999999999"])
def test_what_an_agent_was_never_asked_it_cannot_answer(door: FlaskClient, number: str):
    path = f"/agent/requests/{number}/answer"
    problem_of(ask(door, TOKENS["web1"], path, mark=MARK, how="ended", code=0, output="\x00"), 404)


def test_too_large_a_body_is_refused(door: FlaskClient):
    assert ask(door, TOKENS["web1"], mark=MARK, offers=["x" * 2_000_000]).status_code == 413


def test_without_agents_there_is_nobody_to_let_in(visitor: FlaskClient):
    for token in ("", "x"):
        problem_of(ask(visitor, token, mark=MARK, offers=[]), 401)


def test_an_agent_may_not_have_the_generated_webhook_token(tmp_path: Path):
    (tmp_path / "medic.yaml").write_text(f"data_dir: {tmp_path}\nagents: [{{name: web1, token_file: webhook_token}}]\n")
    (tmp_path / "webhook_token").write_text("generated-before-by-n8n-medic")
    config = load_config(tmp_path / "medic.yaml", env={})
    with pytest.raises(ConfigProblems, match="is another token of n8n-medic"):
        ensure_secrets(config)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("agents: [{name: web1, token: short}]", "at least 20 signs"),
        ("agents: [{name: web1}]", "token"),
        (f"agents: [{{name: a, token: {'t' * 20}}}, {{name: b, token: {'t' * 20}}}]", "agent number 1"),
        (f"agents: [{{name: a, token: {'t' * 20}}}, {{name: a, token: {'u' * 20}}}]", "a name of its own"),
        (f"webhook_token: {'t' * 20}\nagents: [{{name: a, token: {'t' * 20}}}]", "the same as webhook_token"),
        (
            f"agents: [{{name: web1, token: {'t' * 20}}}]\n"
            "components: [{name: c, actions: {restart: {kind: restart_by_agent, agent: wbe1, what: x}}}]",
            'did you mean "web1"?',
        ),
        (
            "playbooks: [{name: p, stages: [{actions: [{kind: restart_by_agent, agent: web1, what: x}]}]}]",
            "list it under `agents`",
        ),
    ],
)
def test_mistakes_are_told(tmp_path: Path, text: str, words: str):
    (tmp_path / "medic.yaml").write_text(text)
    with pytest.raises(ConfigProblems) as problems:
        load_config(tmp_path / "medic.yaml", env={})
    assert words in str(problems.value) and "t" * 20 not in str(problems.value)
