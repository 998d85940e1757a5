"""Passwords in the words of a command, where its program's options say so: `mysql -psecret`, `curl -u me:secret`."""

import re
from collections.abc import Sequence
from typing import NamedTuple

MARK = "[redacted]"


class _Takes(NamedTuple):
    """How programs take a password.

    Fields:
        programs: their names. option: those of their options that a password follows, joined on or as the next word.
        apart: whether it may be the next word. pair: what parts a user, who stays, from the password; "" without one.
    """

    programs: str
    option: str
    apart: bool = True
    pair: str = ""


_TAKES = (
    _Takes(r"(?:mysql|mariadb)[\w-]*|7z[ar]?", "-p", apart=False),
    _Takes(r"sshpass|supervisorctl|mongo[\w-]*|rabbitmqadmin|racadm|fence_\w+|login", "-p"),
    _Takes(r"ipmitool|sqlcmd|bcp|mosquitto_\w+|zip|unzip", "-P"),
    _Takes(r"redis-cli|valkey-cli", "-a"),
    _Takes(r"ldap\w+", "-w"),
    _Takes(r"plink|pscp|psftp", "-pw"),
    _Takes(r"smbclient|rpcclient", "-U|--user", pair="%"),
    _Takes(r"curl|wget", r"-[A-Za-z]*?[uU]|--(?:proxy-)?user", pair=":"),
)
_PROGRAM = re.compile(
    r"(?<![\w.-])(?:" + "|".join(f"({takes.programs})" for takes in _TAKES) + r")(?:\.exe)?[\"']?,?(?=\s|\Z)"
)
_OPTIONS = tuple(re.compile(rf"({takes.option})(?!-)(.*)", re.DOTALL) for takes in _TAKES)
# No text without one of these names such a program; `in` is far faster than a pattern.
STEMS = tuple(
    "mysql mariadb 7z sshpass supervisorctl mongo rabbitmqadmin racadm fence_ login ipmitool sqlcmd bcp mosquitto_ zip"
    " redis-cli valkey-cli ldap plink pscp psftp smbclient rpcclient curl wget".split()
)
_COMMAND = re.compile(r"[^\n;|&`]+")
_WORD = re.compile(r"(?:\"[^\"]*\"|'[^']*'|[^\s\"'])+|[\"'][^\s\"']*")


def hide_in_words(words: Sequence[str]) -> dict[int, str]:
    """What takes the place of the words that hold a password, by their places; {} where none does."""
    hidden: dict[int, str] = {}
    for place, word in enumerate(words):
        found = _PROGRAM.fullmatch(word.rsplit("/", 1)[-1])
        if found and found.lastindex:
            after = _hidden_after(words[place + 1 :], found.lastindex - 1)
            hidden |= {place + 1 + further: word for further, word in after.items()}
    return hidden


def hide_in_text(text: str) -> str:
    """The text without the passwords of the commands in it."""
    spans: dict[tuple[int, int], str] = {}
    for command in _COMMAND.finditer(text):
        # Of each kind the first alone, so that a text of programs costs no more than another.
        firsts: dict[int, int] = {}
        for found in _PROGRAM.finditer(text, command.start(), command.end()):
            firsts.setdefault((found.lastindex or 1) - 1, found.end())
        for kind, start in firsts.items():
            words = list(_WORD.finditer(text, start, command.end()))
            hidden = _hidden_after([one[0].strip("\"',[]") for one in words], kind)
            spans |= {words[place].span(): word for place, word in hidden.items()}
    kept: list[str] = []
    done = 0
    for (start, end), word in sorted(spans.items()):
        kept += (text[done:start], word)
        done = end
    return "".join(kept) + text[done:] if kept else text


def _hidden_after(words: Sequence[str], kind: int) -> dict[int, str]:
    """What takes the place of those of a program's words that hold a password."""
    takes, hidden = _TAKES[kind], {}
    for place, word in enumerate(words):
        found = _OPTIONS[kind].fullmatch(word)
        if found and found[2]:
            value = _without(found[2], takes.pair)
            hidden[place] = f"{found[1]}{value}" if value else ""
        elif found and takes.apart and place + 1 < len(words) and not words[place + 1].startswith("-"):
            hidden[place + 1] = _without(words[place + 1], takes.pair)
    return {place: word for place, word in hidden.items() if word}


def _without(value: str, pair: str) -> str:
    """What is left of a value; "" where it holds no password."""
    if not pair:
        return MARK
    user, parted, password = value.partition(pair)
    return f"{user}{parted}{MARK}" if password else ""
