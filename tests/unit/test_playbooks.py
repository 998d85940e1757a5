"""Which playbook is taken for which incident, and what the configuration makes of it."""

from pathlib import Path

import pytest

from recovery.config import ConfigProblems, load_config
from recovery.decide.playbooks import mended, playbook_of
from recovery.model import Policy

BASE = """
components:
  - name: orders
    check: {kind: tcp, host: orders.example.com, port: 80}
    restart: ["restart", "orders"]
    actions:
      reconnect: {kind: run_command, command: ["reconnect"]}
      scale_up: {kind: run_command, command: ["more"], needs_approval: true}
      clear_cache: {kind: run_command, command: ["clear"]}
    labels: {team: shop}
  - name: mail
    check: {kind: tcp, host: mail.example.com, port: 25}
    restart: ["restart", "mail"]
"""


def policy(tmp_path: Path, text: str = "") -> Policy:
    (tmp_path / "medic.yaml").write_text(BASE + text)
    return load_config(env={"MEDIC_CONFIG": str(tmp_path / "medic.yaml")}).policy()


def tried(found: Policy, component: str, failure_type: str, severity: str = "high") -> list[list[str]]:
    """The first word of each command, by stage."""
    playbook = playbook_of(component, failure_type, severity, found)
    return [
        [action.args["command"][0] for action in playbook.actions_of(stage, 1)]
        for stage in range(1, len(playbook.stages) + 1)
    ]


@pytest.mark.parametrize(
    ("failure_type", "stages"),
    [
        ("api_timeout", [["restart"]] * 3),
        ("api_error", [["restart"]] * 3),
        ("database_connection", [["reconnect"], ["restart"], ["reconnect"]]),
        ("server_unresponsive", [["restart"], ["more"], ["restart"]]),
        ("high_error_rate", [["restart"]] * 3),
        ("resource_exhausted", [["clear"], ["more"], ["clear"]]),
        ("n8n_unready", [["restart"]] * 3),
    ],
)
def test_what_usually_helps_against_a_kind_of_failure(tmp_path: Path, failure_type: str, stages: list[list[str]]):
    assert tried(policy(tmp_path), "orders", failure_type) == stages
    assert tried(policy(tmp_path), "mail", failure_type) == [["restart"]] * 3


def test_the_first_playbook_that_matches_is_taken(tmp_path: Path):
    found = policy(
        tmp_path,
        """
playbooks:
  - name: a
    match: {component: mail, failure_type: api_error}
    stages: [{actions: [{kind: run_command, command: [a]}]}]
  - {name: b, match: {label: {team: shop}, severity: [critical, high]}, stages: [{actions: [restart, scale_up]}]}
  - {name: c, stages: [{actions: []}]}
""",
    )
    assert tried(found, "mail", "api_error") == [["a"]]
    assert tried(found, "mail", "api_timeout") == [[]]
    assert tried(found, "orders", "api_error") == [["restart", "more"]]
    assert tried(found, "orders", "api_error", "low") == [[]]
    assert tried(found, "somebody", "api_error") == [[]]


def test_alternatives_follow_each_other_and_approval_is_kept(tmp_path: Path):
    found = policy(
        tmp_path,
        """
playbooks:
  - name: a
    match: {component: orders}
    order: learned
    dry_run: true
    stages: [{attempts: 3, one_of: [restart, scale_up], spacing: 5s, needs_approval: true}]
""",
    )
    playbook = playbook_of("orders", "api_error", "high", found)
    assert [playbook.actions_of(1, attempt)[0].args["command"][0] for attempt in (1, 2, 3)] == [
        "restart",
        "more",
        "restart",
    ]
    assert [playbook.actions_of(1, attempt)[0].needs_approval for attempt in (1, 2)] == [False, True]
    assert playbook.needs_approval(1) and playbook.spacing_of(1) == 5 and playbook.dry_run and playbook.learned
    assert playbook.check and playbook.check.name == "tcp"


def test_a_persons_try_keeps_the_first_actions_and_is_a_persons(tmp_path: Path):
    playbook = playbook_of("orders", "database_connection", "high", policy(tmp_path))
    again = mended(playbook, keep_actions=True)
    assert again.by_person and [one.args["command"] for one in again.actions_of(1, 1)] == [["reconnect"]]
    assert not mended(playbook).acts and not mended(playbook).by_person


