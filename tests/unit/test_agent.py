"""`medic agent`: what it takes for a plan, what it reports, and what it says to a server that answers oddly."""

import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from recovery.cli import agent_telling, main
from recovery.cli.agent import LONGEST_MESSAGE, Agent, Batch
from recovery.cli.agent_plan import (
    MOST_COMPONENTS,
    AgentPlan,
    BadPlan,
    address,
    read_components,
    silence_of,
    this_machine,
    token_reader,
)
from recovery.cli.agent_telling import NotTaken, Teller
from recovery.config import Config, ConfigProblems
from recovery.model import Reading
from recovery.outside.http import Http
from recovery.sources import probe
from tests.plugins.servers import Site, answer, free_port, raw_server, reset, silent

ROOT = Path(__file__).parents[2]
READINGS = [{"component": "db", "healthy": True}]
RECEIPT = b'{"signals": [{"id": 1, "duplicate": false}]}'


@pytest.fixture
def site() -> Iterator[Site]:
    server = Site()
    server.answers["/webhooks/probe"] = (202, {}, RECEIPT)
    yield server
    server.close()


def config(*components: dict[str, Any]) -> Config:
    return Config.model_validate({"components": components})


def tcp(name: str, port: int, **more: Any) -> dict[str, Any]:
    return {"name": name, "check": {"kind": "tcp", "host": "127.0.0.1", "port": port, "timeout": "1s"}, **more}


def sent(site: Site) -> list[list[dict[str, Any]]]:
    return [json.loads(body) for _, _, _, body in site.asked]


# -- what it is told to do


def test_the_simple_case_is_the_machine_and_its_gpus() -> None:
    assert [(one.name, one.check.kind) for one in this_machine("db").components if one.check] == [
        ("db", "machine"),
        ("db gpu", "gpu"),
    ]


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 197, "a\x00b"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(BadPlan, match="--name"):
        this_machine(name)


@pytest.mark.parametrize(
    ("every", "told", "found"), [(30, None, 120), (1, None, 60), (10, 45, 45), (21_600, None, 86_400)]
)
def test_it_is_missed_after_four_rounds_or_as_told(every: float, told: float | None, found: float) -> None:
    assert silence_of(every, told) == found


@pytest.mark.parametrize(("every", "told"), [(0, None), (0.5, None), (30, 45), (30, 29), (30, 86_401), (30_000, None)])
def test_a_silence_that_fits_no_round_is_refused(every: float, told: float | None) -> None:
    with pytest.raises(BadPlan, match="--"):
        silence_of(every, told)


@pytest.mark.parametrize(
    "to", ["medic.example.com", "ftp://x", "http://", "http://a b", "https://me:pw@medic.example.com"]
)
def test_an_address_that_is_none_or_holds_a_login_is_refused(to: str) -> None:
    with pytest.raises(BadPlan, match="--to") as problem:
        address(to)
    assert "pw" not in str(problem.value)


def test_the_token_comes_from_a_file_or_the_environment_and_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one\n")
    assert token_reader(None, {"MEDIC_WEBHOOK_TOKEN": "two"})() == "two"
    assert token_reader(None, {"MEDIC_WEBHOOK_TOKEN_FILE": str(file)})() == "one"
    read = token_reader(str(file), {"MEDIC_WEBHOOK_TOKEN": "two"})
    file.write_text("three\n")
    assert read() == "three"


@pytest.mark.parametrize("content", [None, "", "two words", "caf\u00e9"])
def test_a_token_that_is_none_is_refused_without_being_told(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "token").write_text(content)
    with pytest.raises(BadPlan) as problem:
        token_reader(str(tmp_path / "token"), {})
    assert "two words" not in str(problem.value)
    with pytest.raises(BadPlan, match="there is no token"):
        token_reader(None, {})


