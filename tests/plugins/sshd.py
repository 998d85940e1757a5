"""A real sshd of a test's own: Debian's, with its own configuration and keys, on loopback and an unprivileged port."""

import getpass
import os
import re
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from tests.plugins.databases import program, running
from tests.plugins.servers import free_port

CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_ed25519
HostKey {folder}/host_ecdsa
HostKey {folder}/host_rsa
PidFile {folder}/pid
AuthorizedKeysFile {folder}/authorized
AuthenticationMethods publickey
PermitRootLogin yes
StrictModes no
UsePAM no
AcceptEnv *
MaxStartups 100
LogLevel VERBOSE
"""


class Sshd:
    """Where it listens, whom it knows, and what it has written down.

    Fields:
        user: the one that runs the tests.
        plain_user: one that is not root, where there is such a one: for root sshd ends nothing by a signal.
    """

    def __init__(self, folder: Path):
        self.folder, self.port, self.user = folder, free_port(), getpass.getuser()
        for kind in ("ed25519", "ecdsa", "rsa"):
            make_key(folder / f"host_{kind}", kind)
        self.key = make_key(folder / "client")
        self.allow(self.key)
        self.place = folder / "place"
        self.place.mkdir()
        self.place.chmod(0o777)
        (folder / "log").touch()
        (folder / "config").write_text(CONFIG.format(port=self.port, folder=folder))
        wrapped = _wrapped(folder) if self.user == "root" else []
        self.plain_user = "nobody" if wrapped else self.user
        sshd = program("sshd", "openssh-server")
        self.command = [*wrapped, sshd, "-D", "-f", f"{folder}/config", "-E", f"{folder}/log"]

    def allow(self, key: Path, options: str = "") -> None:
        """Let a key in, besides those that it lets in already."""
        with (self.folder / "authorized").open("a") as file:
            file.write(f"{options} {key.with_suffix('.pub').read_text()}".lstrip())

    def line(self, kind: str = "ed25519") -> str:
        """A host key as the line of its file."""
        return (self.folder / f"host_{kind}.pub").read_text().strip()

    def fingerprint(self, kind: str = "ed25519") -> str:
        """A host key's fingerprint, as ssh-keygen tells it."""
        told = subprocess.check_output(["ssh-keygen", "-lf", f"{self.folder}/host_{kind}.pub"], text=True)
        return told.split()[1]

    def log(self) -> str:
        """What it has written down."""
        return (self.folder / "log").read_text()


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    """A new key pair."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", str(path)], check=True, timeout=30)
    return path


@contextmanager
def running_sshd():
    """The server, started; it is stopped at the end."""
    os.environ["PATH"] = f"{os.environ['PATH']}:/usr/sbin"  # where Debian has it, and not everybody looks
    program("sshd", "openssh-server")
    folder = Path(tempfile.mkdtemp(prefix="medic-sshd-"))
    folder.chmod(0o755)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # Debian's unit makes it; without it root's sshd refuses
    server = Sshd(folder)
    try:
        with running(server.command, server.port):
            yield server
    finally:
        shutil.rmtree(folder)


def _wrapped(folder: Path) -> list[str]:
    """What makes root's sshd know `nobody` as a user with a shell, whatever the machine says; [] where it cannot."""
    library = next(Path("/usr/lib").glob("*/libnss_wrapper.so"), None)
    if not library:
        return []
    users = re.sub("(?m)^nobody:.*$", "nobody:x:65534:65534:nobody:/tmp:/bin/sh", Path("/etc/passwd").read_text())
    (folder / "passwd").write_text(users)
    shutil.copy("/etc/group", folder / "group")
    told = {"LD_PRELOAD": library, "NSS_WRAPPER_PASSWD": folder / "passwd", "NSS_WRAPPER_GROUP": folder / "group"}
    return ["env", *(f"{name}={value}" for name, value in told.items())]