def test_brakes_are_read(tmp_path: Path):
    brakes = policy(tmp_path, "brakes: {per_hour: 1, cooldown: 5m, unanswered: next_stage, approve_within: 1h}").brakes
    assert (brakes.per_hour, brakes.cooldown_seconds) == (1, 300)
    assert (brakes.unanswered, brakes.approve_within_seconds) == ("next_stage", 3600)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("playbooks: [{name: a, stages: [{actions: [{kind: restrat}]}]}]", "one of: "),
        ("playbooks: [{name: a, stages: [{actions: [{kind: run_command}]}]}]", "the key is missing"),
        ("playbooks: [{name: a, stages: []}]", "at least 1"),
        ("playbooks: [{name: a, stages: [{actions: [restart], one_of: [restart]}]}]", "either `actions`"),
        ("playbooks: [{name: a, match: {failure_type: slow}, stages: [{}]}]", "api_timeout"),
        ("playbooks: [{name: a, stages: [{actions: [restrat]}]}]", "restrat"),
        ("playbooks: [{name: a, stages: [{}]}, {name: a, stages: [{}]}]", "a name of its own"),
        ("playbooks: [{name: a, stages: [{check: mial}]}]", 'did you mean "mail"?'),
        ("  - {name: bare}\nplaybooks: [{name: a, stages: [{check: bare}]}]", "which has no check that looks"),
        (
            "  - {name: ears, check: {kind: pushed, silent_after: 2m}}\n"
            "playbooks: [{name: a, stages: [{check: ears}]}]",
            "'ears', which has no check that looks",
        ),
        ("playbooks: [{name: a, stages: [{check: {kind: htp}}]}]", 'did you mean "http"?'),
        ("playbooks: [{name: a, stages: [{check: {kind: http}}]}]", "the key is missing"),
        ("playbooks: [{name: a, stages: [{check: {kind: tcp, host: x, port: 1, ports: 2}}]}]", "ports"),
        ("playbooks: [{name: a, stages: [{check: {kind: pushed, silent_after: 2m}}]}]", "knows after one look"),
        ("playbooks: [{name: a, stages: [{check: [mail]}]}]", "stages[0].check"),
        (
            "playbooks: [{name: a, match: {component: mail}, stages: [{check: orders}]},"
            " {name: b, stages: [{check: mail}]}]",
            "orders is verified by mail is verified by orders",
        ),
        ("brakes: {per_hour: 0}", "per_hour"),
        ("brakes: {unanswered: act}", "give_up"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, text: str, words: str):
    with pytest.raises(ConfigProblems) as problems:
        policy(tmp_path, text)
    assert words in str(problems.value)


def test_a_stage_is_verified_by_a_check_of_its_own(tmp_path: Path):
    found = policy(
        tmp_path,
        """
playbooks:
  - name: a
    stages:
      - {actions: [restart], check: mail}
      - {actions: [restart], check: {kind: http, url: "http://orders.example.com/buy"}}
      - {actions: [restart]}
""",
    )
    playbook = playbook_of("orders", "api_error", "high", found)
    checks = [playbook.verified_by(stage) for stage in (1, 2, 3, 4)]
    assert [(one.name, one.component) for one in checks if one] == [
        ("tcp", "mail"), ("http", ""), ("tcp", None), ("tcp", None),
    ]  # fmt: skip
    assert checks[0] and checks[0].args == {"host": "mail.example.com", "port": 25}
    assert [one.name for one in found.written_checks()] == ["http"] * 2, "once for each component that has a restart"
    again = mended(playbook, keep_actions=True)
    assert again.verified_by(1) == checks[0], "what a person orders is verified as it was planned"
    assert mended(playbook).verified_by(1) == playbook.check


def test_all_may_be_verified_by_one_that_is_verified_by_itself(tmp_path: Path):
    found = policy(tmp_path, "playbooks: [{name: a, stages: [{check: mail}]}]")
    assert playbook_of("mail", "api_error", "high", found).verified_by(1)