def test_a_file_names_components_as_medic_yaml_does(tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text("components: [{name: till, check: {kind: process, name: till}, severity: critical}]")
    assert read_components(str(file)).components[0].name == "till"


BAD_FILES = {
    "alerts: {language: ko}\ncomponents: [{name: a, check: {kind: gpu}}]": "alerts: does not belong",
    "components: []": "from 1 to 200",
    "": "from 1 to 200",
    "components: [{name: a}]": "a: it has no check",
    "components: [{name: a, check: {kind: gpu}, restart: [x]}]": "a: restart belongs into the medic.yaml",
    "components: [{name: a, check: {kind: pushed}}]": "an agent hears of nothing",
    "components: [{name: a, check: {kind: heartbeat, period: 1h}}]": "an agent hears of nothing",
}


@pytest.mark.parametrize("text", BAD_FILES)
def test_what_only_n8n_medic_does_is_refused_in_a_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "agent.yaml").write_text(text)
    with pytest.raises(BadPlan, match=re.escape(BAD_FILES[text])):
        read_components(str(tmp_path / "agent.yaml"))


@pytest.mark.parametrize("text", ["components: [{name: a, check: {kind: gpus}}]", "components: {", "\x00", "- 1"])
def test_a_file_that_is_no_configuration_is_told_with_its_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "agent.yaml").write_text(text)
    with pytest.raises(ConfigProblems, match="agent.yaml"):
        read_components(str(tmp_path / "agent.yaml"))
    with pytest.raises(ConfigProblems, match="No such file"):
        read_components(str(tmp_path / "none.yaml"))


# -- what it reports


def test_a_round_is_one_list_that_the_server_takes_and_only_its_own_component_tells_of_silence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as open_one:
        parts = config(tcp("up", open_one.getsockname()[1]), tcp("down", free_port(), severity="low"))
        batch = Agent(AgentPlan("db", parts, silent_after_seconds=90)).look()
    own, up, down = batch.readings
    assert (own["component"], own["silent_after"], own["healthy"]) == ("db", 90, True)
    assert (up["healthy"], down["healthy"], down["failure_type"]) == (True, False, "server_unresponsive")
    assert "silent_after" not in up and "severity" not in up and down["severity"] == "low"
    assert len(probe.receive(json.loads(json.dumps(batch.readings)))) == 3


def test_a_component_that_is_called_as_the_agent_is_its_own() -> None:
    agent = Agent(AgentPlan("db", config(tcp("db", free_port())), silent_after_seconds=90))
    (own,) = agent.look().readings
    assert (own["healthy"], own["silent_after"]) == (False, 90)


def test_what_a_check_remembers_is_kept_from_round_to_round() -> None:
    agent = Agent(AgentPlan("db", config({"name": "db", "check": {"kind": "machine", "memory": 1, "hold": "0.3s"}})))
    first = agent.look().readings[0]
    time.sleep(0.35)
    second = agent.look().readings[0]
    assert first["healthy"] and not second["healthy"] and "memory" in second["message"]


def test_a_check_that_breaks_and_one_that_hangs_are_bad_readings_and_hold_up_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting = threading.Event()

    def look(component: Any, doors: Any, memory: Any) -> Any:
        if component.name == "hangs":
            waiting.wait(20)
        raise ZeroDivisionError("odd")

    monkeypatch.setattr("recovery.cli.agent.look", look)
    agent = Agent(AgentPlan("db", config(tcp("hangs", 1), tcp("breaks", 2)), every_seconds=0.3))
    begin, before = time.monotonic(), threading.active_count()
    for _ in range(2):
        _, hangs, breaks = agent.look().readings
        assert hangs["message"] == "the look at it does not end" and "odd" in breaks["message"]
    assert time.monotonic() - begin < 2
    assert threading.active_count() < before + 20, "of other tests some may run still"
    waiting.set()


@pytest.mark.parametrize("mute", ["db", "db gpu"])
def test_a_look_that_says_nothing_is_not_reported_and_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch, mute: str
) -> None:
    def look(component: Any, *more: Any) -> Reading:
        return Reading("", None if component.name == mute else True, "too early to tell")

    monkeypatch.setattr("recovery.cli.agent.look", look)
    readings = Agent(AgentPlan("db", this_machine("db"))).look().readings
    assert len(probe.receive(readings)) == len(readings), "the server refuses a list with one that says nothing"
    told = {one["component"]: one.get("silent_after") for one in readings}
    assert told["db"] == 120 and ("db gpu" in told) is (mute != "db gpu")


