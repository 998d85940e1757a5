"""What an API key may do in an n8n, and whether that is enough to connect it."""

from dataclasses import dataclass

from recovery.model import LIST_SCOPE, WITHOUT_LIST, N8nError, N8nWiring

TO_CONNECT = (
    "workflow:list", "workflow:read", "workflow:create", "workflow:update", "workflow:activate",
    "workflow:deactivate", "workflow:delete", "credential:list", "credential:create", "execution:list",
    "execution:read",
)  # fmt: skip
TO_UNDO = (
    "workflow:list", "workflow:read", "workflow:update", "workflow:activate", "workflow:deactivate",
    "workflow:delete", "credential:list", "credential:delete",
)  # fmt: skip
TO_HEAL = ("execution:list", "execution:read", "execution:retry", "workflow:read")
USEFUL = {
    "execution:retry": "no failed execution can be run again",
    "tag:create": "the tags of medic: are not made",
    "credential:update": "a token that changes cannot be written into n8n",
}


@dataclass(frozen=True, slots=True)
class Access:
    """Fields: `refused` says why this is not enough, "" where it is; `lines` tell of the n8n and its key."""

    refused: str = ""
    lines: tuple[str, ...] = ()
    scopes: frozenset[str] = frozenset()
    version: str = ""


def look_at_access(door: N8nWiring, undoing: bool = False) -> Access:
    """Ask n8n whether it is ready, which version it is and what the key may do. Raises N8nError."""
    if words := door.readiness():
        return Access(f"{words}: wait until it is, and run medic connect again")
    scopes = door.key_scopes()
    missing = [one for one in (TO_UNDO if undoing else TO_CONNECT) if one not in scopes]
    if missing:
        why = f" ({WITHOUT_LIST})" if LIST_SCOPE in missing else ""
        return Access(
            f"the API key of n8n {door.site} lacks the scopes {', '.join(missing)}{why}: make one that has them in n8n "
            "(Settings > n8n API), and give it here"
        )
    version = _version(door)
    ends = door.key_ends()
    told = f"n8n {door.site}: version {version or 'unknown (its metrics are off)'}, ready"
    lines = [told + (f"; the API key ends on {ends:%Y-%m-%d}" if ends else "; the API key does not end")]
    lines += [f"  ! without the scope {one} {words}" for one, words in USEFUL.items() if one not in scopes]
    return Access("", tuple(lines), scopes, version)


def _version(door: N8nWiring) -> str:
    try:
        return door.numbers().version
    except N8nError:
        return ""
