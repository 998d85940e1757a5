"""What an agent does with what it is asked: only what its own file names, each request once, whatever is lost."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recovery.cli.agent_asking import Asking, Refused, Request
from recovery.cli.agent_journal import Journal
from recovery.cli.agent_plan import BadPlan
from recovery.cli.agent_restarting import ASK_EVERY, Restarting
from recovery.cli.agent_restarts import Restartable, read_restarts
from recovery.cli.agent_running import run_agent
from recovery.cli.agent_telling import NotTaken
from recovery.config import Config, ConfigProblems
from recovery.outside.doors import OpenDoors
from recovery.outside.http import Http
from tests.plugins.servers import Site


class Server:
    """What n8n-medic would answer."""

    def __init__(self) -> None:
        self.waiting: list[Request] = []
        self.taken: dict[str, Request] = {}
        self.told: list[tuple[int, str, dict[str, Any]]] = []
        self.offers: list[str] = []
        self.before: Callable[[str], None] = lambda what: None
        self.after: Callable[[str], None] = lambda what: None

    def take(self, mark: str, offers: list[str]) -> Request | None:
        self.before("take")
        self.offers = offers
        if mark not in self.taken and self.waiting:
            self.taken[mark] = self.waiting.pop(0)
        self.after("take")
        return self.taken.get(mark)

    def tell(self, request_id: int, mark: str, told: dict[str, Any]) -> None:
        self.before("tell")
        self.told.append((request_id, mark, told))
        self.taken.pop(mark, None)
        self.after("tell")


@pytest.fixture
def server() -> Server:
    return Server()


def program(text: str, **more: Any) -> Restartable:
    return Restartable.model_validate({"command": [sys.executable, "-c", text], **more})


def agent(tmp_path: Path, server: Any, **restarts: Restartable) -> Restarting:
    doors = OpenDoors(Config.model_validate({}))
    return Restarting(restarts, server, Journal(tmp_path / "state" / "journal.json"), doors)


def run_marker(tmp_path: Path, more: str = "") -> Restartable:
    return program(f"open({str(tmp_path / 'runs')!r}, 'a').write('x'); print('done'); {more}")


def runs(tmp_path: Path) -> int:
    path = tmp_path / "runs"
    return len(path.read_text()) if path.exists() else 0


def test_what_is_asked_is_done_once_and_told(tmp_path: Path, server: Server) -> None:
    one = agent(tmp_path, server, orders=run_marker(tmp_path))
    assert one.turn() == ASK_EVERY and server.offers == ["orders"], "only the names are told"
    server.waiting.append(Request(7, "orders", 60.0))
    assert one.turn() == 0.0
    assert one.turn() == ASK_EVERY
    assert runs(tmp_path) == 1
    assert [(number, told["how"], told["code"], told["output"]) for number, _, told in server.told] == [
        (7, "ended", 0, "done")
    ]


def test_a_lost_answer_to_asking_is_asked_again_and_a_lost_receipt_told_again(tmp_path: Path, server: Server) -> None:
    lost = ["take", "tell", "tell"]

    def lose(what: str) -> None:
        if lost and lost[0] == what:
            lost.pop(0)
            raise NotTaken("broke off")

    server.after = lose
    one = agent(tmp_path, server, orders=run_marker(tmp_path))
    server.waiting.append(Request(7, "orders", 60.0))
    assert [one.turn() for _ in range(4)] == [1.0, 2.0, 4.0, ASK_EVERY]
    assert runs(tmp_path) == 1 and len({mark for _, mark, _ in server.told}) == 1


@pytest.mark.parametrize("with_process", [False, True])
def test_what_was_begun_by_an_agent_that_was_killed_is_not_begun_again(
    tmp_path: Path, server: Server, with_process: bool
) -> None:
    one = agent(tmp_path, server, orders=run_marker(tmp_path))
    journal = one._journal
    journal.begin(7)
    if with_process:
        journal.note_process(2**22 - 3, 1.0)
    server.taken[journal.entry.mark] = Request(7, "orders", 60.0)
    os.close(journal._lock)
    again = agent(tmp_path, server, orders=run_marker(tmp_path))
    again.turn()
    assert runs(tmp_path) == 0
    assert [(number, told["how"]) for number, _, told in server.told] == [(7, "unknown")]


def test_only_names_of_its_own_file_are_done_and_late_ones_are_not(tmp_path: Path, server: Server) -> None:
    one = agent(tmp_path, server, orders=run_marker(tmp_path))
    for number, what, seconds in ((1, "rm -rf /", 60.0), (2, "Orders", 60.0), (3, "orders", 5.5), (4, "orders", -1.0)):
        server.waiting.append(Request(number, what, seconds))
        one.turn()
    assert runs(tmp_path) == 0
    assert [told["how"] for _, _, told in server.told] == ["refused"] * 4


def test_what_cannot_be_written_down_before_is_not_done(tmp_path: Path, server: Server) -> None:
    one = agent(tmp_path, server, orders=run_marker(tmp_path))
    server.waiting.append(Request(7, "orders", 60.0))
    one._journal._path = tmp_path / "gone" / "journal.json"
    with pytest.raises(OSError):
        one.turn()
    assert runs(tmp_path) == 0
    assert [(told["how"], told["output"]) for _, _, told in server.told] == [
        ("refused", "what is done cannot be written down before: No such file or directory")
    ]


def test_a_command_that_hangs_is_ended_and_one_that_is_not_there_is_refused(tmp_path: Path, server: Server) -> None:
    slow, missing = program("import time; time.sleep(60)", timeout="1s"), Restartable(command=("/no/such",))
    one = agent(tmp_path, server, slow=slow, missing=missing)
    for number, what in ((1, "slow"), (2, "missing")):
        server.waiting.append(Request(number, what, 60.0))
        one.turn()
    assert [told["how"] for _, _, told in server.told] == ["timed_out", "refused"]
    assert "cannot start '/no/such'" in server.told[1][2]["output"]


def test_too_big_an_output_is_cut_and_secrets_in_it_are_not_told(tmp_path: Path, server: Server) -> None:
    one = agent(tmp_path, server, big=program("print('x' * 3_000_000); print('password=hunter2')"))
    server.waiting.append(Request(1, "big", 60.0))
    one.turn()
    told = server.told[0][2]["output"]
    assert len(told) <= 8_000 and "hunter2" not in told and told.startswith("x")


def test_an_answer_that_nobody_will_ever_take_is_let_go(tmp_path: Path, server: Server) -> None:
    def refuse(what: str) -> None:
        if what == "tell":
            raise Refused("there is no request 7")

    server.before = refuse
    one = agent(tmp_path, server, orders=run_marker(tmp_path))
    server.waiting.append(Request(7, "orders", 60.0))
    assert one.turn() == 0.0 and one._journal.entry.request_id is None


# -- the journal and the file


def test_two_agents_of_one_name_do_not_share_a_journal(tmp_path: Path) -> None:
    first = Journal(tmp_path / "journal.json")
    with pytest.raises(BadPlan, match="another agent of this name runs here already"):
        Journal(tmp_path / "journal.json")
    assert first.entry.request_id is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"mark": 1, "x": 2}', '{"mark": "a", "process": [1]}', "\x00" * 9])
def test_a_damaged_journal_is_not_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "journal.json").write_text(text)
    with pytest.raises(BadPlan, match="cannot be used"):
        Journal(tmp_path / "journal.json")


def allow(tmp_path: Path, text: str, mode: int = 0o600) -> dict[str, Restartable]:
    path = tmp_path / "restarts.yaml"
    path.write_text(text)
    path.chmod(mode)
    return read_restarts(str(path))


def test_the_file_names_units_and_commands(tmp_path: Path) -> None:
    found = allow(tmp_path, "restarts: {a: {unit: a.service}, b: {command: [docker, restart, b], timeout: 2m}}")
    assert found["a"].words == ["systemctl", "--no-ask-password", "restart", "--", "a.service"]
    assert found["b"].words == ["docker", "restart", "b"] and found["b"].timeout.total_seconds() == 120


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "restarts"),
        ("restarts: {}", "at least 1"),
        ("restarts: {a: {}}", "either `unit`, or `command`"),
        ("restarts: {a: {unit: a, command: [a]}}", "either `unit`, or `command`"),
        ("restarts: {a: {unit: --all}}", "the name of a systemd unit"),
        ("restarts: {a: {unit: 'a b'}}", "the name of a systemd unit"),
        ("restarts: {a: {command: docker restart b}}", "a list"),
        ("restarts: {a: {command: [a], shell: true}}", "a key that does not exist here"),
        ("restarts: {a: {command: [' ']}}", "a program as its first word"),
        ("restarts: {a: {command: [a], timeout: 0s}}", "more than 0s"),
        ("restarts: [", "YAML"),
    ],
)
def test_a_file_that_is_wrong_is_told_line_by_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigProblems) as problems:
        allow(tmp_path, text)
    assert words in str(problems.value)


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(BadPlan, match="only root or this user may write it"):
        allow(tmp_path, "restarts: {a: {unit: a.service}}", mode)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"restarts": "x"}, "--restarts needs --agent-token-file"),
        ({"agent_token_file": "x"}, "of no use without --restarts"),
        ({"restarts": "x", "agent_token_file": "x", "once": True}, "leave --once out"),
    ],
)
def test_options_that_make_no_sense_together_are_told(
    options: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("t" * 20)
    plain = {"to": "http://127.0.0.1:1", "token_file": str(tmp_path / "token"), "name": "web1", "path": None}
    more = {"every": 30.0, "silent_after": None, "ca_file": None}
    assert run_agent(**{"once": False, "dry_run": False, **plain, **more, **options}) == 2
    assert words in capsys.readouterr().err


# -- what servers say


def asking(site: Site, token: Callable[[], str] = lambda: "t") -> Asking:
    return Asking(site.url, token, Http())


@pytest.fixture
def site():
    found = Site()
    yield found
    found.close()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"<html>hotel wifi</html>", "not as n8n-medic does"),
        (b"[" * 100_000, "not as n8n-medic does"),
        (b'{"request": {"id": 1}}', "not as n8n-medic does"),
        (b'{"request": {"id": "1", "what": "a", "seconds": 1}}', "no n8n-medic asks for"),
        (b'{"request": {"id": -1, "what": "a", "seconds": 1}}', "no n8n-medic asks for"),
        (b'{"request": {"id": true, "what": "a", "seconds": 1}}', "no n8n-medic asks for"),
        (b'{"request": {"id": 1, "what": ["rm"], "seconds": 1}}', "no n8n-medic asks for"),
    ],
)
def test_a_server_that_says_anything_else_is_not_followed(site: Site, text: bytes, words: str) -> None:
    site.answers["/agent/requests"] = (200, {}, text)
    with pytest.raises(NotTaken, match=words):
        asking(site).take("0" * 32, ["a"])


def test_a_request_that_brings_a_command_brings_only_its_name(site: Site) -> None:
    told = {"id": 1, "what": "orders", "seconds": 9, "command": ["rm", "-rf", "/"], "timeout": 1}
    site.answers["/agent/requests"] = (200, {}, json.dumps({"request": told}).encode())
    assert asking(site).take("0" * 32, ["orders"]) == Request(1, "orders", 9.0)


@pytest.mark.parametrize(
    ("status", "words", "permanent"),
    [(401, "refuses the agent's token", True), (404, "takes no agents", True), (503, "answered 503", False)],
)
def test_a_refusal_is_told_and_only_a_persons_own_is_permanent(
    site: Site, status: int, words: str, permanent: bool
) -> None:
    site.answers["/agent/requests"] = (status, {}, b"")
    with pytest.raises(NotTaken, match=words) as problem:
        asking(site).take("0" * 32, ["a"])
    assert problem.value.permanent is permanent


def test_only_n8n_medic_itself_can_refuse_an_answer_for_good(site: Site) -> None:
    path = "/agent/requests/7/answer"
    site.answers[path] = (404, {}, b"<html>a proxy without its server</html>")
    with pytest.raises(NotTaken):
        asking(site).tell(7, "0" * 32, {"how": "ended"})
    site.answers[path] = (404, {}, b'{"detail": "there is no request 7"}')
    with pytest.raises(Refused, match="there is no request 7"):
        asking(site).tell(7, "0" * 32, {"how": "ended"})