def test_it_needs_no_database() -> None:
    code = "import sys; from recovery.cli import main; import recovery.cli.agent_running as a\n"
    code += "options = dict.fromkeys(('to', 'token_file', 'path', 'silent_after', 'ca_file'))\n"
    code += "a.run_agent(True, True, name='db', every=30, **options)\n"
    code += "print([name for name in sys.modules if 'peewee' in name or 'recovery.store' in name or 'worker' in name])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert ended.stdout.strip().endswith("[]"), ended.stdout + ended.stderr


# -- what comes back


def tell(url: str, **more: Any) -> None:
    Teller(url, lambda: "t0ken", Http(), **more).send(READINGS, "d1")


def test_a_report_carries_the_token_and_the_delivery(site: Site) -> None:
    tell(site.url)
    method, path, headers, body = site.asked[0]
    assert (method, path, headers["authorization"]) == ("POST", "/webhooks/probe", "Bearer t0ken")
    assert headers["x-medic-delivery"] == "d1" and json.loads(body) == READINGS


ODD_ANSWERS: dict[str, tuple[int, dict[str, str], bytes, str, bool, float]] = {
    "wrong token": (
        401,
        {},
        b'{"detail": "the token is \\u001b[31mwrong"}',
        "refuses the token: the token is  [31m",
        True,
        0,
    ),
    "forbidden": (403, {}, b"", "refuses the token", True, 0),
    "not ours": (404, {}, b"<html>", "is this the address of n8n-medic", True, 0),
    "refused": (400, {}, b'{"detail": "[0].component"}', "answered 400: [0].component", True, 0),
    "too many": (429, {"Retry-After": "7"}, b"", "fewer calls", False, 7),
    "odd wait": (429, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, b"", "fewer calls", False, 0),
    "endless wait": (503, {"Retry-After": "99999999"}, b'{"detail": 7}', "answered 503", False, 300),
    "broken": (500, {}, b"\xff\x00", "answered 500", False, 0),
    "nested": (502, {}, b"[" * 60_000, "answered 502", False, 0),
    "elsewhere": (301, {"Location": "https://other.example.com/"}, b"", "it redirects", True, 0),
    "a page": (200, {}, b"<html>welcome</html>", "answered 200", True, 0),
    "garbage": (202, {}, b"thanks", "not as n8n-medic does", True, 0),
    "another count": (202, {}, b'{"signals": []}', "not as n8n-medic does", True, 0),
    "no list": (202, {}, b'{"signals": {"a": 1}}', "not as n8n-medic does", True, 0),
}


@pytest.mark.parametrize("name", ODD_ANSWERS)
def test_an_answer_that_is_no_receipt_is_said_plainly(site: Site, name: str) -> None:
    status, headers, text, said, permanent, wait = ODD_ANSWERS[name]
    site.answers["/webhooks/probe"] = (status, headers, text)
    with pytest.raises(NotTaken, match=re.escape(said)) as problem:
        tell(site.url)
    assert (problem.value.permanent, problem.value.wait_seconds) == (permanent, wait)
    assert "\x1b" not in str(problem.value) and "t0ken" not in str(problem.value) and len(site.asked) == 1


@pytest.mark.parametrize(
    ("talk", "said"),
    [
        (silent, "no answer"),
        (reset, "broke the connection off"),
        (answer(b"SSH-2.0-OpenSSH\r\n"), "HTTP"),
        (answer(b"HTTP/1.1 202 Accepted\r\nContent-Length: 500\r\n\r\n{"), "HTTP"),
    ],
)
def test_a_server_that_hangs_breaks_off_or_talks_nonsense_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, talk: Callable[[socket.socket], None], said: str
) -> None:
    monkeypatch.setattr(agent_telling, "TIMEOUT_SECONDS", 0.4 if talk is silent else 10)
    with raw_server(talk) as port, pytest.raises(NotTaken, match=said) as problem:
        tell(f"http://127.0.0.1:{port}")
    assert not problem.value.permanent


def test_the_servers_time_is_told_where_this_clock_is_wrong(site: Site) -> None:
    teller = Teller(site.url, lambda: "t", Http())
    now = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    teller.send(READINGS, "d")
    assert teller.servers_time(now) == now, "a second or two is no difference"
    theirs = datetime.now(UTC) + timedelta(hours=3)
    head = f"HTTP/1.1 202 OK\r\nDate: {theirs:%a, %d %b %Y %H:%M:%S} GMT\r\nContent-Length: {len(RECEIPT)}\r\n\r\n"
    with raw_server(answer(head.encode() + RECEIPT)) as port:
        teller._to = f"http://127.0.0.1:{port}"
        teller.send(READINGS, "d")
    assert abs(teller.servers_time(now) - now - timedelta(hours=3)) < timedelta(seconds=3)


