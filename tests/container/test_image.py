"""The image without Docker: the Dockerfile's commands, then the web and the worker as docker-compose.yml runs them.

Each in a root file system of its own that is read-only, as another user, with tmpfs and secrets where the file says.
What this does not try: the images of others, Python 3.13 and Docker's own networks.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.container.compose import compose
from tests.container.rooms import CAN_OVERLAY, Room, build
from tests.n8n.real import free_port

pytestmark = [
    pytest.mark.image,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not CAN_OVERLAY, reason="needs root, overlayfs and unshare"),
]


@pytest.fixture(scope="module")
def image() -> Iterator[Room]:
    folder = Path(tempfile.mkdtemp(prefix="medic-image-", dir="/dev/shm"))
    yield build(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def started(image: Room, postgres_url: str, tmp_path: Path) -> Iterator[Callable[[str, int], Any]]:
    """Starts a service of docker-compose.yml in the image; `.run(command)` runs beside it, such as its healthcheck."""
    running: list[subprocess.Popen[bytes]] = []
    secrets, data = tmp_path / "secrets", tmp_path / "data"
    secrets.mkdir()
    data.mkdir()
    database = Path(postgres_url.partition("host=")[2])
    url = f"{postgres_url.partition('host=')[0]}host=/run/database"
    (secrets / "medic_database_url").write_text(url)
    (secrets / "n8n_api_key").write_text("")
    shutil.chown(data, 10001, 10001)
    database.chmod(0o755)

    def start(name: str, port: int) -> Any:
        service = compose()["services"][name]
        more = {
            "env": {key: str(value) for key, value in service["environment"].items()},
            "binds": {secrets: "/run/secrets", data: "/data", database: "/run/database"},
            "read_only": service["read_only"],
            "tmpfs": service["tmpfs"],
        }
        here = [word.replace("8808", str(port)) for word in service["command"]]
        log = (tmp_path / f"{name}.log").open("wb")
        running.append(image.begin(here, service["user"], **more, log=log))

        def check() -> int:
            kind, *words = service["healthcheck"]["test"]
            assert kind == "CMD"
            return image.run([word.replace("8808", str(port)) for word in words], service["user"], **more).returncode

        return check

    yield start
    for process in running:
        process.terminate()
        process.wait(30)
    print(*(f"{log}:\n{log.read_text(errors='replace')[-3000:]}" for log in tmp_path.glob("*.log")))


def wait_until(done: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.5)


def answers(url: str) -> int:
    try:
        return requests.get(url, timeout=5).status_code
    except requests.RequestException:
        return 0


def test_web_and_worker_run_read_only_as_nobody_special_and_their_healthchecks_tell_the_truth(started) -> None:
    port = free_port()
    web_is_well = started("medic-web", port)
    wait_until(lambda: web_is_well() == 0)
    assert answers(f"http://127.0.0.1:{port}/readyz") == 503, "no worker yet"
    worker_is_well = started("medic-worker", port)
    wait_until(lambda: worker_is_well() == 0)
    wait_until(lambda: answers(f"http://127.0.0.1:{port}/readyz") == 200)
    assert answers(f"http://127.0.0.1:{port}/login") == 200, "templates and translations are in the image"


def test_a_healthcheck_fails_where_nothing_runs(started, image: Room) -> None:
    check = ["python", "-c", f"import urllib.request as u; u.urlopen('http://127.0.0.1:{free_port()}/healthz')"]
    assert image.run(check, "medic").returncode != 0
    assert image.run(["medic", "worker", "--check"], "medic", env={"MEDIC_DATA_DIR": "/tmp/none"}).returncode == 1


def test_the_image_holds_what_connect_needs_and_nothing_writable_but_its_data(image: Room) -> None:
    look = "from recovery.cli.shipped_files import HANDLER, read_shipped; print(HANDLER in read_shipped())"
    assert image.run(["python", "-c", look]).stdout.strip() == b"True"
    assert image.run(["touch", "/opt/medic/new"], "medic").returncode != 0
    assert image.run(["touch", "/data/new"], "medic").returncode == 0
    assert image.run(["touch", "/data/new"], "medic", read_only=True).returncode != 0
