"""What the pages tell people to copy is run as it is printed, against a real n8n-medic.

Replaced is only what must be: addresses of the examples by local ones, and files of /etc by files of the test.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.servers import Site, free_port
from tests.story.medic import TOKENS, Medic

ROOT = Path(__file__).parents[2]
EXAMPLE_HOST = "https://orders.example.com"
needs_jq = pytest.mark.skipif(not shutil.which("jq"), reason="the printed script needs jq")


def printed(page: str, language: str, holding: str) -> str:
    """The one code block of a page that holds a text."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)
    [found] = [block for block in blocks if holding in block]
    return str(found)


@pytest.fixture(scope="module")
def medic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Medic]:
    source = {"name": "mymon", "component": "host.name", "healthy": {"path": "state", "equals": ["OK", "UP"]}}
    config = {"sources": [source | {"message": "output", "severity": "level", "observed_at": "time"}]}
    with Medic(tmp_path_factory.mktemp("medic"), config) as found:
        yield found


def run(medic: Medic, script: str, folder: Path) -> str:
    """Run shell lines of the pages in a folder of their own."""
    (folder / "token").write_text(TOKENS["MEDIC_WEBHOOK_TOKEN"])
    here = script.replace("http://medic.example.com:8808", medic.url).replace(
        "<webhook token>", TOKENS["MEDIC_WEBHOOK_TOKEN"]
    )
    here = here.replace("/etc/medic_webhook_token", str(folder / "token")).replace("/tmp/backup.log", "backup.log")
    here = here.replace("/usr/local/bin/tell-medic", str(folder / "tell-medic"))
    ended = subprocess.run(["sh", "-c", here], cwd=folder, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, f"{here}\n{ended.stderr}"
    return ended.stdout


def told_of(medic: Medic, name: str) -> dict[str, object]:
    def found() -> dict[str, object] | None:
        listed = medic.api("components")["data"]
        return next((one for one in listed if one["name"] == name and one["because"]), None)

    component = medic.wait(f"a word on {name}", found, 15)
    assert isinstance(component, dict)
    return component


def test_the_printed_probe_is_taken(medic: Medic, tmp_path: Path) -> None:
    said = run(medic, printed("docs/monitors.md", "sh", '"orders-db"'), tmp_path)
    assert '"duplicate":false' in said.replace(" ", "")
    assert "1 of 2 bad readings" in str(told_of(medic, "orders-db")["because"])


def test_the_printed_message_of_any_monitor_is_taken(medic: Medic, tmp_path: Path) -> None:
    run(medic, printed("docs/monitors.md", "sh", "generic/mymon"), tmp_path)
    assert medic.wait("an incident", lambda: medic.incidents(component="db-7"), 15)[0]["severity"] == "high"


@pytest.mark.parametrize(("ends", "health"), [("true", "healthy"), ("false", "unhealthy")])
def test_the_printed_heartbeat_tells_how_a_job_ended(medic: Medic, tmp_path: Path, ends: str, health: str) -> None:
    script = f"backup() {{ echo copied; {ends}; }}\n" + printed("docs/monitors.md", "sh", "nightly-backup")
    run(medic, script, tmp_path)
    medic.wait(f"that it is {health}", lambda: told_of(medic, "nightly-backup")["health"] == health, 15)


def install_script(medic: Medic, folder: Path) -> None:
    text = printed("docs/monitors.md", "sh", "tell-medic COMPONENT").replace("http://medic.example.com:8808", medic.url)
    (folder / "tell-medic").write_text(text.replace("/etc/medic_webhook_token", str(folder / "token")))
    (folder / "tell-medic").chmod(0o755)


@needs_jq
def test_the_printed_script_takes_what_zabbix_gives_it(medic: Medic, tmp_path: Path) -> None:
    install_script(medic, tmp_path)
    for status, health in (("PROBLEM", "unhealthy"), ("RESOLVED", "healthy")):
        for _ in range(2):
            run(medic, f"/usr/local/bin/tell-medic 'db 9' {status} 'Disk: 95 % \"used\"'", tmp_path)
        medic.wait(f"that it is {health}", lambda: told_of(medic, "db 9")["health"] == health, 15)  # noqa: B023


@needs_jq
@pytest.mark.parametrize(
    ("line", "macros"),
    [
        ('"$SERVICESTATE$"', {"HOSTNAME": "web-1", "SERVICEDESC": "disk /", "SERVICEOUTPUT": 'it\'s "full" $(id)'}),
        ('"$HOSTSTATE$"', {"HOSTNAME": "web-2", "HOSTOUTPUT": "no answer"}),
    ],
    ids=["a service", "a host"],
)
def test_the_printed_commands_of_nagios_report_both_states(
    medic: Medic, tmp_path: Path, line: str, macros: dict[str, str]
) -> None:
    install_script(medic, tmp_path)
    page = (ROOT / "docs/monitors.md").read_text()
    [command] = [one for one in re.findall(r"command_line\s+(.*)", page) if line in one]
    name = " ".join(macros[one] for one in ("HOSTNAME", "SERVICEDESC") if one in macros)
    for state in ("CRITICAL", "CRITICAL", "OK"):
        filled = {**macros, "SERVICESTATE": state, "HOSTSTATE": "UP" if state == "OK" else "DOWN"}
        run(medic, _filled(command, filled), tmp_path)
    medic.wait("it is well", lambda: told_of(medic, name)["health"] == "healthy", 15)
    assert [one["component"] for one in medic.incidents(component=name)] == [name]


def _filled(command: str, macros: dict[str, str]) -> str:
    """As Nagios fills it in, with escapes_... on: the values stand between the quotes."""
    for macro, value in macros.items():
        safe = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
        command = command.replace(f"${macro}$", safe)
    return command


# -- the README's first configuration


@pytest.fixture
def readme(tmp_path: Path) -> Iterator[tuple[Medic, Site]]:
    """It, with a server of our own in place of the one that the example watches."""
    site = Site()
    site.answers["/health"] = (200, {}, b"ok")
    text = printed("README.md", "yaml", "orders-api")
    assert f'url: "{EXAMPLE_HOST}/health"' in text
    medic = Medic(tmp_path, {}, MEDIC_BIND=f"127.0.0.1:{free_port()}")
    medic.url = f"http://{medic.env['MEDIC_BIND']}"
    del medic.env["MEDIC_CONFIG"], medic.env["MEDIC_DATA_DIR"]  # it is ./medic.yaml, as the README says
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/n8n_api_key").write_text("key")
    (tmp_path / "medic.yaml").write_text(text.replace(EXAMPLE_HOST, site.url))
    yield medic, site
    medic.stop()
    site.close()


def medic_says(medic: Medic, *words: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "recovery", *words]
    ended = subprocess.run(command, cwd=medic.folder, env=medic.env, capture_output=True, text=True, timeout=60)
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.again
def test_the_readmes_first_configuration_does_what_it_says(readme: tuple[Medic, Site]) -> None:
    medic, site = readme
    code, said = medic_says(medic, "check-config")
    assert code == 0 and "orders-api" in said, said
    assert medic_says(medic, "run-check", "orders-api")[0] == 0
    medic.start()
    site.answers["/health"] = (500, {}, b"no")
    assert medic_says(medic, "run-check", "orders-api")[0] == 1
    listed = {one["name"] for one in medic.api("components")["data"]}
    assert "orders-api" in listed and (medic.folder / "data/medic.db").exists()