def test_the_time_of_what_is_not_n8n_medic_is_not_believed() -> None:
    """A captive portal of a network that one must first log in to."""
    page = b"HTTP/1.1 200 OK\r\nDate: Tue, 24 Nov 2037 12:00:00 GMT\r\nContent-Length: 5\r\n\r\nlogin"
    with raw_server(answer(page)) as port:
        teller = Teller(f"http://127.0.0.1:{port}", lambda: "t", Http())
        with pytest.raises(NotTaken):
            teller.send(READINGS, "d")
    assert teller.servers_time(datetime(2026, 1, 1, tzinfo=UTC)) == datetime(2026, 1, 1, tzinfo=UTC)


ODD_DATES = [
    "",
    "soon",
    "Mon, 99 Foo 99999 99:99:99 GMT",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Thu, 01 Jan 1970 00:00:00 GMT",
]


@pytest.mark.parametrize("date", ODD_DATES)
def test_an_odd_date_changes_nothing(date: str) -> None:
    text = f"HTTP/1.1 202 OK\r\nDate: {date}\r\nContent-Length: {len(RECEIPT)}\r\n\r\n".encode() + RECEIPT
    with raw_server(answer(text)) as port:
        teller = Teller(f"http://127.0.0.1:{port}", lambda: "t", Http())
        teller.send(READINGS, "d")
    assert teller.servers_time(datetime(2026, 1, 1, tzinfo=UTC)) == datetime(2026, 1, 1, tzinfo=UTC)


def test_as_many_components_as_it_may_have_fit_into_one_call_whatever_they_say(site: Site) -> None:
    count = MOST_COMPONENTS + 1
    site.answers["/webhooks/probe"] = (202, {}, json.dumps({"signals": [1] * count}).encode())
    for sign in ("😀", "한", "\x01", "\ud800"):
        batch = Batch([{"component": "😀" * 196, "healthy": False, "message": sign * LONGEST_MESSAGE}] * count)
        Teller(site.url, lambda: "t", Http()).send(batch.readings, batch.delivery)
        assert len(site.asked[-1][3]) < 1 << 20
        assert site.asked[-1][2]["content-type"] == "application/json"
    assert sent(site)[0][0]["message"] == "😀" * LONGEST_MESSAGE


# -- once, from cron


FULL = """
components:
  - name: db
    check: {kind: machine, disk: 1, hold: 1s}
"""


def words_of_once(folder: Path, site: Site) -> list[str]:
    (folder / "agent.yaml").write_text(FULL)
    return ["agent", "--once", "--file", str(folder / "agent.yaml"), "--name", "db", "--to", site.url]


def once(folder: Path, site: Site, *more: str) -> dict[str, Any]:
    """A process of its own, as cron starts it; what it said and sent."""
    words = [*words_of_once(folder, site), *more]
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(folder), "MEDIC_WEBHOOK_TOKEN": "t"}
    command = [sys.executable, "-m", "recovery", *words]
    ended = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    return {"said": ended.stderr, **sent(site)[-1][0]}


def test_run_once_and_again_it_sees_a_disk_that_stays_full(site: Site, tmp_path: Path) -> None:
    site.answers["/webhooks/probe"] = (202, {}, RECEIPT)
    assert once(tmp_path, site)["healthy"], "it may not last"
    kept = tmp_path / ".local" / "state" / "n8n-medic" / "agent-db.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    time.sleep(1.1)
    told = once(tmp_path, site)
    assert (told["healthy"], told["failure_type"]) == (False, "resource_exhausted")


