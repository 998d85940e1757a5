"""A command on another host, over ssh: how a service there is restarted."""

import base64
import binascii
import re
import shlex
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictInt, field_validator

from recovery.actions import action
from recovery.actions.running import Words, check_words, filled_words, with_output
from recovery.model import About, Done, DoorError, Doors, Failed, RemoteResult, Result, SshHost
from recovery.model.durations import Timeout

_KEY = re.compile(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)) ([A-Za-z0-9+/]+={0,2})(?: [^\r\n]*)?")
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}=?")


class Args(BaseModel):
    """Whom to tell, and what to run there."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    host: str = Field(description="its name or IP address", examples=["web1.example.com"], min_length=1, max_length=253)
    port: Annotated[StrictInt, Field(ge=1, le=65_535)] = Field(22, description="where its sshd listens")
    user: str = Field(description="who logs in there", examples=["medic"], min_length=1, max_length=64)
    key_file: str = Field(
        description="path of the private key to log in with, which needs no passphrase",
        examples=["/run/secrets/medic_ssh_key"],
        max_length=4_096,
    )
    host_key: str = Field(
        description="the host's own public key, as the line in its `/etc/ssh/ssh_host_ed25519_key.pub`, or that key's"
        " `SHA256:` fingerprint",
        examples=["SHA256:uNiVztksCsDhcc0u9e8BrrQXVUpKZIDTMczCvj3tD2s"],
        max_length=2_000,
    )
    command: Words = Field(
        description="the program and its arguments as a list",
        examples=[["sudo", "-n", "systemctl", "restart", "orders"]],
    )
    timeout: Timeout = Field(
        60.0, description="how long connecting and the command may take together", examples=["90s"]
    )

    @field_validator("host", "user")
    @classmethod
    def _is_one_name(cls, value: str) -> str:
        if value.startswith("-") or re.search(r"[\s/@,\\'\"\x00-\x1f\x7f\[\]]", value) or not value.isprintable():
            raise ValueError("write only a name such as web1.example.com or medic; port and user have their own keys")
        return value

    @field_validator("key_file")
    @classmethod
    def _is_a_path(cls, value: str) -> str:
        if not value.startswith("/") or not value.isprintable():
            raise ValueError("write the whole path of the file, from `/` on")
        return value

    @field_validator("host_key")
    @classmethod
    def _is_a_key(cls, value: str) -> str:
        value = value.strip()
        if not _FINGERPRINT.fullmatch(value) and not _is_public_key(value):
            raise ValueError(
                "write `ssh-ed25519 AAAA...` (also ssh-rsa or ecdsa-sha2-nistp...), without a host before it,"
                " or `SHA256:` and 43 signs"
            )
        return value

    @field_validator("command")
    @classmethod
    def _can_be_run(cls, value: list[str]) -> list[str]:
        check_words(value)
        return value

    @property
    def there(self) -> SshHost:
        """What the door is given."""
        return SshHost(self.host, self.port, self.user, self.key_file, self.host_key)


def _is_public_key(line: str) -> bool:
    found = _KEY.fullmatch(line)
    if not found:
        return False
    try:
        key = base64.b64decode(found[2], validate=True)
    except binascii.Error:
        return False
    return key[4 : 4 + len(found[1])] == found[1].encode() and len(key) > 4 + len(found[1])


def preview(args: Args, doors: Doors, about: About) -> str:
    """The very line that the other host's shell would read."""
    return f"run `{_line(args, about)}` on {args.host} as {args.user} over ssh, for at most {args.timeout:g} s"


def _line(args: Args, about: About) -> str:
    return shlex.join(filled_words(args.command, about))


@action("restart_remote", safe_to_repeat=True, restarts=True, preview=preview)
def restart_remote(args: Args, doors: Doors, about: About) -> Result:
    """Runs a command on another host over ssh, and waits for it: exit code 0 is done, anything else is a failure.

    The host must show the key that is pinned as `host_key`. Where it shows another one, or none of that kind, nothing
    is sent to it, and the failure is permanent: somebody has set the host up anew, or stands in between. Nothing of
    the worker's own ssh counts: no `~/.ssh/config`, no known hosts, no agent, no password.

    The words are quoted, so that the shell there (any that reads as POSIX says) takes each for one word; a word may
    hold `{{component}}` and the other fields of `run_command`. There is no terminal and nothing on standard input.
    Output is kept, cut and without secrets. Give the user there the right to run just this one command:
    `command="..."` before its key in `authorized_keys`, or a line in sudoers.

    At its timeout the command's process group is asked to end (TERM) and after 2 seconds ended (KILL), as far as the
    other side lets us. OpenSSH does not before 7.9, for a login as root, for what sudo runs, and with `command="..."`
    before the key: then it is said that the command may still run. So it is where the connection breaks off. What a
    command that ended by itself leaves running in the background stays.

    It must be safe to repeat, as restarting a service is: a worker that is killed in the middle lets go of the command,
    which goes on over there, and it may be run a second time beside the first.
    """
    try:
        ended = doors.ssh.run(args.there, _line(args, about), args.timeout)
    except DoorError as problem:
        return Failed(str(problem), problem.permanent)
    if ended.code == 0 and not ended.timed_out:
        return Done(with_output(f"on {args.host} ended with exit code 0", ended.output))
    return Failed(with_output(f"on {args.host} {_how_it_failed(args, ended)}", ended.output))


def _how_it_failed(args: Args, ended: RemoteResult) -> str:
    if ended.survives:
        return f"did not end within {args.timeout:g} s, nor when it was told to: it may still run there"
    if ended.timed_out:
        return f"did not end within {args.timeout:g} s and was ended"
    if ended.signal:
        return f"was ended by SIG{ended.signal}"
    return f"ended with exit code {ended.code}"
