"""A real n8n as docker-compose.yml runs it: read-only, as another user, on PostgreSQL, its secrets in files.

The container's own image is not to be had here: Node and n8n are those of the suite.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container.compose import compose
from tests.container.rooms import CAN_OVERLAY, Room
from tests.n8n import install
from tests.n8n.real import free_port

pytestmark = [
    pytest.mark.n8n,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not CAN_OVERLAY, reason="needs root, overlayfs and unshare"),
]
CACHE = "/opt/n8n-cache"


@pytest.fixture
def room() -> Iterator[Room]:
    install.install()
    folder = Path(tempfile.mkdtemp(prefix="medic-n8n-", dir="/dev/shm"))
    found = Room(folder)
    found.path("/home/node/.cache").mkdir(parents=True)
    yield found
    shutil.rmtree(folder, ignore_errors=True)


def test_n8n_starts_read_only_with_its_secrets_in_files_and_its_healthcheck_tells_the_truth(
    room: Room, postgres_url: str, tmp_path: Path
) -> None:
    service, port = compose()["services"]["n8n"], free_port()
    secrets, home = tmp_path / "secrets", tmp_path / "home"
    secrets.mkdir()
    home.mkdir()
    shutil.chown(home, 1000, 1000)
    database = Path(postgres_url.partition("host=")[2])
    database.chmod(0o755)
    (secrets / "n8n_database_password").write_text("unused")
    (secrets / "n8n_encryption_key").write_text("only-for-tests")
    node = str(install.node_home() / "bin/node").replace(str(install.CACHE), CACHE)
    env = service["environment"] | {
        "DB_POSTGRESDB_HOST": "/run/database",
        "DB_POSTGRESDB_USER": "postgres",
        "DB_POSTGRESDB_DATABASE": postgres_url.partition("?")[0].rpartition("/")[2],
        "N8N_PORT": str(port),
        "N8N_RUNNERS_BROKER_PORT": str(free_port()),
        "N8N_LISTEN_ADDRESS": "127.0.0.1",
        "N8N_DIAGNOSTICS_ENABLED": "false",
        "HOME": "/home/node",
        "PATH": f"{Path(node).parent}:/usr/bin:/bin:/usr/sbin",
    }
    binds = {secrets: "/run/secrets", home: "/home/node/.n8n", database: "/run/database", install.CACHE: CACHE}
    more = {"env": env, "binds": binds, "read_only": service["read_only"], "tmpfs": service["tmpfs"]}
    words = [word.replace("5678", str(port)) for word in service["healthcheck"]["test"][1:]]
    assert room.run(words, "1000:1000", **more).returncode != 0, "nothing runs yet"
    log = tmp_path / "log"
    script = str(install.SCRIPT).replace(str(install.CACHE), CACHE)
    with log.open("wb") as out:
        process = room.begin([node, script, "start"], "1000:1000", **more, log=out)
    try:
        end = time.monotonic() + 150
        while room.run(words, "1000:1000", **more).returncode:
            assert process.poll() is None and time.monotonic() < end, log.read_text(errors="replace")[-3000:]
            time.sleep(1)
    finally:
        process.terminate()
        process.wait(60)
    assert list(home.iterdir()), "it keeps its settings in its volume"