@pytest.mark.parametrize(
    "content", ["no json", "[1]", '{"machine db": 5}', '{"machine db": {"since": 7}}', "[" * 100_000]
)
def test_a_memory_that_is_none_is_not_used_and_ends_nothing(
    site: Site, tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "memory.json"
    kept.write_text(content)
    monkeypatch.setenv("MEDIC_WEBHOOK_TOKEN", "t")
    for _ in range(2):
        ended = CliRunner().invoke(main, [*words_of_once(tmp_path, site), "--memory", str(kept)])
        assert ended.exit_code == 0, ended.output
    assert "since" in json.loads(kept.read_text())["machine db"]


def test_a_memory_that_cannot_be_kept_is_said(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "what lasts never counts" in once(tmp_path, site, "--memory", "file/memory.json")["said"]


# -- round after round


class Over(BaseException):
    """The test has seen enough."""


def run(site: Site, calls: int, seconds: float = 20, every: float = 0.2, do: Callable[[], None] = lambda: None) -> None:
    """Let an agent run for so many calls, or for so long; `do` is called whenever it waits."""
    until = time.monotonic() + seconds

    def wait(pause: float) -> None:
        do()
        if len(site.asked) >= calls or time.monotonic() > until:
            raise Over
        time.sleep(min(pause, 0.02))

    plan = AgentPlan("db", config(tcp("part", free_port())), every, 60, site.url, lambda: "t")
    with pytest.raises(Over):
        Agent(plan, wait).run()


def test_each_round_is_one_call_with_readings_of_its_own(site: Site) -> None:
    site.answers["/webhooks/probe"] = (202, {}, b'{"signals": [1, 2]}')
    run(site, 5)
    assert len({headers["x-medic-delivery"] for _, _, headers, _ in site.asked}) == len(site.asked)
    assert len({one["observed_at"] for batch in sent(site) for one in batch}) == 2 * len(site.asked)


def test_while_the_server_is_away_only_the_newest_round_is_kept_and_tried_ever_more_seldom(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "medic.agent")
    site.answers["/webhooks/probe"] = (503, {}, b"")

    def come_back() -> None:
        if len(site.asked) >= 2:
            site.answers["/webhooks/probe"] = (202, {}, b'{"signals": [1, 2]}')

    run(site, 4, do=come_back)
    times = [datetime.fromisoformat(batch[0]["observed_at"]) for batch in sent(site)]
    first, second, third, fourth = times
    assert second - first > timedelta(seconds=0.7) and third - second > timedelta(seconds=1.7), "1 s, then 2 s"
    assert fourth - third < timedelta(seconds=2.5), "and then as ever"
    said = [record.message for record in caplog.records]
    assert sum("answered 503" in one for one in said) == 1 and said.count("reports are taken again") == 1


def test_a_repeat_of_a_round_has_the_same_delivery(site: Site) -> None:
    site.answers["/webhooks/probe"] = (500, {}, b"")
    run(site, 2, every=30)
    first, second = site.asked[:2]
    assert first[2]["x-medic-delivery"] == second[2]["x-medic-delivery"] and first[3] == second[3]


@pytest.mark.parametrize(("silent_after", "pauses"), [(120, [1, 2, 4, 8, 16, 32, 60, 60]), (30, [1, 2, 4, 8, 15, 15])])
def test_no_pause_is_so_long_that_a_server_which_is_back_calls_it_silent(silent_after: int, pauses: list[int]) -> None:
    agent = Agent(AgentPlan("db", config(tcp("part", 1)), silent_after_seconds=silent_after))
    found = []
    for number in range(len(pauses)):
        agent._failures = number + 1
        found.append(agent._pause(NotTaken("away")))
    assert found == pauses and agent._pause(NotTaken("refused", permanent=True)) == pauses[-1]
    assert agent._pause(NotTaken("busy", wait_seconds=300)) == 300


def test_a_refused_token_is_said_once_and_tried_seldom(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.answers["/webhooks/probe"] = (401, {}, b"")
    run(site, 2, seconds=1.5)
    assert len(site.asked) == 1 and sum("refuses the token" in record.message for record in caplog.records) == 1


def test_a_round_that_fails_in_an_unknown_way_ends_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.answers["/webhooks/probe"] = (202, {}, b'{"signals": [1, 2]}')
    real, calls = Agent.look, []

    def look(agent: Agent) -> Batch:
        calls.append(1)
        if len(calls) < 3:
            raise RuntimeError("can't start new thread")
        return real(agent)

    monkeypatch.setattr(Agent, "look", look)
    run(site, 1)
    assert site.asked
