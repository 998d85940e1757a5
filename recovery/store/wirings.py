"""What `medic connect` has changed in each n8n: written down before each change, kept until it is taken back."""

from datetime import datetime

from recovery.model import Change, ChangeKind, Wired
from recovery.store.database import write
from recovery.store.wiring_row import WiringRow

BEGUN, DONE, VOID, UNDONE = "begun", "done", "void", "undone"
HANDLER = "error-handler"  # among the shipped workflows


def begin_change(site: str, change: Change, now: datetime) -> int:
    """Write down that a change is about to be made; its number."""
    with write():
        return int(
            WiringRow.create(
                site=site,
                kind=change.kind.value,
                key=change.key,
                name=change.name,
                target=change.target,
                before=dict(change.before),
                after=dict(change.after),
                because=change.because,
                state=BEGUN,
                begun_at=now,
            ).id
        )


def end_change(number: int, state: str, now: datetime, target: str | None = None) -> None:
    """Write down what became of a change; `target` is the id that n8n has given."""
    values = {"state": state, "ended_at": now} | ({"target": target} if target is not None else {})
    with write():
        WiringRow.update(**values).where(WiringRow.id == number).execute()


def find_wired(site: str) -> tuple[Wired, ...]:
    """What was changed in that n8n and not taken back, oldest first."""
    rows = WiringRow.select().where(WiringRow.site == site, WiringRow.state.in_((BEGUN, DONE))).order_by(WiringRow.id)
    return tuple(_wired(row) for row in rows)


def _wired(row: WiringRow) -> Wired:
    change = Change(ChangeKind(row.kind), row.key, row.name, row.because, row.target, row.before, row.after)
    return Wired(row.id, change, row.state == DONE)


def proven_at(site: str) -> datetime | None:
    """When a failure on purpose was last heard from that n8n; None for never."""
    row = (
        WiringRow.select()
        .where(WiringRow.site == site, WiringRow.kind == ChangeKind.PROOF.value, WiringRow.state == DONE)
        .order_by(WiringRow.id.desc())
        .first()
    )
    return row.ended_at if row else None


def find_handlers(site: str) -> tuple[str, ...]:
    """The ids of the error handlers that connect has made or taken over in that n8n, the newest first."""
    kinds = (ChangeKind.INSTALL, ChangeKind.UPDATE, ChangeKind.PUBLISH)
    found = [one.change for one in find_wired(site) if one.done and one.change.key == HANDLER]
    made = [change.target for change in found if change.kind in kinds and change.target]
    return tuple(dict.fromkeys(reversed(made)))
